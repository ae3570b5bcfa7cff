"""One release, measured against labels, people, judged lists and the release that is served, and decided on."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from domain.context import ContextStore, DomainContext
from domain.errors import PromptError, ReleaseError
from domain.files import replace_atomically
from domain.label import read_labels
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understander, Understanding
from evals import (
    Asked,
    Comparison,
    EngagementBaseline,
    GoldSet,
    Report,
    Side,
    ask,
    by_query,
    compare,
    compare_sides,
    write_queries,
)
from evals.consistency import Robustness, count_contradictions, moved, robustness
from evals.evaluation import Evaluation, Spent, to_junit, to_markdown, write_evaluation, write_page
from evals.gate import Decision, Evidence, Gates, Looks, count_zeros, decide, digest_of, read_gates
from evals.gate.gates import ServiceName
from evals.labels import LabelledQueries
from evals.replay import Replay
from evals.slices import TIERS
from prompts import load_prompt
from querywise.judges import judged_shop
from querywise.labels import labels_file
from querywise.sides import asked_of, gold_of, known_to, open_named, side_of
from querywise.summary import spending_of
from release import GateRecord, Release, current_release, gate_key, previous_release, sign_gate
from release.manifest import DISCOVERY, EXPECTED, HEAD, SERVED_IDS, WHY, FileDigest

__all__ = ["Evaluated", "evaluate_release"]

_VARIED: Final = 100
"""Queries, by traffic, of which variants are asked: a variant that is not in the head store takes milliseconds."""

_DRAWN: Final = 1000
"""Searches, drawn from the log, by which the service is measured where its gates ask for that."""

_SEED: Final = 0
_SHOWN: Final = 3


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """An evaluation, and the folder in which its reports are."""

    evaluation: Evaluation
    folder: Path


def evaluate_release(
    shop: Shop,
    release: str,
    *,
    against: str | None = None,
    gold: Path | None = None,
    replayed: Replay | None = None,
    thorough: bool = True,
) -> Evaluated:
    """Measure a release, let the shop's gates decide, and sign the verdict into its manifest.

    The reports are kept in the work folder under ``reports/RELEASE``: JSON, HTML, Markdown, JUnit XML, and a line per
    labelled query.

    Args:
        shop: The shop.
        release: The release's id.
        against: The release to compare with: the one that is served, or where it is this one, the one before it.
        gold: Labelled queries; the shop's own unless given.
        replayed: What `replay_shop` found, to be shown.
        thorough: Whether variants of queries are asked as well, which takes a while.

    Raises:
        UserError: there is no such release, or the gates or the gold cannot be used.
    """
    gates_file = shop.folder / "gates.toml"
    gates = read_gates(gates_file)
    with ExitStack() as held:
        candidate = held.enter_context(open_named(shop, release))
        base_name, base, unread = against or _base(shop, candidate.id), None, None
        if base_name:
            try:
                base = held.enter_context(open_named(shop, base_name))
            except ReleaseError as error:
                if against:
                    raise
                # Damaged, or written by another version. A new release is the way out, and this must not bar it.
                unread = str(error)
        contexts = ContextStore(shop.context_file)
        labelled = gold_of(shop, gold, candidate.taxonomy)
        measured = _Measured(shop, candidate, base, contexts, labelled, gates, unread=unread)
        decision = measured.decision()
        evaluation = measured.evaluation(decision, replayed, thorough=thorough)
        folder = shop.reports / candidate.id
        digest = _write(folder, evaluation)
        if measured.report and measured.answers and labelled:
            lines = by_query(
                measured.answers, labelled, candidate.taxonomy, tiers=contexts.tiers(), worst_of=candidate.id
            )
            write_queries(folder / "queries.jsonl", lines)
        record = GateRecord(
            verdict=decision.verdict,
            decided=evaluation.evaluated,
            base=base.id if base else None,
            gates=hashlib.sha256(gates_file.read_bytes() if gates_file.is_file() else b"").hexdigest(),
            report=digest,
            look=decision.look,
            failed=decision.named("FAIL"),
            inconclusive=decision.named("INCONCLUSIVE"),
            override=candidate.manifest.gate.override if candidate.manifest.gate else None,
        )
        sign_gate(candidate.folder, record, gate_key(shop.work))
    return Evaluated(evaluation=evaluation, folder=folder)


def _base(shop: Shop, candidate: str) -> str | None:
    current = current_release(shop.releases)
    return previous_release(shop.releases) if current == candidate else current


class _Measured:
    """A candidate and its base on the same queries."""

    def __init__(
        self,
        shop: Shop,
        candidate: Release,
        base: Release | None,
        contexts: ContextStore,
        gold: GoldSet | None,
        gates: Gates,
        *,
        unread: str | None,
    ) -> None:
        self._shop = shop
        self._candidate = candidate
        self._base = base
        self._unread = unread
        self._contexts = contexts
        self._gold = gold
        self._gates = gates
        cases = {case.normalized: case for case in gold.cases} if gold else {}
        known = {*known_to(candidate), *(known_to(base) if base else ())}
        self.asked = asked_of(contexts, known, cases)
        self._of_candidate = side_of(candidate, self.asked)
        self._of_base = side_of(base, self.asked) if base else None
        served = _served(self._of_candidate, self.asked)
        self._judged = judged_shop(shop, gold, served)
        self._zeros = count_zeros(
            served, candidate.taxonomy, _product_ids(shop), _prompt_texts(candidate.manifest.prompts)
        )
        self.answers: dict[str, list[Understanding]] = ask(self._systems(), gold) if gold else {}
        self.report = self._report(gold) if gold else None

    def _systems(self) -> dict[str, Understander]:
        """Return all that answers, the baseline first and the candidate last."""
        systems: dict[str, Understander] = {"engagement": EngagementBaseline(self._contexts, self._candidate.taxonomy)}
        for name, with_context in (("LLM without context", False), ("LLM with context", True)):
            if (path := labels_file(self._shop, with_context=with_context)).is_file():
                systems[name] = LabelledQueries(read_labels(path))
        if self._base:
            systems[self._base.id] = self._base
        return systems | {self._candidate.id: self._candidate}

    def _report(self, gold: GoldSet) -> Report:
        return compare(self.answers, gold, self._candidate.taxonomy, tiers=self._contexts.tiers(), made=self._lineage())

    def decision(self) -> Decision:
        """Take a look, and decide."""
        gold, base = self._gold, self._base
        evidence = Evidence(
            cases=gold.cases if gold else (),
            answers=self.answers.get(self._candidate.id, ()),
            base=self.answers[base.id] if base and gold else None,
            unread=self._unread,
            taxonomy=self._candidate.taxonomy,
            tiers=self._contexts.tiers(),
            zeros=self._zeros,
            service=self._service(),
            judges=self._judged.of_gate,
            unchanged=self._unchanged(),
        )
        looks = Looks(self._shop.work / "looks.jsonl")
        look = looks.take(self._candidate.manifest.content, digest_of(self._gates, evidence))
        return decide(self._gates, evidence, look=look)

    def _unchanged(self) -> frozenset[str]:
        """Return the slices in which both releases answer every query alike, also those that nobody labelled.

        Where all but the precomputed answers is the same, a query that neither has precomputed is answered alike.
        """
        if not self._base or not self._of_base or _beside_the_head(self._base) != _beside_the_head(self._candidate):
            return frozenset()
        pairs = zip(
            self.asked, _served(self._of_base, self.asked), _served(self._of_candidate, self.asked), strict=True
        )
        changed = {one.tier for one, before, after in pairs if replace(before, release=after.release) != after}
        return frozenset(f"tier:{tier}" for tier in TIERS if tier not in changed) | ({"all"} if not changed else set())

    def _service(self) -> dict[ServiceName, float | None]:
        """Measure what the gates bound, on searches drawn from the log; None where none of them asks the tail."""
        if not self._gates.service:
            return {}
        contexts = list(self._contexts.of_tiers("head", "torso", "tail"))
        drawn = random.Random(_SEED).choices(contexts, [context.searches for context in contexts], k=_DRAWN)
        covered, taken = {}, []
        for context in {context.query: context for context in drawn}.values():
            started = time.perf_counter()
            answer = self._candidate.understand([context.query])[0]
            if answer.source != "head":
                taken.append((time.perf_counter() - started) * 1000)
            covered[context.query] = bool(answer.categories)
        return {
            "coverage": sum(covered[context.query] for context in drawn) / len(drawn),
            "student_p99_ms": float(np.quantile(taken, 0.99)) if taken else None,
        }

    def evaluation(self, decision: Decision, replayed: Replay | None, *, thorough: bool) -> Evaluation:
        """Return all that is known."""
        before = _served(self._of_base, self.asked) if self._of_base else None
        after = _served(self._of_candidate, self.asked)
        comparison = (
            compare_sides(self.asked, self._of_base, self._of_candidate, self._candidate.taxonomy)
            if self._of_base
            else None
        )
        return Evaluation(
            shop=self._shop.config.name,
            candidate=self._candidate.id,
            base=self._base.id if self._base else None,
            evaluated=datetime.now(UTC),
            lineage=self._lineage(),
            decision=decision,
            report=self.report,
            comparison=comparison,
            evidence=self._evidence(comparison, replayed),
            contradictions=count_contradictions(self.asked, after, self._candidate.taxonomy),
            robustness=self._robustness() if thorough else None,
            moved=moved(self.asked, before, after) if before else None,
            replay=replayed,
            agreements=self._judged.agreements,
            figures=self._judged.figures,
            spent=_spent(self._shop),
        )

    def _robustness(self) -> Robustness:
        asked = self.asked[:_VARIED]
        contexts = (self._contexts.get(one.query) for one in asked)
        retyped = {c.query: [again.query for again in c.reformulations] for c in contexts if c}
        return robustness(self._candidate, asked, retyped=retyped)

    def _lineage(self) -> dict[str, str]:
        manifest = self._candidate.manifest
        found = {
            "shop": manifest.shop,
            "release": manifest.release,
            "compared with": self._base.id if self._base else f"nothing: {self._unread or 'no other release is there'}",
            "answers of": ", ".join(manifest.models),
            "prompts": ", ".join(dict.fromkeys(one for name in manifest.prompts for one in name.split("+"))),
            "queries": _queries_of(manifest.counts),
        }
        return found | {f"{name} fingerprint": value[:12] for name, value in manifest.fingerprints.items()}

    def _evidence(self, comparison: Comparison | None, replayed: Replay | None) -> dict[str, tuple[str, ...]]:
        """Return what the log says of the queries that a reader will look at: those that changed, or were harmed."""
        wanted = {one.query for one in comparison.compared if one.changed} if comparison else set()
        wanted |= {one.query for one in replayed.harmed} if replayed else set()
        contexts = ((normalise(query), self._contexts.get(normalise(query))) for query in sorted(wanted))
        return {query: tuple(_said_of(context, self._candidate.taxonomy)) for query, context in contexts if context}


def _queries_of(counts: Mapping[str, int]) -> str:
    tiers = ", ".join(f"{counts[tier]:,} {tier}" for tier in ("head", "torso", "tail") if tier in counts)
    content = f"; content for {counts['contents']:,}" if counts.get("contents") else ""
    return f"{counts['labelled']:,} ({tiers}){content}"


def _said_of(context: DomainContext, taxonomy: Taxonomy) -> Iterator[str]:
    yield f"{context.acted_share:.0%} of {context.searches:,} searches led to a click, a cart or a purchase"
    for found in [c for c in context.categories if c.is_own and c.category_id in taxonomy][:_SHOWN]:
        path = " > ".join(taxonomy.path(found.category_id)[-2:])
        yield f"{found.share:.0%} of the demand in {path}: {found.events:,} actions, {found.purchases:,} purchases"
    if context.next_queries:
        yield f"searched next: {', '.join(one.query for one in context.next_queries[:_SHOWN])}"


def _beside_the_head(release: Release) -> dict[str, FileDigest]:
    files = release.manifest.files.items()
    # What else to show is a request of its own; what an understanding has of it is in the head. And nobody is answered
    # from what explains answers, or what was expected of them.
    apart = (HEAD, SERVED_IDS, DISCOVERY, WHY, EXPECTED)
    return {name: digest for name, digest in files if name.split("/")[0] not in apart}


def _served(side: Side, asked: Sequence[Asked]) -> list[Understanding]:
    return [outcome.served(one.query) for one, outcome in zip(asked, side.outcomes, strict=True)]


def _product_ids(shop: Shop) -> frozenset[str]:
    return frozenset(pl.read_parquet(shop.need_products(), columns=["product_id"])["product_id"])


def _prompt_texts(prompts: Sequence[str]) -> Iterator[str]:
    """Yield what the prompts of a release say to a model, as far as they ship with the product."""
    for prompt in prompts:
        for name in prompt.split("+"):
            with suppress(PromptError):
                yield load_prompt(name.split("#")[0]).system


def _spent(shop: Shop) -> Spent | None:
    total = spending_of(shop).total
    if not total.completions:
        return None
    return Spent(
        completions=total.completions,
        tokens_in=total.tokens_in,
        tokens_out=total.tokens_out,
        usd=total.price,
        unpriced=total.unpriced,
        usd_a_label=total.price_a_label,
    )


def _write(folder: Path, evaluation: Evaluation) -> str:
    """Write all forms of the report; return the digest of the JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    write_page(folder / "report.html", evaluation)
    for name, data in (("report.md", to_markdown(evaluation).encode()), ("junit.xml", to_junit(evaluation))):
        with replace_atomically(folder / name) as file:
            file.write(data)
    return write_evaluation(folder / "report.json", evaluation)
