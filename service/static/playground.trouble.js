// What went wrong, and what can be done about it: wait, try again, or give a key.

import { hasKey, useKey } from "./playground.calls.js";
import { at, make } from "./playground.parts.js";

let again = () => {};

export function complain(problem, begin) {
  again = begin;
  const { status } = problem;
  const locked = status === 401 || status === 403;
  const detail = make("span", {}, status === 401 && !hasKey() ? "This service asks for an API key." : problem.detail);
  at("trouble").replaceChildren(make("strong", {}, problem.title), detail);
  at("trouble").hidden = false;
  at("key").hidden = !locked;
  at("trouble").append(...retry(problem, () => again()));
}

// A button, after the wait that the service asked for; none where the same request would be refused again.
export function retry({ status, wait }, then) {
  if (status !== 0 && status !== 429 && status < 500) return [];
  const button = make("button", { type: "button", className: "toggle" }, "Try again");
  button.addEventListener("click", (event) => {
    // The button goes, and whoever pressed it by a key goes on from the box; on a phone that would open its keyboard.
    if (event.detail === 0) at("query").focus();
    then();
  });
  if (!wait) return [button];
  const until = Date.now() + wait * 1000;
  const tell = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(ticking);
  };
  const ticking = setInterval(tell, 500);
  tell();
  return [button];
}

export function calm() {
  again = () => {};
  at("trouble").hidden = at("key").hidden = true;
}

at("key").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("key-field").value.trim();
  if (!text) return;
  useKey(text);
  at("key-field").value = "";
  again();
});

window.addEventListener("online", () => again());
