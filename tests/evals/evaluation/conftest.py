"""Forty labelled queries, two releases, and all that is found out about the second, by the functions that find it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec

import pytest

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Category, Rewrite, Understander, Understanding
from domain.verdict import Item, Verdict
from evals import Asked, Case, GoldSet, Outcome, Side, Usage, ask, compare, compare_sides
from evals.consistency import count_contradictions, moved, robustness
from evals.evaluation import Evaluation, Spent
from evals.gate import Absolute, Evidence, Found, Gates, NoRegression, ServiceBound, decide
from evals.gate.gates import ZEROS
from evals.judge import Rating, judge_agreement, judged_figure
from evals.replay import Clauses, JudgedQuery, Suspect, replay

Answer = Callable[..., Understanding]
Evaluate = Callable[..., Evaluation]

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">|`@user` {{script}} <!-- \u202e\x1b[31m\x00"
CANDIDATE, BASE = "2026-11-22-bda35b", "2026-11-20-539335"


class Answers:
    """Answers by normalised query; any other query is not known."""

    def __init__(self, answers: Mapping[str, Understanding]) -> None:
        self._answers = answers

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        return [self._answer(query) for query in queries]

    def _answer(self, query: str) -> Understanding:
        if found := self._answers.get(normalise(query)):
            return replace(found, query=query)
        return Understanding(
            query=query,
            normalized=normalise(query),
            source="fallback",
            reason="abstained_low_confidence",
            release="",
        )


class Shelf:
    """A search that finds every product, those of the most favoured category first, then by id."""

    def __init__(self, products: Mapping[str, str]) -> None:
        self._products = products

    def search(self, clauses: Clauses, *, limit: int) -> Sequence[str]:
        weights = {one.category_id: one.weight for one in clauses.favoured}
        return sorted(self._products, key=lambda i: (-weights.get(self._products[i], 0.0), i))[:limit]


def given(query: str, ids: Sequence[str], tree: Taxonomy, confidence: float = 0.9) -> Understanding:
    """Return an answer of a release; a rewrite that is the query, as no answer should have."""
    return Understanding(
        query=query,
        normalized=normalise(query),
        source="head",
        reason="precomputed",
        release="",
        categories=tuple(Category(id=i, path=tree.path(i), confidence=confidence) for i in ids),
        rewrites=(Rewrite(query=normalise(query), type="synonym", confidence=0.5),),
    )


@pytest.fixture(scope="session")
def hostile() -> str:
    """A text that would be markup, a mention, a place in a template, a turn of the line, a colour and an end."""
    return HOSTILE


@pytest.fixture(scope="session")
def evaluate(tree: Taxonomy) -> Evaluate:
    """Return a maker of evaluations.

    Forty queries, q00 to q39 or those given, each labelled cola and searched 400, 390 ... 10 times. The base answers
    all of them rightly but for the last eight, which it answers with bread. The candidate is ``right`` on the first so
    many and says bread on the others.
    """

    def make(
        *,
        right: int = 40,
        queries: Sequence[str] = tuple(f"q{i:02d}" for i in range(40)),
        gates: Gates | None = None,
        base: bool = True,
        further: bool = True,
    ) -> Evaluation:
        cases = tuple(
            Case(query=q, normalized=normalise(q), categories=("cola",), kind=HOSTILE if q == HOSTILE else "drink")
            for q in queries
        )
        gold = GoldSet(name="gold.jsonl", sha256="ab" * 32, cases=cases, further=(), problems=())
        count = len(queries)
        searches = {normalise(q): 10 * (count - i) for i, q in enumerate(queries)}
        tiers = {query: "head" if at < count // 2 else "tail" for at, query in enumerate(searches)}
        sides: dict[str, Understander] = {}
        for name, good in ((BASE, count - 8), (CANDIDATE, right)):
            answers = (given(q, ["cola"] if i < good else ["bread"], tree) for i, q in enumerate(queries))
            sides[name] = Answers({answer.normalized: answer for answer in answers})
        if not base:
            del sides[BASE]
        answered = ask(sides, gold)
        asked = [Asked(query=c.query, tier=tiers[c.normalized], searches=searches[c.normalized], case=c) for c in cases]

        def side(name: str) -> Side:
            usage = Usage(requests=0, tokens_in=0, tokens_out=0, usd=0.0)
            return Side(name=name, outcomes=tuple(Outcome(result=one, usage=usage) for one in answered[name]))

        decision = decide(
            gates or Gates(no_regression=(NoRegression(measure="leaf_f1", slice="all", margin=0.05),)),
            Evidence(
                cases=cases,
                answers=answered[CANDIDATE],
                base=answered.get(BASE),
                taxonomy=tree,
                tiers=tiers,
                zeros={name: Found(count=0, examples=()) for name in ZEROS},
                service={"coverage": 0.83},
            ),
            look=1,
        )
        found = Evaluation(
            shop="corner shop",
            candidate=CANDIDATE,
            base=BASE if base else None,
            evaluated=datetime(2026, 11, 22, 6, 40, tzinfo=UTC),
            lineage={"prompts": "understand@1"},
            decision=decision,
            report=compare(answered, gold, tree, tiers=tiers, draws=50),
            comparison=compare_sides(asked, side(BASE), side(CANDIDATE), tree, draws=50) if base else None,
            evidence={normalise(q): (f"100% of the demand of {q} is in Cola",) for q in queries},
            contradictions=count_contradictions(asked, answered[CANDIDATE], tree),
        )
        if not further:
            return found
        # Five colas and five loaves, c0 to c4 and d0 to d4: the colas are what people want.
        products = {f"c{i}": "cola" for i in range(5)} | {f"d{i}": "bread" for i in range(5)}
        wanted = {product: 3.0 if category == "cola" else 0.0 for product, category in products.items()}
        judged = [JudgedQuery(query=query, searches=n, ratings=wanted) for query, n in searches.items()]
        return replace(
            found,
            robustness=robustness(sides[CANDIDATE], asked[:6], draws=20),
            moved=moved(asked, answered[BASE], answered[CANDIDATE]) if base else None,
            replay=replay(
                judged,
                {"release": sides[CANDIDATE]},
                Shelf(products),
                suspect=Suspect(name="release", system=sides[CANDIDATE], way="boost"),
                ways=("boost",),
                titles={product: f"{HOSTILE} {product}" for product in products},
                draws=20,
            ),
            spent=Spent(
                completions=1644, tokens_in=2_911_000, tokens_out=None, usd=8.4127, unpriced=12, usd_a_label=0.0109
            ),
        )

    return make


@pytest.fixture(scope="session")
def passed(evaluate: Evaluate) -> Evaluation:
    """Right on all forty, eight more than the base."""
    return evaluate()


@pytest.fixture(scope="session")
def failed(evaluate: Evaluate) -> Evaluation:
    """Right on the first ten, with hostile texts among the others, and a service that answers too little."""
    queries = [f"q{i:02d}" for i in range(39)]
    queries.insert(12, HOSTILE)
    gates = Gates(
        absolute=(Absolute(measure="leaf_f1", slice="tier:head", side="at_least", bound=0.5),),
        no_regression=(NoRegression(measure="leaf_f1", slice="all", margin=0.05),),
        service=(ServiceBound(name="coverage", bound=0.9),),
    )
    return evaluate(right=10, queries=queries, gates=gates)


@pytest.fixture(scope="session")
def unsettled(evaluate: Evaluate) -> Evaluation:
    """One query worse than the base, and a slice of the tail that asks more than it can show."""
    gates = Gates(
        no_regression=tuple(NoRegression(measure="leaf_f1", slice=of, margin=0.02) for of in ("all", "tier:tail")),
        service=(ServiceBound(name="student_p99_ms", bound=20),),
    )
    return evaluate(right=31, gates=gates, further=False)


@pytest.fixture(scope="session")
def judged(failed: Evaluation) -> Evaluation:
    """The failed one, with a judge that two people agree with on most of thirty queries."""
    missing = [name for name in ("krippendorff", "ppi_py") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs the judge extra; not installed: {', '.join(missing)}")
    items = [Item(task="relevance", query=f"q{i:02d}", subject="c0") for i in range(30)]
    judge = f"model, relevance@1 {HOSTILE}"
    verdicts = [
        Verdict(item=one, grade=at % 4, facets={}, reason="", judge=judge, repeat="", key="")
        for at, one in enumerate(items)
    ]
    ratings = [
        Rating(item=one, grade=(at + (at % off == 0)) % 4, rater=rater)
        for rater, off in (("ann", 5), ("bob", 7))
        for at, one in enumerate(items)
    ]
    agreement = judge_agreement(verdicts, ratings, draws=50)
    figure = judged_figure("mean relevance", verdicts, agreement, ratings)
    return replace(failed, agreements=(agreement,), figures=(figure,))
