"""All that a gate decides from, and the digest by which the same evidence is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from domain.errors import QuerywiseError
from domain.taxonomy import Taxonomy
from domain.understanding import Understanding, understanding_adapter
from domain.verdict import JudgeTask
from evals.case import Case
from evals.estimates import Estimate
from evals.gate.gates import Gates, ServiceName, ZeroName
from evals.gate.zeros import Found

__all__ = ["Evidence", "JudgeFigures", "digest_of"]


@dataclass(frozen=True, kw_only=True)
class JudgeFigures:
    """How far a judge agrees with people.

    Attributes:
        quadratic_kappa: With its interval, over the items that both have a verdict on; None where there are none.
        unscored: Share of the items asked that have no verdict of the judge.
    """

    quadratic_kappa: Estimate | None
    unscored: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of one candidate.

    Attributes:
        cases: Labelled queries, each once.
        answers: The candidate's, in the order of the cases.
        base: Those of the release that is served now, or None where none is or it cannot be asked.
        unread: Why the release that is served cannot be asked, where that is so.
        taxonomy: The tree of the shop.
        tiers: Tier by normalised query; a query that is not in it is "unseen".
        zeros: What `count_zeros` found in all of the candidate's answers; what is missing was not looked at.
        service: Figures of the service; None, or missing, is not measured.
        judges: By task; what is missing was not measured.
        unchanged: Slices, named as in the gates, all of whose queries both releases are known to answer alike, labelled
            or not; "all" where nothing served has changed. That the labelled ones are answered alike does not suffice.

    Raises:
        QuerywiseError: where answers do not fit the cases, or a query is there twice.
    """

    cases: Sequence[Case]
    answers: Sequence[Understanding]
    base: Sequence[Understanding] | None
    unread: str | None = None
    taxonomy: Taxonomy
    tiers: Mapping[str, str]
    zeros: Mapping[ZeroName, Found]
    service: Mapping[ServiceName, float | None] = field(default_factory=dict)
    judges: Mapping[JudgeTask, JudgeFigures] = field(default_factory=dict)
    unchanged: Set[str] = frozenset()

    def __post_init__(self) -> None:
        queries = [case.query for case in self.cases]
        for whose, answers in (("candidate's", self.answers), ("base's", self.base)):
            if answers is not None and [answer.query for answer in answers] != queries:
                raise QuerywiseError(
                    f"the {whose} answers are not those to the {len(queries)} labelled queries in order"
                )
        if len({case.normalized for case in self.cases}) < len(queries):
            raise QuerywiseError("a labelled query is there twice", hint="a query must not count twice")


_gates: TypeAdapter[Gates] = TypeAdapter(Gates)
_case: TypeAdapter[Case] = TypeAdapter(Case)
_judges: TypeAdapter[dict[JudgeTask, JudgeFigures]] = TypeAdapter(dict[JudgeTask, JudgeFigures])
_names: TypeAdapter[list[str]] = TypeAdapter(list[str])


def digest_of(gates: Gates, evidence: Evidence) -> str:
    """Return the SHA-256 of what is drawn or chosen: gates, labels, both answers to them, tiers, tree, judges.

    The order of the cases does not matter, nor from which build an answer comes. Zeros and figures of the service are
    left out: they are counts of the whole release and measurements, and to take them again is no new look.
    """
    hashed = hashlib.sha256()
    for part in _parts(gates, evidence):
        hashed.update(len(part).to_bytes(8, "big") + part)
    return hashed.hexdigest()


def _parts(gates: Gates, evidence: Evidence) -> Iterator[bytes]:
    yield _gates.dump_json(gates)
    yield evidence.taxonomy.to_json()
    yield _judges.dump_json({task: evidence.judges[task] for task in sorted(evidence.judges)})
    yield _names.dump_json(sorted(evidence.unchanged))
    for at in sorted(range(len(evidence.cases)), key=lambda i: evidence.cases[i].normalized):
        case = evidence.cases[at]
        yield _case.dump_json(replace(case, query="", labels=dict(sorted(case.labels.items()))))
        yield evidence.tiers.get(case.normalized, "unseen").encode()
        yield from _answers(side[at] for side in (evidence.answers, evidence.base) if side is not None)


def _answers(answers: Iterable[Understanding]) -> Iterator[bytes]:
    for answer in answers:
        yield understanding_adapter.dump_json(replace(answer, query="", release=""))
