"""Parts of a page that programs write, the plot of a trade-off, and what is said of rules and scores."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.auroc import Auroc
from benchmarks.discovered.confidence import Scored, score_table, threshold_table
from benchmarks.discovered.page import put
from benchmarks.discovered.plot import drawing
from benchmarks.discovered.trade_off import Traded
from domain.discovery.diverse import TRADE_OFF
from domain.errors import UserError
from domain.verdict import Item
from evals.estimates import Estimate

CIRCLE = "{http://www.w3.org/2000/svg}circle"
ROOT = Path(__file__).parents[2]


def test_a_part_is_put_between_its_marks_and_again(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- one -->\nold\n<!-- end of one -->\n\nwords\n<!-- two -->\n<!-- end of two -->\n")
    put(page, "one", ["| a |", "|---|"])
    once = page.read_text()
    assert once == (
        "# Page\n\n<!-- one -->\n\n| a |\n|---|\n\n<!-- end of one -->\n\nwords\n<!-- two -->\n<!-- end of two -->\n"
    )
    put(page, "one", ["| a |", "|---|"])
    assert page.read_text() == once


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- one -->",
        "<!-- end of one -->",
        "<!-- end of one --> <!-- one -->",
        "<!-- one --> <!-- one --> <!-- end of one -->",
        "<!-- one --> <!-- end of one --> <!-- end of one -->",
    ],
)
def test_a_page_without_both_marks_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UserError, match="once each"):
        put(page, "one", ["x"])
    assert page.read_text() == text


def test_without_a_page_it_is_printed(capsys):
    put(None, "one", ["x", "y"])
    assert capsys.readouterr().out == "x\ny\n"


def test_every_part_of_the_page_has_its_marks():
    page = (ROOT / "docs" / "discovered.md").read_text()
    marks = ["discovery of demo-grocery", "discovery of electronics", "borrowed content", "borrowed beside no LLM"]
    for mark in (*marks, "known pairs", "bought together"):
        assert page.count(f"<!-- {mark} -->") == page.count(f"<!-- end of {mark} -->") == 1


def estimate(value, around=0.05):
    return Estimate(value=value, low=value - around, high=value + around, queries=9)


def traded(trade_off, precision, diversity, coverage, queries=20):
    return Traded(
        role="complement",
        trade_off=trade_off,
        queries=queries,
        precision=estimate(precision),
        diversity=estimate(diversity),
        coverage=estimate(coverage),
        precision_lost=None,
        diversity_won=None,
    )


def test_points_lie_at_diversity_and_share_right():
    # Precision from 0.75 to 1.0 is drawn from 0.7 to 1.0, diversity from 0.55 to 0.75 from 0.5 to 0.8, coverage from
    # 0.45 to 0.55 from 0.4 to 0.6; panels are 240 wide and high, the first begins at 66, 34, the second 314 further on.
    svg = drawing([traded(0.0, 0.8, 0.7, 0.5), traded(TRADE_OFF, 0.95, 0.6, 0.5)])
    dots = [(float(d.attrib["cx"]), float(d.attrib["cy"])) for d in ElementTree.fromstring(svg).iter(CIRCLE)]
    low, high = round(34 + (1 - 1 / 3) * 240, 1), round(34 + (1 - 2.5 / 3) * 240, 1)
    assert dots == [(226.0, low), (146.0, high), (500.0, low), (500.0, high)]
    taken = [d.attrib["class"] for d in ElementTree.fromstring(svg).iter(CIRCLE)]
    assert taken == ["dot", "dot taken", "dot", "dot taken"]


def test_points_at_one_place_share_a_label_and_the_one_that_is_taken_lies_on_top():
    svg = drawing([traded(TRADE_OFF, 0.95, 0.6, 0.5), traded(1.0, 0.95, 0.6, 0.5), traded(0.0, 0.8, 0.7, 0.5)])
    texts = [text.text for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("0.7, 1") == 2
    dots = [d.attrib["class"] for d in ElementTree.fromstring(svg).iter(CIRCLE)]
    assert dots[:3] == ["dot", "dot", "dot taken"]


def test_nothing_is_drawn_of_nothing():
    assert not list(ElementTree.fromstring(drawing([])).iter(CIRCLE))
    assert not list(ElementTree.fromstring(drawing([traded(0.0, 0.8, 0.7, 0.5, queries=9)])).iter(CIRCLE))


def test_the_area_counts_pairs_ties_half_and_draws_queries_whole():
    # Right: 0.9, 0.5 of query 0; wrong: 0.5 of query 0, 0.7 of query 1. Pairs won: 1, 0.5; 1, 0: 2.5 of 4.
    area = Auroc.of(
        np.array([0.9, 0.5, 0.5, 0.7]), np.array([True, True, False, False]), np.array([0, 0, 0, 1]), queries=2
    )
    assert area.under(np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])).tolist()[:2] == [0.625, 0.75]
    assert np.isnan(area.under(np.array([[0.0, 1.0]])))[0]
    assert area.judged == 2


def ideas(count, right):
    return [
        Scored(
            role="complement",
            query=f"q{i}",
            item=Item(task="complement", query=f"q{i}", subject="c:x"),
            right=right(i),
            scores={"meaning of idea and titles": 1 - i / count, "nothing": 0.5},
        )
        for i in range(count)
    ]


def test_a_score_that_tells_has_a_threshold_and_one_that_does_not_has_none():
    # The surer half is right, the other wrong: half of the queries by a hash show that, and the others bear it out.
    some = ideas(400, lambda i: i < 200)
    rows = [line.split(" | ") for line in score_table(some)[2:]]
    assert [row[3:] for row in rows] == [
        ["meaning of idea and titles", "1.000 [1.000, 1.000] |"],
        ["nothing", "0.500 [0.500, 0.500] |"],
    ]
    told = {line.split(" | ")[1]: line.split(" | ")[2:] for line in threshold_table(some)[2:]}
    assert float(told["0.9"][0]) == pytest.approx(0.5, abs=0.06)
    assert float(told["0.9"][1].split()[0]) > 0.85
    blind = {line.split(" | ")[1]: line.split(" | ")[2] for line in threshold_table(some, "nothing")[2:]}
    assert blind == {"none": "–", "0.8": "–", "0.85": "–", "0.9": "–", "0.95": "–"}


def test_where_all_are_right_nothing_is_told_of_scores():
    assert len(score_table(ideas(10, lambda _: True))) == 2
