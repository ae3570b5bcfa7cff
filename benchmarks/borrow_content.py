"""How near a query has to be to lend its discovery content: what a judge says of borrowed ideas, by the cosine.

    python -m benchmarks.borrow_content --shop FOLDER --work FOLDER --release ID [--judge FILE] [--export FILE]
        [--write docs/discovered.md]

Queries of the log's tail without content of their own are drawn at random; each is shown what the nearest query that
may lend has, from a cosine of 0.5 on. `--export` writes what the judge has not been asked yet as a batch file. Prints
Markdown; `--write` puts it into the page.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.discovered.page import put
from domain.context import ContextStore
from domain.discovery import Content, Role
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
from querywise.idea_sides import ROLES, goods_of, is_right, item_of
from release import open_release
from release.borrow_content import LEAST_COSINE, ContentBorrower, is_wider
from release.contents import LENDERS
from release.lenders import Lenders
from release.manifest import DISCOVERY, STUDENT
from release.student import Student
from release.tail import Tail

LEAST: Final = 0.5
SHOWN: Final = 3
"""Ideas of a kind that are judged, the first."""
CUTS: Final = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)


@dataclass(frozen=True, kw_only=True)
class Loan:
    """A query of the tail with what the nearest lender has; without one there is none."""

    query: str
    cosine: float
    content: Content | None

    def ideas(self, role: Role) -> tuple[Discovery, ...]:
        """Return what the query is lent of a kind."""
        if self.content is None or (role == "substitute" and self.is_wider):
            return ()
        return (self.content.substitutes if role == "substitute" else self.content.complements)[:SHOWN]

    @property
    def is_wider(self) -> bool:
        """Whether the lender says less than the query."""
        return self.content is not None and is_wider(self.content.query, self.query)

    @property
    def kept_back(self) -> tuple[Discovery, ...]:
        """The substitutes that the query is not lent because the lender says less."""
        return self.content.substitutes[:SHOWN] if self.content is not None and self.is_wider else ()


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
    try:
        shop = open_shop(options.shop, work=options.work)
        loans = loans_of(shop, options.release, options.sample)
        judged = Recorded(options.judge) if options.judge else None
        sheets = sheets_of(shop, loans, judged.model if judged else options.model)
        if options.export:
            asked = [sheet.part.request for _, sheet in sheets]
            export_batch(options.export, [one for one in asked if judged is None or judged.get(one.key) is None])
        elif judged:
            put(options.write, "borrowed content", report(loans, sheets, judged))
        else:
            parser.error("give --judge or --export")
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def loans_of(shop: Shop, release_id: str, sample: int) -> list[Loan]:
    """Return queries of the tail with what they would borrow, drawn from those that would borrow anything."""
    with open_release(shop.releases / release_id) as release:
        student = Student(release.folder / STUDENT, release.taxonomy)
        lenders = Lenders(release.folder / DISCOVERY / LENDERS, student)
        borrower = ContentBorrower(Tail(student, release.taxonomy), lenders, least=LEAST)
        contents = release.contents
        assert contents is not None
        loans = []
        for context in ContextStore(shop.context_file).of_tiers("tail"):
            if contents.get(context.query) is None:
                near = borrower.nearest(context.query)
                content = contents.get(near.query) if near else None
                loans.append(Loan(query=context.query, cosine=near.cosine if near else 0.0, content=content))
    random.Random(0).shuffle(loans)
    borrowing = [loan for loan in loans if loan.content is not None]
    chosen = set(map(id, borrowing[:sample]))
    return [loan for loan in loans if loan.content is None or id(loan) in chosen]


def sheets_of(shop: Shop, loans: Sequence[Loan], model: str) -> list[tuple[Judge, Sheet]]:
    """Return the judge's requests."""
    goods = goods_of(shop)
    sheets = []
    for role in ROLES:
        rubric = load_prompt(f"judge_{role}@1")
        judge = Judge(shop=shop.config.name, locale=shop.config.locale, model=model, rubric=rubric)
        exhibits = [goods.discovery(loan.query, role, idea) for loan in loans for idea in loan.ideas(role)]
        if role == "substitute":
            exhibits += [goods.discovery(loan.query, role, idea) for loan in loans for idea in loan.kept_back]
        sheets += [(judge, sheet) for sheet in judge.sheets(exhibits)]
    return sheets


def report(loans: Sequence[Loan], sheets: Sequence[tuple[Judge, Sheet]], recorded: Recorded) -> list[str]:
    """Return a row for each kind and threshold."""
    right: dict[Item, bool] = {}
    for judge, sheet in sheets:
        for turn in judge.turns(sheet, recorded.get):
            for short, exhibit in zip(sheet.ids, sheet.exhibits, strict=True):
                if (said := turn.answered.items.get(short)) is not None:
                    right[exhibit.item] = is_right(said.facets)
    drawn = [loan for loan in loans if loan.content is not None]
    rows: list[tuple[str, ...]] = []
    for role in ROLES:
        for cut in CUTS:
            some = [loan for loan in drawn if loan.cosine >= cut]
            judged = _judged([(loan.query, loan.ideas(role)) for loan in some], role, right)
            if any(judged):
                share = f"{len(some) / len(drawn):.0%}"
                rows.append((role, f"{cut:g}", str(len(some)), share, str(sum(map(len, judged))), _precision(judged)))
    wider = [loan for loan in drawn if loan.kept_back]
    judged = _judged([(loan.query, loan.kept_back) for loan in wider], "substitute", right)
    if any(judged):
        count = str(sum(map(len, judged)))
        share = f"{len(wider) / len(drawn):.0%}"
        rows.append(("substitute of a lender that says less", "–", str(len(wider)), share, count, _precision(judged)))
    head = ("kind", "least cosine", "queries", f"of those from {LEAST:g} on", "ideas judged", "precision")
    return [
        f"{len(drawn)} queries, up to {SHOWN} ideas of a kind. A release lends from {LEAST_COSINE:g} on.",
        "",
        *table(head, rows),
    ]


def _judged(
    lent: Sequence[tuple[str, Sequence[Discovery]]], role: Role, right: Mapping[Item, bool]
) -> list[list[bool]]:
    return [[right[item] for i in ideas if (item := item_of(query, role, i)) in right] for query, ideas in lent]


def _precision(judged: Sequence[Sequence[bool]]) -> str:
    ratio = Ratio(
        top=np.array([sum(one) for one in judged], dtype=np.float64),
        bottom=np.array([len(one) for one in judged], dtype=np.float64),
    )
    sample = bootstrap({"precision": ratio}, queries=len(judged), draws=2000, seed=0)["precision"]
    return interval(sample.estimate())


if __name__ == "__main__":
    main()
