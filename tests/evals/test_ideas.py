"""Measures of discovery content, worked by hand."""

from __future__ import annotations

from domain.verdict import Item
from evals.ideas import IdeaFigures, IdeasShown, ideas_table, measure_ideas


def item(query: str, name: str) -> Item:
    return Item(task="complement", query=query, subject=f"c:{name}")


def shown(query: str, names: str, *, proposed: int, tier: str = "head", fresh: int = 0, diversity: float | None = None):
    return IdeasShown(
        query=query,
        tier=tier,
        role="complement",
        proposed=proposed,
        items=tuple(item(query, name) for name in names),
        products=2 * len(names),
        fresh=fresh,
        diversity=diversity,
    )


def values(of: IdeaFigures) -> list[float | None]:
    estimates = (of.any, of.shown, of.precision, of.right, of.gain, of.fresh, of.diversity)
    return [of.queries, *(estimate and estimate.value for estimate in estimates)]


SIDES = {
    "b": [
        shown("milk", "xy", proposed=4, fresh=3, diversity=0.5),
        shown("cola", "", proposed=0, tier="torso"),
    ],
    "base": [
        shown("milk", "y", proposed=2, fresh=0),
        shown("cola", "z", proposed=2, tier="torso", fresh=2),
    ],
}
VERDICTS = {item("milk", "x"): True, item("milk", "y"): False, item("cola", "z"): True}


def test_every_measure_is_of_the_queries_it_is_over() -> None:
    found = {(one.tier, one.side): one for one in measure_ideas(SIDES, VERDICTS, base="base")}
    assert set(found) == {(tier, side) for tier in ("all", "head", "torso") for side in SIDES}
    # Queries; any: 1 of 2; shown: 2 of 4; right of judged: x of x, y; right a query: 1 of 2; the base has as many;
    # new products: 3 of 4; diversity.
    assert values(found["all", "b"]) == [2, 0.5, 0.5, 0.5, 0.5, 0.0, 0.75, 0.5]
    # 2 of 2; 2 of 4; z of y, z; 1 of 2; the base itself; 2 of 4; no list of two.
    assert values(found["all", "base"]) == [2, 1.0, 0.5, 0.5, 0.5, None, 0.5, None]
    # Of one query there is no doubt: it is one right idea more than the base has.
    assert values(found["head", "b"]) == [1, 1.0, 0.5, 0.5, 1.0, 1.0, 0.75, 0.5]
    # Nothing was proposed, so no share of it is shown; nothing shown can be wrong.
    assert values(found["torso", "b"]) == [1, 0.0, None, None, 0.0, -1.0, None, None]


def test_what_nobody_judged_is_neither_right_nor_wrong() -> None:
    less = {one: right for one, right in VERDICTS.items() if one != item("milk", "y")}
    found = {(one.tier, one.side): one for one in measure_ideas(SIDES, less, base="base")}
    assert values(found["all", "b"])[3] == 1.0
    assert values(found["head", "base"])[3:5] == [None, None]


def test_the_table_has_a_row_for_each_kind_tier_and_side() -> None:
    lines = ideas_table(measure_ideas(SIDES, VERDICTS, base="base"), base="base")
    assert len(lines) == 2 + 2 * 3
    assert lines[4].startswith("| complement | head | b | 1 | 1.000 [1.000, 1.000] | 0.500 [0.500, 0.500] |")
    assert lines[4].endswith("| **+1.000 [+1.000, +1.000]** | 0.750 | 0.500 |")
    assert lines[5].endswith("| – | 0.000 | – |")
