"""The training with a part of it changed, for as long as a block lasts.

What settings and lessons decide is changed there. The rest has no switch in the product, which has no use for one: it
is replaced here where the training looks it up, and a name that is gone is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from distill import ground, student
from distill.noise import Noise, learn_noise
from distill.sentences import Sentences
from distill.split import Lessons, Split
from prompts.increment import unseen_context
from release.student import Tree, features
from release.student.grams import WordGrams, word_grams

Kind = Literal["pieces", "words", "runs", "pairs"]
"""Of features: pieces of words as the encoder cuts them, hashed words, runs of their letters, and pairs of words."""


@contextmanager
def altered(
    *,
    split: Split | None = None,
    sentences: Callable[[], Sentences] = Sentences,
    typed_right: bool = False,
    labelled: bool = False,
    without: Collection[Kind] = (),
) -> Iterator[None]:
    """Train and ask students otherwise than the product does; none of them learns to tag spans.

    Args:
        split: What is learnt from and what is kept apart; parted anew unless given.
        sentences: Makes the sentence encoder.
        typed_right: Whether texts are learnt as they are, without slips, lost words or changed order.
        labelled: Whether the labels to learn from are among the texts that it learns to embed. It must not be
            calibrated by cross-fitting then, for each fold would have been embedded before it is held out.
        without: Kinds of features that a text has none of. A student that learnt without them has to be asked so too.
    """
    with ExitStack() as stack:

        def put(target: object, name: str, value: Any) -> None:
            stack.enter_context(patch.object(target, name, value))

        put(student, "distil_tagger", lambda *_, **__: None)
        put(ground, "Sentences", sentences)
        if split is not None:
            put(student, "split_labels", lambda _: split)
        if typed_right:
            put(ground, "learn_noise", _no_slips)
        if labelled:
            put(ground, "_corpus", _with_labelled(ground._corpus))
        if "pieces" in without:
            put(features.Features, "_pieces_of", lambda *_: np.empty(0, dtype=np.int32))
        if "pairs" in without:
            put(features, "pairwise", lambda _: ())
        if {"words", "runs"} & {*without}:
            put(features, "word_grams", partial(fewer_grams, without=without))
        yield


def _no_slips(reformulations: Iterable[tuple[str, str, int]]) -> Noise:
    return replace(learn_noise(reformulations), mistyped=0.0, shortened=0.0, shuffled=0.0)


def _with_labelled(corpus: Callable[..., Any]) -> Callable[..., Any]:
    def whole(lessons: Lessons, tree: Tree, split: Split, *rest: Any) -> Any:
        known = {context.query for context in lessons.contexts}
        more = [unseen_context(label.query, label.searches) for label in split.train if label.query not in known]
        lessons = replace(lessons, contexts=[*lessons.contexts, *more])
        return corpus(lessons, tree, replace(split, drawn=frozenset(split._apart)), *rest)

    return whole


def fewer_grams(word: str, *, without: Collection[Kind]) -> WordGrams:
    """Return the grams of a word less the word itself, or less its runs; pairs can still be made of it."""
    gram = word_grams(word)
    own, runs = gram.ids[:1], gram.ids[1:]
    parts = [part for kind, part in (("words", own), ("runs", runs)) if kind not in without]
    return replace(gram, ids=np.concatenate(parts) if parts else own[:0])
