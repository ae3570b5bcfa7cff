"""What the tail borrows, as benchmarks draw and count it, and the pairs that a log was made with."""

from __future__ import annotations

import gzip

import pytest

from benchmarks.borrow_thresholds import Offered, read_right, threshold_table
from benchmarks.discovered.loans import Drawn, Loan
from benchmarks.discovery_pairs import Pair, drawn, read_pairs
from domain.discovery import Content
from domain.errors import UserError
from domain.understanding import Discovery, Rewrite
from domain.verdict import Item, Unscored, Verdict, write_verdicts
from release.borrow import LEAST_COSINE

SYNONYM = Item(task="rewrite", query="icecream", subject="synonym:gelato")
BROADER = Item(task="rewrite", query="icecream", subject="broader:dessert")


def idea(query):
    return Discovery(label=query.capitalize(), query=query, category_id="c", product_ids=("p",))


def loan(query, lender, cosine=0.9):
    content = Content(query=lender, substitutes=(idea("oat milk"), idea("tea")), complements=(idea("cookies"),))
    return Loan(query=query, cosine=cosine, content=content)


def test_what_is_asked_itself_is_not_lent():
    assert [one.query for one in loan("oatmilk", "milk").ideas("substitute")] == ["tea"]
    assert [one.query for one in loan("cookie", "milk").ideas("complement")] == []


def test_a_lender_that_says_less_lends_complements_alone():
    wider, same = loan("soy milk", "milk"), loan("milks", "milk")
    assert not wider.ideas("substitute") and [one.query for one in wider.kept_back] == ["oat milk", "tea"]
    assert [one.query for one in wider.ideas("complement")] == ["cookies"]
    assert len(same.ideas("substitute")) == 2 and not same.kept_back


def test_a_share_is_of_all_that_were_asked():
    found = Drawn(loans=(), asked=8, cosines=(0.5, 0.8, 0.79, 0.95))
    assert (found.share(0.5), found.share(0.8), found.share(0.96)) == (0.5, 0.25, 0.0)


def offered(kind, item, cosine):
    type_, _, query = item.subject.partition(":")
    return Offered(kind=kind, item=item, rewrite=Rewrite(query=query, type=type_, confidence=0.9), cosine=cosine)


def test_rows_are_cosines_that_change_anything_and_the_one_in_force():
    # Of synonyms 0.45 goes at 0.5 and 0.65 at 0.7; nothing else changes but at the bar, which has its row all the same.
    other = Item(task="rewrite", query="gelatto", subject="synonym:gelato")
    some = [offered("synonym", SYNONYM, 0.65), offered("synonym", other, 0.45), offered("broader", BROADER, 0.9)]
    rows = [line.strip("| ").split(" | ") for line in threshold_table(some, {SYNONYM: True, BROADER: False})[2:]]
    bar, wide = LEAST_COSINE["synonym"], LEAST_COSINE["broader"]
    assert rows == [
        ["synonym", "any", "2", "1", "1"],
        ["synonym", "0.5", "1", "1", "1"],
        ["synonym", f"{bar:g} (in force)", "1", "1", "1"],
        ["synonym", "0.7", "0", "0", "0"],
        ["broader", "any", "1", "1", "0"],
        ["broader", f"{wide:g} (in force)", "1", "1", "0"],
    ]


@pytest.mark.parametrize("name", ["kept.jsonl", "kept.jsonl.gz"])
def test_verdicts_are_read_and_what_has_none_is_left_out(tmp_path, name):
    def said(item, grade):
        return Verdict(item=item, grade=grade, facets={"keeps_need": True}, reason="", judge="j", repeat="", key="k")

    unscored = Unscored(
        item=Item(task="rewrite", query="tea", subject="broader:drinks"),
        kind="unparseable",
        detail="",
        judge="j",
        repeat="",
    )
    plain = tmp_path / "plain.jsonl"
    write_verdicts(plain, [said(SYNONYM, 1), said(BROADER, 0), unscored])
    data = plain.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert read_right(tmp_path / name) == {SYNONYM: True, BROADER: False}


@pytest.mark.parametrize("data", [b"{}\n", b"\x1f\x8bnothing", b"{"])
def test_what_holds_no_verdicts_is_refused(tmp_path, data):
    for name in ("kept.jsonl", "kept.jsonl.gz"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match="has no verdicts"):
            read_right(tmp_path / name)
    with pytest.raises(UserError, match="has no verdicts"):
        read_right(tmp_path / "none.jsonl")


def test_pairs_at_random_are_none_of_those_known():
    known = [
        Pair(category=name, query=query) for name, query in (("Pasta", "sauce"), ("Chips", "salsa"), ("Tea", "milk"))
    ]
    assert drawn(known[:1], 200) == drawn([], 200) == []
    others = drawn(known, 200)
    assert len(others) == 200 and not set(others) & set(known)
    assert {(one.category, one.query) for one in others} == {
        ("Pasta", "salsa"),
        ("Pasta", "milk"),
        ("Chips", "sauce"),
        ("Chips", "milk"),
        ("Tea", "sauce"),
        ("Tea", "salsa"),
    }


def test_pairs_are_read_in_normal_form(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("leaf,query\nLong Pasta,Pasta  Sauce\n")
    assert read_pairs(path) == [Pair(category="Long Pasta", query="pasta sauce")]
    path.write_text("a,b\n1,2\n")
    for wrong in (path, tmp_path / "none.csv"):
        with pytest.raises(UserError, match="cannot be read as pairs"):
            read_pairs(wrong)
