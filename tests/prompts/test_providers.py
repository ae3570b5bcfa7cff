"""Recordings, the cache on disk, and who a model name stands for. No network: litellm has a file of its own."""

from __future__ import annotations

import asyncio
import gzip
import json
import pickle
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from diskcache.core import MODE_PICKLE, MODE_RAW

from domain.errors import CompletionMissing, ModelError
from prompts import Completion, CompletionRequest, open_provider
from prompts.cache import CompletionCache
from prompts.providers import Cached, Recorded, read_recording

ROOT = Path(__file__).resolve().parents[2]


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
    with pytest.raises(CompletionMissing) as caught:
        asyncio.run(Recorded(tmp_path / "run.jsonl").complete(request))
    assert str(caught.value) == f"run.jsonl holds no completion {request.key[:12]} (<query>milk</query> more)"
    assert not caught.value.retryable
    assert "batch export" in caught.value.hint


def test_the_key_of_another_model_is_not_answered(tmp_path) -> None:
    (tmp_path / "run.jsonl").write_bytes(line(request_of("one").key, model="openai/local"))
    with pytest.raises(CompletionMissing):
        asyncio.run(Recorded(tmp_path / "run.jsonl").complete(request_of("one", "openai/other")))


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "two models": ("r.jsonl", line("a", model="m") + line("b", model="n"), "completions of 2 models"),
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


class Counting:
    """A model that counts what it is asked."""

    model = "openai/local"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def complete(self, request: CompletionRequest) -> Completion:
        self.asked.append(request.key)
        content = f"answer {len(self.asked)} ½ \x00 \U0001f34b"
        return Completion(key=request.key, content=content, model=self.model, usage={"prompt_tokens": 3})


def test_what_was_asked_once_is_not_asked_again_even_by_another_process(tmp_path) -> None:
    first, second = Counting(), Counting()
    requests = [request_of(text) for text in ("one", "two", "one")]
    cache = CompletionCache(tmp_path / "cache")
    answers = [asyncio.run(Cached(first, cache).complete(r)) for r in requests]
    cache.close()
    assert first.asked == [requests[0].key, requests[1].key]
    assert answers[2] == answers[0] != answers[1]

    again = CompletionCache(tmp_path / "cache")
    assert [asyncio.run(Cached(second, again).complete(r)) for r in requests] == answers
    assert second.asked == []
    again.close()


def test_the_model_is_part_of_what_is_kept(tmp_path) -> None:
    provider, cache = Counting(), CompletionCache(tmp_path)
    for model in ("openai/local", "openai/other"):
        asyncio.run(Cached(provider, cache).complete(request_of("one", model)))
    assert len(set(provider.asked)) == 2
    cache.close()


WRITER = """
import sys
from pathlib import Path
from prompts.cache import CompletionCache
cache = CompletionCache(Path(sys.argv[1]))
for i in range(60):
    key = f"{sys.argv[2]}{i}"
    cache.put(key, {"content": key * 10})
    assert cache.get(key) == {"content": key * 10}
cache.close()
"""


def test_two_processes_write_one_cache(tmp_path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE) for name in "ab"]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [(b"", 0), (b"", 0)]
    cache = CompletionCache(tmp_path)
    kept = {key: cache.get(key) for key in (f"{name}{i}" for name in "ab" for i in range(60))}
    assert kept == {key: {"content": key * 10} for key in kept}
    assert "c0" not in cache
    cache.close()


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "cache.db") as db:
        found = db.execute("SELECT mode, value, filename FROM Cache").fetchall()
    db.close()
    return found


def test_what_is_kept_is_json_never_pickle(tmp_path) -> None:
    cache = CompletionCache(tmp_path)
    completion = asyncio.run(Cached(Counting(), cache).complete(request_of("one")))
    cache.close()
    [(mode, value, filename)] = rows(tmp_path)
    assert (mode, filename) == (MODE_RAW, None)
    assert json.loads(zlib.decompress(value)) == {
        "key": completion.key,
        "content": "answer 1 ½ \x00 \U0001f34b",
        "model": "openai/local",
        "usage": {"prompt_tokens": 3},
    }


def test_what_is_kept_outlives_a_loss_of_power_and_is_never_evicted(tmp_path) -> None:
    CompletionCache(tmp_path).close()
    with sqlite3.connect(tmp_path / "cache.db") as db:
        kept = dict(db.execute("SELECT key, value FROM Settings").fetchall())
    db.close()
    assert (kept["sqlite_synchronous"], kept["eviction_policy"]) == (2, "none")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import builtins; builtins.querywise_was_hit = True",))


def test_a_pickle_that_was_put_into_the_cache_is_not_read(tmp_path) -> None:
    cache = CompletionCache(tmp_path)
    cache.put("a", {"content": "c"})
    cache.close()
    with sqlite3.connect(tmp_path / "cache.db") as db:
        db.execute("UPDATE Cache SET mode = ?, value = ?", (MODE_PICKLE, pickle.dumps(Bomb())))
    db.close()
    import builtins

    cache = CompletionCache(tmp_path)
    with pytest.raises(ModelError, match="holds a pickle"):
        cache.get("a")
    assert not hasattr(builtins, "querywise_was_hit")
    cache.close()


def test_a_long_completion_is_kept_whole(tmp_path) -> None:
    # Past 32 KiB packed, diskcache writes a file beside the table.
    content = "".join(chr(0x4E00 + i * i % 20000) for i in range(200_000))
    cache = CompletionCache(tmp_path)
    cache.put("a", {"content": content})
    assert cache.get("a") == {"content": content}
    assert MODE_PICKLE not in [mode for mode, _, _ in rows(tmp_path)]
    cache.close()
