"""`ingest`, `context`, `index`: from the shop folder to what a model is shown."""

from __future__ import annotations

from querywise.options import JsonOption, ShopArgument, WorkOption, console, shop_at, write_json
from querywise.pipeline import make_context, make_index, make_ingest
from querywise.show import show_context, show_ingest

__all__ = ["context", "index", "ingest"]


def ingest(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Validate the shop folder and load it; rows that do not stand are quarantined with their reason."""
    opened = shop_at(shop, work)
    with console.status("ingest") as status:
        report = make_ingest(opened, lambda step: status.update(f"ingest: {step}"), force=True)
    if as_json:
        write_json(report)
    else:
        show_ingest(report)
        console.print(f"rejected rows are kept in {opened.warehouse / 'quarantine.parquet'}", style="dim")


def context(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Compute what the log says of every query: tiers, demand, annotations, what is searched next."""
    opened = shop_at(shop, work)
    with console.status("context") as status:
        report = make_context(opened, lambda step: status.update(f"context: {step}"), force=True)
    write_json(report) if as_json else show_context(report)


def index(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Index category names and product titles, by words and by meaning."""
    opened = shop_at(shop, work)
    with console.status("index") as status:
        report = make_index(opened, lambda step: status.update(f"index: {step}"), force=True)
    if as_json:
        write_json(report)
    else:
        console.print(f"indexed {report['categories']:,} categories and {report['products']:,} products")
