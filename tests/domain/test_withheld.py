"""The list of what is withheld: read, merged, taken off, obeyed."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from domain.errors import UserError
from domain.label import Label, Provenance
from domain.understanding import Category, Rewrite, Understanding
from domain.withheld import Withheld, add_withheld, read_withheld, remove_withheld, withheld_digest, withhold


def entry(query: str = "switch", part: str = "categories", **more: object) -> Withheld:
    return Withheld(**{"query": query, "part": part, "reason": "does harm"} | more)  # type: ignore[arg-type]


def label(query: str) -> Label:
    return Label(
        query=query,
        tier="head",
        searches=3,
        understanding=Understanding(
            query=query,
            normalized=query,
            source="head",
            reason="precomputed",
            release="",
            categories=(Category(id="c", path=("C",), confidence=0.9),),
            rewrites=(Rewrite(query="other", type="synonym", confidence=0.5),),
        ),
        provenance=Provenance(model="m", prompt="p", key="k", context="x", dropped={}),
    )


def test_a_list_that_is_not_there_withholds_nothing(tmp_path: Path) -> None:
    assert read_withheld(tmp_path / "withheld.jsonl") == ()
    assert withheld_digest(()) == ""


def test_what_is_added_is_read_back_and_takes_the_place_of_the_same_part(tmp_path: Path) -> None:
    path = tmp_path / "withheld.jsonl"
    first = entry(loss=0.3, before=0.9, after=0.6, searches=12, origin="labels 1", date=date(2026, 1, 2))
    other = entry(part="rewrites")
    assert add_withheld(path, [other, first]) == (first, other)
    newer = entry("  SWITCH ", reason="still does")
    merged = add_withheld(path, [newer, entry("apple")])
    assert [(one.query, one.part, one.reason) for one in merged] == [
        ("apple", "categories", "does harm"),
        ("switch", "categories", "still does"),
        ("switch", "rewrites", "does harm"),
    ]
    assert read_withheld(path) == merged
    assert {file.name for file in tmp_path.iterdir()} == {"withheld.jsonl"}


def test_a_line_by_hand_needs_a_query_a_part_and_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "withheld.jsonl"
    path.write_text('\n{"query": "Laptop Case", "part": "rewrites", "reason": "sleeves are no cases"}\r\n\n')
    assert read_withheld(path) == (entry("laptop case", "rewrites", reason="sleeves are no cases"),)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", ":2: "),
        (b"\xff\xfe", ":2: "),
        (b"[]", ":2: "),
        (b'{"query": "a", "part": "spans", "reason": "r"}', ":2: part: "),
        (b'{"query": "a", "part": "rewrites"}', ":2: reason: "),
        (b'{"query": " . ", "part": "rewrites", "reason": "r"}', ":2: the query is empty"),
        (b'{"query": "a", "part": "rewrites", "reason": "r", "lost": 1}', ":2: lost: "),
        (b'{"query": "a", "part": "rewrites", "reason": "r", "loss": NaN}', ":2: loss: "),
        (b'{"query": "a", "part": "rewrites", "reason": "r", "searches": -1}', ":2: searches: "),
        (b"[" * 100_000, ":2: "),
    ],
)
def test_a_malformed_line_is_named_by_its_number_and_nothing_is_written(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "withheld.jsonl"
    good = json.dumps({"query": "b", "part": "rewrites", "reason": "r"}).encode()
    path.write_bytes(good + b"\n" + line + b"\n")
    for attempt in (lambda: read_withheld(path), lambda: add_withheld(path, [entry()])):
        with pytest.raises(UserError) as caught:
            attempt()
        assert f"{path}{says}" in str(caught.value)
        assert "mend or delete" in caught.value.hint
    assert path.read_bytes() == good + b"\n" + line + b"\n"


def test_a_list_that_is_a_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_withheld(tmp_path)


def test_what_is_taken_off_is_returned_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "withheld.jsonl"
    both, other = (entry(), entry(part="rewrites")), entry("apple")
    add_withheld(path, [*both, other])
    assert remove_withheld(path, "Switch", "rewrites") == (both[1],)
    assert remove_withheld(path, "switch") == (both[0],)
    assert remove_withheld(path, "switch") == ()
    assert read_withheld(path) == (other,)
    assert remove_withheld(path, "apple") == (other,)
    assert (path.read_bytes(), read_withheld(path)) == (b"", ())


def test_labels_lose_the_parts_that_are_withheld_and_no_others() -> None:
    labels = [label("switch"), label("apple"), label("pear"), label("plum")]
    listed = [entry(), entry("apple", "rewrites"), entry("plum"), entry("plum", "rewrites"), entry("nobody asked")]
    found = {one.query: one.understanding for one in withhold(labels, listed)}
    parts = {query: (len(answer.categories), len(answer.rewrites)) for query, answer in found.items()}
    assert parts == {"switch": (0, 1), "apple": (1, 0), "pear": (1, 1), "plum": (0, 0)}
    assert list(withhold(labels, ())) == labels


def test_the_digest_is_of_what_is_withheld_not_why() -> None:
    one, other = entry(), entry("apple", "rewrites")
    assert withheld_digest([one, other]) == withheld_digest([other, entry(reason="else", loss=0.1)])
    assert len({withheld_digest([one]), withheld_digest([entry(part="rewrites")]), withheld_digest([other])}) == 3
