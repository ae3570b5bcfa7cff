"""``/v1/discover``: what else to show beside a page of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from starlette.types import Receive, Scope

from release import Discovered, Release
from release.discover import LIMIT
from service.numbers import whole_number
from service.problems import Problem
from service.reply import PostRoute
from service.serving import Serving
from service.settings import Settings
from service.texts import checked_query
from service.wire import json_fields, read_json_body

__all__ = ["MOST_ASKED", "MOST_RESULTS", "Discover", "from_content", "limit_of"]

MOST_ASKED: Final = 50
"""Ideas of a kind, or suggestions, that may be asked for."""

MOST_RESULTS: Final = 10**9

T = TypeVar("T")

_discovered: Final[TypeAdapter[Discovered]] = TypeAdapter(Discovered)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A request that is well formed."""

    raw: str
    normalised: str
    shown: Sequence[str]
    result_count: int | None
    limit: int


class Discover(PostRoute):
    """Discovery content of one query, for the page that it is shown beside."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Answer with a `Discovered`, the query as it was sent."""
        body = await read_json_body(scope, receive, self._settings.max_body)
        asked = _read(json_fields(body, ("query",), ("shown", "result_count", "limit")), self._settings.max_shown)
        with self._serving.hold() as release:

            def work() -> Discovered:
                return release.discover(
                    asked.normalised,
                    asked.shown,
                    asked.result_count,
                    asked.limit,
                    few_results=self._settings.few_results,
                )

            found = await from_content(self._serving, release, asked.normalised, work)
        return _discovered.dump_json(replace(found, query=asked.raw))


async def from_content(serving: Serving, release: Release, normalised: str, work: Callable[[], T]) -> T:
    """Do work that reads the content of a query: here, or where the student works if it has to be asked first.

    The caller holds the release.
    """
    if not release.needs_student(normalised):
        return work()
    [done] = await serving.in_slices(1, lambda _: work())
    return done


def _read(fields: dict[str, Any], most: int) -> _Asked:
    shown, result_count = fields.get("shown"), fields.get("result_count")
    return _Asked(
        raw=fields["query"],
        normalised=checked_query(fields["query"], "query"),
        shown=() if shown is None else _products(shown, most),
        result_count=None
        if result_count is None
        else whole_number(result_count, "result_count", least=0, most=MOST_RESULTS),
        limit=limit_of(fields),
    )


def limit_of(fields: Mapping[str, Any]) -> int:
    """Return how many ideas of a kind, or suggestions, a request asks for, or raise the problem with that."""
    limit = fields.get("limit")
    return LIMIT if limit is None else whole_number(limit, "limit", least=1, most=MOST_ASKED)


def _products(shown: Any, most: int) -> Sequence[str]:
    if type(shown) is not list:
        raise Problem("invalid-field", "The products shown must be a list of ids.", field="shown")
    if len(shown) > most:
        detail = f"{most:,} products may be shown; these are {len(shown):,}. Send those at the top of the page."
        raise Problem("invalid-field", detail, field="shown")
    if not set(map(type, shown)) <= {str}:
        first = next(i for i, product in enumerate(shown) if type(product) is not str)
        raise Problem("invalid-field", "The id of a product must be a string.", field=f"shown[{first}]")
    return shown
