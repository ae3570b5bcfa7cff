"""Which prompt has the better ideas of what else to show, and whether an LLM has better ones than log and tree.

    python -m benchmarks.discovery --shop FOLDER --work FOLDER --recording FILE [--judge FILE] [--export FILE]

The recording holds answers to both prompts; queries of head and torso that it has both for are compared, each side
through the same grounding and checks. `--judge` takes recorded verdicts; `--export` writes what has none yet as a batch
file. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from domain.context import ContextStore
from domain.discovery import Ideas, Role
from domain.discovery.assemble import Assembler
from domain.discovery.baseline import baseline_ideas
from domain.discovery.diverse import category_coverage
from domain.errors import QuerywiseError
from domain.label import read_labels
from domain.shop import Shop, open_shop
from domain.verdict import Item
from evals.cells import table
from evals.ideas import IdeasShown, ideas_table, measure_ideas
from prompts import Teacher, load_prompt
from prompts.answer import Answer, read_completion
from prompts.batch import export_batch
from prompts.ideas import check_ideas
from prompts.judge import Judge, Sheet
from prompts.recording import Recorded
from querywise.content import open_assembler
from querywise.idea_sides import ROLES, IdeaSide, drops_table, exhibits_of, goods_of, is_right, refused_table, shown_of
from querywise.pipeline import open_teacher

PROMPTS: Final = {"discover@1": "LLM, what was chosen", "discover_next@1": "LLM, what was searched next"}
BASELINE: Final = "no LLM"
FIRST: Final = 2
"""Ideas of a list that are looked at where its ranking is measured: of most lists there are three or four in all."""
TRADE_OFFS: Final = (0.0, 0.3, 0.5, 0.7, 0.85, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--export", type=Path)
    options = parser.parse_args()
    try:
        shop = open_shop(options.shop, work=options.work)
        contexts = ContextStore(shop.context_file)
        assembler = open_assembler(shop, contexts)
        recorded = Recorded(options.recording)
        sides = compared(shop, contexts, assembler, recorded)
        judged = Recorded(options.judge) if options.judge else None
        sheets = list(sheets_of(shop, sides, judged.model if judged else recorded.model))
        if options.export:
            asked = [sheet.part.request for _, sheet in sheets]
            export_batch(options.export, [one for one in asked if judged is None or judged.get(one.key) is None])
            return
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    verdicts = verdicts_of(sheets, judged) if judged else {}
    lines = [
        f"{len({side.label.query for side in sides}):,} queries, {len(verdicts):,} ideas judged.",
        "",
        *ideas_table(measure_ideas(shown_of(sides, assembler), verdicts, base=BASELINE), base=BASELINE),
        "",
        *drops_table(sides),
        "",
        *refused_table([side for side in sides if side.name != BASELINE], verdicts),
        "",
        *trade_off_table([side for side in sides if side.name == next(iter(PROMPTS.values()))], assembler, verdicts),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def compared(shop: Shop, contexts: ContextStore, assembler: Assembler, recorded: Recorded) -> list[IdeaSide]:
    """Return all sides of the queries for which both prompts were answered."""
    teachers = {name: open_teacher(shop, model=recorded.model, prompt=name) for name in PROMPTS}
    sides: list[IdeaSide] = []
    for label in read_labels(shop.labels_file):
        if label.tier == "tail":
            continue
        found = {name: _ideas(teacher, recorded, label.query) for name, teacher in teachers.items()}
        if None in found.values():
            continue
        context = contexts.get(label.query)
        asked = assembler.asked(label.understanding, context)
        proposed = {PROMPTS[name]: ideas for name, ideas in found.items() if ideas is not None}
        proposed[BASELINE] = baseline_ideas(asked, context, assembler.judge)
        for name, ideas in proposed.items():
            sides.append(IdeaSide.of(name, replace(label, ideas=ideas), asked, context, assembler))
    return sides


def trade_off_table(sides: Sequence[IdeaSide], assembler: Assembler, verdicts: Mapping[Item, bool]) -> list[str]:
    """Return what the first ideas of a side are worth and how unlike they are, by what relevance counts in ranking."""
    contexts = assembler.judge.grounder.contexts
    rows = []
    for trade_off in TRADE_OFFS:
        ranker = replace(assembler, trade_off=trade_off)
        first: dict[Role, list[IdeasShown]] = {role: [] for role in ROLES}
        kept: dict[Role, list[float]] = {role: [] for role in ROLES}
        for side in sides:
            context = contexts.get(side.label.query) if contexts else None
            asked = ranker.asked(side.label.understanding, context)
            ranked = IdeaSide.of(side.name, side.label, asked, context, ranker)
            for role in ROLES:
                ideas = ranked.shown(role)
                if len(ideas) > FIRST:
                    first[role].append(ranked.first(role, FIRST, ranker))
                    offered = {idea.category_id for idea in ideas}
                    kept[role].append(category_coverage([idea.category_id for idea in ideas[:FIRST]], offered))
        for role in ROLES:
            judged = [verdicts[item] for one in first[role] for item in one.items if item in verdicts]
            apart = [one.diversity for one in first[role] if one.diversity is not None]
            if judged and apart:
                figures = (statistics.mean(judged), statistics.mean(apart), statistics.mean(kept[role]))
                rows.append((role, f"{trade_off:g}", str(len(first[role])), *(f"{value:.3f}" for value in figures)))
    head = ("kind", "trade-off", f"queries with more than {FIRST}", f"precision of {FIRST}", "diversity", "coverage")
    return table(head, sorted(rows))


def _ideas(teacher: Teacher, recorded: Recorded, query: str) -> Ideas | None:
    found = recorded.get(teacher.ask(query).parts[0].request.key)
    answer = read_completion(found, "discover") if found else None
    return check_ideas(answer, query=query, reject=lambda *_: None) if isinstance(answer, Answer) else None


def sheets_of(shop: Shop, sides: Sequence[IdeaSide], model: str):  # type: ignore[no-untyped-def]
    """Yield each request of a judge, with the judge."""
    goods = goods_of(shop)
    for role in ROLES:
        rubric = load_prompt(f"judge_{role}@1")
        judge = Judge(shop=shop.config.name, locale=shop.config.locale, model=model, rubric=rubric)
        for sheet in judge.sheets(exhibits_of(sides, role, goods, refused=True)):
            yield judge, sheet


def verdicts_of(sheets: Sequence[tuple[Judge, Sheet]], recorded: Recorded) -> dict[Item, bool]:
    """Return whether each item is right; one without a verdict is not there."""
    found: dict[Item, bool] = {}
    for judge, sheet in sheets:
        for turn in judge.turns(sheet, recorded.get):
            for short, exhibit in zip(sheet.ids, sheet.exhibits, strict=True):
                if (said := turn.answered.items.get(short)) is not None:
                    found[exhibit.item] = is_right(said.facets)
    return found


if __name__ == "__main__":
    main()
