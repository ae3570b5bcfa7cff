"""`release diff` on two releases built of a few labels, without the stages before."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from domain import Taxonomy
from domain.label import Label, read_labels
from domain.understanding import Category
from release import build_release

GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"
TOML = 'name = "{}"\nlocale = "en-US"\ncurrency = "USD"\n'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    shop: Path
    work: Path
    a: str
    b: str


def build(work: Path, labels: list[Label], day: int, shop: str = "grocery") -> str:
    path = build_release(
        shop=shop,
        taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=labels,
        fingerprints={},
        index=None,
        releases=work / "releases",
        created=datetime(2026, 11, day, tzinfo=UTC),
    )
    return path.name


def meaning_chicken(label: Label) -> Label:
    category = Category(id="c41", path=("Meat", "Chicken"), confidence=0.9)
    return dataclasses.replace(label, understanding=dataclasses.replace(label.understanding, categories=(category,)))


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    folder = tmp_path_factory.mktemp("diff")
    shop, work = folder / "shop", folder / "work"
    shop.mkdir()
    (shop / "shop.toml").write_text(TOML.format("grocery"))
    labels = {label.query: label for label in read_labels(GROCERY / "labels.jsonl")}
    (shop / "gold.jsonl").write_text(
        '{"query": "protein", "categories": ["c31"]}\n{"query": "Never Heard", "categories": []}\n'
    )
    # A lacks the eggs; B lacks the coffee, and takes protein for chicken.
    a = build(work, [label for query, label in labels.items() if query != "dozen eggs"], 1)
    moved = labels | {"protein": meaning_chicken(labels["protein"])}
    b = build(work, [label for query, label in moved.items() if query != "cofee"], 2)
    rows = [
        {"query": label.query, "searches": label.searches, "tier": label.tier}
        | {"clients": 1, "share": 0.1, "zero_share": None, "acted_share": 0.5}
        | dict.fromkeys(("categories", "products", "annotations", "next_queries", "reformulations"), [])
        for label in labels.values()
        if label.query != "1% milk"
    ]
    pl.DataFrame(rows).write_parquet(work / "context.parquet")
    return Place(shop=shop, work=work, a=a, b=b)


@pytest.fixture
def diff(place, tools):
    def run(*arguments):
        return tools.run("release", "diff", place.shop, *arguments, "--work", place.work)

    return run


def test_what_moved_is_told_with_its_searches(diff, place):
    result = diff(place.a, place.b)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert f"A: {place.a}" in lines and f"B: {place.b}" in lines
    # Ten labels less the eggs and the coffee; protein has 2,400 of their searches, and milk none in today's log.
    searches = 900 + 2400 + 310 + 760 + 9 + 4 + 3
    assert f"8 queries ({searches:,} searches) have an answer of both." in lines
    assert f"| categories | 1 (12.5%) | 2,400 ({2400 / searches:.1%}) |" in lines
    assert "Gained: 1 queries, 640 searches: dozen eggs" in lines
    assert "Lost: 1 queries, 120 searches: cofee" in lines
    assert "- protein (head, 2,400 searches): categories, top" in lines
    # The labels have soft drinks beside ginger ale.
    assert any(line.startswith("| category_with_ancestor | 2 ") for line in lines)


def test_gold_of_the_shop_says_which_is_better(diff, place):
    found = diff(place.a, place.b, "--json").json["comparison"]
    # protein was right in part and is wrong now; neither answers what was never heard, as it should be.
    assert {query["query"]: query["result"] for query in found["compared"] if query["result"]} == {
        "protein": "lost",
        "never heard": "tied",
    }
    assert found["a"]["cost"]["usd"]["value"] == 0


def test_json_has_all_three_parts(diff, place):
    document = diff(place.a, place.b, "--json").json
    assert set(document) == {"comparison", "moved", "contradictions"}
    assert document["moved"]["lost"]["most_searched"] == ["cofee"]
    assert [one["rule"] for one in document["contradictions"]["A"]] == ["category_with_ancestor"]
    assert document["comparison"]["queries"] == 11


def test_a_page_is_written_where_one_is_asked_for(diff, place, tmp_path):
    page = tmp_path / "new" / "diff.html"
    result = diff(place.a, place.b, "--html", page)
    assert result.code == 0 and str(page) in result.err
    assert "dozen eggs" in page.read_text()


def test_another_gold_file(diff, place, tmp_path):
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"query": "protein", "categories": ["c41"]}\n')
    found = diff(place.a, place.b, "--gold", gold, "--json").json["comparison"]
    assert [query["result"] for query in found["compared"] if query["result"]] == ["won"]
    assert "cannot read the gold file" in diff(place.a, place.b, "--gold", tmp_path / "none").mistake()


def test_a_release_is_as_good_as_itself(diff, place):
    result = diff(place.a, place.a)
    assert result.code == 0 and "**No difference" in result.out
    assert "| anything | 0 (0.0%) | 0 (0.0%) |" in result.out


@pytest.mark.parametrize("name", ["2026-01-01-000000", "current", "previous", "../releases", ""])
def test_a_release_that_is_not_there_is_a_mistake(diff, place, name):
    assert "there is no release" in diff(place.a, name).mistake()


def test_current_and_previous_are_names_too(place, tools, tmp_path):
    work = tools.copy_work(place.work, tmp_path / "work")
    (work / "releases" / "previous").symlink_to(place.a)
    (work / "releases" / "current").symlink_to(place.b)
    result = tools.run("release", "diff", place.shop, "previous", "current", "--work", work, "--json")
    found = result.json["comparison"]
    assert (found["a"]["name"], found["b"]["name"]) == (place.a, place.b)


def test_a_release_of_another_shop_is_a_mistake(place, tools, tmp_path):
    work = tools.copy_work(place.work, tmp_path / "work")
    other = build(work, list(read_labels(GROCERY / "labels.jsonl")), 3, shop="pharmacy")
    found = tools.run("release", "diff", place.shop, place.a, other, "--work", work).mistake()
    assert f"release {other} is of the shop pharmacy, not of grocery" in found


def test_a_damaged_release_is_called_so(place, tools, tmp_path):
    work = tools.copy_work(place.work, tmp_path / "work")
    with (work / "releases" / place.b / "taxonomy.json").open("ab") as file:
        file.write(b" ")
    result = tools.run("release", "diff", place.shop, place.a, place.b, "--work", work)
    assert result.code == 1 and "taxonomy.json has not the size" in result.err
