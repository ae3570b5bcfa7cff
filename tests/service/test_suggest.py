"""``/v1/suggest``: what to search next, and every way to be refused."""

from __future__ import annotations

import json

import pytest

from service import Settings, create_app

PATH = "/v1/suggest"


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture(scope="module")
def suggest(ask_any, stocked):
    app = create_app(stocked)
    return lambda body: ask_any(app, "POST", PATH, body=body)


def test_the_whole_answer(suggest, stocked):
    answer = suggest(_json(query="Vernors SODA"))
    assert answer.headers.pop("content-length") == str(len(answer.body))
    assert answer.headers == {"content-type": "application/json", "x-content-type-options": "nosniff"}
    assert answer.json == {
        "query": "Vernors SODA",
        "suggestions": [
            {"query": "ginger beer", "kind": "next"},
            {"query": "drinks for a mocktail evening", "kind": "exploratory"},
            {"query": "1% milk", "kind": "next"},
        ],
        "release": stocked.id,
    }
    assert list(answer.json) == ["query", "suggestions", "release"]


def test_nothing_known_is_an_empty_list(suggest, ask):
    for query in ("protein", "nobody knows", "", " !! "):
        assert suggest(_json(query=query)).json["suggestions"] == []
    assert ask("POST", PATH, body=_json(query="vernors soda")).json["suggestions"] == []


def test_limit_and_share(suggest, ask_any, stocked):
    assert [s["query"] for s in suggest(_json(query="vernors soda", limit=1)).json["suggestions"]] == ["ginger beer"]
    app = create_app(stocked, settings=Settings(exploratory_share=0))
    asked = ask_any(app, "POST", PATH, body=_json(query="vernors soda", limit=50)).json["suggestions"]
    assert [s["query"] for s in asked] == ["ginger beer", "1% milk"]


def test_a_query_of_the_tail_borrows(ask_any, lending):
    app = create_app(lending)
    asked = ask_any(app, "POST", PATH, body=_json(query="sure enough")).json["suggestions"]
    assert [s["query"] for s in asked] == ["ginger beer", "drinks for a mocktail evening", "1% milk"]
    assert ask_any(app, "POST", PATH, body=_json(query="qqq")).json["suggestions"] == []


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", (400, "malformed-json", "body")),
        (b'{"query":"\\udc00"}', (400, "invalid-encoding", "query")),
        (_json(limit=3), (422, "missing-field", "query")),
        (_json(query="a", shown=[]), (422, "unknown-field", "shown")),
        (_json(query=["a"]), (422, "invalid-field", "query")),
        (_json(query="a" * 257), (422, "query-too-long", "query")),
        *((_json(query="a", limit=limit), (422, "invalid-field", "limit")) for limit in (0, -1, 51, 10_000, True, "3")),
        (b'{"query":"a","limit":1e9}', (422, "invalid-field", "limit")),
        (_json(query="a" * 65_536), (413, "body-too-large", "body")),
    ],
)
def test_requests_that_are_refused(suggest, body, problem):
    assert suggest(body).problem() == problem


def test_other_methods(ask_any, stocked):
    refused = ask_any(create_app(stocked), "GET", PATH)
    assert refused.problem() == (405, "method-not-allowed", None) and refused.headers["allow"] == "POST"


def test_openapi_describes_it_and_its_example_is_answered(ask, suggest):
    api = ask("GET", "/openapi.json").json
    content = api["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/SuggestRequest"}
    assert suggest(_json(**content["example"])).status == 200
    kinds = api["components"]["schemas"]["Suggestion"]["properties"]["kind"]["enum"]
    assert kinds == ["next", "exploratory"]
