"""``/v1/discover``: what is sent beside a page, and every way to be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from service import Settings, create_app

PATH = "/v1/discover"
CARDS = "/playground/products"


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture(scope="module")
def discover(ask_any, stocked):
    app = create_app(stocked)
    return lambda body: ask_any(app, "POST", PATH, body=body)


def test_the_whole_answer(discover, stocked):
    answer = discover(_json(query="Vernors  SODA!", shown=["p14", "p20", "p14"], result_count=3))
    assert answer.status == 200
    assert answer.headers.pop("content-length") == str(len(answer.body))
    assert answer.headers == {"content-type": "application/json", "x-content-type-options": "nosniff"}
    assert list(answer.json.items()) == list(
        {
            "query": "Vernors  SODA!",
            "lead": "substitutes",
            "lead_reason": "few_results",
            "substitutes": [{"label": "Cola", "query": "cola", "category_id": "c119", "product_ids": ["p15", "p16"]}],
            "complements": [
                {
                    "label": "For a whisky ginger",
                    "query": "for a whisky ginger",
                    "category_id": "c301",
                    "product_ids": ["p90", "p91"],
                },
                {"label": "Crisps", "query": "crisps", "category_id": "c32", "product_ids": ["p32"]},
            ],
            "reason": "precomputed",
            "empty": {},
            "borrowed_from": None,
            "release": stocked.id,
        }.items()
    )


def test_null_and_nothing_say_the_same(discover):
    assert (
        discover(_json(query="protein", shown=None, result_count=None, limit=None)).body
        == discover(_json(query="protein")).body
    )


def test_empty_lists_say_why(discover):
    protein = discover(_json(query="protein", shown=["p40"])).json
    assert (protein["reason"], protein["empty"]) == (
        "all_shown",
        {"substitutes": "none_known", "complements": "all_shown"},
    )
    milk = discover(_json(query="plant milk")).json
    assert (milk["reason"], set(milk["empty"].values())) == ("nothing_known", {"nothing_known"})
    empty = discover(_json(query=" !! ")).json
    assert (empty["query"], empty["reason"]) == (" !! ", "empty_query")


def test_limit_is_that_of_each_list(discover):
    one = discover(_json(query="vernors soda", limit=1)).json
    assert [len(one["substitutes"]), len(one["complements"])] == [1, 1]
    assert discover(_json(query="vernors soda", limit=50)).json == discover(_json(query="vernors soda")).json


def test_settings_decide_what_few_is_and_how_many_may_be_shown(ask_any, stocked):
    app = create_app(stocked, settings=Settings(few_results=1, max_shown=2))
    asked = _json(query="vernors soda", result_count=2, shown=["p14"] * 2)
    assert ask_any(app, "POST", PATH, body=asked).json["lead"] == "complements"
    refused = ask_any(app, "POST", PATH, body=_json(query="vernors soda", shown=["p14"] * 3))
    assert refused.problem() == (422, "invalid-field", "shown") and "2 products" in refused.json["detail"]


@pytest.mark.parametrize(
    "shown", [[], ["p14"] * 1000, ["", "\ud800", "p14", "P14", "💧", "x" * 5000], [f"no such {i}" for i in range(1000)]]
)
def test_any_ids_may_be_shown(discover, shown):
    answer = discover(_json(query="vernors soda", shown=shown))
    assert answer.status == 200
    served = {i for kind in ("substitutes", "complements") for idea in answer.json[kind] for i in idea["product_ids"]}
    assert served == {"p14", "p15", "p16", "p20", "p90", "p91", "p32"} - set(shown)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", (400, "malformed-json", "body")),
        (b'{"query":"a","limit":NaN}', (400, "malformed-json", "body")),
        (b'{"query":"\xff"}', (400, "invalid-encoding", "body")),
        (b'{"query":"\\ud800"}', (400, "invalid-encoding", "query")),
        (b'["a"]', (422, "invalid-field", "body")),
        (b"{}", (422, "missing-field", "query")),
        (_json(shown=[]), (422, "missing-field", "query")),
        (_json(query="a", filters=[]), (422, "unknown-field", "filters")),
        (b'{"query":"a","shown":[],"shown":[]}', (422, "invalid-field", "shown")),
        (_json(query=7), (422, "invalid-field", "query")),
        (_json(query=None), (422, "invalid-field", "query")),
        (_json(query="a" * 257), (422, "query-too-long", "query")),
        (_json(query="a", shown="p14"), (422, "invalid-field", "shown")),
        (_json(query="a", shown={"p14": 1}), (422, "invalid-field", "shown")),
        (_json(query="a", shown=["p14", 7]), (422, "invalid-field", "shown[1]")),
        (_json(query="a", shown=[None]), (422, "invalid-field", "shown[0]")),
        (_json(query="a", shown=[["p14"]]), (422, "invalid-field", "shown[0]")),
        (_json(query="a", shown=["p"] * 1001), (422, "invalid-field", "shown")),
        (_json(query="a", shown=["p"] * 10_000), (422, "invalid-field", "shown")),
        (_json(query="a", shown=[f"p{i}" for i in range(10_000)]), (413, "body-too-large", "body")),
        *((_json(query="a", limit=n), (422, "invalid-field", "limit")) for n in (0, -1, 51, 10_000, True, "3", 1.0)),
        (b'{"query":"a","limit":1e9}', (422, "invalid-field", "limit")),
        (b'{"query":"a","limit":1%s}' % (b"0" * 4000), (422, "invalid-field", "limit")),
        (b'{"query":"a","limit":1%s}' % (b"0" * 5000), (400, "malformed-json", "body")),
        *(
            (_json(query="a", result_count=count), (422, "invalid-field", "result_count"))
            for count in (-1, 10**9 + 1, 10**30, True, "3", 3.0, [3])
        ),
        (_json(query="a", shown=["x" * 65_536]), (413, "body-too-large", "body")),
    ],
)  # fmt: skip
def test_requests_that_are_refused(discover, body, problem):
    assert discover(body).problem() == problem


def test_what_is_wrong_with_a_number_is_said(discover):
    assert discover(_json(query="a", limit=0)).json["detail"] == "It must be a whole number from 1 to 50."


def test_other_methods_and_types(ask_any, stocked):
    app = create_app(stocked)
    refused = ask_any(app, "GET", PATH)
    assert refused.problem() == (405, "method-not-allowed", None) and refused.headers["allow"] == "POST"
    assert ask_any(app, "POST", PATH, body=b'{"query":"a"}', headers=()).problem()[0] == 415


def test_a_release_without_contents_answers_nothing(ask):
    answer = ask("POST", PATH, body=_json(query="protein", result_count=0)).json
    assert (answer["reason"], answer["lead"], answer["substitutes"]) == ("nothing_known", "substitutes", [])


SHOWN = st.lists(st.sampled_from(["p14", "p40", "\ud800"]))
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text() | st.integers())


@tried(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.fixed_dictionaries(
        {"query": st.sampled_from(["vernors soda", "protein"]) | VALUES},
        optional={"shown": VALUES | SHOWN, "result_count": VALUES, "limit": VALUES},
    )
)  # fmt: skip
def test_any_values_give_an_answer_or_a_problem(discover, fields: dict[str, Any]):
    answer = discover(json.dumps(fields).encode())
    if answer.status == 200:
        served = {i for k in ("substitutes", "complements") for idea in answer.json[k] for i in idea["product_ids"]}
        assert not served & set(fields.get("shown") or ())
    else:
        status, _, field = answer.problem()
        assert 400 <= status < 500 and field is not None


@pytest.mark.parametrize("settings", [Settings(), Settings(batch_wait_us=0)], ids=["alone", "batched"])
def test_a_query_of_the_tail_borrows(ask_any, lending, settings):
    app = create_app(lending, settings=settings)
    answer = ask_any(app, "POST", PATH, body=_json(query="Sure enough", shown=["p90"])).json
    assert (answer["query"], answer["reason"], answer["borrowed_from"]) == ("Sure enough", "borrowed", "sure")
    served = {i for idea in answer["complements"] for i in idea["product_ids"]}
    assert served == {"p91", "p32"} and answer["empty"] == {"substitutes": "none_known"}
    nothing = ask_any(app, "POST", PATH, body=_json(query="qqq")).json
    assert (nothing["reason"], nothing["borrowed_from"]) == ("nothing_known", None)


def test_openapi_describes_it_and_its_example_is_answered(ask, discover, stocked):
    api = ask("GET", "/openapi.json").json
    content = api["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/DiscoverRequest"}
    assert discover(_json(**content["example"])).status == 200
    described = api["components"]["schemas"]["Discovered"]
    assert list(described["properties"]) == list(discover(_json(query="protein")).json)
    assert CARDS not in api["paths"]


def test_cards_are_for_the_playground(ask_any, ask, stocked):
    app = create_app(stocked)
    answer = ask_any(
        app, "GET", CARDS, query=b"id=p14&id=nobody&id=&id=p90&id=%ff&id=%ed%a0%80&category=c119&category=x"
    )
    assert [card["product_id"] for card in answer.json["products"]] == ["p14", "p90"]
    assert answer.json["products"][0] == {
        "product_id": "p14", "title": "Cola, 2 l", "brand": "Coca-Cola", "price": 4.5, "currency": "USD",
        "image_url": "https://images.example/p7.jpg",
    }  # fmt: skip
    assert answer.json["categories"] == {"c119": ["Beverages", "Soft Drinks", "Cola"]}
    assert ask_any(app, "GET", CARDS).json == {"products": [], "categories": {}}
    assert ask_any(app, "GET", CARDS, query=b"&".join([b"id=p14"] * 100)).status == 200
    assert ask_any(app, "GET", CARDS, query=b"&".join([b"id=p14"] * 101)).problem() == (422, "invalid-field", "id")
    assert ask_any(app, "POST", CARDS).problem() == (405, "method-not-allowed", None)
    assert ask("GET", CARDS, query=b"id=p14").json["products"] == []
