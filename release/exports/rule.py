"""One thing that a release says of a query, as a rule that a search engine can be told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Literal

__all__ = ["Held", "Kind", "Reach", "Rule", "rule_id"]

Kind = Literal["spelling", "synonym", "broader", "substitute", "category"]
"""What a rule says: the types of a rewrite, and the category that shoppers expect."""

Reach = Literal["words", "query"]
"""Where a rule holds: wherever its words stand in a query, or where they are the whole of it."""

Held = Literal[
    "kind",
    "signs",
    "adds_words",
    "drops_words",
    "misspelt",
    "no_product",
    "short_for",
    "two_readings",
    "elsewhere",
    "unlike",
]
"""Why a rule holds for the whole query alone:

==============  ==================================================================================================
kind            a category, a broader query and a substitute are said of the need, not of the words
signs           a word begins or ends with a sign that the engine's tokenizer drops: ``1% milk`` would be ``1 milk``
adds_words      the target has all words of the query and more: as alternative words it finds nothing more
drops_words     the query has all words of the target and more: in a longer query it gives up a constraint
misspelt        the query is misspelt, and mended first
no_product      nothing in the query was marked as a kind of product or a brand
short_for       one word, short for more that begins or ends with it: ``string`` for string cheese
two_readings    one word, and its first category is not sure
elsewhere       another precomputed query has these words, as a tokenizer splits them, and means something unrelated by
                them; or, of a spelling, was not mended
unlike          the target is precomputed too, and means something unrelated
==============  ==================================================================================================
"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        id: The same in every release that says the same of the query; letters, digits and ``-``.
        kind: What it says.
        query: The query in normal form.
        target: Another query in normal form, or the id of a category.
        confidence: In [0, 1].
        reach: Where it holds.
        held: Why it does not hold wherever its words stand, or None where it does.
        expires: The day from which on it is not to be used.
    """

    id: str
    kind: Kind
    query: str
    target: str
    confidence: float
    reach: Reach
    held: Held | None
    expires: date


def rule_id(kind: Kind, query: str, target: str) -> str:
    """Return the id of a rule, which follows from what it says and of which query, not from how sure it is."""
    said = b"".join(len(part := text.encode()).to_bytes(4) + part for text in (kind, query, target))
    return f"qw-{kind}-{hashlib.sha256(said).hexdigest()[:16]}"
