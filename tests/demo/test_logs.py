from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from demo.behaviour import read_behaviour
from demo.clicks import examination
from demo.logs import LogCounts, write_logs
from demo.products import read_products

SEARCHES = 40_000


@dataclass(frozen=True, kw_only=True)
class Written:
    counts: LogCounts
    queries: pl.DataFrame
    events: pl.DataFrame


def write(out: Path, *, seed: int = 7, searches: int) -> Written:
    counts = write_logs(out, seed=seed, searches=searches)
    return Written(
        counts=counts,
        queries=pl.read_parquet(out / "ubi_queries.parquet"),
        events=pl.read_parquet(out / "ubi_events.parquet").with_columns(
            product_id=pl.col("event_attributes").struct.field("object").struct.field("object_id"),
            ordinal=pl.col("event_attributes").struct.field("position").struct.field("ordinal"),
        ),
    )


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("log"), searches=SEARCHES)


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    first, again = write(tmp_path / "a", searches=1_000), write(tmp_path / "b", searches=1_000)
    assert_frame_equal(first.queries, again.queries)
    assert_frame_equal(first.events, again.events)


def test_another_seed_gives_other_rows(log: Written, tmp_path: Path) -> None:
    other = write(tmp_path, seed=8, searches=1_000)
    assert other.queries["user_query"].head(50).to_list() != log.queries["user_query"].head(50).to_list()


def test_the_log_has_as_many_searches_as_asked_for(log: Written) -> None:
    assert log.counts.searches == len(log.queries) == SEARCHES
    assert log.queries["query_id"].n_unique() == SEARCHES
    assert log.counts.clicks > log.counts.add_to_carts > log.counts.purchases > 0
    assert set(log.events["query_id"]) <= set(log.queries["query_id"])
    last = log.queries["timestamp"].max()
    assert str(last).startswith("2026-10-31")


def test_clicks_are_on_hits_at_their_position(log: Written) -> None:
    joined = log.events.join(log.queries.select("query_id", "query_response_hit_ids"), on="query_id")
    shown = joined["query_response_hit_ids"].list.get(joined["ordinal"] - 1)
    assert (shown == joined["product_id"]).all()


def test_higher_positions_are_clicked_more_than_relevance_explains(log: Written) -> None:
    """The same product in the results of the same query draws fewer clicks further down."""
    shown = log.queries.filter(pl.col("user_query").is_in(["milk", "eggs", "bread", "bananas"])).select(
        "query_id", "user_query", pl.col("query_response_hit_ids").list.head(12).alias("product_id")
    )
    shown = shown.with_columns(ordinal=pl.int_ranges(1, pl.col("product_id").list.len() + 1)).explode(
        "product_id", "ordinal"
    )
    clicked = log.events.filter(pl.col("action_name") == "click").select("query_id", "product_id", clicked=pl.lit(1))
    rates = (
        shown.join(clicked, on=["query_id", "product_id"], how="left")
        .with_columns(pl.col("clicked").fill_null(0), top=pl.col("ordinal") <= 3)
        .group_by("user_query", "product_id", "top")
        .agg(pl.len().alias("seen"), pl.col("clicked").mean())
        .filter(pl.col("seen") >= 30)
        .pivot("top", index=["user_query", "product_id"], values="clicked")
        .drop_nulls()
    )
    assert len(rates) >= 10
    assert rates["true"].sum() > 1.4 * rates["false"].sum()
    assert examination()[0] == 1.0
    assert examination()[9] == pytest.approx(10**-0.75)


def test_rates_are_those_of_a_grocery_shop(log: Written) -> None:
    def share(action: str) -> float:
        return log.events.filter(pl.col("action_name") == action)["query_id"].n_unique() / SEARCHES

    assert 0.35 < share("click") < 0.55
    assert 0.05 < share("purchase") < 0.15
    assert 0.005 < (log.queries["query_response_hit_ids"].list.len() == 0).mean() < 0.1


def test_departing_meanings_can_be_learnt_from_the_log(log: Written) -> None:
    category = pl.DataFrame([{"product_id": one.product_id, "category": one.category} for one in read_products()])
    weights = {"click": 1, "add_to_cart": 3, "purchase": 6}
    bought = (
        log.events.join(log.queries.select("query_id", "user_query"), on="query_id")
        .join(category, on="product_id")
        .with_columns(
            query=pl.col("user_query").str.to_lowercase().str.strip_chars(" .,").str.replace_all(r"\s+", " "),
            weight=pl.col("action_name").replace_strict(weights),
        )
        .group_by("query", "category")
        .agg(pl.col("weight").sum())
        .sort("weight", descending=True)
    )
    departing = [row for row in read_behaviour() if row.departs]
    agreeing = 0
    for row in departing:
        top = bought.filter(pl.col("query") == row.query)["category"].head(1).to_list()
        agreeing += bool(top) and top[0] in {need.category for need in row.needs}
    assert agreeing / len(departing) > 0.9


def test_strangers_are_there_to_be_filtered_out(log: Written) -> None:
    busiest = log.queries.group_by("client_id").len().sort("len", descending=True)
    assert busiest["len"][0] > 100
    assert (log.queries["application"] == "internal-qa").any()
    assert log.queries["client_id"].str.starts_with("internal-").any()


def test_people_type_as_people_do(log: Written) -> None:
    texts = log.queries["user_query"]
    assert (texts != texts.str.to_lowercase()).any()
    assert (texts != texts.str.strip_chars()).any()


def test_the_meaning_of_a_drifting_query_changes_in_the_last_weeks(log: Written) -> None:
    pumpkins = {
        one.product_id for one in read_products() if "Carving Pumpkin" in one.title or "Decorative" in one.title
    }
    chosen = log.events.join(log.queries.select("query_id", "user_query"), on="query_id").filter(
        pl.col("user_query").str.to_lowercase().str.strip_chars(" .,") == "pumpkin"
    )
    late = pl.col("timestamp") >= pl.datetime(2026, 10, 11, time_zone="UTC")
    rates = chosen.group_by(late.alias("late")).agg(pl.col("product_id").is_in(pumpkins).mean().alias("fresh"))
    by_time = dict(rates.iter_rows())
    assert by_time[True] > by_time[False]
