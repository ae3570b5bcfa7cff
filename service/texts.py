"""Texts that a client sends, in their normal form."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import Any, Final

from domain import normalise
from domain.text import MAX_QUERY_LENGTH
from service.problems import Problem

__all__ = ["MOST_SENT", "Turns", "checked_query", "half_a_pair", "normalised_product", "normalised_query", "work_of"]

MOST_SENT: Final = 16 * MAX_QUERY_LENGTH
"""Characters of a query as it is sent; normalisation makes most texts shorter, and few that much."""

_MOST_LOOKED_AT: Final = 4 * MAX_QUERY_LENGTH
"""Characters of a product's text that are normalised, so that a long description costs no more than a title."""

_MOST_OF_ONE: Final = 18
"""Characters that Unicode NFKC makes of one, at most."""

_SURE: Final = MOST_SENT // _MOST_OF_ONE
"""Characters of a text that is certainly no more than `MOST_SENT` in NFKC."""

_TURN: Final = 4096
"""Characters that are normalised between two chances for other requests."""

_EACH: Final = 80
"""What else is done for a text, such as looking it up, in characters."""


def normalised_query(raw: Any, field: str) -> str:
    """Return the normal form of a query, or raise the problem with it."""
    if type(raw) is not str:
        raise Problem("invalid-field", "A query must be a string.", field=field)
    if len(raw) > _SURE:
        _check_length(raw, field)
    normalised = normalise(raw)
    if len(normalised) > MAX_QUERY_LENGTH:
        raise Problem(
            "query-too-long",
            f"A query may have {MAX_QUERY_LENGTH} characters after normalisation; this one has {len(normalised)}.",
            field=field,
        )
    return normalised


def checked_query(raw: Any, field: str) -> str:
    """Return the normal form of a query that can be echoed, or raise the problem with it."""
    normalised = normalised_query(raw, field)
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        raise half_a_pair(field) from error
    return normalised


def normalised_product(raw: Any, field: str) -> str:
    """Return the normal form of a product's text, cut at what the student reads, or raise the problem with it."""
    if type(raw) is not str:
        raise Problem("invalid-field", "A text must be a string.", field=field)
    looked_at = raw[:_MOST_LOOKED_AT]
    if work_of(looked_at) > MOST_SENT:
        looked_at = raw[:_SURE]
    return normalise(looked_at)[:MAX_QUERY_LENGTH]


def work_of(raw: str) -> int:
    """Return how many characters there are to normalise: a text's own, or those of its NFKC form where these are more.

    Of a text with more than `MOST_SENT` it is some number above that.
    """
    if raw.isascii() or len(raw) > MOST_SENT:
        return len(raw)
    count = 0
    # In pieces, for NFKC takes n * n steps to put n marks in order.
    for start in range(0, len(raw), _SURE):
        count += len(unicodedata.normalize("NFKC", raw[start : start + _SURE]))
        if count > MOST_SENT:
            break
    return max(count, len(raw))


class Turns:
    """Lets other requests have their turn while the texts of one are normalised, by how many characters they have."""

    def __init__(self) -> None:
        self._left = _TURN

    async def before(self, raw: Any) -> None:
        """Wait for the next turn where this one has no room for a text."""
        work = _EACH + (work_of(raw) if type(raw) is str else 0)
        if work > self._left:
            await asyncio.sleep(0)
            self._left = _TURN
        self._left -= work


def half_a_pair(field: str) -> Problem:
    """Return the problem of half of a surrogate pair, which no text in UTF-8 can have."""
    return Problem("invalid-encoding", "The text has half of a surrogate pair.", field=field)


def _check_length(raw: str, field: str) -> None:
    if len(raw) > MOST_SENT:
        detail = f"A query may have {MOST_SENT:,} characters before normalisation; this one has {len(raw):,}."
        raise Problem("query-too-long", detail, field=field)
    if work_of(raw) > MOST_SENT:
        detail = f"A query may have {MOST_SENT:,} characters in Unicode NFKC; this one has more."
        raise Problem("query-too-long", detail, field=field)
