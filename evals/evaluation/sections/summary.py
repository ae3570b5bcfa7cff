"""What stands on top: the verdict, what it is about, and the few numbers behind it."""

from __future__ import annotations

from collections.abc import Iterator

from evals.evaluation.changes import HEADLINE, f1_gain
from evals.evaluation.check_words import is_uncompared
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import headline, steps
from evals.evaluation.markup import Html, element, joined
from evals.evaluation.plots import tone_of
from evals.evaluation.words import capital, counted, number, percent, plain

__all__ = ["summary"]

_STEPS = 6


def summary(evaluation: Evaluation) -> Html:
    """Return the head of the page."""
    said = headline(evaluation.decision)
    word = element("span", said.verdict, class_="word")
    return element(
        "header",
        element("p", f"Evaluation of a release of the shop {plain(evaluation.shop)}", class_="over"),
        element(
            "div",
            element("h1", word, " ", f"{capital(said.action)}{said.why}."),
            _next(evaluation),
            class_=f"verdict {said.verdict.lower()}",
        ),
        _about(evaluation),
        element("ul", *(element("li", *tile) for tile in _tiles(evaluation)), class_="tiles"),
    )


def _next(evaluation: Evaluation) -> Html | None:
    found = steps(evaluation.decision)
    if evaluation.decision.verdict != "INCONCLUSIVE" or len(found) < 2:
        return None
    shown = [element("li", capital(step)) for step in found[:_STEPS]]
    if len(found) > _STEPS:
        shown.append(element("li", f"{len(found) - _STEPS} more, in the table of checks"))
    lead = "What would settle it, four times in five; a query counts in every part that it belongs to:"
    return joined([element("p", lead), element("ul", *shown)])


def _about(evaluation: Evaluation) -> Html:
    when = evaluation.evaluated.strftime("%d %B %Y, %H:%M %Z").lstrip("0").strip()
    base = plain(evaluation.base) if evaluation.base else "nothing: there is no other release"
    labels = (
        counted(evaluation.report.gold.cases, "labelled query", "labelled queries") if evaluation.report else "none"
    )
    facts = {"Release": plain(evaluation.candidate), "Base, compared with": base, "Labels": labels, "Measured": when}
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value)) for name, value in facts.items()),
        class_="facts",
    )


def _tiles(evaluation: Evaluation) -> Iterator[tuple[Html, ...]]:
    checks = evaluation.decision.checks
    counts = {word: len(evaluation.decision.named(word)) for word in ("FAIL", "INCONCLUSIVE", "PASS")}
    uncompared = sum(map(is_uncompared, checks))
    counts["PASS"] -= uncompared
    words = [f"{counts['FAIL']} failed", f"{counts['INCONCLUSIVE']} not settled", f"{counts['PASS']} passed"]
    if uncompared:
        words.append(f"{uncompared} not compared")
    tone = "bad" if counts["FAIL"] else "open" if counts["INCONCLUSIVE"] else "good"
    yield _tile("Checks of the gate", str(len(checks)), ", ".join(words), tone)
    rows = evaluation.report.rows if evaluation.report else ()
    own = next((row for row in rows if (row.by, row.system) == ("all", evaluation.candidate)), None)
    if own and HEADLINE in own.measures:
        f1 = own.measures[HEADLINE]
        ends = f"95% interval {number(f1.low)} to {number(f1.high)}"
        yield _tile("F1 against the labels", number(f1.value), ends, "flat")
    quality = evaluation.comparison.quality if evaluation.comparison else None
    if quality:
        gain = f1_gain(evaluation) or quality.gain
        ends = f"95% interval {number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
        yield _tile("F1 against the base", number(gain.value, signed=True), ends, tone_of(gain))
        shares = quality.searches
        searched = f"; {percent(shares.won.value)} and {percent(shares.lost.value)} of the searches" if shares else ""
        yield _tile(
            "Queries better / worse",
            f"{quality.won:,} / {quality.lost:,}",
            f"of {quality.judged:,} labelled{searched}",
            "flat",
        )
    if evaluation.replay:
        harmed = len(evaluation.replay.harmed)
        judge = evaluation.replay.made.get("judge")
        by_judge = f"; a judge graded {plain(judge)}" if judge else ""
        of = f"of {evaluation.replay.judged.queries:,} with judged result lists{by_judge}"
        yield _tile("Queries harmed in a search", f"{harmed:,}", of, "flat")


def _tile(name: str, value: str, further: str, tone: str) -> tuple[Html, ...]:
    return (
        element("span", name, class_="name"),
        element("strong", value, class_=tone),
        element("span", further, class_="further"),
    )
