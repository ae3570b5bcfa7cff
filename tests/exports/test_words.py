"""Words as an engine's tokenizer splits them; that it does so, test_lucene.py shows."""

from __future__ import annotations

import pytest

from release.exports.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ginger ale", ["ginger", "ale"]),
        ("t-shirt", ["t", "shirt"]),
        ("h&m", ["h", "m"]),
        ("levi's 501", ["levi's", "501"]),
        ("1.5 l", ["1.5", "l"]),
        ("1,5l", ["1,5l"]),
        ("1/2", ["1", "2"]),
        ("1% milk", ["1", "milk"]),
        ("6'", ["6"]),
        ("c++ #10 $5", ["c", "10", "5"]),
        ("crème", ["crème"]),
        ("冰淇淋7", ["冰", "淇", "淋", "7"]),
        ("アイス ice", ["アイス", "ice"]),
        ("हिन्दी", ["हिन्दी"]),
        ("iphoneเคส", ["iphone", "เคส"]),
        ("🥤", []),
        ("", []),
    ],
)
def test_words_are_parted_by_every_sign_that_is_not_within_one(text, words) -> None:
    assert list(words_of(text)) == words
