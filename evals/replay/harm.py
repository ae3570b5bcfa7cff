"""Which queries an understanding harms, which part of it does, and whether the part should be withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from domain.understanding import Understanding
from domain.withheld import Part
from evals.replay.clauses import Clauses, Way, clauses_of
from evals.replay.lists import LISTED, sure_loss
from evals.replay.report import HarmedQuery, Listed, PartHarm, Verdict
from evals.replay.trial import Bench

__all__ = ["LEAST_LOSS", "harmed_queries"]

LEAST_LOSS: Final = 0.02
"""Loss of nDCG@10 from which a part is withheld: less is two neighbours of the lower ranks that change places."""

_NONE: Final = 1e-9
_ALONE: Final[Mapping[Way, Mapping[Part, Way]]] = {
    "boost": {"categories": "boost"},
    "filter": {"categories": "filter"},
    "expand": {"rewrites": "expand"},
    "boost+expand": {"categories": "boost", "rewrites": "expand"},
    "filter+expand": {"categories": "filter", "rewrites": "expand"},
}


def harmed_queries(
    bench: Bench, answers: Sequence[Understanding], way: Way, *, factor: float, titles: Mapping[str, str]
) -> tuple[HarmedQuery, ...]:
    """Return the queries that lose nDCG@10 by their answers, the most searches times loss first.

    Each part is also replayed alone. A part that loses alone is withheld, unless it loses less than `LEAST_LOSS`, or
    ratings of the unjudged products are possible with which it would lose nothing: then it is not known to do harm.
    Where no part loses alone, the whole is charged to the part without which the other does best.
    """
    found = (_harm(bench, at, answer, way, factor, titles) for at, answer in enumerate(answers))
    return tuple(sorted(filter(None, found), key=lambda harm: (-harm.searches * harm.loss, -harm.loss, harm.query)))


def _harm(
    bench: Bench, at: int, answer: Understanding, way: Way, factor: float, titles: Mapping[str, str]
) -> HarmedQuery | None:
    plain, used = clauses_of(answer, None), clauses_of(answer, way, factor=factor)
    before, after = bench.scores(at, plain), bench.scores(at, used)
    # Also no loss where there is no nDCG: a comparison with NaN does not hold.
    if not before.ndcg - after.ndcg > _NONE:
        return None
    query = bench.judged[at]

    def listed(ranked: Sequence[str]) -> tuple[Listed, ...]:
        return tuple(
            Listed(product_id=i, title=titles.get(i, ""), rating=query.ratings.get(i), by_judge=i in query.by_judge)
            for i in ranked[:LISTED]
        )

    alone = {part: clauses_of(answer, how, factor=factor) for part, how in _ALONE[way].items()}
    losing = {part: clauses for part, clauses in alone.items() if before.ndcg - bench.scores(at, clauses).ndcg > _NONE}
    if not losing:
        losing = {min(alone, key=lambda part: (bench.scores(at, alone[part]).ndcg, part)): used}
    return HarmedQuery(
        query=query.query,
        searches=query.searches,
        before=before.ndcg,
        after=after.ndcg,
        parts=tuple(
            _part(bench, at, part, plain, losing.get(part, clauses), blamed=part in losing)
            for part, clauses in alone.items()
        ),
        list_before=listed(bench.ranked(plain)),
        list_after=listed(bench.ranked(used)),
    )


def _part(bench: Bench, at: int, part: Part, plain: Clauses, used: Clauses, *, blamed: bool) -> PartHarm:
    before, after = bench.scores(at, plain), bench.scores(at, used)
    loss = before.ndcg - after.ndcg
    sure = sure_loss(bench.ranked(plain), bench.ranked(used), bench.judged[at].ratings)
    verdict: Verdict = "withhold"
    if not blamed:
        verdict = "none"
    elif loss < LEAST_LOSS:
        verdict = "slight"
    elif sure <= _NONE:
        verdict = "unjudged"
    return PartHarm(
        part=part,
        after=after.ndcg,
        loss=loss,
        condensed_loss=before.condensed - after.condensed,
        sure_loss=sure,
        verdict=verdict,
    )
