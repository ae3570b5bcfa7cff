// The playground: asks what is typed, and hands the answer to the modules that draw it, each named by what it draws.

import { read, settle, write } from "./playground.address.js";
import { drawAnswer, summary } from "./playground.answer.js";
import { call, spent } from "./playground.calls.js";
import { drawCompare } from "./playground.compare.js";
import { discover } from "./playground.discover.js";
import { at, chip, make } from "./playground.parts.js";
import { forgetRaw, keepRaw } from "./playground.raw.js";
import { drawRecent, remember } from "./playground.recent.js";
import { drawRelease, toggleRelease } from "./playground.release.js";
import { tabs } from "./playground.tabs.js";
import { calm, complain } from "./playground.trouble.js";
import { drawWhy } from "./playground.why.js";

const VIEWS = ["answer", "compare", "why", "raw"];
const input = at("query");

let view = "answer";
let about = null; // what is served, once it is known
let shown = null; // the query whose answer is drawn
let explained = null; // the query that is explained
let running = new AbortController();

const choose = tabs(VIEWS, (name) => {
  view = name;
  write({ query: input.value, view });
  explain();
});

async function ask({ typing = false, keep = false } = {}) {
  clearTimeout(saying);
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const query = input.value;
  if (!keep) write({ query, view }, { typing });
  document.title = query ? `${query} - Querywise playground` : "Querywise playground";
  if (!query) return rest();
  const late = setTimeout(() => at("ask").classList.add("busy"), 150);
  at("result").setAttribute("aria-busy", "true");
  try {
    const body = { query: query.toWellFormed?.() ?? query };
    const { ok, said, problem } = await call("v1/understand", { body, signal });
    if (!ok) return refuse(problem);
    accept(query, said, spent("v1/understand"));
    say(summary(said), { typing });
    await explain();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearTimeout(late);
    if (running.signal === signal) idle();
  }
}

function idle() {
  at("ask").classList.remove("busy");
  at("result").removeAttribute("aria-busy");
}

function rest() {
  idle();
  calm();
  input.removeAttribute("aria-invalid");
  shown = explained = null;
  at("result").hidden = true;
  at("idle").hidden = false;
  at("said").textContent = "";
}

// A screen reader tells the answer once the typing has stopped, not one for each letter.
let saying;
function say(text, { typing }) {
  saying = setTimeout(() => { at("said").textContent = text; }, typing ? 700 : 0);
}

function refuse(problem) {
  complain(problem, begin);
  if (problem.status >= 400 && problem.status < 500 && ![401, 403, 429].includes(problem.status)) input.setAttribute("aria-invalid", "true");
  at("result").classList.add("stale");
  at("result").inert = true;
}

function accept(query, answer, milliseconds) {
  calm();
  input.removeAttribute("aria-invalid");
  at("result").classList.remove("stale");
  at("result").inert = false;
  at("result").hidden = false;
  at("idle").hidden = true;
  if (about && ![about.release, about.other?.release].includes(answer.release)) introduce();
  shown = query;
  explained = null;
  forgetRaw();
  keepRaw("understand", { said: answer, query });
  drawAnswer(answer, milliseconds, about?.release ?? answer.release);
  discover(query, answer);
}

// Two views need it, and nobody else: it costs the service a pass of the student.
async function explain() {
  const query = shown;
  if (query === null || query === explained || view === "answer") return;
  const { signal } = running;
  const note = (text) => { for (const name of ["compare", "why"]) at(`panel-${name}`).replaceChildren(make("p", { className: "agreement a-none" }, text)); };
  try {
    const { ok, said, problem } = await call(`v1/explain?q=${encodeURIComponent(query.toWellFormed?.() ?? query)}`, { signal });
    if (query !== shown) return;
    if (!ok) return note(problem.status === 404 ? "Explanations are switched off on this service." : `${problem.title}. ${problem.detail}`);
    explained = query;
    keepRaw("explain", { said, query });
    if (!said.normalized) return note("Nothing is left of this query after normalisation.");
    drawCompare(said, about);
    drawWhy(said);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function look({ query, view: wanted }) {
  input.value = query;
  view = VIEWS.includes(wanted) ? wanted : "answer";
  choose(view);
  ask({ keep: true });
}

// Asking for what is a click away is done with; the heading has the focus, so that Tab goes on from the answer.
document.addEventListener("ask", async (event) => {
  clearTimeout(waiting);
  input.value = event.detail;
  settle();
  const asking = ask(), from = document.activeElement;
  remember(event.detail);
  drawRecent();
  scrollTo({ top: 0 });
  await asking;
  if (input.value !== event.detail || ![from, document.body].includes(document.activeElement)) return;
  at("result").hidden || at("result").inert ? input.focus() : at("h-query").focus({ preventScroll: true });
});

document.addEventListener("look", (event) => { at(`tab-${event.detail}`).click(); at(`tab-${event.detail}`).focus(); });

let waiting;
input.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => ask({ typing: true }), 120); });
input.addEventListener("focus", drawRecent);
input.addEventListener("change", () => { settle(); remember(input.value); });
at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  ask();
  settle();
  remember(input.value);
  drawRecent();
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    input.focus();
    input.select();
  } else if (event.key === "Escape" && !at("release").hidden && event.target !== input) {
    toggleRelease(false);
    at("release-toggle").focus();
  } else if (event.key === "Escape") {
    event.preventDefault();
    if (event.target === input && input.value) { clearTimeout(waiting); input.value = ""; settle(); ask(); }
    input.focus();
    input.select();
  }
});

window.addEventListener("popstate", () => { settle(); look(read()); });

async function introduce() {
  const { ok, said, problem } = await call("v1/release");
  if (!ok) return complain(problem, begin);
  about = said;
  drawRelease(about);
  at("examples").querySelector("ul").replaceChildren(...about.examples.map((query) => make("li", {}, chip(query))));
  at("examples").hidden = !about.examples.length;
}

function begin() {
  calm();
  if (!about) introduce();
  look({ query: input.value, view });
}

drawRecent();
introduce();
look(read());
