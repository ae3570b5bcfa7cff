"""Files of verdicts: what a later run adds and replaces, and what a turn of a sheet finds in the cache."""

from __future__ import annotations

import dataclasses

import pytest

from domain.errors import UserError
from domain.verdict import Item, Unscored, Verdict, read_verdicts
from prompts import Completion
from prompts.judge.keeping import keep_verdicts, verdicts_file
from prompts.judge.pricing import estimate_sheets
from prompts.prices import Price, price_of


def item(subject: str) -> Item:
    return Item(task="relevance", query="drill", subject=subject)


def verdict(subject: str, grade: int, **more: str) -> Verdict:
    usual = {"judge": "m, r", "repeat": "", "key": "k"}
    return Verdict(item=item(subject), grade=grade, facets={"a": True}, reason="Why.", **usual | more)


def unscored(subject: str) -> Unscored:
    return Unscored(item=item(subject), kind="refused", detail="", judge="m, r", repeat="")


def test_an_item_judged_again_replaces_the_old_verdict(tmp_path) -> None:
    path = tmp_path / "verdicts" / "v.jsonl"
    assert keep_verdicts(path, [verdict("p2", 1), verdict("p1", 0), unscored("p3")]) == 3
    assert keep_verdicts(path, [verdict("p1", 3), verdict("p3", 2), verdict("p1", 2, repeat="2")]) == 4
    assert list(read_verdicts(path)) == [
        verdict("p1", 3),
        verdict("p1", 2, repeat="2"),
        verdict("p2", 1),
        verdict("p3", 2),
    ]


def test_an_item_left_unscored_keeps_the_verdict_it_had(tmp_path) -> None:
    path = tmp_path / "v.jsonl"
    keep_verdicts(path, [verdict("p1", 3)])
    keep_verdicts(path, [unscored("p1"), unscored("p2")])
    assert list(read_verdicts(path)) == [verdict("p1", 3), unscored("p2")]


def test_a_file_that_holds_something_else_is_a_mistake_and_stays(tmp_path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"query": "drill"}\n')
    with pytest.raises(UserError, match="no verdict"):
        keep_verdicts(path, [verdict("p1", 3)])
    assert path.read_text() == '{"query": "drill"}\n'


def test_every_judge_has_a_file_of_its_own(make_judge, tmp_path) -> None:
    judges = [make_judge(), make_judge("category"), make_judge(model="other"), make_judge(perturbation="brand")]
    paths = [verdicts_file(tmp_path, judge).relative_to(tmp_path).as_posix() for judge in judges]
    digest = judges[0].rubric.id.split("#")[1]
    assert paths[0] == f"verdicts/relevance/openai-judge-judge_relevance@1-{digest}.jsonl"
    assert paths[3] == f"verdicts/relevance/openai-judge-judge_relevance@1-{digest}.brand.jsonl"
    assert len(set(paths)) == 4
    # A repeat goes into the same file, where `repeat` tells it apart.
    assert verdicts_file(tmp_path, make_judge(repeat="2")) == verdicts_file(tmp_path, judges[0])
    odd = verdicts_file(tmp_path, make_judge(model="../../etc/passwd"))
    assert odd.resolve().is_relative_to(tmp_path / "verdicts" / "relevance")


def test_turns_are_the_request_and_its_repair_with_what_is_kept(make_judge, goods, say) -> None:
    judge = make_judge()
    [sheet] = judge.sheets([goods.product("drill", "p1"), goods.product("drill", "p2")])
    kept: dict[str, Completion] = {}

    def answer(content: str, key: str, finish="stop") -> None:
        kept[key] = Completion(key=key, content=content, model="openai/judge", finish=finish)

    def waiting() -> list[str]:
        return [turn.part.request.key for turn in judge.turns(sheet, kept.get) if turn.completion is None]

    first = sheet.part.request
    assert waiting() == [first.key]
    answer(say(("i1", True, True, True)), first.key)
    [repair] = waiting()
    assert repair != first.key
    answer("no", repair)
    # It is not asked a third time.
    assert waiting() == []
    answer("No.", first.key, finish="refused")
    assert waiting() == []


def test_a_price_is_of_the_verdicts_to_be_written(make_judge, goods) -> None:
    judge = make_judge()
    sheets = list(judge.sheets([goods.product(q, p) for q in ("drill", "saw") for p in ("p1", "p2", "p3")]))
    price = price_of("x", override={"input": 1.0, "output": 10.0})
    found = estimate_sheets("openai/judge", sheets, in_cache=5, price=price)
    assert (found.requests, found.in_cache) == (2, 5)
    # Six verdicts of 120 to 300 bytes, at 0.19 to 0.38 tokens a byte: 136.8 to 684.
    assert (found.tokens_out.low, found.tokens_out.high) == (137, 684)
    assert found.sync is not None and isinstance(price, Price)
    assert found.sync.low == pytest.approx((found.tokens_in.low + 10 * 137) / 1e6)
    # Two answers of 2,500 tokens at most.
    assert found.most == pytest.approx((found.tokens_in.high + 10 * 5_000) / 1e6)
    assert estimate_sheets("m", sheets, in_cache=0, price=None).sync is None
    free = dataclasses.replace(judge.rubric, parameters={})
    boundless = list(make_judge(rubric=free).sheets([goods.product("drill", "p1")]))
    assert estimate_sheets("m", boundless, in_cache=0, price=price).most is None
