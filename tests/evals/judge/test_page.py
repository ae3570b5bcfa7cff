from __future__ import annotations

import re

import pytest

from evals.judge import (
    audit,
    judge_agreement,
    judged_figure,
    may_gate,
    panel,
    people_agreement,
    saving_curve,
    self_consistency,
    to_markdown,
    to_text,
)

pytestmark = pytest.mark.usefixtures("judge_extra")

HOSTILE = "judge | \x1b[31m\n\n# headline \u202e"


@pytest.fixture(scope="module")
def printed(verdicts, ratings, own_queries):
    people = {"ann | x": own_queries([0, 1, 2, 3] * 5), "ben\x07": own_queries([0, 2, 2, 3] * 5)}
    rated = ratings(**people)
    said = verdicts(own_queries([1, 1, 3, 3] * 5), judge=HOSTILE)
    again = verdicts(own_queries([1, 2, 3, 3] * 5), judge=HOSTILE, repeat="1")
    other = verdicts(own_queries([0, 1, 3, 3] * 5), judge="other")
    measured = judge_agreement(said, rated, draws=50)
    unknown = judge_agreement(said, [], draws=50)
    return {
        "agreement": measured,
        "unknown": unknown,
        "people": people_agreement(rated, task="relevance", draws=50),
        "figure": judged_figure("relevance", said, measured, rated),
        "unchecked": judged_figure("relevance", said, unknown),
        "curve": saving_curve(own_queries([1, 1, 3, 3] * 5), people["ann | x"], sizes=[5], repeats=5),
        "audit": audit(said, {"a | b": again}, repeat=again, draws=50),
        "consistency": self_consistency(said + again, draws=50),
        "panel": panel([said, other], task="relevance", method="majority"),
        "gate": may_gate(unknown, minimum=0.5),
    }


NAMES = [
    "agreement",
    "unknown",
    "people",
    "figure",
    "unchecked",
    "curve",
    "audit",
    "consistency",
    "panel",
    "gate",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("render", [to_text, to_markdown])
def test_nothing_undefined_or_hostile_reaches_the_page(printed, name, render) -> None:
    text = render(printed[name])
    assert text.endswith("\n")
    assert not re.search(r"\bnan\b|\binf\b|None", text)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "\n#" not in text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("render", [to_text, to_markdown])
def test_every_table_has_as_many_cells_in_each_row(printed, name, render) -> None:
    for block in render(printed[name]).split("\n\n"):
        if block.startswith("| "):
            cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.strip().splitlines()}
            assert len(cells) == 1


def test_columns_are_aligned_on_a_terminal(printed) -> None:
    for block in to_text(printed["agreement"]).split("\n\n"):
        if block.startswith("| "):
            # A control character from a name stands as one replacement character.
            assert len({len(line) for line in block.strip().splitlines()}) == 1


def test_the_agreement_says_what_people_reach_beside_what_the_judge_does(printed) -> None:
    found = printed["agreement"]
    judge, people = found.with_people.quadratic_kappa.estimate, found.people.pairwise.quadratic.estimate
    first = " ".join(to_text(found).split("\n\n")[0].split())
    assert f"quadratic kappa {judge.value:.3f} [{judge.low:.3f}, {judge.high:.3f}] with the median" in first
    assert f"in pairs: {people.value:.3f} [{people.low:.3f}, {people.high:.3f}]" in first


def test_what_is_not_defined_says_why(printed) -> None:
    assert "quadratic kappa not defined (no item has both grades)" in to_text(printed["unchecked"]).replace("\n", " ")
    assert "may not gate: quadratic kappa is not defined" in to_text(printed["gate"]).replace("\n", " ")
