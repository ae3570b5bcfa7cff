"""A second release beside the one that is served: it answers a share of the requests, or is asked in their shadow."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from domain import normalise
from domain.errors import ReleaseError
from release import LoadRetriever, Release, open_release
from service.serving import Serving
from service.settings import Settings
from service.split.shadow import Shadow
from service.texts import MOST_SENT, work_of

__all__ = ["Other", "OtherInfo", "Share", "open_other"]

_SHARE: Final = 0.1
_OF_SHADOW: Final = 1.0
_CLIENT: Final = b"x-client-id"


@dataclass(frozen=True, kw_only=True)
class OtherInfo:
    """The second release, the share of requests that it is asked, and whether its answers are only compared."""

    release: str
    share: float
    shadow: bool


class Share:
    """A share of all clients: the same ones in every worker, at any time, and others for another name.

    Args:
        share: In [0, 1].
        name: Of what the share is for.
    """

    def __init__(self, share: float, name: str) -> None:
        self._below = int(share * 2**64)
        self._salt = hashlib.blake2b(name.encode(), digest_size=16).digest()

    def has(self, client: bytes) -> bool:
        """Whether a client is one of the share."""
        digest = hashlib.blake2b(client, digest_size=8, salt=self._salt).digest()
        return int.from_bytes(digest, "big") < self._below


class Other:
    """The second release, and who gets to see it.

    Args:
        release: The second one, open; closed with `close`.
        settings: Its share, and whether it is in shadow.
        serving: The first release.
        board: Where the workers keep what they found in shadow; None where there is one worker.
    """

    def __init__(self, release: Release, settings: Settings, serving: Serving, board: Path | None = None) -> None:
        self._settings = settings
        self._first = serving
        share = settings.share if settings.share is not None else _OF_SHADOW if settings.shadow else _SHARE
        self._share = Share(share, release.id)
        self.about = OtherInfo(release=release.id, share=share, shadow=settings.shadow)
        self.shadow: Shadow | None = None
        if settings.shadow:
            self.shadow = Shadow(release, self._served, log_queries=settings.log_queries, board=board)
        self._serving = Serving(settings=settings)
        self._serving.swap(release)

    def beside(self, make: Callable[[Serving], ASGIApp], *, understands: bool = False) -> ASGIApp:
        """Return the application of one route, asked by both.

        Args:
            make: Makes it for what is served.
            understands: Whether it answers with understandings; others are not asked in shadow.
        """
        first = make(self._first)
        if self.shadow is not None:
            return _Shadowed(first, self._share, self.shadow, self._settings) if understands else first
        return _Split(first, make(self._serving), self._share, self._settings)

    def close(self) -> None:
        """Let the second release go."""
        if self.shadow is not None:
            self.shadow.close()
        self._serving.close()

    def _served(self) -> str:
        release = self._first.release
        return "" if release is None else release.id


class _Split:
    """Asks one of two applications, always the same one for a client."""

    def __init__(self, first: ASGIApp, second: ASGIApp, share: Share, settings: Settings) -> None:
        self._first = first
        self._second = second
        self._share = share
        self._most = settings.max_batch_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client, again = await _client_of(scope, receive, self._most)

        async def varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", _CLIENT)]
            await send(message)

        await (self._second if self._share.has(client) else self._first)(scope, again, varying)


class _Shadowed:
    """Keeps what is answered to a share of the clients, for the other release to be asked the same."""

    def __init__(self, app: ASGIApp, share: Share, shadow: Shadow, settings: Settings) -> None:
        self._app = app
        self._share = share
        self._shadow = shadow
        self._most = settings.max_batch_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client, again = await _client_of(scope, receive, self._most)
        if not self._share.has(client):
            await self._app(scope, again, send)
            return
        answered = False

        async def kept(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"] == 200
            elif answered:
                self._shadow.offer(message["body"])
            await send(message)

        await self._app(scope, again, kept)


async def _client_of(scope: Scope, receive: Receive, most: int) -> tuple[bytes, Receive]:
    """Return who asks, and what to read the request from now: the client's id, else the query, else all that it sent.

    So a client that says who it is sees one release, and any other sees one release a query.
    """
    for name, value in scope["headers"]:
        if name == _CLIENT:
            return value, receive
    messages: deque[Message] = deque()
    size = 0
    while scope["method"] == "POST":
        messages.append(message := await receive())
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body") or size > most:
            break
    sent = b"".join(message.get("body", b"") for message in messages)

    async def again() -> Message:
        return messages.popleft() if messages else await receive()

    return _text_of(sent if scope["method"] == "POST" else scope["query_string"]), again


def _text_of(sent: bytes) -> bytes:
    query: Any = None
    try:
        query = json.loads(sent).get("query")
    except (ValueError, AttributeError, RecursionError):
        query = parse_qs(sent.decode("utf-8", "replace")).get("q", [None])[0] if sent.startswith(b"q=") else None
    if not isinstance(query, str) or work_of(query) > MOST_SENT:
        return sent
    return normalise(query).encode("utf-8", "surrogatepass")


def open_other(
    settings: Settings,
    *,
    beside: Path | None,
    shop: str | None,
    load_retriever: LoadRetriever | None = None,
    verify: bool = True,
) -> Release | None:
    """Open the second release that the settings name, or return None where they name none.

    Args:
        settings: ``other`` is the folder of a release, or the name of one beside the first.
        beside: The folder of the first one.
        shop: Of the first one.
        load_retriever: As `release.open_release` takes it.
        verify: As `release.open_release` takes it.

    Raises:
        ReleaseError: as `release.open_release`, and where it is of another shop.
    """
    if settings.other is None:
        return None
    named = Path(settings.other)
    folder = beside / named if beside is not None and len(named.parts) == 1 and not named.exists() else named
    release = open_release(folder, load_retriever=load_retriever, verify=verify, provider=settings.provider)
    if shop not in (None, release.manifest.shop):
        release.close()
        raise ReleaseError(f"{release.id} is of the shop {release.manifest.shop!r}, and {shop!r} is served")
    return release
