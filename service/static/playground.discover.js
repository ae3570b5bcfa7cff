// What else to show beside a page of results: ideas with their products, which can be ticked as shown already.

import { call } from "./playground.calls.js";
import { at, chip, fill, make, path } from "./playground.parts.js";
import { keepRaw } from "./playground.raw.js";
import { tabs } from "./playground.tabs.js";
import { retry } from "./playground.trouble.js";

const KINDS = ["substitutes", "complements"];
const TITLES = { substitutes: "Substitutes", complements: "Complements" };
const LEADS = {
  few_results: "the search has few results", many_results: "the search has results enough",
  scarce: "the shop has little of what is asked", stocked: "the shop is not known to be short of what is asked",
};
const EMPTY = {
  none_known: "None are known for this query.", all_shown: "The page shows all of them already.",
  nothing_known: "Nothing is known for this query, and an empty list is better than filler.",
  empty_query: "No products: nothing is left of the query after normalisation.",
};
const SUGGESTED = { next: "searched next", exploratory: "to explore" };

const cards = new Map();
const paths = new Map();
const shown = new Set();
let asked = null; // the query as it was sent, and its answer
let running = new AbortController();

export async function discover(query, answer) {
  if (asked?.query !== query) clear();
  asked = { query, answer };
  suggest();
  await refresh(true);
}

// What is drawn, ticked and counted belongs to one query.
function clear() {
  shown.clear();
  drawShown();
  at("results").value = "";
  at("lead").hidden = at("discover-trouble").hidden = true;
  for (const kind of KINDS) {
    at(`panel-${kind}`).replaceChildren();
    at(`tab-${kind}`).textContent = TITLES[kind];
  }
}

async function suggest() {
  const { query, answer } = asked;
  const body = { query: query.toWellFormed?.() ?? query };
  const { ok, said } = await call("v1/suggest", { body });
  if (asked.query !== query) return;
  if (ok) keepRaw("suggest", { said, query, body });
  const offers = ok && said.suggestions.length ? said.suggestions : answer.next_queries.map((next) => ({ query: next }));
  fill("next", offers.map((offer) => make("li", {}, chip(offer.query, SUGGESTED[offer.kind]))), "Nothing to search next.");
}

async function refresh(follow) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const count = at("results").value.trim();
  const { query } = asked;
  const body = { query: query.toWellFormed?.() ?? query, shown: [...shown], result_count: count === "" ? null : Number(count) };
  try {
    const { ok, said, problem } = await call("v1/discover", { body, signal });
    if (!ok) return complain(problem, follow);
    await look(said, signal);
    if (asked.query !== query) return;
    keepRaw("discover", { said, query, body });
    at("discover-trouble").hidden = true;
    draw(said, follow);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function complain(problem, follow) {
  at("discover-trouble").replaceChildren(problem.detail, ...retry(problem, () => refresh(follow)));
  at("discover-trouble").hidden = false;
}

// A release without content for a query may still have ideas in its answer.
const ideasOf = (found, kind) => (found.reason === "nothing_known" ? asked.answer[kind] : found[kind]);

async function look(found, signal) {
  const ideas = KINDS.flatMap((kind) => ideasOf(found, kind));
  const products = new Set(ideas.flatMap((idea) => idea.product_ids).filter((id) => !cards.has(id)));
  const categories = new Set(ideas.map((idea) => idea.category_id).filter((id) => !paths.has(id)));
  if (!products.size && !categories.size) return;
  const wanted = [...[...products].map((id) => ["id", id]), ...[...categories].map((id) => ["category", id])];
  const { ok, said: known } = await call(`playground/products?${new URLSearchParams(wanted.slice(0, 100))}`, { signal });
  if (!ok) return;
  for (const card of known.products) cards.set(card.product_id, card);
  for (const [id, names] of Object.entries(known.categories)) paths.set(id, names);
}

function draw(found, follow) {
  for (const kind of KINDS) {
    const ideas = ideasOf(found, kind);
    fill(`panel-${kind}`, ideas.map(drawIdea), EMPTY[found.empty[kind]] ?? "");
    at(`tab-${kind}`).replaceChildren(
      TITLES[kind], make("small", {}, String(ideas.length)),
      ...(found.lead === kind && ideas.length ? [make("b", {}, "leads")] : []),
    );
  }
  const filled = KINDS.filter((kind) => ideasOf(found, kind).length);
  const leads = filled.includes(found.lead);
  if (follow) choose(leads ? found.lead : filled[0] ?? found.lead);
  at("lead").replaceChildren(leads ? `${TITLES[found.lead]} lead: ${LEADS[found.lead_reason] ?? found.lead_reason}. ` : "");
  if (found.borrowed_from && filled.length) at("lead").append("Borrowed from ", make("q", {}, found.borrowed_from), ".");
  at("lead").hidden = !at("lead").textContent;
  drawShown();
}

function drawIdea(idea) {
  const pictured = idea.product_ids.some((id) => ownPicture(cards.get(id)));
  const head = make("div", { className: "idea-head" }, make("h3", {}, chip(idea.query, null, idea.label)));
  if (paths.has(idea.category_id)) head.append(path(paths.get(idea.category_id)));
  return make("section", { className: "idea" }, head, make("ul", { className: "products" }, ...idea.product_ids.map((id) => drawProduct(id, pictured))));
}

function drawProduct(id, pictured) {
  const card = cards.get(id) ?? { title: id };
  const tick = make("input", { type: "checkbox" });
  tick.addEventListener("change", () => mark(id, tick));
  const about = make("span", { className: "about" }, make("span", { className: "title" }, card.title || id));
  if (card.brand) about.append(make("span", { className: "maker" }, card.brand));
  if (typeof card.price === "number") about.append(make("b", { className: "price" }, money(card)));
  const label = make("label", { className: "product" }, about, make("span", { className: "tick" }, tick, "already shown"));
  if (pictured) label.prepend(picture(card));
  return make("li", {}, label);
}

function money({ price, currency }) {
  const amount = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  try {
    return new Intl.NumberFormat(undefined, currency ? { style: "currency", currency } : amount).format(price);
  } catch {
    return `${new Intl.NumberFormat(undefined, amount).format(price)} ${currency}`;
  }
}

// Only what the service itself has: the page loads nothing from elsewhere.
function ownPicture(card) {
  if (!card?.image_url || !URL.canParse(card.image_url, document.baseURI)) return null;
  const address = new URL(card.image_url, document.baseURI);
  return address.origin === location.origin ? address.href : null;
}

function picture(card) {
  const letter = make("span", { className: "picture", ariaHidden: "true" }, Array.from(card.title || "?")[0]);
  const src = ownPicture(card);
  if (!src) return letter;
  const image = make("img", { className: "picture", alt: "", loading: "lazy", src });
  image.addEventListener("error", () => image.replaceWith(letter));
  return image;
}

async function mark(id, tick) {
  const boxes = () => [...at("discover").querySelectorAll('.panel:not([hidden]) input')];
  const place = boxes().indexOf(tick);
  shown.add(id);
  await refresh(false);
  // The card has gone, and whoever ticked it by keyboard goes on with the one that took its place.
  const left = boxes();
  (left[Math.min(place, left.length - 1)] ?? at("discover").querySelector('[role="tab"][aria-selected="true"]')).focus();
}

function drawShown() {
  const chips = [...shown].map((id) => {
    const title = cards.get(id)?.title || id;
    const button = make("button", { type: "button", className: "chip", ariaLabel: `${title}: no longer shown` }, make("span", {}, title), make("small", { ariaHidden: "true" }, "×"));
    button.addEventListener("click", async () => {
      shown.delete(id);
      await refresh(false);
      (at("shown").querySelector("button") ?? at("results")).focus();
    });
    return make("li", {}, button);
  });
  at("shown").replaceChildren(...chips);
  at("shown-box").hidden = !chips.length;
}

const choose = tabs(KINDS);

let waiting;
at("results").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    if (!asked) return;
    await refresh(true);
    if (at("discover-trouble").hidden) at("said").textContent = at("lead").textContent;
  }, 150);
});
