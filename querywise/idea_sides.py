"""Who proposes better ideas of what else to show: each side's, through the same grounding and before the same judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from domain.catalogue import Product
from domain.context import DomainContext
from domain.discovery import Ideas, Role
from domain.discovery.asked import Asked
from domain.discovery.assemble import Assembled, Assembler
from domain.discovery.diverse import Facets, intra_list_diversity
from domain.discovery.drops import DropReason
from domain.discovery.ground import Grounded
from domain.label import Label
from domain.shop import Shop
from domain.understanding import Discovery
from domain.verdict import Item
from evals.cells import table
from evals.ideas import IdeasShown
from prompts.judge import Exhibit, Goods

__all__ = [
    "ROLES",
    "IdeaSide",
    "drops_table",
    "exhibits_of",
    "goods_of",
    "is_right",
    "item_of",
    "refused_table",
    "shown_of",
]

ROLES: Final[tuple[Role, ...]] = ("substitute", "complement")
_JUDGED: Final = 5
"""Ideas of a kind that are judged, at most: as many as any prompt asks for."""

_PAGE: Final = 24
"""Products of a first page."""

_RULED: Final[frozenset[DropReason]] = frozenset(
    ("own_products", "same_category", "too_far", "accessory", "bought_together", "no_lift")
)
"""Why the check of roles drops what the shop could show: the judge says what that costs."""


@dataclass(frozen=True, kw_only=True)
class IdeaSide:
    """What one side proposed for the query of a label, and what of it can be shown."""

    name: str
    label: Label
    made: Assembled
    refused: Mapping[Role, tuple[tuple[DropReason, Discovery], ...]]

    @classmethod
    def of(cls, name: str, label: Label, asked: Asked, context: DomainContext | None, assembler: Assembler) -> IdeaSide:
        """Ground and check the ideas of a label, for a query of which so much is known."""
        made = assembler.assemble(asked, label.ideas or Ideas(), context)
        refused = {role: tuple(_refused(made, role, assembler)) for role in ROLES}
        return cls(name=name, label=label, made=made, refused=refused)

    def proposed(self, role: Role) -> int:
        """How many ideas of a kind were proposed."""
        ideas = self.label.ideas or Ideas()
        return len(ideas.substitutes if role == "substitute" else ideas.complements)

    def shown(self, role: Role) -> tuple[Discovery, ...]:
        """The ideas of a kind that are shown and judged, best first."""
        content = self.made.content
        return (content.substitutes if role == "substitute" else content.complements)[:_JUDGED]

    def first(self, role: Role, count: int, assembler: Assembler, *, page: Collection[str] = frozenset()) -> IdeasShown:
        """Return the first ideas of a kind beside a page, as they are measured."""
        ideas = self.shown(role)[:count]
        products = [product for idea in ideas for product in idea.product_ids]
        return IdeasShown(
            query=self.label.query,
            tier=self.label.tier,
            role=role,
            proposed=self.proposed(role),
            items=tuple(item_of(self.label.query, role, idea) for idea in ideas),
            products=len(products),
            fresh=sum(product not in page for product in products),
            diversity=_diversity(ideas, assembler),
        )


def item_of(query: str, role: Role, idea: Discovery) -> Item:
    """Return an idea as a judge's item."""
    return Item(task=role, query=query, subject=f"{idea.category_id}:{idea.label}")


def goods_of(shop: Shop) -> Goods:
    """Return what there is to show of a shop's products."""
    rows = pl.read_parquet(shop.need_products()).iter_rows(named=True)
    return Goods({row["product_id"]: Product(**row) for row in rows}, shop.load_taxonomy())


def is_right(facets: Mapping[str, bool]) -> bool:
    """Whether a judge found an idea right that was shown beside those of other sides.

    That it says what an idea before it says counts for nothing here: that one may be another side's.
    """
    return all(holds for facet, holds in facets.items() if facet != "no_repeat")


def exhibits_of(sides: Iterable[IdeaSide], role: Role, goods: Goods, *, refused: bool) -> list[Exhibit]:
    """Return what a judge is asked of one kind: all that any side shows, in no side's order.

    Args:
        sides: Of all queries.
        role: The kind.
        goods: What there is to show of the shop.
        refused: Whether to ask also about what a rule about roles refused.
    """
    exhibits: dict[str, list[Exhibit]] = {}
    for side in sides:
        query = side.label.query
        ideas = [*side.shown(role), *(idea for _, idea in side.refused[role] if refused)]
        exhibits.setdefault(query, []).extend(goods.discovery(query, role, idea) for idea in ideas)
    return [one for some in exhibits.values() for one in sorted(some, key=lambda one: one.item.subject)]


def shown_of(sides: Iterable[IdeaSide], assembler: Assembler) -> dict[str, list[IdeasShown]]:
    """Return what each side shows, by its name, in the order of kinds and queries."""
    found: dict[str, dict[Role, list[IdeasShown]]] = {}
    pages: dict[str, Collection[str]] = {}
    for side in sides:
        query = side.label.query
        if query not in pages:
            pages[query] = _page(query, assembler)
        for role in ROLES:
            one = side.first(role, _JUDGED, assembler, page=pages[query])
            found.setdefault(side.name, {}).setdefault(role, []).append(one)
    return {name: [one for some in by_role.values() for one in some] for name, by_role in found.items()}


def drops_table(sides: Sequence[IdeaSide]) -> list[str]:
    """Return why ideas are not shown, by kind and side."""
    counts: Counter[tuple[Role, DropReason, str]] = Counter()
    for side in sides:
        counts.update((dropped.role, dropped.reason, side.name) for dropped in side.made.dropped)
    names = list(dict.fromkeys(side.name for side in sides))
    keys = dict.fromkeys((role, reason) for role, reason, _ in sorted(counts))
    rows = [(role, reason, *(str(counts[role, reason, name]) for name in names)) for role, reason in keys]
    return table(("kind", "not shown as", *names), rows)


def refused_table(sides: Iterable[IdeaSide], verdicts: Mapping[Item, bool]) -> list[str]:
    """Return how many of the ideas that a rule about roles refused the judge finds right: what the rules cost."""
    found: dict[tuple[Role, DropReason], dict[Item, bool]] = {}
    for side in sides:
        for role in ROLES:
            for reason, idea in side.refused[role]:
                if (item := item_of(side.label.query, role, idea)) in verdicts:
                    found.setdefault((role, reason), {})[item] = verdicts[item]
    rows = [
        (role, reason, str(len(items)), f"{sum(items.values()) / len(items):.2f}")
        for (role, reason), items in sorted(found.items())
    ]
    return table(("kind", "refused as", "ideas", "right by the judge"), rows)


def _refused(made: Assembled, role: Role, assembler: Assembler) -> Iterable[tuple[DropReason, Discovery]]:
    grounder = assembler.judge.grounder
    for one in made.dropped:
        if one.role != role or one.reason not in _RULED:
            continue
        grounded = grounder.ground(one.idea.query, lambda text: grounder.index.encoder.encode([text])[0])
        if isinstance(grounded, Grounded):
            products = tuple(grounder.shelf.product_ids[row] for row in grounded.rows)
            idea = Discovery(
                label=one.idea.label,
                query=one.idea.query,
                category_id=grounded.category_id,
                product_ids=products,
            )
            yield one.reason, idea


def _page(query: str, assembler: Assembler) -> frozenset[str]:
    grounder = assembler.judge.grounder
    [vector] = grounder.index.encoder.encode([query])
    ranked = grounder.index.products(query, _PAGE, taxonomy=grounder.taxonomy, vector=vector)
    return frozenset(grounder.shelf.product_ids[product.row] for product in ranked)


def _diversity(ideas: Sequence[Discovery], assembler: Assembler) -> float | None:
    if len(ideas) < 2:
        return None
    grounder = assembler.judge.grounder
    vectors = grounder.index.encoder.encode([idea.query for idea in ideas])
    return intra_list_diversity(
        [
            Facets(path=grounder.taxonomy.lineage(idea.category_id), vector=vector)
            for idea, vector in zip(ideas, vectors, strict=True)
        ]
    )
