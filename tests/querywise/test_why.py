"""What a release keeps of the reasons for its answers, from labels, contexts and the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.context import CategoryEvidence, DomainContext, FacetEvidence, NextQuery, ProductEvidence, Reformulation
from domain.label import Label, Provenance
from domain.understanding import Understanding
from prompts.ledger import Ledger, LedgerLine
from querywise.why import days_of, whys
from release.why import ActedOn, Chosen, Demand, Evidence, Followed, Origin, Why


def _category(id: str, share: float, *, own: bool = True) -> CategoryEvidence:
    return CategoryEvidence(
        category_id=id, level=1, is_own=own, share=share, score=1.0, events=6, clicks=3, carts=2, purchases=1, clients=4
    )


def _context(**changes: Any) -> DomainContext:
    given: dict[str, Any] = {
        "query": "milk",
        "searches": 20,
        "clients": 15,
        "tier": "head",
        "share": 0.1,
        "zero_share": None,
        "acted_share": 0.5,
    }
    return DomainContext(**(given | changes))


def _label(**changes: Any) -> Label:
    given = {"model": "m", "prompt": "understand@1#aa", "key": "k1+k2", "context": "now", "dropped": {"x": 1}}
    answer = Understanding(query="Milk", normalized="milk", source="head", reason="precomputed", release="")
    return Label(
        query="milk", tier="head", searches=9, understanding=answer, provenance=Provenance(**(given | changes))
    )


def _whys(label: Label, context: DomainContext | None, **days: date) -> list[Why]:
    titles = {"p1": "Whole Milk", "p2": "T" * 500}
    contexts = {} if context is None else {context.query: context}
    return list(whys([label], contexts.get, fingerprint="now", titles=titles, days=days))


def test_a_label_and_its_context_become_a_reason():
    context = _context(
        categories=(_category("top", 1.0, own=False), _category("whole", 0.66667), _category("skim", 0.33333)),
        products=(
            ProductEvidence(product_id="gone", share=0.9, events=9),
            ProductEvidence(product_id="p1", share=0.1, events=1),
        ),
        annotations=(FacetEvidence(name="fat", value="whole", share=0.6, lift=37.5, events=5),),
        next_queries=(NextQuery(query="eggs", count=4, npmi=0.5),),
        reformulations=(Reformulation(query="whole milk", count=2),),
    )
    label = _label(demand={"whole": 0.5})
    assert _whys(label, context, k1=date(2026, 11, 2), k2=date(2026, 11, 3), k9=date(2026, 12, 1)) == [
        Why(
            query="milk",
            tier="head",
            origin=Origin(
                model="m", prompt="understand@1#aa", key="k1+k2", labelled=date(2026, 11, 3), dropped={"x": 1}
            ),
            evidence=Evidence(
                searches=20,
                clients=15,
                acted_share=0.5,
                zero_share=None,
                categories=(
                    Demand(id="whole", share=0.6667, shown=0.5, clicks=3, carts=2, purchases=1),
                    Demand(id="skim", share=0.3333, clicks=3, carts=2, purchases=1),
                ),
                products=(ActedOn(id="p1", title="Whole Milk", share=0.1),),
                chosen=(Chosen(name="fat", value="whole", share=0.6, lift=37.5),),
                next_queries=(Followed(query="eggs", count=4),),
                retyped=(Followed(query="whole milk", count=2),),
            ),
        )
    ]


def test_lists_and_texts_are_bounded():
    context = _context(
        categories=tuple(_category(f"c{i}", 0.1) for i in range(15)),
        products=tuple(ProductEvidence(product_id="p2", share=0.1, events=1) for _ in range(8)),
        annotations=(FacetEvidence(name="n" * 300, value="v" * 9000, share=1.0, lift=1.0, events=1),) * 8,
        next_queries=tuple(NextQuery(query=f"q{i}", count=1, npmi=0.5) for i in range(8)),
    )
    [why] = _whys(_label(), context)
    log = why.evidence
    assert [len(log.categories), len(log.products), len(log.chosen), len(log.next_queries)] == [6, 4, 6, 6]
    assert [len(log.products[0].title), len(log.chosen[0].name), len(log.chosen[0].value)] == [80, 80, 80]


@pytest.mark.parametrize(("made_from", "same"), [("now", True), ("before", False), ("", False)])
def test_a_label_of_other_contexts_says_so(made_from, same):
    [why] = _whys(_label(context=made_from), None)
    assert why.origin.same_context is same
    assert why.origin.labelled is None and why.evidence is None


def test_the_last_day_of_each_request_is_taken_from_the_ledger(tmp_path):
    def line(key: str, day: int) -> LedgerLine:
        at = datetime(2026, 11, day, 23, 59, tzinfo=UTC)
        cost: dict[str, Any] = dict.fromkeys(("tokens_in", "tokens_cached", "tokens_out", "price", "price_source"))
        return LedgerLine(run="r", shop="s", prompt="p", model="m", key=key, route="sync", at=at, **cost)

    assert days_of(tmp_path / "ledger") == {}
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.append([line("a", 3), line("b", 1), line("a", 2)])
    assert days_of(tmp_path / "ledger") == {"a": date(2026, 11, 3), "b": date(2026, 11, 1)}
