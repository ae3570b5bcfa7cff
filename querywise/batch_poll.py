"""`batch poll`: what has come back from a provider's batch API."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from domain.shop import Shop
from prompts.batch import BatchAPI, BatchImport, BatchRecord, BatchRecords, PolledBatch, poll_batch
from prompts.cache import CompletionCache
from prompts.prices import price_of
from querywise.options import JsonOption, ShopArgument, WorkOption, console, work_on, write_json

__all__ = ["about", "poll", "show_import"]


def poll(
    shop: ShopArgument,
    work: WorkOption = None,
    api_base: Annotated[
        str | None, typer.Option("--api-base", help="Address of the server, where it has moved since `submit`.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Ask again until every batch has ended.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between two rounds of --wait.")] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Ask about the batches that were submitted, and take in what has come back. Exit 1 while anything is missing."""
    seen: dict[str, PolledBatch] = {}
    while True:
        # Other commands have their turn between two rounds.
        with work_on(shop, work) as opened:
            seen |= {polled.record.name: polled for polled in _round(opened, api_base)}
        waiting = [polled for polled in seen.values() if not polled.record.imported and not polled.stuck]
        if not wait or not waiting:
            break
        time.sleep(every)
    missing = sum(polled.result.missing for polled in seen.values() if polled.result)
    if as_json:
        write_json({"batches": [about(p.record) | _outcome(p) for p in seen.values()], "missing": missing})
    else:
        for polled in seen.values():
            _show(polled)
        if not seen:
            console.print("no batch is under way")
        if missing:
            console.print(f"{missing:,} requests are still without an answer; `querywise batch submit` asks them again")
    if missing or not all(polled.record.imported for polled in seen.values()):
        raise typer.Exit(1)


def show_import(report: BatchImport) -> None:
    """Print what output files held."""
    console.print(
        f"{report.imported:,} completions taken in, {report.known:,} known already, "
        f"{report.unasked:,} that nothing asks for; {report.missing:,} requests still without an answer"
    )
    if report.imported:
        console.print(f"  price: {'unknown' if report.price is None else f'${report.price:,.4f}'}")
    if report.duplicates:
        console.print(f"  {report.duplicates:,} further answers to requests that had one")
    for reason, count in report.rejected.items():
        console.print(f"  {count:,} lines passed over: {reason}")
    if report.complaint:
        console.print(f"  the first error: {report.complaint}")


def about(record: BatchRecord) -> dict[str, Any]:
    """Return what a person wants to know of a batch."""
    return {
        "batch": record.batch_id,
        "name": record.name,
        "model": record.model,
        "requests": record.requests,
        "status": record.status,
    }


def _round(shop: Shop, api_base: str | None) -> list[PolledBatch]:
    records = BatchRecords(shop.work / "batches")
    with CompletionCache(shop.cache) as cache:
        return [
            poll_batch(
                record,
                records=records,
                api=BatchAPI(provider=record.provider, api_base=api_base or record.api_base),
                shop=shop.config.name,
                cache=cache,
                ledger=shop.ledger,
                price=price_of(record.model, override=shop.config.llm.price),
            )
            for record in records.all()
            if not record.imported
        ]


def _outcome(polled: PolledBatch) -> dict[str, Any]:
    result = asdict(polled.result) if polled.result else None
    return {"imported": polled.record.imported, "result": result, "complaint": polled.complaint}


def _show(polled: PolledBatch) -> None:
    record = polled.record
    console.print(f"{record.batch_id or record.name}: {record.status.replace('_', ' ')}, {record.requests:,} requests")
    if polled.complaint:
        console.print(f"  {polled.complaint}")
    if polled.result:
        show_import(polled.result)
