// The queries that were asked in this browser, newest first, with a button that forgets them.

import { at, chip, make } from "./playground.parts.js";

const KEPT = "querywise.recent";
const MOST = 8;

function stored() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found.filter((query) => typeof query === "string" && query.trim() && query.length <= 256).slice(0, MOST) : [];
  } catch {
    return []; // storage may be forbidden, or somebody else's
  }
}

let queries = stored();

function keep() {
  try {
    if (queries.length) localStorage.setItem(KEPT, JSON.stringify(queries));
    else localStorage.removeItem(KEPT);
  } catch {
    // They then last as long as the page.
  }
}

export function drawRecent() {
  at("recent").replaceChildren(...queries.map((query) => make("li", {}, Object.assign(chip(query), { title: query }))));
  at("recent-row").hidden = !queries.length;
}

// It is for the caller to draw them, when nobody is about to click something that they would push away.
export function remember(query) {
  if (!query.trim() || query.length > 256) return;
  queries = [query, ...queries.filter((other) => other !== query)].slice(0, MOST);
  keep();
}

at("forget").addEventListener("click", () => {
  queries = [];
  keep();
  drawRecent();
  at("query").focus();
});
