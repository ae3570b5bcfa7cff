"""`ingest`, `context`, `index`, `content`: what is made of the shop folder and the labels without asking any model."""

from __future__ import annotations

import shlex

from domain.errors import UserError
from querywise.options import JsonOption, ShopArgument, WorkOption, console, status, work_on, write_json
from querywise.pipeline import has_ideas, make_content, make_context, make_index, make_ingest
from querywise.show import show_content, show_context, show_ingest

__all__ = ["content", "context", "index", "ingest"]


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


def content(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Find what the shop can show of the ideas of its labels, and say what it cannot show and why. Asks no model."""
    with work_on(shop, work) as opened:
        if not has_ideas(opened):
            raise UserError(
                "no label has any ideas of what else to show",
                hint=f"querywise label {shlex.quote(str(shop))} --prompt understand@1,discover@1",
            )
        with status("content") as tell:
            report = make_content(opened, tell, force=True)
    write_json(report) if as_json else show_content(report)
