"""Every error that a call raises on purpose, in one tree.

QuerywiseError
├── InvalidCall               no request can be made of what was given; a mistake in the program (also a ValueError)
│   └── ClientClosed          the client was closed before
├── Unavailable               nobody answered
│   ├── Timeout               not within the time that the call has (also a TimeoutError)
│   ├── ConnectionFailed      no connection, or one that broke (also a ConnectionError)
│   └── Paused                the last calls found nobody, so this one did not ask
├── BadAnswer                 something answered, and it was not a Querywise service
└── ApiError                  the service refused: `kind`, `status`, `detail` and `field` say what and why
    ├── Unauthorized          401: no key
    ├── Forbidden             403: a key that is not known, or may not do this
    ├── TooManyRequests       429: more than the key may ask; `retry_after` says when again
    └── ServiceUnavailable    502, 503 or 504: overloaded, stopping, or without a release; `retry_after` alike
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

__all__ = [
    "ApiError",
    "BadAnswer",
    "ClientClosed",
    "ConnectionFailed",
    "Forbidden",
    "InvalidCall",
    "Paused",
    "QuerywiseError",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "api_error",
]

_PROBLEM: Final = "urn:querywise:problem:"


class QuerywiseError(Exception):
    """The root of all errors raised on purpose. No message holds a query or a key."""


class InvalidCall(QuerywiseError, ValueError):
    """No request can be made of what was given."""


class ClientClosed(InvalidCall):
    """The client was closed before."""


class Unavailable(QuerywiseError):
    """Nobody answered."""


class Timeout(Unavailable, TimeoutError):
    """No answer came within the time that the call has."""


class ConnectionFailed(Unavailable, ConnectionError):
    """There was no connection to the service, or it broke before the answer was whole."""


class Paused(Unavailable):
    """The last calls found nobody, so this one did not ask; one call in a while does."""


class BadAnswer(QuerywiseError):
    """Something answered, and it was not a Querywise service, or not to what was asked."""


class ApiError(QuerywiseError):
    """The service refused the request; the attributes are those of its problem document (RFC 9457).

    Attributes:
        type: What is wrong, as a URI; ``about:blank`` where something in between answered.
        title: The same in words.
        status: The HTTP status.
        detail: One sentence on this occurrence. It may quote what was sent, so it is not part of the message.
        field: The field, parameter or part that is wrong, where one is.
        retry_after: Seconds after which to ask again, where the service said so.
        request_id: The id under which the service knows the request, where it said so.
    """

    def __init__(
        self,
        *,
        type: str,
        title: str,
        status: int,
        detail: str = "",
        field: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{status} {title}" + (f" ({field})" if field else ""))
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
        self.request_id = request_id

    @property
    def kind(self) -> str:
        """The last part of ``type``, such as ``query-too-long``."""
        return self.type.removeprefix(_PROBLEM)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), **self.__dict__), ()


class Unauthorized(ApiError):
    """The service asks for a key and was given none."""


class Forbidden(ApiError):
    """The key is not known, or may not do this."""


class TooManyRequests(ApiError):
    """The key asks more than it may."""


class ServiceUnavailable(ApiError):
    """The service is overloaded, stopping, or has no release; or a proxy cannot reach it."""


_BY_STATUS: Final[dict[int, type[ApiError]]] = {
    401: Unauthorized,
    403: Forbidden,
    429: TooManyRequests,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}


def api_error(*, status: int, **members: Any) -> ApiError:
    """Return the error for a status, with the members that `ApiError` takes."""
    return _BY_STATUS.get(status, ApiError)(status=status, **members)
