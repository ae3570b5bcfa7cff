// Draws what the service sent. All of it is set as text, never as markup.

export const at = (id) => document.getElementById(id);
export function percent(share) {
  if (share > 0 && share < 0.01) return "under 1%";
  return share > 0.99 && share < 1 ? "over 99%" : `${Math.round(share * 100)}%`;
}
export const plain = (path) => path.join(" › ");
const number = (count) => count.toLocaleString("en");
const counted = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function drawPath(path) {
  const above = path.length > 1 ? [" ", make("small", {}, plain(path.slice(0, -1)))] : [];
  return make("span", { className: "path" }, make("b", {}, path.at(-1)), ...above);
}

function fact(name, ...said) {
  return make("div", { className: "fact" }, make("h4", {}, name), ...said);
}

export function drawLog(evidence) {
  const parts = [];
  if (evidence.categories.length) {
    const rows = evidence.categories.map((category) => {
      const bar = make("i");
      bar.style.setProperty("--share", Math.min(category.share, 1));
      const track = make("div", { className: "track" }, bar);
      track.setAttribute("aria-hidden", "true");
      const bought = category.purchases ? `, ${counted(category.purchases, "purchase")}` : "";
      const words = `${percent(category.share)} of demand: ${counted(category.actions, "action")} by ${counted(category.shoppers, "shopper")}${bought}`;
      return make("li", {}, drawPath(category.path), track, make("small", {}, words));
    });
    parts.push(fact("Shoppers choose from", make("ol", { className: "demand" }, ...rows)));
  }
  const titles = evidence.products.map((product) => make("li", {}, product.title, " ", make("small", {}, `×${number(product.actions)}`)));
  if (titles.length) parts.push(fact("Chosen most", make("ul", { className: "titles" }, ...titles)));
  for (const [name, queries] of [["Searched next", evidence.next_queries], ["Typed instead, when nothing fitted", evidence.replaced_by]]) {
    const chips = queries.map((next) => make("li", {}, next.query, " ", make("small", {}, `×${number(next.count)}`)));
    if (chips.length) parts.push(fact(name, make("ul", { className: "chips" }, ...chips)));
  }
  if (!parts.length) parts.push(make("p", { className: "soft" }, "Nothing: too few shoppers acted on this query."));
  at("log").replaceChildren(...parts);
}

export function trafficWords(item) {
  const words = [counted(item.searches, "search", "searches")];
  if (item.tier) words.push(item.tier);
  if (item.evidence.acted_share !== null) words.push(`${percent(item.evidence.acted_share)} lead to a click or more`);
  if (item.evidence.zero_share) words.push(`${percent(item.evidence.zero_share)} find nothing`);
  words.push(`${percent(item.disagreement)} disagreement`);
  return words.join(" · ");
}

function categoriesOf(said) {
  const rows = said.categories.map((category) => make("li", {}, drawPath(category.path)));
  rows.push(...said.acceptable.map((category) => make("li", { className: "soft" }, drawPath(category.path), " (acceptable)")));
  if (!said.categories.length) rows.unshift(make("li", { className: "soft" }, "abstains"));
  return make("ul", {}, ...rows);
}

export function drawSources(said, names = null) {
  at("sources").replaceChildren(...said.map((source, i) => {
    const title = make("h4", {}, make("b", { className: "letter" }, source.source));
    if (names) title.append(" ", names[i].source);
    const row = make("li", {}, title, categoriesOf(source));
    if (source.reason) row.append(make("p", { className: "soft" }, `“${source.reason}”`));
    return row;
  }));
}

export function drawBefore(sources, answer, paths) {
  const names = (ids) => ids.map((id) => plain(paths.get(id) ?? [id])).join("; ");
  const mine = answer.categories.length ? names(answer.categories) : "none";
  const rows = [["You", answer.acceptable.length ? `${mine} (acceptable: ${names(answer.acceptable)})` : mine]];
  for (const source of sources?.said ?? []) rows.push([source.source, source.categories.map((category) => plain(category.path)).join("; ") || "abstains"]);
  at("before-said").replaceChildren(
    make("p", { className: "about" }, make("b", {}, answer.query)),
    make("dl", { className: "pairs" }, ...rows.map(([name, said]) => make("div", {}, make("dt", {}, name), make("dd", {}, said)))),
  );
  at("before").hidden = false;
}

export function drawAgreement(found) {
  const decided = Object.entries(found.decided).map(([name, count]) => make("li", {}, `${name}: ${number(count)} decided`));
  const parts = [decided.length ? make("ul", {}, ...decided) : make("p", {}, "Nobody has decided anything yet.")];
  for (const pair of found.pairs) {
    const words = `${counted(pair.queries, "query", "queries")} by both. Same set ${percent(pair.same_set)}, same first ${percent(pair.same_first)}, overlap (Jaccard) ${pair.overlap.toFixed(3)}.`;
    parts.push(make("p", {}, make("b", {}, pair.raters.join(" and ")), ": ", words));
  }
  if (!found.pairs.length) parts.push(make("p", { className: "soft" }, "No query has been decided by two raters."));
  else parts.push(make("p", {}, `Krippendorff's alpha (Jaccard distance): ${found.alpha === null ? "not defined" : found.alpha.toFixed(3)}`));
  if (found.settled) parts.push(make("p", {}, `${counted(found.settled, "difference")} settled.`));
  const paths = new Map(found.choices.map((choice) => [choice.id, choice.path]));
  for (const difference of found.differing) {
    const rows = difference.decisions.map((decision) => make("div", {}, make("dt", {}, decision.rater),
      make("dd", {}, decision.categories.map((id) => plain(paths.get(id) ?? [id])).join("; ") || "none")));
    parts.push(make("h3", {}, difference.query), make("dl", { className: "pairs" }, ...rows));
  }
  at("agreement-said").replaceChildren(...parts);
}
