// What is asked and looked at, in the address behind #, so that a link can be shared, Back works, and no server logs it.

let draft = false; // whether the entry of the history is of a query that is still being typed

export function read() {
  const hash = new URLSearchParams(location.hash.slice(1));
  return { query: hash.get("q") ?? new URLSearchParams(location.search).get("q") ?? "", view: hash.get("view") ?? "answer" };
}

// A query that is typed has one entry from its first letter on; one that is clicked has its own at once.
export function write({ query, view }, { typing = false } = {}) {
  const parts = [];
  if (query) parts.push(`q=${encodeURIComponent(query.toWellFormed?.() ?? query)}`);
  if (view !== "answer") parts.push(`view=${encodeURIComponent(view)}`);
  const address = location.pathname + (parts.length ? `#${parts.join("&")}` : "");
  const same = read().query === query;
  if (draft || same) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  draft = typing && (draft || !same);
}

export function settle() {
  draft = false;
}
