"""The pages about search engines run: their code, the queries it makes, and the log that it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from elasticsearch.dsl import Q as elastic_query
from opensearchpy.helpers.query import Q as opensearch_query

from domain.ingest import ingest
from domain.shop import open_shop
from querywise_client import Annotation, Category, Rewrite, Understanding
from tests.client.engines import Engine, running_engine
from tests.client.pages import blocks_of, run_page

PAGES = Path(__file__).resolve().parents[2] / "docs" / "integrations"
ENGINES = ["opensearch", "elasticsearch", "solr"]
IN_ADDRESS = {"opensearch": "http://opensearch:9200", "elasticsearch": "http://elasticsearch:9200"}


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The code of a page, the code of the page before it, and the engine that it asks."""

    page: dict[str, Any]
    querying: dict[str, Any]
    engine: Engine
    name: str

    def queries(self) -> list[Any]:
        """Return the requests for products."""
        return [document for _, path, document in self.engine.asked if path.endswith(("_search", "/select"))]


@pytest.fixture(params=ENGINES)
def backend(request: pytest.FixtureRequest, service: str, tmp_path: Path, monkeypatch) -> Iterator[Backend]:
    with running_engine() as engine:
        querying = run_page(PAGES / "README.md", {"http://querywise:8080": service}, module="querying")
        monkeypatch.chdir(tmp_path)
        addresses = {address: engine.address for address in IN_ADDRESS.values()}
        addresses["http://solr:8983/solr/products"] = f"{engine.address}/solr/products"
        page = run_page(PAGES / f"{request.param}.md", addresses, module=f"page_on_{request.param}")
        yield Backend(page=page, querying=querying, engine=engine, name=request.param)
        page["engine"].close()
        querying["querywise"].close()


def shopper(backend: Backend, arm: str) -> str:
    """Return a client id that falls into an arm."""
    return next(f"c{i}" for i in range(100) if backend.querying["arm_of"](f"c{i}") == arm)


def test_a_search_from_the_query_to_the_log(backend, tmp_path):
    backend.engine.finds = [f"p{i}" for i in range(30, 40)]
    client = shopper(backend, "querywise")
    shown = backend.page["search"]("Vernors soda", client)
    assert shown.understood.source == "head" and not shown.widened and len(backend.queries()) == 1
    assert shown.found.ids == tuple(backend.engine.finds) and shown.found.total == 10
    assert shown.beside.lead == "complements" and shown.beside.complements[0].query == "for a whisky ginger"
    backend.page["log_search"](shown, "Vernors soda", client)
    backend.page["log_event"]("click", shown.query_id, client, "p31", 2)
    log = ubi_log(backend, tmp_path)
    assert [search["query_id"] for search in log["queries"]] == [shown.query_id]
    assert_ingest_takes(log, tmp_path / "shop")


def ubi_log(backend: Backend, folder: Path) -> dict[str, list[Any]]:
    """Return what was logged, wherever the page puts it."""
    if backend.name == "solr":
        files = {kind: folder / "ubi" / f"ubi_{kind}.ndjson" for kind in ("queries", "events")}
        return {kind: [json.loads(line) for line in file.read_text().splitlines()] for kind, file in files.items()}
    return {
        kind: [document for _, path, document in backend.engine.asked if path.startswith(f"/ubi_{kind}/")]
        for kind in ("queries", "events")
    }


def assert_ingest_takes(log: dict[str, list[Any]], folder: Path) -> None:
    folder.mkdir()
    (folder / "shop.toml").write_text('name = "tiny"\nlocale = "en-US"\ncurrency = "USD"\n')
    (folder / "taxonomy.csv").write_text("category_id,parent_id,name\nc1,,Drinks\n")
    products = [{"product_id": f"p{i}", "title": f"Thing {i}", "category_id": "c1"} for i in range(30, 40)]
    for name, lines in {"products.jsonl": products, **{f"ubi_{k}.ndjson": v for k, v in log.items()}}.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = ingest(open_shop(folder, work=folder / "work"))
    assert (report.searches, report.events) == (1, 1)
    assert [file for file in report.files if file.quarantined] == []


def test_little_found_is_looked_for_wider(backend):
    backend.engine.finds = ["p30"]
    shown = backend.page["search"]("Vernors soda", shopper(backend, "querywise"))
    first, wider = map(json.dumps, backend.queries())
    assert shown.widened and shown.beside.lead == "substitutes"
    assert "ginger ale" not in first and "ginger ale" in wider and "canada dry" in wider


def test_the_other_arm_searches_for_the_words(backend):
    backend.engine.finds = []
    shown = backend.page["search"]("Vernors soda", shopper(backend, "control"))
    assert shown.understood.reason == "degraded" and not shown.widened
    [query] = backend.queries()
    assert "c118" not in json.dumps(query) and "vernors soda" in json.dumps(query).lower()
    record = backend.querying["ubi_query"](shown, "Vernors soda", "c")
    assert record["query_response_hit_ids"] == [] and record["query_attributes"]["arm"] != ""


HARD = Understanding(
    query="gluten free bread under $5 \"x\" OR (y", normalized="gluten free bread under $5 x or y", source="head",
    reason="precomputed", release="r",
    categories=(Category(id="c1", path=("Bread",), confidence=0.9), Category(id='c"2\\', path=("B",), confidence=None)),
    annotations=(
        Annotation(text="gluten free", start=0, end=11, type="dietary", value="gluten free"),
        Annotation(text="x", start=26, end=27, type="dietary", value="low fodmap"),
        Annotation(text="under $5", start=18, end=26, type="price", value="under $5"),
        Annotation(text="y", start=31, end=32, type="brand", value='O"Brien\\'),
        Annotation(text="y", start=31, end=32, type="size", value="2 l"),
        Annotation(text="y", start=31, end=32, type="mood", value="?"),
    ),
    rewrites=(
        Rewrite(query="gluten free loaf", type="synonym", confidence=0.5),
        Rewrite(query="bread", type="broader", confidence=1.0),
        Rewrite(query="rice cakes", type="substitute", confidence=0.4),
        Rewrite(query="cake", type="antonym", confidence=1.0),
    ),
    specificity="navigational",
)  # fmt: skip


def test_the_plan(backend):
    plan = backend.querying["plan"]
    first, wider = plan(HARD), plan(HARD, wider=True)
    # 0.8 x 0.5 = 0.4; 0.5 x 1 = 0.5; 0.3 x 0.4 = 0.12 is under the least weight. A diet that the index does not know is
    # left in the words, and what became a condition is not: "gluten free" and "under $5".
    texts = {HARD.query: 1.0, "bread x or y": 0.9, "gluten free loaf": 0.4}
    assert first.texts == texts and wider.texts == texts | {"bread": 0.5}
    assert first.categories == {"c1": 0.9} and (first.browse, wider.browse) == ((), ("c1",))
    assert (first.only_brand, wider.only_brand, first.brands) == (True, False, ('O"Brien\\',))
    assert first.diets == wider.diets == ("gluten-free",) and first.most == wider.most == 5.0


@pytest.mark.parametrize(
    ("text", "value", "most"),
    [
        ("under $5", "under $5", 5.0),
        ("under $1,000", "under $1,000", 1000.0),
        ("below 12,299.99", "below 12,299.99", 12299.99),
        ("less than 2k", "less than 2000", 2000.0),
        ("less than 2k", "less than 2 k", None),
        ("under 50", "under 50¢", None),
        ("under 50 cents", "under 50 cents", None),
        ("up to 20", "cheap", 20.0),
        ("under €1.000", "under €1.000", None),
        ("under 1,00", "under 1,00", None),
        ("max 1234,567", "max 1234,567", None),
        ("cheap", "cheap", None),
    ],
)
def test_the_highest_price_is_what_was_said_or_none(backend, text, value, most):
    price = Annotation(text=text, start=3, end=3 + len(text), type="price", value=value)
    understood = replace(degraded(f"tv {text}"), annotations=(price,))
    wanted = backend.querying["plan"](understood)
    assert wanted.most == most
    assert wanted.texts == {f"tv {text}": 1.0} | ({"tv": 0.9} if most else {})
    if backend.name == "solr" and most:
        assert backend.page["params"](wanted)["fq"] == [f"price:[* TO {str(most).removesuffix('.0')}]"]


def test_conditions_alone_need_no_words(backend):
    vegan = Annotation(text="vegan", start=0, end=5, type="dietary", value="vegan")
    alone = replace(degraded("Vegan"), normalized="vegan", annotations=(vegan,))
    assert backend.querying["plan"](alone).texts == {}
    request = dsl_of(backend, alone)
    if backend.name == "solr":
        assert (request["q"], request["fq"]) == ("*:*", ['diets:"vegan"'])
    else:
        assert request["query"]["bool"] == {"must": [], "should": [], "filter": [{"term": {"diets": "vegan"}}]}


def dsl_of(backend: Backend, understood: Understanding, **options: Any) -> Any:
    wanted = backend.querying["plan"](understood, **options)
    return backend.page["params" if backend.name == "solr" else "body"](wanted)


def test_what_the_plan_becomes(backend):
    request = dsl_of(backend, HARD)
    if backend.name == "solr":
        typed = r"(gluten free bread under $5 \"x\" or \(y)^1"
        assert request["q"] == typed + " OR (bread x or y)^0.9 OR (gluten free loaf)^0.4"
        assert dsl_of(backend, HARD, wider=True)["q"].endswith(' OR (bread)^0.5 OR category_ids:"c1"^=0.1')
        assert request["bq"] == ['category_ids:"c1"^=3.600', 'size:"2 l"^=1']
        assert request["fq"] == ['diets:"gluten-free"', "price:[* TO 5]", 'brand_exact:"O\\"Brien\\\\"']
        return
    query = request["query"]["bool"]
    assert query["filter"] == [
        {"term": {"diets": "gluten-free"}},
        {"range": {"price": {"lte": 5.0}}},
        {"terms": {"brand.exact": ['O"Brien\\']}},
    ]
    # 4 x 0.9
    assert query["should"][0] == {"constant_score": {"filter": {"term": {"category_ids": "c1"}}, "boost": 3.6}}
    texts = [clause["multi_match"] for clause in query["must"][0]["dis_max"]["queries"]]
    assert [(text["query"], text["boost"]) for text in texts] == [
        (HARD.query, 1.0),
        ("bread x or y", 0.9),
        ("gluten free loaf", 0.4),
    ]


def test_boosts_follow_confidence(backend):
    boosts = []
    for confidence in (0.1, 0.5, 0.97):
        understood = replace(HARD, categories=(Category(id="c1", path=("B",), confidence=confidence),))
        request = dsl_of(backend, understood)
        if backend.name == "solr":
            boosts.append(float(request["bq"][0].rpartition("=")[2]))
        else:
            boosts.append(request["query"]["bool"]["should"][0]["constant_score"]["boost"])
    assert boosts == [0.4, 2.0, 3.88]


@pytest.mark.parametrize("wider", [False, True])
def test_the_engines_own_classes_read_the_query(backend, wider):
    if backend.name == "solr":
        pytest.skip("Solr has no such classes in Python; Lucene's parser reads its queries in test_lucene.py")
    read = {"opensearch": opensearch_query, "elasticsearch": elastic_query}[backend.name]
    for query in (dsl_of(backend, HARD, wider=wider)["query"], dsl_of(backend, degraded("a"), wider=wider)["query"]):
        without_empty = {"bool": {name: clauses for name, clauses in query["bool"].items() if clauses}}
        assert read(query).to_dict() == without_empty
    with pytest.raises(Exception, match="nonsense"):
        read({"bool": {"must": [{"nonsense": {}}]}})


def degraded(query: str) -> Understanding:
    return Understanding(query=query, normalized=query, source="fallback", reason="degraded", release="")


@pytest.mark.parametrize("query", ["", " ", '"', "\\", "*:*", "a" * 256, "\ud800", "{!func}1", "\x00"])
def test_any_text_makes_a_request(backend, query):
    request = dsl_of(backend, degraded(query))
    assert json.loads(json.dumps(request)) == request
    if backend.name == "solr" and not query.strip():
        assert request["q"] == "*:*"


def test_the_shown_queries_are_those_that_are_sent(backend):
    backend.engine.finds = [f"p{i}" for i in range(30, 40)]
    backend.page["search"]("Vernors soda", shopper(backend, "querywise"))
    [sent] = backend.queries()
    page = PAGES / f"{backend.name}.md"
    if backend.name == "solr":
        [shown] = re.findall(r"^```\n(q=.*?)^```", page.read_text(), re.M | re.S)
        lines = [line.split("=", 1) for line in shown.splitlines()]
        assert [value for name, value in lines if name == "q"] == sent["q"]
        assert [value for name, value in lines if name == "bq"] == sent["bq"]
    else:
        assert json.loads(blocks_of(page, "json")[1]) == sent["query"]


def test_every_page_is_in_the_index():
    index = (PAGES / "README.md").read_text()
    assert sorted(file.name for file in PAGES.glob("*.md")) == sorted(["README.md", *(f"{e}.md" for e in ENGINES)])
    assert all(f"({engine}.md)" in index for engine in ENGINES)
