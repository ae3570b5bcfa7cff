"""Systems side by side on one gold set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from domain.errors import QuerywiseError
from domain.taxonomy import Taxonomy
from domain.understanding import Understander, Understanding
from evals.calibration import Forecasts, reliability
from evals.estimates import bootstrap
from evals.gold import GoldSet
from evals.measures import statistics
from evals.report import GoldSummary, Report, Row
from evals.slices import ATTRIBUTES, Attributes, Cross, Slice, attributes_of, crossed, everything, in_order

__all__ = ["Answers", "ask", "compare"]

_CROSSED = ("tier", "specificity")
_PAIRED = ("leaf_f1", "leaf_macro_f1", "parent_f1", "parent_macro_f1", "hierarchical_f1", "top1_accuracy", "coverage")

Answers = Mapping[str, Sequence[Understanding]]
"""The answers of each system, in the order of the cases."""


def ask(systems: Mapping[str, Understander], gold: GoldSet) -> dict[str, list[Understanding]]:
    """Let every system answer every case.

    Raises:
        QuerywiseError: a system gives not exactly one answer per query in order; its numbers would mean nothing.
    """
    queries = [case.query for case in gold.cases]
    answers = {name: system.understand(queries) for name, system in systems.items()}
    for name, given in answers.items():
        if [answer.query for answer in given] != queries:
            raise QuerywiseError(f"{name} did not answer each of the {len(queries)} queries in order")
    return answers


def compare(
    answers: Answers,
    gold: GoldSet,
    taxonomy: Taxonomy,
    *,
    tiers: Mapping[str, str],
    made: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Report:
    """Measure the answers of `ask`, the first system being the base of comparison.

    Args:
        answers: The answers of each system, in the order of ``gold.cases``.
        gold: The labels.
        taxonomy: The tree of the shop.
        tiers: Tier by normalised query; a query that is not in it is "unseen".
        made: How the answers came about, to be printed.
        draws: Resamples of the queries for the intervals.
        seed: Seed of the resamples: the same input gives the same report, whatever the order of the gold file.
    """
    order = sorted(range(len(gold.cases)), key=lambda i: gold.cases[i].normalized)
    cases = [gold.cases[i] for i in order]
    ordered = {name: [given[i] for i in order] for name, given in answers.items()}
    found = {name: statistics(cases, given, taxonomy) for name, given in ordered.items()}
    attributes = attributes_of(cases, tiers=tiers, taxonomy=taxonomy)
    # A shop may label its queries as finely as it likes, so labels have a least number of queries too.
    labels = [name for name in attributes if name not in ATTRIBUTES]
    crosses = {",".join(names): crossed(attributes, names) for names in (*([name] for name in labels), _CROSSED)}
    rows: list[Row] = []
    for number, part in enumerate(_slices(attributes, crosses.values())):
        keyed = {(s, m): statistic.only(part.members) for s, of in found.items() for m, statistic in of.items()}
        samples = bootstrap(keyed, queries=part.members.size, draws=draws, seed=seed + number)
        base = next(iter(ordered))
        for system, given in ordered.items():
            measures = {m: samples[system, m].estimate() for m in found[system]}
            gains = {m: samples[system, m].over(samples[base, m]).estimate() for m in _PAIRED if system != base}
            rows.append(
                Row(
                    system=system,
                    by=part.by,
                    slice=part.name,
                    queries=part.members.size,
                    degraded=sum(given[i].reason == "degraded" for i in part.members),
                    measures={m: e for m, e in measures.items() if e is not None},
                    gains={m: e for m, e in gains.items() if e is not None},
                )
            )
    return Report(
        made=dict(made or {}),
        gold=_summary(gold),
        systems=tuple(answers),
        draws=draws,
        seed=seed,
        rows=tuple(rows),
        small={by: cross.small for by, cross in crosses.items() if cross.small},
        calibration={
            name: diagram for name, given in ordered.items() if (diagram := reliability(Forecasts.of(cases, given)))
        },
    )


def _slices(attributes: Attributes, crosses: Iterable[Cross]) -> Iterator[Slice]:
    """Yield everything, then the slices of each attribute, then those of labels and of two attributes at once."""
    yield everything(len(attributes["tier"]))
    # The resamples of a slice follow from its number, so a further attribute comes last.
    for by in ("tier", "kind", "specificity", "branch"):
        yield from in_order(attributes, by)
    for cross in crosses:
        yield from cross


def _summary(gold: GoldSet) -> GoldSummary:
    kinds = sorted(problem.kind for problem in gold.problems)
    return GoldSummary(
        name=gold.name,
        sha256=gold.sha256,
        cases=len(gold.cases),
        left_out=gold.left_out,
        further=len(gold.further),
        doubts={kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
    )
