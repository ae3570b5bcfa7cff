"""The whole path on the tiny shop: what each command leaves, says and skips."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from domain.shop import open_shop
from querywise.pipeline import label_inputs

PATHS = {
    "protein": ["Snacks", "Protein Bars"],
    "ginger ale": ["Beverages", "Soft Drinks", "Ginger Ale"],
    "dishes": ["Household", "Dish Soap"],
    "kombucha": ["Beverages", "Kombucha"],
    "humm": ["Beverages", "Kombucha"],
    "chips": ["Snacks", "Potato Chips"],
    "chicken": ["Meat", "Chicken Breast"],
    "orange juice": ["Beverages", "Juice"],
}


def test_every_step_says_what_it_did(made):
    codes = {name: result.code for name, result in made.results.items()}
    assert codes == dict.fromkeys(codes, 0) | {"import some": 1}
    assert [name for name, result in made.results.items() if result.out] == []
    said = {name: result.err for name, result in made.results.items()}
    assert "products.jsonl      26    25        1            negative price 1" in said["ingest"]
    assert "400 searches of shoppers: 4 head, 4 torso, 17 tail queries" in said["context"]
    assert "25 searches of crawlers (clients: 1), 6 of the shop's own people (clients: 2)" in said["context"]
    assert "indexed 12 categories and 25 products" in said["index"]
    assert "8 queries: 8 to ask (new 8)" in said["price"]
    # What each means, and what else to show for it.
    assert "16 requests to by-hand; 0 more are answered in the cache" in said["price"]
    assert "price:      unknown; set input and output under [llm.price]" in said["price"]
    assert "16 requests written to" in said["export"]
    assert "12 completions taken in" in said["import some"]
    assert "4 requests still without an answer" in said["import some"]
    assert "4 requests written to" in said["export rest"]
    assert "0 requests still without an answer" in said["import rest"]
    assert "8 queries: 8 labelled, 0 carried over, 0 failed" in said["label"]


def test_labels_are_the_head_and_the_torso_most_searched_first(made, labelled):
    labels = [json.loads(line) for line in (made.work / "labels" / "labels.jsonl").read_text().splitlines()]
    assert tuple(label["query"] for label in labels) == labelled
    assert [label["tier"] for label in labels] == ["head"] * 4 + ["torso"] * 4
    assert [label["searches"] for label in labels] == [80, 60, 50, 45, 40, 35, 30, 20]
    assert {label["query"]: label["understanding"]["categories"][0]["path"] for label in labels} == PATHS
    assert {label["provenance"]["model"] for label in labels} == {"by-hand"}


def test_the_shop_folder_is_never_written(made, tools):
    assert tools.digest_of(made.shop) == made.digest


def test_a_query_of_the_head_is_answered_as_it_was_labelled(made, tools):
    answer = tools.run("understand", made.shop, "  HUMM ", "--work", made.work, "--json").json
    assert list(answer)[:2] == ["query", "normalized"]
    assert (answer["query"], answer["normalized"], answer["source"]) == ("  HUMM ", "humm", "head")
    assert answer["categories"] == [{"id": "kombucha", "path": ["Beverages", "Kombucha"], "confidence": 0.9}]
    assert answer["annotations"] == [{"text": "humm", "start": 0, "end": 4, "type": "brand", "value": "humm"}]
    assert [rewrite["query"] for rewrite in answer["rewrites"]] == ["humm kombucha"]


def test_people_read_the_answer_on_standard_output(made, tools):
    result = tools.run("understand", made.shop, "humm", "--work", made.work)
    assert result.code == 0 and result.err == ""
    assert "Beverages > Kombucha  kombucha" in result.out and "0.90" in result.out
    assert "synonym 0.80       humm kombucha" in result.out


def test_a_query_of_the_tail_is_answered_by_what_is_near_without_confidence(made, tools):
    answer = tools.run("understand", made.shop, "organic chicken breast", "--work", made.work, "--json").json
    assert (answer["source"], answer["reason"]) == ("fallback", "abstained_low_confidence")
    assert [category["id"] for category in answer["categories"]] == ["chicken"]
    assert answer["categories"][0]["confidence"] is None
    assert "no confidence" in tools.run("understand", made.shop, "organic chicken breast", "--work", made.work).out


def test_a_file_of_queries_is_answered_in_order(made, tools, tmp_path):
    queries, answers = tmp_path / "queries.jsonl", tmp_path / "answers.jsonl"
    queries.write_text('{"query": "Chips", "id": 7}\n\n"dishes"\n{"query": ""}\n')
    result = tools.run("understand", made.shop, "--work", made.work, "--input", queries, "--output", answers, "--json")
    assert (result.code, result.json) == (0, {"understandings": 3, "output": str(answers)})
    read = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [(a["query"], a["source"]) for a in read] == [("Chips", "head"), ("dishes", "head"), ("", "fallback")]
    assert read[2]["reason"] == "empty_query"


def test_parquet_in_gives_the_same_understandings_as_parquet_out(made, tools, tmp_path):
    queries, answers = tmp_path / "queries.parquet", tmp_path / "answers.parquet"
    pl.DataFrame({"query": ["Chips", None, "dishes"], "id": [1, 2, 3]}).write_parquet(queries)
    result = tools.run("understand", made.shop, "--work", made.work, "--input", queries, "--output", answers)
    assert result.code == 0 and "3 understandings written to" in result.err
    frame = pl.read_parquet(answers)
    assert frame["query"].to_list() == ["Chips", "", "dishes"]
    one = tools.run("understand", made.shop, "dishes", "--work", made.work, "--json").json
    assert json.loads(frame["understanding"][2]) == one


@pytest.fixture(scope="module")
def replayed(made, tools, tmp_path_factory, encoder_folder):
    """A second work folder, made by one `run` from the recording."""
    work = tmp_path_factory.mktemp("replayed") / "work"
    tools.give_encoder(encoder_folder, work)
    result = tools.run("run", "--no-distill", made.shop, "--work", work, "--model", f"recorded:{made.recording}")
    assert result.code == 0, result.err
    return work


def test_a_recording_gives_the_same_release_content(made, replayed):
    def content(work: Path) -> str:
        return json.loads((work / "releases" / "current" / "manifest.json").read_text())["content"]

    assert content(replayed) == content(made.work)
    assert (replayed / "labels" / "labels.jsonl").read_bytes() == (made.work / "labels" / "labels.jsonl").read_bytes()


def test_a_run_by_default_ends_in_a_release_that_knows_what_else_to_show(made, tools, replayed):
    labels = [json.loads(line) for line in (replayed / "labels" / "labels.jsonl").read_text().splitlines()]
    assert {tuple(name.split("#")[0] for name in label["provenance"]["prompt"].split("+")) for label in labels} == {
        ("understand@1", "discover@1")
    }
    answer = tools.run("understand", made.shop, "chips", "--work", replayed, "--json").json
    # No product is a dip, so that idea is left out.
    assert [(idea["label"], idea["query"], idea["category_id"]) for idea in answer["complements"]] == [
        ("Ginger ale", "ginger ale", "ginger")
    ]
    assert answer["complements"][0]["product_ids"]
    said = tools.run("content", made.shop, "--work", replayed, "--json").json
    # By hand, of head and torso: kombucha for two queries and ginger ale for one; one each, two for chips, and none for
    # dishes and orange juice.
    proposed = {role: sum(tier["proposed"] for tier in tiers.values()) for role, tiers in said["ideas"].items()}
    assert proposed == {"substitute": 3, "complement": 7}


def test_a_second_run_does_nothing_again(made, tools, replayed, tmp_path):
    work = tools.copy_work(replayed, tmp_path / "work")
    watched = [work / name for name in ("warehouse/ingest.json", "context.parquet", "index/about.json")]
    watched += [work / "labels" / "labels.jsonl", work / "stages.json"]
    before = [path.stat().st_mtime_ns for path in watched]
    ids = tools.run("release", "list", made.shop, "--work", work).out
    result = tools.run(
        "run", "--no-distill", made.shop, "--work", work, "--model", f"recorded:{made.recording}", "--json"
    )
    assert result.code == 0 and result.json["failed"] == {}
    assert f"* {result.json['release']}  PASS\n" == ids and result.json["verdict"] == "PASS"
    assert [path.stat().st_mtime_ns for path in watched] == before
    assert tools.run("release", "list", made.shop, "--work", work).out == ids


def test_labels_of_other_tiers_are_left_as_they_are(made, tools, replayed, tmp_path):
    work = tools.copy_work(replayed, tmp_path / "work")
    by = (made.shop, "--work", work, "--model", f"recorded:{made.recording}")
    path = work / "labels" / "labels.jsonl"
    whole = path.read_bytes()
    path.unlink()
    head = tools.run("label", *by, "--tiers", "head", "--json").json
    assert (head["queries"], head["labelled"], len(path.read_text().splitlines())) == (4, 4, 4)
    torso = tools.run("label", *by, "--tiers", "torso", "--json").json
    assert (torso["queries"], torso["labelled"], torso["carried"]) == (4, 4, 0)
    assert path.read_bytes() == whole
    anew = tools.run("label", *by, "--tiers", "head", "--anew", "--json").json
    assert (anew["labelled"], anew["carried"]) == (4, 0)
    assert path.read_bytes() == whole


@pytest.fixture
def changed(made, tools, replayed, tmp_path):
    """The replayed shop with a product under another title, which one query's evidence quotes, and no label of that."""
    shop = tmp_path / "shop"
    shutil.copytree(made.shop, shop)
    products = (shop / "products.jsonl").read_text()
    (shop / "products.jsonl").write_text(products.replace("Lemon Dish Soap", "Lime Dish Soap"))
    work = tools.copy_work(replayed, tmp_path / "work")
    labels = (work / "labels" / "labels.jsonl").read_text().splitlines(keepends=True)
    (work / "labels" / "labels.jsonl").write_text("".join(line for line in labels if '"query":"dishes"' not in line))
    return shop, work


def test_a_changed_title_is_ingested_indexed_and_asked_about(made, tools, changed):
    shop, work = changed
    watched = [work / "warehouse" / "ingest.json", work / "index" / "about.json", work / "context.parquet"]
    before = [path.stat().st_mtime_ns for path in watched]
    served = tools.run("release", "list", shop, "--work", work, "--json").json
    result = tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{made.recording}")
    assert result.code == 1 and result.out == "" and "Traceback" not in result.err
    assert all(path.stat().st_mtime_ns > then for path, then in zip(watched, before, strict=True))
    # The title stands in the evidence of one query alone.
    assert "8 queries: 1 to ask (new 1), 7 labels stand" in result.err
    assert "8 queries: 0 labelled, 7 carried over, 1 failed" in result.err
    assert "missing from recording  1        dishes: by-hand.jsonl.gz holds no completion" in result.err
    failures = (work / "labels" / "labels.failures.jsonl").read_text().splitlines()
    assert [json.loads(line)["query"] for line in failures] == ["dishes"]
    # The release with a hole is there to be looked at; what is served is still whole.
    [old] = served
    listed = {
        row["release"]: row["current"] for row in tools.run("release", "list", shop, "--work", work, "--json").json
    }
    assert len(listed) == 2 and listed[old["release"]]
    assert f"current stays {old['release']}" in result.err


def test_a_hole_is_filled_by_a_batch(made, tools, changed, tmp_path):
    shop, work = changed
    assert tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{made.recording}").code == 1
    by = ("--work", work, "--model", "by-hand")
    # The recording's completions are not in this folder's cache, and seven labels stand all the same.
    export = tools.run("batch", "export", shop, *by, "--output", tmp_path / "in.jsonl", "--json")
    assert export.json["requests"] == 2
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    imported = tools.run("batch", "import", shop, *by, "--input", tmp_path / "out.jsonl", "--json")
    assert imported.code == 0
    assert imported.json == {
        "imported": 2,
        "known": 0,
        "duplicates": 0,
        "unasked": 0,
        "missing": 0,
        "rejected": {},
        "complaint": "",
        "price": None,
        "unreadable": 0,
    }
    result = tools.run("run", "--no-distill", shop, *by, "--json")
    assert result.code == 0 and result.json["failed"] == {}
    assert result.json["current"] == result.json["release"]


def test_other_examples_make_other_labels_where_the_prompt_shows_them(made, tools, tmp_path):
    shop = open_shop(made.shop, work=tools.copy_work(made.work, tmp_path / "work"))

    def inputs(prompt: str) -> str:
        return label_inputs(shop, model="by-hand", prompt=prompt, tiers="head")

    bare = {prompt: inputs(prompt) for prompt in ("understand@1", "understand@3", "categories@1,rewrites@1")}
    assert tools.run("prompts", "examples", made.shop, "--work", shop.work, "--from", "gold").code == 0
    assert [prompt for prompt, before in bare.items() if inputs(prompt) == before] == ["understand@1"]


def test_ideas_are_left_out_and_taken_up_again_without_a_model(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")

    def ran(*options: str) -> tuple[str, list[str]]:
        # Nobody answers to this name: what is not in the cache would fail.
        run = tools.run("run", "--no-distill", made.shop, "--work", work, "--model", "by-hand", *options, "--json")
        assert run.code == 0 and run.json["current"] == run.json["release"], run.err
        answer = tools.run("understand", made.shop, "chips", "--work", work, "--json").json
        assert answer["categories"][0]["path"] == PATHS["chips"]
        manifest = json.loads((Path(run.json["path"]) / "manifest.json").read_text())
        return manifest["content"], [idea["query"] for idea in answer["complements"]]

    whole, bare, again = ran(), ran("--prompt", "understand@1"), ran()
    assert (whole[1], bare[1], again[1]) == (["ginger ale"], [], ["ginger ale"])
    assert whole == again and whole[0] != bare[0]


def test_when_nothing_is_labelled_nothing_is_lost(made, tools, changed, tmp_path):
    shop, work = changed
    labels = (work / "labels" / "labels.jsonl").read_bytes()
    served = tools.run("release", "list", shop, "--work", work).out
    # A recording of another model, which knows none of these requests.
    stranger = tmp_path / "stranger.jsonl"
    stranger.write_text('{"key": "0", "content": "{}", "model": "stranger", "usage": {}}\n')
    result = tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{stranger}", "--json")
    assert result.code == 1
    assert result.json["release"] is None and result.json["failed"] == {"missing_from_recording": 8}
    assert (work / "labels" / "labels.jsonl").read_bytes() == labels
    assert tools.run("release", "list", shop, "--work", work).out == served


def test_an_answer_that_cannot_be_read_is_asked_again_recorded_and_replayed(made, tools, tmp_path, encoder_folder):
    work, again = tools.copy_work(made.work, tmp_path / "work"), tmp_path / "again"
    for name in ("cache", "labels"):
        shutil.rmtree(work / name)
    by = ("--work", work, "--model", "by-hand", "--tiers", "head")
    files = [tmp_path / f"{i}.jsonl" for i in range(5)]
    assert tools.run("batch", "export", made.shop, *by, "--output", files[0]).code == 0
    tools.answer_batch(files[0], files[1])
    files[1].write_text(files[1].read_text().replace('\\"specificity\\": \\"category\\"', '\\"specificity\\": 3', 1))
    first = tools.run("batch", "import", made.shop, *by, "--input", files[1], "--json")
    assert (first.code, first.json["missing"], first.json["unreadable"]) == (1, 0, 1)
    assert tools.run("batch", "export", made.shop, *by, "--output", files[2], "--json").json["requests"] == 1
    [turns] = [json.loads(line)["body"]["messages"] for line in files[2].read_text().splitlines()]
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
    assert "specificity" in turns[3]["content"]
    tools.answer_batch(files[2], files[3])
    assert tools.run("batch", "import", made.shop, *by, "--input", files[3]).code == 0
    assert tools.run("batch", "record", made.shop, *by, "--output", files[4], "--json").json["completions"] == 9
    tools.give_encoder(encoder_folder, again)
    replay = ("--work", again, "--model", f"recorded:{files[4]}", "--tiers", "head")
    result = tools.run("run", "--no-distill", made.shop, *replay)
    assert result.code == 0 and "1 answers were not of the schema" in result.err


def test_a_release_is_promoted_and_rolled_back(made, tools, changed):
    shop, work = changed
    [first] = tools.run("release", "list", shop, "--work", work, "--json").json
    tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{made.recording}")
    second = next(
        row["release"]
        for row in tools.run("release", "list", shop, "--work", work, "--json").json
        if row["release"] != first["release"]
    )

    def say(*arguments: str) -> dict[str, str]:
        return tools.run("release", *arguments, "--work", work, "--json").json

    assert say("promote", str(shop), second) == {"current": second, "previous": first["release"]}
    checked = say("verify", str(shop))
    assert (checked["release"], checked["whole"], checked["signature"]) == (second, True, "valid")
    # The query without a label, "dishes", is the one that has nothing to show either.
    assert say("show", str(shop))["counts"] == {"head": 3, "torso": 4, "tail": 0, "labelled": 7, "contents": 7}
    assert say("show", str(shop), first["release"])["counts"] == {
        "head": 4,
        "torso": 4,
        "tail": 0,
        "labelled": 8,
        "contents": 7,
    }
    assert say("rollback", str(shop)) == {"current": first["release"], "previous": second}
    assert tools.run("understand", shop, "dishes", "--work", work, "--json").json["release"] == first["release"]


def test_a_run_without_changes_leaves_a_rollback_standing(made, tools, changed, tmp_path):
    shop, work = changed
    model = ("--work", work, "--model", "by-hand")
    [first] = [row["release"] for row in tools.run("release", "list", shop, "--work", work, "--json").json]
    tools.run("ingest", shop, "--work", work)
    tools.run("context", shop, "--work", work)
    tools.run("index", shop, "--work", work)
    tools.run("batch", "export", shop, *model, "--output", tmp_path / "in.jsonl")
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    tools.run("batch", "import", shop, *model, "--input", tmp_path / "out.jsonl")
    second = tools.run("run", "--no-distill", shop, *model, "--json").json
    assert second["current"] == second["release"] != first
    assert tools.run("release", "rollback", shop, "--work", work, "--json").json["current"] == first
    again = tools.run("run", "--no-distill", shop, *model, "--json")
    assert (again.code, again.json["release"], again.json["current"]) == (0, second["release"], first)
    assert tools.run("release", "build", shop, "--work", work).code == 0
    assert tools.run("release", "show", shop, "--work", work, "--json").json["release"] == second["release"]


def test_evaluation_measures_what_there_is(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    result = tools.run("evaluate", made.shop, "--work", work)
    assert result.code == 0 and result.out.startswith("PASS") and "Traceback" not in result.err
    (reports,) = (work / "reports").iterdir()
    named = {path.name for path in reports.iterdir()}
    assert named == {"report.html", "report.json", "report.md", "junit.xml", "queries.jsonl"}
    document = tools.run("evaluate", made.shop, "--work", work, "--json")
    assert document.code == 0 and document.json == json.loads((reports / "report.json").read_text())
    systems = [row["system"] for row in document.json["report"]["rows"] if row["slice"] == "all"]
    assert systems == ["engagement", "LLM with context", reports.name]
    assert len((reports / "queries.jsonl").read_text().splitlines()) == 3
    shown = tools.run("release", "show", made.shop, "--work", work, "--json").json
    assert shown["gate"]["verdict"] == "PASS" and shown["gate"]["look"] == 1
    assert shown["gate"]["report"] == hashlib.sha256((reports / "report.json").read_bytes()).hexdigest()
