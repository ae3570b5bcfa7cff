"""Decisions of a review as gold: the lines that an evaluation reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from domain.errors import UserError
from domain.files import replace_atomically
from domain.reviews import Decision

__all__ = ["KIND", "write_gold"]

KIND: Final = "disagreement"
"""The slice that exported labels are in: these queries were chosen because systems differ, and are no random sample."""


def write_gold(path: Path, decisions: Iterable[Decision]) -> int:
    """Write decisions as gold lines, whole or not at all, and return how many.

    There is one line for each query and rater. The line that settles a query comes before the others on it, since the
    first line of a query is the one that is scored.

    Raises:
        UserError: when the file holds anything else than such lines, so that no other labels are overwritten.
    """
    if path.exists() and not all(map(_is_ours, path.read_bytes().splitlines())):
        raise UserError(f"{path} holds labels that are not of this review", hint="export to another file")
    ranked = sorted(decisions, key=lambda d: (d.query, not d.adjudicates, d.time))
    lines: dict[tuple[str, str], bytes] = {}
    for decision in ranked:
        lines.setdefault((decision.query, decision.rater), _gold_line(decision))
    with replace_atomically(path) as file:
        file.writelines(lines.values())
    return len(lines)


def _gold_line(decision: Decision) -> bytes:
    row = {
        "query": decision.query,
        "categories": decision.categories,
        "acceptable": decision.acceptable,
        "specificity": decision.specificity,
        "kind": KIND,
        "rater": decision.rater,
        "time": decision.time.isoformat(),
        "reason": decision.reason,
    }
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _is_ours(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and row.get("kind") == KIND and "time" in row
