"""Queries for Elasticsearch, OpenSearch and Solr: valid, of ids that exist, and monotone in confidence."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest

from domain import Taxonomy
from domain.taxonomy import Node
from release.exports import ExportSettings, Rule
from release.exports.elasticsearch import write_elasticsearch
from release.exports.opensearch import write_opensearch
from release.exports.solr import category_clause, write_solr

DAY = date(2027, 1, 1)


def lines(data: bytes) -> dict[str, dict[str, Any]]:
    rows = [json.loads(line) for line in data.decode().splitlines()]
    assert len({row["query"] for row in rows}) == len(rows)
    return {row["query"]: row for row in rows}


@pytest.fixture
def selection(tools):
    return tools.select(
        tools.said("coke", ("synonym", "coca-cola", 0.95), ("synonym", "cola can", 0.85), shelf="cola", sure=0.99),
        tools.said(
            "soda", ("broader", "drinks", 0.7), ("broader", "beverages", 0.8), ("substitute", "juice", 0.9),
            shelf="soft", sure=0.6,
        ),
        tools.said("aples", ("spelling", "apples", 0.98), ("substitute", "pears", 0.9), shelf=None),
        tools.said("apples", ("synonym", "pome fruit", 0.9), shelf="apples", sure=0.8),
        tools.said("nothing known", shelf=None),
        tools.said("only fallbacks", ("broader", "fallbacks", 0.9), shelf=None),
    )  # fmt: skip


def test_a_body_takes_the_best_of_query_and_synonyms_and_multiplies_by_the_category(selection, tools) -> None:
    row = lines(tools.contents(write_elasticsearch(selection, tools.settings).files)["queries.jsonl"])["coke"]
    scored = row["body"]["query"]["function_score"]
    matched = [clause["multi_match"] for clause in scored["query"]["dis_max"]["queries"]]
    assert [(m["query"], m.get("boost")) for m in matched] == [("coke", None), ("coca-cola", 0.95), ("cola can", 0.85)]
    assert (scored["score_mode"], scored["boost_mode"]) == ("max", "multiply")
    [function] = scored["functions"]
    assert function["weight"] == 1.99 and function["filter"]["terms"]["category_id"] == ["cola"]
    # Every rule of the line is the name of one clause, so that a hit says which rule found it.
    assert row["rules"] == [matched[1]["_name"], matched[2]["_name"], function["filter"]["terms"]["_name"]]
    assert row["expires"] == "2027-02-19"


def test_a_category_stands_for_all_below_it(selection, tools) -> None:
    row = lines(tools.contents(write_elasticsearch(selection, tools.settings).files)["queries.jsonl"])["soda"]
    [function] = row["body"]["query"]["function_score"]["functions"]
    assert function["filter"]["terms"]["category_id"] == ["soft", "ginger", "cola"]
    assert function["weight"] == 1.6


def test_a_misspelt_query_is_searched_mended_with_what_is_known_of_the_mended_one(selection, tools) -> None:
    row = lines(tools.contents(write_elasticsearch(selection, tools.settings).files)["queries.jsonl"])["aples"]
    scored = row["body"]["query"]["function_score"]
    texts = [clause["multi_match"]["query"] for clause in scored["query"]["dis_max"]["queries"]]
    assert texts == ["apples", "pome fruit"]
    assert scored["functions"][0]["filter"]["terms"]["category_id"] == ["apples"]


def test_queries_without_a_rule_have_no_line_and_fallbacks_have_a_file_of_their_own(selection, tools) -> None:
    for written in (write_elasticsearch(selection, tools.settings), write_solr(selection, tools.settings)):
        files = tools.contents(written.files)
        assert set(lines(files["queries.jsonl"])) == {"coke", "soda", "aples", "apples"}
        fallbacks = lines(files["fallbacks.jsonl"])
        assert set(fallbacks) == {"soda", "aples", "only fallbacks"}
        assert [each["query"] for each in fallbacks["soda"]["fallbacks"]] == ["beverages", "drinks", "juice"]
        assert b"beverages" not in files["queries.jsonl"]


def test_weights_grow_with_confidence_and_boost(tools) -> None:
    sure = [0.5, 0.61, 0.7, 0.9, 1.0]
    labels = [tools.said(f"q{i}", shelf="milk", sure=confidence) for i, confidence in enumerate(sure)]
    selection = tools.select(*labels)
    for boost in (0.5, 3.0):
        settings = ExportSettings(boost=boost)
        rows = lines(tools.contents(write_opensearch(selection, settings).files)["queries.jsonl"])
        weights = [rows[f"q{i}"]["body"]["query"]["function_score"]["functions"][0]["weight"] for i in range(5)]
        assert weights == [pytest.approx(1 + boost * confidence) for confidence in sure]
        added = lines(tools.contents(write_solr(selection, settings).files)["queries.jsonl"])
        scores = [tools.boosted(added[f"q{i}"]["params"]["bq"][0]).weight for i in range(5)]
        assert scores == [pytest.approx(boost * confidence) for confidence in sure]


def test_fields_are_those_that_were_named(selection, tools) -> None:
    settings = ExportSettings(text_fields=("name^2", "brand"), category_field="shelf.id", name="grocery")
    files = tools.contents(write_opensearch(selection, settings).files)
    row = lines(files["queries.jsonl"])["soda"]
    scored = row["body"]["query"]["function_score"]
    assert scored["query"]["multi_match"]["fields"] == ["name^2", "brand"]
    assert set(scored["functions"][0]["filter"]["terms"]) == {"shelf.id", "_name"}
    index = json.loads(files["settings.json"])
    assert set(index["mappings"]["properties"]) == {"name", "brand", "shelf.id"}
    [filter_] = index["settings"]["analysis"]["filter"].values()
    assert filter_["synonyms_path"] == "analysis/grocery-synonyms.txt" and filter_["updateable"]


def test_synonyms_stand_in_search_analyzers_alone_and_one_in_each(tools) -> None:
    labels = [tools.said(f"w{i} x", ("synonym", f"t{i}", 0.9)) for i in range(5)]
    files = tools.contents(write_elasticsearch(tools.select(*labels), ExportSettings(rules_per_set=2)).files)
    assert sorted(name for name in files if name.startswith("synonyms")) == [
        "synonyms-1.json", "synonyms-2.json", "synonyms-3.json",
    ]  # fmt: skip
    index = json.loads(files["settings.json"])
    filters, analyzers = index["settings"]["analysis"]["filter"], index["settings"]["analysis"]["analyzer"]
    assert [each["synonyms_set"] for each in filters.values()] == ["querywise-1", "querywise-2", "querywise-3"]
    assert all(sum(name in filters for name in each["filter"]) <= 1 for each in analyzers.values())
    title = index["mappings"]["properties"]["title"]
    assert not set(analyzers[title["analyzer"]]["filter"]) & set(filters)
    assert set(analyzers[title["search_analyzer"]]["filter"]) & set(filters)
    template = json.loads(files["template.json"])["script"]["source"]["query"]["dis_max"]["queries"]
    assert [each["multi_match"]["analyzer"] for each in template] == [name for name in analyzers if "search" in name]


def category(target: str) -> Rule:
    return Rule(
        id="x", kind="category", query="q", target=target, confidence=0.9, reach="query", held="kind", expires=DAY
    )


# Local parameters within a query, as one token of Solr's QueryParser.jj.
VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^ }]+)?"""
LOCAL_PARAMS = re.compile(rf"(?:\{{!(?:[^=}}]+(?:={VALUE}[^=}}]+)*(?:={VALUE})?)?\}})+[^) \t\n{{^]*", re.S)


@pytest.mark.parametrize(
    "ids",
    [
        ["c1"],
        ["c1", "c2"],
        ["a'b", 'c"d', "e\\f", "g#h", "\\'"],
        ["a,b", "c"],
        ["a,b;c", "d|e"],
        ["a b", "{!func}", "x'}) OR *:*", "}", "$v", "^=9", "/*"],
    ],
)
def test_category_ids_stay_within_their_quotes(tools, ids) -> None:
    tree = Taxonomy(Node(category_id=i, parent_id=None if i == ids[0] else ids[0], name="Odd") for i in ids)
    clause = category_clause(category(ids[0]), tree, ExportSettings(category_field="shelf.id"))
    read = tools.boosted(f"{clause}^=4.5")
    assert (read.field, read.ids, read.weight) == ("shelf.id", tuple(ids), 4.5)
    # A lexer takes the longest token, which ends where the brackets do.
    behind = f"{clause}^=4.5"[1:]
    assert max(n for n in range(len(behind) + 1) if LOCAL_PARAMS.fullmatch(behind, 0, n)) == len(clause) - 2


def test_a_category_may_have_more_below_it_than_a_query_may_have_clauses(tools) -> None:
    ids = [f"c{number}" for number in range(5000)]
    tree = Taxonomy(Node(category_id=i, parent_id=None if i == "c0" else "c0", name="Home") for i in ids)
    clause = category_clause(category("c0"), tree, ExportSettings())
    assert tools.boosted(f"{clause}^=1").ids == tuple(ids)
