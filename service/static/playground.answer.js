// The understanding of a query: coloured spans, facts, breadcrumb paths with their confidence, rewrites by type.

import { at, bar, chip, facts, make, path, percent, times } from "./playground.parts.js";
import { NO_CATEGORY, REASONS, REWRITES, SOURCES, SPECIFICITY, TYPES } from "./playground.words.js";

export function drawAnswer(answer, milliseconds, serving) {
  at("spans").replaceChildren(...spans(answer));
  const types = [...new Set(answer.annotations.map((span) => span.type))];
  at("legend").replaceChildren(...types.map((type) => make("li", { className: `t-${type}` }, make("i"), TYPES[type] ?? type)));
  at("legend").hidden = !types.length;
  drawFacts(answer, milliseconds, serving);
  at("categories").replaceChildren(...categories(answer));
  at("rewrites").replaceChildren(...rewrites(answer));
}

export function spans(answer) {
  // Offsets count characters as Python does, so surrogate pairs must count as one.
  const characters = Array.from(answer.normalized);
  if (!characters.length) return [make("em", {}, "Nothing is left of this query after normalisation.")];
  const parts = [];
  let end = 0;
  for (const span of [...answer.annotations].sort((a, b) => a.start - b.start)) {
    if (span.start < end) continue; // spans that overlap an earlier one are in the raw answer
    parts.push(...plain(characters.slice(end, span.start)));
    const same = span.value.toLowerCase() === span.text.toLowerCase();
    const type = TYPES[span.type] ?? span.type;
    parts.push(make("mark", { className: `t-${span.type}` }, span.text, make("small", {}, same ? type : `${type}: ${span.value}`)));
    end = span.end;
  }
  return [...parts, ...plain(characters.slice(end))];
}

function plain(characters) {
  const text = characters.join("").trim();
  return text ? [make("span", { className: "plain" }, text)] : [];
}

export function source(answer) {
  // Without a student the fallback lists the categories whose names are nearest, and is sure of none.
  const name = answer.source === "fallback" && answer.categories.length ? "Nearest by name" : SOURCES[answer.source];
  return make("span", { className: `source s-${answer.source}` }, name ?? answer.source);
}

export function specificity(value) {
  if (!value) return make("span", {}, "not known");
  const steps = { broad: 1, category: 2, specific: 3, navigational: 4 }[value] ?? 0;
  const dots = [1, 2, 3, 4].map((step) => make("i", { className: step <= steps ? "on" : "" }));
  return make("span", { className: "specificity", title: SPECIFICITY[value] ?? "" }, make("span", { className: "dots", ariaHidden: "true" }, ...dots), value);
}

function drawFacts(answer, milliseconds, serving) {
  const rows = [
    ["Answered by", source(answer), make("small", {}, REASONS[answer.reason] ?? answer.reason)],
    ["Specificity", specificity(answer.specificity)],
  ];
  if (milliseconds !== null) rows.push(["Round trip", `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`]);
  if (answer.release !== serving) rows.push(["Release", answer.release]);
  if (answer.borrowed_from) rows.push(["Rewrites borrowed from", chip(answer.borrowed_from)]);
  at("facts").replaceChildren(...facts(rows).children);
}

export function categories(answer) {
  if (answer.categories.length) return answer.categories.map(category);
  const item = make("li", { className: "none" }, NO_CATEGORY[answer.reason] ?? "No category.");
  if (answer.reason === "abstained_low_confidence") item.append(" ", nearly());
  return [item];
}

function nearly() {
  const button = make("button", { type: "button", className: "plain-button" }, "See how close it came");
  button.addEventListener("click", () => button.dispatchEvent(new CustomEvent("look", { bubbles: true, detail: "why" })));
  return button;
}

function category({ path: names, confidence }) {
  const sure = make("div", { className: "sure" });
  if (confidence === null) sure.append("no confidence");
  else sure.append(bar(confidence), make("b", { title: `confidence ${confidence}` }, percent(confidence)));
  return make("li", {}, path(names), sure);
}

export function rewrites(answer) {
  const kinds = [...new Set(answer.rewrites.map((rewrite) => rewrite.type))];
  if (!kinds.length) return [make("p", { className: "none" }, "No rewrites.")];
  return kinds.map((kind) => {
    const chips = answer.rewrites.filter(({ type }) => type === kind).map(({ query, confidence }) => make("li", {}, chip(query, percent(confidence))));
    const title = REWRITES[kind] ?? kind;
    return make("div", { className: "kind" }, make("h3", {}, title), make("ul", { className: "chips", ariaLabel: `Rewrites, ${kind}` }, ...chips));
  });
}

export function summary(answer) {
  const [first] = answer.categories;
  const sure = first && first.confidence !== null ? `, ${percent(first.confidence)}` : "";
  const found = first ? `${first.path.at(-1)}${sure}` : "no category";
  return `${answer.normalized || "The query"}: ${found}. ${times(answer.rewrites.length, "rewrite")}, ${times(answer.annotations.length, "annotation")}.`;
}
