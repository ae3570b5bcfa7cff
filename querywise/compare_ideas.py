"""`prompts compare` of prompts that ask for discovery content: what each can show, and what a judge says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.context import ContextStore
from domain.discovery import Role
from domain.label import Label, read_labels
from domain.shop import Shop
from domain.verdict import Item, Verdict, read_verdicts
from evals.ideas import IdeaFigures, ideas_table, measure_ideas
from prompts import Provider, load_prompt
from prompts.judge import Exhibit, Judge
from prompts.recording import Recorded
from querywise.content import open_assembler
from querywise.idea_sides import ROLES, IdeaSide, drops_table, exhibits_of, goods_of, is_right, shown_of
from querywise.judge_run import JudgeRun
from querywise.limits import Limits
from querywise.pipeline import require_index

__all__ = ["ComparedIdeas", "compare_ideas"]


@dataclass(frozen=True, kw_only=True)
class ComparedIdeas:
    """Discovery content of two prompts on the same queries; ``unscored`` ideas have no verdict."""

    figures: tuple[IdeaFigures, ...]
    not_shown: tuple[str, ...]
    base: str
    judged: int
    unscored: int

    def text(self) -> str:
        """Return what a reader needs."""
        said = f"{self.judged:,} ideas judged" + (f", {self.unscored:,} without a verdict" if self.unscored else "")
        nobody = "nobody judged the ideas: --judge MODEL lets a model do it"
        lines = [*ideas_table(self.figures, base=self.base), "", *self.not_shown, "", said if self.judged else nobody]
        return "\n".join(lines)


def compare_ideas(
    shop: Shop, labels: Mapping[str, Sequence[Label]], *, judge: Provider | None, limits: Limits
) -> ComparedIdeas:
    """Ground what two prompts propose, and let a judge say what of it is right, blind to who proposed it.

    Args:
        shop: The shop.
        labels: Of each side by its name, the first being what the other is held against, with their ideas.
        judge: Answers the judge's requests; None for no judge.
        limits: What the judge may take for both kinds together.

    Raises:
        StageMissing: when the shop has no contexts, or no index of this catalogue.
    """
    require_index(shop)
    contexts = ContextStore(shop.context_file)
    assembler = open_assembler(shop, contexts)
    known = (
        {label.query: label.understanding for label in read_labels(shop.labels_file)}
        if shop.labels_file.is_file()
        else {}
    )
    base = next(iter(labels))
    answered = [{label.query: label for label in some if label.ideas is not None} for some in labels.values()]
    shared = [query for query in answered[0] if all(query in other for other in answered)]
    sides = []
    for name, by_query in zip(labels, answered, strict=True):
        for query in shared:
            label = by_query[query]
            meant = known.get(query, label.understanding)
            asked = assembler.asked(meant, contexts.get(query))
            sides.append(IdeaSide.of(name, label, asked, contexts.get(query), assembler))
    exhibits = _exhibits(shop, sides) if judge else {}
    verdicts: dict[Item, bool] = {}
    for role, some in exhibits.items():
        if judge and some:
            judged = _judged(shop, role, some, judge, limits)
            verdicts |= judged.right
            if limits.budget is not None:
                limits = replace(limits, budget=max(0.0, limits.budget - judged.spent))
    asked_about = {exhibit.item for some in exhibits.values() for exhibit in some}
    return ComparedIdeas(
        figures=tuple(measure_ideas(shown_of(sides, assembler), verdicts, base=base)) if shared else (),
        not_shown=tuple(drops_table(sides)),
        base=base,
        judged=len(verdicts),
        unscored=len(asked_about) - len(verdicts),
    )


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Whether each idea that has a verdict is right, and what the verdicts cost in US dollars."""

    right: Mapping[Item, bool]
    spent: float


def _exhibits(shop: Shop, sides: Sequence[IdeaSide]) -> dict[Role, list[Exhibit]]:
    goods = goods_of(shop)
    return {role: exhibits_of(sides, role, goods, refused=False) for role in ROLES}


def _judged(shop: Shop, role: Role, exhibits: Sequence[Exhibit], provider: Provider, limits: Limits) -> _Judged:
    judge = Judge(
        shop=shop.config.name,
        locale=shop.config.locale,
        model=provider.model,
        rubric=load_prompt(f"judge_{role}@1"),
        api_base=provider.api_base,
    )
    recording = provider if isinstance(provider, Recorded) else None
    summary = JudgeRun(shop, [judge], exhibits, recording=recording).judge(provider, limits)
    wanted = {exhibit.item for exhibit in exhibits}
    kept = (verdict for path in summary.files for verdict in read_verdicts(path))
    right = {one.item: is_right(one.facets) for one in kept if isinstance(one, Verdict) and one.item in wanted}
    return _Judged(right=right, spent=summary.tally.price)
