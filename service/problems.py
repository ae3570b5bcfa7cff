"""Everything that can be wrong with a request, as RFC 9457 problem documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from starlette.responses import Response
from starlette.types import Send

__all__ = ["Kind", "Problem", "ProblemDocument", "from_status", "problem_response", "send_problem"]

Kind = Literal[
    "malformed-json",
    "invalid-encoding",
    "missing-field",
    "unknown-field",
    "invalid-field",
    "query-too-long",
    "too-many-queries",
    "too-many-texts",
    "body-too-large",
    "uri-too-long",
    "unsupported-media-type",
    "not-found",
    "method-not-allowed",
    "no-student",
    "release-refused",
    "fixed-release",
    "not-ready",
    "internal-error",
    "refused",
    "unauthorized",
    "forbidden",
    "too-many-requests",
    "head-too-large",
    "request-timeout",
    "malformed-request",
    "overloaded",
]

# Text that cannot be read is 400; text that reads well and asks for the wrong thing is 422.
_KINDS: dict[Kind, tuple[int, str]] = {
    "malformed-json": (400, "The body is not valid JSON"),
    "invalid-encoding": (400, "The text is not valid UTF-8"),
    "missing-field": (422, "A field is missing"),
    "unknown-field": (422, "A field is unknown"),
    "invalid-field": (422, "A field is invalid"),
    "query-too-long": (422, "The query is too long"),
    "too-many-queries": (422, "The batch has too many queries"),
    "too-many-texts": (422, "There are too many texts"),
    "body-too-large": (413, "The body is too large"),
    "uri-too-long": (414, "The address is too long"),
    "unsupported-media-type": (415, "The body is not JSON"),
    "not-found": (404, "There is nothing at this address"),
    "method-not-allowed": (405, "The method is not allowed here"),
    # Nothing is wrong with the request: it conflicts with what is being served, and another release could answer it.
    "no-student": (409, "The release has no student"),
    "release-refused": (409, "The release cannot be served"),
    "fixed-release": (409, "The service does not follow releases"),
    "not-ready": (503, "No release is loaded"),
    "internal-error": (500, "The service failed"),
    "refused": (400, "The request was refused"),
    "unauthorized": (401, "The key is missing"),
    "forbidden": (403, "The key does not open this"),
    "too-many-requests": (429, "There are too many requests"),
    "head-too-large": (431, "The head of the request is too large"),
    "request-timeout": (408, "The request came too slowly"),
    "malformed-request": (400, "The request is not valid HTTP"),
    "overloaded": (503, "The service is overloaded"),
}
_BY_STATUS: dict[int, Kind] = {
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    500: "internal-error",
}
_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, kw_only=True)
class ProblemDocument:
    """What is wrong with a request (RFC 9457); ``field`` is the field, parameter or part that is, where one is."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None


class Problem(Exception):
    """A request that is refused.

    Args:
        kind: One of a closed set, which gives type, title and status.
        detail: One sentence on this occurrence. May quote the client.
        field: The field that is wrong, such as ``query`` or ``queries[3]``.
        allow: For ``method-not-allowed``: the methods that are.
        headers: Further ones of the answer, their names in lower case.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        field: str | None = None,
        allow: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.field = field
        self.allow = allow
        self.headers = dict(headers or {})
        if allow:
            self.headers["allow"] = allow
        if self.status == HTTPStatus.UNAUTHORIZED:
            self.headers["www-authenticate"] = "Bearer"  # RFC 9110 has it named

    @property
    def status(self) -> int:
        """The HTTP status."""
        return _KINDS[self.kind][0]

    def document(self) -> bytes:
        """Return the problem document. ASCII only: what it quotes may have no form in UTF-8."""
        status, title = _KINDS[self.kind]
        members = {"type": f"urn:querywise:problem:{self.kind}", "title": title, "status": status}
        return json.dumps(members | {"detail": self.detail, "field": self.field}).encode()


def from_status(status: int, detail: str, *, allow: str | None = None) -> Problem:
    """Return the problem for a status that the framework chose."""
    kind = _BY_STATUS.get(status, "internal-error" if status >= 500 else "refused")
    if detail == HTTPStatus(status).phrase:
        detail = f"{_KINDS[kind][1]}."
    return Problem(kind, detail, allow=allow)


def problem_response(problem: Problem) -> Response:
    """Return a problem as a Starlette response."""
    return Response(problem.document(), problem.status, problem.headers, _MEDIA_TYPE)


async def send_problem(send: Send, problem: Problem) -> None:
    """Send a problem as plain ASGI messages."""
    body = problem.document()
    headers = [(b"content-type", _MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    headers.append((b"x-content-type-options", b"nosniff"))
    headers += [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
