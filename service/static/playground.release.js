// The release that is served: its id and verdict in the header, and behind a button what it was made from.

import { at, count, facts, make, percent } from "./playground.parts.js";

const day = (text) => new Date(text).toISOString().slice(0, 16).replace("T", " ") + " UTC";
const SIGNS = { PASS: "✓", FAIL: "✕", INCONCLUSIVE: "?" };

export function drawRelease(about) {
  const { gate } = about;
  const said = gate?.look ? gate.verdict : "no verdict";
  at("serving").textContent = `${about.shop}, release ${about.release}`;
  at("verdict").className = `verdict v-${gate?.look ? gate.verdict : gate?.override ? "FAIL" : "none"}`;
  at("verdict").replaceChildren(make("span", { ariaHidden: "true" }, SIGNS[said] ?? "–"), said);
  at("release-toggle").hidden = false;
  at("release").replaceChildren(make("h2", {}, "What is being served"), details(about, said));
  at("refused").hidden = !about.refused;
  if (about.refused) at("refused").textContent = `${about.refused.release ?? "What is current"} is not served: ${about.refused.reason} (${day(about.refused.at)})`;
  at("override").hidden = !gate?.override;
  if (!gate?.override) return;
  const over = gate.look ? `over ${gate.verdict === "INCONCLUSIVE" ? "an" : "a"} ${gate.verdict}` : "without a verdict";
  at("override").textContent = `Promoted ${over}: ${gate.override.reason} (${gate.override.by}, ${day(gate.override.at)})`;
}

function details(about, said) {
  const { gate, lineage } = about;
  const rows = [["Gate", make("b", {}, said), ...(gate?.look ? [`decided ${day(gate.decided)}, look ${gate.look}, compared with ${gate.base ?? "no other release"}`] : [])]];
  if (gate?.failed.length) rows.push(["Failed", list(gate.failed)]);
  if (gate?.inconclusive.length) rows.push(["Not settled", list(gate.inconclusive)]);
  rows.push(["Built", day(about.created)], ["Answers", answers(lineage.counts)]);
  if (about.other) rows.push(["Beside it", `${about.other.release}, ${about.other.shadow ? "compared with" : "answering"} ${percent(about.other.share)} of the requests`]);
  rows.push(["Student", about.provider ? `runs on ${about.provider.replace("ExecutionProvider", "")}` : "none"]);
  rows.push(["Models", lineage.models.join(", ") || "none"], ["Prompts", ...promptsOf(lineage.prompts).map((prompt) => make("code", {}, prompt))]);
  rows.push(["Content", make("code", { title: lineage.content }, lineage.content.slice(0, 12))]);
  const found = facts(rows);
  found.className = "rows";
  return found;
}

function answers({ labelled, contents, ...tiers }) {
  const each = Object.entries(tiers).map(([tier, number]) => `${count(number)} ${tier}`).join(", ");
  const content = contents ? `; content for ${count(contents)}` : "";
  return `${count(labelled)} ${labelled === 1 ? "query" : "queries"} (${each})${content}`;
}

// A label that two prompts made names both.
const promptsOf = (ids) => [...new Set(ids.flatMap((id) => id.split("+")))];
const list = (names) => make("ul", {}, ...names.map((name) => make("li", {}, name)));

export function toggleRelease(open = at("release").hidden) {
  at("release").hidden = !open;
  at("release-toggle").setAttribute("aria-expanded", String(open));
}

at("release-toggle").addEventListener("click", () => toggleRelease());
