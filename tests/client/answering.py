"""Responses of a server in a test, as bytes."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["problem", "response", "understanding"]


def response(body: bytes = b"", status: int = 200, **headers: str) -> bytes:
    """An HTTP response; in the names of headers ``_`` stands for a hyphen."""
    lines = [f"HTTP/1.1 {status} Any", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def understanding(query: str, **more: Any) -> bytes:
    """The response to ``/v1/understand``, with any further fields."""
    fields = {"query": query, "normalized": query, "source": "head", "reason": "precomputed", "release": "r1"}
    return response(json.dumps(fields | more).encode(), content_type="application/json")


def problem(status: int, kind: str, field: str | None = None, **headers: str) -> bytes:
    """A problem document."""
    document = {
        "type": f"urn:querywise:problem:{kind}",
        "title": "No",
        "status": status,
        "detail": "Not.",
        "field": field,
    }
    return response(json.dumps(document).encode(), status, content_type="application/problem+json", **headers)
