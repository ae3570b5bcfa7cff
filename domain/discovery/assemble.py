"""From the ideas for one query to its content: grounded, with their roles checked, matched, and ranked to differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from domain.context import DomainContext
from domain.discovery.asked import Asked, asked_of
from domain.discovery.content import Content, Idea, Ideas, Role
from domain.discovery.diverse import TRADE_OFF, Facets, diversify
from domain.discovery.drops import DropReason
from domain.discovery.ground import Grounded, Ungrounded
from domain.discovery.roles import RoleJudge
from domain.discovery.safe import Blocklist
from domain.discovery.suggestions import proposals, suggestions_of
from domain.encoder import Vectors
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import Discovery, Understanding

__all__ = ["MOST_IDEAS", "Assembled", "Assembler", "Dropped", "Match"]

Match = Callable[[str, str, Sequence[str]], Sequence[bool]]
"""Whether products match a query, by the query, the id of the category that they lie in, and their titles."""

MOST_IDEAS: Final = 8
"""Ideas of a kind that a release keeps, at most."""

_LONGEST_LABEL: Final = 120
_REMEMBERED: Final = 20_000
_SAME: Final = 0.5
"""Share of an idea's products that an earlier one shows from which on the two are the same idea."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """An idea that is not shown."""

    role: Role
    idea: Idea
    reason: DropReason


@dataclass(frozen=True, kw_only=True)
class Assembled:
    """The content of a query, which may be empty, and what of its ideas was dropped."""

    content: Content
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True, kw_only=True)
class _Candidate:
    """A grounded idea; ``relevance`` is in [0, 1] and compares ideas of one kind alone."""

    role: Role
    idea: Idea
    grounded: Grounded
    relevance: float


@dataclass(frozen=True, kw_only=True)
class Assembler:
    """Makes contents for one shop.

    Attributes:
        judge: Of roles, with all that it knows of the shop.
        blocklist: What is not shown.
        match: What takes out products that do not match the idea that they are to show, or None for nothing.
        trade_off: What relevance counts against diversity, see `diversify`.
    """

    judge: RoleJudge
    blocklist: Blocklist = field(default_factory=Blocklist)
    match: Match | None = None
    trade_off: float = TRADE_OFF

    def asked(self, answer: Understanding, context: DomainContext | None) -> Asked:
        """Return what is known of the query of an answer."""
        grounder = self.judge.grounder
        grounded = grounder.ground(answer.normalized, self._encode)
        asked = asked_of(answer, context, grounded, grounder)
        return replace(asked, vector=self._encode(answer.normalized))

    def assemble(self, asked: Asked, ideas: Ideas, context: DomainContext | None) -> Assembled:
        """Return the content of a query.

        Args:
            asked: The query.
            ideas: What is proposed for it, best first.
            context: What the log says of it, or None where it says nothing.
        """
        proposed = proposals(asked, context, ideas.explore, self.judge.grounder)
        by_role: dict[Role, tuple[Idea, ...]] = {"substitute": ideas.substitutes, "complement": ideas.complements}
        queries = [normalise(idea.query)[: MAX_QUERY_LENGTH + 1] for both in by_role.values() for idea in both]
        vectors = self._vectors([*queries, *(p.query for p in proposed if p.kind == "exploratory")])
        dropped: list[Dropped] = []
        found: list[_Candidate] = []
        for role, some in by_role.items():
            for place, idea in enumerate(some):
                candidate = self._candidate(role, idea, asked, vectors, 1.0 - place / len(some))
                if isinstance(candidate, _Candidate):
                    found.append(candidate)
                else:
                    dropped.append(Dropped(role=role, idea=idea, reason=candidate))
        distinct = _distinct(self._matched(found, dropped), dropped)
        shown = {role: self._ranked([c for c in distinct if c.role == role], vectors, dropped) for role in by_role}
        content = Content(
            query=asked.query,
            scarce=asked.scarce,
            substitutes=shown["substitute"],
            complements=shown["complement"],
            suggestions=suggestions_of(
                asked, proposed, grounder=self.judge.grounder, blocklist=self.blocklist, vectors=vectors
            ),
        )
        return Assembled(content=content, dropped=tuple(dropped))

    def _candidate(
        self, role: Role, idea: Idea, asked: Asked, vectors: Mapping[str, Vectors], relevance: float
    ) -> _Candidate | DropReason:
        query = normalise(idea.query)
        is_fit = len(idea.label) <= _LONGEST_LABEL and not any(map(self.blocklist.refusal, (idea.label, idea.query)))
        if not is_fit:
            return "unsafe"
        index = self.judge.grounder.index
        if set(index.words(query)) == set(index.words(asked.query)):
            return "is_query"
        grounded = self.judge.grounder.ground(query, vectors.__getitem__)
        if isinstance(grounded, Ungrounded):
            return grounded.reason
        ruling = self.judge.rule(role, asked, grounded)
        if ruling.grounded is None:
            return ruling.objection or "no_product"
        if ruling.lift is not None:
            # 1/2 where the log knows nothing, and more the more often the two are wanted together.
            relevance = (relevance + ruling.lift.estimate / (1.0 + ruling.lift.estimate)) / 2
        return _Candidate(role=role, idea=idea, grounded=ruling.grounded, relevance=relevance)

    def _matched(self, found: Sequence[_Candidate], dropped: list[Dropped]) -> list[_Candidate]:
        """Return ideas with those of their products that match what the idea says."""
        if self.match is None:
            return list(found)
        kept = []
        for candidate in found:
            grounded, shelf = candidate.grounded, self.judge.grounder.shelf
            titles = [shelf.titles[row] for row in grounded.rows]
            fits = self.match(grounded.query, grounded.category_id, titles)
            rows = tuple(row for row, fit in zip(grounded.rows, fits, strict=True) if fit)
            if rows:
                kept.append(replace(candidate, grounded=replace(grounded, rows=rows)))
            else:
                dropped.append(Dropped(role=candidate.role, idea=candidate.idea, reason="below_threshold"))
        return kept

    def _ranked(
        self, candidates: Sequence[_Candidate], vectors: Mapping[str, Vectors], dropped: list[Dropped]
    ) -> tuple[Discovery, ...]:
        shelf, taxonomy = self.judge.grounder.shelf, self.judge.grounder.taxonomy
        facets = [
            Facets(
                path=taxonomy.lineage(c.grounded.category_id),
                brands=Counter(brand for row in c.grounded.rows if (brand := shelf.brands[row])),
                vector=vectors[c.grounded.query],
            )
            for c in candidates
        ]
        relevance = [c.relevance for c in candidates]
        places = diversify(relevance, facets, limit=MOST_IDEAS, trade_off=self.trade_off)
        for place, candidate in enumerate(candidates):
            if place not in places:
                dropped.append(Dropped(role=candidate.role, idea=candidate.idea, reason="beyond_limit"))
        return tuple(
            Discovery(
                label=candidates[place].idea.label.strip(),
                query=candidates[place].grounded.query,
                category_id=candidates[place].grounded.category_id,
                product_ids=tuple(shelf.product_ids[row] for row in candidates[place].grounded.rows),
            )
            for place in places
        )

    def _vectors(self, texts: Sequence[str]) -> dict[str, Vectors]:
        if len(self._encoded) > _REMEMBERED:
            self._encoded.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._encoded]
        # One call for everything, for a call costs more than a text.
        self._encoded.update(zip(new, self.judge.grounder.index.encoder.encode(new), strict=True))
        return {text: self._encoded[text] for text in texts}

    def _encode(self, text: str) -> Vectors:
        return self._vectors([text])[text]

    @cached_property
    def _encoded(self) -> dict[str, Vectors]:
        """Embeddings of texts so far: many ideas share a query."""
        return {}


def _distinct(candidates: Sequence[_Candidate], dropped: list[Dropped]) -> list[_Candidate]:
    """Return ideas without the products that earlier ones show; one whose products are mostly another's is that one."""
    kept: list[_Candidate] = []
    for candidate in candidates:
        rows = candidate.grounded.rows
        for other in kept:
            repeated = set(rows) & set(other.grounded.rows)
            if len(repeated) >= _SAME * min(len(rows), len(other.grounded.rows)):
                rows = ()
                break
            rows = tuple(row for row in rows if row not in repeated)
        if rows:
            kept.append(replace(candidate, grounded=replace(candidate.grounded, rows=rows)))
        else:
            dropped.append(Dropped(role=candidate.role, idea=candidate.idea, reason="another_idea"))
    return kept
