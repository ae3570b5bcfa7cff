from __future__ import annotations

import pytest

from evals.judge import judged, tally


def test_the_last_word_on_an_item_counts(verdicts, item) -> None:
    said = verdicts({item("a"): None, item("b"): 1}) + verdicts({item("a"): 2, item("b"): None})
    found = judged(said)
    assert found.grades == {item("a"): 2}
    assert found.unscored == {item("b")}
    assert (found.tally.scored, found.tally.unscored, found.tally.unscored_share) == (1, {"refused": 1}, 0.5)


def test_nothing_is_no_share(verdicts) -> None:
    assert tally([]).unscored_share == 0


def test_twenty_thousand_verdicts_are_counted_at_once(verdicts, item) -> None:
    many = verdicts({item(f"q{n}"): None if n % 10 == 0 else 1 for n in range(20_000)})
    assert tally(many).unscored_share == pytest.approx(0.1)
