"""How often the student answers what no shop can answer: sites, gibberish, questions, other languages, injections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.students.measuring import samples
from distill.examples import Example
from domain.text import normalise
from evals.cells import interval, table
from evals.estimates import Ratio
from release.student import Student, decide

FILE = Path(__file__).resolve().parents[1] / "out_of_domain.txt"


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """A normalised query that no shop should answer with a category, and why not."""

    query: str
    kind: str


def read_strangers(file: Path = FILE) -> list[Stranger]:
    """Read a file with a query, a tab and its kind a line."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"))
    return [Stranger(query=normalise(query), kind=kind) for query, kind in rows]


def unlearnt(strangers: Sequence[Stranger], examples: Mapping[str, Sequence[Example]]) -> list[Stranger]:
    """Return those that are none of the examples."""
    learnt = {example.query for example in chain.from_iterable(examples.values())}
    return [stranger for stranger in strangers if stranger.query not in learnt]


def falsely_answered(strangers: Sequence[Stranger], student: Student) -> list[str]:
    """Return a table of the share that gets a category at the student's own thresholds, by kind."""
    tree, policy = student.tree, student.about.policy
    predicted = student.predict([stranger.query for stranger in strangers]).probabilities
    given = np.array([bool(decide(row, tree, policy).rows) for row in predicted], dtype=np.float64)
    lines = []
    for kind in (*sorted({stranger.kind for stranger in strangers}), "all"):
        places = np.array([i for i, one in enumerate(strangers) if kind in ("all", one.kind)], dtype=np.intp)
        share = samples({kind: Ratio.mean(given)}, places)[kind].estimate()
        lines.append((kind, str(places.size), str(int(given[places].sum())), interval(share)))
    return table(("kind", "queries", "answered", "share falsely answered"), lines)
