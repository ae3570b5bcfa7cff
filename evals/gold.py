"""Files of human labels, read with every doubt counted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.errors import UserError
from domain.lines import open_bytes
from domain.tables import read_rows
from domain.taxonomy import Taxonomy
from evals.case import Case
from evals.gold_line import DoubtKind, LineRejected, ParsedLine, parse_case

__all__ = ["GoldSet", "Problem", "read_gold"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A doubt about one line (1-based; in Parquet the number of the row) of a file.

    ``kept`` says whether the rest of the line is used all the same.
    """

    file: str
    line: int
    kind: DoubtKind
    detail: str
    kept: bool


@dataclass(frozen=True, kw_only=True)
class GoldSet:
    """The labels of one file or of several: ``cases`` hold each query once, ``further`` are other raters' labels.

    ``name`` names the files, and ``sha256`` is of what they hold, one after the other.
    """

    name: str
    sha256: str
    cases: tuple[Case, ...]
    further: tuple[Case, ...]
    problems: tuple[Problem, ...]

    @property
    def left_out(self) -> int:
        """Lines that are not used at all."""
        return sum(not problem.kept for problem in self.problems)


def read_gold(
    files: Path | Sequence[Path],
    taxonomy: Taxonomy,
    *,
    columns: Mapping[str, str] | None = None,
    region: str | None = None,
) -> GoldSet:
    """Read labels by people, in any format that `read_rows` reads.

    A line whose query or categories cannot be used, which expects a category that the taxonomy does not have, or whose
    query holds personal data, is left out: judged by half it would ask for something else. Any other field that cannot
    be used counts as not labelled. Both are listed in `GoldSet.problems`. Of two lines with one query and one rater the
    first counts, whether they are of one file or of two.

    Args:
        files: One file, or several that are read as one, in their order.
        taxonomy: The tree that the categories are of.
        columns: Our column name -> the name in the files, where it differs.
        region: The shop's country, as `personal_data` takes it.

    Raises:
        UserError: a file cannot be read, or no line of it can be used.
    """
    paths = (files,) if isinstance(files, Path) else tuple(files)
    gathered, digest = _Gathered(), hashlib.sha256()
    for path in paths:
        if not path.is_file():
            raise UserError(f"cannot read the gold file {path}: there is no such file", hint="name an existing file")
        with open_bytes(path) as file:
            digest.update(file.read())
        gathered.read(path, taxonomy, columns or {}, region)
    return GoldSet(
        name=", ".join(path.name for path in paths),
        sha256=digest.hexdigest(),
        cases=tuple(gathered.cases.values()),
        further=tuple(gathered.further.values()),
        problems=tuple(gathered.problems),
    )


class _Gathered:
    """What was read so far of all files."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}
        self.further: dict[tuple[str, str | None], Case] = {}
        self.problems: list[Problem] = []

    def read(self, path: Path, taxonomy: Taxonomy, columns: Mapping[str, str], region: str | None) -> None:
        """Read one file more, of which at least one line has to be in order."""
        sound, before = 0, len(self.problems)
        for row in read_rows(path, (columns.get("query", "query"),), file=str(path)):
            try:
                parsed = parse_case(row, taxonomy, columns=columns, region=region)
                sound += 1
                self._add(parsed, row.file, row.line)
            except LineRejected as why:
                kind, detail = why.doubt.kind, why.doubt.detail
                self.problems.append(Problem(file=row.file, line=row.line, kind=kind, detail=detail, kept=False))
        if not sound:
            first = next((f"; line {one.line}: {one.detail}" for one in self.problems[before:]), "")
            raise UserError(
                f"the gold file {path} has no usable line{first}",
                hint='a line looks like {"query": "1% milk", "categories": ["c12"]}',
            )

    def _add(self, parsed: ParsedLine, file: str, line: int) -> None:
        _file_away(parsed.case, self.cases, self.further)
        self.problems += [
            Problem(file=file, line=line, kind=doubt.kind, detail=doubt.detail, kept=True) for doubt in parsed.doubts
        ]


def _file_away(case: Case, cases: dict[str, Case], further: dict[tuple[str, str | None], Case]) -> None:
    first = cases.setdefault(case.normalized, case)
    if first is case:
        return
    if first.rater == case.rater or (case.normalized, case.rater) in further:
        raise LineRejected("duplicate", f"{case.normalized!r} is there twice")
    further[case.normalized, case.rater] = case
