"""What queries of the tail borrow: how many, how well the teacher agrees, how long it takes, and examples to read.

    python -m benchmarks.borrow --work FOLDER [--gold FILE] [--verdicts FILE] [--out FILE] [--examples 40]
        [--write docs/borrowing.md]

The work folder has an index, labels of head, torso and tail, and a student. Lenders are the labels of head and torso;
what a query of the tail borrows is held against its own label, which the borrowing never sees. The category is the
student's likeliest, whether or not it is sure of it, and nothing is known of the query's words. `--gold` names a file
(JSON Lines, Parquet) with queries that no student has learnt from: of these it is said apart how many borrow.

`--verdicts` takes what a judge said of borrowed rewrites, as `querywise judge` keeps it, to show what the least cosines
do to what is right. `--out` writes what could be borrowed, whatever the cosine, and has no verdict yet, as labels for a
judge, one line a query. It judges them in the place of the labels:

    cp -r FOLDER COPY && cp FILE COPY/labels/labels.jsonl
    querywise judge SHOP --work COPY --task rewrite --queries FILE --model MODEL

and the teacher's own rewrites for the same queries with `--work FOLDER`. Prints Markdown; `--write` puts it into the
page.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from benchmarks.borrow_thresholds import Offered, likeness_table, offered_by_words, read_right, threshold_table
from benchmarks.discovered.page import put
from domain.errors import QuerywiseError
from domain.label import Label, read_labels, write_labels
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Node, Taxonomy
from domain.text import normalise
from domain.understanding import Rewrite, Understanding
from domain.verdict import Item
from evals.cells import table
from querywise.understand import read_queries
from release.answers import render
from release.borrow import Borrowed, Borrower
from release.head import HeadStore, key_of, write_head
from release.lenders import LENT, Lenders, Vector, write_lenders
from release.student import Student, decide

ROUNDS = 5
MANY = 10_000
"""Lenders of the shop that is measured for speed alone."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query of the tail with its label, what the student makes of it, and what it borrows."""

    label: Label
    embedding: Vector
    row: int
    answered: bool
    borrowed: Borrowed | None
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gold", type=Path)
    parser.add_argument("--verdicts", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--examples", type=int, default=40, help="printed, never written into the page")
    parser.add_argument("--write", type=Path, help="the page")
    options = parser.parse_args()
    try:
        measure(options)
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def measure(options: argparse.Namespace) -> None:
    work: Path = options.work
    taxonomy = Taxonomy(Node(**row) for row in pq.read_table(work / "warehouse" / "taxonomy.parquet").to_pylist())
    student, index = Student(work / "student", taxonomy), RetrievalIndex(work / "index", threads=1)
    labels = list(read_labels(work / "labels" / "labels.jsonl"))
    answers = [label.understanding for label in labels if label.tier != "tail"]
    tail = [label for label in labels if label.tier == "tail"]
    gold = {normalise(query) for query in read_queries(options.gold)} if options.gold else set()
    right = read_right(options.verdicts) if options.verdicts else {}
    with opened(student, answers) as lending:
        asked = ask(student, lending.borrower, tail)
        queries, rows = [one.label.query for one in asked], [one.row for one in asked]
        offered = offered_by_words(lending.borrower, student, queries, [one.embedding for one in asked], rows)
        counted = f"{len(lending.lenders):,} lenders among {len(answers):,} labels of head and torso."
    parts = [
        [counted],
        coverage(asked, gold),
        agreement(asked, index, taxonomy),
        likeness_table(student, labels),
        threshold_table(offered, right),
        speed(student, answers, asked),
    ]
    put(options.write, "borrowed rewrites", [line for part in parts for line in (*part, "")][:-1])
    sys.stdout.write("\n" + examples(asked, options.examples))
    if options.out:
        write_labels(options.out, as_labels(asked, offered, right))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Lenders as a release has them, what borrows from them, and what they take on disk."""

    lenders: Lenders
    borrower: Borrower
    bytes: int


@contextmanager
def opened(student: Student, answers: Sequence[Understanding]) -> Iterator[Opened]:
    """Write lenders and head store as a release has them, and open both."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_lenders(folder / "lenders", student, answers)
        values = sorted((key_of(answer.normalized), render(answer)) for answer in answers)
        sizes = [len(value) for _, value in values]
        write_head(folder / "head.lmdb", values, total=len(values), largest=max(sizes), size=sum(sizes) * 2)
        lenders, head = Lenders(folder / "lenders", student), HeadStore(folder / "head.lmdb")
        taken = sum(file.stat().st_size for file in (folder / "lenders").iterdir())
        yield Opened(lenders=lenders, borrower=Borrower(lenders, head.get), bytes=taken)
        head.close()


def ask(student: Student, borrower: Borrower, tail: Sequence[Label]) -> list[Asked]:
    predicted = student.predict([label.query for label in tail])
    asked = []
    for label, embedding, chances in zip(tail, predicted.embeddings, predicted.probabilities, strict=True):
        rows = decide(chances, student.tree, student.about.policy).rows
        row = rows[0] if rows else int(chances.argmax())
        borrowed = borrower.borrow(label.query, (), embedding, row)
        asked.append(
            Asked(
                label=label,
                embedding=embedding,
                row=row,
                answered=bool(rows),
                borrowed=borrowed,
                seconds=quickest(lambda: borrower.borrow(label.query, (), embedding, row)),  # noqa: B023
            )
        )
    return asked


def quickest(call: Callable[[], object]) -> float:
    """Return the seconds of the quickest of some calls, which a busy machine disturbs least."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def coverage(asked: Sequence[Asked], gold: Set[str]) -> list[str]:
    """Return how many queries borrow: all of them, those that the student answers, and those of the gold."""
    rows = []
    groups = {"all": list(asked), "the student answers": [one for one in asked if one.answered]}
    if gold:
        groups["of the gold"] = [one for one in asked if one.label.query in gold]
    for name, some in groups.items():
        borrowing = [a.borrowed for a in some if a.borrowed]
        relations = [sum(b.relation == kind for b in borrowing) for kind in ("same", "synonym", "detail")]
        rewrites = sum(len(b.rewrites) for b in borrowing)
        share = f"{len(borrowing) / len(some):.1%}" if some else "–"
        rows.append([name, f"{len(some):,}", share, *(f"{count:,}" for count in relations), f"{rewrites:,}"])
    head = ("queries of the tail", "count", "borrow", "same", "synonym", "detail", "rewrites")
    return table(head, rows)


def agreement(asked: Sequence[Asked], index: RetrievalIndex, taxonomy: Taxonomy) -> list[str]:
    """Return how often the teacher says the same, and how often a borrowed rewrite finds products.

    Counted are queries with a rewrite of the teacher's own that is no spelling, and of what is borrowed the same.
    """
    scored: Mapping[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for one in asked:
        own = [set(index.stems(r.query)) for r in one.label.understanding.rewrites if r.type != "spelling"]
        lent = one.borrowed.rewrites if one.borrowed and own else ()
        for rewrite in (rewrite for rewrite in lent if rewrite.type != "spelling"):
            stems = set(index.stems(rewrite.query))
            apart = min(len(stems ^ other) for other in own)
            found = bool(index.finds(rewrite.query, taxonomy))
            score = (apart == 0, apart <= 1, found)
            for key in ((one.borrowed.relation, rewrite.type), ("all", "all")):  # type: ignore[union-attr]
                scored[key].append(score)
    rows = [
        [*key, f"{len(scores):,}", *(f"{statistics.mean(column):.1%}" for column in zip(*scores, strict=True))]
        for key, scores in sorted(scored.items())
    ]
    head = ("lender", "borrowed as", "rewrites", "the teacher's too", "or one stem apart", "find products")
    return table(head, rows)


def speed(student: Student, answers: Sequence[Understanding], asked: Sequence[Asked]) -> list[str]:
    """Return how long borrowing takes here, and searching among 10,000 lenders made of these."""
    times = [one.seconds * 1e6 for one in asked]
    text = f"Borrowing takes {quantile(times, 50)} us at p50 and {quantile(times, 99)} us at p99."
    made = [a for a in answers if a.categories and any(rewrite.type in LENT for rewrite in a.rewrites)]
    many = [replace(made[i % len(made)], normalized=f"{made[i % len(made)].normalized} {i}") for i in range(MANY)]
    sizes: Mapping[int, list[float]] = defaultdict(list)
    with opened(student, many) as lending:
        text += (
            f" {MANY:,} lenders with {sum(len(a.rewrites) for a in many):,} rewrites take {lending.bytes / 1e6:.1f} MB."
        )
        lenders = lending.lenders
        for one in asked:
            size = next(limit for limit in (100, 300, 1000, 4096) if lenders.compared(one.row) <= limit)
            sizes[size].append(quickest(lambda: lenders.nearest(one.embedding, one.row, 2)) * 1e6)  # noqa: B023
    rows = [[f"up to {size:,}", f"{len(t):,}", quantile(t, 50), quantile(t, 99)] for size, t in sorted(sizes.items())]
    head = (f"compared of {MANY:,} lenders", "queries", "p50 us", "p99 us")
    return [text, "", *table(head, rows)]


def quantile(values: Sequence[float], percent: int) -> str:
    return f"{statistics.quantiles(values, n=100, method='inclusive')[percent - 1]:.0f}" if len(values) > 1 else "–"


def examples(asked: Sequence[Asked], count: int) -> str:
    """Return some that borrow, drawn at random, with what the teacher says of them."""
    borrowing = [one for one in asked if one.borrowed]
    lines = []
    for one in random.Random(0).sample(borrowing, min(count, len(borrowing))):
        borrowed = one.borrowed
        assert borrowed is not None
        lent = "; ".join(f"{r.query} ({r.type} {r.confidence:.2f})" for r in borrowed.rewrites)
        own = "; ".join(f"{r.query} ({r.type})" for r in one.label.understanding.rewrites)
        lines.append(f"{one.label.query} <- {borrowed.query} [{borrowed.relation}]: {lent} | teacher: {own or 'none'}")
    return "\n".join(lines) + "\n"


def as_labels(asked: Sequence[Asked], offered: Sequence[Offered], right: Mapping[Item, bool]) -> Iterator[Label]:
    """Yield labels with what has no verdict yet in the place of the teacher's rewrites, of queries that have any."""
    unjudged: dict[str, list[Rewrite]] = {}
    for one in offered:
        if one.item not in right:
            unjudged.setdefault(one.item.query, []).append(one.rewrite)
    for label in (one.label for one in asked):
        if label.query in unjudged:
            yield replace(label, understanding=replace(label.understanding, rewrites=tuple(unjudged[label.query])))


if __name__ == "__main__":
    main()
