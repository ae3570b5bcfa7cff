"""The stage between labels and release: from the ideas of the labels to discovery content, without asking any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from domain.context import ContextStore
from domain.discovery.affinity import compute_affinity
from domain.discovery.assemble import Assembled, Assembler, Match
from domain.discovery.baseline import baseline_ideas
from domain.discovery.content import Content, Ideas, Role, write_contents
from domain.discovery.diverse import TRADE_OFF
from domain.discovery.drops import DropReason
from domain.discovery.ground import Grounder
from domain.discovery.known_pairs import KnownPairs, PairsFile, read_known_pairs
from domain.discovery.roles import RoleJudge
from domain.discovery.safe import Blocklist
from domain.discovery.shelf import read_shelf
from domain.evidence import ContextSettings
from domain.label import Label, Tier
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from release.match import Matcher, Offer, is_there
from release.student import Student

__all__ = ["VERSION", "ContentReport", "Kinds", "Source", "make_contents", "match_of", "open_assembler"]

VERSION: Final = 2
"""Of how content is made: contents of another version are made anew."""

Source = Literal["labels", "baseline"]
"""Where ideas come from: the labels, or the log and the tree alone."""

_TIERS: Final[tuple[Tier, ...]] = ("head", "torso")


@dataclass(frozen=True, kw_only=True)
class Kinds:
    """What became of the ideas of one kind: those proposed are those kept and those dropped, by reason."""

    proposed: int = 0
    kept: int = 0
    dropped: Mapping[DropReason, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ContentReport:
    """What the stage made.

    Attributes:
        labels: Labels of head and torso that were looked at, by tier.
        contents: Of those, how many have any content.
        scarce: Of those, how many ask for what the shop lacks.
        ideas: By role, and within by tier.
        suggestions: Kept, by tier.
        known_pairs: What became of the rows of each file of complements.
    """

    labels: Mapping[Tier, int]
    contents: Mapping[Tier, int]
    scarce: Mapping[Tier, int]
    ideas: Mapping[Role, Mapping[Tier, Kinds]]
    suggestions: Mapping[Tier, int]
    known_pairs: tuple[PairsFile, ...] = ()


def make_contents(
    shop: Shop,
    labels: Iterable[Label],
    target: Path,
    *,
    source: Source = "labels",
    match: Match | None = None,
    trade_off: float = TRADE_OFF,
    tell: Callable[[int], None] = lambda _: None,
) -> ContentReport:
    """Write the contents of a shop's labels as JSON Lines, whole or not at all; those that are empty are left out.

    Args:
        shop: Ingested, with contexts and an index.
        labels: Those of head and torso are looked at, once each.
        target: The file.
        source: Where the ideas come from.
        match: Whether products match a query; see `match_of`.
        trade_off: What relevance counts against diversity.
        tell: Called with the number of labels done, after each.

    Raises:
        StageMissing: when the shop was not ingested, or has no contexts or no index.
        ShopError: when its file of complements cannot be read.
    """
    contexts = ContextStore(shop.context_file)
    assembler = open_assembler(shop, contexts, match=match, trade_off=trade_off)
    tally = _Tally()

    def contents() -> Iterator[Content]:
        for done, label in enumerate((label for label in labels if label.tier in _TIERS), start=1):
            context = contexts.get(label.query)
            asked = assembler.asked(label.understanding, context)
            if source == "baseline":
                ideas = baseline_ideas(asked, context, assembler.judge)
            else:
                ideas = label.ideas or Ideas()
            made = assembler.assemble(asked, ideas, context)
            tally.add(label.tier, ideas, made)
            if _has_any(made.content):
                yield made.content
            tell(done)

    write_contents(target, contents())
    return replace(tally.report(), known_pairs=assembler.judge.known.files)


def open_assembler(
    shop: Shop,
    contexts: ContextStore,
    *,
    match: Match | None = None,
    trade_off: float = TRADE_OFF,
) -> Assembler:
    """Return what makes the contents of a shop; see `make_contents`."""
    taxonomy, index = shop.load_taxonomy(), RetrievalIndex(shop.index)
    shelf = read_shelf(shop.warehouse / "products.parquet", index.stems)
    judge = RoleJudge(
        grounder=Grounder(index, taxonomy, shelf, contexts),
        affinity=compute_affinity(
            shop.warehouse, shop.context_file, settings=ContextSettings(), internal=shop.config.internal
        ),
        known=_known_pairs(shop, taxonomy),
    )
    return Assembler(
        judge=judge,
        blocklist=Blocklist(shop.config.discovery.block),
        match=match,
        trade_off=trade_off,
    )


def match_of(shop: Shop) -> Match | None:
    """Return the filter of bad matches that was trained beside the shop's student; None where there is none."""
    if not is_there(shop.student):
        return None
    matcher = Matcher(shop.student, Student(shop.student, shop.load_taxonomy()))

    def match(query: str, category_id: str, titles: Sequence[str]) -> list[bool]:
        return matcher.keep([Offer(query=query, text=title, category_id=category_id) for title in titles])

    return match


def _known_pairs(shop: Shop, taxonomy: Taxonomy) -> KnownPairs:
    columns = shop.config.columns.get("complements")
    paths = shop.files("complements")
    found = [read_known_pairs(path, taxonomy, columns=columns, file=shop.display(path)) for path in paths]
    lifts = {pair: lift for known in found for pair, lift in known.lifts.items()}
    return KnownPairs(lifts=lifts, files=tuple(file for known in found for file in known.files))


def _has_any(content: Content) -> bool:
    return bool(content.substitutes or content.complements or content.suggestions)


class _Tally:
    """Counts what is made."""

    def __init__(self) -> None:
        self._labels: Counter[Tier] = Counter()
        self._contents: Counter[Tier] = Counter()
        self._scarce: Counter[Tier] = Counter()
        self._suggestions: Counter[Tier] = Counter()
        self._proposed: Counter[tuple[Role, Tier]] = Counter()
        self._kept: Counter[tuple[Role, Tier]] = Counter()
        self._dropped: Counter[tuple[Role, Tier, DropReason]] = Counter()

    def add(self, tier: Tier, ideas: Ideas, made: Assembled) -> None:
        content = made.content
        self._labels[tier] += 1
        self._contents[tier] += _has_any(content)
        self._scarce[tier] += content.scarce
        self._suggestions[tier] += len(content.suggestions)
        self._proposed["substitute", tier] += len(ideas.substitutes)
        self._proposed["complement", tier] += len(ideas.complements)
        self._kept["substitute", tier] += len(content.substitutes)
        self._kept["complement", tier] += len(content.complements)
        for dropped in made.dropped:
            self._dropped[dropped.role, tier, dropped.reason] += 1

    def report(self) -> ContentReport:
        roles: tuple[Role, ...] = ("substitute", "complement")
        return ContentReport(
            labels=dict(self._labels),
            contents=dict(self._contents),
            scarce=dict(self._scarce),
            ideas={role: {tier: self._kinds(role, tier) for tier in _TIERS} for role in roles},
            suggestions=dict(self._suggestions),
        )

    def _kinds(self, role: Role, tier: Tier) -> Kinds:
        reasons = {reason: n for (r, t, reason), n in sorted(self._dropped.items()) if (r, t) == (role, tier)}
        return Kinds(proposed=self._proposed[role, tier], kept=self._kept[role, tier], dropped=reasons)
