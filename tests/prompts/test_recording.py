"""Recordings, and who a model name stands for. No network: litellm has a file of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib

import pytest

from domain.errors import CompletionError, ModelError
from prompts import Completion, CompletionRequest, open_provider
from prompts.completion import to_line
from prompts.recording import Recorded, read_recording


def request_of(text: str, model: str = "openai/local") -> CompletionRequest:
    return CompletionRequest(model=model, messages=({"role": "user", "content": text},), schema={}, parameters={})


def line(key: str = "a", content: str = "c", model: str = "m") -> bytes:
    return json.dumps({"key": key, "content": content, "model": model, "usage": {}}).encode() + b"\n"


@pytest.mark.parametrize("packed", [False, True])
def test_a_recording_answers_by_the_hash_of_the_request(tmp_path, packed) -> None:
    requests = [request_of(text) for text in ("one", "two")]
    data = b"".join(line(r.key, f"to {r.messages[0]['content']}", r.model) for r in requests)
    path = tmp_path / ("run.jsonl.gz" if packed else "run.jsonl")
    path.write_bytes(gzip.compress(data) if packed else data)
    provider = open_provider(f"recorded:{path}")
    assert provider.model == "openai/local"
    answers = [asyncio.run(provider.complete(r)) for r in reversed(requests)]
    assert [(a.key, a.content) for a in answers] == [(requests[1].key, "to two"), (requests[0].key, "to one")]


def test_what_a_recording_lacks_is_named_by_its_hash(tmp_path) -> None:
    (tmp_path / "run.jsonl").write_bytes(line())
    request = request_of("<query>milk</query>\nmore")
    with pytest.raises(CompletionError) as caught:
        asyncio.run(Recorded(tmp_path / "run.jsonl").complete(request))
    assert str(caught.value) == f"run.jsonl holds no completion {request.key[:12]} (<query>milk</query> more)"
    assert (caught.value.kind, caught.value.retryable) == ("missing_from_recording", False)
    assert "batch export" in caught.value.hint


def test_the_key_of_another_model_is_not_answered(tmp_path) -> None:
    (tmp_path / "run.jsonl").write_bytes(line(request_of("one").key, model="openai/local"))
    with pytest.raises(CompletionError):
        asyncio.run(Recorded(tmp_path / "run.jsonl").complete(request_of("one", "openai/other")))


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "two models": ("r.jsonl", line("a", model="m") + line("b", model="n"), "completions of 2 models"),
    "two answers to one request": ("r.jsonl", line("a" * 64) + line("a" * 64, "d"), "two completions of aaaaaaaaaaaa"),
    "empty": ("r.jsonl", b"", "completions of 0 models"),
    "empty, packed": ("r.jsonl.gz", gzip.compress(b""), "completions of 0 models"),
    "no JSON": ("r.jsonl", line() + b"hello\n" + line(), "line 2: "),
    "blank line": ("r.jsonl", line() + line() + b"\n", "line 3: "),
    "cut in a line": ("r.jsonl", line() + line()[:20], "line 2: "),
    "a field missing": ("r.jsonl", b'{"key": "a", "content": "c"}\n', "line 1: "),
    "a field of another kind": ("r.jsonl", line().replace(b'"c"', b"1"), "line 1: "),
    "no UTF-8": ("r.jsonl", line() + b'{"key": "\xff"}\n', "line 2: "),
    "not packed": ("r.jsonl.gz", line(), "line 1: "),
    "packed, by its name not": ("r.jsonl", gzip.compress(line()), "line 1: "),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_recording_is_a_users_mistake_that_names_the_line(tmp_path, name) -> None:
    file, data, complaint = BROKEN[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(ModelError) as caught:
        open_provider(f"recorded:{tmp_path / file}")
    assert file in str(caught.value)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def packed_lines() -> bytes:
    # Letters drawn unevenly enough not to pack into one block.
    return gzip.compress(b"".join(line(str(i), str(i**7) * 50) for i in range(2000)))


@pytest.mark.parametrize("harm", ["cut", "overwritten"])
def test_a_damaged_packed_recording_names_the_line_that_cannot_be_read(tmp_path, harm) -> None:
    data = packed_lines()
    half = len(data) // 2
    data = data[:half] if harm == "cut" else data[:half] + b"\xff" * 64 + data[half + 64 :]
    (tmp_path / "r.jsonl.gz").write_bytes(data)
    read = 0
    with pytest.raises(ModelError, match=r"r\.jsonl\.gz is no recording: line \d+: ") as caught:
        for _ in read_recording(tmp_path / "r.jsonl.gz"):
            read += 1
    assert f"line {read + 1}: " in str(caught.value)
    assert read > 100


def test_a_stream_that_does_not_unpack_is_a_users_mistake_too(tmp_path) -> None:
    header = gzip.compress(b"")[:10]
    (tmp_path / "r.jsonl.gz").write_bytes(header + b"\xff" * 100)
    with pytest.raises(ModelError, match="line 1") as caught:
        Recorded(tmp_path / "r.jsonl.gz")
    assert isinstance(caught.value.__cause__, zlib.error)


@pytest.mark.parametrize("name", ["", "no-such.jsonl", "."])
def test_a_recording_that_is_not_there_is_named(tmp_path, name) -> None:
    with pytest.raises(ModelError, match="there is no recording") as caught:
        open_provider(f"recorded:{tmp_path / name}")
    assert caught.value.hint


@pytest.mark.parametrize("name", [None, ""])
def test_no_model_is_a_users_mistake(name) -> None:
    with pytest.raises(ModelError) as caught:
        open_provider(name)
    assert "--model" in caught.value.hint


def test_a_line_that_is_there_twice_counts_once(tmp_path) -> None:
    (tmp_path / "r.jsonl").write_bytes(line() + line())
    assert open_provider(f"recorded:{tmp_path / 'r.jsonl'}").model == "m"


def test_how_an_answer_ended_is_recorded_where_it_did_not_end_of_itself(tmp_path) -> None:
    cut = Completion(key="a", content="c", model="m", finish="length")
    whole = Completion(key="b", content="c", model="m", usage={"prompt_tokens": 3})
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(to_line(c)) + "\n" for c in (cut, whole)))
    assert [*read_recording(tmp_path / "r.jsonl")] == [cut, whole]
    assert to_line(whole) == {"key": "b", "content": "c", "model": "m", "usage": {"prompt_tokens": 3}}
