"""Every call, on either client, of the real service."""

from __future__ import annotations

import json
import pickle
import threading
import time
from datetime import UTC, datetime

import pytest

from querywise_client import (
    ApiError,
    Category,
    Client,
    ClientClosed,
    Discovery,
    InvalidCall,
    Rewrite,
    Suggestion,
    Understanding,
)
from tests.client.answering import understanding

HOSTILE = [
    "", " ", "1% milk", "a+b", "a&q=b", "%00", "\x00", "c++ \"quoted\" \\", "crème brûlée", "豆腐", "🥑" * 40,
    "\u202eabc", "𐍈", "\r\nX: y", "/../", "#", "?q=x",
]  # fmt: skip


def test_understand(ask, service, release_folder):
    answer = ask(service, "understand", "Vernors  SODA")
    assert (answer.query, answer.normalized, answer.source, answer.reason) == (
        "Vernors  SODA", "vernors soda", "head", "precomputed"
    )  # fmt: skip
    assert answer.release == release_folder.name
    assert answer.categories[0] == Category(id="c118", path=("Beverages", "Soft Drinks", "Ginger Ale"), confidence=0.97)
    assert answer.rewrites[0] == Rewrite(query="ginger ale", type="broader", confidence=0.93)
    first = answer.annotations[0]
    assert answer.normalized[first.start : first.end] == first.text == "vernors"


@pytest.mark.parametrize("query", HOSTILE)
@pytest.mark.parametrize("cache_size", [0, 10])
def test_any_text_is_asked_as_it_is(ask, service, query, cache_size):
    assert ask(service, "understand", query, client={"cache_size": cache_size}).query == query


@pytest.mark.parametrize("cache_size", [0, 10])
def test_half_a_pair_is_refused_by_the_service(ask, service, cache_size):
    with pytest.raises(ApiError) as caught:
        ask(service, "understand", "milk \ud800", client={"cache_size": cache_size})
    assert (caught.value.status, caught.value.kind) == (400, "invalid-encoding")
    assert ask(service, "understand", "milk \ud800", on_error="empty").reason == "degraded"


def test_long_text_with_a_cache_is_posted(ask, service):
    # 4,000 spaces are 12,000 characters of an address and normalise to nothing.
    assert ask(service, "understand", " " * 4000, client={"cache_size": 10}).reason == "empty_query"


def test_a_refusal_says_what_and_where(ask, service):
    with pytest.raises(ApiError) as caught:
        ask(service, "understand", "x" * 257)
    error = caught.value
    assert (error.status, error.kind, error.field) == (422, "query-too-long", "query")
    assert "256" in error.detail and str(error) == "422 The query is too long (query)"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is ApiError and again.__dict__ == error.__dict__ and str(again) == str(error)


def test_a_batch_of_any_size_is_answered_in_order(ask, service):
    queries = [f"protein {i}" for i in range(2500)] + ["protein"]
    answers = ask(service, "understand_batch", queries)
    assert [answer.query for answer in answers] == queries
    assert answers[-1].source == "head"
    assert ask(service, "understand_batch", []) == ()


def test_a_batch_is_split_by_bytes_too(ask, service):
    # 900 texts of 3 bytes a character: 900 x 6,000 = 5.4 MB, over the 1 MiB of a body; each normalises to one word.
    queries = [f"{i} " + "\u2003" * 2000 for i in range(900)]
    assert [answer.normalized for answer in ask(service, "understand_batch", queries)] == [str(i) for i in range(900)]


def test_a_refused_part_of_a_batch_is_named_as_the_caller_counts(ask, service):
    queries = ["milk"] * 1500
    queries[1200] = "x" * 257
    with pytest.raises(ApiError) as caught:
        ask(service, "understand_batch", queries)
    assert (caught.value.kind, caught.value.field) == ("query-too-long", "queries[1200]")
    answers = ask(service, "understand_batch", queries, on_error="empty")
    assert [answer.query for answer in answers] == queries
    # The first thousand stood in another request, which was answered.
    assert {answer.reason == "degraded" for answer in answers[:1000]} == {False}
    assert {answer.reason for answer in answers[1000:]} == {"degraded"}


def test_discover(ask, service):
    found = ask(service, "discover", "vernors soda", shown=["p14"], result_count=3, limit=1)
    assert (found.lead, found.lead_reason, found.reason) == ("substitutes", "few_results", "precomputed")
    assert found.substitutes == (Discovery(label="Cola", query="cola", category_id="c119", product_ids=("p15", "p16")),)
    nothing = ask(service, "discover", "zzz")
    assert nothing.empty["substitutes"] == "nothing_known" and nothing.substitutes == ()


def test_suggest(ask, service):
    found = ask(service, "suggest", "vernors soda", limit=2)
    assert found.suggestions[0] == Suggestion(query="ginger beer", kind="next") and len(found.suggestions) == 2


def test_embed(ask, service, release_folder):
    found = ask(service, "embed", ["sure", ""], kind="query")
    assert [len(row) for row in found.embeddings] == [found.dimension] * 2
    # All but the three numbers of quality make a unit vector; of a text of which nothing is left they are zeros.
    assert sum(x * x for x in found.embeddings[0][:-3]) == pytest.approx(1, abs=1e-3)
    assert set(found.embeddings[1][:-3]) == {0.0}
    product = ask(service, "embed", ["Ginger Ale"], kind="product", products=[None])
    assert product.embeddings[0][-3:] == (0.5, 0.5, 0.5)
    with pytest.raises(ApiError) as caught:
        ask(service, "embed", ["a"] * 1001, kind="query", client={"on_error": "empty"})
    assert caught.value.kind == "too-many-texts"


def test_release_and_ready(ask, service, release_folder):
    told = ask(service, "release")
    assert (told.release, told.shop, told.created) == (
        release_folder.name,
        "grocery",
        datetime(2026, 11, 21, tzinfo=UTC),
    )
    assert told.gate is None and told.lineage.content and all(count >= 0 for count in told.lineage.counts.values())
    assert ask(service, "ready") is True


def test_what_goes_along(ask, rogue):
    rogue.behaviours = [understanding("milk")]
    ask(
        rogue.address, "understand", "milk", client_id="Zoë\n1", request_id="r-7", headers={"traceparent": "00-ab"},
        client={"api_key": "k1", "headers": {"X-Team": "search", "traceparent": "no"}},
    )  # fmt: skip
    head = rogue.requests[0].split(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head[0] == b"post /v1/understand http/1.1"
    assert {
        b"authorization: bearer k1", b"x-client-id: zo%c3%ab%0a1", b"x-request-id: r-7", b"traceparent: 00-ab",
        b"x-team: search", b"content-type: application/json",
    } <= set(head)  # fmt: skip


def test_a_key_can_change_while_the_program_runs(rogue):
    keys = iter(["old", "new"])
    rogue.behaviours = [understanding("a")]
    with Client(rogue.address, api_key=lambda: next(keys), timeout=5) as client:
        client.understand("a")
        client.understand("a")
        assert "old" not in repr(client) and "new" not in repr(client)
    assert [b"Bearer old" in rogue.requests[0], b"Bearer new" in rogue.requests[1]] == [True, True]


@pytest.mark.parametrize("address", ["", "querywise:8080", "ftp://x", "http://", "http://u:p@x", "http://x?a=b", None])
def test_an_address_that_is_none(address):
    with pytest.raises(InvalidCall):
        Client(address)


@pytest.mark.parametrize(
    "settings",
    [{"timeout": 0}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"retries": -1}, {"on_error": "ignore"}],
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(InvalidCall):
        Client("http://127.0.0.1:1", **settings)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1.0},
        {"headers": {"x": "a\r\nb: c"}},
        {"headers": {"x": "é"}},
        {"headers": {"x": 1}},
    ],
)
def test_calls_that_make_no_sense_raise_even_where_empty_answers_are_wanted(ask, options):
    with pytest.raises(InvalidCall):
        ask("http://127.0.0.1:1", "understand", "milk", on_error="empty", **options)


def test_no_error_shows_the_key(ask):
    with pytest.raises(InvalidCall) as caught:
        ask("http://127.0.0.1:1", "understand", "milk", client={"api_key": "geheim-é"})
    assert caught.value.__cause__ is None and "geheim" not in str(caught.value)


@pytest.mark.parametrize("key", [lambda: None, lambda: b"geheim", b"geheim", 7])
def test_a_key_that_is_not_text_is_not_sent(ask, rogue, key):
    with pytest.raises(InvalidCall, match="^The API key, or what its function returned, is not text.$"):
        ask(rogue.address, "understand", "milk", client={"api_key": key, "on_error": "empty"})
    assert rogue.requests == []


@pytest.mark.parametrize(
    "error", [TypeError("vault"), AttributeError("vault"), UnicodeError("vault"), OSError("vault")]
)
def test_what_the_function_for_the_key_raises_comes_out(ask, rogue, error):
    def key() -> str:
        raise error

    with pytest.raises(type(error)) as caught:
        ask(rogue.address, "understand", "milk", client={"api_key": key, "on_error": "empty"})
    assert caught.value is error and rogue.requests == []


def test_a_closed_client_says_so(service):
    client = Client(service)
    client.close()
    client.close()
    with pytest.raises(ClientClosed):
        client.understand("milk", on_error="empty")


@pytest.mark.parametrize("connections", [3, 100])
def test_threads_share_a_client_and_nobody_takes_anothers_connection(rogue, connections):
    rogue.behaviours = [lambda connection, request: connection.sendall(echo(request))]
    failures: list[Exception] = []

    def work(client: Client, name: int) -> None:
        for i in range(100):
            client.understand(f"milk {name} {i}", on_error="empty")

    with Client(
        rogue.address, timeout=10, connect_timeout=5, max_connections=connections, retries=0, on_failure=failures.append
    ) as client:
        threads = [threading.Thread(target=work, args=(client, name)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == [] and len(rogue.requests) == 800
    assert rogue.connections <= connections


def echo(request: bytes) -> bytes:
    return understanding(json.loads(request.partition(b"\r\n\r\n")[2])["query"])


def test_a_client_that_is_closed_while_it_is_used_ends_its_call(rogue):
    rogue.behaviours = [lambda connection, request: (time.sleep(0.3), connection.sendall(echo(request)))]
    client = Client(rogue.address, timeout=10, connect_timeout=5)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(client.understand("milk").source))
    thread.start()
    time.sleep(0.1)
    client.close()
    thread.join()
    assert found == ["head"]
    with pytest.raises(ClientClosed):
        client.understand("milk")


def test_answers_are_values(ask, service):
    one, other = ask(service, "understand", "vernors soda"), ask(service, "understand", "vernors soda")
    assert one == other and hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert type(one) is Understanding
    with pytest.raises(AttributeError):
        one.query = "x"
