"""What the tail borrows beside what log and tree would show for the same queries, judged together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.discovered.loans import Loan
from benchmarks.discovery import BASELINE
from domain.context import ContextStore
from domain.discovery import Content, Ideas, Role
from domain.discovery.assemble import Assembled, Assembler
from domain.discovery.baseline import baseline_ideas
from domain.label import Label, Provenance
from domain.shop import Shop
from domain.understanding import Understanding
from domain.verdict import Item
from evals.ideas import ideas_table, measure_ideas
from prompts import load_prompt
from prompts.judge import Judge, Sheet
from querywise.idea_sides import ROLES, IdeaSide, drops_table, exhibits_of, goods_of, shown_of
from release import open_release
from release.borrow_content import LEAST_COSINE

__all__ = ["BORROWED", "beside_lines", "sheets_beside", "sides_of"]

BORROWED: Final = "LLM, borrowed"
ANY: Final = "LLM, borrowed from any"
"""The same whatever the cosine. A judge is asked about it too, so that the threshold can be moved."""

LEAST_JUDGED: Final = 0.9
"""The least share of the ideas with a verdict, below which it is not said how much is right."""


def sides_of(shop: Shop, release_id: str, loans: Sequence[Loan], assembler: Assembler) -> list[IdeaSide]:
    """Return the sides of each query: what a release lends it, what any lender would, and what log and tree propose.

    What the query means is known to both from the release.
    """
    contexts = ContextStore(shop.context_file)
    with open_release(shop.releases / release_id) as release:
        answers = release.understand([loan.query for loan in loans])
    sides: list[IdeaSide] = []
    none: Mapping[Role, tuple[()]] = dict.fromkeys(ROLES, ())
    for loan, answer in zip(loans, answers, strict=True):
        label = _label(loan.query, answer)
        for name, least in ((BORROWED, LEAST_COSINE), (ANY, 0.0)):
            made = _borrowed(loan) if loan.cosine >= least else Content(query=loan.query)
            sides.append(IdeaSide(name=name, label=label, made=Assembled(content=made, dropped=()), refused=none))
        context = contexts.get(loan.query)
        asked = assembler.asked(answer, context)
        ideas = baseline_ideas(asked, context, assembler.judge)
        sides.append(IdeaSide.of(BASELINE, replace(label, ideas=ideas), asked, context, assembler))
    return sides


def sheets_beside(shop: Shop, sides: Sequence[IdeaSide], model: str) -> Iterator[tuple[Judge, Sheet]]:
    """Yield the judge's requests: all that any side shows for a query, in the order of categories."""
    goods = goods_of(shop)
    for role in ROLES:
        rubric = load_prompt(f"judge_{role}@1")
        judge = Judge(shop=shop.config.name, locale=shop.config.locale, model=model, rubric=rubric)
        for sheet in judge.sheets(exhibits_of(sides, role, goods, refused=False)):
            yield judge, sheet


def beside_lines(sides: Sequence[IdeaSide], verdicts: Mapping[Item, bool], assembler: Assembler) -> list[str]:
    """Return both sides in the columns of the other tiers, and why ideas of log and tree are not shown."""
    compared = [side for side in sides if side.name != ANY]
    shown = shown_of(compared, assembler)
    figures = [one for one in measure_ideas(shown, verdicts, base=BASELINE) if one.tier == "tail"]
    items = {item for some in shown.values() for one in some for item in one.items}
    judged = len(items & verdicts.keys())
    if judged < LEAST_JUDGED * len(items):
        # Those that show nothing would count all the same.
        figures = [replace(one, precision=None, right=None, gain=None) for one in figures]
    queries = len({side.label.query for side in compared})
    return [
        f"{queries} queries; of {len(items):,} ideas {judged:,} are judged.",
        "",
        *ideas_table(figures, base=BASELINE),
        "",
        *drops_table([side for side in compared if side.name == BASELINE]),
    ]


def _borrowed(loan: Loan) -> Content:
    return Content(query=loan.query, substitutes=loan.ideas("substitute"), complements=loan.ideas("complement"))


def _label(query: str, answer: Understanding) -> Label:
    origin = Provenance(model="", prompt="", key="", context="", dropped={})
    return Label(query=query, tier="tail", searches=0, understanding=answer, provenance=origin, ideas=Ideas())
