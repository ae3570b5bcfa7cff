"""A run of the judge, its answers scripted: every item comes out once, as a verdict or with the reason for none."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from domain.errors import CompletionError
from domain.verdict import Item, Unscored, Verdict
from prompts import Account, Runner
from prompts.cache import CompletionCache
from prompts.judge import judge_sheets
from prompts.ledger import Ledger, read_ledger


@pytest.fixture
def exhibits(goods):
    return [goods.product("drill", product_id) for product_id in ("p1", "p2", "p3")]


def run(judge, exhibits, provider, *, concurrency=1, folder=None):
    async def collect():
        account = Account(run="r", shop="toolbox")
        if folder is None:
            runner = Runner(provider, account=account)
            return await results(runner)
        with CompletionCache(folder / "cache") as cache, Ledger(folder / "ledger") as ledger:
            return await results(Runner(provider, account=account, cache=cache, ledger=ledger))

    async def results(runner):
        async with runner:
            sheets = judge.sheets(exhibits)
            found = [r async for r in judge_sheets(sheets, judge=judge, runner=runner, concurrency=concurrency)]
        return found, runner.tally

    return asyncio.run(collect())


def by_subject(results):
    return {r.item.subject: r.grade if isinstance(r, Verdict) else r.kind for r in results}


def test_a_verdict_says_who_judged_what_how_and_why(make_judge, exhibits, scripted, say) -> None:
    judge = make_judge()
    provider = scripted([say(("i1", True, True, True), ("i2", True, True, False), ("i3", False, False, False))])
    results, _ = run(judge, exhibits, provider)
    assert by_subject(results) == {"p1": 3, "p2": 2, "p3": 0}
    assert results[1] == Verdict(
        item=Item(task="relevance", query="drill", subject="p2"),
        grade=2,
        facets={"serves": True, "kind": True, "complete": False},
        reason="Why.",
        judge=f"openai/judge, {judge.rubric.id}",
        repeat="",
        key=provider.asked[0].key,
    )


def test_what_is_left_out_is_asked_for_once_more(make_judge, exhibits, scripted, say) -> None:
    provider = scripted(
        [
            say(("i1", True, True, True), ("i1", True, False, False), ("i9", True, True, True)),
            say(("i2", True, True, True), ("i3", True, True, False)),
        ]
    )
    results, tally = run(make_judge(), exhibits, provider)
    # Of p1 the last of two verdicts counts; p2 and p3 come with the second answer.
    assert by_subject(results) == {"p1": 1, "p2": 3, "p3": 2}
    assert tally.repaired == 1
    first, second = provider.asked
    assert [r.key for r in results] == [first.key, second.key, second.key]
    assert "no verdict with exactly id, reason, serves, kind, complete for i2, i3" in second.messages[-1]["content"]


def test_what_is_missing_after_that_is_unscored_and_not_0(make_judge, exhibits, scripted, say) -> None:
    results, tally = run(make_judge(), exhibits, scripted([say(("i2", False, False, False)), "no"]))
    assert by_subject(results) == {"p1": "unparseable", "p2": 0, "p3": "unparseable"}
    assert tally.repaired == 0
    assert results[0] == Unscored(
        item=exhibits[0].item, kind="unparseable", detail=results[0].detail, judge=results[1].judge, repeat=""
    )


def test_a_later_verdict_takes_the_place_of_the_first_answers(make_judge, exhibits, scripted, say) -> None:
    provider = scripted([say(("i1", True, True, True)), say(*((i, False, False, False) for i in ("i1", "i2", "i3")))])
    results, _ = run(make_judge(), exhibits, provider)
    assert by_subject(results) == {"p1": 0, "p2": 0, "p3": 0}


def test_a_request_that_fails_leaves_its_items_unscored_with_the_class(make_judge, goods, scripted, say) -> None:
    exhibits = [goods.product(query, "p1") for query in ("drill", "saw", "lamp")] + [goods.product("saw", "p2")]
    provider = scripted(
        [
            say(("i1", True, True, True)),
            CompletionError("half a \ud800 pair", kind="too_long"),
            CompletionError("no", kind="refused"),
            CompletionError("no", kind="refused"),
        ]
    )
    results, _ = run(make_judge(), exhibits, provider)
    assert Counter((r.item.query, by_subject([r])[r.item.subject]) for r in results) == {
        ("drill", 3): 1,
        ("saw", "too_long"): 2,
        ("lamp", "refused"): 1,
    }
    assert next(r.detail for r in results if r.item.query == "saw") == "half a ? pair"


def test_a_refused_answer_is_a_refusal(make_judge, exhibits, scripted) -> None:
    refused = {"content": "I will not.", "finish": "refused"}
    results, _ = run(make_judge(), exhibits, scripted([refused, refused]))
    assert by_subject(results) == dict.fromkeys(("p1", "p2", "p3"), "refused")


def test_a_repair_that_fails_costs_no_verdict_that_there_was(make_judge, exhibits, scripted, say) -> None:
    provider = scripted([say(("i1", True, True, True)), CompletionError("gone", kind="missing_from_recording")])
    results, _ = run(make_judge(), exhibits, provider)
    assert by_subject(results) == {"p1": 3, "p2": "missing_from_recording", "p3": "missing_from_recording"}


def test_items_shown_in_reverse_get_their_own_verdicts(make_judge, exhibits, scripted, say) -> None:
    provider = scripted([say(("i1", False, False, False), ("i2", True, True, False), ("i3", True, True, True))])
    results, _ = run(make_judge(perturbation="order"), exhibits, provider)
    # i1 is p3 now.
    assert by_subject(results) == {"p3": 0, "p2": 2, "p1": 3}
    assert all(r.judge.endswith(", order") for r in results)


def test_completions_are_kept_and_none_is_paid_for_twice(make_judge, exhibits, scripted, say, tmp_path) -> None:
    answer = say(*((short, True, True, True) for short in ("i1", "i2", "i3")))
    judge = make_judge()
    first, _ = run(judge, exhibits, scripted([answer]), folder=tmp_path)
    silent = scripted([])
    again, tally = run(judge, exhibits, silent, folder=tmp_path)
    assert again == first and silent.asked == [] and tally.from_cache == 1
    # An independent repeat is asked anew.
    other = scripted([answer])
    repeated, _ = run(make_judge(repeat="2"), exhibits, other, folder=tmp_path)
    assert len(other.asked) == 1 and [r.repeat for r in repeated] == ["2"] * 3
    assert read_ledger(tmp_path / "ledger")["prompt"].to_list() == [judge.rubric.id] * 2


@pytest.mark.parametrize("concurrency", [1, 7])
def test_every_item_of_many_sheets_comes_out_once(make_judge, goods, scripted, say, concurrency) -> None:
    exhibits = [goods.product(f"query {n}", p) for n in range(25) for p in ("p1", "p2")]
    answer = say(("i1", True, True, True), ("i2", True, False, False))
    results, _ = run(make_judge(), exhibits, scripted([answer] * 25), concurrency=concurrency)
    assert Counter(r.item for r in results) == Counter(e.item for e in exhibits)


def test_what_breaks_the_run_is_raised(make_judge, exhibits, scripted) -> None:
    with pytest.raises(IndexError):
        run(make_judge(), exhibits, scripted([]))


def test_nothing_to_judge_is_no_request(make_judge, scripted) -> None:
    assert run(make_judge(), [], scripted([]))[0] == []
