"""`export`: from a promoted release to files, and what it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain import Taxonomy
from domain.label import read_labels
from release import build_release, point_to

GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"
ENGINES = ("querqy", "elasticsearch", "opensearch", "solr")


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Path]:
    """A shop and a work folder with a current release, made now, so that none of its rules has expired."""
    shop, work = tmp_path / "shop", tmp_path / "work"
    shop.mkdir()
    (shop / "shop.toml").write_text('name = "grocery"\nlocale = "en-US"\ncurrency = "USD"\n')
    built = build_release(
        shop="grocery",
        taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=read_labels(GROCERY / "labels.jsonl"),
        fingerprints={},
        index=None,
        releases=work / "releases",
        created=datetime.now(UTC),
    )
    point_to(work / "releases", built.name)
    return shop, work


@pytest.mark.parametrize("engine", ENGINES)
def test_the_current_release_is_exported_and_then_nothing_differs(tools, place, engine) -> None:
    shop, work = place
    done = tools.run("export", engine, shop, "--work", work)
    assert done.code == 0 and "its gate says nothing" in done.err
    assert (work / "exports" / engine / "rules.jsonl").is_file()
    again = tools.run("export", engine, shop, "--work", work, "--diff", "--json")
    assert again.code == 0
    assert (again.json["added"], again.json["removed"], again.json["changed"]) == ([], [], [])
    assert again.json["same"] > 5


def test_a_difference_is_a_table_and_writes_nothing(tools, place) -> None:
    shop, work = place
    out = work / "elsewhere"
    fresh = tools.run("export", "solr", shop, "--work", work, "--output", out, "--diff")
    assert fresh.code == 0 and not out.exists() and "there is no last export" in fresh.err
    assert any(line.split()[:2] == ["+", "spelling"] and "cofee" in line for line in fresh.out.splitlines())
    made = tools.run("export", "solr", shop, "--work", work, "--output", out, "--json")
    assert made.json["export"]["engine"] == "solr" and made.json["output"] == str(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    strict = tools.run(
        "export", "solr", shop, "--work", work, "--output", out, "--diff", "--least-confidence", "0.99", "--boost", "3"
    )
    assert "the last export was made with other settings" in strict.err
    assert any(line.startswith("- ") for line in strict.out.splitlines())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_boost_that_holds_for_other_categories_is_in_the_table(tools, place) -> None:
    shop, work = place
    assert tools.run("export", "solr", shop, "--work", work).code == 0
    rules = work / "exports" / "solr" / "rules.jsonl"
    lines = [json.loads(line) for line in rules.read_text().splitlines()]
    last = next(line for line in lines if line["kind"] == "category")
    last["category_ids"] += ["gone-1", "gone-2"]
    rules.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = tools.run("export", "solr", shop, "--work", work, "--diff")
    assert "1 changed" in said.err
    [row] = [line for line in said.out.splitlines() if line.startswith("~")]
    assert last["query"] in row and row.rstrip().endswith("query, -2 below")


def test_options_reach_the_files(tools, place) -> None:
    shop, work = place
    out = work / "out"
    options = ("--category-field", "shelf", "--text-field", "name^2", "--text-field", "brand", "--expires-days", "7")
    assert tools.run("export", "elasticsearch", shop, "--work", work, "--output", out, *options).code == 0
    row = json.loads((out / "queries.jsonl").read_text().splitlines()[0])
    assert '"shelf"' in json.dumps(row) and '"name^2", "brand"' in json.dumps(row)
    days = {json.loads(line)["expires"] for line in (out / "rules.jsonl").read_text().splitlines()}
    assert len(days) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--release", "2020-01-01-abcdef"), "there is no release 2020-01-01-abcdef"),
        (("--release", "../x"), "there is no release ../x"),
        (("--least-confidence", "2"), "2.0 is no confidence"),
        (("--expires-days", "0"), "rules cannot last 0 days"),
        (("--category-field", "a b"), "'a b' is no field"),
        (("--boost", "-1"), "-1.0 is no boost"),
    ],
)
def test_mistakes_are_one_line(tools, place, options, message) -> None:
    shop, work = place
    assert message in tools.run("export", "solr", shop, "--work", work, *options).mistake()


def test_the_shop_folder_and_folders_of_others_are_left_alone(tools, place) -> None:
    shop, work = place
    assert "only read" in tools.run("export", "solr", shop, "--work", work, "--output", shop / "out").mistake()
    (work / "mine").mkdir()
    (work / "mine" / "notes.txt").write_text("mine")
    said = tools.run("export", "solr", shop, "--work", work, "--output", work / "mine").mistake()
    assert "holds no export" in said and (work / "mine" / "notes.txt").read_text() == "mine"
    tools.run("export", "solr", shop, "--work", work, "--output", work / "out")
    (work / "out" / "notes.txt").write_text("mine")
    said = tools.run("export", "solr", shop, "--work", work, "--output", work / "out").mistake()
    assert "no part of the export" in said and (work / "out" / "notes.txt").read_text() == "mine"


def test_the_working_folder_is_not_replaced(tools, place, tmp_path, monkeypatch) -> None:
    shop, work = place
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for output in (".", "sub/.."):
        (tmp_path / "here" / "sub").mkdir(exist_ok=True)
        said = tools.run("export", "solr", shop, "--work", work, "--output", output).mistake()
        assert "is in use as the working folder" in said


def test_without_a_release_it_says_so(tools, tmp_path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "shop.toml").write_text('name = "grocery"\nlocale = "en-US"\ncurrency = "USD"\n')
    assert "there is no release" in tools.run("export", "querqy", shop, "--work", tmp_path / "work").mistake()
