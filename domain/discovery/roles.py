"""Roles are checked, not believed: whether a grounded idea can stand in for what is asked, or go with it.

A substitute lies near the query in the tree or is near it in meaning, is none of the query's own products, no accessory
of them and nothing that shoppers buy along with them. A complement lies in another category, and the shop's shoppers do
not shun the pair. What nobody knows is no objection.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from domain.discovery.affinity import COMPLEMENTING, Affinity, Evidence, Lift
from domain.discovery.asked import Asked
from domain.discovery.content import Role
from domain.discovery.drops import DropReason
from domain.discovery.ground import Grounded, Grounder
from domain.discovery.known_pairs import KnownPairs
from domain.taxonomy import Taxonomy
from domain.text import normalise

__all__ = ["RoleJudge", "Ruling"]

_COUSINS: Final = 2
"""Steps up from the query's category to the one that it shares with a substitute: 1 for siblings, 2 for cousins."""

_ALIKE: Final = 0.6
_ALIKE_FOR_WANT: Final = 0.5
"""Cosine of two categories' names from which on they are near in whatever department ("Fish Sticks" to "Swordfish"): in
general, and where the shop lacks what is asked.
"""

_NEAR: Final = 0.5
"""Cosine of query and idea from which on a substitute may lie anywhere in the tree. It is set so high because
complements are near in meaning as well: docs/discovered.md has how many of them would be taken for substitutes.
"""

_BOUGHT_WITH: Final = 1.5
"""Lower bound of the lift of two categories in one basket from which on one is no stand-in for the other."""

_TURNS: Final[tuple[Evidence, Evidence]] = ("instead", "next")

_FITTINGS: Final = frozenset(
    (
        *("accessory", "adapter", "adaptor", "cable", "cartridge", "case", "charger", "cover", "dock", "filter"),
        *("holder", "ink", "mount", "part", "protector", "refill", "replacement", "sleeve", "stand", "strap"),
        *("stylus", "supply", "toner"),
    )
)
"""What is made for another thing. Bags, pods and the like are left out: a coffee pod is coffee."""

_FOR: Final = re.compile(r"(?<!\w)(?:for|fits|compatible with) (.*)$")


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """An idea without the products that it must not show, or why it cannot have its role.

    ``lift`` is that of a complement by the log, None for a substitute.
    """

    grounded: Grounded | None = None
    objection: DropReason | None = None
    lift: Lift | None = None


@dataclass(frozen=True, kw_only=True)
class RoleJudge:
    """Judges the roles of ideas in one shop.

    Attributes:
        grounder: What grounded them.
        affinity: Which categories go together by the log.
        known: Which do by the shop's own word.
        strict: Whether to refuse substitutes that nothing but their meaning speaks for, and complements that are made
            for what is asked but lie in a further category of the query.
    """

    grounder: Grounder
    affinity: Affinity
    known: KnownPairs
    strict: bool = False

    def rule(self, role: Role, asked: Asked, grounded: Grounded) -> Ruling:
        """Return whether a grounded idea has a role for a query, and with which products."""
        if role == "substitute":
            left = self.grounder.without(grounded, asked.own)
            objection = "own_products" if left is None else self._against_substitute(asked, left)
            return Ruling(objection=objection) if objection or left is None else Ruling(grounded=left)
        objection = self._against_complement(asked, grounded)
        return Ruling(objection=objection) if objection else Ruling(grounded=grounded, lift=self.lift(asked, grounded))

    def lift(self, asked: Asked, grounded: Grounded, kinds: Sequence[Evidence] = COMPLEMENTING) -> Lift:
        """Return how the categories of an idea's products go with a query's own, by the log; none counts for both."""
        own = self.grounder.below(asked.categories)
        other = {self.grounder.shelf.categories[row] for row in grounded.rows}
        return self.affinity.lift(sorted(own - other), sorted(other - own), kinds)

    def _against_substitute(self, asked: Asked, grounded: Grounded) -> DropReason | None:
        if not self._is_near(asked, grounded):
            return "too_far"
        if self._is_accessory(asked, grounded, asked.categories):
            return "accessory"
        if self.lift(asked, grounded, ("together",)).low < _BOUGHT_WITH:
            return None
        # What shoppers turn to rather after finding nothing than after finding something is the same to them.
        instead, after = (self.lift(asked, grounded, (kind,)) for kind in _TURNS)
        return None if instead.low > after.high else "bought_together"

    def _against_complement(self, asked: Asked, grounded: Grounded) -> DropReason | None:
        category_id = grounded.category_id
        if asked.categories and self._same_line(asked.categories[0], category_id):
            return "same_category"
        if category_id in self.grounder.below(asked.categories):
            # Rice vinegar goes with sushi, and a stand with a tablet, though the shop answers with both; but spaghetti
            # is pasta, and white bread is bread.
            is_near = self._steps_up(asked.categories[0], category_id) <= _COUSINS
            is_it = is_near or self._stems(asked.query) <= self._stems(grounded.query)
            if is_it and (self.strict or not self._is_accessory(asked, grounded, asked.categories[:1])):
                return "own_products"
        known = [self.known.lift(own, category_id, self._taxonomy) for own in asked.categories]
        stated = [lift for lift in known if lift is not None]
        if stated:
            return "no_lift" if max(stated) < 1.0 else None
        return "no_lift" if self.lift(asked, grounded).is_lowered else None

    def _is_near(self, asked: Asked, grounded: Grounded) -> bool:
        """Whether a substitute lies near in the tree or in meaning, or shoppers choose from there, or names are alike.

        Of a query without a category nothing is known that could be far.
        """
        category_id = grounded.category_id
        if not asked.categories or any(self._steps_up(own, category_id) <= _COUSINS for own in asked.categories):
            return True
        if asked.demanded & self.grounder.below([category_id]):
            return True
        if not self.strict and _cosine(asked, grounded) >= _NEAR:
            return True
        least = _ALIKE_FOR_WANT if asked.scarce else _ALIKE
        return self.grounder.index.similarity(asked.categories, [category_id]) >= least

    def _is_accessory(self, asked: Asked, grounded: Grounded, own: Sequence[str]) -> bool:
        """Whether an idea is made for what is asked: by its own words, its category's names, or most of its titles.

        Names that are also those of what is asked, in these of its categories, do not tell.
        """
        if not own:
            return False
        words, idea = self._stems(asked.query), self._stems(grounded.query)
        fittings = self._fittings - words
        if words <= idea and idea & fittings:
            return True
        own_path = {name for category_id in own for name in self._names(category_id)}
        if (self._names(grounded.category_id) - own_path) & fittings:
            return True
        titles = [self.grounder.shelf.text(row) for row in grounded.rows]
        made_for = [match for title in titles if (match := _FOR.search(title)) and words <= self._stems(match[1])]
        return 2 * len(made_for) > len(titles)

    def _steps_up(self, own: str, other: str) -> int:
        """Return how far the category that two share lies above the first; more than any tree is deep if none does.

        In a shop without departments all categories are siblings.
        """
        shared = set(self._taxonomy.lineage(other))
        for steps, above in enumerate(reversed(self._taxonomy.lineage(own))):
            if above in shared:
                return steps
        is_flat = {own, other} <= set(self._taxonomy.children[None]) - set(self._taxonomy.children)
        return 1 if is_flat else len(self._taxonomy)

    def _same_line(self, one: str, other: str) -> bool:
        tree = self._taxonomy
        return one == other or tree.is_ancestor(one, other) or tree.is_ancestor(other, one)

    def _names(self, category_id: str) -> set[str]:
        return self._stems(" ".join(normalise(name) for name in self._taxonomy.path(category_id)))

    def _stems(self, text: str) -> set[str]:
        return set(self.grounder.index.words(text))

    @cached_property
    def _fittings(self) -> frozenset[str]:
        return frozenset(stem for word in _FITTINGS for stem in self.grounder.index.stems(word))

    @property
    def _taxonomy(self) -> Taxonomy:
        return self.grounder.taxonomy


def _cosine(asked: Asked, grounded: Grounded) -> float:
    """Return how near an idea is to the query in meaning; 0 where an embedding is not known."""
    if asked.vector is None or grounded.vector is None:
        return 0.0
    return float(asked.vector @ grounded.vector)
