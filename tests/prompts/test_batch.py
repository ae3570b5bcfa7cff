"""Batch files: out, through something that behaves as a provider does, and back in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prompts import CompletionRequest
from prompts.batch import BatchImport, export_batch, import_batch
from prompts.cache import CompletionCache
from prompts.providers import Cached, Recorded

MODEL = "openai/local"


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CompletionCache]:
    opened = CompletionCache(tmp_path / "cache")
    yield opened
    opened.close()


@pytest.fixture
def requests(corner) -> list[CompletionRequest]:
    teacher = corner.teacher()
    return [teacher.ask(query).request for query in ("milk", "ginger ale", "crème ½")]


def output(key: str, content: Any = "an answer", **response: Any) -> dict[str, Any]:
    """A line as a provider writes it."""
    body = {"id": "x", "model": "local-2026", "choices": [{"message": {"role": "assistant", "content": content}}]}
    body["usage"] = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return {"id": "b", "custom_id": key, "error": None, "response": {"status_code": 200, "body": body} | response}


def written(path: Path, *lines: Any) -> Path:
    data = (entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in lines)
    path.write_bytes(b"".join(entry + b"\n" for entry in data))
    return path


def test_a_request_goes_out_as_the_provider_reads_it(tmp_path, requests) -> None:
    assert export_batch(tmp_path / "in.jsonl", requests) == 3
    lines = [json.loads(text) for text in (tmp_path / "in.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [entry["custom_id"] for entry in lines] == [request.key for request in requests]
    [first, *_] = lines
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    assert first["body"] == {
        "model": MODEL.removeprefix("openai/"),
        "messages": [dict(message) for message in requests[0].messages],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": requests[0].schema},
        },
        "temperature": 0.0,
        "max_tokens": 1500,
    }
    assert "crème ½" in lines[2]["body"]["messages"][1]["content"]


def test_the_hash_can_be_worked_out_from_the_exported_line(tmp_path, requests) -> None:
    export_batch(tmp_path / "in.jsonl", requests)
    for text in (tmp_path / "in.jsonl").read_text(encoding="utf-8").splitlines():
        body = json.loads(text)["body"]
        schema = body.pop("response_format")["json_schema"]["schema"]
        model, messages = f"openai/{body.pop('model')}", tuple(body.pop("messages"))
        again = CompletionRequest(model=model, messages=messages, schema=schema, parameters=body)
        assert again.key == json.loads(text)["custom_id"]


def test_there_and_back_again(tmp_path, requests, cache, record) -> None:
    export_batch(tmp_path / "in.jsonl", requests)
    asked = [json.loads(text) for text in (tmp_path / "in.jsonl").read_text(encoding="utf-8").splitlines()]
    # A provider answers in any order.
    lines = [output(entry["custom_id"], f"on {entry['body']['messages'][1]['content'][:20]}") for entry in asked[::-1]]
    keys = [request.key for request in requests]
    report = import_batch(written(tmp_path / "out.jsonl", *lines), wanted=keys, model=MODEL, cache=cache)
    assert report == BatchImport(imported=3, known=0, unasked=0, missing=0, rejected={})

    silent = Recorded(record([("none", "none")]))
    answers = [asyncio.run(Cached(silent, cache).complete(request)) for request in requests]
    assert [(a.key, a.content, a.model) for a in answers] == [
        (request.key, f"on {request.messages[1]['content'][:20]}", MODEL) for request in requests
    ]
    assert answers[0].usage == {"prompt_tokens": 10, "completion_tokens": 2}
    replayed = Recorded(record((a.key, a.content) for a in answers))
    assert [asyncio.run(replayed.complete(request)).content for request in requests] == [a.content for a in answers]


REJECTED: dict[str, tuple[Any, str]] = {
    "text": (b"hello", "not JSON"),
    "cut short": (json.dumps(output("k")).encode()[:-9], "not JSON"),
    "no UTF-8": (b'{"custom_id": "\xff"}', "not JSON"),
    "nested": (b"[" * 100_000, "not JSON"),
    "a list": ([], "no custom_id"),
    "a number": (1, "no custom_id"),
    "no custom_id": ({"response": {}}, "no custom_id"),
    "a custom_id of another kind": (output(7), "no custom_id"),  # type: ignore[arg-type]
    "an error": ({"custom_id": "k", "response": None, "error": {"code": "batch_expired"}}, "error"),
    "an error beside a response": (output("k") | {"error": {"code": "x"}}, "error"),
    "status 400": (output("k", status_code=400), "error"),
    "status 500 as text": (output("k", status_code="500"), "error"),
    "a response that is text": ({"custom_id": "k", "response": "no"}, "error"),
    "neither response nor error": ({"custom_id": "k"}, "no content"),
    "no body": ({"custom_id": "k", "response": {"status_code": 200, "body": None}}, "no content"),
    "a body that is a list": (output("k", body=[1]), "no content"),
    "no choices": (output("k", body={"choices": []}), "no content"),
    "choices of another kind": (output("k", body={"choices": {"0": 1}}), "no content"),
    "no message": (output("k", body={"choices": [{}]}), "no content"),
    "content null": (output("k", None), "no content"),
    "content empty": (output("k", ""), "no content"),
    "content of another kind": (output("k", [{"text": "a"}]), "no content"),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_line_that_holds_no_completion_is_counted_and_passed_over(tmp_path, cache, name) -> None:
    entry, reason = REJECTED[name]
    path = written(tmp_path / "out.jsonl", entry, output("good"))
    report = import_batch(path, wanted=["good", "k"], model=MODEL, cache=cache)
    assert report == BatchImport(imported=1, known=0, unasked=0, missing=1, rejected={reason: 1})
    assert "k" not in cache


def test_reasons_add_up_over_a_file(tmp_path, cache) -> None:
    path = written(tmp_path / "out.jsonl", *(entry for entry, _ in REJECTED.values()), b"", b"  ", output("good"))
    report = import_batch(path, wanted=["good"], model=MODEL, cache=cache)
    assert report.rejected == {"not JSON": 4, "no custom_id": 4, "error": 5, "no content": 9}
    assert sum(report.rejected.values()) == len(REJECTED)
    assert (report.imported, report.missing) == (1, 0)


@pytest.mark.parametrize("usage", [None, [], [1], "many", 3, {}, {"prompt_tokens": None}, {"prompt_tokens": "3"}])
def test_a_usage_that_cannot_be_read_does_not_lose_the_answer(tmp_path, cache, usage) -> None:
    entry = output("k")
    entry["response"]["body"]["usage"] = usage
    report = import_batch(written(tmp_path / "out.jsonl", entry), wanted=["k"], model=MODEL, cache=cache)
    assert report == BatchImport(imported=1, known=0, unasked=0, missing=0, rejected={})
    kept = cache.get("k")
    assert kept is not None
    assert (kept["content"], kept["usage"]) == ("an answer", {})


def test_half_a_surrogate_pair_does_not_stop_the_import(tmp_path, cache) -> None:
    path = written(tmp_path / "out.jsonl", output("k", "half \ud800 pair"), output("l"))
    assert import_batch(path, wanted=["k", "l"], model=MODEL, cache=cache).imported == 2
    kept = cache.get("k")
    assert kept is not None
    assert kept["content"] == "half ? pair"


def test_the_first_answer_to_a_request_stays(tmp_path, cache) -> None:
    path = written(tmp_path / "out.jsonl", output("a", "first"), output("a", "second"), output("b"))
    report = import_batch(path, wanted=["a", "b"], model=MODEL, cache=cache)
    assert report == BatchImport(imported=2, known=1, unasked=0, missing=0, rejected={})
    again = import_batch(written(tmp_path / "2.jsonl", output("a", "third")), wanted=["a"], model=MODEL, cache=cache)
    assert again == BatchImport(imported=0, known=1, unasked=0, missing=0, rejected={})
    kept = cache.get("a")
    assert kept is not None
    assert kept["content"] == "first"


def test_what_nobody_asks_for_is_kept_and_counted_once(tmp_path, cache) -> None:
    path = written(tmp_path / "out.jsonl", output("stranger"), output("stranger"), output("a"))
    report = import_batch(path, wanted=["a"], model=MODEL, cache=cache)
    assert report == BatchImport(imported=2, known=1, unasked=1, missing=0, rejected={})
    assert "stranger" in cache


def test_outputs_that_come_in_parts_leave_what_is_still_missing(tmp_path, requests, cache) -> None:
    keys = [request.key for request in requests]
    missing = []
    for i, part in enumerate(([], [keys[2]], [keys[0], keys[2]], [keys[1]])):
        path = written(tmp_path / f"{i}.jsonl", *(output(key) for key in part))
        missing.append(import_batch(path, wanted=keys, model=MODEL, cache=cache).missing)
    assert missing == [3, 2, 1, 0]


def test_an_export_that_is_interrupted_leaves_no_file(tmp_path, requests) -> None:
    def interrupted() -> Iterator[CompletionRequest]:
        yield requests[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_batch(tmp_path / "new" / "in.jsonl", interrupted())
    assert [*(tmp_path / "new").iterdir()] == []


def test_an_export_that_is_interrupted_leaves_the_file_before_it(tmp_path, requests) -> None:
    path = tmp_path / "in.jsonl"
    export_batch(path, requests)
    before = path.read_bytes()
    broken = replace(requests[0], parameters={"temperature": object()})
    with pytest.raises(TypeError):
        export_batch(path, [requests[1], broken])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.glob("*in.jsonl*")] == ["in.jsonl"]


def test_nothing_to_ask_is_an_empty_file(tmp_path) -> None:
    assert export_batch(tmp_path / "in.jsonl", []) == 0
    assert (tmp_path / "in.jsonl").read_bytes() == b""


def test_the_provider_is_asked_for_the_model_by_the_name_it_knows(tmp_path: Path) -> None:
    request = CompletionRequest(
        model="openai/gpt-5-mini", messages=({"role": "user", "content": "x"},), schema={}, parameters={}
    )
    export_batch(tmp_path / "in.jsonl", [request])
    line = json.loads((tmp_path / "in.jsonl").read_text())
    assert line["body"]["model"] == "gpt-5-mini"
    assert line["custom_id"] == request.key
