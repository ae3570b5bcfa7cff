// Tabs as the ARIA pattern has them: arrows, Home and End move, and one tab is in the order of the Tab key.

import { at } from "./playground.parts.js";

export function tabs(names, chosen = () => {}) {
  function choose(name) {
    for (const other of names) {
      at(`tab-${other}`).setAttribute("aria-selected", String(other === name));
      at(`tab-${other}`).tabIndex = other === name ? 0 : -1;
      at(`panel-${other}`).hidden = other !== name;
    }
  }
  for (const [i, name] of names.entries()) {
    at(`tab-${name}`).addEventListener("click", () => { choose(name); chosen(name); });
    at(`tab-${name}`).addEventListener("keydown", (event) => {
      const to = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: names.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const next = names[(to + names.length) % names.length];
      choose(next);
      chosen(next);
      at(`tab-${next}`).focus();
    });
  }
  return choose;
}
