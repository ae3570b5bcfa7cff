"""One normal form for query text, offline and online alike."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_QUERY_LENGTH", "normalise"]

MAX_QUERY_LENGTH = 256
"""Characters of a query after normalisation; longer ones are refused online and quarantined offline."""

# Signs that say nothing about the need; NFKC would turn the first two into letters.
_MARKS = dict.fromkeys(map(ord, "™℠®©"), " ")
_ALIKE = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "″": '"', "‘": "'", "’": "'", "′": "'", "`": "'", "⁄": "/", "‐": "-", "‑": "-"}
    | {"–": "-", "—": " ", "−": "-", "×": "x"}
)
_MOST_MARKS = 30
_VULGAR = re.compile(r"(?<=\d)(?=[¼-¾⅐-⅞])")  # NFKC alone reads 1½ as 11/2
_UNSEEN = frozenset(("Cf", "Cs", "Co", "Cn"))
_PLAIN = re.compile(r"[a-z0-9 ]*").fullmatch


def normalise(text: str) -> str:
    """Return the one form under which a query is counted, stored and looked up.

    Unicode NFKC and case fold; runs of white space become one space; punctuation goes unless it carries meaning
    where it stands: ``1%``, ``c++``, ``50"``, ``6'``, ``h&m``, ``7-up``, ``1/2``, ``1.5``, ``$10``, ``#10``, ``levi's``
    stay. A lone ``&`` reads "and". Control, format and surrogate characters go.

    The function is idempotent and total: ``normalise(normalise(s)) == normalise(s)`` and no string makes it raise.
    """
    folded = text.lower() if text.isascii() else _fold(text)
    if _PLAIN(folded):
        return " ".join(folded.split())
    words = _strip(folded).split()
    if "&" in words:
        words = ["and" if word == "&" else word for word in words]
    return " ".join(words)


def _fold(text: str) -> str:
    # What cannot be seen goes first: a mark behind it would join the letter before it one call later.
    text = "".join(char for char in text.translate(_MARKS) if unicodedata.category(char) not in _UNSEEN)
    text = _VULGAR.sub(" ", text)
    # Case folding can denormalise and normalising can unfold; the pair settles in two or three rounds.
    for _ in range(4):
        safe = text if len(text) <= MAX_QUERY_LENGTH else _with_few_marks(text)
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", safe).casefold()).translate(_ALIKE)
        if folded == text:
            break
        text = folded
    return text


def _with_few_marks(text: str) -> str:
    """Return a text with 30 marks at most in a row, as the Stream-Safe Text Format has it (Unicode, UAX #15).

    To put n marks in order takes Python n * n steps.
    """
    kept, run = [], 0
    for char in text:
        run = run + 1 if unicodedata.combining(unicodedata.normalize("NFKD", char)[0]) else 0
        if run <= _MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _strip(text: str) -> str:
    text = text.replace("`", "'").replace("''", '"')
    kinds = [_kind(char) for char in text]
    kept = []
    for i, char in enumerate(text):
        if kinds[i] in "ads":
            kept.append(char)
        elif kinds[i] == "-":
            before = kinds[i - 1] if i else " "
            after = kinds[i + 1] if i + 1 < len(text) else " "
            # A run of pluses counts as its first does.
            carries = (
                kept[-1:] == ["+"] if text[i - 1 : i + 1] == "++" else _carries_meaning(char, before, after, text, i)
            )
            kept.append(char if carries else " ")
        elif kinds[i] == " ":
            kept.append(" ")
    return "".join(kept)


def _kind(char: str) -> str:
    """``d`` digit, ``a`` letter or mark, ``s`` symbol of its own meaning, ``-`` punctuation, space, ``x`` nothing."""
    if char.isdecimal():
        return "d"
    if char.isalnum():
        return "a"
    category = unicodedata.category(char)
    if category[0] == "M":
        return "a"
    if category in _UNSEEN:
        return "x"
    if category == "So":
        return "s"
    return " " if category[0] in "ZC" else "-"


def _carries_meaning(char: str, before: str, after: str, text: str, i: int) -> bool:
    word_before, word_after = before in "ad", after in "ad"
    if char in "-&'":
        return (word_before and word_after) or (char == "'" and before == "d") or _stands_alone(char, text, i)
    if char in "./,":
        return before == "d" and after == "d"
    if char in '%"°':
        return before == "d"
    if char == "+":
        return word_before
    if char == "#":
        return word_after or before == "a"
    return unicodedata.category(char) == "Sc" and (before == "d" or after == "d")


def _stands_alone(char: str, text: str, i: int) -> bool:
    """A lone ampersand between spaces means "and"."""
    return char == "&" and text[i - 1 : i].isspace() and text[i + 1 : i + 2].isspace()
