// Why a query is answered as it is: what the log says, where each part comes from, and how the student decides.

import { at, bar, card, chip, count, facts, make, path, percent, times } from "./playground.parts.js";
import { PARTS, TIERS } from "./playground.words.js";

export function drawWhy({ head, student, why }) {
  const found = [lead(head, student, why)];
  if (why.evidence) found.push(evidence(why.evidence, (head?.categories ?? []).map((category) => category.path)));
  if (why.origin) found.push(origin(why));
  if (why.steps.length) found.push(steps(why.steps, student));
  at("panel-why").replaceChildren(...found);
}

function lead(head, student, { served, tier, origin: made, evidence: log }) {
  const text = make("p", { className: "agreement a-none" });
  if (head && made) {
    const within = log ? ", shown what the log says of this query" : ", without evidence: the log says too little of this query";
    text.append(make("strong", {}, `${made.model} answered this offline${within}.`), ` Tier: ${TIERS[tier] ?? tier}.`);
  } else if (head) {
    text.append(make("strong", {}, "Precomputed."), " This release keeps no reasons: build a new one to see the evidence and the prompt behind its answers.");
  } else if (served === "student") {
    text.append(make("strong", {}, "The student answered."), " The query has no label, so there is no evidence to show; what it was sure of is below.");
  } else if (!student) {
    text.append(make("strong", {}, "There is no student to ask."), " A query without a label is searched for in the taxonomy.");
  } else {
    text.append(make("strong", {}, "Nobody was sure enough."), " The query has no label, and an empty answer is better than a wrong one.");
  }
  return text;
}

function evidence(log, answered) {
  const tiles = [["Searches", count(log.searches)], ["Shoppers", count(log.clients)], ["Led to a click or more", percent(log.acted_share)]];
  if (log.zero_share !== null) tiles.push(["Found nothing", percent(log.zero_share)]);
  const did = card("What the log says", tilesOf(tiles), make("h3", {}, "Where the demand goes"), demand(log.categories, answered));
  const lists = [];
  if (log.chosen.length) lists.push(listed("What was chosen has", "ul", "ranked", log.chosen.map(chosen)));
  if (log.products.length) lists.push(listed("Products most acted on", "ol", "ranked", log.products.map((one) => ranked(one.title, percent(one.share)))));
  if (log.next_queries.length) lists.push(listed("Searched next", "ul", "chips", log.next_queries.map(followed)));
  if (log.retyped.length) lists.push(listed("Retyped as", "ul", "chips", log.retyped.map(followed)));
  if (lists.length) did.append(make("div", { className: "lists" }, ...lists));
  return did;
}

function tilesOf(pairs) {
  const tiles = facts(pairs);
  tiles.className = "tiles";
  return tiles;
}

const ranked = (name, ...notes) => make("li", {}, make("span", {}, name), ...notes.map((note) => make("small", {}, note)));
const chosen = ({ name, value, share, lift }) => ranked(`${name.replaceAll("_", " ")}: ${value}`, percent(share), `${lift < 10 ? lift.toFixed(1) : count(Math.round(lift))}× usual`);
const followed = ({ query, count: often }) => make("li", {}, chip(query, `${count(often)}×`));
const listed = (title, tag, className, items) => make("div", {}, make("h3", {}, title), make(tag, { className, ariaLabel: title }, ...items));

function demand(categories, answered) {
  if (!categories.length) return make("p", { className: "none" }, "Too few actions to tell where the demand goes.");
  const rows = categories.map((one) => {
    const name = path(one.path);
    if (answered.some((above) => above.every((part, i) => part === one.path[i]))) name.append(make("b", { className: "tag" }, "in the answer"));
    const changed = one.shown !== null && Math.abs(one.shown - one.share) >= 0.005 ? `; the model was shown ${percent(one.shown)}` : "";
    const counts = [times(one.clicks, "click"), times(one.carts, "cart"), times(one.purchases, "purchase")].join(", ") + changed;
    return make("li", {}, name, make("div", { className: "sure" }, bar(one.share), make("b", {}, percent(one.share))), make("small", {}, counts));
  });
  return make("ol", { className: "categories demand" }, ...rows);
}

function origin({ origin: made, parts }) {
  const rows = parts.map(({ part, sources }) => [PARTS[part] ?? part, ...sources.map((one) => make("code", {}, one === "log" ? "the search log" : one))]);
  rows.push(["Model", made.model]);
  rows.push(["Labelled", made.labelled ?? "the day is not on record, as of replayed answers"]);
  rows.push(["The log since then", made.same_context ? "unchanged: the model was shown this evidence" : "has changed: the evidence above is today's"]);
  const dropped = Object.entries(made.dropped).map(([reason, often]) => `${reason.replaceAll("_", " ")} (${often})`);
  rows.push(["Taken out by the checks", dropped.join(", ") || "nothing"]);
  rows.push(["Request", ...made.key.split("+").map((key) => make("code", { title: key }, key.slice(0, 12)))]);
  const box = card("Where the answer comes from", facts(rows));
  box.querySelector("dl").className = "rows";
  return box;
}

function steps(walked, student) {
  const rows = walked.map((step) => {
    const name = path(step.path);
    if (step.threshold > 1) return make("li", {}, name, make("small", {}, "never answered at this depth"));
    if (step.answered) name.append(make("b", { className: "tag" }, "sure enough"));
    const chance = make("div", { className: "sure" }, bar(step.chance, step.threshold), make("b", {}, percent(step.chance)));
    return make("li", {}, name, chance, make("small", {}, `needs ${percent(step.threshold)}`));
  });
  const about = "From the likeliest category up the tree, until one is sure enough; the line marks what it needs.";
  const end = walked.at(-1).answered ? "" : " None is, so the student abstains.";
  const depths = " Chances are calibrated for each depth, so a parent's may be a little lower.";
  const box = card("How the student decides", make("p", { className: "note" }, about + end + depths), make("ol", { className: "categories" }, ...rows));
  if (student?.borrowed_from) box.append(make("p", { className: "note" }, "Its rewrites are those of ", chip(student.borrowed_from), ", a labelled query that says nearly the same."));
  return box;
}
