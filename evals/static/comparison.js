"use strict";
// Queries, answers and prompts were written by strangers: they become text nodes, never markup.
(() => {
  const at = (id) => document.getElementById(id);
  const { comparison, headline, remarks, measures, agreement } = JSON.parse(at("data").textContent);
  const { quality, rows, compared } = comparison;
  const SVG = "http://www.w3.org/2000/svg";
  const PAGE = 200;

  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function draw(tag, attributes) {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  }

  const whole = (n) => n.toLocaleString("en");
  const three = (x) => x.toFixed(3);
  const signed = (x) => { const text = x.toFixed(3); return text === "-0.000" ? "+0.000" : x >= 0 ? `+${text}` : text.replace("-", "\u2212"); };
  const counted = (n) => (n === 1 ? "1 query" : `${whole(n)} queries`);
  const percent = (x) => `${(100 * x).toFixed(1)}%`;
  const words = (name) => name.replaceAll("_", " ").replace(/\bf1\b/, "F1").replace("top1", "top-1");
  const tone = (gain) => (gain.low > 0 ? "good" : gain.high < 0 ? "bad" : "");
  const badge = (side) => make("span", `badge ${side}`, side === "gold" ? "gold" : side.toUpperCase());

  function table(id, head, body) {
    const titles = head.map(([title, numeric]) => { const th = make("th", numeric ? "n" : "", title); th.scope = "col"; return th; });
    const lines = body.map((cells) => make("tr", "", ...cells.map((cell, i) => make("td", head[i][1] ? "n" : "", ...[cell].flat()))));
    at(id).replaceChildren(make("thead", "", make("tr", "", ...titles)), make("tbody", "", ...lines));
  }

  function plot(gain, reach) {
    const width = 170, x = (value) => 8 + ((value + reach) / (2 * reach)) * (width - 16);
    const svg = draw("svg", { width, height: 22, viewBox: `0 0 ${width} 22`, role: "img" });
    svg.setAttribute("aria-label", `${signed(gain.value)}, from ${signed(gain.low)} to ${signed(gain.high)}`);
    svg.append(
      draw("line", { class: "axis", x1: 0, x2: width, y1: 11, y2: 11 }),
      draw("line", { class: "zero", x1: x(0), x2: x(0), y1: 1, y2: 21 }),
      draw("line", { class: `span ${tone(gain)}`, x1: x(gain.low), x2: x(gain.high), y1: 11, y2: 11 }),
      draw("circle", { class: `dot ${tone(gain)}`, cx: x(gain.value), cy: 11, r: 5 }),
    );
    return svg;
  }

  const reachOf = (gains) => Math.max(0.02, ...gains.flatMap((gain) => [Math.abs(gain.low), Math.abs(gain.high)]));
  const bounds = (e) => [three(e.value), make("small", "", `${three(e.low)} to ${three(e.high)}`)];
  const apart = (gain) => [make("span", tone(gain), signed(gain.value)), make("small", "", `${signed(gain.low)} to ${signed(gain.high)}`)];

  function showMeasures() {
    const row = rows[Number(at("slice").value)];
    const reach = reachOf(Object.values(row.measures).map((m) => m.gain));
    const lines = Object.entries(row.measures).map(([name, m]) => {
      const title = make("span", "", words(name));
      title.title = measures[name] ?? "";
      return [[title, make("small", "", counted(m.gain.queries))], bounds(m.a), bounds(m.b), apart(m.gain), plot(m.gain, reach)];
    });
    table("measures", [["Measure"], ["A", 1], ["B", 1], ["B \u2212 A", 1], ["95% interval around 0"]], lines);
  }

  function showQuality() {
    at("columns").classList.toggle("alone", !Object.keys(rows[0].measures).length);
    if (Object.keys(rows[0].measures).length) {
      at("quality").hidden = false;
      rows.forEach((row, i) => {
        if (!Object.keys(row.measures).length) return;
        const option = make("option", "", i ? `${row.by}: ${row.slice} (${whole(row.queries)})` : `all queries (${whole(row.queries)})`);
        option.value = i;
        at("slice").append(option);
      });
      at("slice").addEventListener("change", showMeasures);
      showMeasures();
      at("intervals").textContent = `Paired bootstrap over queries, ${whole(comparison.draws)} resamples, seed ${comparison.seed}. Green or red where the interval leaves out 0.`;
    }
    const parts = rows.slice(1).filter((row) => row.measures.leaf_f1);
    if (!parts.length) return;
    at("parts").hidden = false;
    const reach = reachOf(parts.map((row) => row.measures.leaf_f1.gain));
    table("slices", [["By"], ["Part"], ["Judged", 1], ["Won", 1], ["Tied", 1], ["Lost", 1], ["F1 A", 1], ["F1 B", 1], ["B \u2212 A", 1], ["95% interval around 0"]], parts.map((row) => {
      const { a, b, gain } = row.measures.leaf_f1;
      return [row.by, row.slice, whole(row.judged), whole(row.won), whole(row.tied), whole(row.lost), three(a.value), three(b.value), apart(gain), plot(gain, reach)];
    }));
  }

  function showOutcome() {
    at("remarks").replaceChildren(...remarks.map((text) => make("li", "", text)));
    at("outcome").hidden = !quality && !remarks.length;
    at("h-outcome").hidden = !quality;
    if (!quality) return;
    const bar = make("div", "balance");
    for (const [result, label] of [["won", "won"], ["tied", "tied"], ["lost", "lost"]]) {
      if (!quality[result]) continue;
      const part = make("span", result, `${whole(quality[result])} ${label}`);
      part.style.flexGrow = quality[result];
      part.style.flexBasis = "0";
      part.title = part.textContent;
      bar.append(part);
    }
    at("balance").append(bar);
  }

  function total(sum, form) {
    if (sum === null) return "\u2013";
    if (sum.value === null) return "unknown";
    const text = form(sum.value) + (sum.estimated ? " est." : "");
    return sum.known < sum.queries ? [`\u2265 ${text}`, make("small", "", `known for ${whole(sum.known)} of ${whole(sum.queries)}`)] : text;
  }

  const dollars = (x) => `$${x === 0 ? "0" : x < 0.01 ? x.toPrecision(2) : x.toFixed(x < 1 ? 4 : 2)}`;

  function showCost() {
    const both = (title, value) => [title, value(comparison.a.cost), value(comparison.b.cost)];
    const share = (x) => (x === null ? "unknown" : percent(x));
    const round = (n) => whole(Math.round(n));
    table("cost", [[""], ["A", 1], ["B", 1]], [
      both("Requests", (cost) => whole(cost.requests)),
      both("Tokens in", (cost) => total(cost.tokens_in, round)),
      both("of these cached", (cost) => share(cost.cached_share)),
      both("Tokens out", (cost) => total(cost.tokens_out, round)),
      both("Price", (cost) => total(cost.usd, dollars)),
      ...(quality ? [
        ["Wholly right queries", whole(comparison.a.right), whole(comparison.b.right)],
        both("Price of each of these", (cost) => total(cost.usd_per_right, dollars)),
      ] : []),
    ]);
    table("agreement", [["Measure"], ["", 1]], Object.entries(rows[0].agreement).map(([name, e]) => [
      [words(name), make("small", "", agreement[name] ?? "")], bounds(e),
    ]));
  }

  // The table of queries.
  const gap = (query) => (query.result ? query.b.f1 - query.a.f1 : null);
  const failed = (query) => Boolean(query.a.failed || query.b.failed);
  const COLUMNS = [
    { title: "Query", of: (q) => q.query.toLowerCase(), up: true },
    { title: "Tier", of: (q) => ["head", "torso", "tail"].indexOf(q.tier) >>> 0, up: true },
    { title: "Searches", of: (q) => q.searches, n: 1 },
    ...(quality ? [
      { title: "F1 A", of: (q) => q.a.f1, n: 1 },
      { title: "F1 B", of: (q) => q.b.f1, n: 1 },
      { title: "B \u2212 A", of: gap, n: 1, up: true },
    ] : []),
    { title: "Cost A", of: (q) => q.a.usage.usd, n: 1 },
    { title: "Cost B", of: (q) => q.b.usage.usd, n: 1 },
    { title: "Differs in", of: (q) => q.changed.length, n: 0 },
  ];
  const FILTERS = [
    ["All", () => true],
    ...(quality ? [["B won", (q) => q.result === "won"], ["B lost", (q) => q.result === "lost"], ["Tied", (q) => q.result === "tied"]] : []),
    ["Categories changed", (q) => q.changed.includes("categories")],
    ["Failed", failed],
  ];
  const names = (answer) => (answer ? answer.categories.flatMap((c) => [c.id, ...c.path]) : []);
  const haystack = compared.map((q) => [q.query, ...names(q.a.answer), ...names(q.b.answer), ...(q.expected?.categories ?? []).flatMap((c) => [c.id, ...c.path])].join("\n").toLowerCase());
  const state = { filter: 0, column: 2, up: false, limit: PAGE };

  function visible() {
    const wanted = at("search").value.trim().toLowerCase(), tier = at("tier").value, keep = FILTERS[state.filter][1];
    const { of } = COLUMNS[state.column], sign = state.up ? 1 : -1;
    const keys = compared.map(of);
    return [...compared.keys()]
      .filter((i) => keep(compared[i]) && (!tier || compared[i].tier === tier) && (!wanted || haystack[i].includes(wanted)))
      .sort((i, j) => {
        const x = keys[i], y = keys[j];
        if (x === null || y === null) return (x === null) - (y === null) || i - j; // not known comes last, either way
        return sign * (x < y ? -1 : x > y ? 1 : 0) || i - j;
      });
  }

  const money = (usage) => (usage.usd === null ? make("span", "soft", "unknown") : dollars(usage.usd) + (usage.estimated ? " est." : ""));
  const score = (f1) => (f1 === null ? "\u2013" : f1.toFixed(2));

  function rowOf(i) {
    const query = compared[i], difference = gap(query);
    const ask = make("button", "ask", query.query || "(empty)");
    ask.type = "button";
    ask.dir = "auto";
    ask.setAttribute("aria-expanded", "false");
    const cells = [
      [ask], query.tier, whole(query.searches),
      ...(quality ? [score(query.a.f1), score(query.b.f1), difference === null ? "\u2013" : query.result === "tied" ? "0" : make("span", query.result === "won" ? "good" : "bad", signed(difference))] : []),
      money(query.a.usage), money(query.b.usage),
      [failed(query) ? make("span", "tag failed", "failed") : null, query.changed.join(", ") || "nothing"],
    ];
    const row = make("tr", "row", ...cells.map((cell, at) => make("td", COLUMNS[at].n ? "n" : "", ...[cell].flat())));
    row.addEventListener("click", (event) => {
      if (event.target === ask || !String(getSelection())) toggle(row, ask, i);
    });
    return row;
  }

  function toggle(row, ask, i) {
    const open = ask.getAttribute("aria-expanded") !== "true";
    ask.setAttribute("aria-expanded", String(open));
    row.classList.toggle("open", open);
    if (!open) return row.nextElementSibling.remove();
    const cell = make("td", "", detail(i));
    cell.colSpan = COLUMNS.length;
    row.after(make("tr", "detail", cell));
  }

  function list() {
    const found = visible();
    at("shown").textContent = `${whole(found.length)} of ${whole(compared.length)} queries, ${whole(found.reduce((sum, i) => sum + compared[i].searches, 0))} searches. A row opens with a click or Enter.`;
    at("queries").tBodies[0].replaceChildren(...found.slice(0, state.limit).map(rowOf));
    const left = found.length - state.limit;
    at("more").hidden = left <= 0;
    at("more").textContent = `Show ${whole(Math.min(PAGE, Math.max(left, 0)))} more`;
    at("queries").tHead.querySelectorAll("th").forEach((th, i) => {
      if (i === state.column) th.setAttribute("aria-sort", state.up ? "ascending" : "descending");
      else th.removeAttribute("aria-sort");
    });
    at("filters").querySelectorAll("button").forEach((button, i) => button.setAttribute("aria-pressed", String(i === state.filter)));
  }

  function showQueries() {
    at("queries").tHead.append(make("tr", "", ...COLUMNS.map((column, i) => {
      const button = make("button", "", column.title);
      button.type = "button";
      button.addEventListener("click", () => {
        state.up = state.column === i ? !state.up : Boolean(column.up);
        state.column = i;
        list();
      });
      const th = make("th", column.n ? "n" : "", button);
      th.scope = "col";
      return th;
    })));
    FILTERS.forEach(([title, keep], i) => {
      const button = make("button", "", `${title} ${whole(compared.filter(keep).length)}`);
      button.type = "button";
      button.addEventListener("click", () => { state.filter = i; state.limit = PAGE; list(); });
      at("filters").append(button);
    });
    for (const tier of ["", ...new Set(rows.filter((row) => row.by === "tier").map((row) => row.slice))]) {
      const option = make("option", "", tier || "all");
      option.value = tier;
      at("tier").append(option);
    }
    const again = () => { state.limit = PAGE; list(); };
    at("search").addEventListener("input", again);
    at("tier").addEventListener("change", again);
    at("more").addEventListener("click", () => { state.limit += PAGE; list(); });
    list();
  }

  // One query, opened.
  function section(title, items, none = "none") {
    return [make("h4", "", title), items.length ? make("ul", "", ...items) : make("span", "soft", none)];
  }

  function categoryItem(category, className, mark) {
    const path = category.path.length ? category.path : [category.id];
    const above = path.slice(0, -1).join(" \u203a ");
    const sure = category.confidence === null ? "" : ` ${Math.round(100 * category.confidence)}%`;
    const item = make("li", className, above ? make("span", "up", `${above} \u203a `) : null, path.at(-1), make("span", "soft", sure));
    if (mark) item.append(" ", make("span", `mark ${mark[1]}`, mark[0]));
    item.title = category.id;
    return item;
  }

  function judged(id, expected) {
    if (!expected?.categories) return null;
    if (expected.categories.some((c) => c.id === id)) return ["\u2713 expected", "good"];
    if (expected.acceptable.some((c) => c.id === id)) return ["\u223c not wrong", "soft"];
    return ["\u2717 not expected", "bad"];
  }

  const placed = (span) => `${span.start} ${span.end} ${span.type}`;

  function answerCard(side, query) {
    const { answer, failed: failure, f1, usage } = query[side], other = query[side === "a" ? "b" : "a"].answer;
    const card = make("div", `answer ${side}`, make("h3", "", badge(side), f1 === null ? null : make("span", "", `F1 ${score(f1)}`)));
    if (failure) card.append(make("p", "bad", `Failed: ${failure.kind}`), make("p", "soft", failure.detail));
    if (answer) {
      const only = (there) => (there ? "" : "only");
      const has = (list, key, item) => (other ? other[list] : []).some((one) => key(one) === key(item));
      const id = (c) => c.id, text = (r) => r.query;
      card.append(
        ...section("Categories", answer.categories.map((c) => categoryItem(c, only(has("categories", id, c)), judged(c.id, query.expected))), "abstains"),
        ...section("Specificity", [make("li", only(other?.specificity === answer.specificity), answer.specificity ?? "none given")]),
        ...section("Annotations", answer.annotations.map((s) => make("li", only(has("annotations", placed, s)), `${s.text} `, make("span", "soft", s.value === s.text ? s.type : `${s.type}: ${s.value}`)))),
        ...section("Rewrites", answer.rewrites.map((r) => make("li", only(has("rewrites", text, r)), `${r.query} `, make("span", "soft", `${r.type} ${Math.round(100 * r.confidence)}%`)))),
      );
    }
    const count = (n) => (n === null ? "unknown" : whole(n));
    const spent = `${count(usage.tokens_in)} tokens in (${count(usage.tokens_cached)} cached), ${count(usage.tokens_out)} out${usage.estimated ? ", estimated" : ""}`;
    card.append(make("h4", "", "Cost"), make("span", "soft", `${usage.requests === 1 ? "1 request" : `${whole(usage.requests)} requests`}; ${spent}; `, money(usage)));
    return card;
  }

  function goldCard(query) {
    const { expected } = query;
    if (!expected) return null;
    const given = (side) => new Set((query[side].answer?.categories ?? []).map((c) => c.id));
    const a = given("a"), b = given("b");
    const who = (id) => [`A ${a.has(id) ? "\u2713" : "\u2717"}  B ${b.has(id) ? "\u2713" : "\u2717"}`, "soft"];
    const note = [expected.kind, expected.rater].filter(Boolean).join(", ");
    const card = make("div", "answer gold", make("h3", "", badge("gold"), note ? make("span", "soft", note) : null));
    if (expected.categories) {
      card.append(...section("Categories", expected.categories.map((c) => categoryItem(c, "", who(c.id))), "the right answer is to abstain"));
      if (expected.acceptable.length) card.append(...section("Not wrong", expected.acceptable.map((c) => categoryItem(c, "", null))));
    }
    if (expected.specificity) card.append(...section("Specificity", [make("li", "", expected.specificity)]));
    if (expected.annotations) card.append(...section("Annotations", expected.annotations.map((s) => make("li", "", `${s.text} `, make("span", "soft", s.type)))));
    if (expected.rewrites) card.append(...section("Rewrites", expected.rewrites.map((r) => make("li", "", `${r.query} `, make("span", "soft", r.type ?? "")))));
    return card;
  }

  let unpacked = null;
  function exchanges() {
    unpacked ??= (async () => {
      const packed = Uint8Array.from(atob(at("exchanges").textContent), (char) => char.charCodeAt(0));
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      return JSON.parse(await new Response(stream).text());
    })();
    return unpacked;
  }

  function lines(text, others) {
    const pre = make("pre", "");
    pre.tabIndex = 0;
    for (const line of text.split("\n")) {
      const differs = others && line.trim() && !others.has(line);
      pre.append(differs ? make("mark", "", line) : line, "\n");
    }
    return pre;
  }

  async function fillPrompts(box, side, i) {
    const { texts, of } = await exchanges();
    const mine = of[side][i], others = of[side === "a" ? "b" : "a"][i];
    const theirs = others.length ? new Set(others.flatMap((e) => e.messages.flatMap(([, text]) => texts[text].split("\n")))) : null;
    for (const exchange of mine) {
      if (mine.length > 1) box.append(make("h3", "", exchange.title));
      for (const [role, text] of exchange.messages) box.append(make("h4", "", role), lines(texts[text], theirs));
      box.append(make("h4", "", "completion"), exchange.completion === null ? make("p", "soft", "none came") : lines(texts[exchange.completion], null));
    }
    if (!mine.length) box.append(make("p", "soft", "Prompt and completion were not kept."));
  }

  function promptsOf(side, i) {
    const box = make("details", side, make("summary", "", "Rendered prompt and raw completion of ", badge(side)));
    let filled = false;
    box.addEventListener("toggle", () => {
      if (filled || !box.open) return;
      filled = true;
      fillPrompts(box, side, i).catch((error) => box.append(make("p", "bad", `cannot be shown: ${error.message}`)));
    });
    return box;
  }

  function detail(i) {
    const query = compared[i];
    const cards = [answerCard("a", query), answerCard("b", query), goldCard(query)].filter(Boolean);
    return make("div", "", make("div", "answers", ...cards), make("div", "prompts", promptsOf("a", i), promptsOf("b", i)));
  }

  at("headline").textContent = headline;
  for (const side of ["a", "b"]) at("sides").append(make("div", "", make("dt", "", badge(side)), make("dd", "", comparison[side].name)));
  at("made").textContent = Object.entries(comparison.made).map(([name, value]) => `${name}: ${value}`).join("; ");
  showOutcome();
  showQuality();
  showCost();
  showQueries();
})();
