// What every part of the page is made of. Texts are set as text, never as markup.

export const at = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function fill(id, children, none) {
  at(id).replaceChildren(...(children.length ? children : [make(at(id).matches("ul, ol") ? "li" : "p", { className: "none" }, none)]));
}

export function path(names) {
  return make("div", { className: "path" }, ...names.map((name) => make("span", {}, name)));
}

// Only what is nothing or all is said to be: rounding would claim more than the number does.
export function percent(share) {
  if (share > 0 && share < 0.005) return "under 1%";
  return share < 1 && share >= 0.995 ? "over 99%" : `${Math.round(share * 100)}%`;
}

export const count = (number) => number.toLocaleString("en");
export const times = (number, thing) => `${count(number)} ${thing}${number === 1 ? "" : "s"}`;

// A share from 0 to 1 as a bar; `need` is where it would have to reach. Whoever calls writes the number beside it.
export function bar(share, need = null) {
  const track = make("div", { className: "track", ariaHidden: "true" }, make("i"));
  track.firstChild.style.setProperty("--share", Math.min(Math.max(share, 0), 1));
  if (need !== null) {
    const mark = make("b");
    mark.style.setProperty("--need", need);
    track.append(mark);
  }
  return track;
}

// A click asks for `query`: the page listens for that event, whoever draws the chip.
export function chip(query, note, label = query) {
  const button = make("button", { type: "button", className: "chip" }, make("span", {}, label));
  if (note) button.append(" ", make("small", {}, note));
  if (label !== query) button.title = `Search for ${query}`;
  button.addEventListener("click", () => button.dispatchEvent(new CustomEvent("ask", { bubbles: true, detail: query })));
  return button;
}

export function card(title, ...children) {
  return make("section", { className: "card", ariaLabel: title }, make("h2", {}, title), ...children);
}

export function facts(pairs) {
  return make("dl", { className: "facts" }, ...pairs.map(([name, ...value]) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value))));
}
