"""An export as a folder: whole, replaced in one step, and compared with the last."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import time
from datetime import date
from pathlib import Path

import pytest

from domain import Taxonomy
from domain.errors import UserError
from domain.taxonomy import Node
from release.exports import Export, ExportSettings, Policy, compare_with, read_about, read_rules, save_export
from release.exports import exporting as module
from release.exports.written import File

DAY = date(2026, 11, 22)


def export_of(tools, *labels, engine="opensearch", settings=None, tree=None, **policy):
    release = tools.release(labels, tree=tree)
    settings = settings or ExportSettings()
    return Export(release=release, engine=engine, settings=settings, policy=Policy.of(**policy), today=DAY)


def whole(folder: Path) -> str:
    """Check every digest, by a handle on the folder so that it cannot be replaced meanwhile; return the release."""
    handle = os.open(folder, os.O_RDONLY)
    try:

        def read(name: str) -> bytes:
            with open(os.open(name, os.O_RDONLY, dir_fd=handle), "rb") as file:
                return file.read()

        about = json.loads(read("export.json"))
        assert {name: hashlib.sha256(read(name)).hexdigest() for name in about["files"]} == about["files"]
        assert set(os.listdir(handle)) == {"export.json", *about["files"]}
        return about["origin"]["release"]
    finally:
        os.close(handle)


@pytest.mark.parametrize("engine", ["querqy", "elasticsearch", "opensearch", "solr"])
def test_an_export_is_a_whole_folder_and_the_same_for_the_same(tools, tmp_path, engine) -> None:
    labels = [tools.said("oj", ("synonym", "orange juice", 0.97), ("broader", "juice", 0.9))]
    export = export_of(tools, *labels, engine=engine)
    about = save_export(export, tmp_path / "out" / engine)
    assert whole(tmp_path / "out" / engine) == about.origin.release
    assert read_about(tmp_path / "out" / engine) == about
    assert [rule.kind for rule in read_rules(tmp_path / "out" / engine)] == ["category", "synonym", "broader"]
    # The digests of all files are in it.
    assert save_export(export_of(tools, *labels, engine=engine), tmp_path / "again") == about


def test_every_rule_stands_in_the_sidecar_with_its_provenance(tools, tmp_path) -> None:
    about = save_export(
        export_of(tools, tools.said("soda", ("synonym", "fizz", 0.9), shelf="soft", sure=0.8)), tmp_path / "out"
    )
    rows = [json.loads(line) for line in (tmp_path / "out" / "rules.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [rule.id for rule in read_rules(tmp_path / "out")]
    assert about.rules == {"category": 1, "synonym": 1} and about.words == 0 and about.held == {"two_readings": 1}
    assert rows[0]["path"] == ["Beverages", "Soft Drinks"] and rows[0]["category_ids"] == ["soft", "ginger", "cola"]
    assert rows[1]["provenance"] == {
        "source": "head",
        "release": about.origin.release,
        "created": "2026-11-21T12:00:00+00:00",
        "models": ["by-hand"],
        "prompts": ["understand@1#0"],
        "verdict": None,
    }
    assert rows[1]["expires"] == "2027-05-20" and rows[1]["confidence"] == 0.9


def test_the_last_export_is_replaced_with_all_of_its_files(tools, tmp_path) -> None:
    out = tmp_path / "out"
    save_export(export_of(tools, tools.said("oj"), engine="elasticsearch"), out)
    save_export(export_of(tools, tools.said("oj"), engine="solr"), out)
    assert not (out / "template.json").exists() and whole(out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_of_something_else_is_never_replaced(tools, tmp_path) -> None:
    export = export_of(tools, tools.said("oj"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds no export"):
        save_export(export, tmp_path / "mine")
    with pytest.raises(UserError, match="is not a folder"):
        save_export(export, tmp_path / "mine" / "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    save_export(export, tmp_path / "empty")
    assert whole(tmp_path / "empty")


def test_a_folder_with_more_in_it_than_the_export_is_never_replaced(tools, tmp_path) -> None:
    out = tmp_path / "out"
    export = export_of(tools, tools.said("oj"))
    save_export(export, out)
    for mine in (out / "notes.txt", out / ".git" / "HEAD"):
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        with pytest.raises(UserError, match="which is no part of the export"):
            save_export(export, out)
        assert mine.read_text() == "mine"
        mine.unlink()
    (out / ".git").rmdir()
    save_export(export, out)


def test_what_is_put_there_while_an_export_is_written_stays(tools, tmp_path, monkeypatch) -> None:
    out = tmp_path / "out"
    export = export_of(tools, tools.said("oj"))
    save_export(export, out)
    before = whole(out)
    about_of = module.about_of
    monkeypatch.setattr(
        module, "about_of", lambda *a, **k: (out / "notes.txt").write_text("mine") and about_of(*a, **k)
    )
    with pytest.raises(UserError, match=r"'notes\.txt', which is no part of the export"):
        save_export(export_of(tools, tools.said("milk")), out)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    assert whole(out) == before


@pytest.mark.parametrize("output", [".", "sub/..", "..", "../here"])
def test_the_working_folder_is_not_replaced(tools, tmp_path, monkeypatch, output) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match="is in use as the working folder"):
        save_export(export_of(tools, tools.said("oj")), Path(output))
    assert (tmp_path / "here" / "sub").is_dir()


def test_the_way_to_the_folder_may_have_dots_in_it(tools, tmp_path, monkeypatch) -> None:
    (tmp_path / "here" / "sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for _ in range(2):
        save_export(export_of(tools, tools.said("oj")), Path("sub/../../out"))
    assert whole(tmp_path / "out")


def test_where_folders_cannot_change_names_in_one_step_two_do(tools, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module.ctypes, "CDLL", lambda *_, **__: object())
    for query in ("oj", "milk"):
        save_export(export_of(tools, tools.said(query)), tmp_path / "out")
    assert [rule.query for rule in read_rules(tmp_path / "out")] == ["milk"]
    assert whole(tmp_path / "out") and [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_cannot_be_written_leaves_the_last_export(tools, tmp_path, monkeypatch) -> None:
    save_export(export_of(tools, tools.said("oj")), tmp_path / "out")
    before = whole(tmp_path / "out")
    monkeypatch.setattr(module, "about_file", lambda _: File(name="no/such/folder", lines=[]))
    with pytest.raises(OSError):
        save_export(export_of(tools, tools.said("milk")), tmp_path / "out")
    assert whole(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def save_for_ever(exports, out) -> None:
    while True:
        for export in exports:
            save_export(export, out)


def test_a_killed_export_leaves_the_last_one_or_the_new_one_whole(tools, tmp_path) -> None:
    exports = [export_of(tools, *(tools.said(f"{word} {n}") for n in range(40))) for word in ("oj", "milk")]
    releases = {export.release.name for export in exports}
    out = tmp_path / "out"
    save_export(exports[0], out)
    for number in range(12):
        process = multiprocessing.get_context("fork").Process(target=save_for_ever, args=(exports, out))
        process.start()
        time.sleep(0.02 + 0.007 * number)
        process.kill()
        process.join()
        assert whole(out) in releases
    save_export(exports[1], out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_difference_names_what_is_added_removed_and_changed(tools, tmp_path) -> None:
    out = tmp_path / "out"
    first = export_of(
        tools,
        tools.said("oj", ("synonym", "orange juice", 0.97), shelf="juice"),
        tools.said("milk", shelf="milk", sure=0.9),
        tools.said("ice", ("synonym", "frozen water", 0.9), shelf="ice"),
    )
    everything = compare_with(out, first)
    assert everything.before is None and len(everything.added) == 5 and not everything.settings
    save_export(first, out)
    same = compare_with(out, first)
    assert (same.added, same.removed, same.changed, same.same) == ((), (), (), 5)
    second = export_of(
        tools,
        tools.said("oj", ("synonym", "orange juice", 0.97), ("broader", "juice", 0.9), shelf="juice"),
        tools.said("milk", shelf="milk", sure=0.95),
        tools.said("ice", ("synonym", "frozen water", 0.9), shelf="ice"),
        tools.said("ice cream", shelf=None),
        tools.said("ice cream cone", shelf="cream"),
        least_confidence=0.85,
        expires_days=10,
        settings=ExportSettings(category_field="shelf"),
    )
    found = compare_with(out, second)
    assert found.settings and found.before == first.release.name != found.after
    assert [(r.kind, r.query) for r in found.added] == [("category", "ice cream cone"), ("broader", "oj")]
    assert found.removed == ()
    # The milk's category is surer, and ice no longer holds in longer queries; a new expiry is no change.
    assert [(c.after.query, c.before.reach, c.after.reach) for c in found.changed] == [
        ("ice", "words", "query"), ("milk", "query", "query"),
    ]  # fmt: skip
    assert found.same == 3
    fewer = export_of(tools, tools.said("milk", shelf="milk", sure=0.9))
    back = compare_with(out, fewer)
    assert [r.query for r in back.removed] == ["ice", "ice", "oj", "oj"] and back.same == 1 and not back.added


def test_a_boost_that_holds_for_other_categories_differs(tools, tmp_path) -> None:
    def tree(*below: str) -> Taxonomy:
        return Taxonomy(
            [Node(category_id="dairy", parent_id=None, name="Dairy")]
            + [Node(category_id=i, parent_id="dairy", name=i) for i in below]
        )

    label = tools.said("milk", shelf="dairy")
    save_export(export_of(tools, label, tree=tree("oat", "soy")), tmp_path / "out")
    assert compare_with(tmp_path / "out", export_of(tools, label, tree=tree("soy", "oat"))).same == 1
    found = compare_with(tmp_path / "out", export_of(tools, label, tree=tree("goat", "oat", "rice")))
    [changed] = found.changed
    assert (changed.gained, changed.lost, found.same) == (("goat", "rice"), ("soy",), 0)


def test_exports_are_compared_query_by_query_in_the_order_of_keys_whatever_the_queries(tools, tmp_path) -> None:
    # Over 511 bytes a key is a digest, which stands behind all others and in no order that one sees.
    queries = ["牛" * 200, "羊" * 200, "a", "z", "é", "🥤", "马" * 180]
    labels = [tools.said(query, shelf="milk", sure=0.9) for query in queries]
    save_export(export_of(tools, *labels), tmp_path / "out")
    found = compare_with(tmp_path / "out", export_of(tools, *labels[::-1]))
    assert (found.added, found.removed, found.changed, found.same) == ((), (), (), 7)
    found = compare_with(tmp_path / "out", export_of(tools, *labels[1:], tools.said("鱼" * 200, shelf="milk")))
    assert [r.query for r in found.removed] == [queries[0]] and [r.query for r in found.added] == ["鱼" * 200]
    assert found.same == 6 and found.changed == ()


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', ""])
def test_a_damaged_last_export_is_a_mistake(tools, tmp_path, damage) -> None:
    export = export_of(tools, tools.said("oj"))
    save_export(export, tmp_path / "out")
    (tmp_path / "out" / "export.json").write_text(damage)
    with pytest.raises(UserError, match="holds no export that can be read"):
        compare_with(tmp_path / "out", export)
    with pytest.raises(UserError, match="holds no export that can be read"):
        save_export(export, tmp_path / "out")
