"""A bound keeps the share of accepted pairs that it was asked to keep."""

from __future__ import annotations

import pytest

from prompts.bounds import DEFAULT_BOUNDS, LearntBound, learn_bounds

# 0.10, 0.11, ... 0.59: fifty pairs.
FIFTY = [0.1 + i / 100 for i in range(50)]


def test_the_highest_bound_that_keeps_enough() -> None:
    learnt = learn_bounds({"synonym": FIFTY}, [0.05, 0.15, 0.5, 0.0], keep=0.9)["synonym"]
    # One pair in ten may go. The 10% quantile of fifty is at position 4.9, taken downwards 4: the value 0.14. 46 of 50
    # are not below it, and two of the four random pairs.
    assert learnt == LearntBound(least=0.14, pairs=50, kept=0.92, random_kept=0.5, pooled=False)


def test_a_type_with_few_pairs_takes_the_bound_of_all() -> None:
    learnt = learn_bounds({"synonym": FIFTY, "broader": [0.01] * 9}, [], keep=0.9)
    # 59 pairs, nine of them at 0.01: the 10% quantile is at position 5.8, among those.
    assert (learnt["broader"].least, learnt["broader"].pairs, learnt["broader"].pooled) == (0.01, 59, True)
    assert (learnt["synonym"].least, learnt["synonym"].pooled) == (0.14, False)
    assert learnt["spelling"] == learnt["substitute"] == learnt["broader"]


def test_keeping_all_keeps_the_least_pair() -> None:
    assert learn_bounds({"spelling": [0.337] * 3 + [0.9] * 9}, [], keep=1.0)["spelling"].least == 0.33


def test_without_pairs_there_is_nothing_to_learn() -> None:
    with pytest.raises(ValueError, match="no accepted pair"):
        learn_bounds({}, [0.1])


def test_a_bound_is_found_by_type() -> None:
    assert DEFAULT_BOUNDS.of("synonym") == DEFAULT_BOUNDS.synonym
