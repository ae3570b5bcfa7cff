"""Two sets of ideas for the same queries, grounded and put before a judge that is made here."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from domain.discovery.content import Idea, Ideas
from domain.label import read_labels
from domain.shop import open_shop
from prompts import Completion
from querywise.compare_ideas import compare_ideas
from querywise.limits import Limits


class JudgeByHand:
    """Finds potato chips right, and nothing else; it calls every idea a repetition."""

    model, api_base = "by-hand-judge", ""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def complete(self, request) -> Completion:
        text = request.messages[1]["content"]
        self.asked.append(text)
        items = re.findall(r'<item id="(i\d+)">\n(.*?)</item>', text, re.DOTALL)
        facets = {"in_line": True, "no_repeat": False, "no_filler": True}
        verdicts = [
            {"id": short, "reason": "", "role_right": "Potato Chips" in shown, **facets} for short, shown in items
        ]
        return Completion(key=request.key, content=json.dumps({"verdicts": verdicts}), model=self.model)


def ideas(*queries: str) -> Ideas:
    return Ideas(complements=tuple(Idea(label=query.capitalize(), query=query, why="") for query in queries))


@pytest.fixture(scope="module")
def shop(made, tools, tmp_path_factory):
    return open_shop(made.shop, work=tools.copy_work(made.work, tmp_path_factory.mktemp("compared") / "work"))


@pytest.fixture(scope="module")
def sides(shop):
    label = next(label for label in read_labels(shop.labels_file) if label.query == "ginger ale")
    return {
        "one": [replace(label, ideas=ideas("potato chips", "moon rocks"))],
        "other": [replace(label, ideas=ideas("dish soap"))],
    }


def test_both_sides_are_judged_together_and_a_repetition_is_nobodys_fault(shop, sides):
    judge = JudgeByHand()
    found = compare_ideas(shop, sides, judge=judge, limits=Limits())
    assert (found.judged, found.unscored, found.base, len(judge.asked)) == (2, 0, "one", 1)
    assert "Potato chips" in judge.asked[0] and "Dish soap" in judge.asked[0]
    rows = {(row.role, row.tier, row.side): row for row in found.figures}
    one, other = rows["complement", "all", "one"], rows["complement", "all", "other"]
    assert (one.precision.value, one.shown.value, one.right.value) == (1.0, 0.5, 1.0)
    assert (other.precision.value, other.gain.value) == (0.0, -1.0)
    assert "2 ideas judged" in found.text() and "| complement | no_product | 1 | 0 |" in found.text()


def test_without_a_judge_nobody_says_what_is_right(shop, sides):
    found = compare_ideas(shop, sides, judge=None, limits=Limits())
    assert found.judged == found.unscored == 0
    assert all(row.precision is None for row in found.figures) and "--judge MODEL" in found.text()


def test_queries_that_one_side_was_not_asked_are_left_out(shop, sides):
    found = compare_ideas(
        shop, sides | {"other": [replace(sides["other"][0], ideas=None)]}, judge=None, limits=Limits()
    )
    assert found.figures == () and "nobody judged" in found.text()
