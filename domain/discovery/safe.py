"""What may be put before shoppers as a text of the shop's: words, and none that are blocked.

What a model proposes is read as hostile: markup, addresses, control characters and text that talks to a machine are
refused, as the log's queries with control characters are and rewrites with such.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from domain.text import MAX_QUERY_LENGTH, normalise

__all__ = ["Blocklist", "Unsafe", "built_in_words"]

Unsafe = Literal["no_words", "too_long", "unseen_characters", "markup", "address", "prompt_like", "blocked"]

_UNSEEN: Final = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
_TURNS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the direction of writing
_MARKUP: Final = re.compile(
    r"[<>{}\[\]|\\^~]|&(?:#\d+|#x[0-9a-f]+|[a-z]+);|%[0-9a-f]{2}|```|\*\*|--|/\*|=\s*[\"']", re.I
)
_ADDRESS: Final = re.compile(
    r"\w+://|\bwww\.|\bmailto:|\bjavascript:|\bdata:|[\w.+-]+@[\w-]+\.|"
    r"\b[\w-]+\.(?:com|net|org|info|biz|shop|store|online|site|xyz|io|ru|cn|de|fr|uk|eu)\b",
    re.I,
)
_PROMPT_LIKE: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instructions?|prompts?|rules?|above|previous|prior)\b|"
    r"\b(?:system|developer) (?:prompt|message|instruction)s?\b|\b(?:jailbreak|prompt injection)\b|"
    r"^\s*(?:system|assistant|user|human|developer)\s*:|\bas an ai\b|\blanguage model\b|\byou are (?:now|an?)\b|"
    r"\b(?:i'm|i am) (?:sorry|unable)\b",
    re.I,
)


class Blocklist:
    """Words that are refused, those that ship with the product and a shop's own.

    Args:
        words: A shop's own words and phrases, in any spelling.
    """

    def __init__(self, words: Iterable[str] = ()) -> None:
        phrases = {_flat(word) for word in (*built_in_words(), *words)} - {""}
        alternatives = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
        self._blocked = re.compile(rf"(?<!\w)(?:{alternatives})(?:e?s)?(?!\w)")

    def refusal(self, text: str) -> Unsafe | None:
        """Return the first reason not to show a text, or None where there is none. Never raises."""
        if len(text) > 4 * MAX_QUERY_LENGTH:
            return "too_long"
        if any(char in _TURNS or unicodedata.category(char) in _UNSEEN for char in text):
            return "unseen_characters"
        if _MARKUP.search(text):
            return "markup"
        if _ADDRESS.search(text):
            return "address"
        if _PROMPT_LIKE.search(text):
            return "prompt_like"
        plain = normalise(text)
        if len(plain) > MAX_QUERY_LENGTH:
            return "too_long"
        if not any(char.isalnum() for char in plain):
            return "no_words"
        return "blocked" if self._blocked.search(_flat(plain)) else None


@cache
def built_in_words() -> tuple[str, ...]:
    """Return the words and phrases that ship with the product, in the order of their file."""
    text = files("domain.discovery").joinpath("blocked.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)


def _flat(text: str) -> str:
    """Return a text as words with single spaces, so that a hyphen hides nothing."""
    return " ".join(re.findall(r"\w+", normalise(text)))
