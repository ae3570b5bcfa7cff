"""Queries that arrive together and are answered in one pass."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from release import Release
from service import Settings, create_app
from service.batching import Batcher, TurnBatcher
from service.problems import Problem
from service.serving import Serving


class _Echo:
    """Answers with the query itself; keeps what it was asked, and can be held up or made to fail."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.threads: set[int] = set()
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None

    def __call__(self, raws: Sequence[str], normalised: Sequence[str]) -> list[bytes]:
        self.calls.append(list(raws))
        self.threads.add(threading.get_ident())
        assert self.go.wait(10)
        if self.error is not None:
            raise self.error
        return [f"{raw}={form}".encode() for raw, form in zip(raws, normalised, strict=True)]


@pytest.fixture
def thread():
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_what_comes_together_is_answered_together_and_in_order(thread):
    echo = _Echo()

    async def scenario() -> list[bytes]:
        batcher = Batcher(echo, thread, most=4, wait_us=50_000)
        return await asyncio.gather(*(batcher.answer(f"Q{i}", f"q{i}") for i in range(10)))

    started = time.perf_counter()
    assert asyncio.run(scenario()) == [f"Q{i}=q{i}".encode() for i in range(10)]
    # Two calls are full and do not wait; the last two queries have nobody to wait for but wait their time.
    assert [len(call) for call in echo.calls] == [4, 4, 2]
    assert time.perf_counter() - started >= 0.05
    assert threading.get_ident() not in echo.threads


def test_a_query_alone_waits_no_longer_than_was_set(thread):
    async def scenario() -> float:
        batcher = Batcher(_Echo(), thread, most=64, wait_us=1000)
        await batcher.answer("warm", "up")
        times = []
        for _ in range(20):
            started = time.perf_counter()
            await batcher.answer("a", "a")
            times.append(time.perf_counter() - started)
        return sorted(times)[5]

    assert 0.001 <= asyncio.run(scenario()) < 0.1


def test_what_comes_during_a_call_makes_the_next(thread):
    echo = _Echo()
    echo.go.clear()

    async def scenario() -> None:
        batcher = Batcher(echo, thread, most=64, wait_us=0)
        first = asyncio.create_task(batcher.answer("a", "a"))
        while not echo.calls:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(batcher.answer(f"b{i}", "b")) for i in range(5)]
        await asyncio.sleep(0)
        assert len(batcher) == 5 and not first.done()
        echo.go.set()
        assert await first == b"a=a"
        assert await asyncio.gather(*rest) == [f"b{i}=b".encode() for i in range(5)]
        assert echo.calls == [["a"], [f"b{i}" for i in range(5)]]

    asyncio.run(scenario())


def test_who_leaves_breaks_nobody(thread):
    echo = _Echo()
    echo.go.clear()

    async def scenario() -> None:
        batcher = Batcher(echo, thread, most=8, wait_us=0)
        during = asyncio.create_task(batcher.answer("leaves during", "x"))
        while not echo.calls:
            await asyncio.sleep(0.001)
        before = asyncio.create_task(batcher.answer("leaves before", "x"))
        stays = asyncio.create_task(batcher.answer("stays", "x"))
        await asyncio.sleep(0)
        during.cancel()
        before.cancel()
        echo.go.set()
        assert await stays == b"stays=x"
        assert during.cancelled() and before.cancelled()
        assert echo.calls == [["leaves during"], ["stays"]]
        assert await batcher.answer("later", "y") == b"later=y"

    asyncio.run(scenario())


def test_a_call_that_fails_fails_its_queries_alone(thread):
    echo = _Echo()
    echo.error = RuntimeError("broken")

    async def scenario() -> None:
        batcher = Batcher(echo, thread, most=2, wait_us=0)
        found = await asyncio.gather(batcher.answer("a", "a"), batcher.answer("b", "b"), return_exceptions=True)
        assert [type(error) for error in found] == [RuntimeError] * 2
        echo.error = None
        assert await batcher.answer("c", "c") == b"c=c"

    asyncio.run(scenario())


def test_closing_answers_what_has_begun_and_refuses_the_rest(thread):
    echo = _Echo()
    echo.go.clear()

    async def scenario() -> None:
        batcher = Batcher(echo, thread, most=1, wait_us=0)
        begun = asyncio.create_task(batcher.answer("begun", "x"))
        while not echo.calls:
            await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(batcher.answer("waits", "x")) for _ in range(3)]
        await asyncio.sleep(0)
        batcher.close()
        echo.go.set()
        thread.shutdown(wait=True, cancel_futures=True)
        assert await begun == b"begun=x"
        for task in waiting:
            with pytest.raises(Problem, match="stopping"):
                await task
        with pytest.raises(Problem, match="stopping"):
            await batcher.answer("too late", "x")

    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_closing_wakes_a_call_that_still_collects(thread):
    async def scenario() -> None:
        batcher = Batcher(_Echo(), thread, most=64, wait_us=30_000_000)
        waits = asyncio.create_task(batcher.answer("a", "a"))
        await asyncio.sleep(0.05)
        batcher.close()
        thread.shutdown(wait=True, cancel_futures=True)
        with pytest.raises(Problem, match="stopping"):
            await waits

    started = time.perf_counter()
    asyncio.run(scenario())
    assert time.perf_counter() - started < 10


def test_what_has_come_in_one_turn_is_answered_together_in_the_loop():
    echo = _Echo()

    async def scenario() -> list[bytes]:
        batcher = TurnBatcher(echo, most=4)
        assert await batcher.answer("Alone", "alone") == b"Alone=alone"
        return await asyncio.gather(*(batcher.answer(f"Q{i}", f"q{i}") for i in range(10)))

    assert asyncio.run(scenario()) == [f"Q{i}=q{i}".encode() for i in range(10)]
    assert [len(call) for call in echo.calls] == [1, 4, 4, 2]
    assert echo.threads == {threading.get_ident()}


def test_others_have_a_turn_between_two_calls():
    echo, order = _Echo(), []

    async def other() -> None:
        for _ in range(3):
            order.append(len(echo.calls))
            await asyncio.sleep(0)

    async def scenario() -> None:
        batcher = TurnBatcher(echo, most=1)
        await asyncio.gather(batcher.answer("a", "a"), batcher.answer("b", "b"), other())
        assert len(batcher) == 0

    asyncio.run(scenario())
    assert order == [0, 1, 2]


def test_a_request_that_is_cancelled_is_not_answered_and_harms_nobody():
    echo = _Echo()

    async def scenario() -> None:
        batcher = TurnBatcher(echo, most=8)
        gone, stays = (asyncio.create_task(batcher.answer(text, text)) for text in ("gone", "stays"))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == b"stays=stays"
        alone = asyncio.create_task(batcher.answer("alone", "alone"))
        await asyncio.sleep(0)
        alone.cancel()
        await asyncio.gather(alone, return_exceptions=True)
        assert await batcher.answer("after", "after") == b"after=after"

    asyncio.run(scenario())
    assert echo.calls == [["stays"], ["after"]]


def test_a_call_that_fails_fails_for_its_queries_alone():
    echo = _Echo()
    echo.error = ValueError("broken")

    async def scenario() -> None:
        batcher = TurnBatcher(echo, most=8)
        failed = await asyncio.gather(*(batcher.answer(text, text) for text in "ab"), return_exceptions=True)
        assert [str(error) for error in failed] == ["broken", "broken"]
        echo.error = None
        assert await batcher.answer("c", "c") == b"c=c"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("settings", "wait_us"),
    [
        (Settings(), None),
        (Settings(provider="cuda"), 200),
        (Settings(provider="cuda", batch_wait_us=0), 0),
        (Settings(provider="cuda", batch_max=1), None),
        (Settings(batch_wait_us=300), 300),
        (Settings(batch_wait_us=300, batch_max=1), None),
    ],
)
def test_batching_is_on_where_it_was_asked_for_or_on_cuda(settings, wait_us):
    assert settings.wait_us == wait_us


QUERIES = ["sure", "Halfway!", "lost", "qqq", "", "sure halfway", "1% milk"]


@pytest.mark.parametrize("settings", [Settings(), Settings(batch_wait_us=500), Settings(batch_wait_us=0, batch_max=32)])
def test_the_service_answers_the_same_in_batches(ask_together, taught: Release, settings):
    app = create_app(taught, settings=settings)
    expected = [taught.answer_bytes(query) for query in QUERIES] * 30
    assert [body for _, body in ask_together(app, QUERIES * 30)] == expected
    app.serving.close()


def test_one_at_a_time_is_no_reason_to_answer_less(ask_together, taught, monkeypatch):
    sizes = []
    answer = taught.fallback_answers
    monkeypatch.setattr(taught, "fallback_answers", lambda *texts: sizes.append(len(texts[0])) or answer(*texts))
    app = create_app(taught, settings=Settings(batch_max=1))
    answers = ask_together(app, [f"sure {i}" for i in range(40)])
    assert {json.loads(body)["source"] for _, body in answers} == {"tail"}
    assert sizes == [1] * 40
    app.serving.close()


def test_half_a_pair_is_refused_alone(ask_together, taught):
    app = create_app(taught, settings=Settings(batch_wait_us=5000))
    answers = ask_together(app, ["sure", "\ud800", "a \udc00", "lost"])
    assert [status for status, _ in answers] == [200, 400, 400, 200]
    assert json.loads(answers[1][1])["field"] == "query"
    app.serving.close()


def test_when_too_many_wait_the_next_is_answered_at_once_degraded(taught, monkeypatch):
    go, asked = threading.Event(), []
    answer = taught.fallback_answers

    def slow(raws, normalised):
        asked.append(len(raws))
        assert go.wait(10)
        return answer(raws, normalised)

    monkeypatch.setattr(taught, "fallback_answers", slow)

    async def scenario() -> None:
        serving = Serving(taught, Settings(batch_wait_us=0, batch_max=2))

        def ask(i: int) -> asyncio.Task[bytes]:
            return asyncio.create_task(serving.miss(taught, f"sure {i}", f"sure {i}"))

        waiting = [ask(0), ask(1)]
        while not asked:
            await asyncio.sleep(0.001)
        waiting += [ask(i) for i in range(2, 18)]
        await asyncio.sleep(0)
        # Two are under way, and 16 wait, which is eight calls.
        shed = json.loads(await asyncio.wait_for(serving.miss(taught, "sure", "sure"), 1))
        assert (shed["source"], shed["reason"]) == ("fallback", "degraded")
        go.set()
        answers = [json.loads(body) for body in await asyncio.gather(*waiting)]
        assert {answer["source"] for answer in answers} == {"tail"}
        assert [answer["query"] for answer in answers] == [f"sure {i}" for i in range(18)]
        assert asked == [2] * 9
        serving.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("settings", [Settings(), Settings(batch_wait_us=100)])
def test_a_batch_of_misses_is_answered_as_each_alone(ask_any, taught, settings):
    app = create_app(taught, settings=settings)
    queries = [f"{query} {i}" if i % 7 else query for i, query in enumerate(QUERIES * 100)]
    answer = ask_any(app, "POST", "/v1/understand/batch", body=json.dumps({"queries": queries}).encode())
    assert answer.body == b'{"results":[' + b",".join(map(taught.answer_bytes, queries)) + b"]}"
    app.serving.close()


def test_a_batch_goes_through_the_student_in_slices(ask_any, taught, monkeypatch):
    sizes = []
    predict = taught.fallback_answers
    monkeypatch.setattr(taught, "fallback_answers", lambda *texts: sizes.append(len(texts[0])) or predict(*texts))
    queries = ["protein", "sure"] * 100
    app = create_app(taught)
    assert ask_any(app, "POST", "/v1/understand/batch", body=json.dumps({"queries": queries}).encode()).status == 200
    assert sizes == [32, 32, 32, 4]


def test_batches_with_mistakes_are_refused_whole_and_at_the_first(ask_any, taught):
    app = create_app(taught)

    def refused(*queries: object) -> object:
        return ask_any(app, "POST", "/v1/understand/batch", body=json.dumps({"queries": queries}).encode()).problem()

    assert refused("sure", "\ud800", "a" * 257) == (400, "invalid-encoding", "queries[1]")
    assert refused("sure", "a" * 257, "\ud800") == (422, "query-too-long", "queries[1]")
    assert refused("sure", 7) == (422, "invalid-field", "queries[1]")
