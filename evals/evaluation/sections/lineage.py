"""What the release cost and where its answers come from."""

from __future__ import annotations

from collections.abc import Mapping

from evals.evaluation.evaluation import Evaluation, Spent
from evals.evaluation.markup import Html, element, section
from evals.evaluation.missing import absent
from evals.evaluation.words import counted, plain

__all__ = ["dollars", "lineage_section", "spent_facts"]

_VALUE = 400


def lineage_section(evaluation: Evaluation) -> Html:
    """Return cost and lineage."""
    spent = evaluation.spent
    facts = {name: plain(value, _VALUE) for name, value in evaluation.lineage.items()}
    facts["evidence of the gate"] = evaluation.decision.digest[:12]
    return section(
        "lineage",
        "Cost and lineage",
        "What the labels and verdicts of the shop have cost so far, and what these answers were made from.",
        _list(spent_facts(spent)) if spent else absent("spent"),
        _list(facts),
    )


def spent_facts(spent: Spent) -> dict[str, str]:
    """Return the cost, a fact each; what is not known is left out or called so."""
    unpriced = (
        f", {counted(spent.unpriced, 'of them without a price', 'of them without a price')}" if spent.unpriced else ""
    )
    return {
        "spent": "not known" if spent.usd is None else f"{'at least ' if spent.unpriced else ''}{dollars(spent.usd)}",
        "a label": "not known" if spent.usd_a_label is None else dollars(spent.usd_a_label),
        "completions": f"{spent.completions:,}{unpriced}",
        "tokens in": "not known" if spent.tokens_in is None else f"{spent.tokens_in:,}",
        "tokens out": "not known" if spent.tokens_out is None else f"{spent.tokens_out:,}",
    }


def dollars(usd: float) -> str:
    """Return a price; a small one with two figures that count."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.2g}"


def _list(facts: Mapping[str, str]) -> Html:
    rows = (element("div", element("dt", plain(name)), element("dd", value)) for name, value in facts.items())
    return element("dl", *rows, class_="facts listed")
