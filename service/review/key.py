"""The key that a review asks of every request."""

from __future__ import annotations

import secrets

from starlette.requests import Request

from service.problems import Problem

__all__ = ["check_key"]


def check_key(request: Request, key: str) -> None:
    """Check the header ``Authorization: Bearer KEY``, in a time that tells nothing of the key.

    A browser sends no such header on its own, so a page of another site can write nothing here.

    Raises:
        Problem: when there is no key (401) or another one (403).
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Problem(
            "unauthorized",
            "Send the key that `querywise review` printed, as Authorization: Bearer KEY.",
            field="authorization",
        )
    # Header values are Latin-1; digests of text compare only as ASCII, so bytes it is.
    if not secrets.compare_digest(given.strip().encode(), key.encode()):
        raise Problem(
            "forbidden", "This is not the key of this service; it may have been started again.", field="authorization"
        )
