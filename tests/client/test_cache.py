"""Understandings that are kept, as the headers of their answers allow."""

from __future__ import annotations

import time

import pytest

from querywise_client import Client
from tests.client.answering import response, understanding

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
