"""What each system says of the queries that are measured on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmarks.students.bench import Bench
from benchmarks.students.decided import Decided
from benchmarks.students.queries import Queries
from benchmarks.students.ranking import Rank, Ranking, sure_of
from distill.examples import NONE
from domain.taxonomy import Taxonomy
from domain.understanding import Category, Understander, Understanding
from evals import Case, EngagementBaseline
from evals.labels import LabelledQueries

TEACHER, ENGAGEMENT, STUDENT, SERVED = "teacher", "engagement", "student", "student, own thresholds"


@dataclass(frozen=True, kw_only=True)
class System:
    """What ranks categories, and the chance from which it answers with one."""

    rank: Rank
    threshold: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What a system says of some queries: its ranking, and what it answers; `cases` ask nothing where it has no say."""

    cases: Sequence[Case]
    rankings: Sequence[Ranking] | None
    given: Sequence[Understanding]


def answers_of(bench: Bench, decided: Decided, systems: Mapping[str, System]) -> dict[str, Answers]:
    """Return what engagement, those that rank, and the student's own thresholds say of some queries, by system."""
    queries = decided.queries
    engagement: Understander = EngagementBaseline(bench.contexts, bench.taxonomy)
    given = engagement.understand(queries.texts)
    found = {ENGAGEMENT: Answers(cases=queries.cases, rankings=_as_rankings(given), given=given)}
    for name, system in systems.items():
        rankings = system.rank(queries.texts)
        kept = [sure_of(ranking, system.threshold) for ranking in rankings]
        answers = understandings(queries.cases, kept, bench.taxonomy)
        found[name] = Answers(cases=queries.cases, rankings=rankings, given=answers)
    served = understandings(queries.cases, decided.served, bench.taxonomy)
    found[SERVED] = Answers(cases=queries.cases, rankings=None, given=served)
    return found


def taught(bench: Bench, queries: Queries) -> Answers:
    """Return what the teacher's labels say; it is asked nothing where it has none."""
    given = LabelledQueries(bench.labels).understand(queries.texts)
    known = {label.query for label in bench.labels}
    cases = [replace(c, categories=c.categories if c.normalized in known else None) for c in queries.cases]
    return Answers(cases=cases, rankings=_as_rankings(given), given=given)


def _as_rankings(answers: Iterable[Understanding]) -> list[Ranking]:
    return [
        Ranking(
            ids=tuple(category.id for category in answer.categories) or (NONE,),
            chances=tuple(category.confidence or 0.0 for category in answer.categories) or (1.0,),
        )
        for answer in answers
    ]


def understandings(cases: Sequence[Case], kept: Iterable[Ranking], taxonomy: Taxonomy) -> list[Understanding]:
    """Return answers with these categories, one a case; none of them is an abstention."""
    return [
        Understanding(
            query=case.query,
            normalized=case.normalized,
            source="tail",
            reason="model" if ranking.ids else "abstained_low_confidence",
            release="",
            categories=tuple(
                Category(id=i, path=taxonomy.path(i), confidence=min(chance, 1.0))
                for i, chance in zip(ranking.ids, ranking.chances, strict=True)
            ),
        )
        for case, ranking in zip(cases, kept, strict=True)
    ]
