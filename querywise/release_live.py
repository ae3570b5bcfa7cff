"""`release diff --live`: what a running service found its second release to say otherwise."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any, Final

from pydantic import ValidationError

from domain.errors import UserError
from service.split.shadow import Differences, differences_adapter

__all__ = ["KEY_VARIABLE", "live_differences", "say_live"]

KEY_VARIABLE: Final = "QUERYWISE_KEY"
"""Environment variable with an admin key of the service: what is typed stays in a shell's history."""

_PATH: Final = "/v1/admin/differences"
_MOST: Final = 1 << 20
_SECONDS: Final = 10


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key goes to the address that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def live_differences(url: str) -> Differences:
    """Ask a service what its second release says otherwise.

    Args:
        url: Of the service, such as ``http://127.0.0.1:8080``.

    Raises:
        UserError: where it cannot be reached, refuses, or is no service with a release in shadow.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url} is no http address", hint="such as http://127.0.0.1:8080")
    key = os.environ.get(KEY_VARIABLE)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    address = url.rstrip("/") + _PATH
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(urllib.request.Request(address, headers=headers), timeout=_SECONDS) as answer:
            return differences_adapter.validate_json(answer.read(_MOST))
    except urllib.error.HTTPError as error:
        with error:
            raise UserError(f"{address}: {_detail_of(error)}", hint=f"the key is read from {KEY_VARIABLE}") from None
    except ValidationError:
        raise UserError(
            f"{address} does not answer as a service of Querywise", hint="name the service itself"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UserError(f"{address} cannot be reached: {reason}", hint="is the service running there?") from None


def _detail_of(error: urllib.error.HTTPError) -> str:
    try:
        detail = json.loads(error.read(_MOST))["detail"]
    except (ValueError, KeyError, TypeError):
        detail = None
    return detail if isinstance(detail, str) else f"status {error.code}"


def say_live(found: Differences) -> None:
    """Print what was found."""
    share = f" ({found.differing / found.compared:.1%})" if found.compared else ""
    lines = [
        f"served {found.release or 'nothing yet'}, in its shadow {found.other}",
        f"{found.compared:,} answers compared, {found.differing:,} differ{share}, {found.dropped:,} not compared",
        *(f"  {kind:<12} {count:,}" for kind, count in found.kinds.items()),
    ]
    for one in found.examples:
        first, second = ("+".join(ids) or "none" for ids in one.categories)
        query = "" if one.query is None else f"  {one.query}"
        ways = ", ".join(one.kinds)
        lines.append(f"{ways:<36} {one.sources[0]} {first} -> {one.sources[1]} {second}{query}")
    sys.stdout.write("\n".join(lines) + "\n")
