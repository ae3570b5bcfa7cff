"""Whether labels of the tail that are asked for in order of value teach a student more than as many at random.

    python -m benchmarks.value_order --shop FOLDER --work FOLDER [--gold FILE] [--batch 100] [--orders NAME,...]
        [--draws 3] [--texts N] [--pseudo N] [--keep FILE] [--write docs/ablations.md]

Starts from the labels of head and torso, and adds those of the tail by the batch, each batch chosen with the student
that has learnt from what was there before. Only what `--keep` has kept of an earlier run is not trained again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.students.altered import altered
from benchmarks.students.examined import POOL, Examined, add_options, examined_of, settings_of, spell, write
from benchmarks.students.measuring import samples
from benchmarks.students.pool import ORDERS, RANDOM, VALUE, Pool
from benchmarks.students.remembered import Remembered
from benchmarks.students.trial import Trial
from benchmarks.students.worth import mean_of, weighted
from distill.student import Settings
from domain.errors import QuerywiseError, UserError
from evals.cells import difference, interval, table
from evals.estimates import Array, Ratio, Sample, Statistic


@dataclass(frozen=True, kw_only=True)
class Step:
    """A student of a curve, and the queries of the pool whose labels it has learnt."""

    chosen: tuple[str, ...]
    trial: Trial


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.value_order",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--most", type=int, help="labels of the tail to add; all")
    parser.add_argument("--orders", default=VALUE, help=f"besides the one at random: some of {', '.join(ORDERS)}")
    parser.add_argument("--draws", type=int, default=3, help="orders at random, of which the mean counts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--silent", action="store_true", help="as if nobody had chosen anything after those queries")
    options = parser.parse_args()
    orders = [name for name in options.orders.split(",") if name and name != RANDOM]
    if unknown := sorted({*orders} - {*ORDERS}):
        parser.error(f"--orders knows no {', '.join(unknown)}; it knows {', '.join(ORDERS)}")
    try:
        bench = examined_of(options, pool=("tail",))
        bench = _silent(bench) if options.silent else bench
        settings = replace(settings_of(options), seed=options.seed)
        pool, encoders = Pool.of(bench), Remembered()
        sizes = _sizes(len(pool.searches), options.batch, options.most)
        draws = {RANDOM: [f"{RANDOM} {i}" for i in range(options.draws)], **{order: [order] for order in orders}}
        curves = {
            name: [_curve(bench, pool, order, sizes, settings, encoders) for order in several]
            for name, several in draws.items()
        }
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    write(options, f"value order of {bench.name}{bench.less}", page(bench, curves, command=spell(parser.prog)))


def _sizes(count: int, batch: int, most: int | None) -> list[int]:
    """Return how many labels of the tail each student of a curve learns from.

    Raises:
        UserError: when there are fewer than a batch.
    """
    last = min(count, most or count)
    if last <= batch:
        raise UserError(f"there are {count} labels of the tail to learn from", hint="a smaller --batch")
    return [*range(0, last, batch), last]


def _silent(bench: Examined) -> Examined:
    """Return the shop as it would be if its log named no category for a query whose label can be asked for."""
    asked = {*bench.examiner.sets[POOL].texts}
    contexts = [replace(c, categories=()) if c.query in asked else c for c in bench.lessons.contexts]
    return replace(bench, lessons=replace(bench.lessons, contexts=contexts), less=", silent log")


def _curve(
    bench: Examined, pool: Pool, order: str, sizes: Sequence[int], settings: Settings, encoders: Remembered
) -> list[Step]:
    chosen: list[str] = []
    steps: list[Step] = []
    for size in sizes:
        if steps:
            queries = bench.examiner.sets[POOL].texts
            # None is among what is ranked, as it is among what the product's uncertainty is taken of.
            unsure = {
                query: 1.0 - ranking.chances[0]
                for query, ranking in zip(queries, steps[-1].trial.rankings[POOL], strict=True)
            }
            chosen += pool.next(order, chosen, unsure, size - len(chosen))
        steps.append(Step(chosen=tuple(chosen), trial=_taught(bench, chosen, settings, encoders)))
    return steps


def _taught(bench: Examined, chosen: Sequence[str], settings: Settings, encoders: Remembered) -> Trial:
    """Return the student of head, torso and what was chosen of the tail, for the rest of which the log may speak."""
    taken = {*chosen}
    train = [label for label in bench.split.train if label.tier != "tail" or label.query in taken]
    learnt = {label.query for label in train}
    waiting = {label.query for label in bench.split.train} - learnt
    lessons = replace(bench.lessons, labels=[label for label in bench.lessons.labels if label.query not in waiting])
    split = replace(bench.split, train=train)
    return bench.trials.of(
        " ".join((f"learnt {len(taken)}{bench.less}", *sorted(taken))),
        lessons,
        settings,
        lambda: altered(split=split, sentences=encoders),
    )


@dataclass(frozen=True, kw_only=True)
class Column:
    """A figure of the table, over some sets of queries."""

    says: str
    parts: tuple[str, ...]
    of: Callable[[Step], Statistic]


def page(bench: Examined, curves: Mapping[str, Sequence[Sequence[Step]]], *, command: str) -> str:
    """Return the command, what was measured on, and the curves: at random as they are, any other less that."""
    sizes = [len(step.chosen) for step in curves[RANDOM][0]]
    # Where nothing is chosen, or everything, all orders are the same.
    apart = [size for size in sizes if 0 < size < len(bench.examiner.sets[POOL].cases)]
    columns = _columns(bench)
    rows: dict[tuple[int | None, str], list[str]] = {}
    for column in columns:
        found = {
            (size, order): mean_of([column.of(curve[i]) for curve in several])
            for order, several in curves.items()
            for i, size in enumerate(sizes)
        }
        between = {(None, order): mean_of([found[size, order] for size in apart]) for order in curves}
        queries = sum(len(bench.examiner.sets[part].cases) for part in column.parts)
        drawn = samples({**found, **between}, np.arange(queries))
        for (size, order), cell in _cells(drawn, apart).items():
            rows.setdefault((size, order), []).append(cell)
    head = "labels of the tail", "order", *(column.says for column in columns)
    lines = [
        ("between" if size is None else str(size), _says(order, size, apart), *cells)
        for (size, order), cells in sorted(rows.items(), key=lambda row: (row[0][0] is None, row[0][0] or 0))
    ]
    return "\n\n".join((f"    {command}", bench.about(), "\n".join(table(head, lines))))


def _columns(bench: Examined) -> list[Column]:
    columns = []
    for by, parts in (("labels", ("held", "test")), ("people", ("people",))):
        weights = np.concatenate([bench.searches(part) for part in parts])
        for figure in ("top-1", "F1"):
            columns.append(Column(says=f"{figure}, {by}", parts=parts, of=_figure(bench, parts, figure, None)))
        if weights.any():
            says = f"top-1 by searches, {by}"
            columns.append(Column(says=says, parts=parts, of=_figure(bench, parts, "top-1", weights)))
    columns.append(Column(says="right in the pool", parts=(POOL,), of=lambda step: _served(bench, step, None)))
    searches = bench.searches(POOL)
    if searches.any():
        says = "right in the pool by searches"
        columns.append(Column(says=says, parts=(POOL,), of=lambda step: _served(bench, step, searches)))
    return columns


def _figure(bench: Examined, parts: tuple[str, ...], figure: str, weights: Array | None) -> Callable[[Step], Statistic]:
    def of(step: Step) -> Statistic:
        found = bench.examiner.figures(step.trial, parts)[figure]
        return found if weights is None else weighted(found, weights)

    return of


def _served(bench: Examined, step: Step, weights: Array | None) -> Statistic:
    """Return the share of the pool that is answered as the teacher would: by its label, or else by the student."""
    found = bench.examiner.figures(step.trial, (POOL,))["top-1"]
    assert isinstance(found, Ratio)
    labelled = np.isin(bench.examiner.sets[POOL].texts, step.chosen)
    served = Ratio(top=np.where(labelled, found.bottom, found.top), bottom=found.bottom)
    return served if weights is None else weighted(served, weights)


def _cells(drawn: Mapping[tuple[int | None, str], Sample], apart: Sequence[int]) -> dict[tuple[int | None, str], str]:
    cells = {}
    for (size, order), sample in drawn.items():
        if order == RANDOM:
            cells[size, order] = interval(sample.estimate())
        elif size is None or size in apart:
            cells[size, order] = difference(sample.over(drawn[size, RANDOM]).estimate())
    return cells


def _says(order: str, size: int | None, apart: Sequence[int]) -> str:
    if size is not None and size not in apart:
        return "any" if size else "–"
    return ORDERS[order]


if __name__ == "__main__":
    main()
