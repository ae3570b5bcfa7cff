"""The calls of the review page: what was sent is checked, and answered from the review."""

from __future__ import annotations

from collections.abc import Mapping

from domain import normalise
from domain.reviews import rater_name
from domain.text import MAX_QUERY_LENGTH
from service.problems import Problem
from service.review.review import Answer, PutOff, Review, TakeBack
from service.review.view import About, Agreement, Found, Place, Saved, Sources, View

__all__ = ["Calls"]

_MOST_CATEGORIES = 100
_LONGEST = {"id": 64, "reason": 2000, "shown": 64}  # characters


class Calls:
    """The calls of one review. Those that write return when what they write is on disk.

    Raises:
        Problem: from each of them, naming the field or parameter that cannot be used.
        OSError: from those that write, when the journal cannot be written.
    """

    def __init__(self, review: Review) -> None:
        self._review = review
        self._view = View(review.taxonomy)

    def about(self, _: Mapping[str, str]) -> About:
        """Return what the page shows first."""
        review = self._review
        return About(shop=review.shop, rater=review.rater, asks=review.asks, adjudicates=review.adjudicates)

    def step(self, parameters: Mapping[str, str]) -> Place:
        """Return where ``rater`` is; with ``skipped=1``, going on with what was skipped."""
        skipped = parameters.get("skipped") == "1"
        return self._view.place(self._review.step(_rater(parameters.get("rater", "")), skipped=skipped))

    def sources(self, parameters: Mapping[str, str]) -> Sources:
        """Return who said what of ``query``."""
        item = self._review.item(parameters.get("query", ""))
        if item is None:
            raise Problem("invalid-field", "This query is not in the queue.", field="query")
        return self._view.sources(item)

    def categories(self, parameters: Mapping[str, str]) -> Found:
        """Return the categories that ``q`` finds: by id, or by the words of their paths."""
        text = parameters.get("q", "").strip()[:MAX_QUERY_LENGTH]
        ids = [text] if text in self._review.taxonomy else self._review.search.find(text)
        return Found(categories=self._view.choices(ids))

    def agreement(self, parameters: Mapping[str, str]) -> Agreement:
        """Return how far raters agree, as ``rater`` may see it."""
        rater = _rater(parameters.get("rater", ""))
        return self._view.agreement(self._review.agreement(), rater=rater)

    def decide(self, answer: Answer) -> Saved:
        """Keep a decision."""
        rater = _check(answer)
        self._check_categories(answer.categories, "categories")
        self._check_categories(answer.acceptable, "acceptable")
        if set(answer.categories) & set(answer.acceptable):
            raise Problem("invalid-field", "A category is expected or acceptable, not both.", field="acceptable")
        self._review.decide(answer, rater)
        item = self._review.item(answer.query)
        return Saved(
            sources=self._view.sources(item) if item else None, place=self._view.place(self._review.step(rater))
        )

    def put_off(self, skip: PutOff) -> Place:
        """Keep that a query is skipped."""
        rater = _check(skip)
        self._review.put_off(skip, rater)
        return self._view.place(self._review.step(rater))

    def take_back(self, undo: TakeBack) -> Place:
        """Keep that a line is withdrawn, and show its query again."""
        rater = _rater(undo.rater)
        _check_lengths(undo)
        entry = self._review.take_back(undo, rater)
        if entry is None:
            raise Problem("invalid-field", "This rater has written no such line.", field="withdraws")
        return self._view.place(self._review.step(rater, at=entry.query), before=entry)

    def _check_categories(self, ids: tuple[str, ...], field: str) -> None:
        for category_id in ids:
            if category_id not in self._review.taxonomy:
                raise Problem("invalid-field", f"Not in the taxonomy: {category_id[:80]!r}.", field=field)
        if len(set(ids)) < len(ids) or len(ids) > _MOST_CATEGORIES:
            detail = f"There may be {_MOST_CATEGORIES} categories, each once."
            raise Problem("invalid-field", detail, field=field)


def _check(sent: Answer | PutOff) -> str:
    _check_lengths(sent)
    if not sent.query or normalise(sent.query) != sent.query or len(sent.query) > MAX_QUERY_LENGTH:
        raise Problem("invalid-field", "Send the query in its normal form.", field="query")
    return _rater(sent.rater)


def _check_lengths(sent: Answer | PutOff | TakeBack) -> None:
    if not sent.id:
        raise Problem("invalid-field", "The id is empty.", field="id")
    for field, most in _LONGEST.items():
        if len(getattr(sent, field, "")) > most:
            raise Problem("invalid-field", f"There may be {most:,} characters.", field=field)


def _rater(name: str) -> str:
    try:
        return rater_name(name)
    except ValueError as error:
        raise Problem("invalid-field", f"The rater cannot be used: {error}.", field="rater") from error
