// What went wrong, and what can be done about it: wait, try again, or give a key.

import { hasKey, useKey } from "./playground.calls.js";
import { at, make } from "./playground.parts.js";

let again = () => {};
let ticking;

export function complain(problem, retry) {
  clearInterval(ticking);
  again = retry;
  const { status } = problem;
  const locked = status === 401 || status === 403;
  const detail = make("span", {}, status === 401 && !hasKey() ? "This service asks for an API key." : problem.detail);
  at("trouble").replaceChildren(make("strong", {}, problem.title), detail);
  at("trouble").hidden = false;
  at("key").hidden = !locked;
  if (status === 0 || status === 429 || status >= 500) at("trouble").append(retryButton(problem.wait));
}

function retryButton(wait) {
  const button = make("button", { type: "button", className: "toggle" }, "Try again");
  button.addEventListener("click", () => again());
  if (!wait) return button;
  const until = Date.now() + wait * 1000;
  const tell = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(ticking);
  };
  tell();
  ticking = setInterval(tell, 500);
  return button;
}

export function calm() {
  clearInterval(ticking);
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
