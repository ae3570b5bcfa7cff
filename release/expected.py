"""What a release would answer to the log it was built from, so that a service can tell when its shoppers ask otherwise.

Every share is of searches, not of different queries. `querywise.expected` computes it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from domain.errors import ReleaseError

__all__ = [
    "CONFIDENCES",
    "MOST_BINS",
    "NONE",
    "OTHER",
    "UNKNOWN",
    "Distribution",
    "Expected",
    "Known",
    "Measure",
    "Vocabulary",
    "confidence_bin",
    "distribution",
    "read_expected",
    "words_of",
    "write_expected",
]

Measure = Literal["source", "head_categories", "head_confidence", "tail_categories", "tail_confidence", "words"]
"""What is compared.

Attributes:
    source: The share of searches that a precomputed answer is there for.
    head_categories: The categories of precomputed answers, by their place near the root.
    head_confidence: How sure the first category of those is.
    tail_categories: The same of all other answers.
    tail_confidence: The same of all other answers; `NONE` is an abstention.
    words: The share of words that neither log nor catalogue had.
"""

NONE: Final = "none"
OTHER: Final = "other"
UNKNOWN: Final = "unknown"

MOST_BINS: Final = 48
"""Bins of a distribution."""

CONFIDENCES: Final = (NONE, *(f"{tenth / 10:.1f}" for tenth in range(10)))
"""Bins of confidence, each named by its lower end."""

_SCHEMA: Final = 1
_ABOUT: Final = "expected.json"
_WORDS: Final = "words.npy"
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Shares by bin, which sum to 1, and how many searches they were taken from."""

    bins: tuple[str, ...]
    shares: tuple[float, ...]
    count: int


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected.

    Attributes:
        schema_version: Of this description.
        depth: How far below the root the categories are compared, 0 for the uppermost.
        measures: Those that could be computed.
    """

    schema_version: int = _SCHEMA
    depth: int
    measures: Mapping[Measure, Distribution]


class Vocabulary:
    """Words that log or catalogue had, by a digest of 32 bits each: one unknown word in 10,000 may pass for known."""

    def __init__(self, digests: npt.NDArray[np.uint32]) -> None:
        self._digests = digests

    @classmethod
    def of(cls, words: Collection[str]) -> Vocabulary:
        """Return the vocabulary of words."""
        return cls(np.unique(np.fromiter(map(_digest, words), np.uint32, len(words))))

    def __len__(self) -> int:
        return len(self._digests)

    def unknown(self, words: Sequence[str]) -> int:
        """Return how many of the words it has not."""
        if not len(self._digests):
            return len(words)
        asked = np.fromiter(map(_digest, words), np.uint32, len(words))
        places = np.searchsorted(self._digests, asked).clip(max=len(self._digests) - 1)
        return int((self._digests[places] != asked).sum())

    def save(self, path: Path) -> None:
        """Write it, for `load`."""
        np.save(path, self._digests, allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Map what `save` wrote.

        Raises:
            ValueError: where it is something else.
        """
        # A view without the class of the mapping, whose every slice would cost a microsecond.
        digests = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        if digests.dtype != np.uint32 or digests.ndim != 1:
            raise ValueError(f"{path} holds no digests")
        return cls(digests)


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What a release knows of its own log."""

    expected: Expected
    vocabulary: Vocabulary


_expected: Final[TypeAdapter[Expected]] = TypeAdapter(Expected)


def words_of(normalised: str) -> list[str]:
    """Return the words of a text in normal form."""
    return _WORD.findall(normalised)


def confidence_bin(confidence: float | None) -> str:
    """Return the bin of a confidence in [0, 1]."""
    return NONE if confidence is None else f"{min(9, int(confidence * 10)) / 10:.1f}"


def write_expected(folder: Path, known: Known) -> None:
    """Write what a release knows of its log into a folder, which is made."""
    folder.mkdir()
    (folder / _ABOUT).write_bytes(_expected.dump_json(known.expected, indent=1))
    known.vocabulary.save(folder / _WORDS)


def read_expected(folder: Path) -> Known:
    """Read what `write_expected` wrote.

    Raises:
        ReleaseError: when a file is missing or malformed.
    """
    try:
        expected = _expected.validate_json((folder / _ABOUT).read_bytes())
        vocabulary = Vocabulary.load(folder / _WORDS)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{folder} cannot be read", hint="build a new release") from error
    if expected.schema_version != _SCHEMA or any(_malformed(one) for one in expected.measures.values()):
        raise ReleaseError(f"{folder / _ABOUT} is malformed or of another version", hint="build a new release")
    return Known(expected=expected, vocabulary=vocabulary)


def distribution(weights: Mapping[str, float], bins: Iterable[str] = (), *, count: int | None = None) -> Distribution:
    """Return the shares of weights.

    Args:
        weights: By bin; those that are not among the 46 heaviest count as `OTHER`.
        bins: That are there in any case, first and in this order.
        count: How many searches the weights were taken from; by default their sum.
    """
    first = list(bins)
    heaviest = sorted((name for name in weights if name not in first), key=lambda name: (-weights[name], name))
    room = MOST_BINS - len(first) - 1
    names = [*first, *heaviest[:room]]
    rest = sum(weights[name] for name in heaviest[room:])
    if heaviest and OTHER not in names:
        names.append(OTHER)
    total = sum(weights.values())
    found = [weights.get(name, 0.0) + (rest if name == OTHER else 0.0) for name in names]
    shares = tuple(round(value / total, 5) if total else 0.0 for value in found)
    return Distribution(bins=tuple(names), shares=shares, count=round(total) if count is None else count)


def _malformed(one: Distribution) -> bool:
    fits = len(one.bins) == len(set(one.bins)) == len(one.shares) <= MOST_BINS
    return not fits or not all(0 <= share <= 1 for share in one.shares) or one.count < 0


def _digest(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))
