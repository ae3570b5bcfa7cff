"""From labels to a release that is served: built, decided on, and promoted where the gate says PASS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain.shop import Shop
from evals.gate import Decision, GateVerdict
from querywise.evaluation import evaluate_release
from querywise.pipeline import (
    decided_by,
    decides,
    make_content,
    make_release,
    mark_release,
    standing_release,
)
from release import current_release, gate_key, promote
from release.manifest import read_manifest

__all__ = ["Shipped", "ship"]


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """A release, what its gate said, and the reasons where it was decided on just now."""

    folder: Path
    verdict: GateVerdict
    decision: Decision | None = None
    report: Path | None = None


def ship(shop: Shop, *, whole: bool = True, force: bool = False) -> Shipped:
    """Build a release of the labels, let the shop's gates decide, and serve it if they let it through.

    Args:
        shop: The shop.
        whole: Whether every query has a label; a release with holes is served only where none is yet.
        force: Build and decide also where a release of these labels is there. Without, it is left as it is, served or
            not: who rolled back meant it. It is decided on again where the gates, the gold, the judgements or the
            verdicts are others, and served if it passes now and did not before.

    Raises:
        StageMissing: when there are no labels or no index.
        UserError: when the gates, the gold, or the list of what is withheld cannot be used.
    """
    make_content(shop, lambda _: None)
    standing = None if force else standing_release(shop)
    gate = read_manifest(standing.folder).gate if standing else None
    if standing and decided_by(shop) == decides(shop):
        return Shipped(folder=standing.folder, verdict=gate.verdict if gate else "INCONCLUSIVE")
    built = standing or make_release(shop)
    said = decides(shop)
    done = evaluate_release(shop, built.folder.name, thorough=False)
    decision = done.evaluation.decision
    # One that had passed, or that somebody promoted all the same, and that is not served, was rolled back.
    was_served = gate is not None and (gate.verdict == "PASS" or gate.override is not None)
    if decision.verdict == "PASS" and not was_served and (whole or current_release(shop.releases) is None):
        promote(shop.releases, built.folder.name, key=gate_key(shop.work))
    mark_release(shop, built, said)
    report = done.folder / "report.html"
    return Shipped(folder=built.folder, verdict=decision.verdict, decision=decision, report=report)
