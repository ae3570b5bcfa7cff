"""A file of queries, line by line: what is taken, what is skipped and why, and what is no such file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from domain.config import ShopConfig
from domain.errors import UserError
from domain.shop import Shop
from querywise.queries import Addition, QueryFile, read_addition, read_query_file

SHOP = Shop(folder=Path("shop"), work=Path("work"), config=ShopConfig(name="tiny", locale="en-GB", currency="GBP"))


def written(tmp_path: Path, content: str | bytes, name: str = "misses.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(tmp_path: Path, content: str | bytes, name: str = "misses.txt") -> QueryFile:
    return read_query_file(written(tmp_path, content, name))


def test_a_line_of_text_is_a_query_in_its_normal_form(tmp_path) -> None:
    # A byte order mark, Windows line ends, and no end to the last line.
    found = read(tmp_path, b"\xef\xbb\xbfOat  Milk\r\noat milk!\r\ncr\xc3\xa8me\r\n1% Milk")
    assert found.searches == {"oat milk": 2, "crème": 1, "1% milk": 1}
    assert (found.lines, found.skipped, found.first_skipped) == (4, {}, ())


@pytest.mark.parametrize("name", ["misses.jsonl", "misses.NDJSON", "misses.json", "misses.log"])
def test_json_lines_say_how_often_a_query_was_searched(tmp_path, name) -> None:
    lines = [
        {"query": "Oat Milk", "searches": 3, "at": "2026-01-01"},
        {"query": "oat milk"},
        {"query": "tea", "searches": None},
        {"searches": 7.0, "query": "oat  milk"},
        {"query": "rare", "searches": 0},
    ]
    found = read(tmp_path, "".join(json.dumps(line) + "\n" for line in lines), name)
    # 3 + 1 + 7: whoever does not say counts one.
    assert (found.searches, found.skipped) == ({"oat milk": 11, "tea": 1, "rare": 0}, {})


def test_a_file_of_json_takes_bare_texts_and_a_packed_file_is_unpacked(tmp_path) -> None:
    packed = gzip.compress(b'"Oat Milk"\n{"query": "tea", "searches": 2}\n')
    assert read(tmp_path, packed, "misses.jsonl.gz").searches == {"oat milk": 1, "tea": 2}


def test_what_holds_no_query_is_counted_with_line_and_reason(tmp_path) -> None:
    lines = [
        "milk",
        "",
        " \t ",
        "?!",
        "x" * 256,
        "x" * 257,
        f"milk{' ' * 2048}ann@example.com",
        "{" * 100_000,
        '{"query": "cut sho',
        '{"searches": 3}',
        '{"query": 7}',
        '{"query": "tea", "searches": -1}',
        '{"query": "tea", "searches": 1.5}',
        '{"query": "tea", "searches": true}',
        '{"query": "tea", "searches": "3"}',
        '{"query": "tea", "searches": NaN}',
        '{"query": "tea", "searches": 1' + "0" * 400 + "}",
        '{"query": "\\ud800"}',
        "a\0b",
        "ﷺ" * 70_000,
        "cola",
    ]
    found = read(tmp_path, "\n".join(lines) + "\n")
    assert found.searches == {"milk": 1, "x" * 256: 1, "cola": 1}
    assert found.lines == len(lines) == len(found.searches) + sum(found.skipped.values())
    assert found.skipped == {
        "empty query": 4,
        "query too long": 3,
        "malformed JSON": 2,
        "no query": 2,
        "bad searches": 6,
        "NUL byte": 1,
    }
    first = [(skipped.line, skipped.reason) for skipped in found.first_skipped]
    assert first[:6] == [
        (2, "empty query"),
        (3, "empty query"),
        (4, "empty query"),
        (6, "query too long"),
        (7, "query too long"),
        (8, "malformed JSON"),
    ]
    assert len(first) == 10


def test_in_json_lines_what_is_no_json_is_not_asked_as_text(tmp_path) -> None:
    found = read(tmp_path, '[\nery": "cut"}\n["tea"]\n[[[\n7\nnull\n\n{"query": "tea"}\n', "misses.jsonl")
    assert (found.searches, found.skipped) == ({"tea": 1}, {"malformed JSON": 3, "no query": 3, "empty query": 1})


def test_a_line_beyond_all_measure_is_skipped_and_the_next_is_read(tmp_path) -> None:
    found = read(tmp_path, b"x" * ((1 << 24) + (1 << 22) + 1) + b"\ntea\n")
    assert (found.searches, found.skipped) == ({"tea": 1}, {"line too long": 1})


def test_a_file_without_a_line_holds_nothing_and_is_none_the_worse(tmp_path) -> None:
    found = read(tmp_path, "")
    assert (found.searches, found.lines, found.skipped) == ({}, 0, {})


@pytest.mark.parametrize(
    ("content", "name", "complaint"),
    [
        (b"milk\ncr\xe8me\n", "misses.txt", "line 2: not UTF-8"),
        ("milk".encode("utf-16"), "misses.txt", "is UTF-16"),
        (b"\x1f\x8b\x08 cut", "misses.txt.gz", "damaged gzip"),
        (b"query,searches\nmilk,3\n", "misses.csv", "no list of queries"),
        (b"PAR1", "misses.parquet", "no list of queries"),
        (b"\n\n??\n", "misses.txt", "no line holds a query (empty query 3)"),
        (b'{"q": "milk"}\n', "misses.txt", "no line holds a query (no query 1)"),
    ],
)
def test_what_is_no_such_file_is_a_mistake_with_a_hint(tmp_path, content, name, complaint) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, content, name)
    assert complaint in str(caught.value) and name in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("path", ["none.txt", "none.jsonl.gz", "."])
def test_a_file_that_is_not_there_is_a_mistake_with_a_hint(tmp_path, path) -> None:
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_query_file(tmp_path / path)
    assert "a line is a query" in caught.value.hint


def test_people_are_told_what_was_taken_and_of_each_line_that_was_not(tmp_path, capsys) -> None:
    path = written(tmp_path, "milk\n" + "\n" * 12 + "{\n")
    assert read_addition(SHOP, path, 3).skipped == {"empty query": 12, "malformed JSON": 1}
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{path}: 1 queries in 14 lines; 13 skipped: empty query 12, malformed JSON 1"
    assert said[1:] == [*(f"  line {line}: empty query" for line in range(2, 12)), "  and 3 more"]


def test_personal_data_is_told_by_the_country_of_the_shop(tmp_path, capsys) -> None:
    path = written(tmp_path, "020 7946 0958 pizza\njane.roe@example.com\noat milk\n")
    addition = read_addition(SHOP, path, None)
    assert addition.file is not None and addition.file.searches == {"oat milk": 1}
    assert addition.skipped == {"personal data": 2}
    said = capsys.readouterr().err
    assert "line 1: personal data" in said and "7946" not in said and "jane" not in said
    # A number of Great Britain is a number like any other where none is written so.
    assert read_query_file(path).skipped == {"personal data": 1}


def test_what_decides_is_the_content_and_the_number(tmp_path) -> None:
    def inputs(content: str | None, tail: int | None = None) -> tuple[str, ...]:
        return read_addition(SHOP, None if content is None else written(tmp_path, content), tail).inputs

    assert Addition().inputs == inputs(None) == ()
    assert inputs("milk\ntea\n") == inputs("TEA\n\nmilk\n")
    others = ["milk\ntea\n", "milk\n", "milk\nmilk\n", ""]
    assert len({*map(inputs, others), inputs("milk\n", 1), inputs("milk\n", 2), inputs(None, 2), ()}) == 8
