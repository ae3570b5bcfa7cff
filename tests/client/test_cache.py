"""Understandings that are kept, as the headers of their answers allow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from socket import socket

import pytest

from querywise_client import Client, ConnectionFailed
from querywise_client.cache import AnswerCache
from tests.client.answering import response, understanding
from tests.service import conftest as service_conftest

MILK = understanding("milk")


def test_an_understanding_is_kept_as_its_headers_say(ask, rogue):
    body = MILK.partition(b"\r\n\r\n")[2]
    kept = response(body, etag='"r1-milk"', cache_control="max-age=2")
    rogue.behaviours = [kept, response(b"", 304, etag='"r1-milk"', cache_control="max-age=60"), MILK]
    with Client(rogue.address, timeout=5, cache_size=2) as client:
        first = client.understand("milk")
        assert client.understand("milk") is first and len(rogue.requests) == 1
        assert rogue.requests[0].startswith(b"GET /v1/understand?q=milk HTTP/1.1")
        time.sleep(2.1)
        assert client.understand("milk") is first
        assert b'if-none-match: "r1-milk"' in rogue.requests[1].lower() and len(rogue.requests) == 2
        assert client.understand("milk") is first and len(rogue.requests) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache_control": "no-store, max-age=60", "etag": '"a"'},
        {"cache_control": "max-age=60", "age": "60"},
        {"cache_control": "no-cache, max-age=60"},
        {"cache_control": "max-age=x"},
        {"cache_control": "max-age=60", "etag": '"a"', "vary": "X-Client-Id, *"},
    ],
)
def test_what_may_not_be_kept_is_not(rogue, headers):
    rogue.behaviours = [response(MILK.partition(b"\r\n\r\n")[2], **headers)]
    with Client(rogue.address, timeout=5, cache_size=2) as client:
        client.understand("milk")
        client.understand("milk")
    assert len(rogue.requests) == 2 and b"if-none-match" not in rogue.requests[1].lower()


def test_only_so_many_are_kept(rogue):
    rogue.behaviours = [understanding_kept(query) for query in ("a", "b", "a", "c", "b")]
    with Client(rogue.address, timeout=5, cache_size=2) as client:
        for query in ("a", "b", "b", "a"):
            client.understand(query)
        assert len(rogue.requests) == 2
        rogue.behaviours[2:] = [understanding_kept("c"), understanding_kept("b")]
        client.understand("c")
        assert client.understand("a").query == "a" and len(rogue.requests) == 3
        client.understand("b")  # used longest ago when c came
    assert len(rogue.requests) == 4


def understanding_kept(query: str) -> bytes:
    return response(understanding(query).partition(b"\r\n\r\n")[2], cache_control="max-age=60")


def test_the_service_is_asked_again_and_says_that_it_still_holds(service, monkeypatch):
    kept = []
    keep = AnswerCache.keep

    def keeping(self: AnswerCache, path: str, client_id: str, answer: object, headers: Mapping[str, str]) -> None:
        kept.append(headers)
        keep(self, path, client_id, answer, headers)

    monkeypatch.setattr(AnswerCache, "keep", keeping)
    with Client(service, timeout=5, cache_size=2) as client:
        first = client.understand("1% milk")
        assert client.understand("1% milk") is first
        assert client.understand("1%  MILK") is not first  # another address, which echoes another text
    assert [headers["cache-control"] for headers in kept] == ["no-cache"] * 3
    assert len({headers["etag"] for headers in kept}) == 1
    assert ["content-length" in headers for headers in kept] == [True, False, True]  # the second is a 304


def test_the_service_is_not_asked_for_as_long_as_it_says(release_folder, monkeypatch):
    with service_conftest.running(release_folder, "--cache-seconds", "60") as port:
        client = Client(f"http://127.0.0.1:{port}", timeout=5, cache_size=2, retries=0)
        first = client.understand("1% milk", client_id="c1")
    with client:  # the service is gone
        for shopper in ("c1", "c2", None):
            assert client.understand("1% milk", client_id=shopper) is first
        with pytest.raises(ConnectionFailed):
            client.understand("protein")


def test_the_service_is_asked_for_each_shopper_while_it_splits(tmp_path):
    two = service_conftest._build_two(tmp_path, None)
    options = ("--other", two.names[1], "--share", "0.5", "--cache-seconds", "600")
    shoppers = [f"c{i}" for i in range(16)]
    with service_conftest.running(two.releases / two.names[0], *options) as port:
        client = Client(f"http://127.0.0.1:{port}", timeout=10, connect_timeout=5, cache_size=100, retries=0)
        with Client(f"http://127.0.0.1:{port}", timeout=10, connect_timeout=5) as asking:
            asked = [asking.understand("protein", client_id=shopper) for shopper in shoppers]
        client.understand("protein")
        answers = [client.understand("protein", client_id=shopper) for shopper in shoppers]
        assert answers == asked and {answer.release for answer in answers} == set(two.names)
    with client:  # the service is gone
        assert [client.understand("protein", client_id=shopper) for shopper in shoppers] == asked


def serving(release_of: Callable[[str], str], **headers: str) -> Callable[[socket, bytes], None]:
    """A service that answers "milk" of the release of a shopper, or with a 304 to who has that answer."""

    def behave(connection: socket, request: bytes) -> None:
        lines = [line.partition(b": ") for line in request.split(b"\r\n")]
        sent = {name.decode().lower(): value.decode() for name, _, value in lines}
        release = release_of(sent.get("x-client-id", ""))
        held = sent.get("if-none-match") == f'"{release}"'
        body = b"" if held else json.dumps(milk(release)).encode()
        connection.sendall(response(body, 304 if held else 200, etag=f'"{release}"', **headers))

    return behave


def milk(release: str) -> dict[str, str]:
    return {"query": "milk", "normalized": "milk", "source": "head", "reason": "precomputed", "release": release}


SPLIT = {"": "r1", "c1": "r1", "c2": "r2"}.__getitem__


def releases(client: Client, *shoppers: str | None) -> list[str]:
    return [client.understand("milk", client_id=shopper).release for shopper in shoppers]


@pytest.mark.parametrize("vary", [{}, {"vary": "Accept-Encoding, Origin"}])
def test_one_answer_is_for_every_shopper(rogue, vary):
    rogue.behaviours = [serving(lambda _: "r1", cache_control="max-age=600", **vary)]
    with Client(rogue.address, timeout=5, cache_size=1) as client:
        assert releases(client, "c1", "c2", None, "c1") == ["r1"] * 4
    assert len(rogue.requests) == 1


@pytest.mark.parametrize("vary", ["x-client-id", "Accept-Encoding,X-Client-Id "])
@pytest.mark.parametrize("order", [(None, "c2", "c1"), ("c2", None, "c1")])
def test_while_traffic_is_split_each_shopper_has_an_answer(rogue, vary, order):
    rogue.behaviours = [serving(SPLIT, cache_control="max-age=600", vary=vary)]
    with Client(rogue.address, timeout=5, cache_size=3) as client:
        expected = [SPLIT(shopper or "") for shopper in order]
        assert releases(client, *order) == releases(client, *order) == expected
    assert len(rogue.requests) == 3


def test_a_split_that_begins_shows_when_the_answer_of_before_is_over(rogue):
    rogue.behaviours = [serving(lambda _: "r1", cache_control="no-cache")]
    with Client(rogue.address, timeout=5, cache_size=9) as client:
        first = client.understand("milk", client_id="c2")
        rogue.behaviours = [serving(SPLIT, cache_control="max-age=600", vary="x-client-id")]
        assert client.understand("milk", client_id="c1") is first  # a 304, which is for c1 alone
        assert releases(client, "c2", None, "c1", "c2") == ["r2", "r1", "r1", "r2"]
    assert len(rogue.requests) == 4 and b'if-none-match: "r1"' in rogue.requests[1].lower()


def test_a_split_that_ends_leaves_one_answer(rogue):
    rogue.behaviours = [serving(SPLIT, cache_control="no-cache", vary="x-client-id")]
    with Client(rogue.address, timeout=5, cache_size=9) as client:
        assert releases(client, "c1", "c2") == ["r1", "r2"]
        rogue.behaviours = [serving(lambda _: "r2", cache_control="max-age=600")]
        assert releases(client, "c2", "c1", None) == ["r2"] * 3
    assert len(rogue.requests) == 3


def test_an_answer_for_every_shopper_is_let_go_when_a_later_one_varies():
    cache = AnswerCache(9)
    for shopper in ("c1", "c2"):
        cache.keep("/milk", shopper, f"of {shopper}", {"cache-control": "max-age=600", "vary": "x-client-id"})
    cache.keep("/milk", "c1", "of all", {"cache-control": "max-age=600"})
    assert [cache.get("/milk", shopper).answer for shopper in ("c1", "c2", "")] == ["of all"] * 3
    cache.keep("/milk", "c1", "of c1 again", {"cache-control": "max-age=600", "vary": "x-client-id"})
    assert cache.get("/milk", "c1").answer == "of c1 again" and cache.get("/milk", "c2").answer == "of c2"
    assert cache.get("/milk", "") is None
    cache.keep("/milk", "c1", "degraded", {"cache-control": "no-store"})
    assert cache.get("/milk", "c1") is None
