// All text from the service and the address is set as text, never as markup.

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

export async function post(address, body, signal) {
  const response = await fetch(address, {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal,
  });
  return { ok: response.ok, said: await response.json() };
}
