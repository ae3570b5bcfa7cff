"""`prompts improve` from the command line, with a tiny model on this machine that minds one sentence of a prompt."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer

from domain.label import Label, Provenance
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Rewrite, Understanding
from evals import Case
from prompts import Failure, load_prompt
from prompts.ledger import read_ledger
from querywise import prompts as prompts_command
from querywise.feedback import judge
from querywise.improve import improve
from tests.prompts import conftest as prompts_conftest

needs_libraries = pytest.mark.skipif(
    find_spec("gepa") is None or find_spec("litellm") is None, reason="needs the extras improve and llm"
)

chat_server = prompts_conftest.chat_server

MODEL = "openai/local"
MINDED = "Read the words of the query."
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
COST = 1500e-6
KINDS = "sea salt paprika kettle party salted thick crinkle baked sweet"
EXPECTED = {f"{kind} {noun}": leaf for noun, leaf in (("chips", "chips"), ("juice", "juice")) for kind in KINDS.split()}
NAMES = {"chips": "Potato Chips", "juice": "Juice"}


@pytest.fixture(autouse=True)
def _registered() -> None:
    """Until the program knows the command itself."""
    if not any(command.callback is improve for command in prompts_command.app.registered_commands):
        prompts_command.app.command("improve")(improve)


@pytest.fixture
def shop(made, tmp_path: Path) -> Path:
    shutil.copytree(made.shop, tmp_path / "shop")
    with (tmp_path / "shop" / "shop.toml").open("a") as file:
        file.write("[llm.price]\ninput = 1.0\noutput = 5.0\n")
    lines = [json.dumps({"query": query, "categories": [leaf]}) for query, leaf in EXPECTED.items()]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines))
    return tmp_path / "shop"


@pytest.fixture
def run(shop: Path, made, tools, chat_server, tmp_path: Path) -> Callable[..., Any]:
    work = tools.copy_work(made.work, tmp_path / "work")
    for name in ("cache", "ledger"):
        shutil.rmtree(work / name, ignore_errors=True)

    def respond(body: dict[str, Any], _: int) -> Any:
        system, user = (message["content"] for message in body["messages"][:2])
        if system.startswith("You rewrite the instructions"):
            proposed = f"{json.loads(user)['instructions']}\n\n{MINDED}"
            return chat_server.said(json.dumps({"diagnosis": "It guesses.", "system": proposed}), USAGE)
        query = re.findall(r"<query>(.*)</query>", user)[0]
        offered = dict(re.findall(r"^(k\d+) (.+?) \(", user, re.MULTILINE))
        name = NAMES[EXPECTED[query]]
        short = next(k for k, path in offered.items() if (path.split(" > ")[-1] == name) == (MINDED in system))
        answer = {"need": "n", "spelling": None, "specificity": "category", "annotations": [], "rewrites": []}
        return chat_server.said(json.dumps(answer | {"categories": [{"id": short, "confidence": 0.9}]}), USAGE)

    chat_server.respond = respond

    def call(*more: str | Path, prompt: str = "understand@1", model: str = MODEL) -> Any:
        at = ("--work", work, "--output", tmp_path / "new", "--gold", tmp_path / "gold.jsonl")
        by = ("--model", model, "--api-base", chat_server.url)
        return tools.run("prompts", "improve", shop, prompt, *at, *by, *more)

    return call


@needs_libraries
def test_the_whole_way_to_a_file_that_a_person_reads(run, chat_server, tmp_path: Path) -> None:
    done = run("--budget", "2", "--rounds", "3")
    assert done.code == 0, done.err
    path = tmp_path / "new" / f"understand@{load_prompt('understand').version + 1}.md"
    assert list(path.parent.iterdir()) == [path]
    assert load_prompt(str(path)).system == f"{load_prompt('understand@1').system}\n\n{MINDED}"
    # The comparison comes first, the file last; what to do with it is said besides.
    assert done.out.startswith("**B is better: F1 0.000 for A, 1.000 for B")
    assert done.out.splitlines()[-1] == str(path)
    assert f"querywise prompts diff understand@1 {path}" in done.err
    ledger = read_ledger(tmp_path / "work" / "ledger")
    assert ledger.height == len(chat_server.requests) == ledger["key"].n_unique()
    assert all(name.startswith("improve:understand@1#") for name in ledger["prompt"])
    assert ledger["run"].n_unique() == 1
    assert f"${COST * ledger.height:.4f} spent" in done.err
    # Again: the same file, and nothing is paid for twice.
    again = run("--budget", "2", "--rounds", "3", "--json")
    assert again.code == 0, again.err
    assert len(chat_server.requests) == ledger.height
    assert again.json["file"] == str(path)
    assert again.json["search"]["score"] == 1.0
    assert again.json["spent"] == pytest.approx(COST * ledger.height)
    assert again.json["comparison"]["quality"]["finding"] == "b_better"
    assert sum(again.json["queries"].values()) == len(EXPECTED)


@needs_libraries
def test_a_small_budget_keeps_to_itself_and_a_larger_one_goes_on(run, chat_server, tmp_path: Path) -> None:
    few = run("--budget", "0.07", "--rounds", "3")
    assert few.code == 1, few.err
    spent = read_ledger(tmp_path / "work" / "ledger")["price"].sum()
    assert 0 < spent <= 0.07
    assert not (tmp_path / "new").exists()
    assert run("--budget", "2", "--rounds", "3").code == 0
    assert read_ledger(tmp_path / "work" / "ledger").height == len(chat_server.requests)


@needs_libraries
def test_mistakes_are_told_before_anything_is_asked(run, shop: Path, chat_server, tmp_path: Path) -> None:
    assert "asks for no categories" in run("--budget", "1", prompt="rewrites@1").mistake()
    assert "no prompt" in run("--budget", "1", prompt="understand@99").mistake()
    assert "is not known" in run("--budget", "1", "--reflection-model", "openai/other").mistake()
    (tmp_path / "few.jsonl").write_text('{"query": "salted chips", "categories": ["chips"]}\n{"query": "x"}\n')
    assert "1 queries with labelled" in run("--budget", "1", "--gold", tmp_path / "few.jsonl").mistake()
    assert "Missing option" in run().err
    (shop / "shop.toml").write_text((shop / "shop.toml").read_text().split("[llm.price]")[0])
    assert "a budget needs a price" in run("--budget", "1").mistake()
    assert not chat_server.requests


@needs_libraries
def test_a_labelled_query_with_personal_data_is_asked_of_no_model(run, chat_server, tmp_path: Path) -> None:
    with (tmp_path / "gold.jsonl").open("a") as file:
        file.write('\n{"query": "chips for jane.roe@example.com", "categories": ["chips"]}\n')
    done = run("--budget", "2", "--rounds", "1", "--json")
    assert done.code == 0, done.err
    assert f"gold.jsonl, line {len(EXPECTED) + 1}: left out, personal data in the query" in done.err
    assert sum(done.json["queries"].values()) == len(EXPECTED)
    assert chat_server.requests and "jane" not in str(chat_server.requests) + done.err


@needs_libraries
def test_a_recording_cannot_answer_what_is_yet_to_be_written(run, made) -> None:
    assert "a recording has no answers" in run("--budget", "1", model=f"recorded:{made.recording}").mistake()


def test_without_the_library_it_says_how_to_install_it(tools, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gepa", None)
    told = tools.run("prompts", "improve", tmp_path, "understand@1", "--budget", "1").mistake()
    assert "pip install 'querywise[improve]'" in told


TREE = Taxonomy(
    [
        Node(category_id="food", parent_id=None, name="Food"),
        Node(category_id="milk", parent_id="food", name="Milk"),
        Node(category_id="soy", parent_id="food", name="Soy <Drinks>"),
        Node(category_id="tea", parent_id="food", name="Tea"),
    ]
)


def label_of(*ids: str, rewrites: int = 0, dropped: dict[str, int] | None = None) -> Label:
    understanding = Understanding(
        query="q",
        normalized="q",
        source="head",
        reason="precomputed",
        release="",
        categories=tuple(Category(id=i, path=TREE.path(i), confidence=0.9) for i in ids),
        rewrites=tuple(Rewrite(query=f"r{i}", type="synonym", confidence=0.9) for i in range(rewrites)),
    )
    provenance = Provenance(model="m", prompt="p", key="k", context="", dropped=dropped or {})
    return Label(query="q", tier="tail", searches=1, understanding=understanding, provenance=provenance)


def case_of(*ids: str, acceptable: tuple[str, ...] = ()) -> Case:
    return Case(query="q", normalized="q", categories=ids, acceptable=acceptable)


def test_feedback_names_paths_and_never_ids_alone() -> None:
    # Expected milk and soy, given milk and tea: precision 1/2, recall 1/2.
    found = judge(case_of("milk", "soy"), label_of("milk", "tea"), TREE)
    assert found.value == pytest.approx(0.5)
    assert found.feedback == (
        "Expected: Food > Milk; Food > Soy ‹Drinks›. Missing: Food > Soy ‹Drinks›. Wrong: Food > Tea."
    )


def test_what_the_checks_took_out_costs_up_to_a_tenth() -> None:
    # One category and one rewrite are left of four things: half was dropped.
    label = label_of("milk", rewrites=1, dropped={"rewrite_drops_constraint": 2})
    found = judge(case_of("milk"), label, TREE)
    assert found.value == pytest.approx(0.95)
    assert found.feedback == "The categories are right. Taken out by the checks: rewrite drops constraint (2)."


def test_abstaining_counts_and_a_failure_never_does() -> None:
    assert judge(case_of(), label_of(), TREE).value == 1.0
    wrong = judge(case_of(acceptable=("soy",)), label_of("tea"), TREE)
    assert (wrong.value, wrong.feedback) == (
        0.0,
        "Expected: no category at all, which is to abstain. Not wrong either: Food > Soy ‹Drinks›. Wrong: Food > Tea.",
    )
    missing = judge(case_of("milk"), label_of(), TREE)
    assert (missing.value, missing.feedback) == (0.0, "Expected: Food > Milk. Missing: Food > Milk.")
    failed = judge(case_of(), Failure(query="q", kind="unparseable", detail="need: missing", key="k"), TREE)
    assert (failed.value, failed.feedback) == (0.0, "There is no usable answer (unparseable): need: missing")


def test_the_command_takes_what_it_says() -> None:
    names = {parameter.name for parameter in typer.main.get_command(prompts_command.app).commands["improve"].params}
    assert {"shop", "prompt", "budget", "gold", "rounds", "reflection_model", "seed", "output", "model"} <= names
