"""`distill` and `run` on the tiny shop: a student is trained, released, asked, and trained anew only where it must."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from domain.discovery import Ideas
from domain.label import read_labels, write_labels
from domain.shop import open_shop
from querywise.distill import lessons_of, settings_before, student_stands
from querywise.pipeline import standing_release
from release.product_table import VERSION as PRODUCTS_VERSION
from release.student.tagger import SCHEMA as TAGGER_SCHEMA

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On a machine where other tests run, the threads of such small products wait for each other most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def taught(made, tools, tmp_path_factory):
    """A copy of the tiny shop's work with a student, and what `run` said when it trained it."""
    work = tools.copy_work(made.work, tmp_path_factory.mktemp("taught") / "work")
    return work, tools.run("run", made.shop, "--work", work, "--model", f"recorded:{made.recording}")


def test_a_run_trains_a_student_and_releases_it(made, tools, taught):
    work, ran = taught
    assert ran.code == 0, ran.err
    assert "distill" in ran.err and "get another category" in ran.err
    card = json.loads((work / "student" / "card.json").read_text())
    assert {share["source"] for share in card["examples"]} == {"labels", "behaviour", "catalogue", "names", "nonsense"}
    current = next(r for r in tools.run("release", "list", made.shop, "--work", work, "--json").json if r["current"])
    shown = tools.run("release", "show", made.shop, current["release"], "--work", work, "--json").json
    assert "student/model.onnx" in shown["files"]
    # Eight labels calibrate nothing: whatever has no precomputed answer is abstained from, and never made up.
    answer = tools.run("understand", made.shop, "something else", "--work", work, "--json").json
    assert (answer["source"], answer["reason"]) == ("fallback", "abstained_low_confidence")
    assert answer["categories"] == []


def test_it_is_trained_anew_only_where_labels_or_gold_have_changed(made, tools, taught):
    work, _ = taught
    by = ("--work", work, "--model", f"recorded:{made.recording}")
    model = work / "student" / "model.onnx"
    before = model.stat().st_mtime_ns
    again = tools.run("run", made.shop, *by)
    assert (again.code, model.stat().st_mtime_ns) == (0, before) and "get another category" not in again.err


def test_what_is_shown_beside_an_answer_is_nothing_that_a_student_learns(made, tools, taught, tmp_path):
    shop = open_shop(made.shop, work=tools.copy_work(taught[0], tmp_path / "work"))
    assert student_stands(shop)
    first, *rest = read_labels(shop.labels_file)
    ideas = Ideas(explore=("drinks for a party",))
    write_labels(shop.labels_file, [replace(first, ideas=ideas), *rest])
    assert student_stands(shop)
    write_labels(shop.labels_file, rest)
    assert not student_stands(shop)


def test_a_student_of_another_format_does_not_stand(made, tools, taught, monkeypatch):
    shop = open_shop(made.shop, work=taught[0])
    assert student_stands(shop)
    monkeypatch.setattr("querywise.distill.TAGGER_SCHEMA", TAGGER_SCHEMA + 1)
    assert not student_stands(shop)
    release = standing_release(shop)
    assert release is not None
    monkeypatch.setattr("querywise.pipeline.PRODUCTS_VERSION", PRODUCTS_VERSION + 1)
    assert standing_release(shop) is None


def test_a_tagger_of_another_format_comes_into_no_release(made, tools, taught, tmp_path):
    work = tools.copy_work(taught[0], tmp_path / "work")
    about = work / "student" / "tagger.json"
    about.write_text(about.read_text().replace(f'"schema_version":{TAGGER_SCHEMA}', '"schema_version":1'))
    before = sorted(path.name for path in (work / "releases").iterdir())
    built = tools.run("release", "build", made.shop, "--work", work)
    assert built.code == 1 and "schema version 1" in built.err and "`querywise distill` again" in built.err
    assert sorted(path.name for path in (work / "releases").iterdir()) == before


def test_one_fold_of_a_student_before_is_not_taken_over(made, tools, taught, tmp_path):
    from distill.student import Settings  # needs torch

    shop = open_shop(made.shop, work=tools.copy_work(taught[0], tmp_path / "work"))
    card = shop.student / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"folds": 1}))
    settings = settings_before(shop)
    assert settings is not None and settings.folds == Settings().folds


def test_the_command_says_in_json_what_the_card_says(made, tools, taught):
    work, _ = taught
    result = tools.run("distill", made.shop, "--work", work, "--folds", "2", "--json")
    assert result.code == 0, result.err
    assert result.json == json.loads((work / "student" / "card.json").read_text())
    assert {parity["precision"] for parity in result.json["parity"]} == {"fp32", "int8"}


def test_a_run_trains_anew_with_the_settings_of_before(made, tools, taught, tmp_path):
    shop = open_shop(made.shop, work=tools.copy_work(taught[0], tmp_path / "work"))
    settings = {"seed": 3, "folds": 2, "target": 0.8, "most_flips": 0.5}
    options = [f"--{name.replace('most', 'max').replace('_', '-')}={value}" for name, value in settings.items()]
    assert tools.run("distill", made.shop, "--work", shop.work, *options).code == 0
    write_labels(shop.labels_file, list(read_labels(shop.labels_file))[:-1])
    ran = tools.run("run", made.shop, "--work", shop.work, "--model", f"recorded:{made.recording}")
    assert "get another category" in ran.err  # it was trained
    card = json.loads((shop.student / "card.json").read_text())
    assert {name: card[name] for name in settings} == settings


def test_without_labels_or_an_index_there_is_nothing_to_train_on(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    (work / "labels" / "labels.jsonl").unlink()
    message = tools.run("distill", made.shop, "--work", work).mistake()
    assert "there are no labels" in message and "querywise label" in message


def test_one_fold_is_a_mistake(made, tools, taught):
    message = tools.run("distill", made.shop, "--work", taught[0], "--folds", "1").mistake()
    assert "one fold leaves nothing to learn from" in message and "0, or 2 to 20" in message


def test_labels_and_contexts_of_an_earlier_tree_are_a_mistake(made, tools, tmp_path):
    folder, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, folder)
    for name in ("taxonomy.csv", "products.jsonl"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("chips,snacks", "crisps,snacks").replace('"chips"', '"crisps"'))
    assert tools.run("ingest", folder, "--work", work).code == 0

    def mistake():
        message = tools.run("distill", folder, "--work", work).mistake()
        assert "querywise context" in message and "querywise label" in message
        return "'chips' is gone" in message

    labels = work / "labels" / "labels.jsonl"
    stay = [label for label in read_labels(labels) if label.query != "chips"]
    assert mistake()
    before = labels.read_bytes()
    write_labels(labels, stay)
    assert mistake()
    labels.write_bytes(before)
    assert tools.run("context", folder, "--work", work).code == 0
    assert mistake()
    # The check passes where neither names it.
    write_labels(labels, stay)
    shop = open_shop(folder, work=work)
    assert len(lessons_of(shop, None).labels) == len(stay)


def test_gold_that_cannot_be_read_is_a_mistake_before_anything_is_trained(made, tools, taught, tmp_path):
    work, _ = taught
    before = (work / "student" / "model.onnx").stat().st_mtime_ns
    message = tools.run("distill", made.shop, "--work", work, "--gold", tmp_path / "none.jsonl").mistake()
    assert "cannot read the gold file" in message
    assert (work / "student" / "model.onnx").stat().st_mtime_ns == before
