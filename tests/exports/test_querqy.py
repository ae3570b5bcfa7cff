"""Rules for Querqy, read by a strict reader of its format.

Querqy itself is on no machine that runs these tests. The reader is written after its documentation and what its parser
takes and refuses; it refuses more, so that what it reads has one meaning only.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import normalise
from release.exports import ExportSettings
from release.exports.querqy import write_querqy

INSTRUCTION = re.compile(r"(?P<name>[A-Z]+)(\((?P<argument>[^()]*)\))?: (?P<value>\S.*)")
ESCAPES = frozenset('"*#\\')


@dataclass(kw_only=True)
class QuerqyRule:
    words: list[str]
    whole: bool
    instructions: list[tuple[str, str, str]] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)


def read_rules(text: str) -> list[QuerqyRule]:
    rules: list[QuerqyRule] = []
    for raw in text.split("\n"):
        line = _without_comment(raw.strip()).strip()
        if not line:
            continue
        if line.endswith("=>"):
            rules.append(_input(line[:-2].strip()))
        elif line.startswith("@"):
            _property(line[1:], rules[-1].properties)
        else:
            rules[-1].instructions.append(_instruction(line))
    ids = [rule.properties["_id"] for rule in rules]
    assert len(set(ids)) == len(ids)
    assert all(len(rule.instructions) == 1 for rule in rules)
    return rules


def read_replacements(text: str) -> dict[str, str]:
    """Read the Replace Rewriter's rules: no escapes; a tab parts inputs, an asterisk is a wildcard."""
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if line.strip() and not line.startswith("#"):
            given, arrow, output = line.partition(" => ")
            assert arrow and given and output and "=>" not in output and not set("*\t;$") & set(line), line
            assert given not in found
            found[given] = output
    return found


def _without_comment(line: str) -> str:
    escaped = False
    for place, char in enumerate(line):
        if char == "#" and not escaped:
            return line[:place]
        escaped = char == "\\" and not escaped
    return line


def _input(text: str) -> QuerqyRule:
    whole = text.startswith('"')
    if whole:
        assert text.endswith('"') and not text.endswith('\\"') and len(text) > 2, text
        text = text[1:-1]
    assert not re.search(r'(?<!\\)["*]', text.replace("\\\\", "")), text
    return QuerqyRule(words=[_term(word) for word in text.split()], whole=whole)


def _term(word: str) -> str:
    assert ":" not in word and not re.search(r"\$\d", word), word
    read, escaped = [], False
    for char in word:
        if escaped:
            assert char in ESCAPES, word
            read.append(char)
            escaped = False
        elif char == "\\":
            escaped = True
        else:
            assert char not in ESCAPES, word
            read.append(char)
    assert not escaped and read, word
    return "".join(read)


def _instruction(line: str) -> tuple[str, str, str]:
    match = INSTRUCTION.fullmatch(line)
    assert match, line
    name, argument, value = match["name"], match["argument"], match["value"]
    if name == "SYNONYM":
        assert float(argument) >= 0
        value = " ".join(_term(word) for word in value.split())
    elif name == "UP":
        assert float(argument) > 0 and value.startswith("* ") and value.count("%%") == 0
        value = value[2:]
    else:
        assert name == "DECORATE" and re.fullmatch(r"\w+", argument), line
    return name, argument, value


def _property(text: str, properties: dict[str, Any]) -> None:
    if text.startswith("{"):
        assert text.endswith("}@") and not text.endswith("\\}@"), text
        read = json.loads(text[:-1])
    else:
        name, _, value = text.partition(":")
        read = {name.strip(): json.loads(value)}
    assert not read.keys() & properties.keys()
    properties.update(read)


@pytest.fixture
def selection(tools):
    return tools.select(
        tools.said(
            "oj", ("synonym", "orange juice", 0.97), ("broader", "juice", 0.8), ("substitute", "apple juice", 0.7),
            shelf="juice", sure=0.9,
        ),
        tools.said("ice", ("synonym", "frozen water", 0.95), shelf="ice"),
        tools.said("ice cream", shelf="cream"),
        tools.said("aples", ("spelling", "apples", 0.98), shelf="apples"),
        tools.said("apples", shelf="apples"),
        tools.said("yogert", ("spelling", "yogurt", 0.98), ("synonym", "joghurt", 0.9), shelf="dairy", sure=0.9),
    )  # fmt: skip


def rules_of(files):
    return {rule.properties["_id"]: rule for rule in read_rules(files["rules.txt"].decode())}


def test_each_rule_says_where_it_holds_and_what_it_does(selection, tools) -> None:
    written = write_querqy(selection, tools.settings)
    files = tools.contents(written.files)
    found = {(" ".join(rule.words), rule.whole, *rule.instructions[0]) for rule in rules_of(files).values()}
    assert found == {
        ("oj", False, "SYNONYM", "0.9700", "orange juice"),
        ("oj", True, "UP", "4.5000", "({!terms f=category_id v='juice'})^=1"),
        ("oj", True, "DECORATE", "broader", "juice"),
        ("oj", True, "DECORATE", "substitute", "apple juice"),
        # Ice means something else in ice cream: only the whole query is expanded.
        ("ice", True, "SYNONYM", "0.9500", "frozen water"),
        ("ice", True, "UP", "4.8500", "({!terms f=category_id v='ice'})^=1"),
        ("ice cream", True, "UP", "4.8500", "({!terms f=category_id v='cream'})^=1"),
        ("apples", True, "UP", "4.8500", "({!terms f=category_id v='apples'})^=1"),
        # It is mended first, and nobody labelled what it then reads: the rules move there.
        ("yogurt", True, "SYNONYM", "0.9000", "joghurt"),
        ("yogurt", True, "UP", "4.5000", "({!terms f=category_id v='dairy,milk'})^=1"),
    }
    assert read_replacements(files["replace.txt"].decode()) == {"aples": "apples", "yogert": "yogurt"}
    assert written.unwritable == []


def test_every_product_of_a_category_gets_the_same(selection, tools) -> None:
    files = tools.contents(write_querqy(selection, tools.settings).files)
    ups = [rule.instructions[0] for rule in rules_of(files).values() if rule.instructions[0][0] == "UP"]
    # Querqy multiplies the score of a raw query by what is in the brackets; 1 whatever the category's IDF.
    assert ups and {tools.boosted(raw).weight for _, _, raw in ups} == {1.0}


def test_what_several_misspellings_leave_to_one_query_counts_once_and_as_sure_as_the_surest(tools) -> None:
    selection = tools.select(
        *(
            tools.said(
                query, ("spelling", "apples", 0.98), ("broader", "fruit", broad), ("synonym", "pome fruit", 0.9),
                shelf="apples", sure=sure,
            )
            for query, sure, broad in (("apels", 0.8, 0.9), ("aples", 0.95, 0.7), ("appless", 0.95, 0.7))
        )
    )  # fmt: skip
    written = write_querqy(selection, tools.settings)
    found = rules_of(tools.contents(written.files)).values()
    assert [(" ".join(rule.words), *rule.instructions[0], rule.properties["confidence"]) for rule in found] == [
        ("apples", "SYNONYM", "0.9000", "pome fruit", 0.9),
        ("apples", "UP", "4.7500", "({!terms f=category_id v='apples'})^=1", 0.95),
        ("apples", "DECORATE", "broader", "fruit", 0.9),
    ]
    by_target = {rule.id: rule for rule in selection.rules()}
    # The first of those that are as sure.
    assert [by_target[rule.properties["_id"]].query for rule in found] == ["apels", "aples", "apels"]
    assert written.unwritable == []


def test_properties_carry_id_confidence_expiry_and_provenance(selection, tools) -> None:
    [rule] = [rule for rule in selection.rules() if rule.query == "oj" and rule.kind == "synonym"]
    read = rules_of(tools.contents(write_querqy(selection, tools.settings).files))[rule.id]
    assert read.properties == {
        "_id": rule.id,
        "kind": "synonym",
        "confidence": 0.97,
        "expires": "2027-05-20",
        "release": selection.origin.release,
        "models": ["by-hand"],
        "prompts": ["understand@1#0"],
    }


def test_boosts_can_be_in_the_dsl(selection, tools) -> None:
    settings = ExportSettings(raw_queries="json", boost=2.0, category_field="shelf")
    files = tools.contents(write_querqy(selection, settings).files)
    ups = [
        r.instructions[0] for r in rules_of(files).values() if r.instructions[0][0] == "UP" and r.words == ["yogurt"]
    ]
    assert [(weight, json.loads(raw)) for _, weight, raw in ups] == [
        ("1.8000", {"terms": {"shelf": ["dairy", "milk"]}})
    ]


@pytest.mark.parametrize("target", ["$10 gift card", "gift $1"])
def test_what_the_format_cannot_say_is_named_and_left_out(tools, target) -> None:
    selection = tools.select(
        tools.said("gift card", ("synonym", target, 0.95), ("broader", "c# book", 0.9), shelf=None)
    )
    written = write_querqy(selection, tools.settings)
    files = tools.contents(written.files)
    assert rules_of(files) == {} and set(written.unwritable) == {rule.id for rule in selection.rules()}


PIECES = ["=>", "c#", "#10", "c++", '50"', "h&m", "$10", "$1", "up(3)", "delete", "@_id", "*", "-", "\\", "not", "}@"]
QUERY = st.one_of(st.text(max_size=25), st.lists(st.sampled_from(PIECES)).map(" ".join))


@given(
    pairs=st.lists(
        st.tuples(QUERY, QUERY, st.sampled_from(["synonym", "spelling", "broader"])), min_size=10, max_size=40
    )
)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_query_breaks_the_file(tools, pairs) -> None:
    labels = {}
    for raw, target, kind in pairs:
        query, text = normalise(raw), normalise(target)
        if query and text and query != text:
            labels.setdefault(query, tools.said(query, (kind, text, 0.99), value=query))
    selection = tools.select(*labels.values())
    written = write_querqy(selection, tools.settings)
    files = tools.contents(written.files)
    found = rules_of(files)
    replaced = read_replacements(files["replace.txt"].decode())
    for rule in selection.rules():
        if rule.id not in found:
            assert rule.id in written.unwritable or rule.query in replaced
            continue
        read = found[rule.id]
        assert " ".join(read.words) in (rule.query, replaced.get(rule.query))
        assert read.whole == (rule.reach == "query")
        if rule.kind != "category":
            assert read.instructions[0][2] == rule.target
