"""The measures: each name with what it says, and the statistics of one system's answers over a set of cases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import get_args

import numpy as np

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understanding
from evals.calibration import CalibrationError, Forecasts
from evals.case import Case
from evals.categories import Counts, Level, count, is_top_right, predicted_ids
from evals.estimates import Array, Harmonic, Ratio, Statistic
from evals.ranking import ndcg
from evals.spans import Place, Span, agree_exactly, overlap_any

__all__ = ["MEASURES", "statistics"]

MEASURES = {
    "leaf_precision": "of the category ids given, the share that is expected or acceptable",
    "leaf_recall": "of the category ids expected, the share that is given",
    "leaf_f1": "harmonic mean of leaf_precision and leaf_recall",
    "leaf_macro_precision": "mean over the queries answered of the query's own precision",
    "leaf_macro_recall": "mean over queries of the query's own recall",
    "leaf_macro_f1": "mean over queries of the query's own F1",
    "parent_precision": "leaf_precision after every id is raised to its parent",
    "parent_recall": "leaf_recall after every id is raised to its parent",
    "parent_f1": "harmonic mean of parent_precision and parent_recall",
    "parent_macro_precision": "leaf_macro_precision after every id is raised to its parent",
    "parent_macro_recall": "leaf_macro_recall after every id is raised to its parent",
    "parent_macro_f1": "leaf_macro_f1 after every id is raised to its parent",
    "hierarchical_precision": "leaf_precision over ids with all their ancestors",
    "hierarchical_recall": "leaf_recall over ids with all their ancestors",
    "hierarchical_f1": "harmonic mean of hierarchical_precision and hierarchical_recall",
    "hierarchical_macro_precision": "leaf_macro_precision over ids with all their ancestors",
    "hierarchical_macro_recall": "leaf_macro_recall over ids with all their ancestors",
    "hierarchical_macro_f1": "leaf_macro_f1 over ids with all their ancestors",
    "top1_accuracy": "share of queries whose first id is expected or acceptable, or which rightly abstain",
    "nDCG@3": "discounted gain of the first 3 ids in shares of the best order; acceptable ids are worth half",
    "coverage": "share of queries answered with at least one category",
    "abstention_rate": "share of queries answered without a category",
    "abstention_precision": "of the abstentions, the share that is expected",
    "abstention_recall": "of the abstentions expected, the share that is made",
    "fallback_rate": "share of queries answered by the fallback, with categories or without",
    "unknown_id_rate": "of the category ids given, the share that the taxonomy does not have: the hallucinated-id rate",
    "expected_calibration_error": "mean distance of confidence and share right, over bins of confidence: 0 is best",
    "brier_score": "mean squared distance of a category's confidence and 1 where it is right, 0 where not: 0 is best",
    "specificity_accuracy": "share of queries with the expected specificity",
    "span_precision": "of the annotations given, the share with an expected place and type",
    "span_recall": "of the annotations expected, the share given with the same place and type",
    "span_f1": "harmonic mean of span_precision and span_recall",
    "span_overlap_f1": "F1 where sharing a character with a span of the same type is enough",
    "spelling_recall": "share of queries with an expected spelling rewrite of which one is given, at any rank",
    "rewrite_recall": "share of queries with an expected rewrite of which one is given, at any rank",
    "rewrite_precision": "of the rewrites given to queries with labelled rewrites, the share that is expected",
    "rewrite_type_accuracy": "of the rewrites given that are expected under a type, the share given with that type",
}
"""Every measure of a report, by name, in the order of the report."""


def statistics(cases: Sequence[Case], answers: Sequence[Understanding], taxonomy: Taxonomy) -> dict[str, Statistic]:
    """Return the statistic of every measure, in the order of `MEASURES`; answers are in the order of the cases."""
    ids = [predicted_ids(answer) for answer in answers]
    found: dict[str, Statistic] = {}
    for level in get_args(Level):
        counts = [count(case, given, taxonomy, level) for case, given in zip(cases, ids, strict=True)]
        found |= {f"{level}_{name}": statistic for name, statistic in _from_counts(counts).items()}
    labelled = [case.categories is not None for case in cases]
    found["top1_accuracy"] = _share(is_top_right(case, given) for case, given in zip(cases, ids, strict=True))
    found["nDCG@3"] = Ratio.mean(_array(_or_nan(ndcg(case, given)) for case, given in zip(cases, ids, strict=True)))
    found["coverage"] = _share(bool(given) if known else None for known, given in zip(labelled, ids, strict=True))
    found |= _abstentions(cases, ids)
    found["fallback_rate"] = _share(answer.source == "fallback" for answer in answers)
    found["unknown_id_rate"] = Ratio(
        top=_array(sum(i not in taxonomy for i in given) for given in ids), bottom=_array(len(given) for given in ids)
    )
    forecasts = Forecasts.of(cases, answers)
    found["expected_calibration_error"] = CalibrationError(forecasts=forecasts)
    found["brier_score"] = forecasts.brier
    found["specificity_accuracy"] = _share(
        None if case.specificity is None else answer.specificity == case.specificity
        for case, answer in zip(cases, answers, strict=True)
    )
    exact = _spans(cases, answers, agree_exactly)
    found |= {"span_precision": exact.precision, "span_recall": exact.recall, "span_f1": exact}
    found["span_overlap_f1"] = _spans(cases, answers, overlap_any)
    found["spelling_recall"] = _share(_rewritten(c, a, {"spelling"}) for c, a in zip(cases, answers, strict=True))
    found["rewrite_recall"] = _share(_rewritten(c, a, None) for c, a in zip(cases, answers, strict=True))
    return found | _rewrites(cases, answers)


def _from_counts(counts: Sequence[Counts | None]) -> dict[str, Statistic]:
    right = _array(c.right if c else 0 for c in counts)
    given = _array(c.given if c else 0 for c in counts)
    hits = _array(c.found if c else 0 for c in counts)
    asked = _array(c.asked if c else 0 for c in counts)
    precision, recall = Ratio(top=right, bottom=given), Ratio(top=hits, bottom=asked)
    return {
        "precision": precision,
        "recall": recall,
        "f1": Harmonic(precision=precision, recall=recall),
        "macro_precision": Ratio.mean(np.divide(right, given, out=np.full(len(given), np.nan), where=given > 0)),
        "macro_recall": Ratio.mean(np.divide(hits, asked, out=np.full(len(asked), np.nan), where=asked > 0)),
        "macro_f1": Ratio.mean(_array(c.f1 if c else np.nan for c in counts)),
    }


def _spans(
    cases: Sequence[Case], answers: Sequence[Understanding], match: Callable[[Span, Collection[Span]], bool]
) -> Harmonic:
    rows = []
    for case, answer in zip(cases, answers, strict=True):
        if case.annotations is None:
            rows.append((0, 0, 0, 0))
            continue
        gold = set(case.annotations)
        given = {Span(place=Place(start=a.start, end=a.end), type=a.type) for a in answer.annotations}
        rows.append((sum(match(s, gold) for s in given), len(given), sum(match(s, given) for s in gold), len(gold)))
    right, given_n, hits, asked = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Harmonic(precision=Ratio(top=right, bottom=given_n), recall=Ratio(top=hits, bottom=asked))


def _rewritten(case: Case, answer: Understanding, types: Collection[str] | None) -> bool | None:
    """Whether one of the expected rewrites is given, under whatever type; None where none is expected."""
    wanted = {r.query for r in case.rewrites or () if types is None or r.type in types}
    return None if not wanted else any(normalise(r.query) in wanted for r in answer.rewrites)


def _abstentions(cases: Sequence[Case], ids: Sequence[Sequence[str]]) -> dict[str, Statistic]:
    made = _array(case.categories is not None and not given for case, given in zip(cases, ids, strict=True))
    asked = _array(case.categories == () for case in cases)
    labelled = _array(case.categories is not None for case in cases)
    return {
        "abstention_rate": Ratio(top=made, bottom=labelled),
        "abstention_precision": Ratio(top=made * asked, bottom=made),
        "abstention_recall": Ratio(top=made * asked, bottom=asked),
    }


def _rewrites(cases: Sequence[Case], answers: Sequence[Understanding]) -> dict[str, Statistic]:
    rows = []
    for case, answer in zip(cases, answers, strict=True):
        types: dict[str, set[str]] = {}
        for wanted in case.rewrites or ():
            types.setdefault(wanted.query, set()).update({wanted.type} if wanted.type else ())
        given = {} if case.rewrites is None else {normalise(r.query): r.type for r in reversed(answer.rewrites)}
        typed = [types[text] for text in given if types.get(text)]
        hits = sum(kind in types.get(text, ()) for text, kind in given.items())
        rows.append((sum(text in types for text in given), len(given), hits, len(typed)))
    right, given_n, same, typed_n = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return {
        "rewrite_precision": Ratio(top=right, bottom=given_n),
        "rewrite_type_accuracy": Ratio(top=same, bottom=typed_n),
    }


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def _share(verdicts: Iterable[bool | None]) -> Ratio:
    return Ratio.mean(_array(np.nan if verdict is None else float(verdict) for verdict in verdicts))


def _array(values: Iterable[float]) -> Array:
    return np.fromiter(values, dtype=np.float64)
