"""Batches from the command line: submitted to a provider on this machine, polled, and what is missing asked again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.prompts.batch_server import KEY, BatchServer, run_batch_server

# litellm silences this when it is imported, and pytest forgets that with the test that imported it.
pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
needs_litellm = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

MODEL = "openai/by-hand"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tools, tmp_path: Path) -> Iterator[BatchServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def answer(body: dict[str, Any], number: int) -> dict[str, Any]:
        """Answer by hand, with what the conftest knows."""
        (tmp_path / "one.jsonl").write_text(json.dumps({"custom_id": "x", "body": body}) + "\n")
        tools.answer_batch(tmp_path / "one.jsonl", tmp_path / "answered.jsonl")
        line = json.loads((tmp_path / "answered.jsonl").read_text())
        return {"error": None, "response": line["response"]}

    with run_batch_server() as running:
        running.answer = answer
        yield running


@pytest.fixture
def work(made, tools, tmp_path: Path) -> Path:
    """The work folder before anything was asked."""
    copied = tools.copy_work(made.work, tmp_path / "work")
    for name in ("cache", "labels", "ledger", "runs", "releases"):
        shutil.rmtree(copied / name, ignore_errors=True)
    return copied


@pytest.fixture
def batch(made, tools, work: Path, server: BatchServer) -> Callable[..., Any]:
    def run(command: str, *more: str | Path) -> Any:
        model = () if command == "poll" else ("--model", MODEL, "--api-base", server.url)
        return tools.run("batch", command, made.shop, "--work", work, *model, *more)

    return run


def failing(server: BatchServer, *queries: str, code: str) -> None:
    answer = server.answer

    def partly(body: dict[str, Any], number: int) -> dict[str, Any]:
        asked = body["messages"][-1]["content"]
        return server.failed(code) if any(f"<query>{q}</query>" in asked for q in queries) else answer(body, number)

    server.answer = partly


@needs_litellm
def test_what_a_batch_leaves_out_is_submitted_again_until_all_is_labelled(made, tools, work, server, batch):
    answer, server.polls, server.ends = server.answer, 1, "expired"
    failing(server, "humm", "chips", code="batch_expired")
    dry = batch("submit", "--dry-run", "--json")
    assert (dry.code, dry.json["requests"], dry.json["under_way"], server.calls) == (0, 16, 0, [])
    first = batch("submit", "--json")
    # Eight queries, and two requests for each.
    assert (first.code, first.json["requests"]) == (0, 16)
    assert [(b["batch"], b["requests"], b["status"]) for b in first.json["batches"]] == [("batch_0", 16, "validating")]
    # What is under way is not submitted again, nor written to be submitted by hand.
    again = batch("submit")
    assert again.code == 0 and "nothing new to submit; 16 requests are under way" in again.err
    by_hand = batch("export", "--output", work / "in.jsonl", "--json").json
    assert (by_hand["requests"], by_hand["in_cache"], by_hand["under_way"]) == (0, 0, 16)
    waiting = batch("poll", "--json")
    assert (waiting.code, waiting.json["missing"]) == (1, 0)
    assert [(b["status"], b["imported"]) for b in waiting.json["batches"]] == [("in_progress", False)]
    partial = batch("poll")
    assert partial.code == 1 and "batch_0: expired, 16 requests" in partial.err
    assert "12 completions taken in" in partial.err and "4 lines passed over: expired" in partial.err
    assert "4 requests are still without an answer" in partial.err
    done = batch("poll")
    assert done.code == 0 and "no batch is under way" in done.err
    server.answer, server.ends = answer, "completed"
    rest = batch("submit", "--json")
    assert (rest.json["requests"], rest.json["in_cache"]) == (4, 12)
    assert len(server.asked) == len(set(server.asked)) + 4 == 20
    assert batch("poll", "--wait", "--every", "0.1", "--json").json["missing"] == 0
    # The server answers no chat: all comes from the cache.
    label = ("--model", MODEL, "--api-base", server.url, "--json")
    assert tools.run("label", made.shop, "--work", work, *label).code == 0
    assert len((work / "labels" / "labels.jsonl").read_text().splitlines()) == 8
    nothing = batch("submit", "--json").json
    assert (nothing["requests"], nothing["batches"], len(server.batches)) == (0, [], 2)


@needs_litellm
def test_a_batch_is_priced_by_the_shops_own_table(made, tools, work, server, batch, tmp_path):
    shop = tmp_path / "shop"
    shutil.copytree(made.shop, shop)
    table = "[llm.price]\ninput = 10\noutput = 40\nbatch_input = 5\nbatch_output = 20\n"
    (shop / "shop.toml").write_text((shop / "shop.toml").read_text() + table)
    model = ("--model", MODEL, "--api-base", server.url)
    assert "as a batch" in tools.run("batch", "submit", shop, "--work", work, *model).err
    polled = tools.run("batch", "poll", shop, "--work", work, "--json")
    # Sixteen answers of 900 tokens in and 90 out: 16 x (900 x 5 + 90 x 20) / 10^6 dollars.
    assert polled.json["batches"][0]["result"]["price"] == pytest.approx(0.1008)


@needs_litellm
def test_files_are_submitted_as_they_are_and_none_is_paid_for_twice(made, work, server, batch, tmp_path):
    head, rest = tmp_path / "head.jsonl", tmp_path / "rest.jsonl"
    lines = []
    batch("export", "--output", tmp_path / "in.jsonl")
    lines = (tmp_path / "in.jsonl").read_text().splitlines(keepends=True)
    head.write_text("".join(lines[:3]))
    rest.write_text("".join(lines[2:]))
    assert batch("submit", "--input", head, "--json").json["requests"] == 3
    # The same again is the same, as after a kill.
    assert batch("submit", "--input", head, "--json").json["requests"] == 0
    assert "1 of its 14 requests are under way or answered" in batch("submit", "--input", rest).mistake()
    assert batch("poll").code == 0
    assert "3 of its 3 requests are under way or answered" in batch("submit", "--input", head).mistake()
    assert "cannot be read" in batch("submit", "--input", tmp_path / "none.jsonl").mistake()
    (tmp_path / "odd.jsonl").write_text("hello\n")
    assert "line 1 is no request to openai/by-hand" in batch("submit", "--input", tmp_path / "odd.jsonl").mistake()
    assert len(server.batches) == 1
    assert batch("submit", "--json").json["requests"] == 13


@needs_litellm
def test_a_provider_out_of_reach_ends_with_its_word_and_is_tried_again(work, server, batch):
    server.troubles = {"upload": [503] * 3}
    failed = batch("submit")
    assert failed.code == 1 and "openai: create_file: " in failed.err and "Traceback" not in failed.err
    made = batch("submit")
    assert made.code == 0
    assert "batch_0: 16 requests of an earlier submission that was broken off" in made.err
    server.troubles = {"retrieve": [500] * 3}
    poll = batch("poll")
    assert poll.code == 1 and "retrieve_batch" in poll.err
    assert batch("poll").code == 0


@needs_litellm
@pytest.mark.parametrize(
    ("model", "said"),
    [("claude-haiku-4-5", "makes no batches with anthropic"), ("recorded:x", "a recording takes no batches")],
)
def test_what_cannot_be_submitted_is_a_mistake(made, tools, work, model, said):
    assert said in tools.run("batch", "submit", made.shop, "--work", work, "--model", model).mistake()


def test_an_export_is_what_label_would_ask(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    labels = work / "labels" / "labels.jsonl"
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join(line for line in lines if '"query":"humm"' not in line))
    by = (made.shop, "--work", work, "--model", "by-hand")

    def exported(*options: str) -> tuple[int, int]:
        output = ("--output", tmp_path / "in.jsonl", "--json")
        document = tools.run("batch", "export", *by, *options, *output).json
        assert len((tmp_path / "in.jsonl").read_text().splitlines()) == document["requests"]
        return document["requests"], document["in_cache"]

    # Requests to write, and answers in the cache of the others that would be asked: first the cache is whole.
    assert [exported(*options) for options in ((), ("--anew",), ("--all",))] == [(0, 2), (0, 16), (16, 0)]
    shutil.rmtree(work / "cache")
    assert [exported(*options) for options in (("--all",), ("--anew",), ())] == [(16, 0), (16, 0), (2, 0)]
    planned = tools.run("label", *by, "--dry-run", "--json").json
    assert (planned["requests"], planned["reasons"]) == (2, {"new": 1})
    said = tools.run("batch", "export", *by, "--output", tmp_path / "in.jsonl").err
    assert "8 queries: 1 to ask (new 1), 7 labels stand" in said
    assert "2 requests written to" in said and "0 are answered already, 0 under way in a batch" in said
    said = tools.run("batch", "export", *by, "--all", "--output", tmp_path / "in.jsonl").err
    assert "16 requests written to" in said and "answered already" not in said


def test_what_was_exported_anew_is_imported_anew(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    shutil.rmtree(work / "cache")
    by = (made.shop, "--work", work, "--model", "by-hand")
    tools.run("batch", "export", *by, "--anew", "--output", tmp_path / "in.jsonl")
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl", leave_out=("humm",))
    partial = tools.run("batch", "import", *by, "--anew", "--input", tmp_path / "out.jsonl", "--json")
    assert (partial.code, partial.json["imported"], partial.json["unasked"], partial.json["missing"]) == (1, 14, 0, 2)
    # Without, nothing of it is asked, for all eight labels stand; what came is kept.
    plain = tools.run("batch", "import", *by, "--input", tmp_path / "out.jsonl", "--json")
    assert (plain.code, plain.json["known"], plain.json["unasked"], plain.json["missing"]) == (0, 14, 14, 0)
    rest = tools.run("batch", "export", *by, "--anew", "--output", tmp_path / "in.jsonl", "--json").json
    assert (rest["requests"], rest["in_cache"]) == (2, 14)
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert tools.run("batch", "import", *by, "--anew", "--input", tmp_path / "out.jsonl").code == 0


def as_anthropic(tools, requests: Path, output: Path, *, expired: tuple[str, ...] = ()) -> list[str]:
    """Answer a batch file of Anthropic's with results of theirs; return the custom_ids of what expired."""
    given = [json.loads(line) for line in requests.read_text().splitlines()]
    for line in given:
        params = line["params"]
        # As OpenAI would be asked: the answers are made by hand from that.
        line["body"] = {"messages": [{"role": "system", "content": params["system"][0]["text"]}, *params["messages"]]}
    openai = output.with_name("as-openai.jsonl")
    openai.write_text("".join(json.dumps(line) + "\n" for line in given))
    tools.answer_batch(openai, output, leave_out=expired)
    results = {line["custom_id"]: {"type": "expired"} for line in given}
    for answered in map(json.loads, output.read_text().splitlines()):
        text = answered["response"]["body"]["choices"][0]["message"]["content"]
        message = {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": None}
        results[answered["custom_id"]] = {"type": "succeeded", "message": message}
    output.write_text("".join(json.dumps({"custom_id": key, "result": r}) + "\n" for key, r in results.items()))
    return [key for key, result in results.items() if result["type"] == "expired"]


@needs_litellm
def test_anthropics_results_go_all_the_way_to_labels(made, tools, work, tmp_path):
    by = (made.shop, "--work", work, "--model", "anthropic/claude-by-hand")
    first, rest, results = (tmp_path / name for name in ("in.jsonl", "rest.jsonl", "results.jsonl"))
    export = tools.run("batch", "export", *by, "--output", first, "--json")
    assert (export.code, export.json["requests"], export.json["files"]) == (0, 16, [str(first)])
    expired = as_anthropic(tools, first, results, expired=("humm",))
    partial = tools.run("batch", "import", *by, "--input", results, "--json")
    assert (partial.code, partial.json["imported"], partial.json["missing"]) == (1, 14, 2)
    assert partial.json["rejected"] == {"expired": 2}
    again = tools.run("batch", "export", *by, "--output", rest, "--json")
    assert (again.json["requests"], again.json["in_cache"]) == (2, 14)
    assert [json.loads(line)["custom_id"] for line in rest.read_text().splitlines()] == expired
    assert as_anthropic(tools, rest, results) == []
    assert tools.run("batch", "import", *by, "--input", results).code == 0
    # Nobody is asked: the network is out of reach.
    assert tools.run("label", *by, "--json").code == 0
    assert len((work / "labels" / "labels.jsonl").read_text().splitlines()) == 8


def test_a_server_of_ones_own_has_completions_of_its_own_and_a_recording_has_none(made, tools, work, tmp_path):
    by = (made.shop, "--work", work, "--model", "by-hand", "--api-base", "http://127.0.0.1:9/v1")
    tools.run("batch", "export", *by, "--output", tmp_path / "in.jsonl")
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert tools.run("batch", "import", *by, "--input", tmp_path / "out.jsonl").code == 0
    elsewhere = (made.shop, "--work", work, "--model", "by-hand")
    missing = tools.run("batch", "export", *elsewhere, "--output", tmp_path / "x.jsonl", "--json")
    assert missing.json["requests"] == 16
    recording = tmp_path / "r.jsonl"
    assert tools.run("batch", "record", *by, "--output", recording, "--json").json["completions"] == 16
    replay = tools.run("label", made.shop, "--work", work, "--model", f"recorded:{recording}", "--json")
    assert (replay.code, replay.json["failed"]) == (0, {})


def test_several_files_are_imported_at_once(made, tools, work, tmp_path):
    by = (made.shop, "--work", work, "--model", "by-hand")
    tools.run("batch", "export", *by, "--output", tmp_path / "in.jsonl")
    tools.answer_batch(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "1.jsonl").write_text("".join(lines[:5]))
    (tmp_path / "2.jsonl").write_text("".join(lines[4:]))
    files = ("--input", tmp_path / "1.jsonl", "--input", tmp_path / "2.jsonl")
    done = tools.run("batch", "import", *by, *files, "--json")
    assert (done.code, done.json["imported"], done.json["duplicates"], done.json["missing"]) == (0, 16, 1, 0)


@pytest.fixture
def misses(tmp_path: Path) -> tuple[str, Path]:
    """The options that name a file of two queries that the log does not hold, one that it does, and no query."""
    path = tmp_path / "misses.txt"
    path.write_text("Oat Milk\nhumm\niced tea\n\n")
    return "--queries", path


UNKNOWN = ("oat milk", "iced tea", "oj", "vernors")


def answered(tools: Any, requests: Path, output: Path) -> list[str]:
    """Answer a batch file by hand, also of queries that the conftest does not know; return the queries in it."""
    tools.answer_batch(requests, output, leave_out=UNKNOWN)
    answer = {"need": "n", "spelling": None, "specificity": "category", "annotations": [], "rewrites": []}
    content = json.dumps(answer | {"categories": [{"id": "k1", "confidence": 0.9}]})
    body = {"choices": [{"message": {"role": "assistant", "content": content}}], "usage": {}}
    asked = []
    with output.open("a") as file:
        for line in map(json.loads, requests.read_text().splitlines()):
            said = line["body"]["messages"][1]["content"]
            asked.append(said.partition("<query>")[2].partition("</query>")[0])
            if asked[-1] in UNKNOWN:
                response = {"status_code": 200, "body": body}
                file.write(json.dumps({"custom_id": line["custom_id"], "error": None, "response": response}) + "\n")
    return sorted(asked)


def test_a_file_of_queries_goes_out_and_comes_back(made, tools, tmp_path, misses) -> None:
    work = tools.copy_work(made.work, tmp_path / "work")
    by = (made.shop, "--work", work, "--model", "by-hand")
    requests, output, recording = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "recording.jsonl"))
    out = tools.run("batch", "export", *by, *misses, "--output", requests)
    assert out.code == 0 and "3 queries in 4 lines; 1 skipped: empty query 1" in out.err
    assert "10 queries: 2 to ask (new 2), 8 labels stand" in out.err and "2 requests written to" in out.err
    assert answered(tools, requests, output) == ["iced tea", "oat milk"]
    # Without the options nothing of it is asked for; what comes is kept all the same.
    plain = tools.run("batch", "import", *by, "--input", output, "--json")
    assert (plain.code, plain.json["unasked"], plain.json["missing"]) == (0, 2, 0)
    taken = tools.run("batch", "import", *by, *misses, "--input", output, "--json")
    assert (taken.code, taken.json["known"], taken.json["missing"]) == (0, 2, 0)
    dry = tools.run("label", *by, *misses, "--dry-run", "--json").json
    assert (dry["reasons"], dry["in_cache"], dry["skipped"]) == ({"new": 2}, 2, {"empty query": 1})
    assert tools.run("batch", "record", *by, "--output", recording, "--json").json["completions"] == 16
    assert tools.run("batch", "record", *by, *misses, "--output", recording, "--json").json["completions"] == 18
    replayed = (made.shop, "--work", work, "--model", f"recorded:{recording}", *misses, "--json")
    ended = tools.run("label", *replayed)
    assert (ended.code, ended.json["labelled"], ended.json["carried"]) == (0, 2, 8)


def test_the_tail_goes_out_and_comes_back(made, tools, tmp_path, misses) -> None:
    work = tools.copy_work(made.work, tmp_path / "work")
    by = (made.shop, "--work", work, "--model", "by-hand", *misses, "--tail", "2")
    requests, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    assert tools.run("batch", "export", *by, "--output", requests, "--json").json["requests"] == 2
    # The misses were searched once each, these two 10 and 15 times.
    assert answered(tools, requests, output) == ["oj", "vernors"]
    taken = tools.run("batch", "import", *by, "--input", output, "--json")
    assert (taken.code, taken.json["imported"], taken.json["unasked"], taken.json["missing"]) == (0, 2, 0, 0)
    again = tools.run("batch", "export", *by, "--output", requests, "--json").json
    assert (again["requests"], again["in_cache"]) == (0, 2)


@needs_litellm
def test_a_file_of_queries_is_submitted(server, batch, misses) -> None:
    dry = batch("submit", *misses, "--dry-run", "--json").json
    # Of what the log does not hold nobody is asked what else to show.
    assert (dry["requests"], server.calls) == (18, [])
    assert batch("submit", *misses, "--tail", "1", "--json").json["requests"] == 17
    assert batch("submit", *misses, "--json").json["requests"] == 2
