"""What the least cosines of borrowed rewrites are worth: how alike rewrites are, and what is right by the cosine.

Part of benchmarks.borrow.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from unittest.mock import patch

import numpy as np
from pydantic import TypeAdapter, ValidationError

from domain.errors import UserError
from domain.label import Label
from domain.understanding import Rewrite
from domain.verdict import Item, Unscored, Verdict
from evals.cells import table
from release.borrow import LEAST_COSINE, LEAST_COSINE_OWN, Borrower
from release.lenders import Vector
from release.student import Student

__all__ = ["Offered", "likeness_table", "offered_by_words", "read_right", "threshold_table"]

PAIRS: Final = 20_000
Kind = Literal["itself, as the right spelling", "itself, as synonym or broader", "synonym", "broader"]

KINDS: Final[Mapping[Kind, float]] = {
    "itself, as the right spelling": LEAST_COSINE_OWN,
    "itself, as synonym or broader": LEAST_COSINE_OWN,
    "synonym": LEAST_COSINE["synonym"],
    "broader": LEAST_COSINE["broader"],
}
_said: Final[TypeAdapter[Verdict | Unscored]] = TypeAdapter(Verdict | Unscored)

CUTS: Final = (0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8)


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A rewrite that the words of query and lender allow to lend, and the cosine that decides about it."""

    kind: Kind
    item: Item
    rewrite: Rewrite
    cosine: float


def read_right(path: Path) -> dict[Item, bool]:
    """Read of which rewrites a judge found every facet right, from a file of kept verdicts, gzipped or not.

    Raises:
        UserError: when the file is not there, or holds anything else.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            said = [_said.validate_json(line) for line in file]
    except (OSError, EOFError, zlib.error, ValidationError) as error:
        raise UserError(
            f"{path} has no verdicts: {error}", hint="`querywise judge` keeps them in the work folder"
        ) from error
    return {one.item: bool(one.grade) for one in said if isinstance(one, Verdict)}


def likeness_table(student: Student, labels: Sequence[Label]) -> list[str]:
    """Return how alike the labels' own rewrites are to their queries, and two of the queries at random, by cosine."""
    pairs: dict[str, list[tuple[str, str]]] = {"synonym": [], "broader": []}
    for label in labels:
        for rewrite in label.understanding.rewrites:
            if rewrite.type in pairs:
                pairs[rewrite.type].append((label.query, rewrite.query))
    dice = np.random.default_rng(0)
    one, other = dice.integers(0, len(labels), (2, PAIRS))
    apart = one != other
    queries = [label.query for label in labels]
    pairs["two queries at random"] = [(queries[a], queries[b]) for a, b in zip(one[apart], other[apart], strict=True)]
    bars = sorted({*LEAST_COSINE.values(), LEAST_COSINE_OWN})
    rows = []
    for name, some in pairs.items():
        if not some:
            continue
        vectors = _embedded(student, {text for pair in some for text in pair})
        cosines = np.array([float(vectors[a] @ vectors[b]) for a, b in some])
        tenth = f"{np.quantile(cosines, 0.1):.2f}"
        rows.append((name, f"{len(some):,}", tenth, *(f"{(cosines >= bar).mean():.1%}" for bar in bars)))
    return table(("pairs", "count", "nine of ten from", *(f"{bar:g} or more" for bar in bars)), rows)


def offered_by_words(
    borrower: Borrower, student: Student, queries: Sequence[str], embeddings: Sequence[Vector], rows: Sequence[int]
) -> list[Offered]:
    """Return what queries would borrow if no cosine were too low.

    Args:
        borrower: Of the lenders.
        student: Theirs.
        queries: Normalised.
        embeddings: Theirs by the student, unit vectors.
        rows: Of their categories, in the tree.
    """
    with patch.multiple("release.borrow", LEAST_COSINE=dict.fromkeys(LEAST_COSINE, -1.0), LEAST_COSINE_OWN=-1.0):
        asked = zip(queries, embeddings, rows, strict=True)
        found = [borrower.borrow(query, (), embedding, row) for query, embedding, row in asked]
    lent = [(i, one.query, rewrite) for i, one in enumerate(found) if one for rewrite in one.rewrites]
    vectors = _embedded(student, {rewrite.query for _, _, rewrite in lent})
    return [
        Offered(
            kind=_kind(rewrite, lender),
            item=Item(task="rewrite", query=queries[i], subject=f"{rewrite.type}:{rewrite.query}"),
            rewrite=rewrite,
            cosine=float(embeddings[i] @ vectors[rewrite.query]),
        )
        for i, lender, rewrite in lent
    ]


def threshold_table(offered: Iterable[Offered], right: Mapping[Item, bool]) -> list[str]:
    """Return what is offered from each cosine on, how much of that was judged, and how much of that is right.

    Only cosines that change anything have a row, and the one in force.
    """
    by_kind: dict[Kind, list[Offered]] = {kind: [] for kind in KINDS}
    for one in offered:
        by_kind[one.kind].append(one)
    rows = []
    for kind, some in by_kind.items():
        counts: set[int] = set()
        for cut in (-1.0, *CUTS):
            over = [one for one in some if one.cosine >= cut]
            in_force = cut == KINDS[kind]
            if not some or (len(over) in counts and not in_force):
                continue
            counts.add(len(over))
            judged = [right[one.item] for one in over if one.item in right]
            name = "any" if cut < 0 else f"{cut:g}{' (in force)' if in_force else ''}"
            rows.append((kind, name, f"{len(over):,}", f"{len(judged):,}", f"{sum(judged):,}"))
    return table(("lent as", "least cosine", "rewrites", "judged", "right"), rows)


def _kind(rewrite: Rewrite, lender: str) -> Kind:
    if rewrite.query == lender:
        return "itself, as the right spelling" if rewrite.type == "spelling" else "itself, as synonym or broader"
    return "synonym" if rewrite.type == "synonym" else "broader"


def _embedded(student: Student, texts: Iterable[str]) -> dict[str, Vector]:
    listed = sorted(texts)
    return dict(zip(listed, student.predict(listed).embeddings, strict=True))
