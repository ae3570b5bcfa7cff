import { call, key } from "./review.calls.js";
import { at, drawAgreement, drawBefore, drawLog, drawPath, drawSources, make, plain, trafficWords } from "./review.draw.js";
import { makeFinder } from "./review.find.js";

const draftName = () => `querywise-review-draft ${rater}`;
const NUMERALS = ["1st", "2nd", "3rd"];
const input = { find: at("find"), reason: at("reason"), abstain: at("abstain") };
let rater = "";
let place = null; // what the service said last: the query, what was said of it before, and counts
let choices = []; // categories on offer, those that were found included
let answer = null; // what the rater has chosen so far
let busy = false;
let again = false; // going through what was skipped
let sending = null; // the body that was last sent, and its id: the same body again is the same decision

function complain(title, detail) {
  at("trouble").replaceChildren(make("strong", {}, title), detail);
  at("trouble").hidden = false;
}

// One call at a time. What was typed stays on the page until the service says that it is on disk.
async function during(title, work) {
  if (busy) return;
  busy = true;
  document.body.setAttribute("aria-busy", "true");
  try {
    await work();
    at("trouble").hidden = true;
  } catch (error) {
    complain(title, error.message);
  } finally {
    busy = false;
    document.body.removeAttribute("aria-busy");
  }
}

const who = () => `rater=${encodeURIComponent(rater)}`;
const proposers = (id) => place.item.said.filter((said) => [...said.categories, ...said.acceptable].some((category) => category.id === id)).map((said) => said.source);

function show(next, said = "") {
  place = next;
  sending = null;
  at("said").textContent = said;
  const { item, before } = place;
  at("work").hidden = !item;
  at("done").hidden = Boolean(item);
  if (!item) return showDone();
  const total = place.answered + place.skipped + place.open;
  Object.assign(at("bar"), { max: total, value: place.answered });
  at("count").textContent = `${place.answered} answered, ${place.skipped} skipped, ${place.open} open`;
  at("query").textContent = item.query;
  at("traffic").textContent = trafficWords(item);
  drawLog(item.evidence);
  drawSources(item.said);
  answer = { expected: [], acceptable: [], abstain: false, specificity: "", reason: "", blind: true };
  choices = [...item.choices];
  if (before?.action === "decide") {
    choices.push(...place.chosen.filter((chosen) => !choices.some((choice) => choice.id === chosen.id)));
    Object.assign(answer, {
      expected: before.categories, acceptable: before.acceptable, abstain: !before.categories.length,
      specificity: before.specificity ?? "", reason: before.reason,
      // The names were shown after it.
      blind: false,
    });
  }
  takeDraft();
  drawChoices();
  input.reason.value = answer.reason;
  finder.clear();
  for (const radio of at("answer").elements.specificity) radio.checked = radio.value === answer.specificity;
  at("names").hidden = !answer.blind;
  if (!answer.blind) reveal().catch((error) => complain("The names cannot be shown", error.message));
  at("undo").disabled = !place.last;
  at("query").focus();
  scrollTo(0, 0);
}

function showDone() {
  at("h-done").textContent = place.skipped ? "Only what you skipped is left." : "Every query is decided.";
  at("done-count").textContent = `${place.answered} answered, ${place.skipped} skipped.`;
  at("again").hidden = !place.skipped;
  at("undo-done").disabled = !place.last;
  at("h-done").focus();
}

function drawChoices() {
  at("choices").replaceChildren(...choices.map((choice, i) => {
    const tick = (level, words) => {
      const box = make("input", { type: "checkbox", value: choice.id, name: level });
      box.setAttribute("aria-label", `${words}: ${plain(choice.path)}`);
      box.addEventListener("change", () => toggle(level, choice.id));
      return box;
    };
    const expected = make("label", { className: "expected" }, tick("expected", "expected"), drawPath(choice.path), make("b", { className: "rank" }));
    const by = proposers(choice.id);
    if (by.length) expected.append(make("span", { className: "by", title: `proposed by ${by.join(", ")}` }, ...by.map((letter) => make("b", { className: "letter" }, letter))));
    const digit = make("kbd", {}, i < 9 ? String(i + 1) : "");
    return make("li", { className: "choice" }, digit, expected, make("label", { className: "also" }, tick("acceptable", "acceptable"), make("span", {}, "acceptable")));
  }));
  mark();
}

// Boxes are changed in place, so that the focus stays where it is.
function mark() {
  for (const row of at("choices").children) {
    const [expected, acceptable] = row.querySelectorAll("input");
    const rank = answer.expected.indexOf(expected.value);
    expected.checked = rank >= 0;
    acceptable.checked = answer.acceptable.includes(acceptable.value);
    row.querySelector(".rank").textContent = rank >= 0 && answer.expected.length > 1 ? NUMERALS[rank] ?? `${rank + 1}th` : "";
    row.classList.toggle("on", rank >= 0);
    row.classList.toggle("half", acceptable.checked);
  }
  input.abstain.checked = answer.abstain;
  keepDraft();
}

function toggle(level, id, on = !answer[level].includes(id)) {
  for (const name of ["expected", "acceptable"]) answer[name] = answer[name].filter((other) => other !== id);
  if (on) answer[level].push(id);
  if (answer.expected.length) answer.abstain = false;
  mark();
}

function abstain(on = !answer.abstain) {
  answer.abstain = on;
  if (on) answer.expected = [];
  mark();
}

function add(choice, level) {
  if (!choices.some((other) => other.id === choice.id)) choices.push(choice);
  toggle(level, choice.id, true);
  drawChoices();
}

function specify(value) {
  answer.specificity = value;
  for (const radio of at("answer").elements.specificity) radio.checked = radio.value === value;
  keepDraft();
}

// A draft outlives a reload, a crash of the browser and a new key; it goes when its decision is on disk.
function keepDraft() {
  const chosen = choices.filter((choice) => answer.expected.includes(choice.id) || answer.acceptable.includes(choice.id));
  localStorage.setItem(draftName(), JSON.stringify({ query: place.item.query, shown: place.item.shown, answer, chosen }));
}

function takeDraft() {
  try {
    const draft = JSON.parse(localStorage.getItem(draftName()));
    if (draft?.query !== place.item.query || draft.shown !== place.item.shown) return;
    answer = draft.answer;
    choices.push(...draft.chosen.filter((chosen) => !choices.some((choice) => choice.id === chosen.id)));
  } catch {
    localStorage.removeItem(draftName()); // of another version
  }
}

function save() {
  if (!answer.expected.length && !answer.abstain) return complain("Nothing is chosen", "Choose a category, 0 if none is right, or s to skip.");
  const { query, shown } = place.item;
  const body = {
    query, shown, rater, categories: answer.expected, acceptable: answer.acceptable,
    specificity: answer.specificity || null, reason: answer.reason, blind: answer.blind,
  };
  if (JSON.stringify(body) !== JSON.stringify(sending?.body)) sending = { id: crypto.randomUUID(), body };
  const paths = new Map(choices.map((choice) => [choice.id, choice.path]));
  return during("Not saved; your answer is still here", async () => {
    const saved = await call("/decide", { id: sending.id, ...body });
    localStorage.removeItem(draftName());
    drawBefore(saved.sources, body, paths);
    const next = again && !saved.place.item && saved.place.skipped ? await call(`/step?${who()}&skipped=1`).catch(() => saved.place) : saved.place;
    show(next, `Saved: ${query}.`);
  });
}

function skip() {
  const { query, shown } = place.item;
  return during("Not skipped", async () => {
    const next = await call("/skip", { id: crypto.randomUUID(), query, shown, rater });
    localStorage.removeItem(draftName());
    show(next, `Skipped: ${query}.`);
  });
}

function undo() {
  if (!place?.last) return;
  const { id, query, action } = place.last;
  return during("Nothing was taken back", async () => {
    const next = await call("/undo", { id: crypto.randomUUID(), rater, withdraws: id });
    localStorage.removeItem(draftName());
    at("before").hidden = true;
    show(next, `Taken back: the ${action === "skip" ? "skip" : "answer"} on ${query}.`);
  });
}

async function reveal() {
  const { item } = place;
  const named = await call(`/sources?query=${encodeURIComponent(item.query)}`);
  if (place.item !== item) return;
  drawSources(item.said, named.said);
  answer.blind = false;
  at("names").hidden = true;
  keepDraft();
}

const showNames = () => during("The names cannot be shown", reveal);

const showAgreement = () => during("The agreement cannot be shown", async () => {
  drawAgreement(await call(`/agreement?${who()}`));
  at("agreement").showModal();
});

const goOn = (skipped) => during("The next query cannot be shown", async () => {
  again = skipped;
  show(await call(`/step?${who()}${skipped ? "&skipped=1" : ""}`));
});

const finder = makeFinder(input.find, at("found"), {
  complain,
  pick: (choice, level) => {
    add(choice, level);
    at("query").focus({ preventScroll: true });
  },
});

input.reason.addEventListener("input", () => { answer.reason = input.reason.value; keepDraft(); });
input.abstain.addEventListener("change", () => abstain(input.abstain.checked));
at("answer").addEventListener("change", (event) => { if (event.target.name === "specificity") specify(event.target.value); });
at("answer").addEventListener("submit", (event) => { event.preventDefault(); save(); });
at("skip").addEventListener("click", skip);
at("undo").addEventListener("click", undo);
at("undo-done").addEventListener("click", undo);
at("names").addEventListener("click", showNames);
at("again").addEventListener("click", () => goOn(true));
at("open-help").addEventListener("click", () => at("help").showModal());
at("open-agreement").addEventListener("click", showAgreement);
at("open-who").addEventListener("click", askName);

const KEYS = {
  s: skip, u: undo, n: showNames, a: showAgreement, "?": () => at("help").showModal(),
  "/": () => input.find.focus(), r: () => input.reason.focus(), Enter: save,
  c: () => {
    const values = [...at("answer").elements.specificity].map((radio) => radio.value);
    specify(values[(values.indexOf(answer.specificity) + 1) % values.length]);
  },
};
const WHEN_DONE = { u: undo, a: showAgreement, "?": KEYS["?"], Enter: () => place.skipped && goOn(true) };

document.addEventListener("keydown", (event) => {
  if (!place || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input[type=search], input[type=text]")) {
    if (event.key === "Escape") at("query").focus();
    return;
  }
  if (event.key === "Enter" && event.target.matches("button, a, input")) return; // it has its own meaning there
  // By its place: on many keyboards a digit is typed with Shift, which here makes it another key.
  const digit = place.item ? /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] : undefined;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key; // Caps Lock is no other key
  const act = (place.item ? KEYS : WHEN_DONE)[name];
  if (digit === undefined && !act) return;
  event.preventDefault();
  if (busy || event.repeat) return;
  if (digit === undefined) act();
  else if (digit === "0") abstain();
  else if (choices[digit - 1]) toggle(event.shiftKey ? "acceptable" : "expected", choices[digit - 1].id);
});

function askName() {
  at("name").value = rater;
  at("who").showModal();
  at("name").select();
}

at("who").addEventListener("cancel", (event) => { if (!place) event.preventDefault(); });
at("who-form").addEventListener("submit", () => start(at("name").value));

async function start(name) {
  rater = name.trim().replace(/\s+/g, " ");
  sessionStorage.setItem("querywise-review-rater", rater);
  at("rater").textContent = rater;
  at("before").hidden = true;
  await goOn(false);
}

async function introduce() {
  if (!key) return complain("This page needs its key", "Open the address that `querywise review` printed, with all that follows the # sign.");
  let about;
  await during("The review cannot be opened", async () => { about = await call(""); });
  if (!about) return;
  at("shop").textContent = about.adjudicates ? `${about.shop}: settling what raters differ on` : about.shop;
  at("open-who").hidden = false;
  const known = sessionStorage.getItem("querywise-review-rater");
  rater = known ?? about.rater;
  if (about.asks && !known) askName();
  else start(rater);
}

introduce();
