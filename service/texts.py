"""Texts that a client sends, in their normal form."""

from __future__ import annotations

from typing import Any, Final

from domain import normalise
from domain.text import MAX_QUERY_LENGTH
from service.problems import Problem

__all__ = ["MOST_SENT", "checked_query", "half_a_pair", "normalised_product", "normalised_query"]

MOST_SENT: Final = 16 * MAX_QUERY_LENGTH
"""Characters of a query as it is sent; normalisation makes most texts shorter, and few that much."""

_MOST_LOOKED_AT: Final = 4 * MAX_QUERY_LENGTH
"""Characters of a product's text that are normalised, so that a long description costs no more than a title."""


def normalised_query(raw: Any, field: str) -> str:
    """Return the normal form of a query, or raise the problem with it."""
    if type(raw) is not str:
        raise Problem("invalid-field", "A query must be a string.", field=field)
    if len(raw) > MOST_SENT:
        detail = f"A query may have {MOST_SENT:,} characters before normalisation; this one has {len(raw):,}."
        raise Problem("query-too-long", detail, field=field)
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
    return normalise(raw[:_MOST_LOOKED_AT])[:MAX_QUERY_LENGTH]


def half_a_pair(field: str) -> Problem:
    """Return the problem of half of a surrogate pair, which no text in UTF-8 can have."""
    return Problem("invalid-encoding", "The text has half of a surrogate pair.", field=field)
