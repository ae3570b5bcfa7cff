// What the service sent, letter for letter but for the line breaks, and the line of curl that asks for it.

import { hasKey } from "./playground.calls.js";
import { at, make } from "./playground.parts.js";

const NAMES = { understand: "/v1/understand", discover: "/v1/discover", suggest: "/v1/suggest", explain: "/v1/explain" };
const kept = new Map();
let chosen = "understand";

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// `body` is what was posted; without one, `query` went into the address.
export function keepRaw(name, { said, query, body }) {
  kept.set(name, { said, query, body });
  draw();
}

export function forgetRaw() {
  kept.clear();
}

function draw() {
  const buttons = [...kept.keys()].sort((a, b) => Object.keys(NAMES).indexOf(a) - Object.keys(NAMES).indexOf(b)).map((name) => {
    const button = make("button", { type: "button", className: "toggle", ariaPressed: String(name === chosen) }, NAMES[name]);
    button.addEventListener("click", () => { chosen = name; draw(); });
    return button;
  });
  const at_ = [...at("calls").children].indexOf(document.activeElement);
  at("calls").replaceChildren(...buttons);
  if (at_ >= 0) buttons[Math.min(at_, buttons.length - 1)]?.focus();
  const shown = kept.get(chosen) ?? kept.get("understand");
  if (!shown) return;
  at("raw").replaceChildren(...coloured(JSON.stringify(shown.said, null, 2)));
  at("curl").textContent = curl(kept.has(chosen) ? chosen : "understand", shown);
}

function curl(name, { query, body }) {
  const address = new URL(NAMES[name].slice(1), document.baseURI).href;
  const key = hasKey() ? ' -H "authorization: Bearer $QUERYWISE_KEY"' : "";
  if (body === undefined) return `curl -G ${shell(address)}${key} --data-urlencode ${shell(`q=${query}`)}`;
  return `curl ${shell(address)}${key} -H 'content-type: application/json' -d ${shell(JSON.stringify(body))}`;
}

// Names, texts, numbers and words each have a class; all of it stays text.
function* coloured(json) {
  let end = 0;
  for (const found of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g)) {
    if (found.index > end) yield json.slice(end, found.index);
    const kind = found[2] ? "j-name" : found[1] ? "j-text" : "j-value";
    yield make("span", { className: kind }, found[1] ?? found[0]);
    if (found[2]) yield found[2];
    end = found.index + found[0].length;
  }
  yield json.slice(end);
}

async function copy(id, button) {
  const text = at(id).textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS there is no clipboard to write to: what is selected can be copied all the same.
    getSelection().selectAllChildren(at(id));
    if (!document.execCommand("copy")) return at("said").textContent = "It could not be copied; it is selected.";
  }
  const name = button.textContent;
  button.textContent = "Copied";
  at("said").textContent = "Copied.";
  setTimeout(() => { button.textContent = name; }, 1500);
}

for (const id of ["curl", "raw"]) at(`copy-${id}`).addEventListener("click", () => at(`copy-${id}`).textContent !== "Copied" && copy(id, at(`copy-${id}`)));
