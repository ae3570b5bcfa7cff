"""A review under way: what each rater is shown next, and what becomes of their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain import Taxonomy
from domain.rater_agreement import RaterAgreement, agree
from domain.reviews import Decision, Journal, Skip, Undo
from domain.understanding import Specificity
from service.review.item import Item
from service.review.search import CategorySearch

__all__ = ["Answer", "PutOff", "Review", "Step", "TakeBack"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a rater sends for one query; the fields are those of `domain.reviews.Decision`."""

    __pydantic_config__ = {"extra": "forbid"}

    id: str
    query: str
    rater: str
    categories: tuple[str, ...]
    acceptable: tuple[str, ...] = ()
    specificity: Specificity | None = None
    reason: str = ""
    shown: str = ""
    blind: bool = True


@dataclass(frozen=True, kw_only=True)
class PutOff:
    """A query that a rater skips for now."""

    __pydantic_config__ = {"extra": "forbid"}

    id: str
    query: str
    rater: str
    shown: str = ""


@dataclass(frozen=True, kw_only=True)
class TakeBack:
    """The line of the journal that a rater withdraws."""

    __pydantic_config__ = {"extra": "forbid"}

    id: str
    rater: str
    withdraws: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """Where a rater is: the query to decide, None when there is none left, and what they had said of it before.

    `answered`, `skipped` and `open` add up to the queries of the review; `last` is what an undo would withdraw.
    """

    item: Item | None
    before: Decision | Skip | None
    answered: int
    skipped: int
    open: int
    last: Decision | Skip | None


class Review:
    """The queue of one shop, and the journal that its raters write.

    Args:
        shop: The name of the shop.
        items: The queries to decide, in the order in which they are shown.
        journal: Where decisions go.
        taxonomy: The tree of the shop.
        stems: Returns the stems of a text, for the search over categories.
        key: What a request must know; at least 16 characters.
        rater: Who is labelling unless the page is told otherwise.
        asks: Whether the page asks for a name first, with `rater` as its proposal.
        adjudicates: Whether the sources are raters who differ, so that decisions settle a query.
        now: The time, with its zone.
    """

    def __init__(
        self,
        *,
        shop: str,
        items: Sequence[Item],
        journal: Journal,
        taxonomy: Taxonomy,
        stems: Callable[[str], list[str]],
        key: str,
        rater: str = "",
        asks: bool = True,
        adjudicates: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if len(key) < 16:
            raise ValueError("the key of a review needs at least 16 characters")
        self.shop = shop
        self.key = key
        self.rater = rater
        self.asks = asks
        self.adjudicates = adjudicates
        self.taxonomy = taxonomy
        self.search = CategorySearch(taxonomy, stems)
        self._items = {item.query: item for item in items}
        self._journal = journal
        self._now = now

    def item(self, query: str) -> Item | None:
        """Return the item of a query in normal form."""
        return self._items.get(query)

    def step(self, rater: str, *, skipped: bool = False, at: str | None = None) -> Step:
        """Return where a rater is.

        Args:
            rater: Who asks.
            skipped: Whether to go on with what the rater put off, the longest ago first, when nothing else is left.
            at: The query to show, whatever was said of it.
        """
        standing = self._journal.standing
        said = {query: standing.get(query, rater, adjudicates=self.adjudicates) for query in self._items}
        unseen = [query for query, entry in said.items() if entry is None]
        put_off = sorted((e for e in said.values() if isinstance(e, Skip)), key=lambda e: e.time)
        query = at if at in self._items else next(iter(unseen), None)
        if query is None and skipped and put_off:
            query = put_off[0].query
        return Step(
            item=self._items[query] if query is not None else None,
            before=said[query] if query is not None else None,
            answered=len(said) - len(unseen) - len(put_off),
            skipped=len(put_off),
            open=len(unseen),
            last=standing.last(rater, adjudicates=self.adjudicates),
        )

    def decide(self, answer: Answer, rater: str) -> None:
        """Write an answer; it is on disk when this returns."""
        self._journal.append(
            Decision(
                id=answer.id,
                query=answer.query,
                rater=rater,
                time=self._now(),
                categories=answer.categories,
                acceptable=answer.acceptable,
                specificity=answer.specificity,
                reason=answer.reason.strip(),
                shown=answer.shown,
                blind=answer.blind,
                adjudicates=self.adjudicates,
            )
        )

    def put_off(self, skip: PutOff, rater: str) -> None:
        """Write that a query is skipped; it is on disk when this returns."""
        self._journal.append(
            Skip(
                id=skip.id,
                query=skip.query,
                rater=rater,
                time=self._now(),
                shown=skip.shown,
                adjudicates=self.adjudicates,
            )
        )

    def take_back(self, undo: TakeBack, rater: str) -> Decision | Skip | None:
        """Withdraw a line of the rater's own, which is on disk when this returns, and return it.

        A line that was withdrawn before is so still. None where the rater has no such line.
        """
        entry = next((e for e in self._journal.entries if e.id == undo.withdraws and e.rater == rater), None)
        if entry is None or isinstance(entry, Undo):
            return None
        if undo.withdraws not in self._journal.standing.withdrawn:
            self._journal.append(Undo(id=undo.id, withdraws=undo.withdraws, rater=rater, time=self._now()))
        return entry

    def agreement(self) -> RaterAgreement:
        """Compare all raters of the journal."""
        return agree(self._journal.standing.decisions)
