"""Exported synonyms, read back by Lucene: the parser and filter that Elasticsearch, OpenSearch and Solr all use."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import normalise
from release.exports.elasticsearch import write_elasticsearch
from release.exports.rule import Rule, rule_id
from release.exports.selection import Selection
from release.exports.synonym_lines import escape, replacements, shards, synonym_file
from release.exports.words import words_of

MODES = ("elastic", "solr")
TITLES = (
    "Orange Juice with Pulp",
    "Vernors Ginger Ale",
    "Coca-Cola 6 Pack",
    "Red Apples",
    "Milk",
    "Orange Soda",
    "Coke",
)


def rule(kind: str, query: str, target: str, tools) -> Rule:
    return Rule(
        id=rule_id(kind, query, target),
        kind=kind,
        query=query,
        target=target,
        confidence=0.95,
        reach="words",
        held=None,
        expires=tools.today,
    )


def synonyms_of(selection: Selection, tools) -> bytes:
    return tools.contents([synonym_file(selection)])["synonyms.txt"]


def selected(rules: list[Rule], tools) -> Selection:
    empty = tools.select(tools.said("milk"))
    return replace(empty, rules=lambda: iter(rules), of=lambda query: tuple(r for r in rules if r.query == query))


@pytest.fixture
def shop(tools) -> Selection:
    return tools.select(
        tools.said("oj", ("synonym", "orange juice", 0.97), ("broader", "juice", 0.9), shelf="juice"),
        tools.said("vernors soda", ("synonym", "vernors ginger ale", 0.9)),
        tools.said("coke", ("synonym", "coca-cola", 0.95), ("substitute", "orange soda", 0.9), shelf="cola"),
        tools.said("coca-cola", ("synonym", "coke", 0.9), shelf="cola"),
        tools.said("aples", ("spelling", "apples", 0.98), shelf="apples"),
        tools.said("apples", ("synonym", "pome fruit", 0.9), shelf="apples"),
        tools.said("ice", ("synonym", "frozen water", 0.95), shelf="ice"),
        tools.said("ice cream", shelf="cream"),
        tools.said("1% milk", ("synonym", "low fat milk", 0.95), shelf="milk"),
    )


@pytest.mark.parametrize("mode", MODES)
def test_queries_are_expanded_one_way_two_way_and_not_at_all(lucene, shop, tools, mode) -> None:
    expected = {
        # One way, and in a longer query too.
        "oj": {"oj", "orange juice"},
        "orange juice": {"orange juice"},
        "organic oj carton": {"organic oj carton", "organic orange juice carton"},
        # Several words for several: one reading each, never a mix of both.
        "Vernors SODA": {"vernors soda", "vernors ginger ale"},
        # Two labels make it two-way; the hyphen is the tokenizer's, on both sides.
        "coke": {"coke", "coca cola"},
        "Coca-Cola": {"coca cola", "coke"},
        # A spelling replaces, and brings the synonyms of the mended query along.
        "aples": {"apples", "pome fruit"},
        "apples": {"apples", "pome fruit"},
        # What was withheld: broader and substitutes, words that mean something else elsewhere, signs.
        "juice": {"juice"},
        "ice cream": {"ice cream"},
        "ice": {"ice"},
        "1% milk": {"1 milk"},
        "vitamin 1 milk": {"vitamin 1 milk"},
    }
    answers = lucene.ask(mode, synonyms_of(shop, tools), list(expected), TITLES)
    assert {query: set(answer.readings) for query, answer in zip(expected, answers, strict=True)} == expected


@pytest.mark.parametrize("mode", MODES)
def test_a_search_finds_what_the_words_mean_and_nothing_beside(lucene, shop, tools, mode) -> None:
    found = lucene.ask(mode, synonyms_of(shop, tools), ["oj", "vernors soda", "coke", "aples", "orange juice"], TITLES)
    assert [answer.titles for answer in found] == [
        ("Orange Juice with Pulp",),
        ("Vernors Ginger Ale",),
        ("Coca-Cola 6 Pack", "Coke"),
        ("Red Apples",),
        ("Orange Juice with Pulp",),
    ]


def test_a_set_for_the_synonyms_api_reads_like_the_file(lucene, shop, tools) -> None:
    files = tools.contents(write_elasticsearch(shop, tools.settings).files)
    [name] = [name for name in files if name.startswith("synonyms-")]
    rules = json.loads(files[name])["synonyms_set"]
    assert len({each["id"] for each in rules}) == len(rules) == 6
    queries = ["oj", "coke", "aples", "vernors soda"]
    lines = "\n".join(each["synonyms"] for each in rules).encode()
    assert lucene.ask("elastic", lines, queries) == lucene.ask("elastic", synonyms_of(shop, tools), queries)


def test_a_file_without_a_rule_is_read(lucene, tools) -> None:
    [answer] = lucene.ask("elastic", synonyms_of(tools.select(tools.said("milk")), tools), ["oat milk"], ["Oat Milk"])
    assert answer.readings == {"oat milk"} and answer.titles == ("Oat Milk",)


def test_each_shard_is_read_by_itself_and_together_they_know_every_rule(lucene, tools) -> None:
    words = [f"w{number:03}" for number in range(60)]
    rules = [rule("synonym", f"{word}{tail}", f"t{word}", tools) for word in words for tail in ("", " x", " y z")]
    sets = list(shards(replacements(selected(rules, tools)), 50))
    assert [len(each) for each in sets] == [48, 48, 48, 36]
    queries = [each.query for each in rules]
    known = set()
    for members in sets:
        answers = lucene.ask("elastic", "\n".join(one.line for one in members).encode(), queries)
        known |= {q for q, answer in zip(queries, answers, strict=True) if f"t{q.split()[0]}" in answer.readings}
    assert known == set(queries)


def test_a_first_word_with_more_rules_than_a_set_takes_is_split(tools) -> None:
    rules = [rule("synonym", f"a {number}", "b", tools) for number in range(7)]
    assert [len(each) for each in shards(replacements(selected(rules, tools)), 3)] == [3, 3, 1]
    assert [len(each) for each in shards([], 3)] == [0]


def test_rules_whose_first_word_is_the_same_to_a_tokenizer_stay_together(tools) -> None:
    queries = ["a", "t shirt", "t's x", "t-shirt y", "u"]
    rules = [rule("synonym", query, "b", tools) for query in queries]
    assert [[one.rule.query for one in each] for each in shards(replacements(selected(rules, tools)), 3)] == [
        ["a"], ["t shirt", "t's x", "t-shirt y"], ["u"],
    ]  # fmt: skip


PARTS = ["ice", "7", "ü", "hi", "冰", "い", "カ", "क", "कि", "น", "-", "'", "&", ".", ",", "/", "%", "+", "#", "$", " "]


@given(texts=st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=8).map("".join), min_size=20, max_size=60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_words_are_those_of_the_tokenizer(lucene, texts) -> None:
    queries = [query for query in map(normalise, texts) if query]
    answers = lucene.ask("elastic", b"", queries)
    assert [answer.readings for answer in answers] == [{" ".join(words_of(query)).lower()} for query in queries]


WRITTEN = st.lists(
    st.tuples(st.sampled_from(["ice", "cream", "7", "up"]), st.sampled_from([" ", "-", "&", "/", "'"])),
    min_size=1,
    max_size=3,
).map(lambda pieces: normalise("".join(word + sign for word, sign in pieces)))
LABEL = st.tuples(WRITTEN, st.sampled_from(["synonym", "spelling", None]), st.sampled_from(["ice", "milk"]))


@given(drawn=st.lists(LABEL, min_size=3, max_size=12, unique_by=lambda label: label[0]))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_rule_reaches_a_query_that_means_something_else_or_was_not_corrected(lucene, tools, drawn) -> None:
    labels = {query: (kind, shelf, f"target{number}") for number, (query, kind, shelf) in enumerate(drawn)}
    selection = tools.select(
        *(
            tools.said(query, *([(kind, target, 0.97)] if kind else []), shelf=shelf)
            for query, (kind, shelf, target) in labels.items()
        )
    )
    file = synonyms_of(selection, tools)
    for mode in MODES:
        for query, answer in zip(labels, lucene.ask(mode, file, list(labels)), strict=True):
            found = {word for reading in answer.readings for word in reading.split()}
            for other, (kind, shelf, target) in labels.items():
                if other != query and target in found:
                    assert labels[query][0] == "spelling" if kind == "spelling" else labels[query][1] == shelf


NO_LINE = st.characters(exclude_characters="\n\r\0", exclude_categories=["Cs"])
HOSTILE = st.one_of(
    st.text(NO_LINE, min_size=1, max_size=30),
    st.lists(st.sampled_from(["=>", ",", "\\", "#", '"', "a", "1", " ", "=", ">", "c++", "\t", "🍕"]), min_size=1).map(
        "".join
    ),
)


@given(pairs=st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_without_a_line_break_is_escaped(lucene, pairs) -> None:
    # Lucene's own trim and lower-casing, so that what comes back is compared with what was meant.
    def meant(text: str) -> str:
        return text.strip("".join(map(chr, range(33)))).strip()

    pairs = [(meant(a), meant(b)) for a, b in pairs]
    wanted = {a: b for a, b in pairs if a and b and a.splitlines() == [a] and b.splitlines() == [b]}
    wanted = {a: b for a, b in wanted.items() if not {"|", "\t"} & {*a, *b} and a.isascii() and b.isascii()}
    lower = {a.lower() for a in wanted}
    if len(lower) != len(wanted):
        return
    lines = "\n".join(f"{escape(a)} => {escape(b)}" for a, b in wanted.items())
    answers = lucene.ask("keyword", lines.encode(), list(wanted))
    assert [set(answer.readings) for answer in answers] == [{b.lower()} for b in wanted.values()]


QUERY = st.one_of(
    st.text(max_size=25),
    st.lists(
        st.sampled_from(["=>", ",", "#10", "c++", '50"', "h&m", "1,5", "½", "ice", "-", "\\", "'", "½", "௰", "𞤀"])
    ).map(" ".join),
)


@given(pairs=st.lists(st.tuples(QUERY, QUERY, st.sampled_from(["synonym", "spelling"])), min_size=10, max_size=40))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_query_breaks_the_rules_of_another(lucene, tools, pairs) -> None:
    labels = {"oj": tools.said("oj", ("synonym", "orange juice", 0.97))}
    for raw, target, kind in pairs:
        query, text = normalise(raw), normalise(target)
        if query and text and query != text and len(query) < 250:
            labels.setdefault(query, tools.said(query, (kind, text, 0.99), value=query))
    selection = tools.select(*labels.values())
    file = synonyms_of(selection, tools)
    words = [one for one in replacements(selection)]
    queries = ["oj", *(one.rule.query for one in words)]
    targets = [one.targets[-1] for one in words]
    for mode in MODES:
        plain = lucene.ask(mode, b"", targets)
        found = lucene.ask(mode, file, queries)
        assert "orange juice" in found[0].readings
        for one, expected, answer in zip(words, plain, found[1:], strict=True):
            assert expected.readings <= answer.readings, one.line
