"""Students that are trained to be measured and thrown away, and a file that keeps what they said."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import TypeAdapter

from benchmarks.students.ranking import Ranking, student_rank
from distill.split import Lessons
from distill.student import Settings, distil
from release.student import Student, decide

STRANGERS = "strangers"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a student said.

    Attributes:
        key: What it is known by: all that decides it.
        seconds: It took to train.
        rankings: Of each set of queries that it was asked.
        let_through: Of each stranger, whether its own thresholds let a category through.
    """

    key: str
    seconds: float
    rankings: Mapping[str, tuple[Ranking, ...]]
    let_through: tuple[bool, ...]


_trial: TypeAdapter[Trial] = TypeAdapter(Trial)


class Trials:
    """Trains students, or recalls those of an earlier run.

    Args:
        asked: Queries to ask each, by set; one set is of `STRANGERS`.
        tokenizer: The sentence encoder's `tokenizer.json`.
        file: Where to keep what they say, and to look first; nowhere unless given.
        tell: Called with the name of each and the seconds it took.
    """

    def __init__(
        self,
        asked: Mapping[str, Sequence[str]],
        tokenizer: Path,
        *,
        file: Path | None = None,
        tell: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        self._asked, self._tokenizer, self._file, self._tell = asked, tokenizer, file, tell
        lines = file.read_bytes().splitlines() if file is not None and file.is_file() else []
        self._known = {trial.key: trial for trial in map(_trial.validate_json, lines)}

    def of(
        self, name: str, lessons: Lessons, settings: Settings, within: Callable[[], AbstractContextManager[None]]
    ) -> Trial:
        """Train a student within a context, and ask it.

        Args:
            name: That tells it from all others of the same lessons and settings.
            lessons: What to learn from.
            settings: How.
            within: The context that it is trained and asked in.
        """
        # Of the lessons only their number: those of other shops and labels are never as many and asked the same.
        sizes = [len(part) for part in (lessons.labels, lessons.contexts, lessons.sold, lessons.gold)]
        told = repr((name, settings, sizes, sorted((s, tuple(q)) for s, q in self._asked.items())))
        key = hashlib.sha256(told.encode()).hexdigest()
        if key not in self._known:
            with within():
                self._known[key] = trial = self._train(key, lessons, settings)
            if self._file is not None:
                with self._file.open("ab") as kept:
                    kept.write(_trial.dump_json(trial) + b"\n")
        self._tell(name, self._known[key].seconds)
        return self._known[key]

    def _train(self, key: str, lessons: Lessons, settings: Settings) -> Trial:
        started = time.monotonic()
        with TemporaryDirectory() as scratch:
            folder = Path(scratch) / "student"
            distil(lessons, folder, self._tokenizer, settings=settings)
            seconds = time.monotonic() - started
            student = Student(folder, lessons.taxonomy)
            rank = student_rank(student)
            rankings = {name: tuple(rank(queries)) for name, queries in self._asked.items()}
            chances = student.predict(self._asked[STRANGERS]).probabilities
            policy = student.about.policy
            return Trial(
                key=key,
                seconds=seconds,
                rankings=rankings,
                let_through=tuple(bool(decide(row, student.tree, policy).rows) for row in chances),
            )
