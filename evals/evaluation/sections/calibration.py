"""Whether confidences are what they say: a diagram for each system that gives some."""

from __future__ import annotations

from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Html, element, section, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import diagram
from evals.evaluation.sections.systems import role
from evals.evaluation.words import counted, number, plain

__all__ = ["calibration_section"]

_SHOWN = 4


def calibration_section(evaluation: Evaluation) -> Html:
    """Return the diagrams, the release's first."""
    found = evaluation.report.calibration if evaluation.report else {}
    names = sorted(found, key=lambda name: {"the release": 0, "the base": 1}.get(role(evaluation, name), 2))
    figures = []
    for name in names[:_SHOWN]:
        one = found[name]
        forecasts = sum(bin_.forecasts for bin_ in one.bins)
        whose = f" ({role(evaluation, name)})" if role(evaluation, name) else ""
        caption = element(
            "figcaption",
            element("strong", plain(name, 60)),
            whose,
            element("br"),
            term("ece", "ECE"),
            f" {number(one.error)}, where chance alone would make about {number(one.floor)}; "
            f"{counted(forecasts, 'category', 'categories')}",
        )
        figures.append(element("figure", diagram(one, plain(name, 60)), caption))
    return section(
        "calibration",
        "Are confidences what they say?",
        "Of the categories given with a confidence of 0.8 about eight in ten should be right: then the dots lie on the "
        "diagonal. Below it a system is surer than it should be.",
        element("div", *figures, class_="figures") if figures else absent("calibration"),
    )
