// The precomputed answer beside what the student alone would say.

import { categories, rewrites, source, spans, specificity } from "./playground.answer.js";
import { at, card, count, facts, make } from "./playground.parts.js";
import { REASONS } from "./playground.words.js";

export function drawCompare({ head, student }, about) {
  const columns = make("div", { className: "columns" }, side("Precomputed", head, noHead(about)), side("The student alone", student, noStudent()));
  at("panel-compare").replaceChildren(verdict(head, student), columns);
}

const noHead = (about) => `No precomputed answer. This release has one for each of ${count(about?.lineage.counts.labelled ?? 0)} queries; this is not one of them, so the student is asked.`;
const noStudent = () => "This release has no student: a query without a precomputed answer is searched for in the taxonomy.";

function side(title, answer, none) {
  if (!answer) return card(title, make("p", { className: "none" }, none));
  const box = card(title, make("p", { className: "spans small" }, ...spans(answer)));
  box.append(make("ol", { className: "categories" }, ...categories(answer)), ...rewrites(answer));
  box.append(facts([["Why this answer", source(answer), make("small", {}, REASONS[answer.reason] ?? answer.reason)], ["Specificity", specificity(answer.specificity)]]));
  return box;
}

function verdict(head, student) {
  const [sign, said, more] = judged(head, student);
  return make("p", { className: `agreement a-${sign}` }, make("strong", {}, said), more);
}

function judged(head, student) {
  if (!student) return ["none", "Nothing to compare.", " There is no student in this release."];
  if (!head) {
    const answers = student.categories.length > 0;
    return ["none", answers ? "The student answers this query." : "Nobody answers this query.", answers ? " There is no precomputed answer to compare it with." : " It has no precomputed answer, and the student is not sure enough."];
  }
  const [a, b] = [head.categories[0], student.categories[0]];
  if (!a && !b) return ["same", "Both abstain.", " Neither names a category."];
  if (!b) return ["less", "The student abstains.", " Without the precomputed answer, shoppers would get none."];
  if (!a) return ["differ", "They differ.", " The precomputed answer abstains, and the student would not."];
  if (a.id === b.id) return ["same", "They agree.", ` Both put ${a.path.at(-1)} first.`];
  const under = (long, short) => short.every((name, i) => name === long[i]);
  if (under(a.path, b.path)) return ["less", "The student says less.", ` It stops at ${b.path.at(-1)}, which lies above ${a.path.at(-1)}.`];
  if (under(b.path, a.path)) return ["less", "The student says more.", ` It goes down to ${b.path.at(-1)}, which lies below ${a.path.at(-1)}.`];
  return ["differ", "They differ.", ` The precomputed answer puts ${a.path.at(-1)} first, the student ${b.path.at(-1)}.`];
}
