from __future__ import annotations

import json
from urllib.parse import quote, quote_plus, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.problems import Problem
from service.wire import json_object, json_query, query_parameter

ONE = "/v1/understand"
BATCH = "/v1/understand/batch"


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def test_a_field_that_is_there_twice_is_found_among_many():
    names = [f'"n{i}":0' for i in range(200_000)]  # to look through all for each would take an hour
    with pytest.raises(Problem) as caught:
        json_object(f"{{{','.join(names)},{names[-1]}}}".encode(), "query")
    assert (caught.value.kind, caught.value.field) == ("invalid-field", "n199999")


def test_post_and_get_give_the_same_bytes(ask, release):
    posted = ask("POST", ONE, body=_json({"query": "1% milk"}))
    got = ask("GET", ONE, query=b"q=1%25%20milk")
    assert posted.status == got.status == 200
    assert posted.headers.pop("content-length") == str(len(posted.body))
    assert posted.headers == {"content-type": "application/json", "x-content-type-options": "nosniff"}
    assert posted.body == got.body == release.answer_bytes("1% milk")
    assert posted.json["source"] == "head" and posted.json["categories"][0]["id"] == "c211"


@pytest.mark.parametrize(
    "body",
    [
        b'{"query":"Vernors soda"}',
        b' \n{ "query"\t: "Vernors soda" }\r\n',
        b'{"query":"Vernors\\u0020soda"}',
        b'{"\\u0071uery":"Vernors soda"}',
    ],
)
def test_every_way_to_write_the_body(ask, body):
    assert ask("POST", ONE, body=body).json["normalized"] == "vernors soda"


def test_body_in_chunks(ask):
    chunks = [b'{"que', b"", b'ry":"cr\xc3', b"\xa8me br\xc3\xbbl\xc3\xa9e torch", b'"}', b""]
    assert ask("POST", ONE, body=chunks).json["query"] == "crème brûlée torch"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (b"q=protein", "protein"),
        (b"q=dozen+eggs&", "dozen eggs"),
        (b"q=c%2B%2B", "c++"),
        (b"q=", ""),
        (b"q=50%+off", "50% off"),
        (b"q=a=b", "a=b"),
        (quote("q=🥤 to go", safe="=").encode(), "🥤 to go"),
    ],
)
def test_get_decodes_the_parameter(ask, query, text):
    answer = ask("GET", ONE, query=query)
    assert (answer.status, answer.json["query"]) == (200, text)


def test_head_is_answered_like_get(ask):
    assert ask("HEAD", ONE, query=b"q=protein").status == 200


def test_empty_query_is_an_answer(ask):
    answer = ask("POST", ONE, body=_json({"query": " \t"})).json
    assert (answer["source"], answer["reason"], answer["categories"]) == ("fallback", "empty_query", [])


def test_256_characters_count_after_normalisation(ask):
    assert ask("POST", ONE, body=_json({"query": "  " + "a" * 256 + "!" * 500})).status == 200
    refused = ask("POST", ONE, body=_json({"query": "a" * 257}))
    assert refused.problem() == (422, "query-too-long", "query")
    assert "256" in refused.json["detail"] and "257" in refused.json["detail"]
    assert ask("GET", ONE, query=b"q=" + b"a" * 257).problem() == (422, "query-too-long", "q")
    assert ask("POST", ONE, body=_json({"query": "milk" + " " * 4092})).status == 200
    refused = ask("POST", ONE, body=_json({"query": "milk" + " " * 4093}))
    assert refused.problem() == (422, "query-too-long", "query")
    assert "4,096" in refused.json["detail"] and "4,097" in refused.json["detail"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", (400, "malformed-json", "body")),
        (b"{", (400, "malformed-json", "body")),
        (b'{"query":"a"}x', (400, "malformed-json", "body")),
        (b'{"query":"a\nb"}', (400, "malformed-json", "body")),
        (b"\xef\xbb\xbf" + b'{"query":"a"}', (400, "malformed-json", "body")),
        ('{"query":"a"}'.encode("utf-16"), (400, "invalid-encoding", "body")),
        (b'{"query":"\xff"}', (400, "invalid-encoding", "body")),
        (b'{"query":"\xed\xa0\x80"}', (400, "invalid-encoding", "body")),
        (b'{"query":"\\ud800"}', (400, "invalid-encoding", "query")),
        (b'{"query":"\\udc00\\ud800 milk"}', (400, "invalid-encoding", "query")),
        (b"{}", (422, "missing-field", "query")),
        (b'{"q":"a"}', (422, "unknown-field", "q")),
        (b'{"query":"a","limit":3}', (422, "unknown-field", "limit")),
        (b'{"\\ud800":"a"}', (422, "unknown-field", "\ud800")),
        (b'{"query":"a","query":"b"}', (422, "invalid-field", "query")),
        (b'{"query":{"a":1,"a":2}}', (422, "invalid-field", "a")),
        (b'{"query":null}', (422, "invalid-field", "query")),
        (b'{"query":7}', (422, "invalid-field", "query")),
        (b'{"query":true}', (422, "invalid-field", "query")),
        (b'{"query":["a"]}', (422, "invalid-field", "query")),
        (b'["a"]', (422, "invalid-field", "body")),
        (b'"query"', (422, "invalid-field", "body")),
        (b"null", (422, "invalid-field", "body")),
        (b'{"query":NaN}', (400, "malformed-json", "body")),
        (b'{"query":-Infinity}', (400, "malformed-json", "body")),
        (b'{"query":1e999}', (422, "invalid-field", "query")),
        (b'{"query":' + b"9" * 5000 + b"}", (400, "malformed-json", "body")),
        (b"[" * 10_000, (400, "malformed-json", "body")),
        (b'{"query":' * 7_000, (400, "malformed-json", "body")),
        (b'{"query":"' + b"a" * 65_536 + b'"}', (413, "body-too-large", "body")),
    ],
)
def test_bodies_that_are_refused(ask, body, problem):
    assert ask("POST", ONE, body=body).problem() == problem
    if problem[0] != 413:
        assert ask("POST", ONE, body=[body[:1], body[1:]]).problem() == problem


def test_a_long_unknown_field_is_quoted_in_part(ask):
    refused = ask("POST", ONE, body=_json({"x" * 5000: 1}))
    assert refused.problem() == (422, "unknown-field", "x" * 80)


def test_body_limits_hold_without_a_length(ask):
    at_limit = b'{"query":"milk"' + b" " * (65_536 - 16) + b"}"
    assert len(at_limit) == 65_536
    assert ask("POST", ONE, body=at_limit).status == 200
    assert ask("POST", ONE, body=[at_limit[:100], at_limit[100:]]).status == 200
    assert ask("POST", ONE, body=[at_limit[:100], at_limit[100:] + b" "]).problem() == (413, "body-too-large", "body")
    assert ask("POST", ONE, body=[b" " * 60_000] * 1000).problem() == (413, "body-too-large", "body")


@pytest.mark.parametrize("length", [b"65537", b"9" * 5000, b"-1_0_0", b"\xb2\xb2\xb2\xb2\xb2"])
def test_an_absurd_announced_length_is_refused_before_the_body(ask, length):
    answer = ask(
        "POST", ONE, body=[b"{}"], headers=((b"content-type", b"application/json"), (b"content-length", length))
    )
    assert answer.problem() == (413, "body-too-large", "body")


@pytest.mark.parametrize(
    "media", [None, b"", b"text/plain", b"application/x-www-form-urlencoded", b"application/jsonx"]
)
def test_other_content_types_are_refused(ask, media):
    headers = () if media is None else ((b"content-type", media),)
    answer = ask("POST", ONE, body=b'{"query":"a"}', headers=headers)
    assert answer.problem() == (415, "unsupported-media-type", "content-type")


@pytest.mark.parametrize("media", [b"application/json; charset=utf-8", b"Application/JSON", b"application/json ;x=y"])
def test_ways_to_write_the_content_type(ask, media):
    assert ask("POST", ONE, body=b'{"query":"a"}', headers=((b"content-type", media),)).status == 200


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (b"", (422, "missing-field", "q")),
        (b"query=milk", (422, "unknown-field", "query")),
        (b"q=milk&limit=3", (422, "unknown-field", "limit")),
        (b"q=milk&q=eggs", (422, "invalid-field", "q")),
        (b"q=%FF", (400, "invalid-encoding", "q")),
        (b"q=%ED%A0%80", (400, "invalid-encoding", "q")),
        (b"q=\xff", (400, "invalid-encoding", "q")),
        (b"%FF=a", (422, "unknown-field", "\ufffd")),
        (b"q=" + b"+" * 65_536, (414, "uri-too-long", "q")),
    ],
)
def test_parameters_that_are_refused(ask, query, problem):
    assert ask("GET", ONE, query=query).problem() == problem


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused_with_those_allowed(ask, method):
    one, batch = ask(method, ONE), ask(method, BATCH)
    assert one.problem() == batch.problem() == (405, "method-not-allowed", None)
    assert (one.headers["allow"], batch.headers["allow"]) == ("GET, HEAD, POST", "POST")


def test_a_client_that_leaves_gets_no_answer(app):
    import asyncio

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        raise AssertionError(f"nobody is there to read {message}")

    scope = {
        "type": "http",
        "method": "POST",
        "path": ONE,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    asyncio.run(app(scope, receive, send))


def test_batch_answers_in_order(ask, release):
    queries = ["protein", "no such thing", "", "1% MILK", "protein"]
    answer = ask("POST", BATCH, body=_json({"queries": queries}))
    assert answer.status == 200
    assert answer.body == b'{"results":[' + b",".join(release.answer_bytes(query) for query in queries) + b"]}"
    assert [result["query"] for result in answer.json["results"]] == queries


def test_batch_of_none_and_of_a_thousand(ask):
    assert ask("POST", BATCH, body=b'{"queries":[]}').json == {"results": []}
    answer = ask("POST", BATCH, body=_json({"queries": [f"milk {i}" for i in range(1000)]}))
    assert [result["query"] for result in answer.json["results"]] == [f"milk {i}" for i in range(1000)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (_json({"queries": ["a"] * 1001}), (422, "too-many-queries", "queries")),
        (_json({"queries": "milk"}), (422, "invalid-field", "queries")),
        (_json({"queries": ["milk", 7]}), (422, "invalid-field", "queries[1]")),
        (_json({"queries": ["milk", "eggs", "a" * 257]}), (422, "query-too-long", "queries[2]")),
        (b'{"queries":["milk","\\udfff"]}', (400, "invalid-encoding", "queries[1]")),
        (_json({"query": "milk"}), (422, "unknown-field", "query")),
        (b'{"queries":["' + b"a" * 1_048_576 + b'"]}', (413, "body-too-large", "body")),
        (b"[" * 1_000_000, (400, "malformed-json", "body")),
    ],
)
def test_batches_that_are_refused(ask, body, problem):
    assert ask("POST", BATCH, body=body).problem() == problem


def test_batch_may_be_larger_than_a_single_body(ask):
    assert ask("POST", BATCH, body=_json({"queries": ["milk" + " " * 900] * 1000})).status == 200


@given(text=st.text(st.characters(codec="utf-8")))
def test_any_text_comes_back_as_it_was_sent(release, text):
    for body in (_json({"query": text}), json.dumps({"query": text}, ensure_ascii=False).encode()):
        assert json_query(body) == text
    assert query_parameter(b"q=" + quote_plus(text).encode(), 65_536) == text
    assert json.loads(release.answer_bytes(text))["query"] == text


_NEARLY = st.lists(
    st.sampled_from(
        [
            b"{",
            b"}",
            b'"',
            b"query",
            b'"query"',
            b":",
            b",",
            b" ",
            b"\n",
            b"\x00",
            b"\\",
            b"\\u0041",
            b"\xc3\xa9",
            b"\xff",
            b"milk",
            b"\x0b",
        ]
    )
).map(b"".join)


@given(body=st.one_of(_NEARLY, _NEARLY.map(lambda inner: b'{"query":"' + inner + b'"}')))
def test_the_fast_reader_of_bodies_agrees_with_the_decoder(body):
    def outcome(read) -> object:
        try:
            return read()
        except Problem as problem:
            return problem.kind, problem.detail, problem.field

    assert outcome(lambda: json_query(body)) == outcome(lambda: json_object(body, "query"))


@given(
    st.lists(st.sampled_from([b"a", b"+", b"%", b"%20", b"%2B", b"%ff", b"=", b"q=", b"\xc3\xa9", b"\xff"])).map(
        b"".join
    )
)
def test_the_fast_reader_of_addresses_agrees_with_the_other(value):
    try:
        expected = unquote_to_bytes(value.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        with pytest.raises(Problem) as refused:
            query_parameter(b"q=" + value, 65_536)
        assert (refused.value.kind, refused.value.field) == ("invalid-encoding", "q")
    else:
        assert query_parameter(b"q=" + value, 65_536) == expected
