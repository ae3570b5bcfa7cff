"""The rules of a release: what its precomputed answers say, less what must not be exported, each counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from domain import Taxonomy
from domain.errors import ReleaseError
from release.exports.conflicts import Conflict, Resolver
from release.exports.heard import CACHED, Answers, Known, Said
from release.exports.policy import Policy
from release.exports.reach import Reaches
from release.exports.rule import Kind, Rule, rule_id
from release.exports.tape import Tape
from release.gate import GateVerdict
from release.manifest import check_files, read_manifest, read_taxonomy

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
    """The rules of a release, on disk for as long as they are used: all of them are never held.

    Attributes:
        origin: Where they come from.
        taxonomy: The tree of their categories.
        rules: Iterates over them in the order of the release's queries, then kinds, then from the surest on; no two
            have one id.
        of: Returns those of one query.
        left_out: How many are no rules, by reason.
        conflicts: How many contradictions were found; see `release.exports.conflicts`.
    """

    origin: Origin
    taxonomy: Taxonomy
    rules: Callable[[], Iterator[Rule]]
    of: Callable[[str], tuple[Rule, ...]]
    left_out: Mapping[LeftOut, int]
    conflicts: Mapping[Conflict, int]


_ORDER: tuple[Kind, ...] = ("category", "spelling", "synonym", "broader", "substitute")


@contextmanager
def select_rules(release: Path, *, policy: Policy, today: date) -> Iterator[Selection]:
    """Give the rules of a release; every byte of it is checked against its digests first.

    Args:
        release: Its folder, which is read for as long as the rules are used.
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
    with closing(Answers(folder)) as answers, TemporaryDirectory(prefix="querywise-") as scratch:
        expiry = {kind: policy.expiry(kind, manifest.created) for kind in _ORDER}
        found = _Rules(answers, taxonomy, policy, expiry, today, Path(scratch))
        if found.left_out["expired"] and next(iter(found.all), None) is None:
            raise ReleaseError(
                f"{manifest.release}: all {found.left_out['expired']:,} rules have expired",
                hint="build a new release, or pass --expires-days with a larger number",
            )
        gate = manifest.gate
        yield Selection(
            origin=Origin(
                release=manifest.release,
                shop=manifest.shop,
                created=manifest.created,
                models=manifest.models,
                prompts=manifest.prompts,
                verdict=gate.verdict if gate and gate.look else None,
            ),
            taxonomy=taxonomy,
            rules=found.all.__iter__,
            of=lru_cache(CACHED)(found.of),
            left_out=dict(+found.left_out),
            conflicts=dict(+found.conflicts),
        )


class _Rules:
    """Finds the rules in three passes, which leave a tape each: what counts, what speaks against it, what is a rule."""

    def __init__(
        self,
        answers: Answers,
        taxonomy: Taxonomy,
        policy: Policy,
        expiry: Mapping[Kind, date],
        today: date,
        scratch: Path,
    ) -> None:
        self.left_out: Counter[LeftOut] = Counter()
        self.conflicts: Counter[Conflict] = Counter()
        self._answers = answers
        self._policy = policy
        self._expiry = expiry
        self._today = today
        self._resolver = Resolver(
            lambda query: heard.said if (heard := answers.of(query)) else (), answers.may_be_misspelt
        )
        self._known = lru_cache(CACHED)(self._know)
        self._reaches = Reaches(answers.of, self._known, {i: taxonomy.lineage(i) for i in taxonomy})
        self._synonyms: set[int] = set()  # hashes of queries
        every = Tape(scratch / "answers", self._hear())
        for known in every:
            self._compare(known)
        self.all = Tape(scratch / "rules", (rule for known in every for rule in self._rules_of(known)))

    def of(self, query: str) -> tuple[Rule, ...]:
        """Return those of one query."""
        known = self._known(query)
        return () if known is None else tuple(self._rules_of(known))

    def _know(self, query: str) -> Known | None:
        answer = self._answers.of(query)
        return None if answer is None else Known(answer=answer, said=self._resolver.resolve(query).said)

    def _hear(self) -> Iterator[Known]:
        for answer in self._answers:
            resolved = self._resolver.resolve(answer.query)
            self.conflicts.update(resolved.conflicts)
            self.left_out["not_normal"] += answer.not_normal
            self.left_out["no_confidence"] += len(set(answer.categories)) - len(answer.shelves)
            if any(one.kind == "synonym" for one in resolved.said):
                self._synonyms.add(hash(answer.query))
            known = Known(answer=answer, said=resolved.said)
            self._reaches.note(known)
            yield known

    def _compare(self, known: Known) -> None:
        self._reaches.compare(known)
        chained = (one.kind == "synonym" and hash(one.target) in self._synonyms for one in known.said)
        self.conflicts["synonym_chain"] += sum(chained)
        self.left_out.update(filter(None, map(self._left_out, (*known.answer.shelves, *known.said))))

    def _left_out(self, one: Said) -> LeftOut | None:
        if one.confidence < self._policy.least_confidence[one.kind]:
            return "low_confidence"
        return "expired" if self._expiry[one.kind] <= self._today else None

    def _rules_of(self, known: Known) -> list[Rule]:
        rules = []
        for one in (*known.answer.shelves, *known.said):
            if self._left_out(one) is None:
                held = self._reaches.held(one, known)
                rule = Rule(
                    id=rule_id(one.kind, one.query, one.target),
                    kind=one.kind,
                    query=one.query,
                    target=one.target,
                    confidence=one.confidence,
                    reach="words" if held is None else "query",
                    held=held,
                    expires=self._expiry[one.kind],
                )
                rules.append(rule)
        return sorted(rules, key=lambda rule: (_ORDER.index(rule.kind), -rule.confidence, rule.target))
