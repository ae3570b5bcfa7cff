"""Writes a simulated UBI 1.3 log of the demo shop: ``python -m demo.logs OUT_DIR``.

The same seed and number of searches give the same rows. numpy and Polars only.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from demo.behaviour import Behaviour, read_behaviour
from demo.clicks import Clicks, draw_clicks, draw_variants
from demo.engine import Ints, build_engine
from demo.products import read_products
from demo.sessions import Searches, draw_searches, end_milliseconds
from demo.shelves import build_shelves, pages_of
from demo.strangers import Stranger, crawlers, internal_testers
from demo.typing_noise import as_typed

_STRANGERS = 0.025
_APPLICATIONS = ("web", "ios", "android")
_MILLISECONDS_A_DAY = 86_400_000
_EVENT_ATTRIBUTES = pl.Struct(
    {
        "object": pl.Struct({"object_id": pl.String, "object_id_field": pl.String}),
        "position": pl.Struct({"ordinal": pl.Int64}),
    }
)


@dataclass(frozen=True, kw_only=True)
class LogCounts:
    """Rows written: searches, and events by action."""

    searches: int
    clicks: int
    add_to_carts: int
    purchases: int


@dataclass(frozen=True, kw_only=True)
class _Log:
    queries: pl.DataFrame
    events: pl.DataFrame


def write_logs(out: Path, *, seed: int = 7, searches: int = 200_000) -> LogCounts:
    """Write ``ubi_queries.parquet`` and ``ubi_events.parquet`` into `out`, which is made if it is not there."""
    log = make_logs(seed=seed, searches=searches)
    out.mkdir(parents=True, exist_ok=True)
    log.queries.write_parquet(out / "ubi_queries.parquet")
    log.events.write_parquet(out / "ubi_events.parquet")
    actions = log.events["action_name"]
    return LogCounts(
        searches=len(log.queries),
        clicks=int((actions == "click").sum()),
        add_to_carts=int((actions == "add_to_cart").sum()),
        purchases=int((actions == "purchase").sum()),
    )


def make_logs(*, seed: int = 7, searches: int = 200_000) -> _Log:
    """The two frames, without writing them."""
    rng = np.random.default_rng(seed)
    behaviour = read_behaviour()
    products = read_products()
    pages = pages_of(behaviour)
    shelves = build_shelves(pages, build_engine(products), rng)
    strangers = int(searches * _STRANGERS)
    shoppers = draw_searches(behaviour, searches - strangers, rng)
    page = _pages(shoppers, behaviour)
    variant = draw_variants(len(page), rng)
    levels = np.array([one.behaviour.conversion for one in pages])
    clicks = draw_clicks(page, variant, shoppers.session, levels, shelves, rng)
    ids = np.array([product.product_id for product in products], dtype=object)
    queries = _shopper_queries(shoppers, behaviour, shelves.hits[page, variant], ids, rng)
    events = _shopper_events(clicks, shoppers, queries, ids, rng)
    others = crawlers(behaviour, shelves, strangers - strangers // 3, rng)
    others += internal_testers(behaviour, shelves, strangers // 3, rng)
    queries = pl.concat([queries, _stranger_queries(others, ids)])
    events = pl.concat([events, _stranger_events(others, ids)])
    return _Log(
        queries=queries.sort("timestamp", "query_id"),
        events=events.sort("timestamp", "query_id", "action_name", maintain_order=True),
    )


def _pages(searches: Searches, behaviour: list[Behaviour]) -> Ints:
    """The page of each search: the drifted one for a search within the query's last days."""
    page = searches.query.copy()
    drifted = [number for number, row in enumerate(behaviour) if row.drift]
    for offset, number in enumerate(drifted):
        since = end_milliseconds() - behaviour[number].drift_days * _MILLISECONDS_A_DAY
        page[(searches.query == number) & (searches.time >= since)] = len(behaviour) + offset
    return page


def _identifiers(prefix: str, numbers: Ints, salt: int) -> list[str]:
    """Opaque identifiers: a bijection of the number (odd multiplier modulo 2**48), so that order does not show."""
    scrambled = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(salt)) >> np.uint64(16)
    return [f"{prefix}{value:012x}" for value in scrambled.tolist()]


def _shopper_queries(
    searches: Searches, behaviour: list[Behaviour], hits: np.ndarray, ids: np.ndarray, rng: np.random.Generator
) -> pl.DataFrame:
    texts = as_typed([behaviour[number].query for number in searches.query.tolist()], rng)
    applications = np.array(_APPLICATIONS)[rng.choice(3, size=int(searches.client.max()) + 1, p=[0.5, 0.3, 0.2])]
    return _query_frame(
        application=applications[searches.client].tolist(),
        query_id=_identifiers("q", np.arange(len(texts)), 1),
        client_id=_identifiers("u", searches.client, 2),
        session_id=_identifiers("s", searches.session, 3),
        user_query=texts,
        timestamp=searches.time.tolist(),
        hits=[ids[row[row >= 0]].tolist() for row in hits],
    )


def _query_frame(**columns: Sequence[object]) -> pl.DataFrame:
    return pl.DataFrame(
        {"query_response_hit_ids" if name == "hits" else name: values for name, values in columns.items()},
        schema={
            "application": pl.String,
            "query_id": pl.String,
            "client_id": pl.String,
            "session_id": pl.String,
            "user_query": pl.String,
            "timestamp": pl.Int64,
            "query_response_hit_ids": pl.List(pl.String),
        },
    ).with_columns(pl.from_epoch("timestamp", time_unit="ms").dt.replace_time_zone("UTC"))


def _shopper_events(
    clicks: Clicks, searches: Searches, queries: pl.DataFrame, ids: np.ndarray, rng: np.random.Generator
) -> pl.DataFrame:
    clicked = searches.time[clicks.search] + 1500 + 1200 * clicks.position + rng.integers(0, 9000, len(clicks.search))
    carted = clicked + rng.integers(2_000, 25_000, len(clicked))
    # A session pays once, a few minutes after its last search.
    last = np.zeros(int(searches.session.max()) + 1, dtype=np.int64)
    np.maximum.at(last, searches.session, searches.time)
    paid = last[searches.session[clicks.search]] + 60_000 + clicks.search % 7 * 1_000
    rows = queries.select("application", "query_id", "client_id", "session_id")
    parts = []
    for action, chosen, times in (
        ("click", np.ones(len(clicked), dtype=np.bool_), clicked),
        ("add_to_cart", clicks.cart, carted),
        ("purchase", clicks.purchase, np.maximum(paid, carted + 1_000)),
    ):
        index = np.flatnonzero(chosen)
        parts.append(
            _event_frame(
                rows[clicks.search[index]], action, times[index], ids[clicks.product[index]], clicks.position[index]
            )
        )
    return pl.concat(parts)


def _event_frame(rows: pl.DataFrame, action: str, times: Ints, products: np.ndarray, positions: Ints) -> pl.DataFrame:
    attributes = [
        {"object": {"object_id": product, "object_id_field": "product_id"}, "position": {"ordinal": position}}
        for product, position in zip(products.tolist(), positions.tolist(), strict=True)
    ]
    return rows.select(
        "application",
        pl.lit(action).alias("action_name"),
        "query_id",
        "client_id",
        "session_id",
        pl.from_epoch(pl.Series("timestamp", times, dtype=pl.Int64), time_unit="ms").dt.replace_time_zone("UTC"),
        pl.Series("event_attributes", attributes, dtype=_EVENT_ATTRIBUTES),
    )


def _stranger_queries(strangers: list[Stranger], ids: np.ndarray) -> pl.DataFrame:
    return _query_frame(
        application=[one.application for one in strangers],
        query_id=_identifiers("x", np.arange(len(strangers)), 4),
        client_id=[one.client for one in strangers],
        session_id=[one.client for one in strangers],
        user_query=[one.query for one in strangers],
        timestamp=[one.time for one in strangers],
        hits=[ids[list(one.hits)].tolist() for one in strangers],
    )


def _stranger_events(strangers: list[Stranger], ids: np.ndarray) -> pl.DataFrame:
    rows = _stranger_queries(strangers, ids).select("application", "query_id", "client_id", "session_id")
    clicks = [(number, position) for number, one in enumerate(strangers) for position in one.clicked]
    index = np.array([number for number, _ in clicks], dtype=np.int64)
    positions = np.array([position for _, position in clicks], dtype=np.int64)
    times = np.array([strangers[number].time + 300 * position for number, position in clicks], dtype=np.int64)
    products = np.array([ids[strangers[number].hits[position - 1]] for number, position in clicks], dtype=object)
    return _event_frame(rows[index], "click", times, products, positions)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m demo.logs OUT_DIR")
    sys.stdout.write(f"{write_logs(Path(sys.argv[1]))}\n")
