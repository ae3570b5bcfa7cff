"""`stages.json`: which stages have finished, from which inputs, and what they reported."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from typing import Any

from domain.files import replace_atomically
from domain.shop import Shop

__all__ = ["begin", "digest", "done", "inputs_of", "is_done", "report_of"]

_VERSION = version("querywise")


def digest(*parts: Any) -> str:
    """Return one digest of whatever decides the result of a stage."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def begin(shop: Shop, stage: str) -> None:
    """Note that what a stage made is about to change, so that nobody takes it for whole if this is cut short."""
    marks = _read(shop)
    if marks.pop(stage, None) is not None:
        _write(shop, marks)


def done(shop: Shop, stage: str, inputs: str, report: dict[str, Any]) -> None:
    """Note that a stage has finished."""
    _write(shop, _read(shop) | {stage: {"version": _VERSION, "inputs": inputs, "report": report}})


def is_done(shop: Shop, stage: str, inputs: str) -> bool:
    """Whether a stage has finished from these inputs, and was the last to change what it makes."""
    return inputs_of(shop, stage) == inputs


def inputs_of(shop: Shop, stage: str) -> str | None:
    """Return the digest of what a finished stage was made from; None where it has not, or another version made it."""
    mark = _read(shop).get(stage, {})
    found: str | None = mark.get("inputs") if mark.get("version") == _VERSION else None
    return found


def report_of(shop: Shop, stage: str) -> dict[str, Any]:
    """Return what a finished stage reported."""
    found: dict[str, Any] = _read(shop).get(stage, {}).get("report", {})
    return found


def _read(shop: Shop) -> dict[str, Any]:
    path = shop.work / "stages.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        # What is not known to be done is done again.
        return {}
    return found


def _write(shop: Shop, stages: dict[str, Any]) -> None:
    with replace_atomically(shop.work / "stages.json") as file:
        file.write(json.dumps(stages, indent=1).encode())
