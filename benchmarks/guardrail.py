"""What the checks of an answer cost and bring, on recorded answers and labelled queries: figures of docs/checks.md.

    python -m benchmarks.guardrail [--electronics FOLDER] [--work DIR] [--print]

`python -m benchmarks.quality` must have run: its work folders hold contexts, index and labels. Nothing is asked of a
model. The electronics shop is data that is not part of the repository: without its folder it is left out.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from domain.context import ContextStore, DomainContext
from domain.label import read_labels
from domain.retrieval import RetrievalIndex
from domain.shop import open_shop
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Category, Rewrite, RewriteType, Understanding
from evals import read_gold
from evals.case import Case
from evals.measures import statistics
from prompts.answer import Answer, parse_answer
from prompts.bounds import learn_bounds
from prompts.candidates import CandidateFinder
from prompts.checks import Checked, check_answer
from prompts.coherence import is_bare_brand
from prompts.departments import Departments
from prompts.guardrail import DEFAULT_GUARDRAIL, Guardrail, Judged, judge_categories
from prompts.spelling import is_respelling

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "checks.md"
MARK = "<!-- Below: written by `python -m benchmarks.guardrail`; do not edit. -->\n"

SIMILARITIES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
CONFIDENCES = (0.0, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
LEAST_COUNT = 2
MOST_RECALL_LOST = 0.005
OFF = Guardrail(similarity=-1.0, confidence=0.0)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A recorded answer to one query, and what was offered to it."""

    query: str
    answer: Answer
    offered: Mapping[str, str]
    context: DomainContext | None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A shop with its gold and its recorded answers, by how they were asked for."""

    name: str
    taxonomy: Taxonomy
    index: RetrievalIndex
    contexts: ContextStore
    gold: Mapping[str, Case]
    answers: Mapping[str, Sequence[Shown]]

    def check(self, shown: Shown, guardrail: Guardrail = DEFAULT_GUARDRAIL) -> Checked:
        return check_answer(
            shown.answer,
            query=shown.query,
            offered=shown.offered,
            taxonomy=self.taxonomy,
            index=self.index,
            context=shown.context,
            guardrail=guardrail,
        )


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A query and a category, right by the gold (`good`), given but wrong (`bad`), or put in by us."""

    query: str
    kind: str
    of_brand: bool
    by_words: Judged
    by_need: Judged
    expected: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise")
    parser.add_argument("--print", action="store_true", help="Print the figures and leave the page as it is.")
    options = parser.parse_args()
    demo, recordings = options.work / "demo-shop", ROOT / "demo" / "recordings" / "understand.jsonl.gz"
    benches = [open_bench("demo", demo, options.work, ROOT / "demo" / "gold.jsonl", recordings)]
    if options.electronics.is_dir():
        recordings = ROOT / "benchmarks" / "recordings" / "electronics.jsonl.gz"
        gold = options.electronics / "gold_dev.jsonl"
        benches.append(open_bench("electronics", options.electronics, options.work, gold, recordings))
    figures = "\n".join(
        part for part in (effect(benches), reasons(benches), bounds(benches), guardrail(benches), confidence(benches))
    )
    if options.print:
        sys.stdout.write(figures)
    else:
        PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + "\n" + figures)
        sys.stdout.write(f"{PAGE}\n")


def open_bench(name: str, folder: Path, work: Path, gold: Path, recording: Path) -> Bench:
    """Open a shop, and read its recorded answers through the labels that were made of them."""
    shop = open_shop(folder, work=work / f"quality-{name}")
    taxonomy, index, contexts = (
        shop.load_taxonomy(),
        RetrievalIndex(shop.index, threads=1),
        ContextStore(shop.context_file),
    )
    with gzip.open(recording, "rt", encoding="utf-8") as file:
        contents = {row["key"]: row["content"] for row in map(json.loads, file)}
    answers: dict[str, list[Shown]] = {}
    for how, path, store in (
        ("with evidence", shop.labels_file, contexts),
        ("without", shop.bare_labels_file, None),
    ):
        finder = CandidateFinder(taxonomy=taxonomy, index=index, products={}, contexts=store)
        for label in read_labels(path):
            answer = parse_answer(contents[label.provenance.key])
            assert isinstance(answer, Answer), label.query
            seen = store.get(label.query) if store else None
            offered = finder.offer(label.query, seen).ids
            evidence = contexts.get(label.query)
            answers.setdefault(how, []).append(
                Shown(query=label.query, answer=answer, offered=offered, context=evidence)
            )
    cases = {case.normalized: case for case in read_gold(gold, taxonomy).cases}
    return Bench(name=name, taxonomy=taxonomy, index=index, contexts=contexts, gold=cases, answers=answers)


def effect(benches: Iterable[Bench]) -> str:
    """Return what the checks do to the measures: with formal checks alone, and with all of them."""
    lines = [
        "## Before and after",
        "",
        "| shop | asked | checks | precision | recall | F1 | rewrite recall | "
        + " | ".join(get_args(RewriteType))
        + " |",
        "|---" * 11 + "|",
    ]
    for bench in benches:
        for how, answers in bench.answers.items():
            for name, served in (
                ("formal", [formal(bench, shown) for shown in answers]),
                ("all", [as_served(shown.query, bench.check(shown)) for shown in answers]),
            ):
                judged = [u for u in served if u.query in bench.gold]
                found = statistics([bench.gold[u.query] for u in judged], judged, bench.taxonomy)
                values = [
                    float(found[measure].under(np.ones((1, len(judged))))[0])
                    for measure in ("leaf_precision", "leaf_recall", "leaf_f1", "rewrite_recall")
                ]
                kept = Counter(rewrite.type for u in served for rewrite in u.rewrites)
                cells = [
                    *(f"{v:.3f}" if v == v else "–" for v in values),
                    *(str(kept[t]) for t in get_args(RewriteType)),
                ]
                lines.append(f"| {bench.name} | {how} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def formal(bench: Bench, shown: Shown) -> Understanding:
    """Return an answer held against the shop's words alone: every word of a rewrite occurs somewhere in the shop."""
    answered = [(r, normalise(r.query)) for r in shown.answer.rewrites]
    if shown.answer.spelling and all(r.type != "spelling" for r, _ in answered):
        text = normalise(shown.answer.spelling)
        rewrites = {text: Rewrite(query=text, type="spelling", confidence=1.0)} if bench.index.matches(text) else {}
    else:
        rewrites = {}
    for rewrite, text in answered:
        if text != shown.query and bench.index.matches(text):
            rewrites.setdefault(text, Rewrite(query=text, type=rewrite.type, confidence=rewrite.confidence))
    checked = bench.check(shown, OFF)
    return as_served(shown.query, checked, tuple(rewrites.values()))


def as_served(query: str, checked: Checked, rewrites: tuple[Rewrite, ...] | None = None) -> Understanding:
    """Return the understanding that a checked answer amounts to."""
    return Understanding(
        query=query,
        normalized=query,
        source="head",
        reason="precomputed",
        release="",
        categories=tuple(Category(id=c.id, path=c.path, confidence=c.confidence) for c in checked.categories),
        rewrites=checked.rewrites if rewrites is None else rewrites,
    )


def reasons(benches: Iterable[Bench]) -> str:
    """Return how many things each check took out."""
    counts: dict[str, Counter[str]] = {}
    for bench in benches:
        for how, answers in bench.answers.items():
            column = counts.setdefault(f"{bench.name}, {how}", Counter())
            for shown in answers:
                column.update(bench.check(shown).dropped)
    names = sorted({reason for column in counts.values() for reason in column})
    lines = ["## Taken out, by reason", "", "| reason | " + " | ".join(counts) + " |", "|---" * (1 + len(counts)) + "|"]
    lines += [f"| `{name}` | " + " | ".join(str(column[name]) for column in counts.values()) + " |" for name in names]
    return "\n".join(lines) + "\n"


def bounds(benches: Iterable[Bench]) -> str:
    """Return the bounds learnt of accepted pairs, and what they keep of them and of random pairs."""
    lines = [
        "## Bounds on distance",
        "",
        "| shop | type | accepted pairs | least cosine | accepted kept | random kept |",
        "|---" * 6 + "|",
    ]
    for bench in benches:
        accepted = accepted_pairs(bench)
        queries = [c.query for c in bench.contexts.of_tiers("head", "torso")]
        rng = random.Random(0)
        strangers = [(rng.choice(queries), rng.choice(queries)) for _ in range(2000)]
        cosines = {kind: cosines_of(bench.index, pairs) for kind, pairs in accepted.items()}
        learnt = learn_bounds(cosines, cosines_of(bench.index, [pair for pair in strangers if pair[0] != pair[1]]))
        for kind, bound in learnt.items():
            pairs = f"{bound.pairs}, all types" if bound.pooled else str(bound.pairs)
            cells = f"{bound.least:.2f} | {bound.kept:.3f} | {bound.random_kept:.3f}"
            lines.append(f"| {bench.name} | {kind} | {pairs} | {cells} |")
    return "\n".join(lines) + "\n"


def accepted_pairs(bench: Bench) -> dict[RewriteType, list[tuple[str, str]]]:
    """Return the gold's rewrites by type, with what shoppers retyped where it is a respelling.

    Nothing else that is retyped is of a known type, and what has the query's words in it is near by construction.
    """
    pairs: dict[RewriteType, list[tuple[str, str]]] = defaultdict(list)
    for case in bench.gold.values():
        for rewrite in case.rewrites or ():
            if rewrite.type is not None:
                pairs[rewrite.type].append((case.normalized, rewrite.query))
    stems = bench.index.stems
    for context in bench.contexts.of_tiers("head", "torso", "tail"):
        for retyped in context.reformulations:
            respelt = stems(context.query) != stems(retyped.query) and is_respelling(context.query, retyped.query)
            if retyped.count >= LEAST_COUNT and respelt:
                pairs["spelling"].append((context.query, retyped.query))
    return pairs


def cosines_of(index: RetrievalIndex, pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Return the cosine of each pair of texts."""
    if not pairs:
        return []
    one, other = (index.encoder.encode(texts) for texts in zip(*pairs, strict=True))
    return [float(cosine) for cosine in (one * other).sum(axis=1)]


def guardrail(benches: Iterable[Bench]) -> str:
    """Return the curve over the least similarity, and what a threshold chosen on one half does on the other."""
    curve = [
        "## The guardrail",
        "",
        "| shop | asked | least similarity | right dropped | wrong dropped | offered, wrong | any, wrong |",
        "|---" * 7 + "|",
    ]
    fitted = [
        "",
        "Chosen on one half of the queries, reported on the other, both ways:",
        "",
        "| shop | asked | chosen | precision without | with | recall without | with |",
        "|---" * 7 + "|",
    ]
    for bench in benches:
        for how, answers in bench.answers.items():
            pairs = judged_pairs(bench, answers)
            total = Counter(pair.kind for pair in pairs)
            for least in SIMILARITIES:
                dropped = Counter(pair.kind for pair in pairs if is_dropped(pair, least))
                cells = [f"{dropped[kind]}/{total[kind]}" for kind in ("good", "bad", "offered", "any")]
                default = " (default)" if least == DEFAULT_GUARDRAIL.similarity else ""
                curve.append(f"| {bench.name} | {how} | {least:.2f}{default} | " + " | ".join(cells) + " |")
            fitted += [f"| {bench.name} | {how} | {row}" for row in cross_fitted(pairs)]
    return "\n".join([*curve, *fitted]) + "\n"


def judged_pairs(bench: Bench, answers: Sequence[Shown]) -> list[Pair]:
    """Return the pairs of labelled queries: those that were answered, and two each that are wrong by construction.

    One kind of these is of the categories that were offered, the other of all categories that hold products.
    """
    rng = random.Random(0)
    stocked = sorted({i for shown in answers for i in shown.offered.values()})
    pairs: list[Pair] = []
    for shown in answers:
        case = bench.gold.get(shown.query)
        if case is None or case.categories is None:
            continue
        right = {*case.categories, *(case.acceptable or ())}
        given = {i for c in shown.answer.categories if (i := shown.offered.get(c.id))}
        near = {
            i for r in right for i in stocked if bench.taxonomy.is_ancestor(i, r) or bench.taxonomy.is_ancestor(r, i)
        }
        offered = [i for i in shown.offered.values() if i not in right | near | given]
        wrong = {i: "any" for i in rng.sample(stocked, 2) if i not in right | near | given}
        wrong |= dict.fromkeys(rng.sample(offered, min(2, len(offered))), "offered")
        kinds = wrong | {i: "good" if i in right else "bad" for i in given}
        words = [normalise(a.text) for a in shown.answer.annotations if a.type == "product_type"]
        *said, need = bench.index.encoder.encode([shown.query, *words, shown.answer.need])
        departments = Departments(shown.context, bench.taxonomy, bench.index)
        by_words = judge_categories(list(kinds), said=said, departments=departments)
        by_need = judge_categories(list(kinds), said=[*said, need], departments=departments)
        is_brand = is_bare_brand(shown.query, shown.answer.annotations)
        brand = bench.index.finds(shown.query, bench.taxonomy) if is_brand else {}
        pairs += [
            Pair(
                query=shown.query,
                kind=kind,
                of_brand=any(i == b or bench.taxonomy.is_ancestor(i, b) for b in brand),
                by_words=by_words[i],
                by_need=by_need[i],
                expected=i in case.categories,
            )
            for i, kind in kinds.items()
        ]
    return pairs


def is_dropped(pair: Pair, least: float) -> bool:
    """Whether the guardrail drops a pair; where the log speaks against it, no need and no brand clears it."""
    guardrail = Guardrail(similarity=least)
    if not guardrail.doubts(pair.by_words):
        return False
    return pair.by_words.against or (not pair.of_brand and guardrail.doubts(pair.by_need))


def confidence(benches: Iterable[Bench]) -> str:
    """Return the curve over the confidence that a further category has to have."""
    lines = [
        "## The confidence of a further category",
        "",
        "| shop | asked | least confidence | taken out | precision | recall | F1 |",
        "|---" * 7 + "|",
    ]
    for bench in benches:
        for how, answers in bench.answers.items():
            judged = [shown for shown in answers if shown.query in bench.gold]
            cases = [bench.gold[shown.query] for shown in judged]
            # This check comes last and goes down by confidence, so it can be made of what the others leave.
            checked = [bench.check(shown, Guardrail(confidence=0.0)) for shown in judged]
            for least in CONFIDENCES:
                kept = [
                    replace(
                        c,
                        categories=tuple(
                            k for n, k in enumerate(c.categories) if not n or (k.confidence or 0.0) >= least
                        ),
                    )
                    for c in checked
                ]
                served = [as_served(shown.query, c) for shown, c in zip(judged, kept, strict=True)]
                found = statistics(cases, served, bench.taxonomy)
                ones = np.ones((1, len(judged)))
                values = [float(found[f"leaf_{name}"].under(ones)[0]) for name in ("precision", "recall", "f1")]
                taken = sum(len(c.categories) for c in checked) - sum(len(c.categories) for c in kept)
                default = " (default)" if least == DEFAULT_GUARDRAIL.confidence else ""
                cells = " | ".join(f"{value:.3f}" for value in values)
                lines.append(f"| {bench.name} | {how} | {least:.2f}{default} | {taken} | {cells} |")
    return "\n".join(lines) + "\n"


def cross_fitted(pairs: Sequence[Pair]) -> list[str]:
    """Return a row for each half: the strictest threshold that costs the other half no more recall than allowed."""
    queries = sorted({pair.query for pair in pairs})
    random.Random(1).shuffle(queries)
    halves = set(queries[::2]), set(queries[1::2])
    rows = []
    for fit, rest in (halves, halves[::-1]):
        mine, theirs = ([p for p in pairs if p.query in half and p.kind in ("good", "bad")] for half in (fit, rest))
        costs = {least: lost(mine, least) for least in SIMILARITIES}
        chosen = max((least for least, cost in costs.items() if cost <= MOST_RECALL_LOST), default=None)
        left = [p for p in theirs if chosen is None or not is_dropped(p, chosen)]
        before, after = (np.mean([p.kind == "good" for p in some]) for some in (theirs, left))
        recall = 1 - (lost(theirs, chosen) if chosen is not None else 0.0)
        name = "off" if chosen is None else f"{chosen:.2f}"
        rows.append(f"{name} | {before:.3f} | {after:.3f} | 1 | {recall:.3f} |")
    return rows


def lost(pairs: Sequence[Pair], least: float) -> float:
    """Return the share of the expected categories that were given and are dropped."""
    expected = [pair for pair in pairs if pair.expected]
    return sum(is_dropped(pair, least) for pair in expected) / max(1, len(expected))


if __name__ == "__main__":
    main()
