"""How a client asks, and what a single call may set otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict
from urllib.parse import quote

import httpx

from querywise_client.errors import InvalidCall, QuerywiseError

__all__ = ["ApiKey", "CallOptions", "OnError", "Options", "Settings", "base_address"]

OnError = Literal["raise", "empty"]
"""What becomes of a call that has no answer: its error, or an empty answer to go on with."""

ApiKey = str | Callable[[], str]
"""A key; or what returns it, asked at every request, so that a key can change while the program runs."""

_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What holds for all calls of a client; `querywise_client.Client` says what each means."""

    api_key: ApiKey | None
    timeout: float
    connect_timeout: float
    batch_timeout: float
    retries: int
    on_error: OnError
    on_failure: Callable[[QuerywiseError], object] | None
    headers: Mapping[str, str]
    cache_size: int
    pause_after: int
    pause_seconds: float

    def __post_init__(self) -> None:
        times = (self.timeout, self.connect_timeout, self.batch_timeout, self.pause_seconds)
        if not all(0 < seconds < float("inf") for seconds in times):
            raise InvalidCall("A time is a positive number of seconds.")
        if min(self.retries, self.cache_size, self.pause_after) < 0:
            raise InvalidCall("A count is not negative.")
        if self.on_error not in ("raise", "empty"):
            raise InvalidCall("on_error is 'raise' or 'empty'.")


class CallOptions(TypedDict, total=False):
    """What any call may set for itself, by name.

    Attributes:
        client_id: The shopper's browser or device; where traffic is split between releases, it stays with one. What no
            header may hold is percent-encoded, here and in `request_id`.
        request_id: The id under which the service logs the request.
        headers: Sent with this request, such as those of a trace.
        timeout: Seconds, in place of the client's own.
        on_error: In place of the client's own.
    """

    client_id: str | None
    request_id: str | None
    headers: Mapping[str, str] | None
    timeout: float | None
    on_error: OnError | None


@dataclass(frozen=True, kw_only=True)
class Options:
    """`CallOptions` as one call has them."""

    client_id: str | None = None
    request_id: str | None = None
    headers: Mapping[str, str] | None = None
    timeout: float | None = None
    on_error: OnError | None = None

    def request_headers(self, settings: Settings, *, has_body: bool) -> httpx.Headers:
        """Return the headers of a request.

        Raises:
            InvalidCall: where a name or value cannot be a header, or the key is not text.
        """
        key = settings.api_key() if callable(settings.api_key) else settings.api_key
        if settings.api_key is not None and not isinstance(key, str):
            raise InvalidCall("The API key, or what its function returned, is not text.")
        try:
            headers = httpx.Headers(settings.headers)
            headers.update(self.headers or {})
            # Answers are small and the way is short: packing them would cost more than it saves.
            headers.update({"accept": "application/json, application/problem+json", "accept-encoding": "identity"})
            if has_body:
                headers["content-type"] = "application/json"
            if self.client_id:
                headers["x-client-id"] = quote(self.client_id, safe=_VISIBLE)
            if self.request_id:
                headers["x-request-id"] = quote(self.request_id, safe=_VISIBLE)
            if key is not None:
                headers["authorization"] = f"Bearer {key}"
        except (UnicodeEncodeError, AttributeError, TypeError):
            # Without its cause, which would quote the key.
            raise InvalidCall("A header is not text in ASCII.") from None
        if any(char in value for value in headers.values() for char in "\r\n\0"):
            raise InvalidCall("A header has characters that no header may have.")
        return headers


def base_address(base_url: str) -> str:
    """Return an address to which a path can be added.

    Raises:
        InvalidCall: where it is no HTTP address, or more than one.
    """
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError) as error:
        raise InvalidCall("The base URL is not an address.") from error
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment or url.userinfo:
        raise InvalidCall("The base URL is http or https, a host, and perhaps a port and a path; keys go into api_key.")
    return str(url).rstrip("/")
