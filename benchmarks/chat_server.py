"""An OpenAI-compatible server on one core, which answers late and now and then turns a request away.

Bare ASGI on uvicorn, a process of its own, so that it takes nothing from the client that is measured:
`python -m benchmarks.chat_server PORT`. A GET returns the counts since the last one.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LATENCY = 0.05
TURNED_AWAY = 100
ANSWER = json.dumps(
    {
        "need": "A household staple, of which the evidence shows one kind bought far more often than every other kind.",
        "spelling": None,
        "specificity": "category",
        "categories": [{"id": "k3", "confidence": 0.95}, {"id": "k17", "confidence": 0.4}],
        "annotations": [{"text": "juice", "type": "product_type", "value": "juice"}],
        "rewrites": [
            {"query": "apple juice", "type": "broader", "confidence": 0.9},
            {"query": "apple nectar", "type": "substitute", "confidence": 0.5},
        ],
    }
)


def application() -> Any:
    """Return the server: an ASGI application that answers every POST, and a GET with its counts since the last one."""
    counts = {"answered": 0, "turned_away": 0, "most_in_flight": 0}
    asked = in_flight = 0
    said = {"role": "assistant", "content": ANSWER}
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "local",
            "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2000, "completion_tokens": 120, "total_tokens": 2120},
        }
    ).encode()
    refusal = json.dumps({"error": {"message": "slow down", "type": "rate_limit"}}).encode()

    async def reply(send: Any, status: int, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 429:
            headers.append((b"retry-after", b"0"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked, in_flight
        if scope["method"] == "GET":
            await reply(send, 200, json.dumps(counts).encode())
            counts.update(dict.fromkeys(counts, 0))
            return
        while (await receive()).get("more_body"):
            pass
        asked += 1
        if asked % TURNED_AWAY == 0:
            counts["turned_away"] += 1
            await reply(send, 429, refusal)
            return
        in_flight += 1
        counts["most_in_flight"] = max(counts["most_in_flight"], in_flight)
        await asyncio.sleep(LATENCY)
        in_flight -= 1
        counts["answered"] += 1
        await reply(send, 200, body)

    return answer


def pin(core: int) -> None:
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


@contextmanager
def serving() -> Iterator[str]:
    """Run the server on a free port, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.chat_server", str(port)], cwd=ROOT) as process:
        try:
            for _ in range(400):
                try:
                    counts_of(f"http://127.0.0.1:{port}/v1")
                    break
                except OSError:
                    time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def counts_of(address: str) -> dict[str, int]:
    with urllib.request.urlopen(address, timeout=5) as reply:
        found: dict[str, int] = json.load(reply)
        return found


def main() -> None:
    import uvicorn

    pin(0)
    # Longer than a client that is out of breath leaves a connection idle.
    quiet: dict[str, Any] = {"log_level": "warning", "access_log": False, "lifespan": "off", "timeout_keep_alive": 300}
    uvicorn.run(application(), port=int(sys.argv[1]), http="httptools", loop="uvloop", ws="none", **quiet)


if __name__ == "__main__":
    main()
