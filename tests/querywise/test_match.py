"""`match` on the tiny shop: what is asked, what is learnt, and when the filter has to be trained anew."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from distill.match import CARD, NoMatchLessons  # noqa: E402
from domain.errors import StageMissing, UserError  # noqa: E402
from domain.shop import open_shop  # noqa: E402
from domain.verdict import Item, Verdict, write_verdicts  # noqa: E402
from querywise.content import match_of
from querywise.match import app, match_pairs, match_shop, match_stands  # noqa: E402
from querywise.run import _match as train_filter  # noqa: E402
from release.match import Matcher, Offer  # noqa: E402
from release.student import Student  # noqa: E402
from release.student.model import MODEL  # noqa: E402

THINGS = ("soda", "cake", "powder", "jam", "tonic", "vinegar")
KEEPS_ITS_WORD = [f"{word} {thing}" for word in ("orange", "apple", "grape", "humm") for thing in THINGS]


@pytest.fixture
def shop(made, tmp_path):
    """The tiny shop's folder and work, to be changed, without verdicts or a student."""
    folder, work = tmp_path / "shop", tmp_path / "work"
    shutil.copytree(made.shop, folder)
    shutil.copytree(made.work, work, ignore=shutil.ignore_patterns("releases", "student", "*.onnx", "verdicts"))
    shutil.copyfile(made.work / "index" / "encoder.onnx", work / "index" / "encoder.onnx")
    return open_shop(folder, work=work)


def judged(shop, queries=KEEPS_ITS_WORD, name="a"):
    """Write verdicts: what holds the first word of the query is good."""
    lines = (shop.folder / "products.jsonl").read_text().splitlines()
    titles = {row["product_id"]: row["title"] for row in map(json.loads, lines)}
    verdicts = [
        Verdict(
            item=Item(task="relevance", query=query, subject=product),
            grade=3 * (query.split()[0] in title.lower()),
            facets={},
            reason="",
            judge=name,
            repeat="",
            key="",
        )
        for query in queries
        for product, title in titles.items()
    ]
    write_verdicts(shop.work / "verdicts" / "relevance" / f"{name}.jsonl", verdicts)
    return len(titles)


def test_pairs_are_of_products_and_queries_of_the_shop_and_each_is_there_once(shop):
    pairs = match_pairs(shop, queries=6)
    asked = list(dict.fromkeys(pair.query for pair in pairs))
    # One of the head and two of the torso are due; what the tail lacks nobody makes up, for no cake is sold here.
    assert 3 <= len(asked) <= 6
    assert not [query for query in asked if "cake" in query or "lamp" in query]
    assert len(set(pairs)) == len(pairs) == 10 * len(asked)
    assert pairs == match_pairs(shop, queries=6) != match_pairs(shop, queries=6, seed=1)


def test_no_pair_is_of_a_query_that_people_judged_or_of_one_that_is_nearly_the_same(shop):
    every = {pair.query for pair in match_pairs(shop, queries=60)}
    assert {"kombucha", "ginger ale", "chips"} <= every
    (shop.folder / "judgements.csv").write_text(
        "query,product_id,rating,rater\nKombuchas,kombucha1,3,a\nGingerale,ginger1,3,a\n"
    )
    left = {pair.query for pair in match_pairs(shop, queries=60)}
    assert left.isdisjoint(("kombucha", "ginger ale")) and "chips" in left


def test_the_command_writes_what_judge_reads(shop, tmp_path):
    output = tmp_path / "pairs.csv"
    given = ["pairs", str(shop.folder), "--work", str(shop.work), "--queries", "3", "-o", str(output), "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = json.loads(result.stdout)
    assert (said["pairs"], said["queries"]) == (len(rows), len({row["query"] for row in rows}))
    assert rows[0].keys() == {"query", "product_id"}


def test_a_filter_is_trained_beside_the_student_and_anew_where_something_has_changed(shop, teach):
    teach(shop.student, shop.load_taxonomy())
    assert match_stands(shop)  # nobody judged anything
    assert match_of(shop) is None
    products = judged(shop)
    assert not match_stands(shop)
    result = CliRunner().invoke(app, ["train", str(shop.folder), "--work", str(shop.work), "--json"])
    assert result.exit_code == 0, result.output
    card = json.loads(result.stdout)
    # One line of the catalogue is of no product that ingest accepts.
    assert (card["queries"], card["good"] + card["bad"], card["unscored"]) == (24, 24 * (products - 1), 24)
    assert match_stands(shop)
    matcher = Matcher(shop.student, Student(shop.student, shop.load_taxonomy()))
    good, bad = matcher.chances([Offer(query="lemon soap", text=text) for text in ("Lemon Soap", "Protein Bar")])
    assert good > bad
    in_content = match_of(shop)
    assert in_content is not None
    offers = [Offer(query="lemon soap", text=text, category_id="soap") for text in ("Lemon Soap", "Protein Bar")]
    assert in_content("lemon soap", "soap", ["Lemon Soap", "Protein Bar"]) == matcher.keep(offers)
    judged(shop, KEEPS_ITS_WORD[:3], "b")
    assert not match_stands(shop)
    match_shop(shop)
    assert match_stands(shop)
    (shop.student / MODEL).write_bytes((shop.student / MODEL).read_bytes() + b"\0")
    assert not match_stands(shop)


def test_a_run_trains_the_filter_anew_as_it_was_trained_before(shop, teach):
    teach(shop.student, shop.load_taxonomy())
    judged(shop)
    given = ["train", str(shop.folder), "--work", str(shop.work), "--cost", "0.4", "--seed", "5", "--json"]
    before = json.loads(CliRunner().invoke(app, given).stdout)
    # Nothing is forgotten by a try with too little, nor with a new student.
    aside = shop.work / "verdicts.aside"
    (shop.work / "verdicts").rename(aside)
    with pytest.raises(NoMatchLessons):
        match_shop(shop)
    aside.rename(shop.work / "verdicts")
    shutil.rmtree(shop.student)
    teach(shop.student, shop.load_taxonomy())
    assert not match_stands(shop)
    train_filter(shop)
    assert match_stands(shop)
    assert json.loads((shop.student / CARD).read_text()) == before
    assert match_shop(shop).threshold < before["threshold"], "which the defaults would not have given"


def test_what_people_judged_teaches_nothing(shop, teach):
    teach(shop.student, shop.load_taxonomy())
    products = judged(shop)
    (shop.folder / "judgements.csv").write_text("query,product_id,rating,rater\nApple Sodas,juice1,3,a\n")
    card = match_shop(replace(shop))
    assert card.judged_by_people == products


def test_without_a_student_or_verdicts_there_is_no_filter(shop, teach):
    judged(shop)
    with pytest.raises(StageMissing, match="there is no student"):
        match_shop(shop)
    teach(shop.student, shop.load_taxonomy())
    shutil.rmtree(shop.work / "verdicts")
    with pytest.raises(UserError, match="0 queries with 0 good and 0 bad matches teach no filter"):
        match_shop(shop)
    (shop.work / "verdicts" / "relevance").mkdir(parents=True)
    (shop.work / "verdicts" / "relevance" / "a.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match="holds something that is no verdict"):
        match_shop(shop)
