"""`review`: a page where people label the queries on which systems differ, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from domain.errors import UserError
from domain.rater_agreement import RaterAgreement, agree
from domain.review_gold import write_gold
from domain.reviews import Journal
from domain.taxonomy import Taxonomy
from querywise.options import JsonOption, ShopArgument, WorkOption, console, results, shop_at, write_json

__all__ = ["review"]


def review(
    shop: ShopArgument,
    work: WorkOption = None,
    rater: Annotated[str | None, typer.Option("--rater", help="Who labels; the page asks unless given.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8081,
    among: Annotated[int, typer.Option(min=1, help="How many of the most searched queries to look at.")] = 5000,
    adjudicate: Annotated[
        bool, typer.Option("--adjudicate", help="Show only queries on which raters differ; decisions settle them.")
    ] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Print how far raters agree and where they differ, and end.")
    ] = False,
    export: Annotated[Path | None, typer.Option("--export", help="Write the labels as gold, and end.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Label the queries on which behaviour, the models and the release differ, on a page of this machine.

    The most harmful ones come first: many searches, much disagreement. Every decision is kept in reviews.jsonl in the
    work folder before the page goes on.
    """
    if (agreement, adjudicate, export is not None).count(True) > 1:
        raise UserError("--adjudicate, --agreement and --export exclude one another", hint="pass one of them")
    opened = shop_at(shop, work)
    journal = Journal(opened.work / "reviews.jsonl")
    for damage in journal.damaged:
        console.print(Text(f"{journal.path}, line {damage.line} is left out: {damage.detail}", style="yellow"))
    if export is not None:
        _export(journal, export, as_json=as_json)
    elif agreement:
        _show_agreement(agree(journal.standing.decisions), opened.load_taxonomy(), as_json=as_json)
    else:
        # The web framework takes a quarter of a second to load, and no other command needs it.
        from querywise.review_page import serve_page

        serve_page(opened, journal, rater=rater, port=port, among=among, adjudicate=adjudicate, as_json=as_json)


def _export(journal: Journal, path: Path, *, as_json: bool) -> None:
    decisions = journal.standing.decisions
    if not decisions:
        raise UserError("nobody has decided anything yet", hint="run `querywise review` without --export first")
    count = write_gold(path, decisions)
    if as_json:
        write_json({"labels": count, "output": path})
    else:
        console.print(f"{count:,} labels written to {path}")


def _show_agreement(found: RaterAgreement, taxonomy: Taxonomy, *, as_json: bool) -> None:
    if as_json:
        write_json(found)
        return
    for name, count in found.decided.items():
        results.print(f"{name}: {count:,} decided")
    for pair in found.pairs:
        results.print(
            f"{' and '.join(pair.raters)}: {pair.queries:,} queries by both; same set {pair.same_set:.1%}, "
            f"same first {pair.same_first:.1%}, overlap (Jaccard) {pair.overlap:.3f}"
        )
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.3f}"
    results.print(f"Krippendorff's alpha (Jaccard distance): {alpha}")
    if found.settled:
        results.print(f"differences that are settled: {found.settled:,}")
    for difference in found.differing:
        results.print(f"\n{difference.query}")
        for decision in difference.decisions:
            names = [" > ".join(taxonomy.path(i)) if i in taxonomy else i for i in decision.categories]
            reason = f"  ({decision.reason})" if decision.reason else ""
            results.print(f"  {decision.rater}: {'; '.join(names) or 'abstain'}{reason}")
