"""A replay of the tiny shop, the list it writes, and the release that obeys it."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from domain.errors import StageMissing, UserError
from domain.shop import Shop, open_shop
from domain.withheld import read_withheld, remove_withheld, withheld_file
from querywise.replay import replay_shop, show_replay, write_withheld
from querywise.shipping import ship
from release import open_release
from release.manifest import read_manifest

pytest.importorskip("tantivy", reason="the search library of the replay extra is not installed here")

TODAY = date(2026, 2, 3)
RATED = {
    "ginger ale": {**{f"ginger{i}": 3 for i in (1, 2, 3, 4)}, "kombucha2": 0, **{f"soap{i}": 0 for i in (1, 2, 3)}},
    "dishes": {**{f"soap{i}": 3 for i in (1, 2, 3)}, "ginger1": 0},
    "protein": {f"bars{i}": 3 for i in (1, 2, 3, 4)},
    "nobody searched this": {"ginger1": 0},
}


@pytest.fixture
def shop(made, tools, tmp_path) -> Shop:
    """The tiny shop with judgements, and with a label that sends "ginger ale" to the dish soaps."""
    folder = tmp_path / "shop"
    shutil.copytree(made.shop, folder)
    with (folder / "judgements.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["query", "product_id", "rating", "rater"])
        for query, ratings in RATED.items():
            table.writerows([query.upper(), product, rating, "ann"] for product, rating in ratings.items())
        table.writerow(["dishes", "unheard of", 3, "ann"])
    opened = open_shop(folder, work=tools.copy_work(made.work, tmp_path / "work"))
    labels = [json.loads(line) for line in opened.labels_file.read_text().splitlines()]
    for label in labels:
        if label["query"] == "ginger ale":
            label["understanding"]["rewrites"] = [{"query": "dish soap", "type": "spelling", "confidence": 0.9}]
    opened.labels_file.write_text("".join(json.dumps(label) + "\n" for label in labels))
    return opened


def served(path: Path, query: str):
    release = open_release(path)
    (answer,) = release.understand([query])
    return [category.id for category in answer.categories], [rewrite.query for rewrite in answer.rewrites]


def test_what_does_harm_is_withheld_until_it_is_taken_off_the_list(shop, capsys):
    before = ship(shop).folder
    assert served(before, "ginger ale") == (["ginger"], ["dish soap"])

    found = replay_shop(shop, draws=50)
    show_replay(found)
    # Three soaps rated 0 take the places of four ginger ales rated 3: from the ideal list to nothing.
    (harm,) = found.harmed
    assert (harm.query, harm.searches, harm.before, harm.after) == ("ginger ale", 60, 1.0, 0.0)
    assert [(part.part, part.verdict) for part in harm.parts] == [("categories", "none"), ("rewrites", "withhold")]
    out = capsys.readouterr().out
    assert "1 queries do worse with it; 1 parts to withhold" in out and "left out: unknown_product 1" in out
    assert {row.system for row in found.rows} >= {"BM25 alone", "engagement", "LLM with context", "release", "oracle"}
    for name in ("replay.json", "replay.md"):
        assert (shop.reports / name).is_file()

    written = write_withheld(shop, found, today=TODAY)
    assert (written.path, written.total) == (withheld_file(shop.work), 1)
    (entry,) = read_withheld(written.path)
    assert written.added == (entry,)
    assert (entry.query, entry.part, entry.loss, entry.before, entry.after) == ("ginger ale", "rewrites", 1.0, 1.0, 0.0)
    assert (entry.searches, entry.date, entry.origin) == (60, TODAY, f"labels {found.made['labels']}")

    after = ship(shop).folder
    assert after != before
    assert served(after, "ginger ale") == (["ginger"], [])
    assert served(after, "dishes") == served(before, "dishes")
    assert "withheld" in read_manifest(after).fingerprints and "withheld" not in read_manifest(before).fingerprints
    assert ship(shop).folder == after

    # What is withheld already is not found again, and stays on the list.
    again = replay_shop(shop, draws=50)
    assert (again.harmed, again.harm_of) == ((), "the labels, less what is withheld")
    assert write_withheld(shop, again, today=TODAY).total == 1

    remove_withheld(withheld_file(shop.work), "ginger ale")
    assert served(ship(shop).folder, "ginger ale") == (["ginger"], ["dish soap"])


def test_a_release_does_not_ignore_a_list_that_is_malformed(shop):
    withheld_file(shop.work).write_text('{"query": "dishes"}\n')
    for refuse in (ship, replay_shop):
        with pytest.raises(UserError, match=r"withheld\.jsonl:1: part"):
            refuse(shop)


def test_pairs_that_would_settle_a_loss_are_written_as_judgements_to_fill_in(shop):
    path = shop.folder / "judgements.csv"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if ",3," in line or "rating" in line)
    )
    found = replay_shop(shop, draws=5)
    (harm,) = found.harmed
    # The soaps are unjudged now: four ginger ales rated 3 give way to three products that may be rated 3 as well. The
    # discounts of places 1 to 4 sum to 2.56160, those of 1 to 3 to 2.13093.
    assert [part.verdict for part in harm.parts] == ["none", "withhold"]
    assert harm.parts[1].sure_loss == pytest.approx(1 - 2.13093 / 2.56160, abs=1e-5)
    # Two raters of 3 and 0 have the median 1.5, a gain of 1.83: now three products rated 3 would be worth more.
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([["ginger ale", "ginger1", 0, "bo"], ["ginger ale", "ginger2", 0, "bo"]])
    harm = replay_shop(shop, draws=5).harmed[0]
    assert [part.verdict for part in harm.parts] == ["none", "unjudged"]
    rows = list(csv.reader((shop.reports / "replay-to-judge.csv").read_text().splitlines()))
    assert rows[0] == ["query", "product_id", "rating", "rater"]
    assert sorted(rows[1:]) == [["ginger ale", product, "", ""] for product in ("kombucha2", "soap1", "soap2", "soap3")]


def test_more_systems_are_replayed_by_name(shop):
    student = open_release(ship(shop).folder)
    found = replay_shop(shop, further={"student": student}, way="filter", draws=5)
    assert "student" in {row.system for row in found.rows}
    assert (found.harm_way, found.harm_factor) == ("filter", 0.0)


def test_without_labels_the_release_is_looked_at_and_without_both_there_is_nothing(shop):
    release = ship(shop).folder
    shop.labels_file.unlink()
    found = replay_shop(shop, draws=5)
    assert found.harm_of == f"release {release.name}"
    assert write_withheld(shop, found, today=TODAY).added[0].origin == f"release {release.name}"
    shutil.rmtree(shop.releases)
    with pytest.raises(UserError, match="nothing to replay"):
        replay_shop(shop)


def test_what_is_missing_is_named(shop, tmp_path):
    (shop.folder / "judgements.csv").unlink()
    with pytest.raises(UserError, match="no judged lists"):
        replay_shop(shop)
    with pytest.raises(StageMissing):
        replay_shop(open_shop(shop.folder, work=tmp_path / "elsewhere"))
