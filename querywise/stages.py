"""`ingest`, `context`, `index`: from the shop folder to what a model is shown."""

from __future__ import annotations

from querywise.options import JsonOption, ShopArgument, WorkOption, console, status, work_on, write_json
from querywise.pipeline import make_context, make_index, make_ingest
from querywise.show import show_context, show_ingest

__all__ = ["context", "index", "ingest"]


def ingest(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Validate the shop folder and load it. Rows that do not stand are quarantined with their reason."""
    with work_on(shop, work) as opened, status("ingest") as tell:
        report = make_ingest(opened, tell, force=True)
    if as_json:
        write_json(report)
    else:
        show_ingest(report)
        console.print(f"rejected rows are kept in {opened.warehouse / 'quarantine.parquet'}", style="dim")


def context(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Compute what the log says of every query. That is its tier, demand, annotations, and what is searched next."""
    with work_on(shop, work) as opened, status("context") as tell:
        report = make_context(opened, tell, force=True)
    write_json(report) if as_json else show_context(report)


def index(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Index category names and product titles."""
    with work_on(shop, work) as opened, status("index") as tell:
        report = make_index(opened, tell, force=True)
    if as_json:
        write_json(report)
    else:
        console.print(f"indexed {report['categories']:,} categories and {report['products']:,} products")
