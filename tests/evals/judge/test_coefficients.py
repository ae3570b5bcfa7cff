from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from evals.judge.coefficients import Alpha, Kappa, Mean, coincidences, why_undefined
from evals.judge.table import tabulate

ONCE = np.ones((1, 1))

# One rater (rows) and another (columns) on 100 items of one query.
#        0   1   2 | sum
#   0   20   5   0 |  25
#   1   10  30   5 |  45
#   2    0   5  25 |  30
#  sum  30  40  30 | 100
TABLE = np.array([[[20.0, 5, 0], [10, 30, 5], [0, 5, 25]]])


def test_kappa_by_hand() -> None:
    # Observed agreement 75/100. By chance (25 * 30 + 45 * 40 + 30 * 30) / 100^2 = 3450 / 10000.
    # kappa = (0.75 - 0.345) / (1 - 0.345) = 0.405 / 0.655.
    assert Kappa(counts=TABLE, distance="nominal").under(ONCE) == pytest.approx(0.405 / 0.655, rel=1e-12)


def test_quadratic_kappa_by_hand() -> None:
    # Observed: 5 + 10 + 5 + 5 items one grade apart, none two apart: (25 * 1 + 0 * 4) / 100 = 0.25.
    # By chance: one apart 25 * 40 + 45 * 30 + 45 * 30 + 30 * 40 = 4900, two apart 25 * 30 + 30 * 30 = 1650,
    # so (4900 + 4 * 1650) / 100^2 = 1.15. kappa = 1 - 0.25 / 1.15 = 18 / 23.
    assert Kappa(counts=TABLE, distance="quadratic").under(ONCE) == pytest.approx(18 / 23, rel=1e-12)


def test_quadratic_kappa_of_two_grades_is_the_plain_one() -> None:
    counts = np.array([[[7.0, 3], [1, 9]]])
    plain, quadratic = (Kappa(counts=counts, distance=d).under(ONCE) for d in ("nominal", "quadratic"))
    # (16/20 - (10 * 8 + 10 * 12) / 400) / (1 - 0.5) = 0.6
    assert plain.tolist() == quadratic.tolist() == pytest.approx([0.6])


@pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn, which comes with the judge extra, is absent")
@pytest.mark.parametrize("levels", [2, 4])
def test_kappa_is_that_of_scikit_learn(levels: int) -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(levels)
    for _ in range(20):
        one = rng.integers(levels, size=60)
        other = np.where(rng.random(60) < 0.6, one, rng.integers(levels, size=60))
        counts = np.zeros((1, levels, levels))
        np.add.at(counts, (0, one, other), 1)
        for distance, weights in (("nominal", None), ("quadratic", "quadratic")):
            expected = cohen_kappa_score(one, other, labels=range(levels), weights=weights)
            assert Kappa(counts=counts, distance=distance).under(ONCE)[0] == pytest.approx(expected, abs=1e-12)


def test_a_query_drawn_twice_counts_twice_and_one_not_drawn_not_at_all() -> None:
    counts = np.concatenate([TABLE, np.array([[[3.0, 1, 1], [0, 2, 0], [1, 0, 9]]])])
    kappa = Kappa(counts=counts, distance="quadratic")
    drawn = kappa.under(np.array([[1.0, 0], [2, 0], [2, 1]]))
    assert drawn[:2] == pytest.approx([18 / 23, 18 / 23])
    assert drawn[2] == Kappa(counts=2 * counts[:1] + counts[1:], distance="quadratic").under(ONCE)
    assert kappa.only(np.array([0])).under(ONCE) == pytest.approx(18 / 23)
    assert kappa.judged == 2


def test_kappa_without_items_or_with_one_grade_is_nan() -> None:
    kappa = Kappa(counts=np.array([[[0.0, 0], [0, 0]], [[5, 0], [0, 0]]]), distance="nominal")
    assert np.isnan(kappa.under(np.eye(2))).all()
    assert kappa.judged == 1


def test_a_rater_with_one_grade_is_named() -> None:
    assert why_undefined(np.zeros((1, 2, 2))) == "no item has both grades"
    assert why_undefined(np.array([[[0.0, 0], [4, 6]]])) == "one of the two gives every item the grade 1"
    assert why_undefined(np.array([[[4.0, 0], [6, 0]]])) == "one of the two gives every item the grade 0"
    assert why_undefined(TABLE) == ""


def test_a_mean_leaves_out_what_a_resample_does_not_define() -> None:
    one_grade = np.array([[[5.0, 0], [0, 0]], [[0, 0], [0, 5]]])  # kappa 1 over both queries, none over either
    mixed = np.array([[[7.0, 3], [1, 9]], [[0, 0], [0, 0]]])  # 0.6 wherever the first query is drawn
    mean = Mean(parts=[Kappa(counts=c, distance="nominal") for c in (one_grade, mixed)])
    both, first, second = mean.under(np.array([[1.0, 1], [2, 0], [0, 2]]))
    assert (both, first) == pytest.approx((0.8, 0.6))
    assert np.isnan(second)
    assert mean.judged == 2
    assert np.isnan(Mean(parts=[]).under(ONCE)).all()


def test_nominal_alpha_by_hand(item) -> None:
    # Pairs (0,0) (0,0) (1,1) (0,1), and an item with one grade only, which says nothing. Each pair counts both ways:
    # coincidences 4, 2 and 1 + 1; five grades 0 and three grades 1 of eight.
    # Observed 2/8, expected 2 * 5 * 3 / (8 * 7) = 30/56: alpha = 1 - (1/4) / (30/56) = 8/15.
    one = [0, 0, 1, 0, 1]
    other = [0, 0, 1, 1]
    table = tabulate(
        "category",
        {
            name: {item(f"q{i}", task="category"): g for i, g in enumerate(grades)}
            for name, grades in (("one", one), ("other", other))
        },
    )
    counts = coincidences(table)
    assert counts.sum(axis=0).tolist() == [[4, 1], [1, 2]]
    assert Alpha(counts=counts, distance="nominal").under(np.ones((1, 5))) == pytest.approx(8 / 15)


def test_ordinal_alpha_by_hand(item) -> None:
    # Pairs (0,0) (0,1) (2,2) (1,2): grades 0, 1, 2 given 3, 2 and 3 times.
    # Distances: 0 to 1 (3/2 + 2/2)^2 = 6.25, 1 to 2 the same, 0 to 2 (3/2 + 2 + 3/2)^2 = 25.
    # Observed (2 * 6.25 + 2 * 6.25) / 8, expected 2 * (3*2*6.25 + 2*3*6.25 + 3*3*25) / (8 * 7) = 600 / 56.
    # alpha = 1 - (25 / 8) / (600 / 56) = 17 / 24.
    columns = {"one": (0, 0, 2, 1), "other": (0, 1, 2, 2)}
    table = tabulate("relevance", {n: {item(f"q{i}"): g for i, g in enumerate(gs)} for n, gs in columns.items()})
    assert Alpha(counts=coincidences(table), distance="ordinal").under(np.ones((1, 4))) == pytest.approx(17 / 24)


@pytest.mark.parametrize("task", ["relevance", "category"])
def test_resampled_alpha_is_the_librarys_on_the_queries_drawn(item, judge_extra, task) -> None:
    import krippendorff

    rng = np.random.default_rng(4)
    levels, distance = (4, "ordinal") if task == "relevance" else (2, "nominal")
    truth = rng.integers(levels, size=(12, 3))
    columns: dict[str, dict] = {"a": {}, "b": {}, "c": {}}
    for grades in columns.values():
        for query in range(12):
            for subject in range(3):
                if rng.random() < 0.8:
                    said = truth[query, subject] if rng.random() < 0.7 else rng.integers(levels)
                    grades[item(f"q{query:02d}", str(subject), task)] = int(said)
    table = tabulate(task, columns)
    weights = rng.multinomial(table.queries, np.full(table.queries, 1 / table.queries), size=5)
    drawn = Alpha(counts=coincidences(table), distance=distance).under(weights.astype(float))
    for row, value in zip(weights, drawn, strict=True):
        repeated = np.repeat(table.grades, row[table.query_of], axis=0)
        expected = krippendorff.alpha(repeated.T, value_domain=range(levels), level_of_measurement=distance)
        assert value == pytest.approx(expected, abs=1e-12)
