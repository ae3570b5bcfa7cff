"""The key that a review asks of every request."""

from __future__ import annotations

import json
import secrets
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from service.problems import Problem, problem_response

__all__ = ["Denied", "check_key", "denied_response"]


class Denied(Problem):
    """A request without the key, or with another one."""

    def __init__(self, kind: Literal["unauthorized", "forbidden"], detail: str) -> None:
        super().__init__("refused", detail, field="authorization")
        self._denied: Literal["unauthorized", "forbidden"] = kind

    @property
    def status(self) -> int:
        """The HTTP status."""
        return 401 if self._denied == "unauthorized" else 403

    def document(self) -> bytes:
        """Return the problem document."""
        title = "The key is missing" if self._denied == "unauthorized" else "The key is wrong"
        members = {"type": f"urn:querywise:problem:{self._denied}", "title": title, "status": self.status}
        return json.dumps(members | {"detail": self.detail, "field": self.field}).encode()


def check_key(request: Request, key: str) -> None:
    """Check the header ``Authorization: Bearer KEY``, in a time that tells nothing of the key.

    A browser sends no such header on its own, so a page of another site can write nothing here.

    Raises:
        Denied: when there is no key (401) or another one (403).
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Denied("unauthorized", "Send the key that `querywise review` printed, as Authorization: Bearer KEY.")
    # Header values are Latin-1; digests of text compare only as ASCII, so bytes it is.
    if not secrets.compare_digest(given.strip().encode(), key.encode()):
        raise Denied("forbidden", "This is not the key of this service; it may have been started again.")


def denied_response(denied: Denied) -> Response:
    """Return the refusal; RFC 9110 has 401 name the scheme."""
    response = problem_response(denied)
    if denied.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response
