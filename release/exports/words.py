"""The words of a query as an engine's tokenizer splits it, which is not at white space alone."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["words_of"]

# Written without spaces: each Chinese character or Hiragana is a word, the others make words of their own.
_ALONE = re.compile(r"[\u3007\u3041-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_KATAKANA = re.compile(r"[\u30a0-\u30fa\u30fc-\u30ff\u31f0-\u31ff]")
_SOUTH_EAST = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")

# Of kinds: a letter, d digit, h alone, k Katakana, s Thai and its like, m a mark upon one of these.
_WORD = re.compile(r"hm*|(?:km*)+|(?:sm*)+|(?:am*(?:'(?=a))?|dm*(?:['.,](?=d))?)+")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in normal form: ``t-shirt`` and ``t shirt`` have the same two.

    This is what Lucene's StandardTokenizer makes of such a text by the word boundaries of Unicode (UAX #29), as near as
    general categories and a few ranges tell it. Letters and digits in a row are a word, with an apostrophe within, and
    between digits a full stop or a comma; every other sign parts words. Emoji are no words here, as in older versions;
    newer ones make them words. A tokenizer of another kind splits elsewhere.
    """
    if text.isascii() and text.replace(" ", "").isalnum():
        return tuple(text.split())  # as nearly all are, of which there may be a million
    kinds = "".join(map(_kind, text))
    return tuple(text[found.start() : found.end()] for found in _WORD.finditer(kinds))


@lru_cache(1 << 12)
def _kind(char: str) -> str:
    if char.isascii():
        return "a" if char.isalpha() else "d" if char.isdigit() else char if char in "'.," else " "
    category = unicodedata.category(char)
    if category == "Nd" or category[0] == "M":
        return "d" if category == "Nd" else "m"
    if _ALONE.match(char):
        return "h"
    if category[0] != "L":
        return " "
    return "k" if _KATAKANA.match(char) else "s" if _SOUTH_EAST.match(char) else "a"
