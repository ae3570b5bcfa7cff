"""What was spent, summed from the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

__all__ = ["Spending", "SpendingRow", "sum_up"]


@dataclass(frozen=True, kw_only=True)
class SpendingRow:
    """One run, or all of them. A sum of which no part is known is None; `price` leaves out `unpriced` completions.

    `unanswered` are requests that timed out and may have been billed; they are no completions. `at_most` is what these
    and the unpriced can have cost together, None where there are none or where it is not known of each. `labels` are
    those that passed the checks; `price_a_label` is None unless the price of every completion is known.
    """

    run: str
    model: str
    prompt: str
    completions: int
    tokens_in: int | None
    tokens_cached: int | None
    tokens_out: int | None
    price: float | None
    unpriced: int
    unanswered: int
    at_most: float | None
    labels: int | None
    price_a_label: float | None


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Runs in the order in which they began, and their total."""

    runs: tuple[SpendingRow, ...]
    total: SpendingRow


def sum_up(ledger: pl.DataFrame, labels: Mapping[str, int]) -> Spending:
    """Sum a ledger up by run.

    Args:
        ledger: As `read_charges` returns it.
        labels: Accepted labels by run, of those runs that have ended.
    """
    runs = [
        _row(lines, run=str(run), labels=labels.get(str(run)))
        for (run,), lines in ledger.group_by(["run"], maintain_order=True)
    ]
    counted = [row.labels for row in runs]
    known = None if None in counted else sum(count for count in counted if count is not None)
    return Spending(runs=tuple(runs), total=_row(ledger, run="all", labels=known))


def _row(charges: pl.DataFrame, *, run: str, labels: int | None) -> SpendingRow:
    lines = charges.filter(pl.col("answered"))
    reserved = charges.filter(pl.col("price").is_null())["reserved"]
    price = _sum(lines["price"])
    unpriced = lines["price"].null_count()
    return SpendingRow(
        run=run,
        model=_names(charges["model"]),
        prompt=_names(charges["prompt"]),
        completions=lines.height,
        tokens_in=_whole(lines["tokens_in"]),
        tokens_cached=_whole(lines["tokens_cached"]),
        tokens_out=_whole(lines["tokens_out"]),
        price=price,
        unpriced=unpriced,
        unanswered=charges.height - lines.height,
        at_most=None if reserved.null_count() else _sum(reserved),
        labels=labels,
        price_a_label=price / labels if price is not None and labels and not unpriced else None,
    )


def _sum(values: pl.Series) -> float | None:
    return None if values.null_count() == len(values) else float(values.sum())


def _whole(values: pl.Series) -> int | None:
    found = _sum(values)
    return None if found is None else int(found)


def _names(values: pl.Series) -> str:
    return ", ".join(values.unique(maintain_order=True))
