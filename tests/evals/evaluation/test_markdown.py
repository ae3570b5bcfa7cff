"""The report in a pull request: short, and nothing of a stranger's is markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from evals.evaluation import Evaluation, to_markdown
from evals.evaluation.markdown import _code, _inert


def outside_code(markdown: str) -> str:
    """Return Markdown without its code spans, read as CommonMark reads them: from ticks to as many ticks."""
    return re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", "", markdown)


def cells(line: str) -> int:
    return len(re.findall(r"(?<!\\)\|", line)) - 1


def test_the_verdict_the_checks_the_slices_and_the_worst_queries(failed: Evaluation) -> None:
    lines = to_markdown(failed).splitlines()
    assert lines[0].startswith("## FAIL: do not ship it, because F1 of all queries is 0.550 lower")
    assert len(lines) <= 120
    text = "\n".join(lines)
    assert "| Share of searches answered | **FAIL** | at least 90% | 83% | – |" in text
    assert "### Queries that got worse, most searched first (10 of 22)" in text
    assert "- `q10`, 300 searches, F1 1.00 → 0.00\n  - expected `Drinks › Soda › Cola`" in text
    assert "  - release `Food › Bread` 90%" in text
    # 32 of 40 against 10 of 40, each query with one category given and one expected.
    assert "| all queries | 40 | 0 / 22 | 0.800 | 0.250 | −0.550 [" in text
    assert "30 of 40 judged queries are harmed; 30 parts of answers to withhold." in text


def test_a_pass_is_short(passed: Evaluation) -> None:
    text = to_markdown(passed)
    assert text.startswith("## PASS: ship it") and "6 checks passed." in text
    assert "got worse" not in text and len(text.splitlines()) < 30


def test_what_had_nothing_to_compare_with_is_counted_apart(evaluate) -> None:
    assert "5 checks passed, 1 not compared.\n" in to_markdown(evaluate(base=False, further=False))


def test_what_would_settle_it_is_listed(unsettled: Evaluation) -> None:
    text = to_markdown(unsettled)
    assert "- Measure the service: " in text
    assert "\n- Label about " in text
    assert "querywise evaluate --replay" in text


def test_a_strangers_text_is_code_and_breaks_no_table(failed: Evaluation) -> None:
    text = to_markdown(failed)
    assert "onerror" in text  # it is there, as text
    rest = outside_code(text)
    assert not re.search(r"onerror|@user|<img|<!--|\x1b|\x00|\u202e", rest)
    blocks = [line for line in text.splitlines() if line.startswith("|")]
    runs = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert blocks and all(len({cells(line) for line in run.splitlines()}) == 1 for run in runs)


def test_a_shops_names_are_code_where_they_could_be_markup(failed: Evaluation, hostile: str) -> None:
    checks = tuple(
        replace(check, slice=f"kind:{hostile}", needed=5, verdict="INCONCLUSIVE") for check in failed.decision.checks
    )
    evil = replace(
        failed,
        shop=hostile,
        candidate=hostile,
        decision=replace(failed.decision, checks=checks, verdict="INCONCLUSIVE"),
    )
    rest = outside_code(to_markdown(evil))
    assert not re.search(r"onerror|@user|<img|<!--|\x1b|\x00|\u202e", rest)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("milk", "`milk`"),
        ("", "`(empty)`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        ("`a", "`` `a ``"),
        ("a|b\\|c", "`a¦b\\¦c`"),
        ("line\nbreak", "`line break`"),
    ],
)
def test_code_spans(text: str, code: str) -> None:
    assert _code(text) == code


@pytest.mark.parametrize("text", ["@team", "see #12", "a_b_", "www.x.org", "http://x", "$x$", ":tada:", "a*b", "<b>"])
def test_words_that_could_be_markup_are_code(text: str) -> None:
    assert _inert(text) == f"`{text}`"


def test_our_own_words_are_not() -> None:
    assert (
        _inert("label about 970 more queries (and 5 more steps)") == "label about 970 more queries (and 5 more steps)"
    )


def test_many_of_everything_stay_under_the_limit(failed: Evaluation) -> None:
    assert failed.comparison
    checks = tuple(replace(failed.decision.checks[-1], name=f"c{i}", verdict="FAIL") for i in range(300))
    rows = [replace(failed.comparison.rows[1], by="kind", slice=f"k{i}") for i in range(300)]
    comparison = replace(failed.comparison, rows=(failed.comparison.rows[0], *rows))
    crowded = replace(failed, decision=replace(failed.decision, checks=checks), comparison=comparison)
    assert len(to_markdown(crowded).splitlines()) <= 120
