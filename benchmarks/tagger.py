"""Spans of queries: the tagger beside a gazetteer and a conditional random field, on spans that people marked.

    python -m benchmarks.tagger --labels FILE... [--human FILE] [--teacher FILE] [--shop FOLDER] [--work FOLDER]

    pip install python-crfsuite       for the field

The shop must have been ingested and indexed. The gazetteer is the catalogue's brands, category names and attribute
values (longest match); field and tagger learn from the labels, less every query that is, as a bag of words, among those
that people marked. Nothing is learnt from people. Prints Markdown: F1 of the same place and type, and of the same type
with a character in common, with 95% intervals (bootstrap over queries), and what one query takes. `--teacher` names
another file of people's spans: on its queries that have a label the teacher itself is measured, which is the ceiling.

People's spans are JSON Lines of two kinds. Those with `annotations` are a gold file of ours. Those with `spans` are
QueryNER's (Palen-Michel et al., "QueryNER", LREC-COLING 2024), whose types are read as ours: core_product_type as
product_type, creator as brand, department as audience, UoM and quantity as size; color, material, occasion and price as
they are; all others (modifier, content, shape, product_name, condition, origin, time, ...) as attribute.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import polars as pl

from distill.spans import TYPES, SpanExample, span_examples
from distill.tagger import TaggerCard, distil_tagger
from domain.errors import UserError
from domain.label import Label, read_labels
from domain.shop import Shop, open_shop
from domain.text import normalise
from domain.understanding import AnnotationType
from evals.estimates import Estimate, Harmonic, Ratio, bootstrap
from evals.spans import Place, Span, agree_exactly, find_place, overlap_any
from release.student.features import Features
from release.student.tagger import FILES, Tagger
from release.student.tags import spans_of

ROOT = Path(__file__).parent.parent
QUERYNER: Final[Mapping[str, AnnotationType]] = {
    "core_product_type": "product_type",
    "creator": "brand",
    "department": "audience",
    "UoM": "size",
    "quantity": "size",
    "color": "color",
    "material": "material",
    "occasion": "occasion",
    "price": "price",
}
MATCHES = {"exact": agree_exactly, "overlap": overlap_any}
WORD = re.compile(r"\S+")

Finder = Callable[[str], frozenset[Span]]


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A normalised query and the spans that people see in it."""

    query: str
    spans: frozenset[Span]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = ROOT.parent / "shared" / "data"
    parser.add_argument("--labels", type=Path, nargs="+", required=True)
    parser.add_argument("--human", type=Path, default=data / "queryner" / "validation.jsonl")
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--shop", type=Path, default=data / "electronics")
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise" / "quality-electronics")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.human.is_file():
        sys.stdout.write(f"skipped: {options.human} is not there, so there is nothing to measure on\n")
        return
    try:
        shop = open_shop(options.shop, work=options.work)
        labels = [label for path in options.labels for label in read_labels(path)]
        sys.stdout.write(compare(shop, labels, read_marked(options.human), seed=options.seed))
        if options.teacher:
            sys.stdout.write(ceiling(labels, read_marked(options.teacher)))
    except UserError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def read_marked(path: Path) -> list[Marked]:
    """Read what people marked; a span that the normal form no longer holds is left out."""
    marked = []
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        given = row["spans"] if "spans" in row else row.get("annotations")
        if given is None:
            continue
        query, spans = normalise(row["query"]), set()
        for one in given:
            kind = one["type"] if "annotations" in row else QUERYNER.get(one["type"], "attribute")
            try:
                place = find_place(one["text"], one["start"], query=row["query"], normalized=query)
            except ValueError:
                continue
            spans.add(Span(place=place, type=kind))
        marked.append(Marked(query=query, spans=frozenset(spans)))
    return marked


def compare(shop: Shop, labels: Sequence[Label], marked: Sequence[Marked], *, seed: int) -> str:
    """Train on the labels, and return the tables."""
    away = {bag(one.query) for one in marked}
    by_query = {label.understanding.normalized: label for label in labels}
    kept = [label for query, label in by_query.items() if bag(query) not in away]
    products = pl.read_parquet(shop.warehouse / "products.parquet", columns=["brand", "attributes"])
    taxonomy = shop.load_taxonomy()
    brands = [brand for brand in products["brand"] if brand]
    with TemporaryDirectory() as made:
        folder = Path(made)
        card = distil_tagger(kept, brands, shop.index / "tokenizer.json", folder, seed=seed)
        if card is None:
            raise UserError("no label has a span", hint="name labels of a prompt that asks for annotations")
        tagger = Tagger(folder, Features(folder, bits=1))
        size = sum((folder / name).stat().st_size for name in FILES) / 1e6
        finders: dict[str, Finder] = {
            "gazetteer": Gazetteer(brands, products["attributes"], (taxonomy.path(i)[-1] for i in taxonomy)),
            "CRF": RandomField(span_examples(kept), folder / "field"),
            "tagger": lambda query: spans_from((a.start, a.end, a.type) for a in tagger.tag([query])[0]),
        }
        answers = {name: [find(one.query) for one in marked] for name, find in finders.items()}
        lines = [
            f"{len(kept):,} labels with {card.spans:,} spans, less {len(by_query) - len(kept)} that people marked too; "
            f"measured on {len(marked):,} queries.",
            *(line for match in MATCHES for line in ("", f"F1, {match}:", "", *table(marked, answers, match))),
            "",
            *costs(finders, [one.query for one in marked], card, size),
        ]
    return "\n".join(lines) + "\n"


def bag(query: str) -> str:
    """Return the words of a query without their order."""
    return " ".join(sorted(query.split()))


def spans_from(found: Iterable[tuple[int, int, AnnotationType]]) -> frozenset[Span]:
    return frozenset(Span(place=Place(start=start, end=end), type=kind) for start, end, kind in found)


class Gazetteer:
    """The longest run of words that the catalogue knows, from the left; on equal terms a brand comes first."""

    LONGEST = 5
    KINDS: Final[Mapping[str, AnnotationType]] = {
        "colo": "color",
        "material": "material",
        "size": "size",
        "dietary": "dietary",
    }

    def __init__(self, brands: Iterable[str], attributes: Iterable[str], categories: Iterable[str]) -> None:
        self.known: dict[str, AnnotationType] = {}
        for brand in brands:
            self._add(brand, "brand")
        for name in categories:
            for part in re.split(r"\s*[&,/]\s*| and ", name):
                self._add(part, "product_type")
        for one in attributes:
            for key, value in json.loads(one).items():
                kinds = (kind for part, kind in self.KINDS.items() if part in key)
                texts = [key.replace("_", " ")] if value is True else str(value).split(",")
                kind: AnnotationType = next(kinds, "attribute")
                for text in texts if isinstance(value, str) or value is True else ():
                    self._add(text, kind)

    def _add(self, text: str, kind: AnnotationType) -> None:
        normal = normalise(text)
        if re.search(r"[^\W\d]", normal):
            self.known.setdefault(normal, kind)
            self.known.setdefault(normal.removesuffix("s"), kind)

    def __call__(self, query: str) -> frozenset[Span]:
        words = [word.span() for word in WORD.finditer(query)]
        found: list[tuple[int, int, AnnotationType]] = []
        at = 0
        while at < len(words):
            for last in range(min(at + self.LONGEST, len(words)) - 1, at - 1, -1):
                text = query[words[at][0] : words[last][1]]
                if kind := self.known.get(text) or self.known.get(text.removesuffix("s")):
                    found.append((words[at][0], words[last][1], kind))
                    at = last
                    break
            at += 1
        return spans_from(found)


class RandomField:
    """A linear-chain conditional random field over words, affixes, shapes and neighbours (CRFsuite, Okazaki 2007)."""

    def __init__(self, examples: Iterable[SpanExample], file: Path) -> None:
        try:
            import pycrfsuite
        except ImportError:
            raise UserError("CRFsuite is not installed", hint="pip install python-crfsuite") from None
        trainer: Any = pycrfsuite.Trainer(verbose=False)
        trainer.set_params({"c1": 0.1, "c2": 0.1, "max_iterations": 150, "feature.possible_transitions": True})
        for example in examples:
            trainer.append(self.features(example.words), [str(tag) for tag in example.tags])
        trainer.train(str(file))
        self.tagger: Any = pycrfsuite.Tagger()
        self.tagger.open(str(file))

    def __call__(self, query: str) -> frozenset[Span]:
        places = [word.span() for word in WORD.finditer(query)]
        tags = [int(tag) for tag in self.tagger.tag(self.features([query[start:end] for start, end in places]))]
        return spans_from((span.start, span.end, span.type) for span in spans_of(tags, places, TYPES))

    @staticmethod
    def features(words: Sequence[str]) -> list[list[str]]:
        shapes = [re.sub(r"(.)\1+", r"\1", re.sub(r"\d", "9", re.sub(r"[^\W\d]", "a", word))) for word in words]
        rows = []
        for i, word in enumerate(words):
            row = ["bias", f"word {word}", f"shape {shapes[i]}", f"from start {min(i, 4)}"]
            row += [f"from end {min(len(words) - 1 - i, 4)}", f"words {min(len(words), 6)}"]
            row += [f"{name} {part}" for n in (2, 3, 4) for name, part in (("begins", word[:n]), ("ends", word[-n:]))]
            for step in (-2, -1, 1, 2):
                if 0 <= i + step < len(words):
                    near = words[i + step]
                    row += [f"{step} word {near}", f"{step} shape {shapes[i + step]}"]
                    row += [f"{step} begins {near[:3]}", f"{step} ends {near[-3:]}"] if abs(step) == 1 else []
                else:
                    row.append(f"{step} none")
            row += [f"pair {words[i - 1]} {word}"] if i else []
            row += [f"pair on {word} {words[i + 1]}"] if i + 1 < len(words) else []
            rows.append(row)
        return rows


def ceiling(labels: Iterable[Label], marked: Iterable[Marked]) -> str:
    """Return the teacher's own F1 on the queries that it and people marked."""
    known = {label.understanding.normalized: label.understanding.annotations for label in labels}
    both = [one for one in marked if one.query in known]
    if not both:
        return "\nno query of --teacher has a label\n"
    answers = {"teacher": [spans_from((a.start, a.end, a.type) for a in known[one.query]) for one in both]}
    lines = [f"The teacher itself, on {len(both):,} queries:"]
    for match in MATCHES:
        lines += ["", f"F1, {match}:", "", *table(both, answers, match)]
    return "\n" + "\n".join(lines) + "\n"


def table(marked: Sequence[Marked], answers: Mapping[str, Sequence[frozenset[Span]]], match: str) -> list[str]:
    """Return F1 by type and over all types, for each system."""
    counts = {kind: sum(span.type == kind for one in marked for span in one.spans) for kind in TYPES}
    kinds: dict[str, frozenset[str]] = {kind: frozenset([kind]) for kind in TYPES if counts[kind]}
    kinds["all"] = frozenset(TYPES)
    samples = bootstrap(
        {(name, kind): f1(marked, found, kinds[kind], match) for name, found in answers.items() for kind in kinds},
        queries=len(marked),
        draws=1000,
        seed=0,
    )
    lines = [f"| type | spans | {' | '.join(answers)} |", "|---" * (2 + len(answers)) + "|"]
    for kind in kinds:
        cells = [shown(samples[name, kind].estimate()) for name in answers]
        lines.append(f"| {kind} | {sum(counts[one] for one in TYPES if one in kinds[kind])} | {' | '.join(cells)} |")
    if "CRF" in answers:
        gained = samples["tagger", "all"].over(samples["CRF", "all"]).estimate()
        lines += ["", f"The tagger less the CRF, all types, paired: {shown(gained)}."]
    return lines


def f1(marked: Sequence[Marked], found: Sequence[frozenset[Span]], kinds: frozenset[str], match: str) -> Harmonic:
    same = MATCHES[match]
    rows = []
    for one, answer in zip(marked, found, strict=True):
        theirs = [span for span in one.spans if span.type in kinds]
        ours = [span for span in answer if span.type in kinds]
        right, hits = sum(same(span, theirs) for span in ours), sum(same(span, ours) for span in theirs)
        rows.append((right, len(ours), hits, len(theirs)))
    right_of, given, hits_of, asked = np.array(rows, dtype=np.float64).T
    return Harmonic(precision=Ratio(top=right_of, bottom=given), recall=Ratio(top=hits_of, bottom=asked))


def shown(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def costs(finders: Mapping[str, Finder], queries: Sequence[str], card: TaggerCard, size: float) -> list[str]:
    """Say what one query takes, one at a time on one thread, and what the tagger's files take."""
    lines = []
    for name in ("CRF", "tagger"):
        first, again = (median_microseconds(finders[name], queries) for _ in range(2))
        lines.append(f"- {name}: {again:.0f} us a query (p50; the round before it {first:.0f})")
    lines.append(f"- the tagger: {size:.1f} MB in {len(FILES)} files; ")
    lines[-1] += f"exported, {card.parity.differ:.2%} of {card.parity.queries:,} queries have other spans"
    return lines


def median_microseconds(find: Finder, queries: Sequence[str]) -> float:
    taken = []
    for query in queries:
        started = time.perf_counter()
        find(query)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


if __name__ == "__main__":
    main()
