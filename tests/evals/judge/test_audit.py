from __future__ import annotations

import numpy as np
import pytest

from domain.errors import UserError
from evals.judge import audit


def test_shift_and_changes_by_hand(verdicts, item) -> None:
    # Query a has two items, b one: shifts +1, 0 and -1. Mean 0, changed 2/3.
    before = {item("a", "1"): 1, item("a", "2"): 2, item("b", "1"): 3}
    after = {item("a", "1"): 2, item("a", "2"): 2, item("b", "1"): 2}
    effect = audit(verdicts(before), {"order": verdicts(after)}, draws=500).effects[0]
    assert (effect.perturbation, effect.items, effect.queries, effect.lost) == ("order", 3, 2, 0)
    assert (effect.shift.value, effect.changed.value) == pytest.approx((0, 2 / 3))
    # Drawn twice, query a shifts by 1/2, query b by -1, and both by 0.
    assert (effect.shift.low, effect.shift.high) == (-1, 0.5)
    assert effect.finding == "no_effect_shown"
    assert effect.noise is effect.excess is effect.beyond_noise is None


def test_six_queries_show_an_effect_and_five_do_not(verdicts, own_queries) -> None:
    for queries, finding in ((5, "no_effect_shown"), (6, "effect")):
        before, after = verdicts(own_queries([1] * queries)), verdicts(own_queries([2] * queries))
        effect = audit(before, {"praise": after}).effects[0]
        assert (effect.shift.low, effect.shift.high) == (1, 1)
        assert effect.finding == finding


def test_changes_are_held_against_those_of_a_plain_repeat(verdicts, own_queries) -> None:
    # 40 items: the repeat changes 4 of them; masked names change 5, praise changes 24.
    before = [1] * 40
    repeat = verdicts(own_queries([2] * 4 + [1] * 36), repeat="1")
    masked = verdicts(own_queries([1] * 20 + [0, 2, 0, 2, 0] + [1] * 15))
    praise = verdicts(own_queries([1] * 16 + [2] * 24))
    found = audit(verdicts(own_queries(before)), {"masked": masked, "praise": praise}, repeat=repeat)
    first, second = found.effects
    assert (first.changed.value, first.noise.value, first.excess.value) == pytest.approx((5 / 40, 4 / 40, 1 / 40))
    assert (first.finding, first.beyond_noise) == ("no_effect_shown", "no_effect_shown")
    assert (second.shift.value, second.excess.value) == pytest.approx((24 / 40, 20 / 40))
    assert (second.finding, second.beyond_noise) == ("effect", "effect")


def test_items_that_a_perturbation_leaves_unscored_are_counted(verdicts, item) -> None:
    before = {item("a"): 1, item("b"): 2, item("c"): None, item("d"): 2}
    after = {item("a"): 1, item("b"): None, item("c"): None}  # d was not asked about
    effect = audit(verdicts(before), {"praise": verdicts(after)}).effects[0]
    assert (effect.items, effect.lost) == (1, 1)


def test_no_item_in_common_is_no_effect(verdicts, item) -> None:
    effect = audit(verdicts({item("a"): 1}), {"order": verdicts({item("b"): 1})}).effects[0]
    assert (effect.items, effect.queries, effect.shift, effect.changed) == (0, 0, None, None)
    assert effect.finding == "no_effect_shown"


def test_one_effect_in_twenty_is_found_where_there_is_none(verdicts, item) -> None:
    # 40 queries of three items that move together, as often up as down. Of 300 audits 5% are to find an effect;
    # one standard error is sqrt(0.05 * 0.95 / 300) = 0.0126, and three of them are allowed.
    rng = np.random.default_rng(11)
    items = [item(f"q{q:02d}", str(s)) for q in range(40) for s in range(3)]
    before = verdicts(dict.fromkeys(items, 1))
    found = 0
    for seed in range(300):
        moves = np.repeat(rng.integers(-1, 2, size=40), 3)
        after = verdicts({i: 1 + int(move) for i, move in zip(items, moves, strict=True)})
        found += audit(before, {"none": after}, draws=200, seed=seed).effects[0].finding == "effect"
    assert 0.05 - 0.038 < found / 300 < 0.05 + 0.038


def test_what_cannot_be_compared_is_refused(verdicts, own_queries) -> None:
    one = verdicts(own_queries([1, 2]))
    for perturbed, what in (
        ({}, "no perturbation"),
        ({"order": []}, "no verdict"),
        ({"order": verdicts(own_queries([1], "category"))}, "is of the task"),
    ):
        with pytest.raises(UserError, match=what):
            audit(one, perturbed)
