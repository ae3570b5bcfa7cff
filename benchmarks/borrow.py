"""What queries of the tail borrow: how many, how well the teacher agrees, how long it takes, and examples to read.

    python -m benchmarks.borrow --work FOLDER [--queries FILE] [--out FILE] [--examples 40]

The work folder has an index, labels of head, torso and tail, and a student. Lenders are the labels of head and torso;
what a query of the tail borrows is held against its own label, which the borrowing never sees. The category is the
student's likeliest, whether or not it is sure of it, and nothing is known of the query's words. `--queries` takes only
those of a file (JSON Lines, Parquet): of the shop's gold, say, which no student has learnt from.

`--out` writes what was borrowed as labels, one line a query, for a judge. It judges them in the place of the labels:

    cp -r FOLDER COPY && cp FILE COPY/labels/labels.jsonl
    querywise judge SHOP --work COPY --task rewrite --queries FILE --model MODEL

and the teacher's own rewrites for the same queries with `--work FOLDER`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from domain.label import Label, read_labels, write_labels
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Node, Taxonomy
from domain.text import normalise
from domain.understanding import Understanding
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
    parser.add_argument("--queries", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--examples", type=int, default=40)
    options = parser.parse_args()
    work: Path = options.work
    taxonomy = Taxonomy(Node(**row) for row in pq.read_table(work / "warehouse" / "taxonomy.parquet").to_pylist())
    student, index = Student(work / "student", taxonomy), RetrievalIndex(work / "index", threads=1)
    labels = list(read_labels(work / "labels" / "labels.jsonl"))
    answers = [label.understanding for label in labels if label.tier != "tail"]
    tail = [label for label in labels if label.tier == "tail"]
    if options.queries:
        wanted = {normalise(query) for query in read_queries(options.queries)}
        tail = [label for label in tail if label.query in wanted]
    with opened(student, answers) as (lenders, borrower):
        asked = ask(student, borrower, tail)
        sys.stdout.write(f"{len(lenders):,} lenders among {len(answers):,} labels of head and torso.\n\n")
    sys.stdout.write(coverage(asked) + agreement(asked, index, taxonomy) + speed(student, answers, asked))
    sys.stdout.write(examples(asked, options.examples))
    if options.out:
        write_labels(options.out, as_labels(asked))


@contextmanager
def opened(student: Student, answers: Sequence[Understanding]) -> Iterator[tuple[Lenders, Borrower]]:
    """Write lenders and head store as a release has them, and open both."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_lenders(folder / "lenders", student, answers)
        values = sorted((key_of(answer.normalized), render(answer)) for answer in answers)
        sizes = [len(value) for _, value in values]
        write_head(folder / "head.lmdb", values, total=len(values), largest=max(sizes), size=sum(sizes) * 2)
        lenders, head = Lenders(folder / "lenders", student), HeadStore(folder / "head.lmdb")
        yield lenders, Borrower(lenders, head.get)
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


def coverage(asked: Sequence[Asked]) -> str:
    """Return how many queries borrow, all of them and those that the student answers."""
    rows = []
    for name, some in (("all", list(asked)), ("the student answers", [a for a in asked if a.answered])):
        borrowing = [a.borrowed for a in some if a.borrowed]
        relations = [sum(b.relation == kind for b in borrowing) for kind in ("same", "synonym", "detail")]
        rewrites = sum(len(b.rewrites) for b in borrowing)
        share = f"{len(borrowing) / len(some):.1%}" if some else "–"
        rows.append([name, f"{len(some):,}", share, *(f"{count:,}" for count in relations), f"{rewrites:,}"])
    head = ("queries of the tail", "count", "borrow", "same", "synonym", "detail", "rewrites")
    return "\n".join(table(head, rows)) + "\n\n"


def agreement(asked: Sequence[Asked], index: RetrievalIndex, taxonomy: Taxonomy) -> str:
    """Return how often the teacher says the same, and how often a borrowed rewrite finds products.

    Counted are queries with a rewrite of the teacher's own that is no spelling.
    """
    scored: Mapping[tuple[str, str], list[tuple[bool, bool, bool]]] = defaultdict(list)
    for one in asked:
        own = [set(index.stems(r.query)) for r in one.label.understanding.rewrites if r.type != "spelling"]
        for rewrite in one.borrowed.rewrites if one.borrowed and own else ():
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
    return "\n".join(table(head, rows)) + "\n\n"


def speed(student: Student, answers: Sequence[Understanding], asked: Sequence[Asked]) -> str:
    """Return how long borrowing takes here, and searching among 10,000 lenders made of these."""
    times = [one.seconds * 1e6 for one in asked]
    text = f"Borrowing takes {quantile(times, 50)} us at p50 and {quantile(times, 99)} at p99.\n\n"
    made = [a for a in answers if a.categories and any(rewrite.type in LENT for rewrite in a.rewrites)]
    many = [replace(made[i % len(made)], normalized=f"{made[i % len(made)].normalized} {i}") for i in range(MANY)]
    sizes: Mapping[int, list[float]] = defaultdict(list)
    with opened(student, many) as (lenders, _):
        for one in asked:
            size = next(limit for limit in (100, 300, 1000, 4096) if lenders.compared(one.row) <= limit)
            sizes[size].append(quickest(lambda: lenders.nearest(one.embedding, one.row, 2)) * 1e6)  # noqa: B023
    rows = [[f"up to {size:,}", f"{len(t):,}", quantile(t, 50), quantile(t, 99)] for size, t in sorted(sizes.items())]
    head = (f"compared of {MANY:,} lenders", "queries", "p50 us", "p99 us")
    return text + "\n".join(table(head, rows)) + "\n\n"


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


def as_labels(asked: Sequence[Asked]) -> Iterator[Label]:
    """Yield labels with what was borrowed in the place of the teacher's rewrites, of those queries that borrow."""
    for one in asked:
        if one.borrowed:
            answer = replace(one.label.understanding, rewrites=one.borrowed.rewrites, borrowed_from=one.borrowed.query)
            yield replace(one.label, understanding=answer)


if __name__ == "__main__":
    main()
