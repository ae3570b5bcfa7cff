from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import QuerywiseError
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Understanding
from evals import (
    Case,
    GoldSet,
    Problem,
    Report,
    Row,
    ask,
    by_query,
    compare,
    read_report,
    to_markdown,
    write_queries,
    write_report,
)

Answer = Callable[..., Understanding]
TIERS = {"a": "head", "b": "torso", "c": "tail", "f": "head"}


class Canned:
    """An understander with its answers given."""

    def __init__(self, answers: Sequence[Understanding]) -> None:
        self._answers = list(answers)

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        return self._answers


@pytest.fixture
def answers(
    answer: Answer, six_cases: tuple[Case, ...], six_answers: list[Understanding]
) -> dict[str, list[Understanding]]:
    return {"base": six_answers, "right": [answer(case.query, case.categories or ()) for case in six_cases]}


@pytest.fixture
def report(answers: dict[str, list[Understanding]], gold: GoldSet, tree: Taxonomy) -> Report:
    return compare(answers, gold, tree, tiers=TIERS, made={"command": "querywise evaluate demo | tee"})


def row(report: Report, system: str, name: str) -> Row:
    [found] = [row for row in report.rows if (row.system, row.slice) == (system, name)]
    return found


def test_rows_are_systems_by_slices(report: Report) -> None:
    slices = [
        ("all", "all"),
        ("tier", "head"),
        ("tier", "torso"),
        ("tier", "tail"),
        ("tier", "unseen"),
        ("kind", "easy"),
        ("branch", "Drinks > Soda"),
        ("branch", "Food > Bread"),
    ]
    expected = [(system, *part) for part in slices for system in ("base", "right")]
    assert [(row.system, row.by, row.slice) for row in report.rows] == expected
    assert [row.queries for row in report.rows if row.system == "base"] == [6, 2, 1, 1, 2, 2, 3, 1]


def test_slices_of_labels_and_of_two_attributes_need_ten_queries(answer: Answer, tree: Taxonomy) -> None:
    def case(i: int) -> Case:
        # 12 head, 9 tail; of the head 10 are broad and 2 specific; 11 are of summer and 10 of winter.
        return Case(
            query=f"q{i:02}",
            normalized=f"q{i:02}",
            categories=("cola",),
            specificity="broad" if i < 10 else "specific",
            labels={"season": "summer" if i < 11 else "winter", "number": str(i)},
        )

    cases = tuple(case(i) for i in range(21))
    gold = GoldSet(name="g", sha256="0" * 64, cases=cases, further=(), problems=())
    answers = {"s": [answer(case.query, ["cola"]) for case in cases]}
    tiers = {case.query: "head" if i < 12 else "tail" for i, case in enumerate(cases)}
    report = compare(answers, gold, tree, tiers=tiers, draws=10)
    found = [(row.by, row.slice, row.queries) for row in report.rows]
    assert found[-3:] == [("season", "summer", 11), ("season", "winter", 10), ("tier,specificity", "head, broad", 10)]
    # Of head and specific there are 2, of tail and specific 9; each number is there once.
    assert report.small == {"number": 21, "tier,specificity": 2}
    text = to_markdown(report)
    assert "| head, broad | 10 | 1.000 [1.000, 1.000] |" in text
    assert "Left out: 2 with fewer than 10 queries." in text


def test_markdown_folds_all_but_the_largest_branches(answer: Answer) -> None:
    tree = Taxonomy(Node(category_id=f"c{i}", parent_id=None, name=f"Branch {i}") for i in range(10))
    # One query in branch 0, two in branch 1, and so on.
    cases = tuple(
        Case(query=f"{i} {j}", normalized=f"{i} {j}", categories=(f"c{i}",)) for i in range(10) for j in range(i + 1)
    )
    gold = GoldSet(name="g", sha256="0" * 64, cases=cases, further=(), problems=())
    report = compare({"s": [answer(case.query) for case in cases]}, gold, tree, tiers={}, draws=10)
    assert sum(row.by == "branch" for row in report.rows) == 10
    lines = to_markdown(report).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| Branch")] == [
        f"| Branch {i}" for i in range(2, 10)
    ]
    assert "The 8 with the most queries; 3 queries in 2 more, which the JSON has." in lines


def test_confidence_is_held_against_what_is_right(report: Report) -> None:
    # base gives 5 categories at 0.5, of which 2 are right: cola to a, ginger to f.
    assert [(b.confidence, b.right, b.forecasts) for b in report.calibration["base"].bins] == [(0.5, 0.4, 5)]
    assert report.calibration["base"].error == pytest.approx(0.1)
    # By chance: sqrt(2 / pi) * sqrt(5 * 0.25) / 5 = 0.178.
    assert "| base | 5 | 0.500 | 0.400 | 0.100 | 0.178 |" in to_markdown(report)


def test_a_report_of_before_there_were_diagrams_is_read(report: Report, tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", report)
    document = json.loads((tmp_path / "report.json").read_text())
    del document["calibration"], document["small"]
    (tmp_path / "report.json").write_text(json.dumps(document))
    assert read_report(tmp_path / "report.json").rows == report.rows


def test_values_by_hand(report: Report) -> None:
    everything, head = row(report, "base", "all"), row(report, "base", "head")
    assert everything.measures["leaf_f1"].value == pytest.approx(4 / 11)
    assert everything.measures["leaf_precision"].queries == 5
    # Head is a and f: 2 of 3 right, 1 of 2 found.
    assert head.measures["leaf_precision"].value == pytest.approx(2 / 3)
    assert head.measures["leaf_recall"].value == pytest.approx(1 / 2)
    assert everything.degraded == 1
    assert "span_f1" not in everything.measures


def test_gains_are_over_the_first_system(report: Report) -> None:
    gain = row(report, "right", "all").gains["leaf_f1"]
    assert gain.value == pytest.approx(7 / 11)
    assert 0 < gain.low <= gain.value <= gain.high <= 1
    assert row(report, "base", "all").gains == {}


def test_order_of_the_gold_file_changes_nothing(
    answers: dict[str, list[Understanding]], gold: GoldSet, tree: Taxonomy, report: Report
) -> None:
    backwards = {name: given[::-1] for name, given in answers.items()}
    turned = compare(backwards, replace(gold, cases=gold.cases[::-1]), tree, tiers=TIERS, made=report.made)
    assert turned == report


def test_report_goes_through_its_file(report: Report, tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", report)
    assert read_report(tmp_path / "report.json") == report


def test_a_system_that_loses_queries_is_refused(six_answers: list[Understanding], gold: GoldSet) -> None:
    for given in (six_answers[1:], six_answers[::-1], [*six_answers, six_answers[0]]):
        with pytest.raises(QuerywiseError, match="broken did not answer each of the 6"):
            ask({"broken": Canned(given)}, gold)
    assert ask({"whole": Canned(six_answers)}, gold) == {"whole": six_answers}


def test_markdown_says_how_and_shows_every_tier(report: Report, gold: GoldSet) -> None:
    text = to_markdown(report, title="Quality of the demo")
    assert text.startswith("# Quality of the demo\n")
    assert "- command: `querywise evaluate demo \\| tee`" in text
    assert "- gold: `gold.jsonl` (sha256 `abababababab`), 6 queries, 0 lines left out" in text
    assert "1000 resamples, seed 0; gain: paired with base" in text
    assert "- **base failed on 1 queries**; they count as unanswered" in text
    lines = text.splitlines()
    assert any(line.startswith("| all | base | 6 | 0.667 | 0.500 [") and line.endswith("| – |") for line in lines)
    assert any(line.startswith("| unseen | right | 2 |") for line in lines)
    assert any(line.startswith("| easy | base | 2 |") for line in lines)
    assert "span_f1" not in text
    widths = {(line.count("|") - line.count("\\|")) for line in lines if line.startswith("| all | ")}
    assert widths == {9, 8}


def test_markdown_counts_the_doubts(answers: dict[str, list[Understanding]], gold: GoldSet, tree: Taxonomy) -> None:
    doubts = (
        Problem(file="gold.jsonl", line=1, kind="malformed", detail="", kept=False),
        Problem(file="gold.jsonl", line=2, kind="unknown_acceptable", detail="", kept=True),
        Problem(file="gold.jsonl", line=3, kind="malformed", detail="", kept=False),
    )
    report = compare(answers, replace(gold, problems=doubts), tree, tiers={}, draws=10)
    assert "2 lines left out (doubts: malformed 2, unknown_acceptable 1)" in to_markdown(report)


def test_failures_are_read_worst_first(
    answers: dict[str, list[Understanding]], gold: GoldSet, tree: Taxonomy, tmp_path: Path
) -> None:
    lines = by_query(answers, gold, tree, tiers=TIERS, worst_of="base")
    # F1: f 0 (head), b 0 (torso), d and e 0 (unseen), a 2/3, c 1.
    assert [line.query for line in lines] == ["f", "b", "d", "e", "a", "c"]
    write_queries(tmp_path / "queries.jsonl", lines)
    first = json.loads((tmp_path / "queries.jsonl").read_text().splitlines()[0])
    assert first == {
        "query": "f",
        "tier": "head",
        "kind": "easy",
        "expected": ["cola: Drinks > Soda > Cola"],
        "acceptable": ["ginger: Drinks > Soda > Ginger Ale"],
        "answers": {
            "base": {
                "f1": 0.0,
                "categories": ["ginger: Drinks > Soda > Ginger Ale"],
                "confidence": [0.5],
                "source": "tail",
                "reason": "model",
            },
            "right": {
                "f1": 1.0,
                "categories": ["cola: Drinks > Soda > Cola"],
                "confidence": [0.5],
                "source": "tail",
                "reason": "model",
            },
        },
    }


def test_four_systems_on_400_queries_take_seconds(answer: Answer, tree: Taxonomy) -> None:
    rng = np.random.default_rng(0)
    ids = ["cola", "ginger", "water", "bread"]
    cases = tuple(Case(query=f"q{i}", normalized=f"q{i}", categories=(ids[rng.integers(4)],)) for i in range(400))
    gold = GoldSet(name="g", sha256="0" * 64, cases=cases, further=(), problems=())
    answers = {f"s{s}": [answer(case.query, [ids[rng.integers(4)]]) for case in cases] for s in range(4)}
    start = time.perf_counter()
    report = compare(answers, gold, tree, tiers={case.query: "head" for case in cases[:200]}, draws=1000)
    assert time.perf_counter() - start < 5
    assert row(report, "s1", "head").queries == 200
