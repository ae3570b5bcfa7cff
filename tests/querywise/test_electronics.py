"""The electronics shop beside the checkout: what ingest and context find in a log of real size."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELECTRONICS = ROOT.parent / "shared" / "data" / "electronics"

pytestmark = pytest.mark.skipif(not ELECTRONICS.is_dir(), reason="the electronics shop is not beside the checkout")


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("electronics")


@pytest.fixture(scope="module")
def ingested(tools, work):
    return tools.run("ingest", ELECTRONICS, "--work", work, "--json")


@pytest.fixture(scope="module")
def context(tools, work, ingested):
    return tools.run("context", ELECTRONICS, "--work", work, "--json")


def test_everything_is_accepted(ingested):
    assert ingested.code == 0
    report = ingested.json
    found = {name: report[name] for name in ("categories", "products", "searches", "events")}
    assert found == {"categories": 10_281, "products": 19_406, "searches": 131_008, "events": 132_104}
    assert {row["file"]: (row["accepted"], row["quarantined"]) for row in report["files"]} == {
        "taxonomy.csv": (10_281, 0),
        "products.jsonl": (19_406, 0),
        "ubi_queries.parquet": (131_008, 0),
        "ubi_events.parquet": (132_104, 0),
    }
    assert report["first_ordinal"] == 1


def test_crawlers_are_left_out(context):
    assert context.code == 0
    report = context.json
    # Four crawlers and one internal client, as the README of the shop says.
    assert (report["bot_searches"], report["bot_clients"]) == (10_000, 4)
    assert (report["internal_searches"], report["internal_clients"]) == (600, 1)
    assert report["searches"] == 131_008 - 10_000 - 600


def test_few_queries_make_most_of_the_searches(context):
    assert context.json["queries"] == {"head": 51, "torso": 384, "tail": 2_856}
