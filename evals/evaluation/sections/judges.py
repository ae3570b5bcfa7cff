"""How far each judge agrees with people beside how far people agree, and what the judges say of the release."""

from __future__ import annotations

from collections.abc import Iterator

from evals.estimates import Estimate
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Child, Column, Html, element, joined, section, table, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import Axis, Tone, axis_of, interval_bar
from evals.evaluation.words import capital, counted, number, percent, plain
from evals.judge import Coefficient, JudgeAgreement, JudgedFigure, Tally

__all__ = ["judges_section"]

_KAPPA = Axis(low=0.0, high=1.0)


def judges_section(evaluation: Evaluation) -> Html:
    """Return agreements, then the judged figures, each beside the agreement of its judge."""
    return section(
        "judges",
        "The judges",
        "A model that grades answers is worth as much as it agrees with people. It cannot be asked to agree better "
        "than people do among themselves.",
        _agreements(evaluation) if evaluation.agreements else None if evaluation.figures else absent("agreements"),
        element("h3", "What the judges say of this release"),
        _figures(evaluation) if evaluation.figures else absent("figures"),
    )


def _agreements(evaluation: Evaluation) -> Html:
    columns = (
        Column(title="Agreement"),
        Column(title="Kappa", head=term("kappa", "Kappa"), numeric=True),
        Column(title="95% interval", head=joined([term("interval", "95% interval"), axis_of(_KAPPA)])),
        Column(title="Without a verdict", numeric=True),
    )
    return table(columns, (row for one in evaluation.agreements for row in _rows(one)), class_="wide")


def _rows(one: JudgeAgreement) -> Iterator[tuple[Child, ...]]:
    task, held = capital(one.task), one.ceiling
    queries = counted(one.with_people.queries, "query", "queries")
    items = f"{plain(one.judge, 80)}; {counted(one.with_people.items, 'item')} rated by people, {queries}"
    whole = f"{task}: the judge against people's median"
    yield *_agreement(whole, items, one.with_people.quadratic_kappa, "own"), _unscored(one.tally)
    if held.person.quadratic.estimate is None:
        yield *_agreement(f"{task}: people among themselves", "", one.people.pairwise.quadratic, "flat"), None
        return
    further = "each in turn against the median of the others"
    yield *_agreement(f"{task}: the judge in the place of a person", further, held.judge.quadratic, "own"), None
    yield *_agreement(f"{task}: a person", further, held.person.quadratic, "flat"), None


def _agreement(name: str, further: str, found: Coefficient, tone: Tone) -> tuple[Child, Child, Child]:
    why = "" if found.estimate else f"not known: {plain(found.undefined)}"
    named = joined([name, *(element("small", text) for text in (further, why) if text)])
    if found.estimate is None:
        return named, None, None
    return named, _value(found.estimate), interval_bar(found.estimate, _KAPPA, tone)


def _value(found: Estimate) -> Html:
    return joined([number(found.value), element("small", f"{number(found.low)} to {number(found.high)}")])


def _unscored(tally: Tally) -> str:
    return f"{percent(tally.unscored_share)} of {tally.items:,}"


def _figures(evaluation: Evaluation) -> Html:
    columns = (
        Column(title="Figure"),
        Column(title="Judge alone", numeric=True),
        Column(title="Corrected by people", numeric=True),
        Column(title="Kappa of its judge", head=joined([term("kappa", "Kappa"), " of its judge"]), numeric=True),
        Column(title="Without a verdict", numeric=True),
    )
    return table(columns, map(_figure, evaluation.figures))


def _figure(one: JudgedFigure) -> tuple[Child, ...]:
    corrected = (
        _value(one.correction.corrected) if one.correction else element("small", "people rated too few of these")
    )
    return (
        joined([capital(plain(one.name)), element("small", plain(one.judge, 80))]),
        _value(one.naive),
        corrected,
        _kappa(one.agreement.with_people.quadratic_kappa),
        _unscored(one.tally),
    )


def _kappa(found: Coefficient) -> Html:
    return _value(found.estimate) if found.estimate else element("small", f"not known: {plain(found.undefined)}")
