"""An evaluation for a terminal: the verdict first, 40 lines at most, 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Final

from evals.evaluation.changes import HEADLINE, by_traffic, changed_slices, f1_gain, of_slice
from evals.evaluation.check_words import demanded, found, is_uncompared, title
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import headline, in_order, steps
from evals.evaluation.missing import MISSING, missing
from evals.evaluation.words import answer_line, capital, counted, plain, quoted_interval

__all__ = ["to_text"]

_WIDTH: Final = 100
_LINES: Final = 40
_CHECKS: Final = 8
_STEPS: Final = 4
_SLICES: Final = 4
_QUERIES: Final = 5
_HARM: Final = {
    "withhold": "do harm: withhold them",
    "slight": "do slight harm",
    "unjudged": "do harm unless products that nobody rated are good",
    "none": "do none",
}


def to_text(evaluation: Evaluation) -> str:
    """Render the verdict, the checks that did not pass, and what got worse; the page has the rest."""
    lines = [
        *_wrapped(headline(evaluation.decision).sentence),
        "",
        *_about(evaluation),
        *_steps(evaluation),
        *_checks(evaluation),
        *_differences(evaluation),
        *_queries(evaluation),
        *_replay(evaluation),
        *_judges(evaluation),
        *(line for name in missing(evaluation) for line in _item(MISSING[name])),
    ]
    if len(lines) > _LINES:
        lines = [*lines[: _LINES - 1], "... the rest is in the report."]
    return "\n".join(lines).rstrip("\n") + "\n"


def _about(evaluation: Evaluation) -> Iterator[str]:
    base = f"base {plain(evaluation.base)}" if evaluation.base else "no base"
    labels = (
        counted(evaluation.report.gold.cases, "labelled query", "labelled queries")
        if evaluation.report
        else "no labels"
    )
    checks = evaluation.decision.checks
    uncompared = sum(map(is_uncompared, checks))
    passed = len(evaluation.decision.named("PASS")) - uncompared
    yield from _wrapped(
        f"{plain(evaluation.shop)}, release {plain(evaluation.candidate)}, {base}, {labels}; "
        f"{passed:,} of {counted(len(checks), 'check')} passed{f', {uncompared:,} not compared' if uncompared else ''}"
    )
    yield ""


def _steps(evaluation: Evaluation) -> Iterator[str]:
    todo = steps(evaluation.decision)
    if evaluation.decision.verdict == "INCONCLUSIVE" and len(todo) > 1:
        yield "What would settle it:"
        yield from _items((capital(step) for step in todo), _STEPS)
        yield ""


def _checks(evaluation: Evaluation) -> Iterator[str]:
    shown = [check for check in in_order(evaluation.decision) if check.verdict != "PASS"]
    if shown:
        yield "Checks that did not pass:"
        word = {"FAIL": "FAIL", "INCONCLUSIVE": "open", "PASS": ""}
        told = (f"{word[one.verdict]}  {title(one)}: {found(one)}; {demanded(one)}" for one in shown)
        yield from _items(told, _CHECKS)
        yield ""


def _differences(evaluation: Evaluation) -> Iterator[str]:
    comparison = evaluation.comparison
    if comparison is None or comparison.quality is None:
        return
    quality = comparison.quality
    gain = f1_gain(evaluation) or quality.gain
    yield from _wrapped(
        f"Against the base: F1 {quoted_interval(gain, signed=True)}; "
        f"{counted(quality.won, 'query', 'queries')} better, {quality.lost:,} worse."
    )
    yield from _items(
        (
            f"{of_slice(row)}: {quoted_interval(row.measures[HEADLINE].gain, signed=True)}"
            for row in changed_slices(comparison)
        ),
        _SLICES,
    )
    yield ""


def _queries(evaluation: Evaluation) -> Iterator[str]:
    lost = by_traffic(evaluation.comparison, "lost") if evaluation.comparison else []
    if lost:
        yield "Got worse, most searched first:"
        told = (
            f"{plain(one.query, 50)} ({one.searches:,}): {answer_line(one.a)} -> {answer_line(one.b)}" for one in lost
        )
        yield from _items(told, _QUERIES)
        yield ""


def _replay(evaluation: Evaluation) -> Iterator[str]:
    """Yield what the answers do to judged lists, the queries that they harm first."""
    replay = evaluation.replay
    if replay is None:
        return
    doing = f"At work in a search, as {replay.harm_way}, "
    if not replay.harmed:
        yield f"{doing}no query does worse."
        yield ""
        return
    yield f"{doing}{counted(len(replay.harmed), 'query does', 'queries do')} worse:"
    told = (
        f"{plain(query.query, 50)} ({query.searches:,}): nDCG@10 {query.before:.3f} -> {query.after:.3f}; "
        + ", ".join(f"{part.part} {_HARM[part.verdict]}" for part in query.parts if part.verdict != "none")
        for query in replay.harmed
    )
    yield from _items(told, _QUERIES)
    yield ""


def _judges(evaluation: Evaluation) -> Iterator[str]:
    """Yield what each judge's verdicts are worth, and what it says, never the one without the other."""
    for one in evaluation.agreements:
        mine, people = one.with_people.quadratic_kappa.estimate, one.people.pairwise.quadratic.estimate
        worth = quoted_interval(mine) if mine else "not defined"
        beside = f"people among themselves {people.value:.3f}" if people else "how far people agree is not known"
        said = [f"{plain(one.judge)}, on {one.task}: quadratic kappa with people {worth}", beside]
        for figure in evaluation.figures:
            if figure.judge == one.judge and figure.agreement.task == one.task:
                by = "corrected by people" if figure.correction else "by the judge alone"
                said.append(f"{plain(figure.name)}: mean grade {quoted_interval(figure.value)}, {by}")
        yield from _item("; ".join(said))


def _items(texts: Iterable[str], most: int) -> Iterator[str]:
    """Yield the first of some texts as items, and how many are left."""
    listed = list(texts)
    for text in listed[:most]:
        yield from _item(text)
    if len(listed) > most:
        yield f"- and {len(listed) - most:,} more"


def _item(text: str) -> list[str]:
    return wrap(text, _WIDTH, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False)


def _wrapped(text: str) -> list[str]:
    return wrap(text, _WIDTH, break_on_hyphens=False)
