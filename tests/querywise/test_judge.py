"""`judge` from the command line: exported, answered by hand, replayed, kept, and held against people."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from domain.verdict import Unscored, Verdict, read_verdicts
from prompts import Completion
from prompts.cache import CompletionCache
from prompts.ledger import Ledger, LedgerLine

ROOT = Path(__file__).resolve().parents[2]
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


needs_extra = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("krippendorff", "ppi_py", "crowdkit")),
    reason="the extra `judge` is not installed",
)


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


def answers(exported: Path, task: str, *, leave_out: str = "", yes_to: str = " no such text ") -> list[Completion]:
    """A completion of each exported request: yes to whatever names its query's first word, no to the rest."""
    made = []
    for line in exported.read_text().splitlines():
        request = json.loads(line)
        shown = request["body"]["messages"][1]["content"]
        word = re.findall(r"<query>(\w+)", shown)[0]
        verdicts = [
            {"id": short, "reason": "By hand."} | dict.fromkeys(FACETS[task], word in text.lower() or yes_to in text)
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


def test_a_query_of_the_judgements_with_personal_data_is_asked_of_no_model(judge, shop, tmp_path) -> None:
    toml = shop / "shop.toml"
    toml.write_text(toml.read_text().replace("en-US", "en-GB"))
    with (shop / "judgements.csv").open("a") as file:
        file.write("jane.roe@example.com milk,ginger1,3,a\n020 7946 0958 pizza,soap1,0,a\n")
    result = judge("--export", tmp_path / "out.jsonl", "--json")
    assert (result.code, result.json["items"]) == (0, 4)
    assert "judgements.csv, line 8: left out, personal data in the query" in result.err and "line 9" in result.err
    for text in (result.err, (tmp_path / "out.jsonl").read_text()):
        assert "jane" not in text and "7946" not in text


def test_pairs_with_personal_data_are_refused_by_their_line(judge, shop, tmp_path) -> None:
    (tmp_path / "pairs.csv").write_text("query,product_id\nsaw,ginger1\n020 7946 0958 pizza,soap1\n")
    run = ("--pairs", tmp_path / "pairs.csv", "--export", tmp_path / "out.jsonl", "--json")
    assert judge(*run).json["items"] == 2
    (tmp_path / "out.jsonl").unlink()
    toml = shop / "shop.toml"
    toml.write_text(toml.read_text().replace("en-US", "en-GB"))
    told = judge(*run).mistake()
    assert "pairs.csv:3: personal data" in told and "7946" not in told
    assert not (tmp_path / "out.jsonl").exists()


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


def test_pairs_of_a_file_are_judged_in_place_of_the_judgements(judge, shop, work, tmp_path) -> None:
    pairs = tmp_path / "replay-to-judge.csv"
    pairs.write_text("query,product_id,rating,rater\nHumm,soap1,,\nhumm,kombucha2,,\nhumm,soap1,,\nvernors,ginger1,,\n")
    judge("--export", tmp_path / "out.jsonl")
    rated = record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance"))
    assert judge(model=rated).code == 0
    # The shop's own judgements are not needed for it.
    (shop / "judgements.csv").unlink()
    exported = judge("--pairs", pairs, "--export", tmp_path / "more.jsonl", "--json")
    assert (exported.code, exported.json["requests"], exported.json["items"]) == (0, 2, 3)
    recording = record(tmp_path / "m.jsonl", answers(tmp_path / "more.jsonl", "relevance"))
    assert judge("--pairs", pairs, model=recording).code == 0
    # They stand beside the verdicts on what people rated.
    assert [(r.item.query, r.item.subject, r.grade) for r in kept(work)] == [
        ("ginger ale", "ginger1", 3),
        ("ginger ale", "soap1", 0),
        ("humm", "chips1", 0),
        ("humm", "kombucha1", 3),
        ("humm", "kombucha2", 3),
        ("humm", "soap1", 0),
        ("vernors", "ginger1", 3),
    ]
    (tmp_path / "q.jsonl").write_text('"vernors"\n')
    assert judge("--pairs", pairs, "--queries", tmp_path / "q.jsonl", "--dry-run", "--json").json["items"] == 1


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
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("query,product_id\nhumm,kombucha1\nhumm,gone\n")
    assert "pairs.csv:3: unknown product 'gone'" in judge("--pairs", pairs).mistake()
    assert "are no category" in judge("--pairs", pairs, task="category").mistake()
    (shop / "judgements.csv").unlink()
    assert "has no file of judgements" in judge().mistake()
    (shop / "gold.jsonl").unlink()
    assert "no labelled queries" in judge(task="category").mistake()
    shutil.rmtree(work / "warehouse")
    assert "products.parquet is missing" in judge().mistake()


def one_line(text: str) -> str:
    return " ".join(text.split())


@needs_extra
def test_a_run_ends_with_what_people_say_of_the_same_items(judge, tmp_path) -> None:
    judge("--export", tmp_path / "out.jsonl")
    recording = record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance"))
    found = judge("--json", model=recording).json["worth"]
    # People's medians are 2 (the lower of 3 and 2), 0, 0, 3; the judge says 3, 0, 0, 3. The squared distance is 1 on
    # one item of four; over all 16 pairs of a grade of theirs and one of the judge's it is 10 + 2 * 18 + 18 = 64.
    agreement = found["agreement"]["with_people"]
    assert agreement["quadratic_kappa"]["estimate"]["value"] == pytest.approx(1 - 0.25 / 4)
    # By chance they agree on 0 in a quarter and on 3 in an eighth of the cases.
    assert agreement["kappa"]["estimate"]["value"] == pytest.approx(1 - 0.25 / 0.625)
    assert agreement["exact"]["estimate"]["value"] == 0.75
    assert found["agreement"]["people"]["items"] == 1
    # Both queries have a mean of 1.5 by the judge; two are too few to correct it by.
    assert found["figure"]["naive"]["value"] == 1.5 and found["figure"]["correction"] is None
    assert (found["consistency"], found["audit"], found["unknown"]) == (None, None, "")
    text = judge(model=recording).out
    assert "| the judge with the median of people | 0.600 [" in text and "| 0.938 [" in text
    assert "4 items of 2 queries have a verdict and were graded by 2 people" in one_line(text)
    assert "Exact agreement 0.750 [" in text and "people labelled too few" in one_line(text)


@needs_extra
def test_repeats_and_an_audit_are_summed_up(judge, work, tmp_path) -> None:
    judge("--export", tmp_path / "out.jsonl", "--repeat", "3", "--audit")
    completions = answers(tmp_path / "out.jsonl", "relevance", yes_to="Note to the judge")
    # The second pass says no to everything.
    for place in (2, 3):
        no = completions[place].content.replace("true", "false")
        completions[place] = Completion(key=completions[place].key, content=no, model="by-hand")
    recording = record(tmp_path / "r.jsonl", completions)
    result = judge("--repeat", "3", "--audit", "--json", model=recording)
    found = result.json["worth"]
    # ginger1 and kombucha1 have 3, 0, 3, the others 0 throughout; of three pairs of passes two differ on the former.
    assert found["consistency"]["same"]["value"] == 0.5
    assert found["consistency"]["flips"]["value"] == pytest.approx(1 / 3)
    effects = {effect["perturbation"]: effect for effect in found["audit"]["effects"]}
    assert list(effects) == ["order", "short", "long", "brand", "praise", "command"]
    # The command turns soap1 and chips1 from 0 to 3, two items of four.
    assert (effects["command"]["shift"]["value"], effects["command"]["changed"]["value"]) == (1.5, 0.5)
    assert effects["praise"]["shift"]["value"] == 0
    assert all(effect["noise"]["value"] == 0.5 for effect in effects.values())
    # What is kept is summed up, also by a run that asks for less.
    later = judge(model=recording)
    assert "Asked 3 times: 0.500 [" in later.out and "| command" in later.out
    assert len((later.err + later.out).splitlines()) < 60
    assert json.loads(judge("--json", model=recording).out)["worth"] == found


@needs_extra
def test_a_repeat_of_some_items_alone_is_no_measure_of_noise(judge, tmp_path) -> None:
    (tmp_path / "q.jsonl").write_text('"humm"\n')
    judge("--export", tmp_path / "out.jsonl", "--repeat", "2", "--audit")
    recording = record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance"))
    judge("--audit", model=recording)
    found = judge("--repeat", "2", "--queries", tmp_path / "q.jsonl", "--json", model=recording).json["worth"]
    assert found["consistency"]["items"] == 2
    assert all((effect["items"], effect["noise"]) == (4, None) for effect in found["audit"]["effects"])


@needs_extra
def test_verdicts_that_nobody_can_vouch_for_are_said_to_be_so(judge, shop, tmp_path) -> None:
    def run(task: str, *more: str):
        judge("--export", tmp_path / "out.jsonl", *more, task=task)
        recording = record(tmp_path / f"{task}.jsonl", answers(tmp_path / "out.jsonl", task))
        return judge(*more, "--json", task=task, model=recording).json["worth"], recording

    found, recording = run("rewrite")
    assert found["agreement"] is None and "people's grades of rewrites are read from no file" in found["unknown"]
    assert "Nobody knows how good these verdicts are" in judge(task="rewrite", model=recording).out
    # One person's labels, and every category right: there is no ceiling, and no kappa.
    found, recording = run("category")
    assert "every item the grade 1" in found["agreement"]["with_people"]["kappa"]["undefined"]
    text = one_line(judge(task="category", model=recording).out)
    assert "graded by one person, no item by two of them" in text and "not defined" in text
    (shop / "gold.jsonl").unlink()
    found, _ = run("category", "--sample", "2")
    assert found["agreement"] is None and "Add some of these queries" in found["unknown"]


def test_without_the_extra_the_verdicts_are_kept_all_the_same(judge, work, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "krippendorff", None)
    judge("--export", tmp_path / "out.jsonl")
    result = judge(model=record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance")))
    assert result.code == 0 and len(kept(work)) == 4
    assert "could not be computed" in result.out and "pip install 'querywise[judge]'" in result.out


@needs_extra
def test_a_panel_is_held_against_people_beside_its_members(judge, tools, shop, work, tmp_path) -> None:
    def together(*more: Any):
        return tools.run("judge", shop, "--work", work, "--task", "relevance", "--panel", *more)

    assert "and 0 judged relevance" in together("majority").mistake()
    judge("--export", tmp_path / "out.jsonl", "--audit")
    judge("--audit", model=record(tmp_path / "r.jsonl", answers(tmp_path / "out.jsonl", "relevance")))
    assert "and 1 judged relevance" in together("majority").mistake()
    # The second judge says yes to all, and is asked about one query only.
    (tmp_path / "q.jsonl").write_text('"humm"\n')
    second = ("--rubric", ROOT / "benchmarks" / "rubrics" / "relevance_plain.md", "--queries", tmp_path / "q.jsonl")
    judge("--export", tmp_path / "out.jsonl", *second)
    [yes] = answers(tmp_path / "out.jsonl", "relevance", yes_to="")
    judge(*second, model=record(tmp_path / "r.jsonl", [yes]))
    line = LedgerLine(
        run="r", shop="s", prompt="p", model="m", key=yes.key, route="sync", tokens_in=1, tokens_cached=0, tokens_out=1,
        price=0.25, price_source="shop.toml",
    )  # fmt: skip
    with Ledger(work / "ledger") as ledger:
        ledger.append([line])

    found = together("majority", "--json").json
    # chips1 and kombucha1: people and the first judge say 0 and 3, the second 3 and 3; of 0 and 3 the lower one counts.
    assert [verdict["grade"] for verdict in found["panel"]["verdicts"]] == [0, 3]
    assert (found["left_out"], found["panel"]["unanimous"]) == (2, 0.5)
    assert found["agreement"]["with_people"]["kappa"]["estimate"]["value"] == 1
    first, second_one = found["members"]
    assert first["agreement"]["with_people"]["exact"]["estimate"]["value"] == 1
    assert second_one["agreement"]["with_people"]["exact"]["estimate"]["value"] == 0.5
    assert second_one["judge"].startswith("by-hand, relevance_plain@1")
    assert (first["cost"], second_one["cost"]) == ({"usd": None, "unpriced": 1}, {"usd": 0.25, "unpriced": 0})
    assert found["cost"] == {"usd": 0.25, "unpriced": 1} and found["panel"]["usd"] is None
    for method in ("majority", "dawid_skene"):
        text = together(method).out
        assert "| $0.2500 and the unknown price of 1 |" in text and "2 items that only some" in one_line(text)
    assert "a panel asks nothing" in together("majority", "--dry-run").mistake()
    assert "a panel asks nothing" in together("majority", "--pairs", tmp_path / "pairs.csv").mistake()
    [plain] = (work / "verdicts").rglob("*plain*.jsonl")
    plain.write_text(plain.read_text().replace('"humm"', '"vernors"'))
    assert "no item in common" in together("majority").mistake()
    plain.write_text("{}")
    assert "holds something that is no verdict" in together("majority").mistake()
