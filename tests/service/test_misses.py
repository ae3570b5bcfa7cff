"""Queries without a precomputed answer, where retrieval is slow."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

from release import Candidate, open_release
from service import create_app


class _Stuck:
    """A retriever that answers once it is let go."""

    def __init__(self, _: Path) -> None:
        self.go = threading.Event()
        self.threads: set[str] = set()

    def nearest(self, query: str, limit: int) -> list[Candidate]:
        self.threads.add(threading.current_thread().name)
        assert self.go.wait(10)
        return [Candidate(category_id="c21", score=1.0)]


async def _get(app, query: str):
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/v1/understand", "query_string": f"q={query}".encode(), "headers": [],
    }  # fmt: skip
    await app(scope, receive, send)
    return json.loads(sent[1]["body"])


def test_head_does_not_wait_for_retrieval_and_retrieval_does_not_pile_up(build_with_index):
    stuck: list[_Stuck] = []

    def load(index: Path) -> _Stuck:
        stuck.append(_Stuck(index))
        return stuck[0]

    async def scenario() -> None:
        with open_release(build_with_index, load_retriever=load) as release:
            app = create_app(release)
            waiting = [asyncio.create_task(_get(app, f"miss+{i}")) for i in range(32)]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in waiting)
            assert (await asyncio.wait_for(_get(app, "protein"), 1))["source"] == "head"
            # 32 wait: the next is answered at once, and says that a part of the service was missing.
            shed = await asyncio.wait_for(_get(app, "one+more"), 1)
            assert (shed["source"], shed["reason"], shed["categories"]) == ("fallback", "degraded", [])
            stuck[0].go.set()
            answers = await asyncio.gather(*waiting)
            assert [answer["query"] for answer in answers] == [f"miss {i}" for i in range(32)]
            assert {answer["reason"] for answer in answers} == {"abstained_low_confidence"}
            assert answers[0]["categories"] == [{"id": "c21", "path": ["Dairy & Eggs", "Milk"], "confidence": None}]
            assert (await _get(app, "later"))["categories"]
            assert stuck[0].threads == {"retrieval_0"}
            app.serving.close()

    asyncio.run(scenario())
