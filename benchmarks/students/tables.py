"""The tables of a shop's part of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.students.answerable import PRECISION
from benchmarks.students.answers import SERVED, STUDENT, TEACHER, Answers
from benchmarks.students.bench import Bench
from benchmarks.students.contest import Contest
from benchmarks.students.decided import Decided
from benchmarks.students.measuring import Measured, samples, share_of
from evals.calibration import CalibrationError, reliability
from evals.cells import difference, interval, table
from evals.estimates import Ratio, Statistic
from evals.measures import statistics


def variants_table(contest: Contest) -> list[str]:
    """Return what was trained, those that were taken in bold with their thresholds."""
    threshold = {name: f"{system.threshold:.3f}" for name, system in contest.systems.items()}
    lines = []
    for one in contest.variants:
        taken = contest.taken[one.system] is one
        variant = f"**{one.variant}**" if taken else one.variant
        chosen = threshold[one.system] if taken else ""
        lines.append((one.system, variant, f"{one.top1:.3f}", chosen, f"{one.seconds:.0f}"))
    lines.append((STUDENT, "", f"{contest.student.top1:.3f}", threshold[STUDENT], ""))
    return table(("system", "variant", "top-1 on the held labels", "threshold", "seconds so far"), lines)


def leaf_table(rows: Sequence[Measured]) -> list[str]:
    """Return the figures of each tier and system; differences are to the student, over the same queries."""
    head = ("tier", "system", "queries", "answered", "precision", "recall", "F1", "F1 less the student's")
    lines = []
    for one in rows:
        for system in one.systems:
            coverage = one.estimate(system, "coverage")
            own, base = one.samples[system, "leaf_f1"], one.samples[STUDENT, "leaf_f1"]
            paired = system != STUDENT and own.judged == base.judged
            lines.append(
                (
                    one.tier,
                    f"**{system}**" if system == STUDENT else system,
                    str(coverage.queries if coverage else 0),
                    f"{coverage.value:.3f}" if coverage else "–",
                    *(interval(one.estimate(system, f"leaf_{name}")) for name in ("precision", "recall", "f1")),
                    difference(own.over(base).estimate()) if paired else "–",
                    interval(one.estimate(system, "top1")),
                    interval(one.estimate(system, "answerable")),
                )
            )
    return table((*head, "top-1", f"coverage at precision {PRECISION}"), lines)


def parent_table(rows: Sequence[Measured]) -> list[str]:
    """Return the figures of each tier and system one level up the tree."""
    names = ("precision", "recall", "f1")
    lines = [
        (one.tier, system, *(interval(one.estimate(system, f"parent_{name}")) for name in names))
        for one in rows
        for system in one.systems
    ]
    return table(("tier", "system", "precision", "recall", "F1"), lines)


def kept_table(bench: Bench, answers: Mapping[str, Answers], systems: Sequence[str]) -> list[str]:
    """Return the F1 of systems as a share of the teacher's, on people's labels."""
    asked = answers[TEACHER].cases
    found = {name: statistics(asked, own.given, bench.taxonomy)["leaf_f1"] for name, own in answers.items()}
    shown = (*systems, SERVED)
    lines = []
    for tier, members in bench.gold.members():
        drawn = samples(found, members)
        teacher = drawn[TEACHER]
        if estimate := teacher.estimate():
            shares = [share_of(drawn[system], teacher).estimate() for system in shown]
            lines.append((tier, str(estimate.queries), interval(estimate), *map(interval, shares)))
    return table(("tier", "queries", "teacher's F1", *(f"kept by {system}" for system in shown)), lines)


def own_table(decided: Mapping[str, Decided]) -> list[str]:
    """Return what the student's own thresholds answer, by who says what is right."""
    lines = []
    for by, one in decided.items():
        answered, backed_off = ~np.isnan(one.own), ~np.isnan(one.above)
        found: dict[str, Statistic] = {
            "answered": Ratio.mean(answered.astype(np.float64)),
            "own": Ratio.mean(one.own),
            "backed off": Ratio.mean(backed_off.astype(np.float64)),
            "above": Ratio.mean(one.above),
            "abstained": Ratio.mean((~answered & ~backed_off).astype(np.float64)),
        }
        for tier, members in one.queries.members():
            drawn = samples(found, members)
            lines.append((by, tier, str(members.size), *(interval(sample.estimate()) for sample in drawn.values())))
    head = "right by", "tier", "queries", "answered", "precision", "backed off", "precision", "abstained"
    return table(head, lines)


def calibration_table(decided: Mapping[str, Decided]) -> list[str]:
    """Return how true the student's chances are; a tier without a forecast has no row."""
    lines = []
    for by, one in decided.items():
        for name, given in (("likeliest", one.likeliest), ("answered", one.let_through)):
            for tier, members in one.queries.members():
                own = given.only(members)
                if not (diagram := reliability(own)):
                    continue
                drawn = samples({"ece": CalibrationError(forecasts=given)}, members)["ece"]
                means = f"{own.confidence.mean():.3f}", f"{own.right.mean():.3f}"
                error = interval(drawn.estimate())
                lines.append((by, name, tier, str(own.confidence.size), *means, error, f"{diagram.floor:.3f}"))
    head = "right by", "chances", "tier", "queries", "mean chance", "share right", "ECE", "ECE by chance alone"
    return table(head, lines)
