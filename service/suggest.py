"""``/v1/suggest``: what to search next."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pydantic import TypeAdapter
from starlette.types import Receive, Scope

from release import Suggested
from service.discover import from_content, limit_of
from service.reply import PostRoute
from service.serving import Serving
from service.settings import Settings
from service.texts import checked_query
from service.wire import json_fields, read_json_body

__all__ = ["Suggest"]

_suggested: Final[TypeAdapter[Suggested]] = TypeAdapter(Suggested)


class Suggest(PostRoute):
    """Queries that lead on from one."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Answer with a `Suggested`, the query as it was sent."""
        fields = json_fields(await read_json_body(scope, receive, self._settings.max_body), ("query",), ("limit",))
        raw = fields["query"]
        normalised = checked_query(raw, "query")
        limit = limit_of(fields)
        with self._serving.hold() as release:

            def work() -> Suggested:
                return release.suggest(normalised, limit, exploratory_share=self._settings.exploratory_share)

            found = await from_content(self._serving, release, normalised, work)
        return _suggested.dump_json(replace(found, query=raw))
