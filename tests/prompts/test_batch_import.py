"""Batch files in: whole, partial, broken, in any order and more than once."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.errors import UserError
from prompts import CompletionRequest
from prompts.batch import BatchImport, export_batch, import_batch
from prompts.cache import CompletionCache
from prompts.completion import Completion
from prompts.ledger import Ledger, LedgerLine, read_ledger
from prompts.prices import Price
from prompts.recording import Recorded

MODEL = "openai/local"
PRICE = Price(
    input=1.0,
    output=1.0,
    cached=1.0,
    cache_write=1.0,
    batch_input=1e-6,
    batch_output=4e-6,
    batch_cached=0.5e-6,
    source="shop.toml",
)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[CompletionCache]:
    with CompletionCache(tmp_path / "cache") as opened:
        yield opened


Import = Callable[..., BatchImport]


@pytest.fixture
def take(tmp_path: Path, cache: CompletionCache) -> Import:
    def run(*paths: Path, wanted: list[str], **more: Any) -> BatchImport:
        asked = dict.fromkeys(wanted, "understand@1#x")
        usual = {"model": MODEL, "shop": "corner", "cache": cache, "ledger": tmp_path / "ledger"}
        return import_batch(paths, wanted=asked, **(usual | more))

    return run


def report(**counts: Any) -> BatchImport:
    usual = {"imported": 0, "known": 0, "duplicates": 0, "unasked": 0, "missing": 0, "rejected": {}, "complaint": ""}
    return BatchImport(**(usual | {"price": None} | counts))


def output(key: str, content: Any = "an answer", *, finish: Any = "stop", refusal: Any = None, **response: Any) -> Any:
    """A line as OpenAI writes it."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {"id": "x", "model": "local-2026", "choices": [{"message": message, "finish_reason": finish}]}
    body["usage"] = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
    return {"id": "b", "custom_id": key, "error": None, "response": {"status_code": 200, "body": body} | response}


def result(key: str, *texts: str, stop: str = "end_turn", usage: Any = None) -> dict[str, Any]:
    """A line as Anthropic writes it."""
    blocks = [{"type": "text", "text": text} for text in texts]
    message = {"role": "assistant", "content": blocks, "stop_reason": stop, "usage": usage}
    return {"custom_id": key, "result": {"type": "succeeded", "message": message}}


def written(path: Path, *lines: Any) -> Path:
    data = (entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in lines)
    path.write_bytes(b"".join(entry + b"\n" for entry in data))
    return path


def test_there_and_back_again(tmp_path, corner, cache, take, record) -> None:
    teacher = corner.teacher()
    requests = [teacher.ask(query).parts[0].request for query in ("milk", "ginger ale", "crème ½")]
    [file] = export_batch(tmp_path / "in.jsonl", requests)
    asked = [json.loads(text) for text in file.path.read_text(encoding="utf-8").splitlines()]
    # A provider answers in any order.
    lines = [output(entry["custom_id"], f"on {entry['body']['messages'][1]['content'][:20]}") for entry in asked[::-1]]
    assert take(written(tmp_path / "out.jsonl", *lines), wanted=list(file.keys)) == report(imported=3)
    answers = [cache.get(request.key) for request in requests]
    assert answers == [
        Completion(
            key=request.key,
            content=f"on {request.messages[1]['content'][:20]}",
            model=MODEL,
            usage={"prompt_tokens": 10, "completion_tokens": 2},
        )
        for request in requests
    ]
    replayed = Recorded(record((a.key, a.content) for a in answers if a))
    contents = [asyncio.run(replayed.complete(request)).content for request in requests]
    assert contents == [a.content for a in answers if a]


REJECTED: dict[str, tuple[Any, str]] = {
    "text": (b"hello", "not JSON"),
    "no UTF-8": (b'{"custom_id": "\xff"}', "not JSON"),
    "nested": (b"[" * 100_000, "not JSON"),
    "a number without end": (b'{"custom_id": ' + b"1" * 5000 + b"}", "not JSON"),
    "a list": ([], "no custom_id"),
    "a number": (1, "no custom_id"),
    "no custom_id": ({"response": {}}, "no custom_id"),
    "a custom_id of another kind": (output(7), "no custom_id"),  # type: ignore[arg-type]
    "an empty custom_id": (output(""), "no custom_id"),
    "an endless custom_id": (output("k" * 201), "no custom_id"),
    "an error": ({"custom_id": "k", "response": None, "error": {"code": "x", "message": "m"}}, "error"),
    "an error beside a response": (output("k") | {"error": {"code": "x"}}, "error"),
    "expired": ({"custom_id": "k", "response": None, "error": {"code": "batch_expired"}}, "expired"),
    "cancelled": ({"custom_id": "k", "response": None, "error": {"code": "batch_cancelled"}}, "canceled"),
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
    "Anthropic: errored": (
        {"custom_id": "k", "result": {"type": "errored", "error": {"type": "error", "error": {"message": "m"}}}},
        "error",
    ),
    "Anthropic: expired": ({"custom_id": "k", "result": {"type": "expired"}}, "expired"),
    "Anthropic: canceled": ({"custom_id": "k", "result": {"type": "canceled"}}, "canceled"),
    "Anthropic: of no type": ({"custom_id": "k", "result": {}}, "error"),
    "Anthropic: no message": ({"custom_id": "k", "result": {"type": "succeeded"}}, "no content"),
    "Anthropic: a message that is text": (
        {"custom_id": "k", "result": {"type": "succeeded", "message": "a"}},
        "no content",
    ),
    "Anthropic: no blocks": (result("k"), "no content"),
    "Anthropic: blocks of another kind": (
        {"custom_id": "k", "result": {"type": "succeeded", "message": {"content": [1, {"type": "text", "text": 2}]}}},
        "no content",
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_line_that_holds_no_completion_is_counted_and_passed_over(tmp_path, cache, take, name) -> None:
    entry, reason = REJECTED[name]
    found = take(written(tmp_path / "out.jsonl", entry, output("good")), wanted=["good", "k"])
    assert (found.imported, found.missing, found.rejected) == (1, 1, {reason: 1})
    assert "k" not in cache


def test_reasons_add_up_over_a_file(tmp_path, take) -> None:
    path = written(tmp_path / "out.jsonl", *(entry for entry, _ in REJECTED.values()), b"", b"  ", output("good"))
    found = take(path, wanted=["good"])
    reasons = [reason for _, reason in REJECTED.values()]
    assert found.rejected == {reason: reasons.count(reason) for reason in set(reasons)}
    assert (found.imported, found.missing) == (1, 0)


def test_the_first_error_is_told(tmp_path, take) -> None:
    error = {"error": {"code": "invalid", "message": "max_tokens\nis not\tsupported " + "x" * 999}}
    refused = {"custom_id": "k", "error": None, "response": {"status_code": 400, "body": error}}
    other = {"custom_id": "l", "error": {"code": "y", "message": "another"}, "response": None}
    found = take(written(tmp_path / "out.jsonl", output("good"), refused, other), wanted=[])
    assert found.complaint.startswith("max_tokens is not supported xxx") and len(found.complaint) == 300


@pytest.mark.parametrize("usage", [None, [], [1], "many", 3, {}, {"prompt_tokens": None}, {"prompt_tokens": "3"}])
def test_a_usage_that_cannot_be_read_does_not_lose_the_answer(tmp_path, cache, take, usage) -> None:
    entry = output("k")
    entry["response"]["body"]["usage"] = usage
    lines = [entry, result("a", "text", usage=usage)]
    found = take(written(tmp_path / "out.jsonl", *lines), wanted=["k"], price=PRICE)
    assert (found.imported, found.price) == (2, None)
    assert cache.get("k") == Completion(key="k", content="an answer", model=MODEL)
    assert cache.get("a") == Completion(key="a", content="text", model=MODEL)
    lines = read_ledger(tmp_path / "ledger")
    assert lines.select("tokens_in", "tokens_out", "price", "price_source").rows() == [(None,) * 4] * 2


@pytest.mark.parametrize("count", [-1, True, 1.5, 10**30, "7"])
def test_a_count_that_is_none_is_left_out(tmp_path, cache, take, count) -> None:
    entry = output("k")
    entry["response"]["body"]["usage"] |= {"prompt_tokens": count, "prompt_tokens_details": {"cached_tokens": count}}
    take(written(tmp_path / "out.jsonl", entry), wanted=["k"])
    found = cache.get("k")
    assert found is not None and found.usage == {"completion_tokens": 2}


@pytest.mark.parametrize(
    ("line", "content", "finish"),
    [
        (output("k", "half an ans", finish="length"), "half an ans", "length"),
        # All of the length went into thinking, and would again.
        (output("k", "", finish="length"), "", "length"),
        (output("k", None, refusal="I cannot"), "I cannot", "refused"),
        (output("k", None, finish="content_filter"), "", "refused"),
        (output("k", "x", finish=None), "x", "stop"),
        (output("k", "x", finish=["odd"]), "x", "stop"),
        (result("k", "one ", "and two"), "one and two", "stop"),
        (result("k", "half", stop="max_tokens"), "half", "length"),
        (result("k", stop="refusal"), "", "refused"),
    ],
)
def test_how_an_answer_ended_is_kept(tmp_path, cache, take, line, content, finish) -> None:
    assert take(written(tmp_path / "out.jsonl", line), wanted=["k"]).imported == 1
    kept = cache.get("k")
    assert kept is not None and (kept.content, kept.finish) == (content, finish)


def test_anthropics_counts_become_ours(tmp_path, cache, take) -> None:
    given = {"input_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 3, "output_tokens": 5}
    usage = given | {"service_tier": "batch"}
    take(written(tmp_path / "out.jsonl", result("k", "x", usage=usage)), wanted=["k"])
    kept = cache.get("k")
    # 7 that the cache had no part in, 100 from it, 3 into it.
    wanted = {"prompt_tokens": 110, "cached_tokens": 100, "cache_write_tokens": 3, "completion_tokens": 5}
    assert kept is not None and kept.usage == wanted


def test_an_import_goes_into_the_ledger_at_the_batch_price(tmp_path, take) -> None:
    cached = output("a")
    cached["response"]["body"]["usage"] = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 60},
    }
    path = written(tmp_path / "out.jsonl", cached, output("stranger"))
    found = take(path, wanted=["a"], price=PRICE, run="batch_7")
    # (100 - 60) x 1 + 60 x 0.5 + 20 x 4 = 150, and 10 x 1 + 2 x 4 = 18 millionths of a dollar.
    assert found.price == pytest.approx(168e-6)
    rows = read_ledger(tmp_path / "ledger").drop("at", "reserved", "answered").sort("key").rows()
    assert [row[:8] for row in rows] == [
        ("batch_7", "corner", "understand@1#x", MODEL, "a", "batch", 100, 60),
        ("batch_7", "corner", "", MODEL, "stranger", "batch", 10, None),
    ]
    assert [row[8:] for row in rows] == [
        (20, pytest.approx(150e-6), "shop.toml"),
        (2, pytest.approx(18e-6), "shop.toml"),
    ]


def test_a_file_imported_by_hand_is_a_run_of_its_name(tmp_path, take) -> None:
    first, second = written(tmp_path / "one.jsonl", output("a")), written(tmp_path / "two.jsonl", output("b"))
    take(first, second, wanted=["a", "b"])
    assert read_ledger(tmp_path / "ledger").select("run", "key").rows() == [("one.jsonl", "a"), ("two.jsonl", "b")]


def test_nothing_is_kept_or_charged_twice(tmp_path, cache, take) -> None:
    first = written(
        tmp_path / "1.jsonl", output("a", "first"), output("a", "second"), output("b"), output("a", "first")
    )
    assert take(first, wanted=["a", "b"]) == report(imported=2, duplicates=2)
    assert take(first, wanted=["a", "b"]) == report(known=2, duplicates=2, price=0.0)
    other = written(tmp_path / "2.jsonl", output("a", "third"), output("c"))
    assert take(first, other, wanted=["a", "b"]) == report(imported=1, known=2, duplicates=3, unasked=1)
    kept = cache.get("a")
    assert kept is not None and kept.content == "first"
    assert sorted(read_ledger(tmp_path / "ledger")["key"]) == ["a", "b", "c"]


def test_an_error_does_not_stand_in_the_way_of_an_answer(tmp_path, cache, take) -> None:
    error = {"custom_id": "a", "error": {"code": "x"}, "response": None}
    found = take(written(tmp_path / "out.jsonl", error, output("a", "late"), error), wanted=["a"])
    assert (found.imported, found.duplicates, found.missing, found.rejected) == (1, 0, 0, {"error": 2})


def test_a_kill_between_ledger_and_cache_charges_nothing_twice(tmp_path, cache, take) -> None:
    with Ledger(tmp_path / "ledger") as ledger:
        about = {"shop": "corner", "prompt": "p", "model": MODEL, "price": None, "price_source": None}
        counts = {"tokens_in": 10, "tokens_cached": None, "tokens_out": 2}
        for run, route in (("batch_1", "batch"), ("batch_0", "batch"), ("batch_1", "sync")):
            key = "a" if (run, route) == ("batch_1", "batch") else "b"
            ledger.append([LedgerLine(run=run, key=key, route=route, **about, **counts)])
    path = written(tmp_path / "out.jsonl", output("a"), output("b"))
    assert take(path, wanted=["a", "b"], run="batch_1").imported == 2
    assert "a" in cache
    lines = read_ledger(tmp_path / "ledger").filter((pl.col("run") == "batch_1") & (pl.col("route") == "batch"))
    # "b" was charged to another batch and on another route: this is a further charge.
    assert sorted(lines["key"]) == ["a", "b"]


def test_outputs_that_come_in_parts_leave_what_is_still_missing(tmp_path, take) -> None:
    missing = []
    for i, part in enumerate(([], ["c"], ["a", "c"], ["b"])):
        path = written(tmp_path / f"{i}.jsonl", *(output(key) for key in part))
        missing.append(take(path, wanted=["a", "b", "c"]).missing)
    assert missing == [3, 2, 1, 0]


@pytest.mark.parametrize("end", [1, 30, 200])
def test_a_last_line_that_was_cut_short_is_told_from_a_broken_one(tmp_path, take, end) -> None:
    path = written(tmp_path / "out.jsonl", output("a"), b"broken", output("b"))
    path.write_bytes(path.read_bytes()[: -1 - end])
    found = take(path, wanted=["a", "b"])
    assert (found.imported, found.missing, found.rejected) == (1, 1, {"not JSON": 1, "cut short": 1})


def test_a_last_line_without_its_end_that_is_whole_counts(tmp_path, take) -> None:
    path = written(tmp_path / "out.jsonl", output("a"), output("b"))
    path.write_bytes(path.read_bytes()[:-1])
    assert take(path, wanted=["a", "b"]) == report(imported=2)


def test_a_file_can_be_packed(tmp_path, take) -> None:
    path = tmp_path / "out.jsonl.gz"
    lines = [json.dumps(output(f"{i}", f"answer {i * 7919 % 4999}")).encode() + b"\n" for i in range(2000)]
    path.write_bytes(gzip.compress(b"".join(lines)))
    assert take(path, wanted=["7"]) == report(imported=2000, unasked=1999)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = take(path, wanted=["7"])
    assert cut.imported == 0 and 500 < cut.known < 1500 and cut.rejected == {"cut short": 1}


@pytest.mark.parametrize("content", [b"no gzip", b"\x1f\x8b\x08\x00", b""])
def test_a_packed_file_that_is_none(tmp_path, take, content) -> None:
    (tmp_path / "out.jsonl.gz").write_bytes(content)
    if content:
        with pytest.raises(UserError, match="is no gzip file"):
            take(tmp_path / "out.jsonl.gz", wanted=[])
    else:
        assert take(tmp_path / "out.jsonl.gz", wanted=["a"]) == report(missing=1, price=0.0)


def test_a_file_that_is_not_there_is_a_mistake_and_nothing_is_imported(tmp_path, cache, take) -> None:
    path = written(tmp_path / "out.jsonl", output("a"))
    for nowhere in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(UserError, match="there is no file"):
            take(path, nowhere, wanted=["a"])
    assert "a" not in cache


def test_half_a_surrogate_pair_does_not_stop_the_import(tmp_path, cache, take) -> None:
    path = written(tmp_path / "out.jsonl", output("k", "half \ud800 pair"), output("l \udfff"), result("m", "\ud800"))
    assert take(path, wanted=["k"]).imported == 3
    kept = [cache.get(key) for key in ("k", "l ?", "m")]
    assert [completion.content for completion in kept if completion] == ["half ? pair", "an answer", "?"]


def test_what_nobody_asks_for_is_kept_and_counted_once(tmp_path, cache, take) -> None:
    path = written(tmp_path / "out.jsonl", output("stranger"), output("stranger"), output("a"))
    assert take(path, wanted=["a"]) == report(imported=2, duplicates=1, unasked=1)
    assert "stranger" in cache


def test_a_large_file_is_not_held_in_memory(tmp_path, take) -> None:
    path = tmp_path / "out.jsonl"
    with path.open("wb") as file:
        # A line of 40 MB, which no answer has, then answers of half a megabyte each.
        file.write(b'{"custom_id": "long", "x": "' + b"x" * 40_000_000 + b'"}\n')
        padded = json.dumps(output("good") | {"padding": "x" * 500_000}).encode() + b"\n"
        for i in range(100):
            file.write(padded.replace(b'"good"', b'"%d"' % i))
    tracemalloc.start()
    found = take(path, wanted=["0"])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.imported, found.rejected) == (100, {"not JSON": 1})
    # Python's own reading of one line takes three times the longest line there may be.
    assert most < 3.5 * 2**24


def test_a_request_of_ours_fits_the_limit_of_both_providers_for_a_custom_id() -> None:
    request = CompletionRequest(model="m", messages=(), schema={}, parameters={})
    assert len(request.key) == 64 and request.key.isalnum() and request.key.isascii()
