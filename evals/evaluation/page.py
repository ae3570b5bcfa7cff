"""An evaluation as one HTML file that asks no network; it is whole without its script, which only finds queries."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from pathlib import Path
from typing import Final

from domain.files import replace_atomically
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import headline
from evals.evaluation.markup import element, joined
from evals.evaluation.sections import (
    calibration_section,
    checks_section,
    consistency_section,
    differences_section,
    judges_section,
    lineage_section,
    queries_section,
    replay_section,
    summary,
    systems_section,
    terms_section,
)
from evals.evaluation.words import plain

__all__ = ["to_page", "write_page"]

_STATIC: Final = Path(__file__).parents[1] / "static"

_PARTS: Final = {
    "checks": "Checks",
    "differences": "Better and worse",
    "changed": "Queries",
    "replay": "In a search",
    "consistency": "Consistency",
    "judges": "Judges",
    "calibration": "Confidences",
    "systems": "Systems",
    "lineage": "Cost and lineage",
    "words": "Words",
}


def to_page(evaluation: Evaluation) -> str:
    """Render an evaluation: the verdict first, then what it rests on; long lists are cut, and the JSON has all.

    All text of shoppers and models is escaped, and the policy in the page's head lets nothing but the page's own style
    sheets and script do anything.
    """
    styles = ((_STATIC / name).read_text("utf-8") for name in ("comparison.css", "evaluation.css"))
    style, script = "\n".join(styles), (_STATIC / "evaluation.js").read_text("utf-8")
    links = (element("a", name, href=f"#{key}") for key, name in _PARTS.items())
    sections = (
        checks_section,
        differences_section,
        queries_section,
        replay_section,
        consistency_section,
        judges_section,
        calibration_section,
        systems_section,
        lineage_section,
    )
    parts = {
        "policy": f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'",
        "title": html.escape(f"{evaluation.decision.verdict}: release {plain(evaluation.candidate)}"),
        "description": html.escape(headline(evaluation.decision).sentence),
        "style": style,
        "script": script,
        "summary": summary(evaluation),
        "links": joined(links, " "),
        "sections": joined([*(render(evaluation) for render in sections), terms_section()], "\n"),
    }
    template = (_STATIC / "evaluation.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def write_page(path: Path, evaluation: Evaluation) -> None:
    """Write an evaluation as an HTML file, whole or not at all."""
    page = to_page(evaluation).encode("utf-8", "replace")
    with replace_atomically(path) as file:
        file.write(page)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
