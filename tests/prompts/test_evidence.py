"""What cannot be seen does not reach a prompt; `test_teacher.py` has the rest of quoting."""

from __future__ import annotations

import pytest

from prompts.evidence import quote


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        # Selectors of variants, of either plane and Mongolian; joiners and fillers: gone, and the word is whole.
        ("m\ufe00i\ufe0fl\U000e0100k\U000e01ef", "milk"),
        ("m\u180bi\u180dl\u180fk", "milk"),
        ("m\u034fi\u115fl\u1160k\u17b4\u17b5", "milk"),
        ("❤️", "❤"),
        # Blanks of any name are a space.
        ("a\u2800b\u3164c\uffa0d", "a b c d"),
        ("\u3164\u2800", ""),
        # What is seen stays, also what stands beside those in the tables.
        ("ᠠ ក ᄀ ㅣ ᅡ ⠁", "ᠠ ក ᄀ ㅣ ᅡ ⠁"),
        ("naïve cafe\u0301", "naïve cafe\u0301"),
    ],
)
def test_what_is_not_seen_is_not_quoted(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_what_is_not_seen_takes_no_room() -> None:
    assert quote("\ufe0f" * 500 + "milk", longest=4) == "milk"
