"""Compiles the hand-written labels of ``sources/gold.txt`` into ``gold.jsonl``: ``python -m demo.gold``.

A line is ``marked query | categories | acceptable | specificity | rewrites``. The marks are the annotations:
``[1%:a=1% fat] [milk:p]``. Categories are leaf names or as much of their beginning as is unique.
"""

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from demo import SOURCES
from demo.behaviour import Behaviour, read_behaviour
from demo.catalogue import categories_of
from demo.logs import make_logs
from demo.specs import read_leaves

GOLD = Path(__file__).parent / "gold.jsonl"

_TYPES = {
    "p": "product_type",
    "b": "brand",
    "a": "attribute",
    "d": "dietary",
    "s": "size",
    "c": "color",
    "m": "material",
    "u": "audience",
    "o": "occasion",
}
_SPECIFICITY = {"B": "broad", "C": "category", "S": "specific", "N": "navigational"}
_MARK = re.compile(r"\[(?P<text>[^:\]]+):(?P<type>\w)(?:=(?P<value>[^\]]+))?\]")
_HEAD, _TORSO = 0.5, 0.8


@dataclass(frozen=True, kw_only=True)
class _Marked:
    query: str
    annotations: list[dict[str, object]]


def compile_gold() -> list[dict[str, object]]:
    """The rows of ``gold.jsonl``, in sheet order.

    Raises:
        ValueError: A category is unknown or ambiguous, or a query is not one that shoppers make.
    """
    leaves = read_leaves(SOURCES / "catalogue")
    known = {leaf.name for leaf in leaves}
    ids = {row.name: row.category_id for row in categories_of(leaves) if row.name in known}
    behaviour = {row.query: row for row in read_behaviour()}
    tiers = _tiers()
    rows: list[dict[str, object]] = []
    for line in (SOURCES / "gold.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        cells = [*(cell.strip() for cell in line.split("|")), "", "", "", ""]
        marked = _unmark(cells[0])
        if marked.query not in behaviour:
            raise ValueError(f"nobody searches {marked.query!r}")
        rows.append(
            {
                "query": marked.query,
                "categories": [ids[_leaf(name, known)] for name in _items(cells[1])],
                "acceptable": [ids[_leaf(name, known)] for name in _items(cells[2])],
                "specificity": _SPECIFICITY[cells[3]] if cells[3] else _default_specificity(marked),
                "annotations": marked.annotations,
                "rewrites": [_rewrite(item) for item in _items(cells[4])],
                "kind": _slice(behaviour[marked.query], tiers),
                "rater": "demo",
            }
        )
    return rows


def _items(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(";") if item.strip()]


def _leaf(name: str, known: set[str]) -> str:
    if name in known:
        return name
    found = [leaf for leaf in known if leaf.startswith(name)]
    if len(found) != 1:
        raise ValueError(f"{name!r} is the beginning of {len(found)} leaves: {sorted(found)}")
    return found[0]


def _unmark(marked: str) -> _Marked:
    query, end, annotations = "", 0, []
    for mark in _MARK.finditer(marked):
        query += marked[end : mark.start()]
        start, end = len(query), mark.end()
        query += mark["text"]
        annotations.append(
            {
                "text": mark["text"],
                "start": start,
                "end": len(query),
                "type": _TYPES[mark["type"]],
                "value": mark["value"] or mark["text"],
            }
        )
    return _Marked(query=query + marked[end:], annotations=annotations)


def _default_specificity(marked: _Marked) -> str:
    return "category" if all(one["type"] == "product_type" for one in marked.annotations) else "specific"


def _rewrite(item: str) -> dict[str, str]:
    kind, _, query = item.partition(":")
    return {"query": query, "type": kind}


def _tiers() -> dict[str, str]:
    """Head, torso or tail of every query by its share of the default log, shoppers only."""
    typed = make_logs().queries.filter(pl.col("application") != "internal-qa")["user_query"].to_list()
    counts = Counter(" ".join(text.lower().strip(" .,").split()) for text in typed)
    total, before, tiers = counts.total(), 0, {}
    for query, count in counts.most_common():
        tiers[query] = "head" if before < _HEAD * total else "torso" if before < _TORSO * total else "tail"
        before += count
    return tiers


def _slice(row: Behaviour, tiers: dict[str, str]) -> str:
    if row.departs:
        return "departs"
    return tiers[row.query] if row.kind in ("ordinary", "navigational") else row.kind


def write_gold(path: Path = GOLD) -> int:
    """Write the labels; returns how many."""
    rows = compile_gold()
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return len(rows)


if __name__ == "__main__":
    sys.stdout.write(f"{write_gold()} labelled queries\n")
