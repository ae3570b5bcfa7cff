"""What a rater is shown: the same things as the review has, with names where it has ids, and without sources' names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from domain import Taxonomy
from domain.rater_agreement import Difference, PairAgreement, RaterAgreement
from domain.reviews import Decision, Skip
from service.review.item import Evidence, Item, Proposal
from service.review.review import Step

__all__ = ["About", "Agreement", "Choice", "Found", "Place", "Said", "Saved", "Shown", "Sources", "View"]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A category that can be chosen."""

    id: str
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one source answered; `source` is its name once the rater may know it, and a letter before."""

    source: str
    categories: tuple[Choice, ...]
    acceptable: tuple[Choice, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A query as a rater sees it; `choices` are all categories that a source proposes, by path."""

    query: str
    searches: int
    tier: str | None
    disagreement: float
    evidence: Evidence
    said: tuple[Said, ...]
    choices: tuple[Choice, ...]
    shown: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a rater is: `Step` as it is shown; `chosen` are the categories of `before`."""

    item: Shown | None
    before: Decision | Skip | None
    chosen: tuple[Choice, ...]
    answered: int
    skipped: int
    open: int
    last: Decision | Skip | None


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page shows first; `asks`: it asks for a name, and proposes `rater`, which may be empty."""

    shop: str
    rater: str
    asks: bool
    adjudicates: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """Categories that a search found, best first."""

    categories: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Who said what of a query, in the order in which it was shown."""

    query: str
    said: tuple[Said, ...]


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A decision is on disk: who had said what, and where the rater is now."""

    sources: Sources | None
    place: Place


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far raters agree; `differing` holds only queries that the rater who asks has decided too."""

    decided: dict[str, int]
    pairs: tuple[PairAgreement, ...]
    alpha: float | None
    differing: tuple[Difference, ...]
    choices: tuple[Choice, ...]
    settled: int


class View:
    """Puts what a review has into the form in which it is shown."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy

    def choices(self, ids: Iterable[str]) -> tuple[Choice, ...]:
        """Return the categories of ids; one that the tree has no longer is left out."""
        return tuple(Choice(id=i, path=self._taxonomy.path(i)) for i in ids if i in self._taxonomy)

    def place(self, step: Step, *, before: Decision | Skip | None = None) -> Place:
        """Return a step as it is shown; `before`, where it is given, is what the rater has just withdrawn."""
        before = before or step.before
        known = (*before.categories, *before.acceptable) if isinstance(before, Decision) else ()
        return Place(
            item=self._shown(step.item) if step.item else None,
            before=before,
            chosen=self.choices(known),
            answered=step.answered,
            skipped=step.skipped,
            open=step.open,
            last=step.last,
        )

    def sources(self, item: Item) -> Sources:
        """Return who said what."""
        return Sources(query=item.query, said=tuple(self._said(said.source, said) for said in item.blind))

    def agreement(self, found: RaterAgreement, *, rater: str) -> Agreement:
        """Return what one rater may see of the agreement.

        Others' decisions on what a rater has yet to decide would no longer leave that rater independent.
        """
        mine = tuple(d for d in found.differing if any(decision.rater == rater for decision in d.decisions))
        ids = dict.fromkeys(i for d in mine for decision in d.decisions for i in decision.categories)
        return Agreement(
            decided=found.decided,
            pairs=found.pairs,
            alpha=found.alpha,
            differing=mine,
            choices=self.choices(ids),
            settled=found.settled,
        )

    def _shown(self, item: Item) -> Shown:
        return Shown(
            query=item.query,
            searches=item.searches,
            tier=item.tier,
            disagreement=item.disagreement,
            evidence=item.evidence,
            said=tuple(self._said(_letter(i), said) for i, said in enumerate(item.blind)),
            choices=tuple(sorted(self.choices(item.proposed), key=lambda choice: choice.path)),
            shown=item.digest,
        )

    def _said(self, name: str, proposal: Proposal) -> Said:
        return Said(
            source=name,
            categories=self.choices(proposal.categories),
            acceptable=self.choices(proposal.acceptable),
            reason=proposal.reason,
        )


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)
