"""`review`: what is in dispute and in which order, and what the command starts, prints and exports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain import Understanding
from domain.errors import StageMissing
from domain.label import Label, Provenance, write_labels
from domain.rater_agreement import agree
from domain.reviews import Decision, Journal
from domain.shop import Shop, open_shop
from domain.understanding import Category
from evals import read_gold
from querywise.review_queue import find_differences, queue_of_differences

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TREE = [("food", None, "Food"), *((i, "food", i.title()) for i in ("bars", "chicken", "chips", "soap", "tea"))]


def demand(category_id: str, share: float, events: int = 10) -> dict[str, Any]:
    return {"category_id": category_id, "level": 1, "is_own": True, "share": share, "score": share, "events": events,
            "clicks": events, "carts": 0, "purchases": 2, "clients": 5}  # fmt: skip


def context(query: str, searches: int, *categories: dict[str, Any], tier: str = "head") -> dict[str, Any]:
    return {
        "query": query, "searches": searches, "clients": 3, "tier": tier, "share": 0.1, "zero_share": None,
        "acted_share": 0.5, "categories": list(categories), "annotations": [],
        "products": [{"product_id": "p1", "share": 1.0, "events": 4}],
        "next_queries": [{"query": "next", "count": 3, "npmi": 0.1}], "reformulations": [],
    }  # fmt: skip


def answer(query: str, *categories: str, source: Any = "head", reason: Any = "precomputed") -> Understanding:
    found = tuple(Category(id=i, path=("Food", i.title()), confidence=0.9) for i in categories)
    return Understanding(query=query, normalized=query, source=source, reason=reason, release="", categories=found)


def label(query: str, *categories: str) -> Label:
    made = Provenance(model="m", prompt="p", key="k", context="", dropped={})
    return Label(query=query, tier="head", searches=1, understanding=answer(query, *categories), provenance=made)


class Release:
    """What is served, by hand; a query that is not named falls back."""

    def __init__(self, *answers: Understanding) -> None:
        self._answers = {answer.query: answer for answer in answers}

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        lost = answer("", "soap", source="fallback", reason="abstained_low_confidence")
        return [self._answers.get(query, replace(lost, query=query, normalized=query)) for query in queries]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder, work = tmp_path / "shop", tmp_path / "work"
    folder.mkdir()
    (folder / "shop.toml").write_text('name = "by-hand"\nlocale = "en-US"\ncurrency = "USD"\n')
    made = open_shop(folder, work=work)
    made.warehouse.mkdir(parents=True)
    pl.DataFrame(TREE, schema=["category_id", "parent_id", "name"], orient="row").write_parquet(
        made.warehouse / "taxonomy.parquet"
    )
    pl.DataFrame({"product_id": ["p1", "p2"], "title": ["Crunchy Bar", "Soap"]}).write_parquet(
        made.warehouse / "products.parquet"
    )
    pl.DataFrame(
        [
            context("protein", 100, demand("bars", 0.8)),
            context("chips", 90, demand("chips", 0.9)),
            context("tea", 60, demand("tea", 0.1)),  # under a share of 0.3: behaviour says nothing
            context("dinner", 30, demand("chicken", 0.5)),
            context("rest", 10, tier="tail"),
        ]
    ).write_parquet(made.context_file)
    write_labels(
        made.labels_file, [label("protein", "bars"), label("chips", "chips"), label("tea", "tea"), label("dinner")]
    )
    write_labels(
        made.bare_labels_file, [label("protein", "chicken"), label("tea", "tea", "chips"), label("rest", "soap")]
    )
    return made


@pytest.fixture
def journal(shop: Shop) -> Journal:
    return Journal(shop.work / "reviews.jsonl")


def decide(query: str, *categories: str, rater: str = "ann", **more: Any) -> Decision:
    made: dict[str, Any] = {"id": f"{rater}-{query}-{len(more)}", "time": NOON} | more
    return Decision(query=query, rater=rater, categories=categories, **made)


def test_what_differs_comes_by_searches_and_disagreement(shop):
    # protein  behaviour {bars}, with {bars}, without {chicken}: distances 0, 1, 1; 2/3 of 100 searches  66.7
    # chips    behaviour {chips}, with {chips}: all agree
    # tea      with {tea}, without {tea, chips}: 1/2 of 60 searches                                      30
    # dinner   behaviour {chicken}, with abstains: 1 of 30 searches                                      30
    # rest     without {soap} alone has a say
    queue = find_differences(shop, None, among=100)
    assert [(item.query, item.weight) for item in queue.items] == [
        ("protein", pytest.approx(200 / 3)),
        ("dinner", pytest.approx(30)),
        ("tea", pytest.approx(30)),
    ]
    assert (queue.queries, queue.sources) == (5, {"behaviour": 3, "LLM with context": 4, "LLM without context": 3})
    assert {p.source: p.categories for p in queue.items[1].proposals} == {
        "behaviour": ("chicken",),
        "LLM with context": (),
    }


def test_only_the_most_searched_are_looked_at(shop):
    queue = find_differences(shop, None, among=2)
    assert [item.query for item in queue.items] == ["protein"] and queue.queries == 2


def test_a_release_has_a_say_where_it_is_more_than_its_label(shop):
    release = Release(
        answer("protein", "bars"),  # the label over again
        answer("chips", "soap"),  # the label has changed since
        answer("rest", "tea", source="tail", reason="model"),
    )
    queue = find_differences(shop, release, among=100)
    said = {item.query: {p.source: p.categories for p in item.proposals} for item in queue.items}
    assert set(said["protein"]) == {"behaviour", "LLM with context", "LLM without context"}
    assert said["chips"]["release"] == ("soap",)
    assert said["rest"] == {"LLM without context": ("soap",), "student": ("tea",)}
    assert (queue.sources["release"], queue.sources["student"]) == (1, 1)  # and no say of a fallback


def test_evidence_is_what_the_log_says(shop):
    evidence = find_differences(shop, None, among=100).items[0].evidence
    (demanded,) = evidence.categories
    assert (demanded.path, demanded.share, demanded.actions, demanded.purchases) == (("Food", "Bars"), 0.8, 10, 2)
    assert [(p.title, p.actions) for p in evidence.products] == [("Crunchy Bar", 4)]
    assert [(n.query, n.count) for n in evidence.next_queries] == [("next", 3)]
    assert (evidence.acted_share, evidence.zero_share) == (0.5, None)


def test_raters_who_differ_are_the_sources_of_an_adjudication(shop):
    decisions = [
        decide("tea", "tea", reason="It says tea"),
        decide("tea", "chips", rater="bob"),
        decide("gone from the log", "bars"),
        decide("gone from the log", rater="bob"),
        decide("protein", "bars"),
        decide("protein", "bars", rater="bob"),
    ]
    queue = queue_of_differences(shop, agree(decisions).differing)
    assert [(item.query, item.searches) for item in queue.items] == [("tea", 60), ("gone from the log", 0)]
    assert [(p.source, p.categories, p.reason) for p in queue.items[0].proposals] == [
        ("ann", ("tea",), "It says tea"),
        ("bob", ("chips",), ""),
    ]


def test_what_is_exported_is_read_as_gold(shop, journal, tools, tmp_path):
    for decision in (
        decide("tea", "tea", acceptable=("chips",), specificity="category", reason="Leaves"),
        decide("tea", "chips", rater="bob"),
        decide("protein"),
    ):
        journal.append(decision)
    path = tmp_path / "gold.jsonl"
    result = tools.run("review", shop.folder, "--work", shop.work, "--export", path, "--json")
    assert (result.code, result.json["labels"]) == (0, 3)
    gold = read_gold(path, shop.load_taxonomy())
    protein, tea = gold.cases
    assert (protein.query, protein.categories) == ("protein", ())
    assert (tea.categories, tea.acceptable, tea.specificity) == (("tea",), ("chips",), "category")
    assert (tea.rater, tea.kind) == ("ann", "disagreement")
    assert [(case.rater, case.categories) for case in gold.further] == [("bob", ("chips",))]
    # When and why ride along; a reader that does not know them may say so, and uses the line all the same.
    assert {problem.detail for problem in gold.problems} <= {"unknown field 'reason'", "unknown field 'time'"}
    assert gold.left_out == 0


def test_an_export_that_cannot_be(shop, journal, tools, tmp_path):
    at = ("review", shop.folder, "--work", shop.work, "--export")
    assert "nobody has decided anything yet" in tools.run(*at, tmp_path / "gold.jsonl").mistake()
    journal.append(decide("tea", "tea"))
    (tmp_path / "gold.jsonl").write_text('{"query": "tea", "categories": ["chips"]}\n')
    assert "holds labels that are not of this review" in tools.run(*at, tmp_path / "gold.jsonl").mistake()
    assert "chips" in (tmp_path / "gold.jsonl").read_text()


def test_agreement_is_printed_and_differences_listed(shop, journal, tools):
    for decision in (
        decide("tea", "tea", reason="[red]Leaves[/red]"),
        decide("tea", "gone", rater="bob"),
        decide("protein", "bars"),
        decide("protein", "bars", rater="bob"),
    ):
        journal.append(decision)
    result = tools.run("review", shop.folder, "--work", shop.work, "--agreement")
    assert result.code == 0
    # Observed: 2 * 1 over 4 answers: 1/2. Answers {bars} x2, {tea}, {gone}: of 12 ordered pairs all but 2 at 1: 10/12.
    # Alpha: 1 - (1/2) / (10/12) = 0.4.
    assert result.out.splitlines() == [
        "ann: 2 decided",
        "bob: 2 decided",
        "ann and bob: 2 queries by both; same set 50.0%, same first 50.0%, overlap (Jaccard) 0.500",
        "Krippendorff's alpha (Jaccard distance): 0.400",
        "",
        "tea",
        "  ann: Food > Tea  ([red]Leaves[/red])",
        "  bob: gone",
    ]
    document = tools.run("review", shop.folder, "--work", shop.work, "--agreement", "--json").json
    assert document["alpha"] == pytest.approx(0.4) and document["differing"][0]["query"] == "tea"


def test_damage_is_named(shop, journal, tools):
    journal.append(decide("tea", "tea"))
    journal.path.write_bytes(journal.path.read_bytes() + b'{"action": "dec')
    result = tools.run("review", shop.folder, "--work", shop.work, "--agreement")
    assert result.code == 0 and "reviews.jsonl, line 2 is left out: cut off" in result.err and "ann: 1" in result.out


def test_mistakes(shop, journal, tools, monkeypatch):
    at = ("review", shop.folder, "--work", shop.work)
    assert "exclude one another" in tools.run(*at, "--agreement", "--adjudicate").mistake()
    assert "--rater cannot be used" in tools.run(*at, "--rater", " ").mistake()
    assert "no two raters differ" in tools.run(*at, "--adjudicate").mistake()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "is taken" in tools.run(*at, "--port", str(taken.getsockname()[1])).mistake()
    for bad in ("short", "sixteen letters and a space", "sixteen-létters-and-more"):
        monkeypatch.setenv("QUERYWISE_ADMIN_KEY", bad)
        message = tools.run(*at).mistake()
        assert "QUERYWISE_ADMIN_KEY is no key" in message and bad not in message
    monkeypatch.delenv("QUERYWISE_ADMIN_KEY")
    shop.bare_labels_file.unlink()
    shop.labels_file.unlink()
    assert "there are not two sources to compare" in tools.run(*at).mistake()
    write_labels(shop.labels_file, [label("chips", "chips")])
    assert "all sources agree on the 5 most searched" in tools.run(*at).mistake()
    shop.context_file.unlink()
    assert "querywise context" in tools.run(*at).mistake()
    with pytest.raises(StageMissing):
        find_differences(shop, None, among=5)


def _call(address: str, key: str, call: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(f"{address}/v1/review{call}", headers={"Authorization": f"Bearer {key}"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_the_command_serves_and_a_kill_loses_nothing(shop, journal):
    command = [sys.executable, "-m", "querywise", "review", str(shop.folder), "--work", str(shop.work), "--port", "0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def started(**environment: str) -> tuple[subprocess.Popen[str], str, str]:
        process = subprocess.Popen(
            [*command, "--json", "--rater", "ann"], cwd=ROOT, env={**os.environ, **environment}, **streams
        )
        assert process.stdout
        said = ""
        while not said.endswith("}\n"):
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            said += line
        document = json.loads(said)
        address, _, key = document["address"].partition("/review#key=")
        assert document["queries"] == 3
        return process, address, key

    process, address, key = started()
    assert address.startswith("http://127.0.0.1:") and len(key) == 32
    assert _call(address, key, "") == {"shop": "by-hand", "rater": "ann", "asks": False, "adjudicates": False}
    place = _call(address, key, "/step?rater=ann")
    body = {"id": "1", "query": place["item"]["query"], "rater": "ann", "categories": ["bars"]}
    _call(address, key, "/decide", body)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    assert [decision.query for decision in journal.standing.decisions] == ["protein"]

    given = "a-key-of-the-environment"
    process, address, key = started(QUERYWISE_ADMIN_KEY=given)
    assert key == given and _call(address, key, "/step?rater=ann")["answered"] == 1
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in err, err
    assert f"label them at {address}/review#key={given}" in err and "3 of 5 queries are in dispute" in err
