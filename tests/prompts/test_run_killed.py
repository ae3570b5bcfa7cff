"""A run that is killed twenty times: what arrived is kept, nobody pays for it twice, and the sums are right."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from prompts.cache import CompletionCache
from prompts.ledger import Ledger, read_ledger

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, AT_ONCE, KILLS = 600, 20, 20
USAGE = {"prompt_tokens": 100, "completion_tokens": 10}

# litellm takes seconds to import: one process imports it and forks a run for every line it is sent.
RUNS = """
import asyncio, os, sys
from pathlib import Path
from prompts import Account, CompletionRequest, Runner
from prompts.cache import CompletionCache
from prompts.ledger import Ledger
from prompts.prices import price_of
from prompts.providers import LiteLLM

folder, url, requests, at_once = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
provider = LiteLLM("openai/local", api_base=url)
price = price_of("openai/local", override={"input": 1.0, "output": 1.0})

def request(i):
    messages = ({"role": "user", "content": f"query {i}"},)
    return CompletionRequest(model="openai/local", messages=messages, schema={}, parameters={"max_tokens": 20})

async def run():
    with CompletionCache(folder / "cache") as cache, Ledger(folder / "ledger") as ledger:
        account = Account(run="r", shop="s", price=price)
        async with Runner(provider, account=account, cache=cache, ledger=ledger, concurrency=at_once) as runner:
            waiting = iter(range(requests))
            async def work():
                for i in waiting:
                    completion = await runner.complete(request(i), prompt="p@1")
                    os.write(1, f"done {completion.key}\\n".encode())
            await asyncio.gather(*(work() for _ in range(at_once)))

print("ready", flush=True)
for _ in sys.stdin:
    child = os.fork()
    if not child:
        asyncio.run(run())
        os._exit(0)
    os.write(1, f"pid {child}\\n".encode())
    _, status = os.waitpid(child, 0)
    os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\\n".encode())
"""


@pytest.fixture
def runs(tmp_path, chat_server) -> Iterator[subprocess.Popen[str]]:
    arguments = [str(tmp_path), chat_server.url, str(REQUESTS), str(AT_ONCE)]
    process = subprocess.Popen(
        [sys.executable, "-c", RUNS, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    yield process
    assert process.stdin and process.stdout
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


def lines(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    assert process.stdout
    for line in process.stdout:
        yield line.split()


def test_twenty_kills_lose_nothing_and_pay_for_nothing_twice(runs, chat_server, tmp_path) -> None:
    chat_server.delay = 0.02
    chat_server.respond = lambda body, _: chat_server.said(body["messages"][0]["content"], USAGE)
    rng = random.Random(7)
    said: set[str] = set()
    reading = lines(runs)
    assert next(reading) == ["ready"]
    kills = 0
    while True:
        runs.stdin.write("go\n")
        runs.stdin.flush()
        doomed = kills < KILLS
        # Where it falls is random: before the first answer, in the middle of a write, between two of them.
        patience = rng.randint(0, 30)
        pid = seen = 0
        while True:
            word, value = next(reading)
            if word == "pid":
                pid = int(value)
            elif word == "done":
                said.add(value)
                seen += 1
            else:
                break
            if doomed and pid and seen >= patience:
                os.kill(pid, signal.SIGKILL)
                doomed, kills = False, kills + 1
        with CompletionCache(tmp_path / "cache") as cache:
            lost = [key for key in said if key not in cache]
        assert not lost, f"{len(lost)} completions that were handed out are gone after kill {kills}"
        if int(value) == 0:
            break
    assert kills == KILLS
    asked = Counter(body["messages"][0]["content"] for body in chat_server.requests)
    assert len(asked) == REQUESTS == len(said)
    # Only what was in flight when it fell is asked again: it was never received.
    assert asked.total() - REQUESTS <= KILLS * AT_ONCE
    with Ledger(tmp_path / "ledger"):
        pass
    ledger = read_ledger(tmp_path / "ledger")
    assert {*ledger["key"]} == said
    # A line for what was received, and no more lines than answers were sent.
    assert REQUESTS <= ledger.height <= asked.total()
    assert ledger["price"].sum() == pytest.approx(ledger.height * 110e-6)
