"""Whether a rewrite can be served: it finds products, keeps what the shopper insists on, and is of its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from domain.constraints import Constraint, ConstraintKind, constraints_of, keeps
from domain.encoder import Vectors
from domain.retrieval import RetrievalIndex
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import RewriteType
from prompts.answer import AnswerAnnotation
from prompts.bounds import Bounds
from prompts.coherence import is_bare_brand
from prompts.departments import Departments
from prompts.rejection import DropReason
from prompts.spelling import is_respelling

__all__ = ["RewriteJudge"]

# A synonym that adds or leaves out words must find at least half of what the query finds, or half of its demand.
_LEAST_COMMON = 0.5
# What the query's shoppers want in at least a tenth of the cases is not far from the query, whatever the encoder says.
_LEAST_DEMAND = 0.1
# A rewrite that finds nothing where the query's products are must be at least so like the query.
_ALIKE = 0.5
_FAMILIES: Final[Mapping[ConstraintKind, str]] = {"dietary": "food", "allergen": "food", "size": "size"}


@dataclass(frozen=True, kw_only=True)
class RewriteJudge:
    """Judges the rewrites of one query.

    Attributes:
        query: The normalised query.
        annotations: What the model said of it.
        vector: The query's embedding.
        departments: What the log says of the query, with tree and index.
        categories: Those of the answer that stood.
        bounds: The least cosine of query and rewrite by type.
    """

    query: str
    annotations: Sequence[AnswerAnnotation]
    vector: Vectors
    departments: Departments
    categories: Sequence[str]
    bounds: Bounds

    def objection(self, text: str, kind: RewriteType, vector: Vectors) -> DropReason | None:
        """Return the first reason against a normalised rewrite with its embedding, or None where there is none."""
        found = self._finds(text) if len(text) <= MAX_QUERY_LENGTH else {}
        if not found:
            return "spelling_not_matchable" if kind == "spelling" else "rewrite_not_matchable"
        if kind == "spelling" and not is_respelling(self.query, text):
            return "spelling_is_another_query"
        if kind == "spelling":
            if any(not _respelt(c, text) for c in self._constraints if not keeps(text, c)):
                return "rewrite_drops_constraint"
        else:
            if any(not self._may_go(c, kind) for c in self._constraints if not keeps(text, c)):
                return "rewrite_drops_constraint"
            direction = self._direction(text, kind, found)
            if direction is not None:
                return direction
        cosine = float(vector @ self.vector)
        if kind != "spelling" and cosine < _ALIKE and self._is_elsewhere(text, found):
            return "rewrite_elsewhere"
        near = cosine >= self.bounds.of(kind) or self._is_of_brand(found)
        return None if near or self._demand_in(found) >= _LEAST_DEMAND else "rewrite_too_far"

    def _is_elsewhere(self, text: str, found: Mapping[str, int]) -> bool:
        """Whether a rewrite has no word of the query, no shopper searches for it, and its products are elsewhere."""
        if text in self.departments.searched or set(self._index.stems(text)) & set(self._index.stems(self.query)):
            return False
        return self.departments.lead_elsewhere(found, self.categories)

    def _is_of_brand(self, found: Mapping[str, int]) -> bool:
        """Whether the query is all brand, and a text finds products where the shop has the brand or the answer looks.

        To an encoder a brand is like nothing. Of one that the shop lacks, in an answer without a category, nothing is
        known that could be held against a text.
        """
        if not is_bare_brand(self.query, self.annotations):
            return False
        tree = self.departments.taxonomy
        brand = {*self._finds(self.query), *self.categories}
        near = (i == b or tree.is_ancestor(b, i) or tree.is_ancestor(i, b) for i in found for b in brand)
        return not brand or any(near)

    def _finds(self, text: str) -> dict[str, int]:
        return self._index.finds(text, self.departments.taxonomy)

    def _may_go(self, constraint: Constraint, kind: RewriteType) -> bool:
        """Whether a type of rewrite may give up a constraint: only `broader`, and an allergen only for want of another.

        Where the query names a brand, a colour or a size beside the allergen, that could have been given up instead.
        """
        if kind != "broader" or constraint.kind != "allergen":
            return kind == "broader"
        others = [c for c in self._constraints if c != constraint and c.kind != "allergen"]
        words = set(normalise(constraint.text).split())
        details = [
            a for a in self.annotations if a.type != "product_type" and not set(normalise(a.text).split()) & words
        ]
        return not others and not details

    def _direction(self, text: str, kind: RewriteType, found: Mapping[str, int]) -> DropReason | None:
        # What goes without saying of a brand is said of what it is: "lactaid" is broadened to "lactose free milk".
        if kind == "substitute" or (kind == "broader" and self._is_of_brand(found)):
            return None
        asked, said = set(self._index.stems(self.query)), set(self._index.stems(text))
        if kind == "broader":
            return "rewrite_narrows" if said > asked or self._adds_constraint(text) else None
        finds = self._finds(self.query)
        if said > asked:
            return "rewrite_narrows" if self._common(found, finds) < _LEAST_COMMON else None
        if self._adds_constraint(text):
            return "rewrite_narrows"
        if finds and said < asked and self._gives_up_detail(asked - said) and _share(finds, found) < _LEAST_COMMON:
            return "rewrite_broadens"
        return None

    def _adds_constraint(self, text: str) -> bool:
        """Whether a text asks for a diet or a size where the query asks for none at all."""
        families = {_FAMILIES.get(c.kind) for c in self._constraints}
        added = {_FAMILIES.get(c.kind) for c in constraints_of(text) if not keeps(self.query, c)}
        return bool(added - families - {None})

    def _gives_up_detail(self, stems: set[str]) -> bool:
        """Whether stems are of a brand, a colour or the like: not of the thing's name, nor of a constraint kept."""
        stems = stems - {stem for c in self._constraints for stem in self._index.stems(c.text)}
        return any(a.type != "product_type" and stems & set(self._index.stems(a.text)) for a in self.annotations)

    def _common(self, found: Mapping[str, int], finds: Mapping[str, int]) -> float:
        """Return the share of what the query finds that a narrower text finds: of products, or of demand if more."""
        demand = self._demand()
        total = sum(demand.values())
        kept = sum(s * min(1.0, found.get(c, 0) / finds[c]) for c, s in demand.items() if finds.get(c))
        return max(_share(found, finds), kept / total if total else 0.0)

    def _demand_in(self, found: Mapping[str, int]) -> float:
        """Return the share of the query's demand in categories where a text finds products."""
        demand = self._demand()
        total = sum(demand.values())
        return sum(share for c, share in demand.items() if found.get(c)) / total if total else 0.0

    def _demand(self) -> dict[str, float]:
        context = self.departments.context
        return {c.category_id: c.share for c in context.categories if c.is_own} if context else {}

    @property
    def _index(self) -> RetrievalIndex:
        return self.departments.index

    @cached_property
    def _constraints(self) -> tuple[Constraint, ...]:
        return constraints_of(self.query, self.annotations)


def _share(part: Mapping[str, int], whole: Mapping[str, int]) -> float:
    return min(1.0, sum(part.values()) / sum(whole.values())) if whole else 1.0


def _respelt(constraint: Constraint, text: str) -> bool:
    """Whether a mended query may say a constraint otherwise: "sugr free" and "iphnoe7" are mended too, 7 is not 8."""
    if constraint.kind == "model":
        return re.findall(r"\d+", constraint.text) == re.findall(r"\d+", text)
    return constraint.kind == "exclusion"
