"""What discovery content is worth to the tail: what it borrows, by the cosine of the lender and beside no LLM.

    python -m benchmarks.borrow_content --shop FOLDER --work FOLDER --release ID [--judge FILE] [--export FILE]
        [--write docs/discovered.md]

Queries of the log's tail without content of their own are drawn at random; each is shown what the nearest query that
may lend has, from a cosine of 0.5 on. A judge was asked about that alone, and once more with what log and tree would
show for the same query, all in one order. `--export` writes what it has not been asked yet as a batch file. Prints
Markdown; `--write` puts it into the page, each part between its own marks.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.discovered.beside import beside_lines, sheets_beside, sides_of
from benchmarks.discovered.loans import LEAST, Drawn, Loan, draw_loans
from benchmarks.discovered.page import put
from benchmarks.discovery import verdicts_of
from domain.context import ContextStore
from domain.discovery import Role
from domain.errors import QuerywiseError
from domain.shop import Shop, open_shop
from domain.understanding import Discovery
from domain.verdict import Item
from evals.cells import interval, table
from evals.estimates import Ratio, bootstrap
from prompts import load_prompt
from prompts.batch import export_batch
from prompts.judge import Judge, Sheet
from prompts.recording import Recorded
from querywise.content import open_assembler
from querywise.idea_sides import ROLES, goods_of, item_of
from release.borrow_content import LEAST_COSINE

SHOWN: Final = 3
"""Ideas of a kind that are judged alone, the first."""
CUTS: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--model", default="claude", help="asked by the exported requests")
    parser.add_argument("--write", type=Path, help="the page")
    options = parser.parse_args()
    if not options.export and not options.judge:
        parser.error("give --judge or --export")
    try:
        shop = open_shop(options.shop, work=options.work)
        drawn = draw_loans(shop, options.release, options.sample)
        assembler = open_assembler(shop, ContextStore(shop.context_file))
        sides = sides_of(shop, options.release, drawn.loans, assembler)
        judged = Recorded(options.judge) if options.judge else None
        model = judged.model if judged else options.model
        alone, beside = list(sheets_of(shop, drawn.loans, model)), list(sheets_beside(shop, sides, model))
        if options.export:
            asked = [sheet.part.request for _, sheet in (*alone, *beside)]
            export_batch(options.export, [one for one in asked if judged is None or judged.get(one.key) is None])
        elif judged:
            put(options.write, "borrowed content", report(drawn, verdicts_of(alone, judged)))
            said = verdicts_of(beside, judged)
            put(options.write, "borrowed beside no LLM", beside_lines(sides, said, assembler))
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def sheets_of(shop: Shop, loans: Sequence[Loan], model: str) -> list[tuple[Judge, Sheet]]:
    """Return the judge's requests about what is borrowed, alone."""
    goods = goods_of(shop)
    sheets = []
    for role in ROLES:
        rubric = load_prompt(f"judge_{role}@1")
        judge = Judge(shop=shop.config.name, locale=shop.config.locale, model=model, rubric=rubric)
        exhibits = [goods.discovery(loan.query, role, idea) for loan in loans for idea in loan.ideas(role)[:SHOWN]]
        if role == "substitute":
            exhibits += [goods.discovery(loan.query, role, idea) for loan in loans for idea in loan.kept_back[:SHOWN]]
        sheets += [(judge, sheet) for sheet in judge.sheets(exhibits)]
    return sheets


def report(drawn: Drawn, right: Mapping[Item, bool]) -> list[str]:
    """Return a row for each kind and threshold."""
    loans = drawn.loans
    rows: list[tuple[str, ...]] = []
    for role in ROLES:
        for cut in CUTS:
            some = [loan for loan in loans if loan.cosine >= cut]
            ideas = [(loan.query, loan.ideas(role)[:SHOWN]) for loan in some]
            if any(found for _, found in ideas):
                rows.append((role, f"{cut:g}", *_cells(ideas, role, right, of=len(loans))))
    wider = [(loan.query, loan.kept_back[:SHOWN]) for loan in loans if loan.kept_back]
    if wider:
        rows.append(("substitute of a lender that says less", "–", *_cells(wider, "substitute", right, of=len(loans))))
    head = ("kind", "least cosine", "queries", f"of those from {LEAST:g} on", "ideas", "judged", "precision")
    return [
        f"{len(loans)} queries, up to {SHOWN} ideas of a kind. Of all {drawn.asked:,} queries of the tail without "
        f"content of their own {drawn.share(LEAST):.0%} have a lender from {LEAST:g} on, and "
        f"{drawn.share(LEAST_COSINE):.0%} from {LEAST_COSINE:g} on, where a release begins to lend.",
        "",
        *table(head, rows),
    ]


def _cells(
    lent: Sequence[tuple[str, Sequence[Discovery]]], role: Role, right: Mapping[Item, bool], *, of: int
) -> tuple[str, ...]:
    judged = [[right[item] for i in ideas if (item := item_of(query, role, i)) in right] for query, ideas in lent]
    counts = (sum(len(ideas) for _, ideas in lent), sum(map(len, judged)))
    return str(len(lent)), f"{len(lent) / of:.0%}", *map(str, counts), _precision(judged)


def _precision(judged: Sequence[Sequence[bool]]) -> str:
    ratio = Ratio(
        top=np.array([sum(one) for one in judged], dtype=np.float64),
        bottom=np.array([len(one) for one in judged], dtype=np.float64),
    )
    sample = bootstrap({"precision": ratio}, queries=len(judged), draws=2000, seed=0)["precision"]
    return interval(sample.estimate())


if __name__ == "__main__":
    main()
