"""A file of human labels, read with every doubt counted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from domain.errors import UserError
from domain.taxonomy import Taxonomy
from evals.case import Case
from evals.gold_line import DoubtKind, LineRejected, parse_case

__all__ = ["GoldSet", "Problem", "read_gold"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A doubt about one line (1-based); ``kept`` says whether the rest of the line is used all the same."""

    line: int
    kind: DoubtKind
    detail: str
    kept: bool


@dataclass(frozen=True, kw_only=True)
class GoldSet:
    """The labels of one file: ``cases`` hold each query once, ``further`` are other raters' labels of those queries."""

    name: str
    sha256: str
    cases: tuple[Case, ...]
    further: tuple[Case, ...]
    problems: tuple[Problem, ...]

    @property
    def left_out(self) -> int:
        """Lines that are not used at all."""
        return sum(not problem.kept for problem in self.problems)


def read_gold(path: Path, taxonomy: Taxonomy) -> GoldSet:
    """Read a gold file (JSON Lines).

    A line whose query or categories cannot be used, or which expects a category that the taxonomy does not have, is
    left out: judged by half it would ask for something else. Any other field that cannot be used counts as not
    labelled. Both are listed in `GoldSet.problems`. Of two lines with one query and one rater the first counts.

    Raises:
        UserError: the file cannot be read, or no line of it can be used.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the gold file {path}: {error.strerror}", hint="name an existing file") from error
    cases: dict[str, Case] = {}
    further: dict[tuple[str, str | None], Case] = {}
    problems: list[Problem] = []
    for number, line in _lines(data):
        try:
            parsed = parse_case(line, taxonomy)
            _file_away(parsed.case, cases, further)
        except LineRejected as why:
            problems.append(Problem(line=number, kind=why.doubt.kind, detail=why.doubt.detail, kept=False))
        else:
            problems.extend(Problem(line=number, kind=d.kind, detail=d.detail, kept=True) for d in parsed.doubts)
    if not cases:
        raise UserError(
            f"the gold file {path} has no usable line" + (f"; {_first(problems)}" if problems else ""),
            hint='a line looks like {"query": "1% milk", "categories": ["c12"]}',
        )
    return GoldSet(
        name=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        cases=tuple(cases.values()),
        further=tuple(further.values()),
        problems=tuple(problems),
    )


def _lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _file_away(case: Case, cases: dict[str, Case], further: dict[tuple[str, str | None], Case]) -> None:
    first = cases.setdefault(case.normalized, case)
    if first is case:
        return
    if first.rater == case.rater or (case.normalized, case.rater) in further:
        raise LineRejected("duplicate", f"{case.normalized!r} is there twice")
    further[case.normalized, case.rater] = case


def _first(problems: list[Problem]) -> str:
    return f"line {problems[0].line}: {problems[0].detail}"
