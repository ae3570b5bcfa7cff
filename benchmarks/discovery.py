"""Which prompt has the better ideas of what else to show, and whether an LLM has better ones than log and tree.

    python -m benchmarks.discovery --shop FOLDER --work FOLDER --recording FILE [--judge FILE] [--export FILE]
        [--write docs/discovered.md]

The recording holds answers to both prompts; queries of head and torso that it has both for are compared, each side
through the same grounding and checks. `--judge` takes recorded verdicts; `--export` writes what has none yet as a batch
file. Prints Markdown; `--write` puts it into the page, between marks that bear the shop's name, and draws its plot into
the folder images beside it. Nothing is asked of a model.

The judge was asked of everything that the strict rules about roles let through, and of what they refuse, so that rules
can be loosened without asking anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.discovered.confidence import score_table, scored_of, threshold_table
from benchmarks.discovered.page import put
from benchmarks.discovered.plot import drawing
from benchmarks.discovered.rules import change_table, refused_table, swapped_table
from benchmarks.discovered.trade_off import measure_trade_offs, trade_off_table
from domain.context import ContextStore
from domain.discovery.asked import Asked
from domain.discovery.assemble import Assembler
from domain.discovery.baseline import baseline_ideas
from domain.discovery.content import Idea, Ideas
from domain.errors import QuerywiseError
from domain.label import Label, read_labels
from domain.shop import Shop, open_shop
from domain.verdict import Item
from evals.ideas import ideas_table, measure_ideas
from prompts import Teacher, load_prompt
from prompts.answer import Answer, read_completion
from prompts.batch import export_batch
from prompts.ideas import check_ideas
from prompts.judge import Judge, Sheet
from prompts.recording import Recorded
from querywise.content import open_assembler
from querywise.idea_sides import ROLES, IdeaSide, drops_table, exhibits_of, goods_of, is_right, shown_of
from querywise.pipeline import open_teacher
from release.match import Matcher, Offer, is_there
from release.student import Student

PROMPTS: Final = {"discover@1": "LLM, what was chosen", "discover_next@1": "LLM, what was searched next"}
BASELINE: Final = "no LLM"


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A label, and what the model proposed for its query, by the name of the side."""

    label: Label
    ideas: Mapping[str, Ideas]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A section of the page, and its plot; none where no list is long enough to be ranked."""

    lines: list[str]
    plot: str | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--write", type=Path, help="the page; its plot goes into the folder images beside it")
    options = parser.parse_args()
    try:
        shop = open_shop(options.shop, work=options.work)
        assembler = open_assembler(shop, ContextStore(shop.context_file))
        recorded = Recorded(options.recording)
        proposed = proposals(shop, recorded)
        judged = Recorded(options.judge) if options.judge else None
        everything = sides_of(proposed, strict(assembler))
        sheets = list(sheets_of(shop, everything, judged.model if judged else recorded.model))
        if options.export:
            asked = [sheet.part.request for _, sheet in sheets]
            export_batch(options.export, [one for one in asked if judged is None or judged.get(one.key) is None])
            return
        found = measured(shop, proposed, assembler, verdicts_of(sheets, judged) if judged else {})
        plot = f"diversity-{shop.config.name}.svg"
        if options.write and found.plot:
            (options.write.parent / "images" / plot).write_text(found.plot, encoding="utf-8")
        picture = ["", f"![Precision against diversity and coverage](images/{plot})"] if found.plot else []
        put(options.write, f"discovery of {shop.config.name}", [*found.lines, *picture])
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def measured(shop: Shop, proposed: Sequence[Proposed], assembler: Assembler, verdicts: Mapping[Item, bool]) -> Measured:
    """Return what is known of the ideas of a shop, given what a judge said of them."""
    everything, sides = sides_of(proposed, strict(assembler)), sides_of(proposed, assembler)
    models = [side for side in sides if side.name != BASELINE]
    first = next(iter(PROMPTS.values()))
    traded = measure_trade_offs([side for side in sides if side.name == first], assembler, verdicts)
    scored = scored_of(models, assembler, verdicts, chances_of(shop))
    before, after = ([side for side in some if side.name == first] for some in (everything, sides))
    lines = [
        f"{len(proposed):,} queries, {len(verdicts):,} ideas judged.",
        "",
        *ideas_table(measure_ideas(shown_of(sides, assembler), verdicts, base=BASELINE), base=BASELINE),
        "",
        "### Not shown",
        "",
        *drops_table(sides),
        "",
        "### What the rules refuse",
        "",
        *refused_table([one for one in everything if one.name != BASELINE], models, verdicts),
        "",
        f"The strict rules and those in force now, for the ideas of *{first}*:",
        "",
        *change_table(before, after, verdicts),
        "",
        "In the other role, ideas of both prompts:",
        "",
        *swapped_table(asked_for(proposed, assembler), {"strict": strict(assembler).judge, "now": assembler.judge}),
        "",
        "### What tells right from wrong",
        "",
        *score_table(scored),
        "",
        *threshold_table(scored),
        "",
        "### Diversity",
        "",
        *trade_off_table(traded),
    ]
    return Measured(lines=lines, plot=drawing(traded) if traded else None)


def strict(assembler: Assembler) -> Assembler:
    """Return what refuses ideas by the strict rules, as it was when the judge was asked."""
    return replace(assembler, judge=replace(assembler.judge, strict=True))


def proposals(shop: Shop, recorded: Recorded) -> list[Proposed]:
    """Return the labels of head and torso for whose queries both prompts were answered."""
    teachers = {name: open_teacher(shop, model=recorded.model, prompt=name) for name in PROMPTS}
    found: list[Proposed] = []
    for label in read_labels(shop.labels_file):
        if label.tier == "tail":
            continue
        ideas = {PROMPTS[name]: _ideas(teacher, recorded, label.query) for name, teacher in teachers.items()}
        answered = {name: some for name, some in ideas.items() if some is not None}
        if len(answered) == len(PROMPTS):
            found.append(Proposed(label=label, ideas=answered))
    return found


def sides_of(proposed: Iterable[Proposed], assembler: Assembler) -> list[IdeaSide]:
    """Return all sides of the queries: those of the prompts, and what log and tree alone would propose."""
    contexts = assembler.judge.grounder.contexts
    sides: list[IdeaSide] = []
    for one in proposed:
        context = contexts.get(one.label.query) if contexts else None
        asked = assembler.asked(one.label.understanding, context)
        every = {**one.ideas, BASELINE: baseline_ideas(asked, context, assembler.judge)}
        for name, ideas in every.items():
            sides.append(IdeaSide.of(name, replace(one.label, ideas=ideas), asked, context, assembler))
    return sides


def asked_for(proposed: Iterable[Proposed], assembler: Assembler) -> list[tuple[Asked, Ideas]]:
    """Return each query with what both prompts propose, each idea once."""
    contexts = assembler.judge.grounder.contexts
    found = []
    for one in proposed:
        asked = assembler.asked(one.label.understanding, contexts.get(one.label.query) if contexts else None)
        ideas = Ideas(
            substitutes=_once(idea for some in one.ideas.values() for idea in some.substitutes),
            complements=_once(idea for some in one.ideas.values() for idea in some.complements),
        )
        found.append((asked, ideas))
    return found


def _once(ideas: Iterable[Idea]) -> tuple[Idea, ...]:
    return tuple({idea.query: idea for idea in ideas}.values())


def chances_of(shop: Shop) -> Callable[[Sequence[Offer]], list[float]] | None:
    """Return what gives the chances of the shop's filter of bad matches; None where it has none."""
    if not is_there(shop.student):
        return None
    matcher = Matcher(shop.student, Student(shop.student, shop.load_taxonomy()))

    def chances(offers: Sequence[Offer]) -> list[float]:
        found: list[float] = matcher.chances(offers).tolist()
        return found

    return chances


def _ideas(teacher: Teacher, recorded: Recorded, query: str) -> Ideas | None:
    found = recorded.get(teacher.ask(query).parts[0].request.key)
    answer = read_completion(found, "discover") if found else None
    return check_ideas(answer, query=query, reject=lambda *_: None) if isinstance(answer, Answer) else None


def sheets_of(shop: Shop, sides: Sequence[IdeaSide], model: str) -> Iterator[tuple[Judge, Sheet]]:
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
