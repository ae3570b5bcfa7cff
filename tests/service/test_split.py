"""A second release beside the first: who sees it, that nobody sees both, and what it says otherwise."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.errors import ReleaseError
from domain.understanding import Annotation, Category, Rewrite, Understanding
from release import open_release
from service import create_app
from service.access.keys import Key, make_secret, write_keys
from service.app import Service
from service.settings import Settings
from service.split.shadow import Differences, Shadow, differences_of
from service.split.split import Share

JSON = (b"content-type", b"application/json")


def open_with(two: Any, **settings: Any) -> Service:
    folder = two.releases / two.names[0]
    return create_app(folder, settings=Settings(other=two.names[1], **settings))


async def ask(
    app: Service, path: str, body: bytes = b"", query: bytes = b"", client: bytes | None = None
) -> tuple[dict, Any]:
    """Send one request; a body comes in two parts."""
    parts = [body[:7], body[7:]] if body else [b""]
    sent: list[Any] = []

    async def receive() -> Any:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [JSON] + ([(b"x-client-id", client)] if client is not None else [])
    scope = {
        "type": "http", "method": "POST" if body else "GET", "path": path, "query_string": query, "headers": headers,
        "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return dict(sent[0]["headers"]), json.loads(sent[1]["body"])


def live(app: Service, scenario: Any) -> Any:
    async def run() -> Any:
        async with app.router.lifespan_context(app):
            return await scenario()

    return asyncio.run(run())


def test_a_share_is_the_same_clients_always():
    share = Share(0.25, "2026-11-21-4f1c9a")
    clients = [f"client {i}".encode() for i in range(10_000)]
    having = {client for client in clients if share.has(client)}
    # Of 10,000 a quarter, give or take four standard deviations of sqrt(10,000 x 0.25 x 0.75) = 43.
    assert abs(len(having) - 2500) < 4 * 43.3
    assert having == {client for client in clients if Share(0.25, "2026-11-21-4f1c9a").has(client)}
    assert having < {client for client in clients if Share(0.5, "2026-11-21-4f1c9a").has(client)}
    # Another release has other clients: a quarter of the quarter is in both.
    both = {client for client in having if Share(0.25, "2026-11-22-77be01").has(client)}
    assert abs(len(both) - 625) < 120
    assert not any(Share(0.0, "a").has(client) for client in clients)
    assert all(Share(1.0, "a").has(client) for client in clients)


def test_a_client_sees_one_release(two_plain):
    first, second = two_plain.names
    app = open_with(two_plain, share=0.5)
    share = Share(0.5, second)

    async def scenario() -> None:
        for client in (f"c{i}".encode() for i in range(40)):
            name = second if share.has(client) else first
            for query in ("protein", "1% milk"):
                body = json.dumps({"query": query}).encode()
                headers, answer = await ask(app, "/v1/understand", body, client=client)
                assert answer["release"] == name and headers[b"vary"] == b"x-client-id"
                assert answer == json.loads(two_plain.answers[name][query])
            _, batch = await ask(app, "/v1/understand/batch", b'{"queries":["protein","x","1% milk"]}', client=client)
            assert {one["release"] for one in batch["results"]} == {name}
            assert (await ask(app, "/v1/discover", b'{"query":"protein"}', client=client))[1]["release"] == name
            assert (await ask(app, "/v1/suggest", b'{"query":"protein"}', client=client))[1]["release"] == name

    live(app, scenario)


def test_without_a_client_id_a_query_has_one_release_however_it_is_asked(two_plain):
    first, second = two_plain.names
    app = open_with(two_plain, share=0.5)
    share = Share(0.5, second)

    async def scenario() -> set[str]:
        seen = set()
        for i in range(30):
            name = second if share.has(f"oat milk {i}".encode()) else first
            seen.add(name)
            for path, body, query in (
                ("/v1/understand", b'{"query":"Oat  MILK %d"}' % i, b""),
                ("/v1/understand", b"", b"q=oat+milk+%d" % i),
                ("/v1/discover", b'{"query":"oat milk %d","limit":3}' % i, b""),
                ("/v1/suggest", b'{"query":"oat milk %d"}' % i, b""),
            ):
                assert (await ask(app, path, body, query))[1]["release"] == name, path
        return seen

    assert live(app, scenario) == {first, second}


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"query":1}', b"[" * 50_000, b"\xff" * 9, b'{"query":"' + b"x" * 2_000_000]
)
def test_what_is_no_request_is_refused_as_ever(two_plain, body):
    app = open_with(two_plain, share=0.5)
    headers, problem = live(app, lambda: ask(app, "/v1/understand", body))
    assert 400 <= problem["status"] < 500 and headers[b"content-type"] == b"application/problem+json"


def test_release_tells_of_both(two_plain):
    app = open_with(two_plain)
    document = live(app, lambda: ask(app, "/v1/release"))[1]
    assert document["release"] == two_plain.names[0]
    assert document["other"] == {"release": two_plain.names[1], "share": 0.1, "shadow": False}


def test_a_second_release_that_cannot_be_had_stops_the_start(two_plain, stocked_folder, tmp_path):
    with pytest.raises(ReleaseError, match="no manifest"):
        create_app(two_plain.releases / two_plain.names[0], settings=Settings(other="2026-11-20-000000"))


def answer(**changes: Any) -> Understanding:
    given: dict[str, Any] = {
        "query": "q", "normalized": "q", "source": "head", "reason": "precomputed", "release": "r",
        "categories": (Category(id="c1", path=("A",), confidence=0.9), Category(id="c2", path=("B",), confidence=0.5)),
        "annotations": (Annotation(text="q", start=0, end=1, type="brand", value="Q"),),
        "rewrites": tuple(Rewrite(query=query, type="synonym", confidence=0.5) for query in "ab"),
    }  # fmt: skip
    return Understanding(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, ()),
        ({"release": "other", "query": "Q!"}, ()),
        ({"source": "tail", "reason": "model"}, ("source",)),
        ({"categories": tuple(reversed(answer().categories))}, ("category",)),
        ({"categories": (Category(id="c1", path=("A",), confidence=0.1), answer().categories[1])}, ()),
        ({"rewrites": tuple(reversed(answer().rewrites))}, ()),
        ({"rewrites": answer().rewrites[:1], "annotations": ()}, ("rewrites", "annotations")),
    ],
)
def test_in_what_answers_differ(changes, kinds):
    assert differences_of(answer(), answer(**changes)) == kinds


def wait_for(shadow: Shadow, compared: int) -> Differences:
    for _ in range(1000):
        if (found := shadow.found()).compared >= compared:
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def test_in_shadow_the_first_answers_all_and_differences_are_counted(two_plain, caplog):
    first, second = two_plain.names
    app = open_with(two_plain, shadow=True)
    caplog.set_level("INFO", "service.split.shadow")

    async def scenario() -> Differences:
        for _ in range(3):
            answered = (await ask(app, "/v1/understand", b'{"query":"sure"}'))[1]
            assert answered == json.loads(two_plain.answers[first]["sure"])
        await ask(app, "/v1/understand/batch", b'{"queries":["protein","sure"]}')
        await ask(app, "/v1/understand", b'{"nothing":1}')
        assert (await ask(app, "/v1/discover", b'{"query":"protein"}'))[1]["release"] == first
        return await asyncio.to_thread(wait_for, app.other.shadow, 5)

    found = live(app, scenario)
    # "sure" is known to the second release alone; "protein" differs in its next queries, which are not compared.
    assert (found.release, found.other, found.compared, found.differing, found.dropped) == (first, second, 5, 4, 0)
    assert found.kinds["source"] == 4 and found.kinds["category"] == 4
    assert {one.query for one in found.examples} == {None} and len(found.examples) == 4
    assert "sure" not in caplog.text and caplog.text.count("differs from") == 4


def test_queries_are_told_only_where_they_are_logged_and_redacted(two_plain, caplog):
    app = open_with(two_plain, shadow=True, log_queries=True)
    caplog.set_level("INFO", "service.split.shadow")

    async def scenario() -> Differences:
        await ask(app, "/v1/understand", b'{"query":"SURE"}')
        return await asyncio.to_thread(wait_for, app.other.shadow, 1)

    assert [one.query for one in live(app, scenario).examples] == ["SURE"]
    assert "SURE" in caplog.text


def test_a_share_in_shadow_and_none(two_plain):
    app = open_with(two_plain, shadow=True, share=0.0)

    async def scenario() -> int:
        for i in range(20):
            await ask(app, "/v1/understand", b'{"query":"sure %d"}' % i)
        await asyncio.sleep(0.05)
        return app.other.shadow.found().compared

    assert live(app, scenario) == 0


def test_too_many_are_dropped_and_counted(two_plain, monkeypatch):
    with open_release(two_plain.releases / two_plain.names[1]) as release:
        shadow = Shadow(release, lambda: two_plain.names[0])
        monkeypatch.setattr(shadow, "_work", lambda: None)
        for _ in range(300):
            shadow.offer(two_plain.answers[two_plain.names[0]]["sure"])
        assert shadow.found().dropped == 300 - 256
        shadow.close()


def test_a_batch_waits_and_is_dropped_as_the_answers_that_are_in_it(two_plain, monkeypatch):
    first, second = two_plain.names
    hostile = two_plain.answers[first]["sure"].replace(b'"query":"sure"', rb'"query":"\"normalized\":"')
    batch = b'{"results":[' + b",".join([two_plain.answers[first]["sure"], hostile] * 50) + b"]}"
    with open_release(two_plain.releases / second) as release:
        idle = Shadow(release, lambda: first)
        monkeypatch.setattr(idle, "_work", lambda: None)
        for _ in range(8):
            idle.offer(batch)
        # Of 100 each: the third finds 200 waiting, all others 300.
        assert (idle.found().dropped, len(idle._queue)) == (500, 3)
        idle.close()
        busy = Shadow(release, lambda: first)
        for i in range(1, 5):
            busy.offer(batch)
            assert wait_for(busy, 100 * i).dropped == 0
        busy.close()


def test_what_the_workers_found_is_added_up(two_plain, tmp_path, monkeypatch):
    first, second = two_plain.names
    with open_release(two_plain.releases / second) as release:
        shadows = []
        for pid in (1, 2):
            monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
            shadows.append(Shadow(release, lambda: first, board=tmp_path))
        for i, shadow in enumerate(shadows, start=1):
            shadow.offer(two_plain.answers[first]["sure"])
            shadow.offer(two_plain.answers[first]["protein"])
            wait_for(shadow, 2 * i)
            shadow.close()
        found = shadows[0].found()
        assert (found.compared, found.differing, found.kinds["source"]) == (4, 2, 2)


def test_a_worker_that_compared_nothing_tells_what_the_others_found(two_plain, tmp_path, monkeypatch):
    first, second = two_plain.names
    served = [first]
    with open_release(two_plain.releases / second) as release:
        monkeypatch.setattr("os.getpid", lambda: 1)
        busy = Shadow(release, lambda: served[0], board=tmp_path)
        monkeypatch.setattr("os.getpid", lambda: 2)
        idle = Shadow(release, lambda: served[0], board=tmp_path)
        busy.offer(two_plain.answers[first]["sure"])
        wait_for(busy, 1)
        busy.close()
        assert idle.found() == busy.found() and idle.found().compared == 1
        # Another release is taken into service: it is compared anew, whatever comes late of the first.
        served[0] = "2026-11-23-000000"
        for shadow in (idle, busy):
            assert (shadow.found().release, shadow.found().compared) == (served[0], 0)
        idle.offer(two_plain.answers[first]["sure"])
        idle.offer(two_plain.answers[first]["sure"].replace(first.encode(), served[0].encode()))
        assert wait_for(idle, 1).compared == 1
        idle.close()


def test_a_broken_answer_ends_nothing(two_plain, caplog):
    with open_release(two_plain.releases / two_plain.names[1]) as release:
        shadow = Shadow(release, lambda: two_plain.names[0])
        shadow.offer(b'{"results":7}')
        shadow.offer(two_plain.answers[two_plain.names[0]]["sure"])
        assert wait_for(shadow, 1).differing == 1
        shadow.close()
    assert "could not be compared" in caplog.text


def test_differences_need_an_admin_key(two_plain, tmp_path):
    made = make_secret()
    key = Key(
        name="ops", role="admin", prefix=made.prefix, digest=made.digest, created=datetime(2026, 11, 21, tzinfo=UTC)
    )
    write_keys(tmp_path / "keys.json", [key])
    app = open_with(two_plain, shadow=True, keys=tmp_path / "keys.json")
    assert live(app, lambda: ask(app, "/v1/admin/differences"))[1]["status"] == 401
    shut = open_with(two_plain, shadow=True)
    assert live(shut, lambda: ask(shut, "/v1/admin/differences"))[1]["status"] == 403
