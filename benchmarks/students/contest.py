"""The peers trained on a shop, the best of each taken, and from which chance everybody answers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.students.answers import STUDENT, System
from benchmarks.students.bench import Bench
from benchmarks.students.fasttext_peer import FASTTEXT, fasttext_peers
from benchmarks.students.linear_peer import LINEAR, linear_peers
from benchmarks.students.peer import Trained, trained
from benchmarks.students.ranking import best_threshold, student_rank


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """Who is measured.

    Attributes:
        variants: All that was trained here.
        taken: Of each peer the variant that does best on the held labels.
        student: As it does there.
        systems: Those that were taken, and the student last.
    """

    variants: Sequence[Trained]
    taken: Mapping[str, Trained]
    student: Trained
    systems: Mapping[str, System]

    @classmethod
    def of(cls, bench: Bench, threads: int) -> Contest:
        """Train the peers on a shop.

        Raises:
            UserError: when fastText is not installed.
        """
        started = time.monotonic()
        variants = [*fasttext_peers(bench, threads), *linear_peers(bench, threads)]
        student = trained(bench, STUDENT, "", student_rank(bench.student), started=started)
        taken = {
            system: max((v for v in variants if v.system == system), key=lambda v: v.top1)
            for system in (FASTTEXT, LINEAR)
        }
        held = bench.held
        systems = {
            one.system: System(rank=one.rank, threshold=best_threshold(one.rank(held.texts), held.cases))
            for one in (*taken.values(), student)
        }
        return cls(variants=variants, taken=taken, student=student, systems=systems)
