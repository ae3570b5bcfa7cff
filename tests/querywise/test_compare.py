"""`prompts compare`: two prompts on the same queries, by the command line."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def place(made, tools, tmp_path_factory):
    return tools.copy_work(made.work, tmp_path_factory.mktemp("compare") / "work")


@pytest.fixture
def compare(made, tools, place):
    def run(*arguments, model=f"recorded:{'{}'}"):
        chosen = model.format(made.recording)
        return tools.run("prompts", "compare", made.shop, *arguments, "--work", place, "--model", chosen)

    return run


def test_a_prompt_is_as_good_as_itself(compare, place):
    result = compare("understand@1", "understand@1", "--gold", "--tiers", "head,torso")
    assert result.code == 0, result.err
    assert result.out.startswith("**No difference")
    page = place / "reports" / "compare-understand@1-understand@1.html"
    assert str(page) in result.err and "<html" in page.read_text()
    # What was said and what came back is in the page, packed; the prompts are not in the JSON.
    assert "You work for the search team" not in page.with_suffix(".json").read_text()


def test_json_holds_the_measures_of_both_sides_and_what_they_took(compare):
    result = compare(
        "understand@1", "understand@1", "--gold", "--tiers", "head,torso", "--price-as", "gpt-5-mini", "--json"
    )
    document = json.loads(result.out)
    assert result.code == 0
    assert document["made"]["priced as"] == "gpt-5-mini"
    for cost in (document["a"]["cost"], document["b"]["cost"]):
        # The tokens were counted when the answers were made.
        assert cost["requests"] == 2 and cost["usd"]["value"] > 0 and not cost["usd"]["estimated"]


def test_a_side_that_cannot_answer_is_shown_as_failed_and_exits_1(compare):
    result = compare("understand@1", "understand@2", "--sample", "4")
    assert result.code == 1
    assert "missing_from_recording" in result.out or "failed" in result.out


def test_queries_of_a_file_are_compared_without_gold_too(compare, tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('"Humm"\n{"query": "dishes"}\n"humm "\n')
    result = compare("understand@1", "understand@1", "--queries", path, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["queries"] == 2


def test_tiers_narrow_the_queries(compare):
    result = compare("understand@1", "understand@1", "--sample", "100", "--tiers", "head", "--json")
    assert (result.code, json.loads(result.out)["queries"]) == (0, 4)


@pytest.mark.parametrize("which", [(), ("--gold", "--sample", "3")])
def test_it_has_to_be_told_which_queries(compare, which):
    assert "which queries?" in compare("understand@1", "understand@1", *which).mistake()


def test_a_file_without_queries_is_a_mistake(compare, tmp_path):
    (tmp_path / "q.jsonl").write_text("\n")
    assert (
        "no query to compare on" in compare("understand@1", "understand@1", "--queries", tmp_path / "q.jsonl").mistake()
    )


def test_a_budget_without_a_price_is_a_mistake(compare):
    assert (
        "a budget needs a price"
        in compare("understand@1", "understand@1", "--sample", "1", "--budget", "1", model="by-hand").mistake()
    )


def test_what_was_asked_before_costs_nothing(made, tools, place, compare):
    result = compare(
        "understand@1", "understand@1", "--sample", "99", "--tiers", "head,torso", "--json", model="by-hand"
    )
    # No key, no network: everything is in the cache.
    assert result.code == 0, result.err


def test_two_prompts_for_the_same_part_are_a_mistake(compare):
    assert "ask for the same" in compare("understand@1,rewrites@1", "understand@1", "--sample", "1").mistake()


def test_differences_are_marked_where_there_are_no_colours(tools):
    result = tools.run("prompts", "diff", "understand@1", "understand@2")
    assert result.code == 0
    assert "=== system ===" in result.out and "{+Fit: choose +}" in result.out and "[-Choose -]" in result.out
    assert tools.run("prompts", "diff", "understand@1", "understand@1").out.endswith("no difference\n")


def test_examples_are_chosen_once_and_stay(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    chosen = tools.run("prompts", "examples", made.shop, "--work", work, "--json").json
    lines = (work / "examples.jsonl").read_text().splitlines()
    assert chosen == {"examples": len(lines), "path": str(work / "examples.jsonl")}
    gold = tools.run("prompts", "examples", made.shop, "--work", work, "--from", "gold", "--json").json
    assert gold["examples"] == 3
