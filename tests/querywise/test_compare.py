"""`prompts compare`: two prompts on the same queries, by the command line."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace
from typing import NamedTuple

import polars as pl
import pytest

from evals import Asked
from querywise.compare import _drawn


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


@pytest.mark.parametrize(
    "text", ["oat milk for jane.roe@example.com", "pizza call (212) 555-0142", "4111 1111 1111 1111"]
)
@pytest.mark.parametrize("name", ["q.jsonl", "q.parquet"])
def test_a_file_with_personal_data_is_refused_by_its_line(compare, tmp_path, text, name):
    path = tmp_path / name
    if name == "q.parquet":
        pl.DataFrame({"query": ["humm", text]}).write_parquet(path)
    else:
        path.write_text(f'"humm"\n{json.dumps({"query": text})}\n')
    told = compare("understand@1", "understand@1", "--queries", path).mistake()
    assert f"{name}, line 2: personal data in the query" in told and text not in told


def test_personal_data_of_a_file_is_told_by_the_country_of_the_shop(made, tools, place, tmp_path):
    shutil.copytree(made.shop, tmp_path / "shop")
    toml = tmp_path / "shop" / "shop.toml"
    (tmp_path / "q.jsonl").write_text('"020 7946 0958 pizza"\n')
    run = ("prompts", "compare", tmp_path / "shop", "understand@1", "understand@1", "--queries", tmp_path / "q.jsonl")
    by = ("--work", place, "--model", f"recorded:{made.recording}")
    assert tools.run(*run, *by).code == 1  # asked, and not in the recording
    toml.write_text(toml.read_text().replace("en-US", "en-GB"))
    assert "line 1: personal data" in tools.run(*run, *by).mistake()


def test_a_query_longer_than_any_that_is_served_is_refused(compare, tmp_path):
    # Nobody looks for what is personal beyond 2,048 characters.
    for text in ("x" * 257, f"milk{' ' * 2048}ann@example.com"):
        (tmp_path / "q.jsonl").write_text(json.dumps(text) + "\n")
        told = compare("understand@1", "understand@1", "--queries", tmp_path / "q.jsonl").mistake()
        assert "line 1: query too long" in told


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


class DrawnContext(NamedTuple):
    query: str
    searches: int


def test_queries_drawn_by_their_searches_stand_for_those_that_were_not():
    # The second half of all searches is of queries that few asked: of 300 drawn, most are of the first half.
    contexts = [DrawnContext(f"q{i}", max(1, int(20_000 / (i + 1) ** 0.9))) for i in range(5_000)]
    total = sum(c.searches for c in contexts)
    rare, so_far = set(), 0
    for context in contexts:
        so_far += context.searches
        rare |= {context.query} if so_far > total / 2 else set()
    searches = {c.query: c.searches for c in contexts}
    store = SimpleNamespace(of_tiers=lambda *_: contexts)
    shares = []
    for seed in range(20):
        drawn = [Asked(query=q, searches=searches[q], chance=p) for q, p in _drawn(store, 300, seed).items()]
        assert len(drawn) == 300
        shares.append(sum(one.weight for one in drawn if one.query in rare) / sum(one.weight for one in drawn))
    assert sum(shares) / len(shares) == pytest.approx(0.5, abs=0.02)  # weighted by their searches alone: 0.11
    assert set(_drawn(store, 9_999, 0).values()) == {1.0}
