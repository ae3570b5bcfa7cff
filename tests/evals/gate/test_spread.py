from __future__ import annotations

import numpy as np
import pytest

from evals.gate.power import chance_of_showing, queries_to_show
from evals.gate.quantity import Quantity
from evals.gate.spread import Spread


def spread(*values: float) -> Spread:
    return Spread.of(np.array(values))


def share(right: int, of: int) -> Spread:
    return Spread.of(np.repeat([1.0, 0.0], [right, of - right]))


def test_one_right_and_one_wrong_by_hand() -> None:
    # Of three exponential weights (right, wrong, and the query added at 0) the share of the first is Beta(1, 2), whose
    # distribution function is 1 - (1 - x)^2.
    assert share(1, 2).below(0.5, worst=0.0) == pytest.approx(0.75, rel=1e-9)
    assert share(1, 2).above(0.5, best=1.0) == pytest.approx(0.75, rel=1e-9)
    assert share(1, 2).below(0.1, worst=0.0) == pytest.approx(0.19, rel=1e-9)


def test_one_half_by_hand() -> None:
    # The share of one weight of two is uniform: 0.5 times it is below 0.2 with probability 0.4.
    assert spread(0.5).below(0.2, worst=0.0) == pytest.approx(0.4, rel=1e-9)


def test_all_right_is_the_exact_binomial_test() -> None:
    # If a share of 0.85 were right, 30 of 30 would be right with probability 0.85^30.
    assert share(30, 30).below(0.85, worst=0.0) == pytest.approx(0.85**30, rel=1e-9)
    # 2 or fewer of 40 wrong: the sum of three binomial terms.
    exact = sum(ways * 0.2**k * 0.8 ** (40 - k) for k, ways in ((0, 1), (1, 40), (2, 780)))
    assert share(38, 40).below(0.8, worst=0.0) == pytest.approx(exact, rel=1e-9)
    assert share(2, 40).above(0.2, best=1.0) == pytest.approx(exact, rel=1e-9)


def test_no_query_differs_is_no_proof_that_none_would() -> None:
    # If 2% of the queries were lost, 100 would show none with probability 0.98^100 = 0.13; 200 with 0.018.
    assert Spread.of(np.zeros(100)).below(-0.02, worst=-1.0) == pytest.approx(0.98**100, rel=1e-6)
    assert Spread.of(np.zeros(200)).below(-0.02, worst=-1.0) == pytest.approx(0.98**200, rel=1e-6)


def test_probabilities_far_out_keep_their_digits() -> None:
    assert share(500, 500).below(0.1, worst=0.0) == 0.0 or share(500, 500).below(0.1, worst=0.0) < 1e-300
    assert share(200, 200).below(0.1, worst=0.0) == pytest.approx(1e-200, rel=1e-8)


def test_computed_is_what_drawing_gives() -> None:
    rng = np.random.default_rng(3)
    values = rng.choice([-1.0, -0.4, 0.0, 0.0, 0.0, 0.5, 1.0], size=150)
    weights = rng.exponential(size=(40_000, 151))
    for at in (-0.1, 0.0, 0.05):
        drawn = float(((weights @ (np.append(values, -1.0) - at)) < 0).mean())
        # Five standard errors of a share of 40,000.
        assert Spread.of(values).below(at, worst=-1.0) == pytest.approx(drawn, abs=0.0125)


def test_the_ends_of_the_scale_are_certain() -> None:
    assert share(3, 10).below(0.0, worst=0.0) == 0.0
    assert share(10, 10).below(1.0, worst=0.0) == 1.0
    assert share(0, 10).above(1.0, best=1.0) == 0.0
    assert spread(0.3, 0.3).below(0.3, worst=0.0) == 1.0


def test_interval_of_thirty_right_by_hand() -> None:
    # The lower end x has x^30 = 0.025: 0.8843. The upper end is that of the scale.
    assert share(30, 30).least(0.025, worst=0.0) == pytest.approx(0.025 ** (1 / 30), abs=1e-6)
    assert share(30, 30).most(0.025, best=1.0) == pytest.approx(1.0)


@pytest.mark.parametrize("right", [0, 1, 7, 20, 39, 40])
def test_interval_and_test_agree(right: int) -> None:
    low, high = share(right, 40).least(0.025, worst=0.0), share(right, 40).most(0.025, best=1.0)
    assert low <= right / 40 <= high
    if right:
        assert share(right, 40).below(low, worst=0.0) == pytest.approx(0.025, abs=1e-5)
    if right < 40:
        assert share(right, 40).above(high, best=1.0) == pytest.approx(0.025, abs=1e-5)


def test_moved_mean_takes_queries_to_an_end() -> None:
    # A mean of 0.2 becomes -0.1 where a quarter of the queries goes to -1: 0.75 * 0.2 - 0.25.
    moved = spread(0.2, 0.2).moved_to(-0.1, low=-1.0, high=1.0)
    assert moved.mean == pytest.approx(-0.1)
    assert moved.counts.tolist() == pytest.approx([1.5, 0.5])
    assert spread(0.2, 0.4).moved_to(0.3, low=-1.0, high=1.0).mean == pytest.approx(0.3)


def quantity(found: Spread, low: float = -1.0, high: float = 1.0) -> Quantity:
    return Quantity(value=found.mean, spread=found, judged=round(found.queries), low=low, high=high)


def test_labels_needed_where_nothing_differs_by_hand() -> None:
    # 0.98^n reaches 0.0125 at n = ln 0.0125 / ln 0.98 = 216.9.
    assert queries_to_show(quantity(Spread.of(np.zeros(100))), -0.02, alpha=0.0125) == 217


def test_labels_needed_are_about_those_of_a_normal_mean() -> None:
    # 10% win and 10% lose: deviation 0.447. (1.96 + 0.842) * 0.447 / sqrt(n) = 0.05 - 1 / n gives n = 667.
    found = Spread.of(np.repeat([1.0, -1.0, 0.0], [100, 100, 800]))
    assert queries_to_show(quantity(found), -0.05, alpha=0.025) == pytest.approx(667, rel=0.02)


def test_no_number_of_labels_settles_what_lies_on_the_bound() -> None:
    assert queries_to_show(quantity(share(17, 20), low=0.0), 0.85, alpha=0.025) is None
    assert queries_to_show(quantity(share(10, 20), low=0.0), 0.85, alpha=0.025) is None
    assert queries_to_show(quantity(share(8501, 10_000), low=0.0), 0.85, alpha=0.025) is None


def test_chance_of_showing_is_about_that_of_a_normal_mean() -> None:
    # As above with 667 queries: four times in five. 2,000 queries: (0.05 - 1 / 2000) / 0.01 - 1.96 = 2.99: 99.9%.
    found = Spread.of(np.repeat([1.0, -1.0, 0.0], [67, 67, 533]))
    assert chance_of_showing(quantity(found), -0.05, truth=0.0, alpha=0.025) == pytest.approx(0.80, abs=0.02)
    assert chance_of_showing(quantity(found.times(3)), -0.05, truth=0.0, alpha=0.025) > 0.99
    # On the bound it is the level.
    assert chance_of_showing(quantity(found), -0.05, truth=-0.05, alpha=0.025) == pytest.approx(0.025, abs=0.008)


def test_nothing_can_be_shown_with_a_handful() -> None:
    assert chance_of_showing(quantity(Spread.of(np.zeros(5))), -0.02, truth=0.0, alpha=0.025) == 0.0
