"""The queue of a review: the queries on which a shop's systems, or its raters, differ, most harmful first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from typing import Final

import polars as pl

from domain.context import ContextStore, DomainContext
from domain.label import read_labels
from domain.rater_agreement import Difference, overlap
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from domain.understanding import Understander, Understanding
from evals import EngagementBaseline
from querywise.labels import labels_file
from service.review import Bought, CategoryDemand, Evidence, Followed, Item, Proposal

__all__ = ["Queue", "find_differences", "queue_of_differences"]

_CATEGORIES: Final = 5
_PRODUCTS: Final = 4
_QUERIES: Final = 6


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What is to be decided, in order, and how many answers each source gave among the `queries` looked at."""

    items: tuple[Item, ...]
    queries: int
    sources: dict[str, int]


def find_differences(
    shop: Shop, release: Understander | None, *, among: int, progress: Callable[[str], None] = lambda _: None
) -> Queue:
    """Return the most searched queries on which systems differ, ordered by searches x disagreement.

    The systems are behaviour (the engagement baseline), the LLM without and with context, and a release, as far as the
    shop has them. Each has a say only on what it answers: behaviour without enough evidence, an LLM that was not asked
    and a release that falls back to retrieval say nothing, whereas a model that abstains disagrees with one that does
    not. What a release has precomputed is its label over again, and counts only where it has become another.

    Args:
        shop: A shop with contexts.
        release: What is being served, where there is a release.
        among: How many of the most searched queries to look at.
        progress: Called with the name of each part as it begins.

    Raises:
        StageMissing: when the shop was not ingested, or has no contexts.
    """
    taxonomy, contexts = shop.load_taxonomy(), ContextStore(shop.context_file)
    progress("labels")
    labels = {
        name: {label.query: label.understanding for label in read_labels(path)} if path.is_file() else {}
        for name, path in (
            ("LLM without context", labels_file(shop, with_context=False)),
            ("LLM with context", labels_file(shop)),
        )
    }
    baseline = EngagementBaseline(contexts, taxonomy)
    counts: Counter[str] = Counter()
    found: list[tuple[DomainContext, tuple[Proposal, ...]]] = []
    looked_at = 0
    progress("answers")
    for context in islice(contexts.of_tiers("head", "torso", "tail"), among):
        looked_at += 1
        answers = {name: known[context.query] for name, known in labels.items() if context.query in known}
        [behaviour] = baseline.understand([context.query])
        if behaviour.categories:
            answers["behaviour"] = behaviour
        if release is not None:
            answers |= _served(release, context.query, answers.get("LLM with context"))
        counts.update(answers.keys())
        proposals = tuple(Proposal(source=name, categories=_ids(answer)) for name, answer in answers.items())
        if _disagreement(proposals):
            found.append((context, proposals))
    progress("evidence")
    items = _items(found, taxonomy, shop)
    return Queue(items=items, queries=looked_at, sources=dict(counts))


def queue_of_differences(shop: Shop, differing: Iterable[Difference]) -> Queue:
    """Return the queries on which raters differ; the raters are the sources, and give their reasons.

    Raises:
        StageMissing: when the shop was not ingested, or has no contexts.
    """
    taxonomy, contexts = shop.load_taxonomy(), ContextStore(shop.context_file)
    counts: Counter[str] = Counter()
    found: list[tuple[DomainContext, tuple[Proposal, ...]]] = []
    for difference in differing:
        context = contexts.get(difference.query)
        if context is None:  # the log has moved on
            context = DomainContext(
                query=difference.query, searches=0, clients=0, tier="tail", share=0, zero_share=None, acted_share=0
            )
        proposals = tuple(
            Proposal(source=d.rater, categories=d.categories, acceptable=d.acceptable, reason=d.reason)
            for d in difference.decisions
        )
        counts.update(p.source for p in proposals)
        found.append((context, proposals))
    return Queue(items=_items(found, taxonomy, shop), queries=len(found), sources=dict(counts))


def _served(release: Understander, query: str, label: Understanding | None) -> dict[str, Understanding]:
    [answer] = release.understand([query])
    if answer.source == "tail":
        return {"student": answer}
    if answer.source == "head" and not (label and _ids(answer) == _ids(label)):
        return {"release": answer}
    return {}


def _ids(answer: Understanding) -> tuple[str, ...]:
    return tuple(dict.fromkeys(category.id for category in answer.categories))


def _disagreement(proposals: Sequence[Proposal]) -> float:
    """Return the mean Jaccard distance over all pairs, in [0, 1]; 0 where only one has a say."""
    distances = [1 - overlap(a.categories, b.categories) for a, b in combinations(proposals, 2)]
    return sum(distances) / len(distances) if distances else 0.0


def _items(
    found: Sequence[tuple[DomainContext, tuple[Proposal, ...]]], taxonomy: Taxonomy, shop: Shop
) -> tuple[Item, ...]:
    titles = _titles(shop, {p.product_id for context, _ in found for p in context.products[:_PRODUCTS]})
    items = (
        Item(
            query=context.query,
            searches=context.searches,
            tier=context.tier,
            disagreement=_disagreement(proposals),
            evidence=_evidence(context, taxonomy, titles),
            proposals=proposals,
        )
        for context, proposals in found
    )
    return tuple(sorted(items, key=lambda item: (-item.weight, item.query)))


def _titles(shop: Shop, wanted: set[str]) -> dict[str, str]:
    products = pl.scan_parquet(shop.warehouse / "products.parquet").select("product_id", "title")
    return dict(products.filter(pl.col("product_id").is_in(sorted(wanted))).collect().iter_rows())


def _evidence(context: DomainContext, taxonomy: Taxonomy, titles: Mapping[str, str]) -> Evidence:
    own = (c for c in context.categories if c.is_own and c.category_id in taxonomy)
    return Evidence(
        categories=tuple(
            CategoryDemand(
                path=taxonomy.path(c.category_id),
                share=c.share,
                actions=c.events,
                purchases=c.purchases,
                shoppers=c.clients,
            )
            for c in islice(own, _CATEGORIES)
        ),
        products=tuple(
            Bought(title=titles[p.product_id], actions=p.events)
            for p in context.products[:_PRODUCTS]
            if p.product_id in titles
        ),
        next_queries=tuple(Followed(query=n.query, count=n.count) for n in context.next_queries[:_QUERIES]),
        replaced_by=tuple(Followed(query=r.query, count=r.count) for r in context.reformulations[:_QUERIES]),
        acted_share=context.acted_share,
        zero_share=context.zero_share,
    )
