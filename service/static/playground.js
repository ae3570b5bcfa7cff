// All text from the service and the address is set as text, never as markup.

import { discover } from "./playground.discover.js";
import { at, fill, make, path, post } from "./playground.parts.js";

const input = at("query");
const TYPES = {
  product_type: "product type", brand: "brand", attribute: "attribute", dietary: "dietary", size: "size",
  color: "colour", material: "material", audience: "audience", occasion: "occasion", price: "price",
};
const SOURCES = {
  head: "head: precomputed", tail: "tail: answered by the student", fallback: "fallback: nobody was sure",
};
const REASONS = {
  precomputed: "precomputed", model: "answered by the model", backed_off_to_parent: "backed off to the parent category",
  abstained_low_confidence: "abstained: low confidence", empty_query: "the query is empty", degraded: "degraded: a part is missing",
};

function chip(query, note, label = query) {
  const button = make("button", { type: "button", className: "chip" }, make("span", {}, label));
  if (note) button.append(" ", make("small", {}, note));
  button.addEventListener("click", () => { input.value = query; ask(); input.focus(); });
  return button;
}

const percent = (share) => `${Math.round(share * 100)}%`;

function drawSpans(answer) {
  // Offsets count characters as Python does, so surrogate pairs must count as one.
  const characters = Array.from(answer.normalized);
  const parts = [];
  let end = 0;
  for (const span of [...answer.annotations].sort((a, b) => a.start - b.start)) {
    if (span.start < end) continue; // spans that overlap an earlier one are in the raw answer
    parts.push(...plain(characters.slice(end, span.start)));
    const same = span.value.toLowerCase() === span.text.toLowerCase();
    const mark = make("mark", { className: `t-${span.type}` }, span.text);
    mark.append(make("small", {}, same ? TYPES[span.type] ?? span.type : `${TYPES[span.type] ?? span.type}: ${span.value}`));
    parts.push(mark);
    end = span.end;
  }
  parts.push(...plain(characters.slice(end)));
  if (!characters.length) parts.push(make("em", {}, "Nothing is left of this query after normalisation."));
  at("spans").replaceChildren(...parts);
  const types = [...new Set(answer.annotations.map((span) => span.type))];
  at("legend").replaceChildren(...types.map((type) => make("li", { className: `t-${type}` }, make("i"), TYPES[type] ?? type)));
  at("legend").hidden = !types.length;
}

function plain(characters) {
  const text = characters.join("").trim();
  return text ? [make("span", { className: "plain" }, text)] : [];
}

function drawCategory(category) {
  const sure = make("div", { className: "sure" });
  if (category.confidence === null) {
    sure.append("no confidence");
  } else {
    const bar = make("i");
    bar.style.setProperty("--share", category.confidence);
    const track = make("div", { className: "track" }, bar);
    track.setAttribute("aria-hidden", "true");
    sure.append(track, make("b", { title: `confidence ${category.confidence}` }, percent(category.confidence)));
  }
  return make("li", {}, path(category.path), sure);
}

function drawFacts(answer, milliseconds) {
  const facts = [
    ["Source", SOURCES[answer.source] ?? answer.source],
    ["Reason", REASONS[answer.reason] ?? answer.reason],
    ["Specificity", answer.specificity ?? "not known"],
    ["Release", answer.release],
    ["Round trip", `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`],
  ];
  if (answer.borrowed_from) facts.push(["Borrowed from", answer.borrowed_from]);
  at("facts").replaceChildren(...facts.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function draw(answer, milliseconds) {
  drawSpans(answer);
  drawFacts(answer, milliseconds);
  const abstained = answer.reason === "empty_query" ? "Type something to see categories." : "No category: the service would rather abstain than guess.";
  fill("categories", answer.categories.map(drawCategory), abstained);
  fill("rewrites", answer.rewrites.map((rewrite) => make("li", {}, chip(rewrite.query, `${rewrite.type} ${percent(rewrite.confidence)}`))), "No rewrites.");
  at("raw").textContent = JSON.stringify(answer, null, 2);
  at("result").hidden = false;
  at("idle").hidden = true;
}

function complain(title, detail) {
  at("trouble").replaceChildren(make("strong", {}, title), detail);
  at("trouble").hidden = false;
  input.setAttribute("aria-invalid", "true");
  at("result").classList.add("stale");
}

let running = new AbortController();

async function ask() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const query = input.value;
  history.replaceState(null, "", query ? `?q=${encodeURIComponent(query.toWellFormed?.() ?? query)}` : location.pathname);
  if (!query) {
    at("result").hidden = at("trouble").hidden = true;
    at("idle").hidden = false;
    return;
  }
  try {
    const started = performance.now();
    const { ok, said: answer } = await post("v1/understand", { query }, signal);
    const milliseconds = performance.now() - started;
    if (!ok) return complain(answer.title, answer.field ? `${answer.detail} (field: ${answer.field})` : answer.detail);
    at("trouble").hidden = true;
    input.removeAttribute("aria-invalid");
    at("result").classList.remove("stale");
    draw(answer, milliseconds);
    discover(query, answer, chip);
  } catch (error) {
    if (!signal.aborted) complain("The service did not answer", "Check that it is running, then try again.");
  }
}

function drawGate(gate) {
  const verdict = gate?.look ? gate.verdict : "no verdict";
  at("serving").append(make("span", { className: gate && gate.verdict !== "PASS" ? "verdict shut" : "verdict" }, verdict));
  if (!gate?.override) return;
  const over = gate.look ? `over ${gate.verdict === "INCONCLUSIVE" ? "an" : "a"} ${gate.verdict}` : "without a verdict";
  at("override").textContent = `Promoted ${over}: ${gate.override.reason}`;
  at("override").hidden = false;
}

async function introduce() {
  const response = await fetch("v1/release").catch(() => null);
  if (!response?.ok) return complain("No release is loaded", "The service is up and has nothing to answer from yet.");
  const about = await response.json();
  at("serving").textContent = `${about.shop}, release ${about.release}`;
  drawGate(about.gate);
  at("examples").querySelector("ul").replaceChildren(...about.examples.map((query) => make("li", {}, chip(query))));
  at("examples").hidden = !about.examples.length;
}

let waiting;
input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); });
at("ask").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(waiting); ask(); });
at("toggle").addEventListener("click", () => {
  const open = at("raw").toggleAttribute("hidden") === false;
  at("toggle").setAttribute("aria-expanded", String(open));
  at("toggle").textContent = open ? "Hide raw JSON" : "Show raw JSON";
});

input.value = new URLSearchParams(location.search).get("q") ?? input.value;
introduce();
if (input.value) ask();
