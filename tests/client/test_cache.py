"""Understandings that are kept, as the headers of their answers allow."""

from __future__ import annotations

import time
from collections.abc import Mapping

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
        # Another shopper may be answered by another release.
        client.understand("milk", client_id="c1")
        assert len(rogue.requests) == 3


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cache_control": "no-store, max-age=60", "etag": '"a"'},
        {"cache_control": "max-age=60", "age": "60"},
        {"cache_control": "no-cache, max-age=60"},
        {"cache_control": "max-age=x"},
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

    def keeping(self: AnswerCache, key: tuple[str, ...], answer: object, headers: Mapping[str, str]) -> None:
        kept.append(headers)
        keep(self, key, answer, headers)

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
        first = client.understand("1% milk")
    with client:  # the service is gone
        assert client.understand("1% milk") is first
        with pytest.raises(ConnectionFailed):
            client.understand("protein")
