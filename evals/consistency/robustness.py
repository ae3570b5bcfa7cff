"""How far a system's answers stay as they are when a query is typed in another way.

Metamorphic testing, which needs no labels (Chen, Cheung, Yiu 1998); the kinds are invariance tests in the words of
Ribeiro et al. (2020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from domain.errors import QuerywiseError
from domain.understanding import Category, Source, Understander, Understanding
from evals.agreement import changed
from evals.categories import predicted_ids
from evals.consistency.variants import FORMS, VARIANTS, Variant, VariantKind, variants_of
from evals.estimates import Estimate, Ratio, bootstrap
from evals.sides import Asked

__all__ = ["STABILITY", "KindRow", "Robustness", "Unstable", "paraphrases_of", "robustness"]

STABILITY = {
    "same_top": "variants with the same first category as their query",
    "same_top_by_searches": "the same, every query counting as often as it was searched",
    "jaccard": "mean overlap of the sets of categories (Jaccard 1912)",
    "jaccard_by_searches": "the same, every query counting as often as it was searched",
}
"""Every measure of stability, by name."""


@dataclass(frozen=True, kw_only=True)
class Unstable:
    """A variant that is answered otherwise than its query, with the categories of both answers.

    ``source`` says what answered the variant: a query without an answer of its own falls back to retrieval.
    """

    variant: Variant
    searches: int
    jaccard: float
    source: Source
    before: tuple[Category, ...]
    after: tuple[Category, ...]


@dataclass(frozen=True, kw_only=True)
class KindRow:
    """The variants of one kind.

    ``measures`` are those of `STABILITY`, without those by searches where nothing was searched. ``precomputed`` is the
    share that has an answer of its own, not by fallback. ``faults`` are variants of `FORMS` of whose answer any part
    differs: they are the same query.
    """

    kind: VariantKind
    variants: int
    measures: dict[str, Estimate]
    precomputed: float
    faults: int


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """All kinds of variants of some queries, and the queries to look at first, each with its worst variant.

    ``queries`` are those whose own answer has a category; the ``abstained`` others are left out, for a system that says
    nothing never changes its mind.
    """

    queries: int
    abstained: int
    rows: tuple[KindRow, ...]
    worst: tuple[Unstable, ...]


def paraphrases_of(answer: Understanding, retyped: Sequence[str] = ()) -> tuple[Variant, ...]:
    """Return the queries that an answer, or the log, takes for the same need.

    Args:
        answer: Its first spelling and its first synonym rewrite count.
        retyped: What shoppers typed in its place, in normal form, the most frequent first; the first counts.
    """
    texts: dict[VariantKind, str] = {}
    for rewrite in answer.rewrites:
        if rewrite.type in ("spelling", "synonym"):
            texts.setdefault(rewrite.type, rewrite.query)
    if retyped:
        texts["retyped"] = retyped[0]
    return tuple(
        Variant(query=answer.normalized, kind=kind, text=text)
        for kind, text in texts.items()
        if text != answer.normalized
    )


def robustness(
    system: Understander,
    asked: Sequence[Asked],
    *,
    retyped: Mapping[str, Sequence[str]] | None = None,
    seed: int = 0,
    draws: int = 1000,
    worst: int = 20,
) -> Robustness:
    """Ask a system its queries and every variant of them, and compare the answers.

    Args:
        system: The system.
        asked: The queries, with their searches.
        retyped: What shoppers typed in place of a query, by the normalised query.
        seed: Of the variants and of the resamples.
        draws: Resamples of the queries for the intervals.
        worst: Queries to keep with the variant that lost most, by overlap and searches; faults come first.

    Raises:
        QuerywiseError: the system gives not exactly one answer per query.
    """
    answers = _answers(system, [one.query for one in asked])
    answered = [(one, answer) for one, answer in zip(asked, answers, strict=True) if answer.categories]
    variants = [
        (one, answer, variant)
        for one, answer in answered
        for variant in chain(
            variants_of(answer.normalized, seed=seed),
            paraphrases_of(answer, (retyped or {}).get(answer.normalized, ())),
        )
    ]
    others = _answers(system, [variant.text for *_, variant in variants])
    pairs = [
        _Pair(variant=variant, searches=one.searches, before=answer, after=other)
        for (one, answer, variant), other in zip(variants, others, strict=True)
    ]
    return Robustness(
        queries=len(answered),
        abstained=len(asked) - len(answered),
        rows=tuple(
            _row(kind, of, seed=seed, draws=draws)
            for kind in VARIANTS
            if (of := [pair for pair in pairs if pair.variant.kind == kind])
        ),
        worst=_worst(pairs, worst),
    )


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """A variant with the answer to its query and its own."""

    variant: Variant
    searches: int
    before: Understanding
    after: Understanding


def _answers(system: Understander, queries: Sequence[str]) -> list[Understanding]:
    answers = system.understand(queries)
    if [answer.query for answer in answers] != list(queries):
        raise QuerywiseError(f"the system did not answer each of the {len(queries)} queries in order")
    return answers


def _row(kind: VariantKind, pairs: Sequence[_Pair], *, seed: int, draws: int) -> KindRow:
    differs = [changed(pair.before, pair.after) for pair in pairs]
    weights = np.array([pair.searches for pair in pairs], dtype=np.float64)
    same = np.array(["top" not in parts for parts in differs], dtype=np.float64)
    overlap = np.array([_jaccard(pair.before, pair.after) for pair in pairs])
    measures = {
        "same_top": Ratio.mean(same),
        "jaccard": Ratio.mean(overlap),
        "same_top_by_searches": Ratio(top=same * weights, bottom=weights),
        "jaccard_by_searches": Ratio(top=overlap * weights, bottom=weights),
    }
    drawn = bootstrap(measures, queries=len(pairs), draws=draws, seed=seed)
    return KindRow(
        kind=kind,
        variants=len(pairs),
        measures={name: found for name, sample in drawn.items() if (found := sample.estimate())},
        precomputed=sum(pair.after.source != "fallback" for pair in pairs) / len(pairs),
        faults=sum(map(bool, differs)) if kind in FORMS else 0,
    )


def _worst(pairs: Iterable[_Pair], limit: int) -> tuple[Unstable, ...]:
    """Return of each query the variant that lost most, by searches times lost overlap; faults come first."""
    found = []
    for pair in pairs:
        overlap = _jaccard(pair.before, pair.after)
        fault = pair.variant.kind in FORMS and bool(changed(pair.before, pair.after))
        if fault or overlap < 1 or "top" in changed(pair.before, pair.after):
            rank = (not fault, -(1 - overlap) * pair.searches, overlap, pair.variant.query, pair.variant.kind)
            found.append((rank, pair))
    found.sort(key=lambda ranked: ranked[0])
    worst: dict[str, _Pair] = {}
    for _, pair in found:
        worst.setdefault(pair.variant.query, pair)
    return tuple(
        Unstable(
            variant=pair.variant,
            searches=pair.searches,
            jaccard=_jaccard(pair.before, pair.after),
            source=pair.after.source,
            before=pair.before.categories,
            after=pair.after.categories,
        )
        for pair in islice(worst.values(), limit)
    )


def _jaccard(a: Understanding, b: Understanding) -> float:
    first, second = set(predicted_ids(a)), set(predicted_ids(b))
    return len(first & second) / len(first | second) if first or second else 1.0
