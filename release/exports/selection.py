"""The rules of a release: what its precomputed answers say, less what must not be exported, each counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from domain import Taxonomy, Understanding, normalise
from domain.errors import ReleaseError
from release.answers import parse
from release.exports.conflicts import Conflict, Said, resolve
from release.exports.policy import Policy
from release.exports.reach import Meaning, Reaches
from release.exports.rule import Held, Kind, Rule, rule_id
from release.gate import GateVerdict
from release.head import HeadStore
from release.manifest import HEAD, check_files, read_manifest, read_taxonomy

__all__ = ["LeftOut", "Origin", "Selection", "select_rules"]

LeftOut = Literal["low_confidence", "no_confidence", "expired", "not_normal"]
"""Why something that counts is no rule. `not_normal`: the target is not in the form in which queries are looked up."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where rules come from: the release, and who labelled its queries, asked how.

    The release keeps models and prompts for all its answers together, so where there are several, a rule is by one of
    them. ``verdict`` is that of the release's gate, or None.
    """

    release: str
    shop: str
    created: datetime
    models: tuple[str, ...]
    prompts: tuple[str, ...]
    verdict: GateVerdict | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The rules of a release, in the order of queries, then kinds, then from the surest on.

    Attributes:
        origin: Where they come from.
        taxonomy: The tree of their categories.
        rules: No two with one id.
        left_out: How many are no rules, by reason.
        held: How many spellings and synonyms hold for the whole query alone, by reason.
        conflicts: How many contradictions were found; see `release.exports.conflicts`.
    """

    origin: Origin
    taxonomy: Taxonomy
    rules: tuple[Rule, ...]
    left_out: Mapping[LeftOut, int]
    held: Mapping[Held, int]
    conflicts: Mapping[Conflict, int]


_ORDER: tuple[Kind, ...] = ("category", "spelling", "synonym", "broader", "substitute")


def select_rules(release: Path, *, policy: Policy, today: date) -> Selection:
    """Return the rules of a release; every byte of it is checked against its digests first.

    All of them are held in memory: some kilobytes for each answer.

    Args:
        release: Its folder.
        policy: How sure a rule must be, and how long it lasts.
        today: The day of the export; what has expired by then is left out.

    Raises:
        ReleaseError: where the release is not whole, or where all of its rules have expired, so that an export would
            be empty.
    """
    folder = release.resolve()
    manifest = read_manifest(folder)
    check_files(folder, manifest, digests=True)
    taxonomy = read_taxonomy(folder)
    heard = _hear(folder)
    resolved = resolve(heard.said)
    reaches = Reaches(heard.meanings, {i: taxonomy.lineage(i) for i in taxonomy}, resolved.said)
    left_out: Counter[LeftOut] = Counter()
    left_out["not_normal"] += heard.not_normal
    left_out["no_confidence"] += heard.no_confidence
    held_back: Counter[Held] = Counter()
    rules = []
    every: list[_Shelf | Said] = [*heard.categories.values(), *resolved.said]
    for one in every:
        kind: Kind = one.type if isinstance(one, Said) else "category"
        expires = policy.expiry(kind, manifest.created)
        if one.confidence < policy.least_confidence[kind]:
            left_out["low_confidence"] += 1
        elif expires <= today:
            left_out["expired"] += 1
        else:
            held = reaches.held(one) if isinstance(one, Said) else "kind"
            if held is not None and held != "kind":
                held_back[held] += 1
            rules.append(
                Rule(
                    id=rule_id(kind, one.query, one.target),
                    kind=kind,
                    query=one.query,
                    target=one.target,
                    confidence=one.confidence,
                    reach="words" if held is None else "query",
                    held=held,
                    expires=expires,
                )
            )
    if not rules and left_out["expired"]:
        raise ReleaseError(
            f"{manifest.release}: all {left_out['expired']:,} rules have expired",
            hint="build a new release, or pass --expires-days with a larger number",
        )
    gate = manifest.gate
    return Selection(
        origin=Origin(
            release=manifest.release,
            shop=manifest.shop,
            created=manifest.created,
            models=manifest.models,
            prompts=manifest.prompts,
            verdict=gate.verdict if gate and gate.look else None,
        ),
        taxonomy=taxonomy,
        rules=tuple(sorted(rules, key=lambda r: (r.query, _ORDER.index(r.kind), -r.confidence, r.target))),
        left_out=dict(+left_out),
        held=dict(+held_back),
        conflicts=resolved.conflicts,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shelf:
    """That shoppers of `query` expect the category `target`."""

    query: str
    target: str
    confidence: float


@dataclass(kw_only=True)
class _Heard:
    meanings: dict[str, Meaning] = field(default_factory=dict)
    categories: dict[tuple[str, str], _Shelf] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    not_normal: int = 0
    no_confidence: int = 0


def _hear(folder: Path) -> _Heard:
    heard = _Heard()
    for answer in _answers(folder / HEAD):
        query = answer.normalized
        heard.meanings[query] = _meaning(answer)
        for category in answer.categories:
            if category.confidence is None:
                heard.no_confidence += 1
            else:
                shelf = _Shelf(query=query, target=category.id, confidence=category.confidence)
                heard.categories.setdefault((query, category.id), shelf)
        for rewrite in answer.rewrites:
            if not rewrite.query or normalise(rewrite.query) != rewrite.query:
                heard.not_normal += 1
            else:
                said = Said(type=rewrite.type, query=query, target=rewrite.query, confidence=rewrite.confidence)
                heard.said.append(said)
    return heard


def _answers(head: Path) -> Iterator[Understanding]:
    store = HeadStore(head)
    try:
        yield from (parse("", value) for _, value in store)
    finally:
        store.close()


def _meaning(answer: Understanding) -> Meaning:
    whole = [a.value for a in answer.annotations if a.text == answer.normalized]
    first = answer.categories[0].confidence if answer.categories else None
    return Meaning(
        categories=tuple(category.id for category in answer.categories),
        sure=first or 0.0,
        product=any(Meaning.is_product(a.type) for a in answer.annotations),
        value=normalise(whole[0]) if whole else "",
    )
