"""The embedded demo shop from end to end, by recorded completions of a real model: no key, no network."""

from __future__ import annotations

import csv
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "demo" / "recordings" / "understand.jsonl.gz"


def assemble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass(frozen=True, kw_only=True)
class Demo:
    shop: Path
    work: Path
    told: tuple[str, str]
    untouched: bool
    ran: Any
    contexts: pl.DataFrame
    labels: dict[str, dict[str, Any]]
    tree: dict[str, list[str]]


@pytest.fixture(scope="module")
def demo(tools, encoder_folder, tmp_path_factory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    shop, work = folder / "shop", folder / "work"
    first = assemble(shop)
    times = {path.name: path.stat().st_mtime_ns for path in shop.iterdir()}
    second = assemble(shop)
    untouched = times == {path.name: path.stat().st_mtime_ns for path in shop.iterdir()}
    tools.give_encoder(encoder_folder, work)
    ran = tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{RECORDING}", "--json")
    lines = (work / "labels" / "labels.jsonl").read_text().splitlines()
    return Demo(
        shop=shop,
        work=work,
        told=(first.stdout, second.stdout),
        untouched=untouched,
        ran=ran,
        contexts=pl.read_parquet(work / "context.parquet", columns=["query", "tier", "searches"]),
        labels={label["query"]: label for label in map(json.loads, lines)},
        tree=_tree(shop / "taxonomy.csv"),
    )


def _tree(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        rows = {row["category_id"]: row for row in csv.DictReader(file)}

    def names(category_id: str) -> list[str]:
        row = rows[category_id]
        return [*(names(row["parent_id"]) if row["parent_id"] else []), row["name"]]

    return {category_id: names(category_id) for category_id in rows}


def test_the_folder_is_assembled_once(demo):
    assert demo.told == (f"the demo shop assembled: {demo.shop}\n", f"the demo shop is there already: {demo.shop}\n")
    assert demo.untouched


def test_every_query_of_the_head_and_the_torso_is_labelled(demo):
    assert demo.ran.code == 0 and demo.ran.json["failed"] == {}, demo.ran.err
    assert demo.ran.json["current"] == demo.ran.json["release"]
    wanted = demo.contexts.filter(pl.col("tier") != "tail")
    assert len(wanted) > 700
    assert list(demo.labels) == wanted["query"].to_list()
    assert (demo.work / "labels" / "labels.failures.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    ("query", "category"),
    [
        ("protein", "Protein Bars"),
        ("humm", "Kombucha"),
        ("dishes", "Dish Soap"),
        ("vernors soda", "Ginger Ale"),
        ("Vernors", "Ginger Ale"),
        ("1% milk", "Low Fat & 1% Milk"),
        ("  Toilet   PAPER ", "Toilet Paper"),
    ],
)
def test_words_mean_what_shoppers_of_this_shop_mean(demo, tools, query, category):
    answer = tools.run("understand", demo.shop, query, "--work", demo.work, "--json").json
    assert (answer["source"], answer["reason"]) == ("head", "precomputed")
    assert answer["categories"][0]["path"][-1] == category
    assert 0.5 <= answer["categories"][0]["confidence"] <= 1


def test_every_id_served_exists(demo):
    used = 0
    for label in demo.labels.values():
        for category in label["understanding"]["categories"]:
            assert category["path"] == demo.tree[category["id"]]
            used += 1
    assert used > len(demo.labels)


def test_spans_are_where_they_say(demo):
    for query, label in demo.labels.items():
        for span in label["understanding"]["annotations"]:
            assert query[span["start"] : span["end"]] == span["text"]


def test_a_tail_query_gets_what_is_near_and_no_confidence(demo, tools, tmp_path):
    tail = demo.contexts.filter(pl.col("tier") == "tail")["query"].head(50).to_list()
    (tmp_path / "tail.jsonl").write_text("".join(json.dumps({"query": query}) + "\n" for query in tail))
    files = ("--input", tmp_path / "tail.jsonl", "--output", tmp_path / "answers.jsonl")
    assert tools.run("understand", demo.shop, "--work", demo.work, *files).code == 0
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [answer["query"] for answer in answers] == tail
    assert {answer["source"] for answer in answers} == {"fallback"}
    assert {category["confidence"] for answer in answers for category in answer["categories"]} == {None}
    assert all(category["path"] == demo.tree[category["id"]] for a in answers for category in a["categories"])
    # Most of what is typed in a grocery shop is near something in it.
    assert sum(bool(answer["categories"]) for answer in answers) >= 40


def test_most_queries_have_something_to_show_beside_their_results(demo, tools):
    report = tools.run("content", demo.shop, "--work", demo.work, "--json").json
    queries, shown = sum(report["labels"].values()), sum(report["contents"].values())
    assert queries == len(demo.labels) and shown >= 0.95 * queries
    kept = {role: sum(tier["kept"] for tier in tiers.values()) for role, tiers in report["ideas"].items()}
    assert kept["complement"] >= 2 * queries and kept["substitute"] >= queries
    answer = tools.run("understand", demo.shop, "sushi", "--work", demo.work, "--json").json
    said = " ".join(idea["query"] for idea in answer["complements"])
    assert answer["complements"] and any(word in said for word in ("soy sauce", "wasabi", "ginger", "seaweed", "tea"))
    ids = {json.loads(line)["product_id"] for line in (demo.shop / "products.jsonl").read_text().splitlines()}
    ideas = answer["substitutes"] + answer["complements"]
    assert all(idea["category_id"] in demo.tree and set(idea["product_ids"]) <= ids for idea in ideas)


def test_every_category_and_rewrite_has_a_recorded_verdict(demo, tools, tmp_path):
    work = tools.copy_work(demo.work, tmp_path / "work")
    recording = RECORDING.with_name("judge.jsonl.gz")
    # docs/judge.md quotes what there is with the tail, too: 384 of 415 and 281 of 555.
    for task, right, items in (("category", 331, 361), ("rewrite", 243, 511)):
        asked = ("--task", task, "--model", f"recorded:{recording}", "--json")
        judged = tools.run("judge", demo.shop, "--work", work, *asked)
        assert judged.code == 0 and (judged.json["items"], judged.json["verdicts"]) == (items, items), judged.err
        assert judged.json["grades"] == {"0": items - right, "1": right}


def test_a_planted_regression_is_built_and_not_served(demo, tools, tmp_path):
    planted = tmp_path / "planted.jsonl.gz"
    told = subprocess.run([sys.executable, "-m", "demo.regression", planted], cwd=ROOT, capture_output=True, check=True)
    assert told.stdout.startswith(b"470 answers")
    work = tools.copy_work(demo.work, tmp_path / "work")
    (work / "labels" / "labels.jsonl").unlink()
    ran = tools.run("run", "--no-distill", demo.shop, "--work", work, "--model", f"recorded:{planted}", "--json")
    assert ran.code == 1 and (ran.json["verdict"], ran.json["failed"]) == ("FAIL", {}), ran.err
    assert ran.json["current"] == demo.ran.json["release"] != ran.json["release"]
    manifest = json.loads((work / "releases" / ran.json["release"] / "manifest.json").read_text())
    assert "leaf_f1 of all no regression" in manifest["gate"]["failed"]
    refused = tools.run("release", "promote", demo.shop, ran.json["release"], "--work", work)
    assert refused.code == 1 and "failed its gate" in refused.err
    given = ("--override", "the shop is closed today", "--json")
    assert tools.run("release", "promote", demo.shop, ran.json["release"], "--work", work, *given).code == 0


def test_the_demo_overwrites_nothing(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "shop.toml").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place, said in (("mine", "holds something else"), ("file", "is not a folder"), ("file/x", "Not a directory")):
        refused = assemble(tmp_path / place)
        assert refused.returncode == 2 and said in refused.stderr and "Traceback" not in refused.stderr
    assert (tmp_path / "mine" / "shop.toml").read_text() == "mine"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["shop.toml"]
    assert assemble().returncode == 2


def test_serve_answers_and_stops_in_silence(demo, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "service").mkdir()  # a folder of that name where the user stands is not the service
    command = [sys.executable, "-P", "-m", "querywise", "serve", str(demo.shop), "--work", str(demo.work)]
    with subprocess.Popen(
        [*command, "--port", str(port)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            answer = _understand(port, "Vernors soda")
        finally:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
    assert (answer["query"], answer["source"], answer["categories"][0]["path"][-1]) == (
        "Vernors soda",
        "head",
        "Ginger Ale",
    )
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith(f"release {answer['release']} of demo-grocery at http://127.0.0.1:{port}")


def _understand(port: int, query: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        try:
            url = f"http://127.0.0.1:{port}/v1/understand?q={urllib.parse.quote(query)}"
            with urllib.request.urlopen(url, timeout=5) as response:
                found: dict[str, Any] = json.load(response)
                return found
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
