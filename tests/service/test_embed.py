"""``/v1/embed``: the student's vectors over HTTP, and every way to be refused."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from service import Settings, create_app

PATH = "/v1/embed"
HALF = 0.70711  # one over the square root of two, to five decimals


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture(scope="module")
def embed(ask_any, taught):
    app = create_app(taught, settings=Settings(quality_weight=0.4))
    return lambda body: ask_any(app, "POST", PATH, body=body)


def test_texts_of_queries_and_products(embed, taught):
    answer = embed(_json(texts=["SURE!", "Sure, halfway", "", "qqq"], kind="query"))
    assert answer.status == 200
    assert answer.headers.pop("content-length") == str(len(answer.body))
    assert answer.headers == {"content-type": "application/json", "x-content-type-options": "nosniff"}
    assert answer.json == {
        "embeddings": [
            [0, 1, 0, 0, 0, 0, 0, 0, 0.4, 0.4, 0.4],
            [0, HALF, HALF, 0, 0, 0, 0, 0, 0.4, 0.4, 0.4],
            [0, 0, 0, 0, 0, 0, 0, 0, 0.4, 0.4, 0.4],
            [0, 0, 0, 0, 0, 0, 0, 0, 0.4, 0.4, 0.4],
        ],
        "dimension": 11,
        "release": taught.id,
    }
    products = embed(_json(texts=["sure"] * 4, kind="product", products=["p1", "p2", None, "p99"])).json
    assert [row[:8] for row in products["embeddings"]] == [[0, 1, 0, 0, 0, 0, 0, 0]] * 4
    assert [row[8:] for row in products["embeddings"]] == [[1, 0, 0.75], [0.25, 1, 0], [0.5] * 3, [0.5] * 3]
    for body in (_json(texts=["sure"], kind="product"), _json(texts=["sure"], kind="product", products=None)):
        assert embed(body).json["embeddings"] == [[0, 1, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 0.5]]


def test_by_default_quality_counts_nothing(ask_any, taught):
    answer = ask_any(create_app(taught), "POST", PATH, body=_json(texts=["sure"], kind="query"))
    assert answer.json["embeddings"] == [[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]


def test_none_and_a_thousand_in_order(embed):
    assert embed(_json(texts=[], kind="query")).json["embeddings"] == []
    words = ["sure", "halfway", "lost"]
    rows = embed(_json(texts=[f"{words[i % 3]} {i}" for i in range(1000)], kind="product")).json["embeddings"]
    assert [row.index(1.0) for row in rows] == [1 + i % 3 for i in range(1000)]


def test_a_product_is_read_as_far_as_the_student_reads(embed):
    texts = ["x" * 252 + " sure", "x" * 251 + " sure", "sure " + "crème brûlée 🍮 " * 50_000]
    rows = embed(_json(texts=texts[:2], kind="product")).json["embeddings"]
    assert [row[1] for row in rows] == [0, 1]  # 251 + 5 characters are 256
    assert embed(json.dumps({"texts": texts[2:], "kind": "product"}, ensure_ascii=False).encode()).status == 413
    text = "sure " + "crème brûlée " * 50_000
    body = json.dumps({"texts": [text], "kind": "product"}, ensure_ascii=False).encode()
    assert embed(body).json["embeddings"][0][1] == 1


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", (400, "malformed-json", "body")),
        (b"[" * 100_000, (400, "malformed-json", "body")),
        (b'{"texts":[NaN],"kind":"query"}', (400, "malformed-json", "body")),
        (b'{"texts":["\xff"],"kind":"query"}', (400, "invalid-encoding", "body")),
        (b'{"texts":["a","\\ud800"],"kind":"query"}', (400, "invalid-encoding", "texts[1]")),
        (b'{"texts":["\\udc00 milk"],"kind":"product"}', (400, "invalid-encoding", "texts[0]")),
        (b'["a"]', (422, "invalid-field", "body")),
        (b"{}", (422, "missing-field", "texts")),
        (_json(texts=["a"]), (422, "missing-field", "kind")),
        (_json(kind="query"), (422, "missing-field", "texts")),
        (_json(texts=["a"], kind="query", normalise=True), (422, "unknown-field", "normalise")),
        (b'{"texts":[],"texts":[],"kind":"query"}', (422, "invalid-field", "texts")),
        (_json(texts="a", kind="query"), (422, "invalid-field", "texts")),
        (_json(texts=None, kind="query"), (422, "invalid-field", "texts")),
        (_json(texts=["a", 7], kind="query"), (422, "invalid-field", "texts[1]")),
        (_json(texts=[None], kind="product"), (422, "invalid-field", "texts[0]")),
        (_json(texts=[["a"]], kind="product"), (422, "invalid-field", "texts[0]")),
        (_json(texts=["a"], kind="Query"), (422, "invalid-field", "kind")),
        (_json(texts=["a"], kind=None), (422, "invalid-field", "kind")),
        (_json(texts=["a"], kind=["query"]), (422, "invalid-field", "kind")),
        (_json(texts=["a"], kind={}), (422, "invalid-field", "kind")),
        (_json(texts=["a"] * 1001, kind="query"), (422, "too-many-texts", "texts")),
        (_json(texts=["a", "b" * 257], kind="query"), (422, "query-too-long", "texts[1]")),
        (_json(texts=["a"], kind="query", products=["p1"]), (422, "invalid-field", "products")),
        (_json(texts=["a"], kind="product", products=[]), (422, "invalid-field", "products")),
        (_json(texts=["a"], kind="product", products=["p1", "p2"]), (422, "invalid-field", "products")),
        (_json(texts=["a"], kind="product", products="p"), (422, "invalid-field", "products")),
        (_json(texts=["a"], kind="product", products=[7]), (422, "invalid-field", "products[0]")),
        (_json(texts=["a" * 1_048_576], kind="product"), (413, "body-too-large", "body")),
    ],
)
def test_requests_that_are_refused(embed, body, problem):
    assert embed(body).problem() == problem


def test_half_a_pair_in_the_id_of_a_product_is_an_unknown_product(embed):
    body = b'{"texts":["sure"],"kind":"product","products":["\\ud800"]}'
    assert embed(body).json["embeddings"][0][8:] == [0.5, 0.5, 0.5]


def test_other_methods_and_types(ask_any, taught):
    app = create_app(taught)
    refused = ask_any(app, "GET", PATH)
    assert refused.problem() == (405, "method-not-allowed", None) and refused.headers["allow"] == "POST"
    assert ask_any(app, "POST", PATH, body=b"{}", headers=()).problem()[0] == 415


def test_a_release_without_a_student_says_what_to_do(ask):
    refused = ask("POST", PATH, body=_json(texts=["sure"], kind="query"))
    assert refused.problem() == (409, "no-student", None)
    assert "distil" in refused.json["detail"]


def test_what_is_sent_is_the_release_own_embedding_to_five_decimals(embed, taught):
    texts = [f"sure {'halfway ' * i}lost" for i in range(1, 30)]
    sent = np.array(embed(_json(texts=texts, kind="query")).json["embeddings"])
    whole = taught.embed(texts, kind="query", quality_weight=0.4)
    assert np.abs(sent - whole).max() <= 0.5e-5 + 1e-7
    assert len({tuple(row) for row in sent.tolist()}) == 29


def test_others_get_their_turn_between_slices(taught):
    async def scenario() -> int:
        app, turns, sent = create_app(taught), 0, []
        body = _json(texts=["sure halfway"] * 1000, kind="product")

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "query_string": b"",
            "root_path": "", "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        task = asyncio.create_task(app(scope, receive, send))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        assert sent[0]["status"] == 200
        return turns

    # 1,000 texts make 20 turns while they are normalised and 32 slices.
    assert asyncio.run(scenario()) >= 50


def test_openapi_describes_it(ask):
    api = ask("GET", "/openapi.json").json
    post = api["paths"][PATH]["post"]
    content = post["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/EmbedRequest"}
    assert set(content["example"]) <= set(api["components"]["schemas"]["EmbedRequest"]["properties"])
    assert api["components"]["schemas"]["EmbedRequest"]["required"] == ["texts", "kind"]
    assert list(api["components"]["schemas"]["EmbedResponse"]["properties"]) == ["embeddings", "dimension", "release"]
    assert content["example"]["kind"] in api["components"]["schemas"]["EmbedRequest"]["properties"]["kind"]["enum"]


def test_the_example_is_answered(embed, ask):
    example = ask("GET", "/openapi.json").json["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]
    assert embed(_json(**example["example"])).status == 200
