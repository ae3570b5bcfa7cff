"""Requests a second of the offline runner beside bare loops over litellm and httpx; then its memory, and a replay.

    python -m benchmarks.runner [--requests 3000] [--rounds 3] [--memory 100000] [--provider httpx|litellm] [--json]

The server (`benchmarks/chat_server.py`), a process on one core, answers after 50 ms with a completion of some 450
characters and turns every hundredth request away (429, Retry-After 0). Each client is a fresh process on the other
core, with 500 requests of 8 KB under way, no two alike. The loops keep nothing; the runner keeps every completion on
disk, synced, with its line in the ledger. Whoever is turned away waits for up to a second, as the runner does. The
clients take turns, so that a noisy neighbour hits all of them: the table has medians, and the medians of the ratios
within a round. Afterwards the server has to have answered no request twice, and each has to be in the cache, and once
in the ledger. `--memory` sends that many through the runner, over the provider that is named, and replays them.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from benchmarks.chat_server import ROOT, TURNED_AWAY, counts_of, pin, serving
from domain.errors import CompletionError
from prompts import Account, Completion, CompletionRequest, PromptFile, Runner, load_prompt
from prompts.cache import CompletionCache
from prompts.ledger import Ledger, read_ledger
from prompts.prices import price_of
from prompts.providers import LiteLLM, Provider

MODEL = "openai/local"
IN_FLIGHT = 500
LONGEST_WAIT = 1.0  # as the runner waits after a Retry-After of 0
SAMPLE = 5000
POOLS = 25
CLIENTS = {
    "httpx": "bare httpx loop",
    "pools": f"the same over {POOLS} clients",
    "litellm": "bare `litellm.acompletion` loop",
    "runner": "**the runner**",
}
CANDIDATES = "\n".join(f"k{i}: Department {i} > Aisle {i} > Shelf of goods {i} ({i * 7} products)" for i in range(52))
Ask = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One client's turn: requests by the clock, and the client's processor time for each."""

    per_second: float
    cpu_ms: float
    most_in_flight: int


@cache
def prompt() -> PromptFile:
    return load_prompt("understand@1")


def request_of(i: int, api_base: str) -> CompletionRequest:
    """Return the i-th request: the prompt that ships, with evidence and candidates of the usual length."""
    evidence = f"{i} searches; acted on in {i % 97}%; Shelf of goods {i % 40} has {i % 89}% of the demand"
    values = {"shop": "a grocer", "query": f"apple juice {i} ml", "evidence": evidence, "candidates": CANDIDATES}
    asked = prompt()
    return CompletionRequest(
        model=MODEL,
        messages=asked.messages(values),
        schema=asked.schema,
        parameters=asked.parameters,
        api_base=api_base,
    )


async def flood(ask: Ask, numbers: Iterable[int]) -> None:
    """Ask for all, 500 at a time."""
    waiting = iter(numbers)

    async def work() -> None:
        for i in waiting:
            await ask(i)

    async with asyncio.TaskGroup() as group:
        for _ in range(IN_FLIGHT):
            group.create_task(work())


class Plain:
    """A provider with nothing between it and httpx, whose pools look at every connection for every request."""

    model = MODEL

    def __init__(self, api_base: str, *, pools: int) -> None:
        self.api_base = api_base
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        made = [httpx.AsyncClient(timeout=120.0, limits=limits, trust_env=False) for _ in range(pools)]
        self._pools = itertools.cycle(made)

    async def complete(self, request: CompletionRequest) -> Completion:
        body = {
            "model": "local",
            "messages": request.messages,
            "response_format": {"type": "json_object", "schema": request.schema},
            **request.parameters,
        }
        reply = await next(self._pools).post(f"{self.api_base}/chat/completions", json=body)
        if reply.status_code == 429:
            after = float(reply.headers["retry-after"])
            raise CompletionError("too many", kind="rate_limited", retryable=True, retry_after=after)
        found = reply.raise_for_status().json()
        content, usage = found["choices"][0]["message"]["content"], found["usage"]
        return Completion(key=request.key, content=content, model=MODEL, usage=usage)


class Nobody:
    """A provider that must not be asked."""

    model, api_base = MODEL, ""

    async def complete(self, request: CompletionRequest) -> Completion:
        raise AssertionError(f"{request.key} is not in the cache")


@asynccontextmanager
async def client(name: str, api_base: str, folder: Path) -> AsyncIterator[Ask]:
    """Yield what asks for one request until it is answered."""
    if name in ("httpx", "pools"):
        plain = Plain(api_base, pools=1 if name == "httpx" else POOLS)

        async def ask_httpx(i: int) -> None:
            request = request_of(i, api_base)
            # It is not the loop that needs the hash.
            object.__setattr__(request, "key", "")
            while True:
                try:
                    await plain.complete(request)
                    return
                except CompletionError:
                    await asyncio.sleep(random.uniform(0, LONGEST_WAIT))

        yield ask_httpx
    elif name == "litellm":
        import litellm

        litellm.suppress_debug_info = True

        async def ask_litellm(i: int) -> None:
            request = request_of(i, api_base)
            while True:
                try:
                    await litellm.acompletion(
                        model=request.model,
                        messages=[dict(message) for message in request.messages],
                        api_base=api_base,
                        api_key="none",
                        response_format={"type": "json_object", "schema": request.schema},
                        timeout=120.0,
                        num_retries=0,
                        max_retries=0,
                        drop_params=True,
                        **request.parameters,
                    )
                    return
                except litellm.exceptions.RateLimitError:
                    await asyncio.sleep(random.uniform(0, LONGEST_WAIT))

        yield ask_litellm
    else:
        async with keeping(LiteLLM(MODEL, api_base=api_base), folder) as runner:
            yield asking(runner, api_base)


@asynccontextmanager
async def keeping(provider: Provider, folder: Path) -> AsyncIterator[Runner]:
    account = Account(run="benchmark", shop="grocer", price=price_of(MODEL, override={"input": 0.15, "output": 0.6}))
    with CompletionCache(folder / "cache") as kept, Ledger(folder / "ledger") as ledger:
        async with Runner(provider, account=account, cache=kept, ledger=ledger, concurrency=IN_FLIGHT) as runner:
            yield runner


def asking(runner: Runner, api_base: str) -> Ask:
    async def ask(i: int) -> None:
        await runner.complete(request_of(i, api_base), prompt=prompt().id)

    return ask


async def throughput(name: str, api_base: str, folder: Path, count: int) -> dict[str, float]:
    async with client(name, api_base, folder) as ask:
        await ask(count)  # litellm imports most of itself with the first request
        began, busy = time.perf_counter(), time.process_time()
        await flood(ask, range(count))
        seconds, cpu = time.perf_counter() - began, time.process_time() - busy
    return {"per_second": count / seconds, "cpu_ms": cpu / count * 1000}


async def memory(name: str, api_base: str, folder: Path, count: int) -> dict[str, Any]:
    provider: Provider = Plain(api_base, pools=POOLS) if name == "httpx" else LiteLLM(MODEL, api_base=api_base)
    samples: list[float] = []
    done = 0
    async with keeping(provider, folder) as runner:
        ask = asking(runner, api_base)

        async def watched(i: int) -> None:
            nonlocal done
            await ask(i)
            done += 1
            if done % SAMPLE == 0:
                samples.append(resident_mb())

        began = time.perf_counter()
        await flood(watched, range(count))
        return {"samples": samples, "seconds": time.perf_counter() - began}


async def replay(api_base: str, folder: Path, count: int) -> dict[str, float]:
    async with keeping(Nobody(), folder) as runner:
        began = time.perf_counter()
        await flood(asking(runner, api_base), range(count))
        seconds = time.perf_counter() - began
        assert (runner.tally.from_cache, runner.tally.completions) == (count, 0)
    return {"seconds": seconds}


def resident_mb() -> float:
    """Return memory of this process alone: pages of the cache's file, which SQLite maps up to 64 MB of, are not."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def check(folder: Path, address: str, count: int) -> None:
    """See that each of `count` requests is in the cache, and once in the ledger."""
    asked = sorted(request_of(i, address).key for i in range(count))
    assert read_ledger(folder / "ledger")["key"].sort().to_list() == asked
    with CompletionCache(folder / "cache") as kept:
        assert all(key in kept for key in asked)


def spawn(job: str, name: str, address: str, folder: Path, count: int) -> Any:
    """Run a job in a process of its own, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.runner", "--job", job, "--client", name, "--address", address]
    command += ["--folder", str(folder), "--requests", str(count)]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(names: list[str], address: str, scratch: Path, rounds: int, count: int) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names if turn % 2 else reversed(names):
            folder = scratch / f"{name}{turn}"
            counts_of(address)
            found = spawn("throughput", name, address, folder, count)
            counts = counts_of(address)
            assert counts["answered"] == count + 1, counts
            assert counts["turned_away"] >= count // TURNED_AWAY, counts
            if name == "runner":
                check(folder, address, count + 1)
            turns[name].append(Turn(**found, most_in_flight=counts["most_in_flight"]))
            sys.stderr.write(f"round {turn}, {name}: {turns[name][-1]}\n")  # a long run that is cut off leaves these
    return turns


def table(turns: dict[str, list[Turn]]) -> list[str]:
    lines = ["| client | requests/s | of litellm | CPU ms a request | of litellm | most in flight |", "|---" * 6 + "|"]
    for name in turns:
        pairs = list(zip(turns[name], turns["litellm"], strict=True))
        cells = [
            f"{statistics.median(turn.per_second for turn in turns[name]):,.0f}",
            f"{statistics.median(mine.per_second / theirs.per_second for mine, theirs in pairs):.0%}",
            f"{statistics.median(turn.cpu_ms for turn in turns[name]):.2f}",
            f"{statistics.median(mine.cpu_ms / theirs.cpu_ms for mine, theirs in pairs):.0%}",
            f"{max(turn.most_in_flight for turn in turns[name])}",
        ]
        lines.append(f"| {CLIENTS[name]} | {' | '.join(cells)} |")
    return lines


def run_job(options: argparse.Namespace) -> None:
    pin(1)
    folder = Path(options.folder)
    folder.mkdir(exist_ok=True)
    job = options.job
    if job == "throughput":
        measured: Any = asyncio.run(throughput(options.client, options.address, folder, options.requests))
    elif job == "memory":
        measured = asyncio.run(memory(options.client, options.address, folder, options.requests))
    else:
        measured = asyncio.run(replay(options.address, folder, options.requests))
    sys.stdout.write(json.dumps(measured) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=3000, help="of each client in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=[*CLIENTS], help="litellm among them")
    parser.add_argument("--memory", type=int, default=0, metavar="REQUESTS", help="to send, watched, and to replay")
    parser.add_argument("--provider", choices=["httpx", "litellm"], default="httpx", help="of --memory")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--job", choices=["throughput", "memory", "replay"], help=argparse.SUPPRESS)
    for hidden in ("--client", "--address", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(options)
        return
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch, serving() as address:
        if options.rounds:
            turns = compare(options.clients, address, Path(scratch), options.rounds, options.requests)
            found["turns"] = {name: [dataclasses.asdict(turn) for turn in taken] for name, taken in turns.items()}
        if options.memory:
            folder = Path(scratch) / "memory"
            counts_of(address)
            found["memory"] = spawn("memory", options.provider, address, folder, options.memory)
            assert counts_of(address)["answered"] == options.memory
            check(folder, address, options.memory)
            found["replay"] = spawn("replay", options.provider, address, folder, options.memory)
    if options.json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    lines = table(turns) if options.rounds else []
    if options.memory:
        samples = found["memory"]["samples"]
        growth = (samples[-1] - samples[0]) / (len(samples) - 1) / SAMPLE * 10_000
        lines += [
            "",
            f"{options.memory:,} requests over {options.provider}: {found['memory']['seconds']:.0f} s; private memory "
            f"{samples[0]:.0f} MB after {SAMPLE:,}, {samples[-1]:.0f} MB at the end, {growth:+.2f} MB every 10,000.",
            f"Replayed from the cache in {found['replay']['seconds']:.1f} s.",
        ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
