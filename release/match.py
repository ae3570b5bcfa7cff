"""The filter of bad matches, opened: how likely it is that what might be shown for a query is any good.

It stands in the student's folder, as ``match.onnx`` and ``match.json``, and is of no use beside another student.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter, ValidationError

from domain.errors import ReleaseError
from domain.files import replace_atomically
from domain.text import normalise
from release.likeness import words_of
from release.match_features import SIGNS, Offer, OfferFeatures
from release.match_words import Lexicon
from release.student import Student
from release.student.model import MODEL as STUDENT_MODEL
from release.student.model import open_session

__all__ = ["ABOUT", "MODEL", "Lexicon", "MatchAbout", "Matcher", "Offer", "digest_of", "is_there", "write_match_about"]

MODEL: Final = "match.onnx"
ABOUT: Final = "match.json"

_SCHEMA: Final = 1
_HINT: Final = "run `querywise match train` again, then `release build`"

Chances = npt.NDArray[np.float32]
_Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class MatchAbout:
    """What `match.json` says.

    Attributes:
        schema_version: Of this description.
        threshold: The chance below which nothing is to be shown.
        signs: Names of what it reads, in order.
        student: Digest of the model of the student that it was trained beside.
        model: Digest of the filter's own model.
        lexicon: What the catalogue says of words.
    """

    schema_version: int
    threshold: _Share
    signs: tuple[str, ...]
    student: str
    model: str
    lexicon: Lexicon


_about: TypeAdapter[MatchAbout] = TypeAdapter(MatchAbout)


class Matcher:
    """Tells good matches from bad ones. Use it from any thread.

    Args:
        folder: The student's, where its files are.
        student: Opened from the same folder.
        threads: Threads of one call.

    Raises:
        ReleaseError: when a file is missing or malformed, or the files do not belong together.
    """

    def __init__(self, folder: Path, student: Student, *, threads: int = 1) -> None:
        self.about = _read_about(folder)
        self._features = OfferFeatures(student, self.about.lexicon)
        self._check(folder)
        self._session = open_session(folder / MODEL, provider="cpu", threads=threads)
        self._try(folder)

    @property
    def threshold(self) -> float:
        """The chance below which nothing is to be shown."""
        return self.about.threshold

    def chances(self, offers: Sequence[Offer]) -> Chances:
        """Return the calibrated chance of each offer to be a good match, (offers,) in [0, 1].

        Those of one query go best in one call: each text is read once. The chance of an offer does not depend on what
        it is asked with. A query or a text without a word has no chance.
        """
        if not offers:
            return np.empty(0, dtype=np.float32)
        [chances] = self._session.run(None, {"signs": self._features(offers)})
        found: Chances = chances
        said = np.array([bool(words_of(offer.query) and words_of(normalise(offer.text))) for offer in offers])
        return np.where(said, found, np.float32(0))

    def signs(self, offers: Sequence[Offer]) -> dict[str, Chances]:
        """Return what is read of offers by the names of `SIGNS`, (offers,) each."""
        read = self._features(offers)
        return {name: read[:, i] for i, name in enumerate(SIGNS)}

    def keep(self, offers: Sequence[Offer]) -> list[bool]:
        """Return of each offer whether its chance reaches the threshold."""
        kept: list[bool] = (self.chances(offers) >= self.threshold).tolist()
        return kept

    def _check(self, folder: Path) -> None:
        """Compare what the files say of each other."""
        if self.about.signs != SIGNS:
            raise ReleaseError(f"{folder / ABOUT} reads other signs than this version of querywise", hint=_HINT)
        for name, digest in ((STUDENT_MODEL, self.about.student), (MODEL, self.about.model)):
            if digest_of(folder / name) != digest:
                raise ReleaseError(f"{ABOUT} does not belong to {name} in {folder}", hint=_HINT)

    def _try(self, folder: Path) -> None:
        """Try the model on an offer that says nothing."""
        try:
            [chances] = self._session.run(None, {"signs": np.zeros((1, len(SIGNS)), dtype=np.float32)})
        except Exception as error:  # the library raises nothing narrower
            raise ReleaseError(f"{folder / MODEL} cannot be run: {error}", hint=_HINT) from error
        if chances.shape != (1,):
            raise ReleaseError(f"{folder / MODEL} gives no chances", hint=_HINT)


def is_there(folder: Path) -> bool:
    """Whether a student's folder has a filter."""
    return (folder / ABOUT).is_file()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty where it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def write_match_about(folder: Path, *, threshold: float, lexicon: Lexicon) -> None:
    """Write `match.json` beside a student and a `match.onnx`: the last of the files, so that the others are whole."""
    about = MatchAbout(
        schema_version=_SCHEMA,
        threshold=threshold,
        signs=SIGNS,
        student=digest_of(folder / STUDENT_MODEL),
        model=digest_of(folder / MODEL),
        lexicon=lexicon,
    )
    with replace_atomically(folder / ABOUT) as file:
        file.write(_about.dump_json(about))


def _read_about(folder: Path) -> MatchAbout:
    path = folder / ABOUT
    try:
        about = _about.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if about.schema_version != _SCHEMA:
        raise ReleaseError(f"{path} has schema version {about.schema_version}, not {_SCHEMA}", hint=_HINT)
    return about
