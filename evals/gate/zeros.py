"""What no answer of a release may hold, counted over all of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understanding
from evals.gate.gates import ZEROS, ZeroName

__all__ = ["LEAKED_WORDS", "Found", "count_zeros"]

LEAKED_WORDS = 8
"""Consecutive words of a prompt that make a text a leak; texts in a script without spaces are not seen through."""

_EXAMPLES = 5
_LONGEST = 120
_CONTROL = ("Cc", "Cs", "Zl", "Zp")
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # the direction of writing


@dataclass(frozen=True, kw_only=True)
class Found:
    """How many there are, and the first few, each with its query."""

    count: int
    examples: tuple[str, ...]


def count_zeros(
    answers: Iterable[Understanding], taxonomy: Taxonomy, product_ids: Set[str], prompt_texts: Iterable[str]
) -> dict[ZeroName, Found]:
    """Count what no answer may hold, by the names of `ZEROS`.

    Args:
        answers: All answers of a release.
        taxonomy: The tree of the shop.
        product_ids: Of the shop's catalogue.
        prompt_texts: All that is said to a model; `LEAKED_WORDS` words of it in a row are a leak, unless the query
            itself holds them.
    """
    prompts = frozenset(run for text in prompt_texts for run in _runs(text))
    finders: dict[ZeroName, Callable[[Understanding], Iterator[str]]] = {
        "unknown_categories": lambda answer: (i for i in _categories(answer) if i not in taxonomy),
        "unknown_products": lambda answer: (i for i in _products(answer) if i not in product_ids),
        "leaked_prompts": lambda answer: _leaks(answer, prompts),
        "misplaced_annotations": _misplaced,
        "unusable_texts": lambda answer: (text for text in _written(answer) if _is_unusable(text)),
    }
    counts = dict.fromkeys(ZEROS, 0)
    examples: dict[ZeroName, list[str]] = {name: [] for name in ZEROS}
    for answer in answers:
        for name, find in finders.items():
            for text in find(answer):
                counts[name] += 1
                if len(examples[name]) < _EXAMPLES:
                    examples[name].append(f"{_cut(answer.normalized)}: {_cut(text)}")
    return {name: Found(count=counts[name], examples=tuple(examples[name])) for name in ZEROS}


def _categories(answer: Understanding) -> Iterator[str]:
    yield from (category.id for category in answer.categories)
    yield from (idea.category_id for idea in answer.substitutes + answer.complements)


def _products(answer: Understanding) -> Iterator[str]:
    for idea in answer.substitutes + answer.complements:
        yield from idea.product_ids


def _written(answer: Understanding) -> Iterator[str]:
    """Yield the texts of an answer that are shown to shoppers or searched for."""
    yield from (rewrite.query for rewrite in answer.rewrites)
    yield from (text for idea in answer.substitutes + answer.complements for text in (idea.label, idea.query))
    yield from answer.next_queries


def _leaks(answer: Understanding, prompts: Set[tuple[str, ...]]) -> Iterator[str]:
    texts = [*_written(answer), *(text for span in answer.annotations for text in (span.text, span.value))]
    texts += [name for category in answer.categories for name in category.path]
    # Few texts are so long, and most queries need not be looked at.
    long = [(text, runs) for text in texts if (runs := _runs(text))]
    if long:
        asked = {*_runs(answer.query), *_runs(answer.normalized)}
        yield from (text for text, runs in long if not prompts.isdisjoint(runs - asked))


def _runs(text: str) -> set[tuple[str, ...]]:
    words: Sequence[str] = normalise(text).split() if text.count(" ") or len(text) >= LEAKED_WORDS else ()
    return {tuple(words[i : i + LEAKED_WORDS]) for i in range(len(words) - LEAKED_WORDS + 1)}


def _misplaced(answer: Understanding) -> Iterator[str]:
    for span in answer.annotations:
        inside = 0 <= span.start < span.end <= len(answer.normalized)
        if not inside or answer.normalized[span.start : span.end] != span.text:
            yield f"{span.text} at {span.start}-{span.end}"


def _is_unusable(text: str) -> bool:
    unseen = any(unicodedata.category(char) in _CONTROL or char in _TURNS for char in text)
    return unseen or not normalise(text)


def _cut(text: str) -> str:
    shown = ascii(text) if _is_unusable(text) else text
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
