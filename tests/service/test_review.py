"""The calls of the review page: who is let in, what is shown, what is kept."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain import Taxonomy
from domain.lexical import Stems
from domain.reviews import Journal
from domain.taxonomy import Node
from release import Release
from service import create_app
from service.review import Bought, CategoryDemand, Evidence, Followed, Item, Proposal, Review
from service.review.search import CategorySearch

KEY = "a-key-of-a-test-0123456789"
CALLS = ["", "/step?rater=ann", "/sources?query=protein", "/categories?q=tea", "/agreement?rater=ann"]
PROTEIN = Item(
    query="protein",
    searches=900,
    tier="head",
    disagreement=1.0,
    evidence=Evidence(
        categories=(CategoryDemand(path=("Snacks", "Bars"), share=0.8, actions=90, purchases=9, shoppers=40),),
        products=(Bought(title="Crunchy Bar", actions=12),),
        next_queries=(Followed(query="protein bars", count=7),),
    ),
    proposals=(
        Proposal(source="behaviour", categories=("c410",)),
        Proposal(source="LLM without context", categories=("c510",)),
        Proposal(source="LLM with context", categories=("c410", "c420")),
    ),
)


def item(query: str, searches: int = 5) -> Item:
    proposals = (Proposal(source="behaviour", categories=("c410",)), Proposal(source="student", categories=()))
    return Item(query=query, searches=searches, tier="tail", disagreement=1.0, evidence=Evidence(), proposals=proposals)


@pytest.fixture
def taxonomy() -> Taxonomy:
    rows = [("c4", None, "Snacks"), ("c410", "c4", "Protein Bars"), ("c420", "c4", "Protein Powder & Shakes")]
    rows += [("c5", None, "Meat"), ("c510", "c5", "Chicken Breast"), ("c6", None, "Ice Cream"), ("c7", None, "Crème")]
    return Taxonomy(Node(category_id=i, parent_id=parent, name=name) for i, parent, name in rows)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "reviews.jsonl")


@pytest.fixture
def make_app(taxonomy: Taxonomy, journal: Journal) -> Callable[..., Any]:
    clock = iter(datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=i) for i in range(1000))

    def make(*items: Item, source: Release | None = None, **options: Any) -> Any:
        review = Review(
            shop="grocery",
            items=items or (PROTEIN, item("tea"), item("rum")),
            journal=journal,
            taxonomy=taxonomy,
            stems=Stems("en-US"),
            key=KEY,
            now=lambda: next(clock),
            **options,
        )
        return create_app(source, review=review)

    return make


class Client:
    """A client with the key, whose answers are JSON."""

    def __init__(self, app: Any, ask: Callable[..., Any], key: str = KEY) -> None:
        self.app, self.ask = app, ask
        self.headers = ((b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json"))

    def get(self, call: str) -> Any:
        path, _, query = f"/v1/review{call}".partition("?")
        return self.ask(self.app, "GET", path, query=query.encode(), headers=self.headers)

    def post(self, call: str, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ask(self.app, "POST", f"/v1/review{call}", body=data, headers=self.headers)

    def decide(self, query: str, *categories: str, rater: str = "ann", **more: Any) -> Any:
        body = {"id": f"{rater}-{query}-{'-'.join(categories)}", "query": query, "rater": rater}
        return self.post("/decide", body | {"categories": categories} | more)


@pytest.fixture
def client(make_app, ask_any) -> Client:
    return Client(make_app(), ask_any)


def test_there_is_no_review_unless_asked_for(ask):
    for path in ("/review", "/v1/review", "/v1/review/step", "/static/review.js"):
        assert ask("GET", path).problem() == (404, "not-found", None)


def test_the_page_is_as_the_others_and_holds_no_data(client, ask_any):
    playground = ask_any(client.app, "GET", "/")
    for path in (
        "/review",
        "/static/review.js",
        "/static/review.draw.js",
        "/static/review.calls.js",
        "/static/review.css",
    ):
        page = ask_any(client.app, "GET", path)
        assert page.status == 200 and b"protein" not in page.body and KEY.encode() not in page.body
        for name in ("content-security-policy", "x-content-type-options", "referrer-policy"):
            assert page.headers[name] == playground.headers[name]


def test_the_service_answers_beside_the_review(make_app, release, ask_any):
    app = make_app(source=release)
    assert ask_any(app, "POST", "/v1/understand", body=b'{"query": "protein"}').json["source"] == "head"
    assert ask_any(app, "GET", "/openapi.json").status == 200


@pytest.mark.parametrize("call", [*CALLS, "/decide", "/skip", "/undo"])
def test_nothing_is_told_or_written_without_the_key(client, journal, ask_any, call):
    method = "POST" if call in ("/decide", "/skip", "/undo") else "GET"
    path, _, query = f"/v1/review{call}".partition("?")
    body = json.dumps({"id": "1", "query": "tea", "rater": "ann", "categories": ["c6"]}).encode()
    json_type = (b"content-type", b"application/json")

    def ask(*authorization: bytes) -> Any:
        headers = (json_type, *((b"authorization", value) for value in authorization))
        return ask_any(client.app, method, path, query=query.encode(), body=body, headers=headers)

    for none in ((), (b"",), (b"Bearer",), (b"Bearer  ",), (b"Basic YTpi",), (KEY.encode(),)):
        answer = ask(*none)
        assert answer.problem() == (401, "unauthorized", "authorization")
        assert answer.headers["www-authenticate"] == "Bearer"
    for wrong in (
        b"Bearer x",
        b"Bearer " + KEY[:-1].encode(),
        b"Bearer " + b"\xff" * 30,
        b"Bearer " + KEY.upper().encode(),
    ):
        assert ask(wrong).problem() == (403, "forbidden", "authorization")
    assert not journal.path.exists()


def test_what_another_site_can_send_writes_nothing(client, journal, ask_any):
    body = json.dumps({"id": "1", "query": "tea", "rater": "ann", "categories": ["c6"]}).encode()
    # A form or a script of another origin can send this, without the header that only our page adds.
    for content_type in (b"text/plain", b"application/x-www-form-urlencoded", b"application/json"):
        headers = (
            (b"content-type", content_type),
            (b"origin", b"https://example.org"),
            (b"cookie", b"key=" + KEY.encode()),
        )
        assert ask_any(client.app, "POST", "/v1/review/decide", body=body, headers=headers).status == 401
    preflight = ask_any(client.app, "OPTIONS", "/v1/review/decide", headers=((b"origin", b"https://example.org"),))
    assert preflight.status == 405 and "access-control-allow-origin" not in preflight.headers
    assert not journal.path.exists()


def test_answers_are_kept_by_no_cache(client):
    assert client.get("").headers["cache-control"] == "no-store"


def test_a_query_is_shown_with_its_evidence_and_without_the_names_of_its_sources(client):
    answer = client.get("/step?rater=ann")
    place = answer.json
    shown = place["item"]
    assert (shown["query"], shown["searches"], shown["tier"], shown["disagreement"]) == ("protein", 900, "head", 1.0)
    assert shown["evidence"]["categories"][0]["path"] == ["Snacks", "Bars"]
    assert shown["evidence"]["products"] == [{"title": "Crunchy Bar", "actions": 12}]
    assert [said["source"] for said in shown["said"]] == ["A", "B", "C"]
    assert not any(name in answer.body for name in (b"LLM", b"behaviour", b"student"))
    assert shown["choices"] == [
        {"id": "c510", "path": ["Meat", "Chicken Breast"]},
        {"id": "c410", "path": ["Snacks", "Protein Bars"]},
        {"id": "c420", "path": ["Snacks", "Protein Powder & Shakes"]},
    ]
    assert (place["answered"], place["skipped"], place["open"], place["last"], place["before"]) == (0, 0, 3, None, None)


def test_the_order_of_sources_differs_from_query_to_query_and_stays_the_same():
    orders = {tuple(p.source for p in item(f"query {i}").blind) for i in range(20)}
    assert orders == {("behaviour", "student"), ("student", "behaviour")}
    turned = Item(**{**vars(item("tea")), "proposals": item("tea").proposals[::-1]})
    assert turned.blind == item("tea").blind and turned.digest == item("tea").digest
    assert item("rum").digest != item("tea").digest


def test_names_are_shown_when_asked_for_and_after_the_answer(client):
    named = client.get("/sources?query=protein").json
    letters = client.get("/step?rater=ann").json["item"]["said"]
    assert sorted(said["source"] for said in named["said"]) == ["LLM with context", "LLM without context", "behaviour"]
    assert [said["categories"] for said in named["said"]] == [said["categories"] for said in letters]
    assert client.decide("protein", "c410").json["sources"] == named
    assert client.get("/sources?query=nothing").problem() == (422, "invalid-field", "query")


def test_a_decision_is_on_disk_with_all_that_was_said_and_the_next_query_comes(client, journal):
    shown = client.get("/step?rater=ann").json["item"]["shown"]
    saved = client.decide(
        "protein",
        "c420",
        "c410",
        acceptable=["c4"],
        specificity="category",
        reason=" Bars \n",
        shown=shown,
        blind=False,
    )
    assert saved.json["place"]["item"]["query"] == "tea"
    assert (saved.json["place"]["answered"], saved.json["place"]["open"]) == (1, 2)
    (decision,) = Journal(journal.path).standing.decisions
    assert decision.categories == ("c420", "c410") and decision.acceptable == ("c4",)
    assert (decision.query, decision.rater, decision.reason) == ("protein", "ann", "Bars")
    assert (decision.specificity, decision.shown, decision.blind) == ("category", shown, False)
    assert decision.time == datetime(2026, 11, 22, tzinfo=UTC)


def test_a_request_that_is_sent_twice_writes_one_line(client, journal):
    first, second = client.decide("protein", "c410"), client.decide("protein", "c410")
    assert first.json == second.json and len(journal.path.read_bytes().splitlines()) == 1
    undo = {"id": "u1", "rater": "ann", "withdraws": "ann-protein-c410"}
    for again in (undo, undo, undo | {"id": "u2"}):
        assert client.post("/undo", again).json["item"]["query"] == "protein"
    assert len(journal.path.read_bytes().splitlines()) == 2


def test_an_undo_shows_the_query_again_with_what_was_said(client):
    client.decide("protein", "c410", "c6", reason="Bars")
    client.decide("tea")
    place = client.get("/step?rater=ann").json
    assert place["last"]["query"] == "tea"
    place = client.post("/undo", {"id": "u1", "rater": "ann", "withdraws": place["last"]["id"]}).json
    assert place["item"]["query"] == "tea" and place["before"]["categories"] == [] and place["answered"] == 1
    place = client.post("/undo", {"id": "u2", "rater": "ann", "withdraws": place["last"]["id"]}).json
    assert place["item"]["query"] == "protein" and place["before"]["reason"] == "Bars" and place["last"] is None
    # c6 is none of the proposals, and its path is needed to show it.
    assert place["chosen"] == [{"id": "c410", "path": ["Snacks", "Protein Bars"]}, {"id": "c6", "path": ["Ice Cream"]}]


def test_nobody_undoes_what_another_rater_or_nobody_wrote(client, journal):
    client.decide("protein", "c410")
    for body in ({"rater": "bob", "withdraws": "ann-protein-c410"}, {"rater": "ann", "withdraws": "none"}):
        assert client.post("/undo", {"id": "u", **body}).problem() == (422, "invalid-field", "withdraws")
    assert len(journal.path.read_bytes().splitlines()) == 1


def test_skipped_queries_come_back_when_asked_for_the_longest_ago_first(client):
    for query in ("protein", "tea"):
        client.post("/skip", {"id": f"s-{query}", "query": query, "rater": "ann"})
    place = client.decide("rum", "c6").json["place"]
    assert place["item"] is None and (place["answered"], place["skipped"], place["open"]) == (1, 2, 0)
    assert client.get("/step?rater=ann&skipped=1").json["item"]["query"] == "protein"
    client.post("/skip", {"id": "s-again", "query": "protein", "rater": "ann"})
    assert client.get("/step?rater=ann&skipped=1").json["item"]["query"] == "tea"
    client.decide("tea", "c6")
    client.decide("protein", "c410")
    assert client.get("/step?rater=ann&skipped=1").json["item"] is None


def test_a_second_rater_gets_the_same_queries_and_nothing_of_the_first(client):
    fresh = client.get("/step?rater=bob").json
    client.decide("protein", "c410", reason="a secret of ann")
    client.post("/skip", {"id": "s", "query": "tea", "rater": "ann"})
    assert client.get("/step?rater=bob").json == fresh
    seen = client.get("/agreement?rater=bob")
    assert seen.json["decided"] == {"ann": 1} and seen.json["differing"] == [] and b"secret" not in seen.body


def test_agreement_is_shown_and_differences_only_to_those_who_decided(client):
    client.decide("protein", "c410")
    client.decide("protein", "c510", rater="bob")
    for rater, seen in (("ann", ["protein"]), ("bob", ["protein"]), ("eve", [])):
        found = client.get(f"/agreement?rater={rater}").json
        assert found["pairs"] == [
            {"raters": ["ann", "bob"], "queries": 1, "same_set": 0.0, "same_first": 0.0, "overlap": 0.0}
        ]
        assert [d["query"] for d in found["differing"]] == seen


def test_an_adjudication_is_marked_and_leaves_the_raters_own_decisions(make_app, ask_any, journal):
    Client(make_app(), ask_any).decide("protein", "c410")
    settling = Client(make_app(adjudicates=True), ask_any)
    assert settling.get("/step?rater=ann").json["item"]["query"] == "protein"
    settling.post("/decide", {"id": "z", "query": "protein", "rater": "ann", "categories": ["c510"]})
    assert settling.get("/step?rater=ann").json["item"]["query"] == "tea"
    assert [(d.categories, d.adjudicates) for d in journal.standing.decisions] == [
        (("c410",), False),
        (("c510",), True),
    ]


def test_what_was_decided_before_the_start_counts(make_app, ask_any):
    Client(make_app(), ask_any).decide("protein", "c410")
    assert Client(make_app(), ask_any).get("/step?rater=ann").json["item"]["query"] == "tea"


GOOD = {"id": "1", "query": "tea", "rater": "ann", "categories": ["c6"]}


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"categories": ["c6", "c999"]}, "invalid-field", "categories"),
        ({"acceptable": ["c999"]}, "invalid-field", "acceptable"),
        ({"categories": ["c6", "c6"]}, "invalid-field", "categories"),
        ({"acceptable": ["c6"]}, "invalid-field", "acceptable"),
        ({"categories": [None]}, "invalid-field", "categories.0"),
        ({"categories": "c6"}, "invalid-field", "categories"),
        ({"specificity": "narrow"}, "invalid-field", "specificity"),
        ({"reason": "x" * 2001}, "invalid-field", "reason"),
        ({"query": ""}, "invalid-field", "query"),
        ({"query": "TEA "}, "invalid-field", "query"),
        ({"query": "x" * 257}, "invalid-field", "query"),
        ({"rater": " "}, "invalid-field", "rater"),
        ({"rater": "x" * 61}, "invalid-field", "rater"),
        ({"rater": "a\u202eb"}, "invalid-field", "rater"),
        ({"id": ""}, "invalid-field", "id"),
        ({"id": "x" * 65}, "invalid-field", "id"),
        ({"shown": "x" * 65}, "invalid-field", "shown"),
        ({"blind": "perhaps"}, "invalid-field", "blind"),
        ({"time": "2020-01-01T00:00:00Z"}, "unknown-field", "time"),
        ({"adjudicates": True}, "unknown-field", "adjudicates"),
    ],
)
def test_a_decision_that_cannot_be_used_is_refused_by_field(client, journal, change, kind, field):
    assert client.post("/decide", GOOD | change).problem() == (422, kind, field)
    assert not journal.path.exists()


def test_bodies_that_are_none(client, journal, ask_any):
    missing = {name: value for name, value in GOOD.items() if name != "rater"}
    assert client.post("/decide", missing).problem() == (422, "missing-field", "rater")
    for body in (b"", b"not json", b"[" * 50_000, b'{"id": "\xff"}', b'{"id": "1", "reason": "\\ud800"}'):
        assert client.post("/decide", body).problem()[1:] == ("malformed-json", "body")
    assert client.post("/decide", b"[]").problem() == (422, "invalid-field", "body")
    assert client.post("/decide", b"{" + b" " * 65536).problem() == (413, "body-too-large", "body")
    assert client.post("/undo", GOOD).status == 422
    text = (client.headers[0], (b"content-type", b"text/plain"))
    refused = ask_any(client.app, "POST", "/v1/review/decide", body=json.dumps(GOOD).encode(), headers=text)
    assert refused.problem() == (415, "unsupported-media-type", "content-type")
    assert client.get("/decide").status == 405
    assert not journal.path.exists()


@pytest.mark.parametrize("call", ["/step", "/step?rater=", "/step?rater=%00", "/agreement", "/step?rater=%ff%fe%00"])
def test_a_rater_is_needed(client, call):
    assert client.get(call).problem() == (422, "invalid-field", "rater")


def test_a_journal_that_cannot_be_written_is_said(client, journal, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    answer = client.decide("protein", "c410")
    assert answer.problem() == (500, "internal-error", None) and "No space left" in answer.json["detail"]
    monkeypatch.undo()
    assert client.decide("protein", "c410").status == 200 and len(journal.standing.decisions) == 1


def test_a_short_key_is_no_key(taxonomy, journal):
    with pytest.raises(ValueError, match="16 characters"):
        Review(shop="s", items=(), journal=journal, taxonomy=taxonomy, stems=Stems("en"), key="short")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("protein", ["c410", "c420"]),
        ("prot", ["c410", "c420"]),
        ("powd prot", ["c420"]),
        ("shake", ["c420"]),  # by its stem too
        ("creams", ["c6"]),
        ("CREME", []),  # an accent is another letter here, as it is for queries
        ("crème", ["c7"]),
        ("snacks", ["c4", "c410", "c420"]),  # its own name before those below it
        ("meat", ["c5", "c510"]),
        ("chicken of nowhere", ["c510"]),  # nothing has all words
        ("c420", ["c420"]),
        ("", []),
        ("!?", []),
        ("zzz", []),
        ("<script>", []),
        ("a" * 5000, []),
    ],
)
def test_categories_are_found_by_words(client, text, found):
    query = str(httpx.QueryParams({"q": text}))
    assert [choice["id"] for choice in client.get(f"/categories?{query}").json["categories"]] == found


def test_twenty_thousand_categories_are_searched_in_milliseconds():
    names = [a + b for a in ("al", "be", "ce", "du", "ek") for b in ("ran", "lo", "mi", "nu", "pe", "so", "ta")]

    def nodes() -> Iterator[Node]:
        yield Node(category_id="root", parent_id=None, name="All")
        for i in range(20_000):
            name = f"{names[i % 35]} {names[i // 35 % 35]} {i // 1225}"
            yield Node(category_id=f"c{i}", parent_id="root", name=name)

    search = CategorySearch(Taxonomy(nodes()), Stems("en-US"))
    started = time.perf_counter()
    # alran is name 0 and belo, of the second seven, 7 + 1 = 8: "belo alran 7" is 8 + 35 * 0 + 1225 * 7, and
    # "alran belo 7" is 0 + 35 * 8 + 1225 * 7. Both have all words.
    assert search.find("alran belo 7") == ["c8583", "c8855"]
    assert len(search.find("al")) == 20
    # About 10 ms on an idle core; the bound only tells a list of postings from a walk that compares every text.
    assert time.perf_counter() - started < 0.5


async def _over_http(app: Any) -> list[int]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        without = await client.get("/v1/review/step", params={"rater": "ann"})
        headers = {"Authorization": f"bearer {KEY}"}
        found = await client.get("/v1/review/step", params={"rater": "ann"}, headers=headers)
        body = GOOD | {"shown": found.json()["item"]["shown"]}
        saved = await client.post("/v1/review/decide", json=body, headers=headers)
    return [without.status_code, found.status_code, saved.status_code]


def test_a_client_of_the_library_gets_through(make_app):
    assert asyncio.run(_over_http(make_app())) == [401, 200, 200]
