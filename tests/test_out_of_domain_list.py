"""The held-out list of queries that no shop should answer with a category."""

import json
from collections import Counter
from pathlib import Path

from demo.behaviour import read_behaviour
from demo.gold import GOLD
from domain.text import MAX_QUERY_LENGTH, normalise

LIST = Path(__file__).resolve().parents[1] / "benchmarks" / "out_of_domain.txt"
TEXT = LIST.read_bytes().decode("utf-8")
ROWS = [line.split("\t") for line in TEXT.splitlines()]
KINDS = {
    "navigation": 45,
    "gibberish": 45,
    "language": 45,
    "question": 45,
    "service": 40,
    "injection": 40,
    "symbol": 25,
    "number": 15,
}


def test_three_hundred_lines_of_a_query_and_its_kind() -> None:
    # The signs that Python alone takes for ends of lines would make more rows than lines.
    assert len(ROWS) == TEXT.count("\n") == 300
    assert [row for row in ROWS if len(row) != 2 or row[0] != row[0].strip()] == []
    assert [row for row in ROWS if row[0].startswith("#")] == []


def test_every_kind_has_its_share() -> None:
    assert Counter(row[-1] for row in ROWS) == KINDS


def test_every_query_reaches_the_system_and_no_two_are_alike_there() -> None:
    reached = [normalise(row[0]) for row in ROWS]
    assert [text for text in reached if not 0 < len(text) <= MAX_QUERY_LENGTH] == []
    assert {text: count for text, count in Counter(reached).items() if count > 1} == {}


def test_none_is_a_query_of_the_demo() -> None:
    with GOLD.open(encoding="utf-8") as lines:
        gold = {normalise(json.loads(line)["query"]) for line in lines}
    behaviour = {normalise(row.query) for row in read_behaviour()}
    assert len(gold) == 400
    assert len(behaviour) > 1000
    assert {normalise(row[0]) for row in ROWS} & (gold | behaviour) == set()
