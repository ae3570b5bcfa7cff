"""Tags of words, the best sequence of them, and the spans that it makes.

Tag 0 is no span, 1 + 2t begins a span of type t, and 2 + 2t goes on with one. Scores of tags for words and of tags for
each other are a linear-chain conditional random field (Lafferty, McCallum & Pereira, "Conditional random fields", ICML
2001), whose best sequence Viterbi's algorithm finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from domain.understanding import AnnotationType

__all__ = ["Scores", "Tags", "TypedSpan", "best_tags", "best_tags_of_one", "spans_of"]

Scores = npt.NDArray[np.float32]
Tags = npt.NDArray[np.intp]


class TypedSpan(NamedTuple):
    """Characters [start, end) of a text, and their type."""

    start: int
    end: int
    type: AnnotationType


def best_tags(scores: Scores, lengths: Sequence[int], *, starts: Scores, ends: Scores, transitions: Scores) -> Tags:
    """Return the best sequence of tags for each query, (queries, words); what lies behind its length says nothing.

    Args:
        scores: Of each tag for each word, (queries, words, tags).
        lengths: Words of each query, at least one.
        starts: Score of each tag for the first word.
        ends: Score of each tag for the last word.
        transitions: Score of each tag followed by each, (tags, tags).
    """
    count, longest, each = scores.shape
    ended = np.arange(longest)[:, None] >= np.array(lengths)
    # Queries come last, so that each operation runs over many neighbouring numbers.
    words = np.ascontiguousarray(scores.transpose(1, 2, 0))
    through = np.empty((each, each, count), dtype=np.float32)
    so_far = [words[0] + starts[:, None]]
    for word in range(1, longest):
        np.add(so_far[-1][:, None], transitions[:, :, None], out=through)
        # Behind the end of a query its last scores are handed on, and below its last tag.
        so_far.append(np.where(ended[word], so_far[-1], through.max(0) + words[word]))
    tags = np.empty((longest, count), dtype=np.intp)
    tags[-1] = (so_far[-1] + ends[:, None]).argmax(0)
    for word in range(longest - 1, 0, -1):
        after = tags[word]
        tags[word - 1] = np.where(ended[word], after, (so_far[word - 1] + transitions[:, after]).argmax(0))
    return tags.T


def best_tags_of_one(scores: Scores, *, starts: Scores, ends: Scores, before: Scores) -> list[int]:
    """Return what `best_tags` does for a single query, in a fraction of the time.

    Args:
        scores: Of each tag for each word, (words, tags).
        starts: Score of each tag for the first word.
        ends: Score of each tag for the last word.
        before: The transitions transposed, row by row in memory: score of each tag after each, (tags, tags).
    """
    so_far = scores[0] + starts
    if len(scores) == 1:
        return [int((so_far + ends).argmax())]
    came_from: list[Tags] = []
    rows = np.arange(0, before.size, len(before))
    for word in scores[1:-1]:
        through = so_far + before
        step = through.argmax(1)
        came_from.append(step)
        so_far = through.take(rows + step)  # its maxima, in half the time that `max` takes
        so_far += word
    through = so_far + before
    through += (scores[-1] + ends)[:, None]
    # The last two tags at once: of the best pairs the first, as step by step.
    tags = [*divmod(int(through.argmax()), len(ends))]
    for step in reversed(came_from):
        tags.append(int(step[tags[-1]]))
    return tags[::-1]


def spans_of(tags: Sequence[int], words: Sequence[tuple[int, int]], types: Sequence[AnnotationType]) -> list[TypedSpan]:
    """Return the spans that a sequence of tags makes of words, given by where each starts and ends.

    A tag that goes on with nothing begins a span.
    """
    spans: list[TypedSpan] = []
    for i, tag in enumerate(tags):
        if tag and (tag % 2 or not i or tags[i - 1] not in (tag, tag - 1)):
            last = i
            while last + 1 < len(tags) and tags[last + 1] == tag + tag % 2:
                last += 1
            spans.append(TypedSpan(words[i][0], words[last][1], types[(tag - 1) // 2]))
    return spans
