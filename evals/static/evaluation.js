"use strict";
// The page is whole without this: it adds a search over the queries that are listed.
(() => {
  const find = document.getElementById("find");
  if (!find) return;
  const listed = [...find.closest("section").querySelectorAll("details.one")];
  const texts = listed.map((one) => one.textContent.toLowerCase());
  find.parentElement.hidden = listed.length < 8;
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    listed.forEach((one, at) => { one.hidden = !texts[at].includes(wanted); });
  });
})();
