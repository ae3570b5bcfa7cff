from __future__ import annotations

import pytest

from domain.errors import UserError
from evals.judge import self_consistency

pytestmark = pytest.mark.usefixtures("judge_extra")


def test_repeats_by_hand(verdicts, item) -> None:
    # A 2 2 2; B 0 1 0; C 3 0 and once unscored; D scored once only, which says nothing.
    # Same: 1 of 3. Pairs that differ: A 0/3, B 2/3, C 1/1: mean 5/9. Apart: A 0, B 2/3, C 3: mean 11/9.
    a, b, c, d = (item(name) for name in "abcd")
    said = (
        verdicts({a: 2, b: 0, c: 3, d: 1})
        + verdicts({a: 2, b: 1, c: 0, d: None}, repeat="1")
        + verdicts({a: 2, b: 0, c: None, d: None}, repeat="2")
    )
    found = self_consistency(said)
    assert (found.judge, found.repeats, found.items) == ("judge", 3, 3)
    assert found.same.value == pytest.approx(1 / 3)
    assert found.flips.value == pytest.approx(5 / 9)
    assert found.apart.value == pytest.approx(11 / 9)
    assert [(one.item, one.grades) for one in found.unsteady] == [(c, (1, 0, 0, 1)), (b, (2, 1, 0, 0))]
    assert {repeat: tally.unscored for repeat, tally in found.tallies.items()} == {
        "": {},
        "1": {"refused": 1},
        "2": {"refused": 2},
    }


def test_alpha_between_repeats_by_hand(verdicts, own_queries) -> None:
    # The pairs of the ordinal alpha worked in test_coefficients.py: 17/24.
    said = verdicts(own_queries([0, 0, 2, 1])) + verdicts(own_queries([0, 1, 2, 2]), repeat="again")
    assert self_consistency(said).alpha.estimate.value == pytest.approx(17 / 24)


def test_a_judge_that_never_wavers_has_nothing_unsteady(verdicts, own_queries) -> None:
    found = self_consistency(verdicts(own_queries([0, 3])) + verdicts(own_queries([0, 3]), repeat="1"))
    assert (found.same.value, found.flips.value, found.apart.value, found.unsteady) == (1, 0, 0, ())
    assert found.alpha.estimate.value == 1


def test_repeats_without_a_common_item_say_nothing(verdicts, item) -> None:
    found = self_consistency(verdicts({item("a"): 1}) + verdicts({item("b"): 1}, repeat="1"))
    assert found.items == 0
    assert found.same is found.flips is found.apart is None
    assert found.alpha.undefined == "no item has two grades"


def test_what_are_no_repeats_is_refused(verdicts, own_queries) -> None:
    once = verdicts(own_queries([1, 2]))
    for said, what in (
        ([], "one repeat"),
        (once, "one repeat"),
        (once + verdicts(own_queries([1, 2]), judge="b", repeat="1"), "several judges"),
        (once + verdicts(own_queries([1], "category"), repeat="1"), "task"),
    ):
        with pytest.raises(UserError, match=what):
            self_consistency(said)
