"""A run with nothing recorded: a real model that is asked through litellm, killed after its first answer, and resumed.

Nothing here expects a good answer. What the model says passes a `Tap`, and everything that the program kept and summed
is held against that.
"""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from domain.label import Label, read_labels
from domain.text import normalise
from prompts import load_prompt
from prompts.answer import Answer, parse_answer
from tests.llm.server import LocalServer
from tests.llm.tap import Exchange, Tap, tapped
from tests.querywise.conftest import TREE, Result, give_encoder, run, start, write_shop

pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra"),
]

# 400 searches: protein begins at 0, ginger ale at 80, dishes at 140; kombucha at 190, beyond 0.4 of them.
HEAD = {"protein", "ginger ale", "dishes"}
SETTINGS = """\
name = "tiny"
locale = "en-US"
currency = "USD"
[log]
head_share = 0.4
[llm.price]
input = 2
output = 8
"""


@dataclass(frozen=True, kw_only=True)
class Story:
    """The run and its sequel, step by step.

    `broken` is the ledger after the kill, `whole` after the resumed run, `settled` after one more. `asked` counts the
    requests by the end of each.
    """

    work: Path
    log: Path
    exchanges: list[Exchange]
    killed: int
    broken: dict[str, Any]
    resumed: Result
    whole: dict[str, Any]
    again: Result
    settled: dict[str, Any]
    asked: tuple[int, int, int]

    @property
    def received(self) -> list[Exchange]:
        """What was answered to a program that was still there: all but the request that was under way at the kill."""
        return [self.exchanges[0], *self.exchanges[2:]]

    @property
    def labels(self) -> list[Label]:
        return list(read_labels(self.file("labels.jsonl")))

    def file(self, name: str) -> Path:
        return self.work / "labels" / name

    def last_word(self, query: str) -> Exchange:
        """The last answer about a query: the one that its label was made of."""
        return next(e for e in reversed(self.received) if e.is_about(query))


@pytest.fixture(scope="module")
def story(llm_server: LocalServer, encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("real")
    shop, work = folder / "shop", folder / "work"
    write_shop(shop)
    (shop / "shop.toml").write_text(SETTINGS)
    give_encoder(encoder_folder, work)
    at = (shop, "--work", work)
    for stage in ("ingest", "context", "index"):
        assert run(stage, *at).code == 0
    with pytest.MonkeyPatch.context() as patch, tapped(llm_server.api_base) as tap:
        patch.setenv("NO_PROXY", "127.0.0.1")
        asks = ("label", *at, "--model", llm_server.model, "--api-base", tap.api_base, "--tiers", "head")
        asks = (*asks, "--prompt", "understand@1", "--concurrency", "1", "--timeout", "600", "--json")
        killed = kill_at_second_request(tap, *asks)
        broken, first = run("label", *at, "--ledger", "--json").json, len(tap.exchanges)
        resumed = run(*asks)
        whole, second = run("label", *at, "--ledger", "--json").json, len(tap.exchanges)
        again = run(*asks)
        settled = run("label", *at, "--ledger", "--json").json
        yield Story(
            work=work,
            log=llm_server.log,
            exchanges=tap.exchanges,
            killed=killed,
            broken=broken,
            resumed=resumed,
            whole=whole,
            again=again,
            settled=settled,
            asked=(first, second, len(tap.exchanges)),
        )


def kill_at_second_request(tap: Tap, *arguments: str | Path) -> int:
    """Start a run of one request at a time, kill it when the first is done and the next is out; return its status."""
    with start(*arguments) as process:
        until = time.monotonic() + 600
        while process.poll() is None and time.monotonic() < until and len(tap.exchanges) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate()
    assert len(tap.exchanges) == 2, err
    return process.returncode


def path_of(category_id: str | None) -> tuple[str, ...]:
    if category_id is None:
        return ()
    parent, name = TREE[category_id]
    return (*path_of(parent), name)


def test_requests_go_out_with_the_schema_and_answers_of_it_come_back(story: Story) -> None:
    for exchange in story.exchanges:
        about = {name: value for name, value in exchange.request.items() if name != "messages"}
        assert about == {
            "model": "gemma",
            "temperature": 0.0,
            "max_tokens": 1500,
            "response_format": {"type": "json_object", "schema": load_prompt("understand@1").schema},
        }
        assert exchange.status == 200
        # One that never ended is cut off and is of no schema.
        assert exchange.was_cut_off or isinstance(parse_answer(exchange.content), Answer), exchange.content
    assert story.log.read_text(errors="replace").count('"POST /v1/chat/completions HTTP/1.1" 200') == story.asked[-1]


def test_every_query_ends_once_with_a_label_or_a_failure(story: Story) -> None:
    summary = story.resumed.json
    failures = [json.loads(line)["query"] for line in story.file("labels.failures.jsonl").read_text().splitlines()]
    ended = [*(label.query for label in story.labels), *failures]
    assert sorted(ended) == sorted(HEAD)
    assert (summary["queries"], summary["labelled"], summary["carried"]) == (3, len(story.labels), 0)
    # An answer may run on to its limit, and again when it is asked to be brief; there is no other excuse.
    assert summary["failed"] == ({"unparseable": len(failures)} if failures else {})
    assert story.resumed.code == bool(failures), story.resumed.err
    assert story.labels
    for query in HEAD:
        answers = [e for e in story.received if e.is_about(query)]
        assert [e.was_cut_off for e in answers[:-1]] == [True] * (len(answers) - 1)
        assert 1 <= len(answers) <= 2


def test_labels_hold_what_was_offered_and_what_the_query_says(story: Story) -> None:
    for label in story.labels:
        offered = re.findall(r"^k\d+ (.+) \(", story.last_word(label.query).user_message, re.MULTILINE)
        for category in label.understanding.categories:
            assert category.path == path_of(category.id)
            assert " > ".join(category.path) in offered
        for a in label.understanding.annotations:
            assert label.query[a.start : a.end] == a.text != ""
        rewrites = [rewrite.query for rewrite in label.understanding.rewrites]
        assert len({*rewrites, label.query}) == len(rewrites) + 1
        assert rewrites == [normalise(rewrite) for rewrite in rewrites]


def test_whatever_the_model_said_is_in_the_label_or_counted_as_dropped(story: Story) -> None:
    for label in story.labels:
        said = json.loads(story.last_word(label.query).content)
        given = sum(len(said[part]) for part in ("categories", "annotations", "rewrites")) + 1  # and the specificity
        # A spelling counts as a rewrite where it is not among them.
        given += bool(said["spelling"]) and all(rewrite["type"] != "spelling" for rewrite in said["rewrites"])
        kept = label.understanding
        parts = (kept.categories, kept.annotations, kept.rewrites)
        assert given == sum(map(len, parts)) + (kept.specificity is not None) + sum(label.provenance.dropped.values())
        # The prompt's own example, which a small model repeats.
        assert "..." not in {a.text for a in kept.annotations} | {r.query for r in kept.rewrites}


def test_the_ledger_adds_up_to_what_the_server_said(story: Story) -> None:
    tokens_in = sum(exchange.usage["prompt_tokens"] for exchange in story.received)
    tokens_out = sum(exchange.usage["completion_tokens"] for exchange in story.received)
    assert tokens_in > 3 * 1000 and tokens_out > 3 * 10
    [row] = story.whole["runs"]
    assert (row["completions"], row["unpriced"], row["labels"]) == (len(story.received), 0, len(story.labels))
    assert (row["tokens_in"], row["tokens_out"]) == (tokens_in, tokens_out)
    # Two dollars a million in, eight out.
    assert row["price"] == pytest.approx((2 * tokens_in + 8 * tokens_out) / 1e6)
    assert row["price_a_label"] == pytest.approx(row["price"] / len(story.labels))
    assert {**story.whole["total"], "run": row["run"]} == row


def test_what_was_answered_before_the_kill_is_kept_and_paid_for_once(story: Story) -> None:
    assert (story.killed, story.asked[0]) == (-signal.SIGKILL, 2)
    usage = story.exchanges[0].usage
    [row] = story.broken["runs"]
    assert (row["completions"], row["labels"]) == (1, None)
    assert (row["tokens_in"], row["tokens_out"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    tally = story.resumed.json["tally"]
    assert (tally["from_cache"], tally["completions"]) == (1, len(story.received) - 1)
    # Only what was under way is asked once more, word for word.
    bodies = [exchange.request for exchange in story.exchanges]
    assert bodies[1] == bodies[2]
    assert [bodies.count(body) for body in bodies] == [1, 2, 2, *[1] * (len(bodies) - 3)]


def test_a_further_run_asks_nothing(story: Story) -> None:
    before, after = story.resumed.json, story.again.json
    assert story.again.code == story.resumed.code, story.again.err
    assert (after["queries"], after["labelled"], after["carried"]) == (3, 0, before["labelled"])
    assert after["failed"] == before["failed"]
    assert (after["tally"]["completions"], story.asked[2]) == (0, story.asked[1])
    assert story.settled == story.whole
