"""Every result in words and tables. A judged mean is printed with its judge's agreement, or not at all."""

from __future__ import annotations

from evals.cells import difference, interval
from evals.judge.agreement import Agreement
from evals.judge.audit import Audit
from evals.judge.blocks import Block, Grid, as_markdown, as_text
from evals.judge.coefficients import Coefficient
from evals.judge.consistency import Consistency
from evals.judge.corrected import CorrectedMean
from evals.judge.figure import JudgedFigure
from evals.judge.gate import Gate
from evals.judge.judge_agreement import JudgeAgreement
from evals.judge.panel import Panel
from evals.judge.people import Kappas, PeopleAgreement
from evals.judge.saving import SavingCurve
from evals.judge.tally import Tally

__all__ = ["Printable", "to_markdown", "to_text"]

Printable = JudgeAgreement | PeopleAgreement | JudgedFigure | SavingCurve | Audit | Consistency | Panel | Gate

_SHOWN = 5  # unsteady items


def to_text(result: Printable) -> str:
    """Render a result for a terminal, tables aligned."""
    return as_text(_blocks(result))


def to_markdown(result: Printable) -> str:
    """Render a result as Markdown."""
    return as_markdown(_blocks(result))


def _blocks(result: Printable) -> list[Block]:
    match result:
        case JudgeAgreement():
            return _judge(result)
        case PeopleAgreement():
            return _people(result)
        case JudgedFigure():
            return _figure(result)
        case SavingCurve():
            return _curve(result)
        case Audit():
            return _audit(result)
        case Consistency():
            return _consistency(result)
        case Panel():
            return _panel(result)
        case Gate():
            return _gate(result)


def _judge(found: JudgeAgreement) -> list[Block]:
    quadratic, held = found.with_people.quadratic_kappa, found.ceiling
    lines = [
        (line.rater or "unnamed", f"{line.items:,}", _shown(line.person), _shown(line.judge)) for line in held.lines
    ]
    means = [
        ("mean, quadratic kappa", "", _shown(held.person.quadratic), _shown(held.judge.quadratic)),
        ("mean, plain kappa", "", _shown(held.person.plain), _shown(held.judge.plain)),
    ]
    return [
        f"{found.judge}, on {found.task}: quadratic kappa {_shown(quadratic)} with the median of people; people among "
        f"themselves, in pairs: {_shown(found.people.pairwise.quadratic)}.",
        f"People rated {found.rated:,} items. {_tally(found.tally)}",
        _agreement(found.with_people),
        "Each person held out: that person, and the judge, against the median of the others (the lower one in the "
        "middle), on the same items.",
        Grid(head=("held out", "items", "person", "judge"), rows=(*lines, *means)),
        f"The judge less a person: quadratic kappa {_gap(held.gap.quadratic)}, plain kappa {_gap(held.gap.plain)}.",
        *_people(found.people),
        "Items by the people's grade (rows) and the judge's (columns):",
        _counts(found.with_people),
        f"Brackets: 95% percentile bootstrap over queries, all items of a query together; {found.draws:,} resamples, "
        f"seed {found.seed}.",
    ]


def _agreement(found: Agreement) -> Grid:
    return Grid(
        head=("judge and people", "items", "queries", "value"),
        rows=tuple(
            (name, f"{found.items:,}", f"{found.queries:,}", _shown(value))
            for name, value in (
                ("exact agreement", found.exact),
                ("Cohen's kappa", found.kappa),
                ("quadratic weighted kappa", found.quadratic_kappa),
                ("Krippendorff's alpha", found.alpha),
            )
        ),
    )


def _people(found: PeopleAgreement) -> list[Block]:
    rows = (
        ("mean over pairs", *_both(found.pairwise)),
        ("mean over people, each against the median of the others", *_both(found.held_out)),
    )
    return [
        f"People among themselves: {found.raters:,} raters, {found.items:,} items with two ratings or more, "
        f"{found.queries:,} queries; Krippendorff's alpha {_shown(found.alpha)}.",
        Grid(head=("people", "plain kappa", "quadratic kappa"), rows=rows),
    ]


def _counts(found: Agreement) -> Grid:
    grades = tuple(str(grade) for grade in range(len(found.counts)))
    rows = tuple((grade, *(f"{n:,}" for n in row)) for grade, row in zip(grades, found.counts, strict=True))
    return Grid(head=("", *grades), rows=rows)


def _figure(found: JudgedFigure) -> list[Block]:
    how = "corrected by people" if found.correction else "by the judge alone: people labelled too few of these queries"
    agreement = found.agreement
    return [
        f"{found.name}: {interval(found.value)} over {found.value.queries:,} queries, {how}.",
        f"Judge {found.judge}: quadratic kappa {_shown(agreement.with_people.quadratic_kappa)}, plain kappa "
        f"{_shown(agreement.with_people.kappa)} with people on {agreement.with_people.items:,} items; people among "
        f"themselves: quadratic kappa {_shown(agreement.people.pairwise.quadratic)}. {_tally(found.tally)}",
        *(_corrected(found.correction) if found.correction else ()),
    ]


def _corrected(found: CorrectedMean) -> list[Block]:
    rows = (
        ("judge, corrected by people", f"{found.corrected.queries:,}", interval(found.corrected)),
        ("people alone", f"{found.people.queries:,}", interval(found.people)),
        ("judge alone", f"{found.naive.queries:,}", interval(found.naive)),
    )
    saved = "The corrected interval has no width, which says nothing of ratings saved."
    if found.effective_queries is not None and found.saved_labels is not None:
        saved = (
            f"People rated {found.labels:,} items. For as short an interval they alone would need about "
            f"{found.effective_queries:,.0f} queries; items saved: {found.saved_labels:+,.0f}."
        )
    return [Grid(head=("mean grade", "queries", "value"), rows=rows), saved]


def _curve(found: SavingCurve) -> list[Block]:
    rows = tuple(
        (
            f"{point.queries:,}",
            f"{point.labels:,.0f}",
            f"{point.width:.3f}",
            f"{point.people_width:.3f}",
            f"{point.coverage:.1%}",
            f"{point.people_coverage:.1%}",
            "–" if point.saved_labels is None else f"{point.saved_labels:+,.0f}",
        )
        for point in found.points
    )
    head = ("queries labelled", "items rated", "width", "width, people alone", "coverage", "coverage, people alone")
    return [
        Grid(head=(*head, "ratings saved"), rows=rows),
        f"Means of {found.repeats:,} samples, seed {found.seed}: {found.judged:,} judged queries each, drawn with "
        f"replacement from {found.population:,} whose mean grade is {found.mean:.3f}. "
        "Of the intervals 95% are to hold it.",
    ]


def _audit(found: Audit) -> list[Block]:
    rows = tuple(
        (
            effect.perturbation,
            f"{effect.items:,}",
            f"{effect.lost:,}",
            difference(effect.shift),
            interval(effect.changed),
            interval(effect.noise),
            difference(effect.excess),
            _said(effect.finding),
            "–" if effect.beyond_noise is None else _said(effect.beyond_noise),
        )
        for effect in found.effects
    )
    head = ("perturbation", "items", "lost", "shift in grade", "changed", "changed in a repeat", "more than a repeat")
    return [
        f"{found.judge}: grades of the same items, after less before.",
        Grid(head=(*head, "shift", "changes"), rows=rows),
        f"Brackets: 95% percentile bootstrap over queries, {found.draws:,} resamples, seed {found.seed}; bold where "
        "they leave out 0. Lost: scored before, unscored after. One effect in twenty is found where there is none.",
    ]


def _consistency(found: Consistency) -> list[Block]:
    blocks: list[Block] = [
        f"{found.judge}, asked {found.repeats} times; {found.items:,} items scored twice or more. Same grade in all "
        f"repeats: {interval(found.same)} of them. Two repeats differ on {interval(found.flips)}, by "
        f"{interval(found.apart)} grades on average. Krippendorff's alpha between repeats: {_shown(found.alpha)}.",
    ]
    if found.unsteady:
        rows = tuple(
            (one.item.query, one.item.subject, ", ".join(f"{n} x {g}" for g, n in enumerate(one.grades) if n))
            for one in found.unsteady[:_SHOWN]
        )
        blocks.append(f"{len(found.unsteady):,} items have several grades; widest apart first:")
        blocks.append(Grid(head=("query", "subject", "times x grade"), rows=rows))
    return [*blocks, *(f"Repeat {repeat or '(first)'}: {_tally(tally)}" for repeat, tally in found.tallies.items())]


def _panel(found: Panel) -> list[Block]:
    unanimous = "no item has two grades" if found.unanimous is None else f"unanimous on {found.unanimous:.1%}"
    cost = "unknown" if found.usd is None else f"{found.usd:,.4f} USD"
    return [
        f"Panel of {len(found.members)} by {found.method.replace('_', ' ')}, on {found.task}: "
        f"{'; '.join(found.members)}. {len(found.verdicts):,} items, {unanimous}; cost {cost}."
    ]


def _gate(found: Gate) -> list[Block]:
    if found.passes:
        return [f"{found.judge} may gate."]
    failed = "The run has failed. " if found.run_failed else ""
    return [f"{failed}{found.judge} may not gate: {'; '.join(one.detail for one in found.objections)}."]


def _tally(tally: Tally) -> str:
    if not tally.unscored:
        return f"Scored {tally.scored:,}, unscored none."
    kinds = ", ".join(f"{kind} {n:,}" for kind, n in tally.unscored.items())
    return f"Scored {tally.scored:,}, unscored {tally.items - tally.scored:,} ({kinds}), which are left out."


def _both(kappas: Kappas) -> tuple[str, str]:
    return _shown(kappas.plain), _shown(kappas.quadratic)


def _shown(found: Coefficient) -> str:
    return interval(found.estimate) if found.estimate else f"not defined ({found.undefined})"


def _gap(found: Coefficient) -> str:
    return difference(found.estimate) if found.estimate else f"not defined ({found.undefined})"


def _said(finding: str) -> str:
    return finding.replace("_", " ")
