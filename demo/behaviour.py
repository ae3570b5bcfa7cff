"""What the simulated shoppers mean by each query: ``behaviour.jsonl``, which only the log generator reads."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

BEHAVIOUR = Path(__file__).parent / "behaviour.jsonl"

Kind = Literal["ordinary", "typo", "zero_result", "out_of_domain", "navigational"]
Conversion = Literal["high", "mid", "low"]


@dataclass(frozen=True, kw_only=True)
class Need:
    """A share of a query's shoppers and what they would buy: a leaf, narrowed to a brand or to title words if given."""

    category: str
    share: float
    brand: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Next:
    """A query that follows in the same session, and how often."""

    query: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """One query. `drift` are the needs of the log's last `drift_days` days where they differ from the needs before."""

    query: str
    rank: int
    kind: Kind
    conversion: Conversion
    sold: bool
    needs: tuple[Need, ...] = ()
    next: tuple[Next, ...] = ()
    departs: bool = False
    why: str = ""
    drift_days: int = 0
    drift: tuple[Need, ...] = ()


def read_behaviour(path: Path = BEHAVIOUR) -> list[Behaviour]:
    """All queries in rank order."""
    with path.open(encoding="utf-8") as lines:
        return [_from_row(json.loads(line)) for line in lines]


def write_behaviour(rows: list[Behaviour], path: Path = BEHAVIOUR) -> None:
    """Write `rows` one a line, leaving out what is empty."""
    text = "".join(json.dumps(_to_row(row), ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def _from_row(row: dict[str, Any]) -> Behaviour:
    if row["kind"] not in get_args(Kind) or row["conversion"] not in get_args(Conversion):
        raise ValueError(f"unknown kind or conversion level in the behaviour of {row['query']!r}")
    drift = row.pop("drift", None)
    return Behaviour(
        **{
            **row,
            "needs": tuple(_need(need) for need in row.get("needs", [])),
            "next": tuple(Next(query=one["query"], probability=one["p"]) for one in row.get("next", [])),
            "drift": tuple(_need(need) for need in drift["needs"]) if drift else (),
            "drift_days": drift["days"] if drift else 0,
        }
    )


def _need(row: dict[str, Any]) -> Need:
    return Need(**{**row, "words": tuple(row.get("words", []))})


def _to_row(behaviour: Behaviour) -> dict[str, Any]:
    row: dict[str, Any] = {
        "query": behaviour.query,
        "rank": behaviour.rank,
        "kind": behaviour.kind,
        "conversion": behaviour.conversion,
        "sold": behaviour.sold,
    }
    if behaviour.departs:
        row |= {"departs": True, "why": behaviour.why}
    if behaviour.needs:
        row["needs"] = [_need_row(need) for need in behaviour.needs]
    if behaviour.drift:
        row["drift"] = {"days": behaviour.drift_days, "needs": [_need_row(need) for need in behaviour.drift]}
    if behaviour.next:
        row["next"] = [{"query": one.query, "p": one.probability} for one in behaviour.next]
    return row


def _need_row(need: Need) -> dict[str, Any]:
    row: dict[str, Any] = {"category": need.category, "share": need.share}
    if need.brand:
        row["brand"] = need.brand
    if need.words:
        row["words"] = list(need.words)
    return row
