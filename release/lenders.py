"""The lenders of a release: queries whose rewrites others may borrow, by the student's embedding.

They stand in the order of the tree, so that those of a category and of all below it are one run of rows. What they
lend is not here: their queries are keys of the head store.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter

from domain.errors import ReleaseError
from domain.understanding import RewriteType, Understanding
from release.student import Student, Tree

__all__ = ["LENT", "SURE", "Lender", "Lenders", "write_lenders"]

LENT: Final[frozenset[RewriteType]] = frozenset(("synonym", "broader"))
"""What is lent of an answer: another spelling of one query is none of another, and no substitute is due where the shop
has what is asked for."""

SURE: Final = 0.9
"""The confidence of a synonym from which more follows; one less sure is often narrower, as salmon is for fish."""

_ABOUT: Final = "lenders.json"
_PLACES: Final = "places.npy"
_QUERIES: Final = "queries.txt"
_VECTORS: Final = "queries.npy"
_REWRITES: Final = "rewrites.npy"
_SCHEMA: Final = 2

_MOST: Final = 4096
"""Lenders that are compared at most."""

_BLOCK: Final = 1024
"""Lenders compared in one product: a larger one would be spread over threads, which costs more than it saves."""

_ROW, _TEXT, _FIRST, _FOUND = range(4)
"""Columns of the places: row in the tree, where the query's line begins in its file, its first rewrite, and
`Lender.finds`. The line has the query, and behind tabs its sure synonyms."""

_REMEMBERED: Final = 4096
"""Lenders whose words are kept once they were read, some 1 MB."""

_AT_ONCE: Final = 4096
_SCALE: Final = np.float32(1 / 127)
"""What one step of an int8 stands for; no number of a unit vector is beyond 1. A cosine is off by some 0.002."""

_HINT: Final = "build a new release"

Vector = npt.NDArray[np.float32]
_Packed = npt.NDArray[np.int8]
_Places = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class _About:
    schema_version: int
    lenders: Annotated[int, Field(ge=1)]
    dimension: Annotated[int, Field(ge=1)]


_about: TypeAdapter[_About] = TypeAdapter(_About)


class Lender(NamedTuple):
    """A query near another one.

    Attributes:
        query: Its normal form, the key of its answer in the head store.
        cosine: Of its embedding and the other's.
        finds: Whether the query is known to find products, since it was accepted as a rewrite of another.
        aliases: The rewrites of its answer that are sure synonyms, in their order.
        at: Its place among the lenders.
    """

    query: str
    cosine: float
    finds: bool
    aliases: tuple[str, ...] = ()
    at: int = 0


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """An answer that lends, or may turn out to."""

    row: int
    query: str
    texts: tuple[str, ...]
    aliases: tuple[str, ...]
    lends: bool


def write_lenders(folder: Path, student: Student, answers: Iterable[Understanding], *, every: bool = False) -> int:
    """Write the lenders among the answers of a release into a new folder, and return how many there are.

    An answer lends if it has a category, and either a rewrite that can be lent or a query that is known to find
    products, which is lent itself. Where none does, nothing is written.
    One lender takes 16 bytes, its query and sure synonyms, and a byte for each number of its embedding and of its
    rewrites'.

    Args:
        folder: Must not exist.
        student: Of the release; it makes the embeddings.
        answers: What the head store holds, in any order; they are read once, and their texts are held together.
        every: Whether a category is enough to lend, because it is something else than rewrites that is lent.
    """
    row = {category_id: i for i, category_id in enumerate(student.tree.ids)}
    found: set[str] = set()
    placed: list[_Placed] = []
    for answer in answers:
        found.update(rewrite.query for rewrite in answer.rewrites)
        if answer.categories:
            placed.append(_placed(answer, row[answer.categories[0].id], every=every))
    lending = sorted((one for one in placed if one.lends or one.query in found), key=lambda one: (one.row, one.query))
    if not lending:
        return 0
    lines = [("\t".join((one.query, *one.aliases)) + "\n").encode() for one in lending]
    places = np.zeros((len(lending) + 1, 4), dtype=np.int32)
    places[:, _ROW] = [*(one.row for one in lending), len(row)]
    places[1:, _TEXT] = np.cumsum([len(line) for line in lines])
    places[1:, _FIRST] = np.cumsum([len(one.texts) for one in lending])
    places[:-1, _FOUND] = [one.query in found for one in lending]
    about = _About(schema_version=_SCHEMA, lenders=len(lending), dimension=student.about.dimension)
    folder.mkdir()
    (folder / _ABOUT).write_bytes(_about.dump_json(about))
    (folder / _QUERIES).write_bytes(b"".join(lines))
    np.save(folder / _PLACES, places)
    np.save(folder / _VECTORS, _embed(student, [one.query for one in lending]))
    np.save(folder / _REWRITES, _embed(student, [text for one in lending for text in one.texts]))
    return len(lending)


def _placed(answer: Understanding, row: int, *, every: bool) -> _Placed:
    rewrites = answer.rewrites
    return _Placed(
        row=row,
        query=answer.normalized,
        texts=tuple(rewrite.query for rewrite in rewrites),
        aliases=tuple(one.query for one in rewrites if one.type == "synonym" and one.confidence >= SURE),
        lends=every or any(rewrite.type in LENT for rewrite in rewrites),
    )


def _embed(student: Student, texts: list[str]) -> _Packed:
    packed = np.empty((len(texts), student.about.dimension), dtype=np.int8)
    for start in range(0, len(texts), _AT_ONCE):
        # Of a whole shop at once the probabilities alone would fill the memory.
        embeddings = student.predict(texts[start : start + _AT_ONCE]).embeddings
        packed[start : start + _AT_ONCE] = np.rint(embeddings / _SCALE)
    return packed


class Lenders:
    """Lenders that `write_lenders` wrote, mapped into memory. Use them from any thread.

    Args:
        folder: Where they are.
        student: Of the same release.

    Raises:
        ReleaseError: when a file is missing or malformed, or they are another student's.
    """

    def __init__(self, folder: Path, student: Student) -> None:
        self._tree = student.tree
        try:
            about = _about.validate_json((folder / _ABOUT).read_bytes())
            if about.schema_version != _SCHEMA:
                raise ValueError(f"schema version {about.schema_version}, not {_SCHEMA}")
            places = np.load(folder / _PLACES)
            with (folder / _QUERIES).open("rb") as file:
                self._queries = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            # A view without the class of the mapping, whose every slice would cost a microsecond.
            self._vectors: _Packed = np.asarray(np.load(folder / _VECTORS, mmap_mode="r"))
            self._rewrites: _Packed = np.asarray(np.load(folder / _REWRITES, mmap_mode="r"))
            for flaw in self._flaws(about, places, student):
                raise ValueError(flaw)
            self._queries[:].decode()  # now, and not when one of them is asked
        except (OSError, ValueError, EOFError) as error:
            raise ReleaseError(f"{folder} cannot be read: {error}", hint=_HINT) from error
        self._places: _Places = places
        # Not a method: what is remembered would keep this object, and the files of a release that was closed.
        self._said = lru_cache(maxsize=_REMEMBERED)(partial(_said, places, self._queries))
        self._runs = _runs(student.tree, places[:-1, _ROW])

    def __len__(self) -> int:
        return len(self._vectors)

    def nearest(self, embedding: Vector, row: int, count: int = 1) -> tuple[Lender, ...]:
        """Return the lenders nearest to a query among those of its category and around it, the nearest first.

        That is all below the parent of a category that has none below itself, and all below any other. Of more than
        4,096 only those are compared that stand nearest to the category in the tree.

        Args:
            embedding: Of the query, a unit vector.
            row: Of the category, in the tree.
            count: How many to return at most.
        """
        low, high = self._runs[row]
        if low == high:
            return ()
        cosines = self._cosines(low, high, embedding * _SCALE)
        found = []
        for _ in range(min(count, high - low)):
            at = int(cosines.argmax())  # of equals the first
            found.append(self._lender(low + at, float(cosines[at])))
            cosines[at] = -np.inf
        return tuple(found)

    def likeness(self, lender: Lender, embedding: Vector) -> list[float]:
        """Return the cosine of each rewrite of a lender's answer and a query, in their order.

        Args:
            lender: One of these.
            embedding: Of the query, a unit vector.
        """
        first, behind = self._places[lender.at : lender.at + 2, _FIRST].tolist()
        cosines: list[float] = (self._rewrites[first:behind].astype(np.float32) @ (embedding * _SCALE)).tolist()
        return cosines

    def compared(self, row: int) -> int:
        """Return how many lenders a query of a category is compared with."""
        low, high = self._runs[row]
        return high - low

    def _cosines(self, low: int, high: int, asked: Vector) -> Vector:
        starts = range(low, high, _BLOCK)
        blocks = [self._vectors[at : min(at + _BLOCK, high)].astype(np.float32) @ asked for at in starts]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)

    def _lender(self, at: int, cosine: float) -> Lender:
        query, finds, aliases = self._said(at)
        return Lender(query, cosine, finds, aliases, at)

    def _flaws(self, about: _About, places: Any, student: Student) -> Iterator[str]:
        """Yield what is wrong with the files, each looked at only where those before it are right."""
        count, dimension = about.lenders, about.dimension
        if dimension != student.about.dimension:
            yield f"its vectors have {dimension} numbers, and the student's {student.about.dimension}"
        if places.dtype != np.int32 or places.shape != (count + 1, 4) or places[0, _TEXT] or places[0, _FIRST]:
            yield f"{_PLACES} is malformed"
        steps = np.diff(places, axis=0)
        if (steps[:, _ROW] < 0).any() or places[0, _ROW] < 0 or places[-1, _ROW] != len(self._tree.ids):
            yield f"{_PLACES} does not follow the tree"
        if (steps[:, _TEXT] < 2).any() or (steps[:, _FIRST] < 0).any() or places[-1, _TEXT] != len(self._queries):
            yield f"{_PLACES} and {_QUERIES} do not belong together"
        if self._vectors.dtype != np.int8 or self._vectors.shape != (count, dimension):
            yield f"{_VECTORS} is malformed"
        if self._rewrites.dtype != np.int8 or self._rewrites.shape != (places[-1, _FIRST], dimension):
            yield f"{_REWRITES} is malformed"
        if (np.frombuffer(self._queries, dtype=np.uint8)[places[1:, _TEXT] - 1] != ord("\n")).any():
            yield f"{_PLACES} and {_QUERIES} do not belong together"


def _said(places: _Places, queries: mmap.mmap, at: int) -> tuple[str, bool, tuple[str, ...]]:
    """Return the query of a lender, `Lender.finds`, and its aliases."""
    (_, text, _, found), (_, behind, _, _) = places[at : at + 2].tolist()
    query, *aliases = queries[text : behind - 1].decode().split("\t")
    return query, bool(found), tuple(aliases)


def _runs(tree: Tree, rows: npt.NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return for each row of the tree the first lender that it is compared with, and the one behind the last.

    Args:
        tree: Of the student.
        rows: That each lender stands at, in their order.
    """
    starts: list[int] = np.searchsorted(rows, np.arange(len(tree.ids) + 1)).tolist()
    runs = []
    for row, (end, parent) in enumerate(zip(tree.end.tolist(), tree.parent.tolist(), strict=True)):
        top = row if end > row + 1 or parent < 0 else parent
        low, high = starts[top], starts[tree.end[top]]
        if high - low > _MOST:
            middle = (starts[row] + starts[end]) // 2
            low = min(max(low, middle - _MOST // 2), high - _MOST)
            high = low + _MOST
        runs.append((low, high))
    return runs
