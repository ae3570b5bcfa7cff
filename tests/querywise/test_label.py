"""`querywise label` against a chat server on this machine, through litellm: what it asks, spends, keeps and says."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import prompts
from domain.label import Label, read_labels
from prompts.ledger import read_ledger
from tests.prompts import conftest as prompts_conftest

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

chat_server = prompts_conftest.chat_server

MODEL = "openai/local"
# Dollars per million: an answer costs 1000 x 1 + 100 x 5, divided by 1e6.
PRICE = "[llm.price]\ninput = 1.0\noutput = 5.0\nbatch_input = 0.5\nbatch_output = 2.5\n"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
COST = 0.0015
GOOD = json.dumps(
    {
        "need": "n",
        "spelling": None,
        "specificity": "category",
        "categories": [{"id": "k1", "confidence": 0.9}],
        "annotations": [],
        "rewrites": [],
    }
)
IDEAS = json.dumps(
    {
        "need": "n",
        "substitutes": [],
        "complements": [{"label": "Chips", "query": "potato chips", "why": "w"}],
        "explore": [],
    }
)
TOO_LONG = {"error": {"message": "max context length", "code": "context_length_exceeded"}}


def query_of(body: dict[str, Any]) -> str:
    return re.findall(r"<query>(.*)</query>", body["messages"][1]["content"])[0]


def asks_ideas(body: dict[str, Any]) -> bool:
    """Whether this is the second request about a query."""
    return "In the catalogue:" in body["messages"][1]["content"]


@dataclass
class Desk:
    """A copy of the tiny shop, whose model answers by query; `answers` holds what it says instead of a good answer.

    One request a query, unless `prompt` is emptied, which leaves the choice to the program; `ideas` are the answers to
    the second.
    """

    shop: Path
    work: Path
    server: Any
    run: Callable[..., Any]
    answers: dict[str, Any] = field(default_factory=dict)
    ideas: dict[str, Any] = field(default_factory=dict)
    prompt: tuple[str, ...] = ("--prompt", "understand@1")

    def by(self) -> tuple[str | Path, ...]:
        return ("--work", self.work, "--model", MODEL, "--api-base", self.server.url, *self.prompt)

    def label(self, *more: str | Path) -> Any:
        result = self.run("label", self.shop, *self.by(), *more)
        assert "Traceback" not in result.err, result.err
        return result

    def respond(self, body: dict[str, Any], _: int) -> Any:
        said = self.ideas.get(query_of(body), IDEAS) if asks_ideas(body) else self.answers.get(query_of(body), GOOD)
        said = said(body) if callable(said) else said
        return self.server.said(said, USAGE) if isinstance(said, str) else said

    def asked(self) -> list[str]:
        """The queries asked since the last look, in order."""
        found = [query_of(body) for body in self.server.requests]
        self.server.requests.clear()
        return found

    def labels(self, name: str = "labels.jsonl") -> dict[str, Label]:
        return {label.query: label for label in read_labels(self.work / "labels" / name)}

    def failures(self) -> dict[str, str]:
        lines = (self.work / "labels" / "labels.failures.jsonl").read_text().splitlines()
        return {line["query"]: line["kind"] for line in map(json.loads, lines)}

    def spending(self) -> Any:
        return self.run("label", self.shop, "--work", self.work, "--ledger", "--json").json


@pytest.fixture
def desk(made, tools, chat_server, tmp_path, monkeypatch) -> Desk:
    monkeypatch.setattr("prompts.runner._FIRST_WAIT", 0.01)
    shop, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, shop)
    with (shop / "shop.toml").open("a") as file:
        file.write(PRICE)
    for name in ("cache", "labels", "ledger", "runs", "releases"):
        shutil.rmtree(work / name, ignore_errors=True)
    desk = Desk(shop=shop, work=work, server=chat_server, run=tools.run)
    chat_server.respond = desk.respond
    return desk


@pytest.fixture
def mixture(desk) -> Desk:
    """Five labels to be had, and one query each that fails in its own way; the seventh costs all the money."""
    server = desk.server
    dear = server.said(GOOD, {"prompt_tokens": 4_980_000, "completion_tokens": 1000})
    desk.answers |= {
        "ginger ale": server.said(None, USAGE, refusal="I would rather not."),
        "dishes": "no JSON at all",
        "kombucha": server.reply(TOO_LONG, 400),
        "humm": server.reply({"error": {"message": "broken"}}, 500),
        "chips": lambda body: GOOD if len(body["messages"]) > 2 else "nope",
        "chicken": dear,
    }
    return desk


FAILED = {
    "ginger ale": "refused",
    "dishes": "unparseable",
    "kombucha": "too_long",
    "humm": "provider_error",
    "orange juice": "over_budget",
}


def test_a_run_of_every_kind_of_end_adds_up(mixture) -> None:
    result = mixture.label("--concurrency", "1", "--budget", "5", "--json")
    assert result.code == 1
    said = result.json
    assert (said["queries"], said["labelled"], said["carried"], said["kept"]) == (8, 3, 0, 0)
    assert said["failed"] == dict.fromkeys(FAILED.values(), 1)
    assert mixture.failures() == FAILED
    assert [*mixture.labels()] == ["protein", "chips", "chicken"]
    # A refusal is asked twice, as is what cannot be read; too long is cut four times, a broken server tried four times.
    asked = Counter(mixture.asked())
    assert asked == {"protein": 1, "ginger ale": 2, "dishes": 2, "kombucha": 5, "humm": 4, "chips": 2, "chicken": 1}
    tally = said["tally"]
    assert (tally["completions"], tally["from_cache"], tally["repaired"]) == (8, 0, 1)
    assert tally["retries"] == {"refused": 1, "provider_error": 3}
    # 7 x 0.0015, and 4.98 + 1000 x 5e-6 for the dear one.
    assert tally["price"] == pytest.approx(0.0105 + 4.985)
    [run] = mixture.spending()["runs"]
    assert (run["run"], run["completions"], run["labels"]) == (said["run"], 8, 3)
    assert run["price"] == pytest.approx(4.9955)


def test_people_read_how_each_ended(mixture) -> None:
    said = mixture.label("--concurrency", "1", "--budget", "5").err
    assert "8 queries: 8 to ask (new 8)" in said
    assert "8 queries: 3 labelled, 0 carried over, 5 failed" in said
    assert "1 answers were not of the schema and were mended by the model" in said
    assert "8 completions, 0 from the cache; 4,987,000 tokens in (0% cached), 1,700 out, $4.9955" in said
    for query, kind in FAILED.items():
        assert re.search(rf"^{kind.replace('_', ' ')} +1 +{query}: ", said, re.MULTILINE), said


def test_what_would_fail_again_is_asked_only_when_somebody_says_so(mixture) -> None:
    assert mixture.label("--concurrency", "1", "--budget", "5").code == 1
    mixture.answers.clear()
    mixture.asked()
    plain = mixture.label()
    # The broken server and the lack of money were of the moment.
    assert sorted(mixture.asked()) == ["humm", "orange juice"]
    assert plain.code == 1
    assert "8 queries: 2 to ask (failed before 2), 3 labels stand" in plain.err
    assert "3 failed before and would again" in plain.err
    assert "8 queries: 2 labelled, 3 carried over, 3 failed" in plain.err
    assert mixture.label("--retry", "timeout").code == 1
    assert mixture.asked() == []
    one = mixture.label("--retry", "unparseable", "--json")
    assert mixture.asked() == ["dishes"]
    assert (one.code, one.json["failed"]) == (1, {"refused": 1, "too_long": 1})
    rest = mixture.label("--retry", "all", "--json")
    assert sorted(mixture.asked()) == ["ginger ale", "kombucha"]
    assert (rest.code, rest.json["labelled"], rest.json["carried"], rest.json["failed"]) == (0, 2, 6, {})
    last = mixture.label("--json")
    assert (last.code, last.json["carried"], mixture.asked()) == (0, 8, [])
    assert mixture.failures() == {}
    # 8 completions of the first start, then 2, 1 and 2; the labels of all starts are the run's.
    [run] = mixture.spending()["runs"]
    assert (run["completions"], run["labels"]) == (13, 8)
    assert run["price_a_label"] == pytest.approx((4.9955 + 5 * COST) / 8)


def test_a_retry_that_was_cut_short_pays_for_nothing_twice(desk) -> None:
    desk.answers |= {"dishes": "nope", "chips": "nope"}
    assert desk.label("--concurrency", "1").code == 1
    failures = (desk.work / "labels" / "labels.failures.jsonl").read_bytes()
    labels = (desk.work / "labels" / "labels.jsonl").read_bytes()
    desk.answers.pop("dishes")
    assert desk.label("--concurrency", "1", "--retry", "unparseable").code == 1
    # As if it had been killed before it wrote its labels: the answer about dishes is kept, and can be used.
    (desk.work / "labels" / "labels.failures.jsonl").write_bytes(failures)
    (desk.work / "labels" / "labels.jsonl").write_bytes(labels)
    desk.answers.clear()
    desk.asked()
    dry = desk.label("--retry", "unparseable", "--dry-run", "--json").json
    assert (dry["requests"], dry["in_cache"], dry["reasons"]) == (1, 1, {"asked_again": 2})
    assert desk.label("--retry", "unparseable").code == 0
    assert desk.asked() == ["chips"]


def test_a_retry_reaches_the_answer_to_a_question_that_was_cut(desk) -> None:
    server, full = desk.server, []

    def said(body: dict[str, Any]) -> Any:
        full.append(len(str(body["messages"])))
        return server.reply(TOO_LONG, 400) if full[-1] == full[0] else "nope"

    desk.answers["protein"] = said
    assert desk.label("--tiers", "head").code == 1
    assert desk.failures() == {"protein": "unparseable"}
    desk.answers["protein"] = lambda body: said(body) if len(str(body["messages"])) == full[0] else GOOD
    assert desk.label("--tiers", "head", "--retry", "unparseable").code == 0
    assert desk.labels()["protein"].provenance.trimmed > 0


def test_a_budget_stops_and_a_higher_one_goes_on(desk) -> None:
    first = desk.label("--concurrency", "1", "--budget", "0.022", "--json")
    assert first.code == 1
    answered = desk.asked()
    assert 0 < len(answered) < 8
    assert first.json["failed"] == {"over_budget": 8 - len(answered)}
    spent = read_ledger(desk.work / "ledger")["price"].sum()
    assert spent == pytest.approx(COST * len(answered)) and spent <= 0.022
    # What the run has spent counts: the same ceiling leaves no more than it did.
    again = desk.label("--concurrency", "1", "--budget", "0.022", "--json")
    assert (again.code, again.json["run"], desk.asked()) == (1, first.json["run"], [])
    assert (again.json["labelled"], again.json["carried"]) == (0, len(answered))
    [run] = desk.spending()["runs"]
    assert run["labels"] == len(answered)
    assert desk.label("--budget", "1").code == 0
    assert sorted(desk.asked() + answered) == sorted(desk.labels())
    ledger = desk.spending()
    [run] = ledger["runs"]
    assert (run["completions"], run["labels"], run["unpriced"]) == (8, 8, 0)
    assert (run["price"], run["price_a_label"]) == (pytest.approx(8 * COST), pytest.approx(COST))
    assert ledger["total"] == run | {"run": "all"}


def test_a_budget_of_nothing_asks_nothing(desk) -> None:
    result = desk.label("--budget", "0", "--json")
    assert (result.code, result.json["failed"], desk.asked()) == (1, {"over_budget": 8}, [])
    assert not (desk.work / "labels" / "labels.jsonl").exists()


def test_a_budget_without_a_price_is_a_mistake(desk, made) -> None:
    (desk.shop / "shop.toml").write_bytes((made.shop / "shop.toml").read_bytes())
    message = desk.label("--budget", "1").mistake()
    assert "a budget needs a price" in message and "[llm.price] in shop.toml" in message
    assert desk.asked() == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--retry", "unparsable"), "no such class of failures: unparsable"),
        (("--tiers", "heads"), "no such tiers: 'heads'"),
        (("--prompt", "understand@99"), "there is no prompt 'understand@99'"),
    ],
)
def test_what_there_is_not_is_a_mistake(desk, options, complaint) -> None:
    assert complaint in desk.label(*options).mistake()
    assert desk.asked() == []


@pytest.mark.parametrize("options", [("--budget", "-1"), ("--rpm", "0"), ("--concurrency", "0"), ("--budget", "nan")])
def test_limits_that_are_none_are_refused(desk, options) -> None:
    result = desk.label(*options)
    assert (result.code, desk.asked()) == (2, [])


def test_an_independent_repeat_has_labels_of_its_own(desk) -> None:
    assert desk.label("--tiers", "head").code == 0
    labels = desk.work / "labels" / "labels.jsonl"
    before, first = labels.read_bytes(), list(desk.server.requests)
    desk.asked()
    assert desk.label("--tiers", "head", "--nonce", "again, please / ../x").code == 0
    # The model is asked the same, and knows of no repeat.
    assert sorted(desk.server.requests, key=query_of) == sorted(first, key=query_of)
    desk.asked()
    assert labels.read_bytes() == before
    names = {path.name for path in labels.parent.glob("*.jsonl")}
    [repeat] = [name for name in names if re.fullmatch(r"labels\.[0-9a-f]{8}\.jsonl", name)]
    assert names == {
        "labels.jsonl",
        "labels.failures.jsonl",
        repeat,
        repeat.replace(".jsonl", ".failures.jsonl"),
    }
    first_key, repeat_key = (desk.labels(name)["protein"].provenance.key for name in ("labels.jsonl", repeat))
    assert first_key != repeat_key
    assert desk.label("--tiers", "head", "--nonce", "again, please / ../x").code == 0
    assert desk.asked() == []
    assert len(desk.spending()["runs"]) == 2


def test_the_ledger_is_read_by_people_too(desk) -> None:
    empty = desk.run("label", desk.shop, "--work", desk.work, "--ledger")
    assert (empty.code, empty.out) == (0, "") and "the ledger is empty" in empty.err
    run = desk.label("--tiers", "head", "--json").json["run"]
    said = desk.run("label", desk.shop, "--work", desk.work, "--ledger").out
    [heading, row, total] = said.splitlines()
    assert heading.split() == "run model prompt completions tokens in cached out price labels each".split()
    # Four completions of 1000 and 100 tokens; how many were cached, the server does not say.
    figures = ["4", "4,000", "unknown", "400", "$0.0060", "4", "$0.001500"]
    assert row.split() == [run, MODEL, "understand@1#9c711a46", *figures]
    assert total.split() == ["all", MODEL, "understand@1#9c711a46", *figures]


def test_what_timed_out_counts_at_the_next_start_and_is_shown_beside_what_was_spent(desk) -> None:
    late = desk.server.reply({"error": {"message": "too late"}}, 408)
    for query in ("ginger ale", "dishes", "kombucha", "humm", "chips", "chicken", "orange juice"):
        desk.answers[query] = late
    first = desk.label("--concurrency", "1", "--budget", "0.05", "--json").json
    asked = len(desk.asked())
    assert first["labelled"] == 1 and 1 < asked
    # It was all set aside: the same ceiling leaves nothing to ask with.
    again = desk.label("--concurrency", "1", "--budget", "0.05", "--json").json
    assert (again["run"], desk.asked()) == (first["run"], [])
    assert again["failed"] == {"over_budget": 7}
    [run] = desk.spending()["runs"]
    assert (run["completions"], run["unpriced"], run["unanswered"]) == (1, 0, asked - 1)
    assert (run["price"], run["price_a_label"]) == (pytest.approx(COST), pytest.approx(COST))
    assert 0 < run["at_most"] <= 0.05 - COST
    said = desk.run("label", desk.shop, "--work", desk.work, "--ledger").out
    assert f"${COST:.4f} + {asked - 1} timed out, at most ${run['at_most']:.4f}" in said


def test_an_answer_that_says_nothing_is_asked_for_once_more_and_kept(desk) -> None:
    desk.answers["protein"] = ""
    assert desk.label("--tiers", "head").code == 1
    assert desk.failures() == {"protein": "unparseable"}
    assert Counter(desk.asked())["protein"] == 2
    [run] = desk.spending()["runs"]
    assert (run["completions"], run["price"]) == (5, pytest.approx(5 * COST))
    assert (desk.label("--tiers", "head").code, desk.asked()) == (1, [])
    desk.answers.clear()
    assert desk.label("--tiers", "head", "--retry", "unparseable").code == 0
    assert desk.asked() == ["protein"]


def test_a_budget_is_refused_to_a_prompt_that_sets_no_limit(desk, tmp_path) -> None:
    own = tmp_path / "own@1.md"
    text = (Path(prompts.__file__).parent / "files" / "understand@1.md").read_text()
    own.write_text(text.replace(", max_tokens = 1500", ""))
    desk.prompt = ("--prompt", str(own))
    result = desk.label("--tiers", "head", "--budget", "5")
    assert result.code == 2 and "sets no limit to the length of an answer" in result.err and "max_tokens" in result.err
    assert desk.asked() == []
    assert desk.label("--tiers", "head").code == 0


def test_a_dry_run_asks_nothing_and_prices_both_ways(desk) -> None:
    found = desk.label("--dry-run", "--json")
    document = found.json
    assert (found.code, document["queries"], document["requests"], document["in_cache"]) == (0, 8, 8, 0)
    assert document["reasons"] == {"new": 8}
    tokens_in, tokens_out = document["tokens_in"], document["tokens_out"]
    assert tokens_in["tokenizer"] is None and tokens_in["low"] < tokens_in["high"]
    for end in ("low", "high"):
        price = (tokens_in[end] * 1.0 + tokens_out[end] * 5.0) / 1e6
        assert document["sync"][end] == pytest.approx(price)
        assert document["batch"][end] == pytest.approx(price / 2)
    # 1500 tokens are the longest answer that the prompt allows.
    assert document["most"] == pytest.approx((tokens_in["high"] + 8 * 1500 * 5.0) / 1e6)
    said = desk.label("--dry-run").err
    sync, batch = (f"${document[way]['low']:.4f} to ${document[way]['high']:.4f}" for way in ("sync", "batch"))
    assert f"price:      {sync} one at a time, {batch} as a batch (shop.toml)" in said
    assert f"at most ${document['most']:.4f}" in said
    assert desk.asked() == []
    assert not (desk.work / "labels").exists() and not (desk.work / "ledger").exists()
    desk.label("--tiers", "head")
    left = desk.label("--dry-run", "--anew", "--json").json
    assert (left["requests"], left["in_cache"], left["reasons"]) == (4, 4, {"asked_again": 8})


@pytest.fixture
def usual(desk) -> Desk:
    """The desk of somebody who names no prompt."""
    desk.prompt = ()
    return desk


def test_a_dry_run_prices_both_requests(usual) -> None:
    alone = usual.label("--dry-run", "--json", "--prompt", "understand@1").json
    both = usual.label("--dry-run", "--json").json
    assert [name.split("#")[0] for name in both["prompt"].split("+")] == ["understand@1", "discover@1"]
    assert (alone["requests"], both["requests"], both["queries"], both["reasons"]) == (8, 16, 8, {"new": 8})
    # Neither prompt takes an answer of more than 1500 tokens.
    for end in ("low", "high"):
        price = (both["tokens_in"][end] * 1.0 + both["tokens_out"][end] * 5.0) / 1e6
        assert both["sync"][end] == pytest.approx(price) and both["batch"][end] == pytest.approx(price / 2)
        assert both["tokens_in"][end] > alone["tokens_in"][end]
        assert both["tokens_out"][end] > alone["tokens_out"][end]
    assert both["most"] == pytest.approx((both["tokens_in"]["high"] + 16 * 1500 * 5.0) / 1e6)
    # The tail, and whoever is shown no evidence, is asked only what a query means.
    assert usual.label("--dry-run", "--json", "--tail", "1").json["requests"] == 17
    assert usual.label("--dry-run", "--json", "--without-context").json["requests"] == 8
    said = usual.label("--dry-run").err
    assert "8 queries: 8 to ask (new 8)" in said and "16 requests to openai/local" in said
    assert usual.asked() == []


def test_head_and_torso_are_asked_what_else_to_show_too(usual, labelled) -> None:
    assert usual.label("--tail", "1").code == 0
    second = Counter(query_of(body) for body in usual.server.requests if asks_ideas(body))
    assert second == dict.fromkeys(labelled, 1)
    assert Counter(usual.asked()) == dict.fromkeys(labelled, 2) | {"oj": 1}
    labels = usual.labels()
    assert {query for query, label in labels.items() if label.ideas is not None} == {*labelled}
    assert [idea.query for idea in labels["humm"].ideas.complements] == ["potato chips"]
    assert labels["humm"].understanding.categories
    [run] = usual.spending()["runs"]
    # 8 x 2 + 1 answers for nine labels.
    assert (run["completions"], run["labels"], run["price"]) == (17, 9, pytest.approx(17 * COST))
    assert (usual.label("--tail", "1", "--json").json["carried"], usual.asked()) == (9, [])


def test_leaving_ideas_out_asks_nothing_and_taking_them_up_asks_for_them_alone(usual, labelled) -> None:
    meaning = ("--prompt", "understand@1")
    assert usual.label(*meaning).code == 0
    meant = {query: label.understanding for query, label in usual.labels().items()}
    assert sorted(usual.asked()) == sorted(labelled)
    dry = usual.label("--dry-run", "--json").json
    assert (dry["requests"], dry["in_cache"], dry["reasons"]) == (8, 8, {"prompt_changed": 8})
    joined = usual.label()
    assert joined.code == 0 and "8 completions, 0 from the cache" not in joined.err
    assert sorted(map(query_of, filter(asks_ideas, usual.server.requests))) == sorted(usual.asked()) == sorted(labelled)
    both = usual.labels()
    assert {query: label.understanding for query, label in both.items()} == meant
    for prompt, wanted in ((meaning, None), ((), both["humm"].ideas)):
        dry = usual.label("--dry-run", "--json", *prompt).json
        assert (dry["requests"], dry["sync"]) == (0, {"low": 0.0, "high": 0.0})
        assert (usual.label(*prompt).code, usual.asked()) == (0, [])
        assert usual.labels()["humm"].ideas == wanted
        assert {query: label.understanding for query, label in usual.labels().items()} == meant
    assert usual.labels() == both
    assert usual.spending()["total"]["completions"] == 16


def test_where_only_the_second_request_fails_it_alone_is_taken_up_again(usual, labelled) -> None:
    usual.ideas["humm"] = usual.server.reply({"error": {"message": "broken"}}, 500)
    usual.ideas["chips"] = "no JSON at all"
    usual.ideas["dishes"] = lambda body: IDEAS if len(body["messages"]) > 2 else "nope"
    assert usual.label().code == 1
    assert usual.failures() == {"humm": "provider_error", "chips": "unparseable"}
    assert usual.labels().keys() == {*labelled} - {"humm", "chips"}
    # A broken server is tried four times; what cannot be read is asked again once.
    assert Counter(usual.asked()) == dict.fromkeys(labelled, 2) | {"humm": 5, "chips": 3, "dishes": 3}
    usual.ideas.clear()
    assert usual.label("--retry", "all").code == 0
    assert [query_of(body) for body in usual.server.requests if not asks_ideas(body)] == []
    assert sorted(usual.asked()) == ["chips", "humm"]
    assert usual.labels().keys() == {*labelled}


def test_a_budget_holds_for_both_requests_and_a_higher_one_goes_on(usual, labelled) -> None:
    assert usual.label("--concurrency", "1", "--budget", "0.03").code == 1
    first = usual.asked()
    assert 0 < len(first) < 16
    assert read_ledger(usual.work / "ledger")["price"].sum() == pytest.approx(COST * len(first)) and len(first) <= 20
    # In turn, so that a label is whole before the next is begun.
    assert len(usual.labels()) == len(first) // 2
    assert usual.label("--budget", "1").code == 0
    assert Counter(first + usual.asked()) == dict.fromkeys(labelled, 2)


def test_other_examples_ask_again_what_they_are_shown_with(desk) -> None:
    by = ("--prompt", "understand@3", "--tiers", "head")
    assert desk.label(*by).code == 0
    path = desk.work / "labels" / "labels.jsonl"
    # As a label was before it said which examples there were.
    old = path.read_text().replace(',"examples":""', "")
    assert '"examples"' not in old
    path.write_text(old)
    desk.asked()
    first = desk.label(*by, "--json").json
    assert (first["carried"], desk.asked()) == (4, [])
    examples = desk.work / "examples.jsonl"
    assert desk.run("prompts", "examples", desk.shop, "--work", desk.work, "--from", "gold").code == 0
    again = desk.label(*by)
    assert "4 queries: 4 to ask (examples changed 4)" in again.err
    assert sorted(desk.asked()) == sorted(desk.labels())
    assert {len(label.provenance.examples) for label in desk.labels().values()} == {16}
    second = desk.label(*by, "--json").json
    assert (second["carried"], desk.asked(), second["run"] == first["run"]) == (4, [], False)
    # What was asked before is in the cache.
    examples.unlink()
    back = desk.label(*by, "--json").json
    assert (back["labelled"], desk.asked(), back["run"]) == (4, [], first["run"])


def test_requests_a_minute_are_spaced(desk) -> None:
    times: list[float] = []
    respond = desk.server.respond
    desk.server.respond = lambda body, number: times.append(time.monotonic()) or respond(body, number)
    assert desk.label("--rpm", "600").code == 0
    # Seven gaps of a tenth of a second; the first request may be late, for litellm wakes up.
    assert len(times) == 8 and times[-1] - times[1] >= 0.5


@pytest.fixture
def stuck(desk, tools) -> Iterator[Callable[[], Any]]:
    """Start a run as a process of its own that gets four answers, two at a time, and then waits."""
    released = threading.Event()
    processes = []

    def respond(body: dict[str, Any], number: int) -> Any:
        if number >= 4:
            released.wait(60)
        return desk.respond(body, number)

    def start() -> Any:
        process = tools.start("label", desk.shop, *desk.by(), "--concurrency", "2")
        processes.append(process)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and len(desk.server.requests) < 6:
            time.sleep(0.01)
        assert len(desk.server.requests) == 6, process.communicate()
        return process

    desk.server.respond = respond
    yield start
    released.set()
    for process in processes:
        process.kill()
        process.communicate()


def finish(desk: Desk) -> None:
    """Run again after a run that was stuck: only what was in flight is asked again."""
    first = desk.asked()
    desk.server.respond = desk.respond
    result = desk.label("--json")
    assert (result.code, result.json["labelled"], result.json["carried"]) == (0, 8, 0)
    assert result.json["tally"]["completions"] == 4
    second = desk.asked()
    assert sorted(first[:4] + second) == sorted(desk.labels())
    assert sorted(first[4:]) == sorted(set(first) & set(second))
    [run] = desk.spending()["runs"]
    assert (run["completions"], run["labels"], run["price"]) == (8, 8, pytest.approx(8 * COST))


def test_a_killed_run_goes_on_and_meanwhile_no_other_begins(desk, stuck) -> None:
    process = stuck()
    assert "another querywise is at work" in desk.label().mistake()
    assert desk.label("--dry-run").code == 0
    assert desk.spending()["total"]["completions"] == 4
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (desk.work / "labels" / "labels.jsonl").exists()
    finish(desk)


def test_a_run_that_is_stopped_says_so_and_goes_on(desk, stuck) -> None:
    process = stuck()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "querywise: stopped; what was finished is kept" and "Traceback" not in err
    finish(desk)


def append_searches(shop: Path, text: str, count: int, product: str) -> None:
    """Add searches of a query that all end with a click and a purchase of one product, days after the others."""
    queries, events = [], []
    for i in range(count):
        at = (datetime(2025, 5, 20, tzinfo=UTC) + timedelta(minutes=11 * i)).isoformat()
        query_id, client = f"later-{text}-{i}", f"d{i % 23}"
        queries.append(
            {"query_id": query_id, "user_query": text, "client_id": client, "application": "web"}
            | {"timestamp": at, "query_response_hit_ids": [product]}
        )
        events += [
            {"action_name": action, "query_id": query_id, "client_id": client, "timestamp": at}
            | {"event_attributes": {"object": {"object_id": product}, "position": {"ordinal": 1}}}
            for action in ("click", "purchase")
        ]
    for name, rows in (("ubi_queries.ndjson", queries), ("ubi_events.ndjson", events)):
        with (shop / name).open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def test_after_a_newer_log_only_what_moved_or_is_new_is_asked(desk) -> None:
    assert desk.label().code == 0
    before = desk.labels()
    desk.asked()
    # Chips led to chips 35 times, and now 60 times to protein bars. Nobody searched "oj" but ten times.
    append_searches(desk.shop, "chips", 60, "bars1")
    append_searches(desk.shop, "oj", 40, "juice1")
    for stage in ("ingest", "context", "index"):
        assert desk.run(stage, desk.shop, "--work", desk.work).code == 0
    # Of 500 searches 250 are the head, 450 the torso: chips 95, protein 80, ginger ale 60, dishes and oj 50 each, ...
    # chicken begins at 420; orange juice at 450, which is the tail.
    dry = desk.label("--dry-run").err
    assert "8 queries: 2 to ask (context changed 1, new 1), 6 labels stand" in dry
    result = desk.label()
    assert result.code == 0
    assert "2 to ask" in result.err and "8 queries: 2 labelled, 6 carried over, 0 failed" in result.err
    assert sorted(desk.asked()) == ["chips", "oj"]
    after = desk.labels()
    assert {**before, **after}.keys() == after.keys() == before.keys() | {"oj"}
    assert (after["chips"].searches, after["chips"].tier) == (95, "head")
    # Those that stand are of the tier and the order of today; their answer and its lineage are what they were.
    assert (before["kombucha"].tier, after["kombucha"].tier) == ("head", "torso")
    assert (before["orange juice"].tier, after["orange juice"].tier) == ("torso", "tail")
    assert after["kombucha"].provenance == before["kombucha"].provenance
    assert [label.searches for label in after.values()] == sorted((x.searches for x in after.values()), reverse=True)
    assert desk.run("release", "build", desk.shop, "--work", desk.work).code == 0
    # Two runs by now: six of the first one's labels are still its own, and it paid for eight.
    assert [(run["completions"], run["labels"]) for run in desk.spending()["runs"]] == [(8, 8), (2, 2)]


def test_after_another_tree_a_release_can_be_built(desk) -> None:
    def name(body: dict[str, Any], wanted: str) -> str:
        offered = dict(re.findall(r"^(k\d+) (.+?) \(", body["messages"][1]["content"], re.MULTILINE))
        return next(short for short, path in offered.items() if path.endswith(wanted))

    wanted = {"protein": "Protein Bars", "chips": "Potato Chips", "chicken": "Chicken Breast", "orange juice": "Juice"}
    for query, leaf in wanted.items():
        desk.answers[query] = lambda body, leaf=leaf: GOOD.replace("k1", name(body, leaf))
    assert desk.label().code == 0
    assert desk.labels()["chips"].understanding.categories[0].path == ("Snacks", "Potato Chips")
    # A tail that has one of the labels, a failed query, and another name above both.
    tree = (desk.shop / "taxonomy.csv").read_text().replace("snacks,,Snacks", "snacks,,Nibbles")
    (desk.shop / "taxonomy.csv").write_text(tree)
    settings = (desk.shop / "shop.toml").read_text().replace("head_share = 0.5", "head_share = 0.4")
    (desk.shop / "shop.toml").write_text(settings.replace("torso_share = 0.9", "torso_share = 0.6"))
    for stage in ("ingest", "context", "index"):
        assert desk.run(stage, desk.shop, "--work", desk.work).code == 0
    desk.answers["protein"] = desk.server.reply({"error": {"message": "broken"}}, 400)
    result = desk.label("--json")
    assert (result.code, result.json["failed"], result.json["kept"]) == (1, {"provider_error": 1}, 1)
    paths = {query: label.understanding.categories[0].path for query, label in desk.labels().items() if query in wanted}
    assert (paths["protein"], paths["chips"]) == (("Nibbles", "Protein Bars"), ("Nibbles", "Potato Chips"))
    assert desk.labels()["chips"].tier == "tail"
    built = desk.run("release", "build", desk.shop, "--work", desk.work)
    assert built.code == 0, built.err


ESCAPE = "\x1b[2J\x1b]0;owned\x07"


def test_a_hostile_model_spoils_only_its_own_queries(desk) -> None:
    server = desk.server
    desk.answers |= {
        "protein": "x" * 10_000_000,
        "ginger ale": "\x00" * 1000,
        "dishes": server.reply(b'{"choices": [{"message": {"content": "\xff\xfe\xfd"}}]}'),
        "kombucha": GOOD.replace('"n"', '"\\ud800"'),
        "humm": "[" * 100_000,
        "chips": server.reply({"error": {"message": f"\ud800 {ESCAPE}"}}, 400),
        "chicken": server.said(None, USAGE, refusal=f"\udfff {ESCAPE}"),
        "orange juice": json.dumps({ESCAPE: "\x00"} | json.loads(GOOD)),
    }
    first = desk.label("--concurrency", "8")
    assert first.code == 1 and "8 queries: 0 labelled, 0 carried over, 8 failed" in first.err
    assert "\x1b" not in first.err and "\x07" not in first.err and "\x00" not in first.err
    kinds = desk.failures()
    # What client and server make of 10 MB, sent back for mending, and of text that is no UTF-8 is theirs.
    assert kinds | {"protein": "", "dishes": ""} == {
        "protein": "",
        "ginger ale": "unparseable",
        "dishes": "",
        "kombucha": "unparseable",
        "humm": "unparseable",
        "chips": "provider_error",
        "chicken": "refused",
        "orange juice": "unparseable",
    }
    assert desk.label("--json").json["failed"]["unparseable"] >= 4
    desk.answers.clear()
    assert desk.label("--retry", "all").code == 0
    assert len(desk.labels()) == 8


def test_text_that_would_break_a_file_is_taken_out_of_a_label_or_written_whole(desk) -> None:
    answer = json.loads(GOOD) | {
        "need": "\x00" + ESCAPE,
        "annotations": [{"text": "protein", "type": "product_type", "value": f"a\x00b\u2028c{ESCAPE}"}],
        "rewrites": [{"query": "protein\x00 bar\n", "type": "broader", "confidence": 0.9}],
    }
    desk.answers["protein"] = json.dumps(answer)
    assert desk.label("--tiers", "head").code == 0
    label = desk.labels()["protein"]
    assert all(rewrite.query == "protein bar" for rewrite in label.understanding.rewrites)
    assert len((desk.work / "labels" / "labels.jsonl").read_bytes().splitlines()) == 4
    assert desk.run("release", "build", desk.shop, "--work", desk.work).code == 0


def listed(desk: Desk, *lines: Any, name: str = "misses.jsonl") -> tuple[str, Path]:
    """Write a file of queries and return the options that name it; text as it is, all else as JSON."""
    path = desk.work.parent / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return "--queries", path


def test_queries_of_a_file_are_asked_besides_the_tiers(desk, labelled) -> None:
    # One of the head, one of the torso, one of the tail, two that nobody searched in this shop.
    lines = ("Chips", "VERNORS", "oat   milk", "protein", "", "oat milk!", "x" * 300, "{", "iced tea")
    result = desk.label(*listed(desk, *lines, name="misses.txt"))
    assert result.code == 0
    assert "5 queries in 9 lines; 3 skipped: empty query 1, malformed JSON 1, query too long 1" in result.err
    for skipped in ("  line 5: empty query", "  line 7: query too long", "  line 8: malformed JSON"):
        assert skipped in result.err.splitlines()
    assert "11 queries: 11 to ask (new 11)" in result.err
    assert "11 queries: 11 labelled, 0 carried over, 0 failed" in result.err
    assert sorted(desk.asked()) == sorted([*labelled, "vernors", "oat milk", "iced tea"])
    labels = desk.labels()
    # Most searched first; a new query is of the tail, with the searches of the file, a known one as the log has it.
    assert [*labels] == [*labelled, "vernors", "oat milk", "iced tea"]
    found = {query: (labels[query].tier, labels[query].searches) for query in ("chips", "vernors", "oat milk")}
    assert found == {"chips": ("torso", 35), "vernors": ("tail", 15), "oat milk": ("tail", 2)}
    assert desk.failures() == {}
    assert desk.run("release", "build", desk.shop, "--work", desk.work).code == 0
    answer = desk.run("understand", desk.shop, "Oat Milk", "--work", desk.work, "--json").json
    assert (answer["source"], answer["reason"]) == ("head", "precomputed")


def test_a_rerun_with_a_file_asks_nothing_anew_and_one_without_loses_nothing(desk) -> None:
    asked = listed(desk, {"query": "oat milk", "searches": 7}, {"query": "vernors", "searches": 99})
    first = desk.label("--tiers", "head", *asked, "--json").json
    assert (first["queries"], first["labelled"], first["skipped"]) == (6, 6, {})
    before = desk.labels()
    desk.asked()
    again = desk.label("--tiers", "head", *asked, "--json").json
    assert (again["carried"], again["run"], desk.asked()) == (6, first["run"], [])
    without = desk.label("--tiers", "head", "--json").json
    assert (without["queries"], without["carried"], without["run"] == first["run"]) == (4, 4, False)
    assert desk.labels() == before
    # Another file: what it does not name stays, and what it says of searches counts from now on.
    other = desk.label("--tiers", "head", *listed(desk, {"query": "iced tea", "searches": 3}), "--json").json
    assert (other["labelled"], other["carried"], desk.asked()) == (1, 4, ["iced tea"])
    assert desk.labels().keys() == before.keys() | {"iced tea"}
    desk.label("--tiers", "head", *listed(desk, {"query": "oat milk", "searches": 70}))
    assert (desk.labels()["oat milk"].searches, desk.labels()["iced tea"].searches, desk.asked()) == (70, 3, [])


def test_a_query_of_a_file_that_fails_is_counted_kept_and_taken_up_like_any_other(desk) -> None:
    desk.answers |= {"oat milk": "nope"}
    asked = ("--tiers", "head", *listed(desk, "{", {"query": "oat milk"}, {"query": "iced tea"}))
    result = desk.label(*asked, "--json")
    assert (result.code, result.json["failed"], result.json["labelled"]) == (1, {"unparseable": 1}, 5)
    assert result.json["skipped"] == {"malformed JSON": 1}
    assert desk.failures() == {"oat milk": "unparseable"}
    desk.asked()
    assert (desk.label(*asked).code, desk.asked()) == (1, [])
    desk.answers.clear()
    assert (desk.label(*asked, "--retry", "unparseable").code, desk.asked()) == (0, ["oat milk"])


def test_a_budget_holds_for_a_file_too(desk) -> None:
    asked = ("--tiers", "head", *listed(desk, *({"query": f"thing {i}"} for i in range(20))))
    first = desk.label(*asked, "--concurrency", "1", "--budget", "0.03", "--json")
    answered = desk.asked()
    assert first.code == 1 and 4 < len(answered) < 24
    assert first.json["failed"] == {"over_budget": 24 - len(answered)}
    assert desk.label(*asked, "--budget", "1", "--json").json["run"] == first.json["run"]
    assert sorted(desk.asked() + answered) == sorted(desk.labels())


# Of the tail of the tiny shop "vernors" was searched 15 times and "oj" 10, all else once. After "vernors" shoppers
# chose ginger ale, which retrieval finds first: 15 x 0.25 = 3.75. After "oj" they chose nothing: 10 x 0.5 = 5.
TAIL = ["oj", "vernors", "angel cake", "apple cake", "carrot cake"]


def test_the_most_valuable_of_the_tail_are_asked(desk, labelled) -> None:
    dry = desk.label("--tail", "1", "--dry-run", "--json").json
    assert (dry["queries"], dry["requests"], dry["skipped"], desk.asked()) == (9, 9, {}, [])
    assert desk.label("--tail", "1").code == 0
    assert sorted(desk.asked()) == sorted([*labelled, "oj"])
    assert (desk.label("--tail", "1").code, desk.asked()) == (0, [])
    assert (desk.label("--tail", "5").code, sorted(desk.asked())) == (0, sorted(TAIL[1:]))
    # 25 queries are all there are: 8, and a tail of 17.
    every = desk.label("--tail", "1000", "--json").json
    assert (every["queries"], every["carried"], every["labelled"], len(desk.asked())) == (25, 13, 12, 12)
    fewer = desk.label("--tail", "1", "--json").json
    assert (fewer["queries"], desk.asked(), len(desk.labels())) == (9, [], 25)


def test_with_a_tail_the_queries_of_a_file_have_to_be_worth_it(desk) -> None:
    # 20 x 0.5 = 10 and 1 x 0.5; the head and what the log knows of "oj" take no place, and its searches are the log's.
    lines = [{"query": "oat milk", "searches": 20}, {"query": "zebra milk"}, {"query": "oj", "searches": 90}]
    asked = listed(desk, *lines, {"query": "protein", "searches": 500})
    assert desk.label("--tiers", "head", *asked, "--tail", "2").code == 0
    head = ["protein", "ginger ale", "dishes", "kombucha"]
    assert sorted(desk.asked()) == sorted([*head, "oat milk", "oj"])
    assert desk.labels()["oj"].searches == 10
    # A query of a file that is of a tier that is not asked stands with the tail: "chips", 35 x 0.25 = 8.75.
    assert desk.label("--tiers", "head", *listed(desk, *lines, '"chips"'), "--tail", "2").code == 0
    assert desk.asked() == ["chips"]
    # The tail is asked as a tier, and leaves only what else is in the file to choose from: the two milks and chips.
    whole = desk.label("--tiers", "tail", *asked, "--tail", "5", "--dry-run", "--json").json
    assert (whole["queries"], whole["carried"]) == (17 + 3, 3)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--queries", "nowhere.txt"), "nowhere.txt cannot be read: No such file or directory"),
        (("--queries", "."), ". cannot be read: it is a folder without a .jsonl file"),
        (("--queries", "shop.parquet"), "shop.parquet is no list of queries"),
    ],
)
@pytest.mark.parametrize("command", ["label", "run", "batch export"])
def test_a_file_that_cannot_be_read_is_a_mistake_before_anything_is_done(desk, command, options, complaint) -> None:
    output = ("--output", desk.work / "in.jsonl") if command == "batch export" else ()
    result = desk.run(*command.split(), desk.shop, *desk.by(), *options, *output)
    said = result.mistake()
    assert complaint in said and "  hint: " in said
    assert (desk.asked(), (desk.work / "in.jsonl").exists()) == ([], False)


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_tail_of_none_is_refused(desk, count) -> None:
    assert (desk.label("--tail", count).code, desk.asked()) == (2, [])


def test_a_run_notices_another_file_and_another_number(desk) -> None:
    def run(*options: str | Path) -> list[str]:
        result = desk.run("run", "--no-distill", desk.shop, *desk.by(), "--tiers", "head", *options)
        assert "Traceback" not in result.err and "release" in result.err, result.err
        assert ("to ask" in result.err) == looked, result.err
        return sorted(desk.asked())

    looked = True
    assert len(run(*listed(desk, "oat milk", name="misses.txt"), "--tail", "1")) == 5
    looked = False
    assert run(*listed(desk, {"query": "Oat Milk!"}, "{"), "--tail", "1") == []
    looked = True
    assert run(*listed(desk, {"query": "iced tea"}), "--tail", "1") == []
    assert run(*listed(desk, {"query": "iced tea"}), "--tail", "4") == ["angel cake", "apple cake", "vernors"]
