from __future__ import annotations

import math

import pytest

from evals import Case
from evals.ranking import ndcg


def case(categories: tuple[str, ...] | None, acceptable: tuple[str, ...] = ()) -> Case:
    return Case(query="q", normalized="q", categories=categories, acceptable=acceptable)


# Discounts: rank 1 is worth 1, rank 2 1 / log2(3) = 0.6309, rank 3 1 / log2(4) = 0.5.
@pytest.mark.parametrize(
    ("categories", "acceptable", "given", "expected"),
    [
        pytest.param(("a",), (), ["a"], 1.0, id="first"),
        pytest.param(("a",), (), ["x", "a"], 0.6309, id="second: 0.6309 / 1"),
        pytest.param(("a",), (), ["x", "y", "a"], 0.5, id="third: 0.5 / 1"),
        pytest.param(("a",), (), ["x", "y", "z", "a"], 0.0, id="below the cut"),
        pytest.param(("a",), (), ["a", "x", "y"], 1.0, id="what is wrong below what is right costs nothing"),
        pytest.param(("a", "b"), (), ["b"], 0.6131, id="1 / (1 + 0.6309)"),
        pytest.param(("a",), ("b",), ["b", "a"], 0.8597, id="(0.5 + 0.6309) / (1 + 0.5 * 0.6309)"),
        pytest.param(("a",), ("b",), ["a"], 0.7602, id="1 / (1 + 0.5 * 0.6309)"),
        pytest.param(("a",), ("b",), ["b"], 0.3801, id="0.5 / (1 + 0.5 * 0.6309)"),
        pytest.param(("a",), ("a",), ["a"], 1.0, id="expected and acceptable is expected"),
        pytest.param(("a", "b", "c", "d"), (), ["d", "c", "b"], 1.0, id="more are expected than count"),
        pytest.param(("a",), (), [], 0.0, id="an abstention that nobody asked for"),
        pytest.param((), ("a",), ["a"], None, id="an abstention is expected"),
        pytest.param(None, (), ["a"], None, id="not labelled"),
    ],
)
def test_ndcg_by_hand(
    categories: tuple[str, ...] | None, acceptable: tuple[str, ...], given: list[str], expected: float | None
) -> None:
    assert ndcg(case(categories, acceptable), given) == (
        None if expected is None else pytest.approx(expected, abs=5e-5)
    )


def test_the_discount_is_a_logarithm() -> None:
    assert ndcg(case(("a",)), ["x"] * 6 + ["a"], cut=10) == pytest.approx(1 / math.log2(8))
