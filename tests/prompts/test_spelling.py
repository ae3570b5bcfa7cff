"""Another spelling is a few letters away, word by word; another word is not."""

from __future__ import annotations

import pytest

from prompts.spelling import edits, is_respelling


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [("", "", 0), ("", "ab", 2), ("milk", "milk", 0), ("bleu", "blue", 1), ("kitten", "sitting", 3), ("ca", "abc", 3)],
)
def test_edits(a: str, b: str, count: int) -> None:
    # "bleu" -> "blue" swaps two letters; "ca" -> "abc" is 3 without a second edit of the same letters.
    assert edits(a, b) == edits(b, a) == count


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("avacado", "avocado", True),
        ("chiken breast", "chicken breast", True),
        ("glutenfree bread", "gluten free bread", True),
        ("oat meal", "oatmeal", True),
        ("la croix", "lacroix", True),
        ("hasbrowns", "hash browns", True),
        ("half n half", "half and half", True),
        ("poptarts", "pop-tarts", True),
        ("batterys", "batteries", True),
        ("batterys", "battery charger", False),
        ("tp", "toilet paper", False),
        ("windows", "windows 10", False),
        ("laptop", "laptop hp", False),
        ("chicken soup", "soup chicken", False),
        ("milk", "cola", False),
        ("red cup", "red", False),
        ("", "a", False),
        ("", "", True),
    ],
)
def test_respellings(query: str, text: str, expected: bool) -> None:
    assert is_respelling(query, text) == expected
