"""A comparison as one HTML file that asks no network and runs no script but its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.errors import QuerywiseError
from domain.files import replace_atomically
from evals.agreement import AGREEMENT
from evals.comparison import Comparison, comparison_json
from evals.measures import MEASURES
from evals.sides import Exchange, Side
from evals.verdict import headline, remarks

__all__ = ["to_page", "write_page"]

_STATIC = Path(__file__).parent / "static"


def to_page(comparison: Comparison, a: Side, b: Side) -> str:
    """Render a comparison with the prompts and completions of its sides.

    All text is data in the page: its own script sets it as text. The policy in the page's head names the hash of that
    script and of the style sheet, so that markup which came in through a query would still run nothing.

    Raises:
        QuerywiseError: the sides are not those of the comparison.
    """
    if not len(comparison.compared) == len(a.outcomes) == len(b.outcomes):
        raise QuerywiseError("the sides are not those of the comparison")
    style, script = ((_STATIC / f"comparison.{kind}").read_text("utf-8") for kind in ("css", "js"))
    data = {
        "headline": headline(comparison),
        "remarks": remarks(comparison),
        "measures": MEASURES,
        "agreement": AGREEMENT,
    }
    parts = {
        "policy": f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'",
        "title": html.escape(f"{comparison.a.name} and {comparison.b.name} compared"),
        "headline": html.escape(headline(comparison)),
        "style": style,
        "script": script,
        "data": _inert(f'{json.dumps(data)[:-1]}, "comparison": {comparison_json(comparison)}}}'),
        "exchanges": base64.b64encode(_packed(a, b)).decode("ascii"),
    }
    template = (_STATIC / "comparison.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def write_page(path: Path, comparison: Comparison, a: Side, b: Side) -> None:
    """Write a comparison as an HTML file, whole or not at all."""
    page = to_page(comparison, a, b).encode("utf-8", "replace")
    with replace_atomically(path) as file:
        file.write(page)


def _inert(data: str) -> str:
    """Return JSON that no HTML parser takes for the end of its script element, or for a comment."""
    return data.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _packed(a: Side, b: Side) -> bytes:
    """Return the exchanges of both sides as compressed JSON in which every text stands once."""
    places: dict[str, int] = {}

    def place(text: str) -> int:
        return places.setdefault(text, len(places))

    def described(exchanges: Sequence[Exchange]) -> list[dict[str, Any]]:
        return [
            {
                "title": exchange.title,
                "messages": [[message["role"], place(message["content"])] for message in exchange.messages],
                "completion": None if exchange.completion is None else place(exchange.completion),
            }
            for exchange in exchanges
        ]

    of = {name: [described(outcome.exchanges) for outcome in side.outcomes] for name, side in (("a", a), ("b", b))}
    return gzip.compress(json.dumps({"of": of, "texts": list(places)}).encode("ascii"), mtime=0)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
