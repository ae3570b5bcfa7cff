"""Texts that a client sends: how much of them is normalised, and when others have their turn."""

from __future__ import annotations

import asyncio
import json
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import normalise
from domain.text import MAX_QUERY_LENGTH
from service import create_app, texts
from service.problems import Problem
from service.texts import MOST_SENT, normalised_product, normalised_query, work_of

ONE, BATCH, EMBED = "/v1/understand", "/v1/understand/batch", "/v1/embed"
EIGHTEEN, THREE = "\ufdfa", "∭"
"""Characters that NFKC writes as so many."""

LONG = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=40), st.integers(1, 100))


def _json(**fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode()


def test_no_character_is_more_than_eighteen_in_nfkc():
    assert max(len(unicodedata.normalize("NFKC", chr(i))) for i in range(sys.maxunicode + 1)) == 18
    assert work_of(EIGHTEEN * 227) == 18 * 227 <= MOST_SENT


@pytest.mark.parametrize(
    ("raw", "work"),
    [("", 0), ("oat milk", 8), ("é" * 300, 300), ("e\u0301" * 300, 600), (THREE * 300, 900), ("." * 9999, 9999)],
)
def test_work_is_counted_in_characters_as_they_come_or_in_nfkc(raw, work):
    assert work_of(raw) == work


@given(st.one_of(LONG, LONG.map(lambda text: text.encode("ascii", "ignore").decode())))
def test_a_text_that_is_not_too_much_has_the_normal_form_it_always_had(raw):
    normalised = normalise(raw)
    if work_of(raw) <= MOST_SENT:
        assert normalised_product(raw[:1024], "q") == normalise(raw[:1024])[:MAX_QUERY_LENGTH]
        if len(normalised) <= MAX_QUERY_LENGTH:
            assert normalised_query(raw, "q") == normalised
            return
    with pytest.raises(Problem, match="A query may have"):
        normalised_query(raw, "q")


@pytest.fixture
def lengths(monkeypatch) -> list[int]:
    """How much there was of each text that has been normalised."""
    seen: list[int] = []

    def counting(text: str) -> str:
        seen.append(len(unicodedata.normalize("NFKC", text)))
        return normalise(text)

    monkeypatch.setattr(texts, "normalise", counting)
    return seen


@pytest.mark.parametrize("char", [EIGHTEEN, THREE])
def test_a_query_that_stands_for_too_much_is_refused_before_it_is_normalised(ask, lengths, char):
    refused = ask("POST", ONE, body=_json(query=char * MOST_SENT))
    assert refused.problem() == (422, "query-too-long", "query") and "4,096" in refused.json["detail"]
    assert ask("POST", BATCH, body=_json(queries=["milk", char * MOST_SENT])).problem()[2] == "queries[1]"
    assert lengths == [4]
    fits = THREE * (MOST_SENT // 3)
    assert ask("POST", ONE, body=_json(query=fits)).json["reason"] == "empty_query"


def test_a_product_that_stands_for_too_much_is_cut(ask_any, taught, lengths):
    body = _json(texts=["sure " + EIGHTEEN * 1019, "sure" + " " * 1019 + "y"], kind="product")
    rows = ask_any(create_app(taught), "POST", EMBED, body=body).json["embeddings"]
    assert [row[1] for row in rows] == [1, 1]
    assert max(lengths) <= MOST_SENT


def test_who_asks_for_a_share_is_told_apart_without_normalising_too_much(two_plain, ask_any, monkeypatch):
    from service import Settings
    from service.split import split

    def refusing(text: str) -> str:
        raise AssertionError("too much was normalised")

    app = create_app(two_plain.releases / two_plain.names[0], settings=Settings(other=two_plain.names[1]))
    monkeypatch.setattr(split, "normalise", refusing)
    assert ask_any(app, "POST", ONE, body=_json(query=EIGHTEEN * MOST_SENT)).status in (422, 503)


def _turns(app: Any, path: str, body: bytes) -> int:
    """Return in how many turns of the event loop a request is answered."""

    async def scenario() -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        task, turns = asyncio.create_task(app(scope, receive, send)), 0
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        assert sent[0]["status"] == 200
        return turns

    return asyncio.run(scenario())


@pytest.mark.parametrize("text", ["." * 4000, THREE * 1300])
def test_others_have_their_turn_after_so_many_characters(app, taught, text):
    assert _turns(app, BATCH, _json(queries=[text] * 30)) >= 30
    assert _turns(create_app(taught), EMBED, _json(texts=[text] * 30, kind="product")) >= 30


def test_of_short_texts_some_fifty_are_looked_up_in_a_turn(app):
    assert 1000 // 60 <= _turns(app, BATCH, _json(queries=["protein"] * 1000)) <= 1000 // 40
