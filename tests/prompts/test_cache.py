"""The cache on disk: shared by processes, never a pickle, asked for once, trimmed between runs and not in them."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from diskcache.core import MODE_PICKLE, MODE_RAW

from domain.errors import ModelError
from prompts import Completion
from prompts.cache import CompletionCache

ROOT = Path(__file__).resolve().parents[2]
KEY = "0123456789abcdef" * 4


def completion(key: str = KEY, content: str = "an answer ½ \x00 \U0001f34b") -> Completion:
    return Completion(key=key, content=content, model="openai/local", usage={"prompt_tokens": 3})


def test_what_is_kept_comes_back_in_another_process_too(tmp_path) -> None:
    cut = Completion(key="1" * 64, content="", model="m", finish="refused")
    with CompletionCache(tmp_path) as cache:
        cache.put([completion(), cut])
        assert cache.get(KEY) == completion()
    with CompletionCache(tmp_path) as again:
        assert (again.get(KEY), again.get("1" * 64), again.get("2" * 64)) == (completion(), cut, None)
        assert KEY in again
        assert "2" * 64 not in again


def test_what_is_discarded_is_gone(tmp_path) -> None:
    with CompletionCache(tmp_path) as cache:
        cache.put([completion()])
        assert cache.discard([KEY, "2" * 64]) == 1
        assert cache.get(KEY) is None


WRITER = """
import sys
from pathlib import Path
from prompts import Completion
from prompts.cache import CompletionCache
cache = CompletionCache(Path(sys.argv[1]))
for i in range(60):
    key = f"{sys.argv[2]}{i}"
    cache.put([Completion(key=key, content=key * 10, model="m")])
    assert cache.get(key).content == key * 10
cache.close()
"""


def test_two_processes_write_one_cache(tmp_path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE) for name in "ab"]
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [(b"", 0), (b"", 0)]
    with CompletionCache(tmp_path) as cache:
        for key in (f"{name}{i}" for name in "ab" for i in range(60)):
            kept = cache.get(key)
            assert kept is not None and kept.content == key * 10


CLAIMER = """
import asyncio, sys
from pathlib import Path
from prompts import Completion
from prompts.cache import CompletionCache
key = sys.argv[2]
async def ask():
    with CompletionCache(Path(sys.argv[1])) as cache:
        async with cache.claim(key):
            if cache.get(key) is None:
                print("asked", flush=True)
                await asyncio.sleep(float(sys.argv[3]))
                cache.put([Completion(key=key, content="c", model="m")])
asyncio.run(ask())
"""


def test_of_many_processes_one_asks_and_the_others_wait_for_it(tmp_path) -> None:
    command = [sys.executable, "-c", CLAIMER, str(tmp_path), KEY, "0.5"]
    claimers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [claimer.communicate()[0] for claimer in claimers]
    assert sorted(said) == ["", "", "", "asked\n"]


def test_the_claim_of_a_process_that_is_killed_ends_with_it(tmp_path) -> None:
    command = [sys.executable, "-c", CLAIMER, str(tmp_path), KEY]
    doomed = subprocess.Popen([*command, "60"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert doomed.stdout and doomed.stdout.readline() == "asked\n"
    os.kill(doomed.pid, signal.SIGKILL)
    doomed.communicate()
    second = subprocess.run([*command, "0"], cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert second.stdout == "asked\n"


def test_of_many_tasks_one_holds_a_claim_at_a_time(tmp_path) -> None:
    holding = most = 0

    async def hold(cache: CompletionCache, key: str) -> None:
        nonlocal holding, most
        async with cache.claim(key):
            holding += 1
            most = max(most, holding)
            await asyncio.sleep(0.001)
            holding -= 1

    async def run() -> None:
        with CompletionCache(tmp_path) as cache:
            await asyncio.gather(*(hold(cache, KEY) for _ in range(20)))
            assert most == 1
            # Claims on different requests do not wait for each other.
            await asyncio.gather(*(hold(cache, f"{i:064x}") for i in range(20)))
            await asyncio.gather(*(hold(cache, f"{i:015x}" + "0" * 49) for i in range(20)))
            assert most > 1

    asyncio.run(run())


def rows(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "cache.db") as db:
        found = db.execute("SELECT mode, value, filename FROM Cache").fetchall()
    db.close()
    return found


def test_what_is_kept_is_json_never_pickle(tmp_path) -> None:
    with CompletionCache(tmp_path) as cache:
        cache.put([completion()])
    [(mode, value, filename)] = rows(tmp_path)
    assert (mode, filename) == (MODE_RAW, None)
    assert json.loads(zlib.decompress(value)) == {
        "key": KEY,
        "content": "an answer ½ \x00 \U0001f34b",
        "model": "openai/local",
        "usage": {"prompt_tokens": 3},
    }


def test_what_is_kept_outlives_a_loss_of_power(tmp_path) -> None:
    CompletionCache(tmp_path).close()
    with sqlite3.connect(tmp_path / "cache.db") as db:
        kept = dict(db.execute("SELECT key, value FROM Settings").fetchall())
    db.close()
    assert kept["sqlite_synchronous"] == 2


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import builtins; builtins.querywise_was_hit = True",))


def test_a_pickle_that_was_put_into_the_cache_is_not_read(tmp_path) -> None:
    with CompletionCache(tmp_path) as cache:
        cache.put([completion()])
    with sqlite3.connect(tmp_path / "cache.db") as db:
        db.execute("UPDATE Cache SET mode = ?, value = ?", (MODE_PICKLE, pickle.dumps(Bomb())))
    db.close()
    import builtins

    with CompletionCache(tmp_path) as cache, pytest.raises(ModelError, match="holds a pickle"):
        cache.get(KEY)
    assert not hasattr(builtins, "querywise_was_hit")


def test_a_long_completion_is_kept_whole_in_the_table(tmp_path) -> None:
    # Past 32 KiB packed, diskcache by default writes a file beside the table, which is not synced.
    content = "".join(chr(0x4E00 + i * i % 20000) for i in range(200_000))
    with CompletionCache(tmp_path) as cache:
        cache.put([completion(content=content)])
        assert cache.get(KEY) == completion(content=content)
    assert [(mode, filename) for mode, _, filename in rows(tmp_path)] == [(MODE_RAW, None)]


def test_nothing_goes_in_a_run_and_the_oldest_go_after_it(tmp_path) -> None:
    # Letters that do not pack: 200 completions of 10 kB against a limit of one megabyte.
    texts = {f"{i:064x}": os.urandom(5000).hex() for i in range(200)}
    with CompletionCache(tmp_path, gigabytes=0.001) as cache:
        for key, text in texts.items():
            cache.put([completion(key, text)])
        assert all(key in cache for key in texts)
        gone = cache.trim()
        kept = [key for key in texts if key in cache]
        assert 0 < gone < 200 and len(kept) == 200 - gone
        assert kept == [*texts][-len(kept) :]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_300_000


def test_a_cache_under_its_size_is_left_whole(tmp_path) -> None:
    with CompletionCache(tmp_path) as cache:
        cache.put([completion()])
        assert cache.trim() == 0
        assert KEY in cache
