"""Queries to go on with: what shoppers search next, the categories around, and what a model proposes to explore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.context import DomainContext
from domain.discovery.asked import Asked
from domain.discovery.content import Suggestion, SuggestionKind
from domain.discovery.ground import Grounder
from domain.discovery.safe import Blocklist
from domain.encoder import Vectors
from domain.text import normalise

__all__ = ["MOST_SUGGESTIONS", "RELATED", "Proposal", "proposals", "suggestions_of"]

RELATED: Final = 0.3
"""Normalised mutual information from which on two searches follow each other more often than by accident."""

MOST_SUGGESTIONS: Final = 8
"""Suggestions of a kind, at most."""

_AROUND: Final = 4
"""Names of categories, at most."""

_LIKE_A_TITLE: Final = 0.45
"""Cosine to a title in stock from which on a query in a shopper's own words finds something."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A text that may become a suggestion, as it was proposed, and its normal form."""

    text: str
    query: str
    kind: SuggestionKind


def proposals(
    asked: Asked, context: DomainContext | None, explore: Iterable[str], grounder: Grounder
) -> tuple[Proposal, ...]:
    """Return what may be suggested for a query, best first: searched next, categories around it, then explored."""
    nexts = [n.query for n in context.next_queries if n.npmi >= RELATED] if context else []
    found = [Proposal(text=text, query=normalise(text), kind="next") for text in (*nexts, *_around(asked, grounder))]
    return (*found, *(Proposal(text=text, query=normalise(text), kind="exploratory") for text in explore))


def suggestions_of(
    asked: Asked,
    proposed: Sequence[Proposal],
    *,
    grounder: Grounder,
    blocklist: Blocklist,
    vectors: Mapping[str, Vectors],
) -> tuple[Suggestion, ...]:
    """Keep what is safe, says something new, and finds a product in stock, at most `MOST_SUGGESTIONS` of a kind.

    Two texts that have the same words, whatever their endings and order, say the same; so do the shopper's query and
    one with its words.

    Args:
        asked: The query.
        proposed: Best first.
        grounder: Of the shop.
        blocklist: What is not suggested.
        vectors: Embeddings of the proposed queries; without one, words alone decide what a query finds.
    """
    kept: list[Suggestion] = []
    said = {_words(asked.query, grounder)}
    room: dict[SuggestionKind, int] = {"next": MOST_SUGGESTIONS, "exploratory": MOST_SUGGESTIONS}
    for proposal in proposed:
        words = _words(proposal.query, grounder)
        if not words or words in said or not room[proposal.kind] or blocklist.refusal(proposal.text):
            continue
        if _finds(proposal, grounder, vectors):
            said.add(words)
            room[proposal.kind] -= 1
            kept.append(Suggestion(query=proposal.query, kind=proposal.kind))
    return tuple(kept)


def _finds(proposal: Proposal, grounder: Grounder, vectors: Mapping[str, Vectors]) -> bool:
    if not grounder.shelf.stocked.isdisjoint(grounder.index.finds(proposal.query, grounder.taxonomy)):
        return True
    # What shoppers type is looked for by its words; what a model words freely may still mean what the shop has.
    if proposal.kind == "next" or proposal.query not in vectors:
        return False
    near = grounder.index.products(proposal.query, 10, taxonomy=grounder.taxonomy, vector=vectors[proposal.query])
    return any(p.cosine >= _LIKE_A_TITLE and grounder.shelf.in_stock[p.row] for p in near)


def _around(asked: Asked, grounder: Grounder) -> Iterator[str]:
    """Yield the names of the categories below the query's own, else beside it, those first that shoppers type."""
    taxonomy = grounder.taxonomy
    around: dict[str, None] = {}
    for own in asked.categories[:1]:
        below = taxonomy.children.get(own, ())
        around.update(dict.fromkeys(below or taxonomy.children[taxonomy[own].parent_id]))
    names = [normalise(taxonomy[i].name) for i in around if i not in asked.categories]
    yield from sorted(names, key=lambda name: grounder.contexts is None or grounder.contexts.get(name) is None)[
        :_AROUND
    ]


def _words(text: str, grounder: Grounder) -> frozenset[str]:
    return frozenset(grounder.index.words(text))
