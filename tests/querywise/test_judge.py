"""`judge` from the command line: exported, answered by hand, replayed, kept."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from domain.verdict import Unscored, Verdict, read_verdicts
from prompts import Completion
from prompts.cache import CompletionCache

JUDGEMENTS = """query,product_id,rating,rater
Ginger Ale,ginger1,3,a
ginger ale,ginger1,2,b
ginger ale,soap1,0,a
ginger ale,gone,3,a
humm,kombucha1,3,a
humm,chips1,0,a
"""
FACETS = {
    "relevance": ("serves", "kind", "complete"),
    "category": ("expected", "scope"),
    "rewrite": ("keeps_need", "keeps_constraints", "type_right", "can_be_served"),
}


@pytest.fixture
def shop(made, tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    shutil.copytree(made.shop, folder)
    (folder / "judgements.csv").write_text(JUDGEMENTS)
    return folder


@pytest.fixture
def work(made, tools, tmp_path: Path) -> Path:
    return tools.copy_work(made.work, tmp_path / "work")


@pytest.fixture
def judge(tools, shop, work):
    def run(*more: Any, task: str = "relevance", model: str | Path = "by-hand"):
        name = f"recorded:{model}" if isinstance(model, Path) else model
        return tools.run("judge", shop, "--work", work, "--task", task, "--model", name, *more)

    return run


def answers(exported: Path, task: str, *, leave_out: str = "") -> list[Completion]:
    """A completion of each exported request: yes to whatever names its query's first word, no to the rest."""
    made = []
    for line in exported.read_text().splitlines():
        request = json.loads(line)
        shown = request["body"]["messages"][1]["content"]
        word = re.findall(r"<query>(\w+)", shown)[0]
        verdicts = [
            {"id": short, "reason": "By hand."} | dict.fromkeys(FACETS[task], word in text.lower())
            for short, text in re.findall(r'<item id="(i\d+)">\n(.*?)\n</item>', shown, re.DOTALL)
            if not (leave_out and leave_out in text)
        ]
        content = json.dumps({"verdicts": verdicts})
        made.append(Completion(key=request["custom_id"], content=content, model="by-hand"))
    return made


def record(path: Path, completions: list[Completion]) -> Path:
    lines = [json.dumps({"key": c.key, "content": c.content, "model": c.model}) for c in completions]
    path.write_text("\n".join(lines) + "\n")
    return path


def kept(work: Path) -> list[Verdict | Unscored]:
    [path] = (work / "verdicts").rglob("*.jsonl")
    return list(read_verdicts(path))


def test_pairs_of_the_judgements_are_exported_answered_and_kept(judge, work, tmp_path) -> None:
    exported = judge("--export", tmp_path / "out.jsonl", "--json")
    # Four pairs of two queries: of ginger1 there are two ratings, and one product is not the shop's.
    assert (exported.code, exported.json["requests"], exported.json["items"]) == (0, 2, 4)
    assert list((work / "verdicts").rglob("*")) == []
    recording = record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance"))
    result = judge("--json", model=recording)
    assert result.code == 0, result.err
    assert (result.json["items"], result.json["verdicts"], result.json["unscored"]) == (4, 4, {})
    assert result.json["grades"] == {"0": 2, "3": 2} and result.json["left_out"] == {"unknown_product": 1}
    assert [(r.item.query, r.item.subject, r.grade) for r in kept(work)] == [
        ("ginger ale", "ginger1", 3),
        ("ginger ale", "soap1", 0),
        ("humm", "chips1", 0),
        ("humm", "kombucha1", 3),
    ]
    # Nothing is left to ask.
    assert judge("--export", tmp_path / "rest.jsonl", "--json", model=recording).json["requests"] == 0


def test_too_many_items_without_a_verdict_are_a_failure_and_asked_for_again(judge, work, tmp_path) -> None:
    judge("--export", tmp_path / "out.jsonl")
    completions = answers(tmp_path / "out.jsonl", "relevance", leave_out="Vernors")
    result = judge(model=record(tmp_path / "r.jsonl", completions))
    # One of four is over 5%; the repair is not in the recording.
    assert result.code == 1
    assert "missing from recording 1" in result.err and "25.0% of the items have no verdict" in result.err
    assert [r.item.subject for r in kept(work) if isinstance(r, Unscored)] == ["ginger1"]
    again = judge("--export", tmp_path / "again.jsonl", "--json", model=tmp_path / "r.jsonl")
    assert again.json["requests"] == 1
    [line] = (tmp_path / "again.jsonl").read_text().splitlines()
    assert "for i1" in json.loads(line)["body"]["messages"][-1]["content"]
    more = answers(tmp_path / "again.jsonl", "relevance")
    assert judge(model=record(tmp_path / "r.jsonl", completions + more)).code == 0
    assert all(isinstance(r, Verdict) for r in kept(work))


def test_what_the_cache_holds_is_asked_of_nobody(judge, work, tmp_path) -> None:
    judge("--export", tmp_path / "out.jsonl")
    with CompletionCache(work / "cache") as cache:
        cache.put(answers(tmp_path / "out.jsonl", "relevance"))
    # There is no such model, no key and no network.
    result = judge("--json")
    assert result.code == 0, result.err
    assert (result.json["verdicts"], result.json["tally"]["from_cache"]) == (4, 2)
    assert judge("--export", tmp_path / "out.jsonl", "--json").json["requests"] == 0


def test_categories_and_rewrites_of_labelled_queries_are_judged(judge, work, tmp_path) -> None:
    # The gold queries with a label: protein and humm, each with one category and one rewrite.
    for task, subjects in (
        ("category", {("protein", "bars"), ("humm", "kombucha")}),
        ("rewrite", {("protein", "synonym:protein bar"), ("humm", "synonym:humm kombucha")}),
    ):
        judge("--export", tmp_path / "out.jsonl", task=task)
        recording = record(tmp_path / f"{task}.jsonl", answers(tmp_path / "out.jsonl", task))
        result = judge("--json", task=task, model=recording)
        assert (result.code, result.json["verdicts"]) == (0, 2), result.err
        [path] = (work / "verdicts" / task).glob("*.jsonl")
        assert {(v.item.query, v.item.subject) for v in read_verdicts(path)} == subjects


def test_answers_come_from_the_release_where_there_are_no_labels(judge, work, tmp_path) -> None:
    first = judge("--export", tmp_path / "out.jsonl", "--sample", "100", "--json", task="category")
    shutil.rmtree(work / "labels")
    second = judge("--export", tmp_path / "two.jsonl", "--sample", "100", "--json", task="category")
    assert first.json["requests"] == second.json["requests"] == 8
    lines = [(tmp_path / name).read_text().splitlines() for name in ("out.jsonl", "two.jsonl")]
    keys = [{json.loads(line)["custom_id"] for line in exported} for exported in lines]
    assert keys[0] == keys[1]


def test_a_sample_is_drawn_by_a_seed(judge, tmp_path) -> None:
    def shown(*more: Any, task: str) -> str:
        assert judge("--export", tmp_path / "out.jsonl", *more, task=task).code == 0
        return (tmp_path / "out.jsonl").read_text()

    for task in ("relevance", "category"):
        two = shown("--sample", "2", task=task)
        assert two == shown("--sample", "2", task=task)
        assert two.count("<item id=") == 2
        assert len({shown("--sample", "2", "--seed", str(seed), task=task) for seed in range(8)}) > 1


def test_queries_of_a_file_are_judged_alone(judge, tmp_path) -> None:
    (tmp_path / "q.jsonl").write_text('"HUMM"\n')
    result = judge("--export", tmp_path / "out.jsonl", "--queries", tmp_path / "q.jsonl", "--json")
    assert (result.json["requests"], result.json["items"]) == (1, 2)


def test_repeats_and_an_audit_are_requests_of_their_own(judge, work, tmp_path) -> None:
    result = judge("--export", tmp_path / "out.jsonl", "--repeat", "3", "--audit", "--json")
    # Three repeats and six changes, of two requests each. Three of the 18 are as they were, and asked once: there is
    # no description to leave out of either, and "humm" keeps the only brand among its products, for it asks for it.
    assert (result.json["requests"], result.json["items"]) == (15, 36)
    recording = record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance"))
    assert judge("--repeat", "3", "--audit", model=recording).code == 0
    files = {path.name.partition(".jsonl")[0].rpartition(".")[2] for path in (work / "verdicts").rglob("*.jsonl")}
    assert {"order", "short", "long", "brand", "praise", "command"} < files and len(files) == 7
    [plain] = [p for p in (work / "verdicts").rglob("*.jsonl") if p.name.count(".") == 1]
    assert sorted({v.repeat for v in read_verdicts(plain)}) == ["", "2", "3"]
    assert len(list(read_verdicts(plain))) == 12


def test_the_price_is_told_before_anything_is_asked(judge, shop) -> None:
    settings = shop / "shop.toml"
    settings.write_text(settings.read_text() + "[llm.price]\ninput = 1.0\noutput = 2.0\n")
    result = judge("--dry-run", "--json")
    assert (result.code, result.json["requests"], result.json["items"]) == (0, 2, 4)
    assert 0 < result.json["sync"]["low"] < result.json["sync"]["high"] < 0.1
    assert "4 verdicts to ask for" in judge("--dry-run").err


def test_mistakes(judge, shop, work, tmp_path) -> None:
    assert "judges category, not relevance" in judge("--rubric", "judge_category@1").mistake()
    assert "judges nothing" in judge("--rubric", "categories@1").mistake()
    assert "there is no substitute to judge" in judge(task="substitute").mistake()
    assert "a budget needs a price" in judge("--budget", "1").mistake()
    assert judge(task="taste").code == 2
    (shop / "judgements.csv").unlink()
    assert "has no file of judgements" in judge().mistake()
    (shop / "gold.jsonl").unlink()
    assert "no labelled queries" in judge(task="category").mistake()
    shutil.rmtree(work / "warehouse")
    assert "products.parquet is missing" in judge().mistake()
