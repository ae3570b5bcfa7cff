"""The stage between labels and release, on the tiny shop after the whole path."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from domain.discovery.content import Idea, Ideas, read_contents
from domain.errors import StageMissing
from domain.label import read_labels, write_labels
from domain.shop import open_shop
from querywise.content import Kinds, make_contents


def idea(query):
    return Idea(label=query.capitalize(), query=query, why="because")


@pytest.fixture(scope="module")
def shop(made):
    return open_shop(made.shop, work=made.work)


@pytest.fixture(scope="module")
def labels(shop):
    """The labels of the tiny shop, and ideas for three of them."""
    ideas = {
        "ginger ale": Ideas(
            substitutes=(idea("kombucha"), idea("ginger ale"), idea("tonic zorblax")),
            complements=(idea("chips"), idea("vernors")),
            explore=("chips for a party", "cheap cocaine"),
        ),
        "chips": Ideas(complements=(idea("ginger ale"),)),
        "humm": Ideas(complements=(idea("chips"),)),
    }
    return [replace(label, ideas=ideas.get(label.query)) for label in read_labels(shop.labels_file)]


def contents_of(shop, labels, target: Path, **options):
    report = make_contents(shop, labels, target, **options)
    return report, {content.query: content for content in read_contents(target)}


def test_ideas_become_content_and_every_one_is_accounted_for(shop, labels, tmp_path):
    told = []
    report, contents = contents_of(shop, labels, tmp_path / "content.jsonl", tell=told.append)
    tiers = {label.query: label.tier for label in labels}
    assert told == list(range(1, sum(tier != "tail" for tier in tiers.values()) + 1))
    assert {tier: n for tier, n in report.labels.items() if n} == {
        tier: n for tier in ("head", "torso") if (n := [*tiers.values()].count(tier))
    }
    proposed = {role: sum(kinds.proposed for kinds in of.values()) for role, of in report.ideas.items()}
    assert proposed == {
        "substitute": sum(len(label.ideas.substitutes) for label in labels if label.ideas and label.tier != "tail"),
        "complement": sum(len(label.ideas.complements) for label in labels if label.ideas and label.tier != "tail"),
    }
    for of in report.ideas.values():
        for kinds in of.values():
            assert kinds.proposed == kinds.kept + sum(kinds.dropped.values())
    assert [d.query for d in contents["ginger ale"].complements] == ["chips"]
    assert report.ideas["substitute"][tiers["ginger ale"]].dropped["is_query"] == 1
    assert all("cocaine" not in s.query for content in contents.values() for s in content.suggestions)
    # What has nothing to show is left out.
    assert all(c.substitutes or c.complements or c.suggestions for c in contents.values())
    assert sum(report.contents.values()) == len(contents)
    assert sum(report.suggestions.values()) == sum(len(c.suggestions) for c in contents.values())


def test_the_same_inputs_give_the_same_bytes(shop, labels, tmp_path):
    make_contents(shop, labels, tmp_path / "one.jsonl")
    make_contents(shop, iter(labels), tmp_path / "other.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "other.jsonl").read_bytes()


def test_a_filter_takes_out_what_does_not_match(shop, labels, tmp_path):
    before, _ = contents_of(shop, labels, tmp_path / "before.jsonl")
    after, contents = contents_of(
        shop, labels, tmp_path / "after.jsonl", match=lambda query, category_id, titles: [False] * len(titles)
    )
    for role, of in before.ideas.items():
        for tier, kinds in of.items():
            assert after.ideas[role][tier].kept == 0
            if kinds.kept:
                assert after.ideas[role][tier].dropped["below_threshold"] >= kinds.kept
    assert all(not c.substitutes and not c.complements for c in contents.values())


def test_the_baseline_needs_no_ideas(shop, labels, tmp_path):
    bare = [replace(label, ideas=None) for label in labels]
    report, contents = contents_of(shop, bare, tmp_path / "bare.jsonl")
    assert sum(kinds.proposed for of in report.ideas.values() for kinds in of.values()) == 0
    assert all(not c.substitutes and not c.complements for c in contents.values())
    report, contents = contents_of(shop, bare, tmp_path / "baseline.jsonl", source="baseline")
    assert sum(kinds.proposed for kinds in report.ideas["substitute"].values()) > 0
    assert any(c.substitutes for c in contents.values())


def test_labels_of_the_tail_are_left_alone(shop, labels, tmp_path):
    report, contents = contents_of(shop, [replace(label, tier="tail") for label in labels], tmp_path / "c.jsonl")
    assert (contents, report.labels, report.ideas["substitute"]["head"]) == ({}, {}, Kinds())


def test_a_shop_knows_pairs_and_blocks_words_of_its_own(shop, made, labels, tmp_path, tools):
    folder = tmp_path / "shop"
    tools.write_shop(folder)
    text = (folder / "shop.toml").read_text()
    (folder / "shop.toml").write_text(f'{text}\n[discovery]\nblock = ["chips"]\n')
    report, contents = contents_of(open_shop(folder, work=made.work), labels, tmp_path / "blocked.jsonl")
    assert all("chips" not in d.query for c in contents.values() for d in c.complements)
    assert sum(k.dropped.get("unsafe", 0) for k in report.ideas["complement"].values()) >= 1
    (folder / "shop.toml").write_text(text)
    ginger, chips = (
        {c.query: c for c in read_contents(_made(shop, labels, tmp_path))}[query].complements[0].category_id
        for query in ("chips", "ginger ale")
    )
    (folder / "complements.csv").write_text(f"category_id,other_id,lift\n{ginger},{chips},0.1\n")
    report, contents = contents_of(open_shop(folder, work=made.work), labels, tmp_path / "known.jsonl")
    assert sum(k.dropped.get("no_lift", 0) for k in report.ideas["complement"].values()) >= 1


def test_rows_of_complements_that_are_left_out_are_told_with_line_and_reason(made, tools, tmp_path, labels):
    shop, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, shop)
    by = (shop, "--work", work)
    assert tools.run("content", *by, "--json").json["known_pairs"] == []
    rows = ["ginger,chips,2", "ginger,crisps,2", "juice,juice,2", "bars,soap,much", "soap,", "", ",soap,1"]
    (shop / "complements.csv").write_text("category_id,other_id,lift\n" + "".join(f"{row}\n" for row in rows))
    said = tools.run("content", *by)
    assert said.code == 0 and said.out == ""
    told = said.err.splitlines()
    at = told.index(
        "complements.csv: 1 of 6 rows accepted; unknown category 1, twice the same category 1, bad lift 1, "
        "malformed CSV 1, missing category 1"
    )
    assert told[at + 1 :] == [
        "  line 3: unknown category",
        "  line 4: twice the same category",
        "  line 5: bad lift",
        "  line 6: malformed CSV",
        "  line 8: missing category",
    ]
    [file] = tools.run("content", *by, "--json").json["known_pairs"]
    assert (file["file"], file["accepted"], sum(file["rejected"].values())) == ("complements.csv", 1, 5)
    assert file["first_rejected"][0] == {"line": 3, "reason": "unknown category"}
    # `run` tells it too, also where the stage stands.
    (shop / "complements.csv").write_text("category_id,other_id\n" + "gone,soap\n" * 12)
    run = ("run", "--no-distill", *by, "--model", f"recorded:{made.recording}")
    for _ in range(2):
        ran = tools.run(*run)
        assert ran.code == 0 and "complements.csv: 0 of 12 rows accepted; unknown category 12\n" in ran.err, ran.err
        assert "  line 11: unknown category\n  and 2 more\n" in ran.err


def _made(shop, labels, tmp_path):
    make_contents(shop, labels, tmp_path / "all.jsonl")
    return tmp_path / "all.jsonl"


def test_a_stage_that_is_missing_is_named(made, labels, tmp_path):
    with pytest.raises(StageMissing, match="context"):
        make_contents(open_shop(made.shop, work=tmp_path / "nothing"), labels, tmp_path / "c.jsonl")
    assert not (tmp_path / "c.jsonl").exists()


def test_a_release_serves_what_the_ideas_ground_in_and_forgets_it_with_them(made, tools, labels, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    at = (made.shop, "--work", work)
    write_labels(work / "labels" / "labels.jsonl", [replace(label, ideas=None) for label in labels])
    assert "no label has any ideas" in tools.run("content", *at).mistake()
    write_labels(work / "labels" / "labels.jsonl", labels)
    said = tools.run("content", *at)
    assert said.code == 0 and "queries have something to show" in said.err, said
    report = tools.run("content", *at, "--json").json
    assert report["ideas"]["complement"]["head"]["proposed"] + report["ideas"]["complement"]["torso"]["proposed"] == 4
    assert tools.run("release", "build", *at).code == 0
    asked = ("--task", "complement", "--sample", "10", "--model", "openai/judge", "--dry-run", "--json")
    kept = [found["kept"] for found in report["ideas"]["complement"].values()]
    assert tools.run("judge", *at, *asked).json["items"] == sum(kept) == 3
    answer = tools.run("understand", made.shop, "chips", "--work", work, "--json").json
    [shown] = answer["complements"]
    assert (shown["query"], shown["category_id"]) == ("ginger ale", "ginger")
    assert set(shown["product_ids"]) <= {f"ginger{i}" for i in range(1, 5)} and shown["product_ids"]
    said = tools.run("understand", made.shop, "chips", "--work", work).out
    assert f"  with it: {shown['label']}\n" in said and "instead" not in said
    before = json.loads((work / "stages.json").read_text())["content"]["inputs"]
    write_labels(work / "labels" / "labels.jsonl", [replace(label, ideas=None) for label in labels])
    assert tools.run("release", "build", *at).code == 0
    assert tools.run("understand", made.shop, "chips", "--work", work, "--json").json["complements"] == []
    assert before and not (work / "content.jsonl").exists()


def test_other_words_to_block_make_the_content_anew(made, tools, labels, tmp_path):
    shop, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, shop)
    write_labels(work / "labels" / "labels.jsonl", labels)
    assert tools.run("release", "build", shop, "--work", work).code == 0
    assert [c.complements[0].query for c in read_contents(work / "content.jsonl") if c.query == "chips"] == [
        "ginger ale"
    ]
    with (shop / "shop.toml").open("a") as file:
        file.write('[discovery]\nblock = ["ginger ale"]\n')
    assert tools.run("release", "build", shop, "--work", work).code == 0
    assert [c.complements for c in read_contents(work / "content.jsonl") if c.query == "chips"] in ([], [()])
