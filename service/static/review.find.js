import { call } from "./review.calls.js";
import { drawPath, make } from "./review.draw.js";

// A box to find any category of the tree: a combobox with its list, as WAI-ARIA describes it. `pick` gets the category
// and its level, expected or acceptable.
export function makeFinder(input, list, { pick, complain }) {
  let waiting;
  let asked = 0;

  function close() {
    clearTimeout(waiting);
    asked += 1;
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function clear() {
    input.value = "";
    close();
  }

  function select(option) {
    for (const other of list.children) other.setAttribute("aria-selected", String(other === option));
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function take(choice, withShift) {
    clear();
    pick(choice, withShift ? "acceptable" : "expected");
  }

  function drawOption(choice, i) {
    const option = make("li", { id: `found-${i}`, role: "option" }, drawPath(choice.path));
    option.addEventListener("mousedown", (event) => { event.preventDefault(); take(choice, event.shiftKey); });
    return Object.assign(option, { choice });
  }

  async function find() {
    const text = input.value.trim();
    if (!text) return close();
    asked += 1;
    const mine = asked;
    try {
      const found = await call(`/categories?q=${encodeURIComponent(text)}`);
      if (mine !== asked) return; // something else was typed meanwhile
      list.replaceChildren(...found.categories.map(drawOption));
      if (found.categories.length) select(list.firstElementChild);
      else list.append(make("li", { className: "soft" }, "No category has these words."));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
    } catch (error) {
      complain("The search failed", error.message);
    }
  }

  input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(find, 80); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const selected = list.querySelector("[aria-selected=true]");
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (step && selected) {
      event.preventDefault();
      if (selected[step]) select(selected[step]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (selected) take(selected.choice, event.shiftKey);
    }
  });
  return { clear };
}
