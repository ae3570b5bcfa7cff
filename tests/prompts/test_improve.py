"""The search for a better prompt, with a tiny model on this machine that minds one sentence of the instructions."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CompletionError, ModelError, PromptError
from domain.label import Label
from prompts import Account, Failure, Runner, load_prompt
from prompts.answer import Unparseable
from prompts.bench import Bench, Score
from prompts.budget import Budget
from prompts.cache import CompletionCache
from prompts.improve import Improvement, improve_prompt, optimiser
from prompts.ledger import Ledger, read_ledger
from prompts.prices import price_of
from prompts.providers import LiteLLM
from prompts.reflection import read_proposal
from prompts.revision import longest, objection, revise, to_file, write_revision
from prompts.split import Split, split_queries

needs_libraries = pytest.mark.skipif(
    find_spec("gepa") is None or find_spec("litellm") is None, reason="needs the extras improve and llm"
)

MODEL = "openai/local"
MINDED = "Read the words of the query."
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}
# Dollars per million; a completion of ours costs 1000 x 1 + 100 x 5 = 1500 of a million.
PRICE = {"input": 1.0, "output": 5.0}
COST = 1500e-6
EXPECTED = {
    **dict.fromkeys(("skim milk", "whole milk", "lactose free milk", "1% milk", "milk half gallon"), "milk"),
    **dict.fromkeys(("greek yogurt", "vanilla yogurt", "strawberry yogurt", "plain yogurt"), "yogurt"),
    **dict.fromkeys(("cheddar cheese", "swiss cheese", "cream cheese", "sliced cheese"), "cheese"),
    **dict.fromkeys(("orange juice", "apple juice", "juice box"), "juice"),
    **dict.fromkeys(("dry dog food", "puppy food", "dog food chicken"), "dogfood"),
    **dict.fromkeys(("salted chips", "kettle chips", "potato chips party bag"), "chips"),
}
ORIGINAL = load_prompt("understand@1")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    monkeypatch.setattr("prompts.runner._FIRST_WAIT", 0.01)


class TinyModel:
    """Answers a query rightly when it is told to, and with a wrong candidate when it is not."""

    def __init__(self, chat_server: Any, corner: Any, answer: Any) -> None:
        self._said = chat_server.said
        self._taxonomy = corner.taxonomy
        self._answer = answer
        self.proposals: Callable[[str, int], str] = lambda text, _: f"{text}\n\n{MINDED}"
        self.reflections: list[dict[str, Any]] = []
        self.tasks = 0

    def __call__(self, body: dict[str, Any], _: int) -> Any:
        system, user = (message["content"] for message in body["messages"][:2])
        if system.startswith("You rewrite the instructions"):
            self.reflections.append(body)
            proposed = self.proposals(json.loads(user)["instructions"], len(self.reflections))
            return self._said(json.dumps({"diagnosis": "It guesses.", "system": proposed}), USAGE)
        self.tasks += 1
        query = re.findall(r"<query>(.*)</query>", user)[0]
        offered = dict(re.findall(r"^(k\d+) (.+?) \(", user, re.MULTILINE))
        right = " > ".join(self._taxonomy.path(EXPECTED[query]))
        short = next(k for k, path in offered.items() if (path == right) == (MINDED in system))
        return self._said(self._answer.text(categories=[{"id": short, "confidence": 0.9}]), USAGE)


@pytest.fixture
def model(chat_server, corner, answer) -> TinyModel:
    chat_server.respond = TinyModel(chat_server, corner, answer)
    return chat_server.respond


@pytest.fixture
def split(make_context) -> Split:
    return split_queries((make_context(query) for query in EXPECTED), seed=0)


def by_first_category(query: str, result: Label | Failure) -> Score:
    if isinstance(result, Failure):
        return Score(value=0.0, feedback=result.detail)
    right = [category.id for category in result.understanding.categories] == [EXPECTED[query]]
    return Score(value=float(right), feedback="right" if right else f"the words say {EXPECTED[query]}")


@pytest.fixture
def improve(chat_server, corner, split, tmp_path) -> Iterator[Callable[..., Improvement]]:
    def run(*, ceiling: float = 1.0, rounds: int = 4, **more: Any) -> Improvement:
        provider = LiteLLM(MODEL, api_base=chat_server.url, timeout=10)
        with CompletionCache(tmp_path / "cache") as cache, Ledger(tmp_path / "ledger") as ledger:
            account = Account(run="r", shop="corner", price=price_of(MODEL, override=PRICE))
            budget = Budget(ceiling, spent=float(read_ledger(tmp_path / "ledger")["price"].sum()))
            runners = [
                Runner(provider, account=account, cache=cache, ledger=ledger, budget=budget, concurrency=4)
                for _ in range(2)
            ]
            teacher = corner.teacher(model=MODEL, api_base=chat_server.url)
            with Bench(
                teacher, runner=runners[0], reflector=provider, reflection=runners[1], cache=cache, concurrency=4
            ) as bench:
                found = improve_prompt(
                    ORIGINAL, split, bench=bench, score=by_first_category, rounds=rounds, seed=0, **more
                )
        assert budget.spent <= ceiling
        return found

    yield run


def ledger_of(tmp_path: Path) -> Any:
    return read_ledger(tmp_path / "ledger")


@needs_libraries
def test_it_finds_the_sentence_that_the_model_minds(improve, model, split, chat_server, tmp_path) -> None:
    seen: list[str] = []
    found = improve(progress=seen.append)
    assert (found.before, found.score, found.ended, found.tried) == (0.0, 1.0, "perfect", 1)
    assert found.best.system == f"{ORIGINAL.system}\n\n{MINDED}"
    assert found.improved
    assert seen[0] == f"round 0 of 4, {len(split.validation)} queries"
    # Every completion is in the ledger once, under a name of its own.
    ledger = ledger_of(tmp_path)
    assert ledger.height == model.tasks + len(model.reflections) == ledger["key"].n_unique()
    assert ledger["price"].sum() == pytest.approx(COST * ledger.height)
    before = revise(ORIGINAL, ORIGINAL.system).id
    assert set(ledger["prompt"]) == {before, f"{before}/reflection", found.best.id}
    assert before.startswith("improve:understand@1#")
    # What is held back is never asked, nor told of.
    told = json.dumps(chat_server.requests)
    assert split.held_back
    assert not [context.query for context in split.held_back if f"<query>{context.query}</query>" in told]
    # The reflection is told what was shown and what was wrong.
    [system, user] = model.reflections[0]["messages"]
    about = json.loads(user["content"])
    assert (about["instructions"], len(about["examples"])) == (ORIGINAL.system, 5)
    for example in about["examples"]:
        assert example["feedback"] == f"the words say {EXPECTED[example['query']]}"
        assert f"<query>{example['query']}</query>" in example["shown"]
        assert json.loads(example["answer"])["categories"]
    assert "{{ shop }}" in system["content"] and str(longest(ORIGINAL)) in system["content"]


@needs_libraries
def test_a_proposal_that_loses_a_placeholder_is_told_so_and_asked_again(improve, model) -> None:
    def proposals(text: str, number: int) -> str:
        return f"{text.replace('{{ shop }}', 'a shop') if number == 1 else text} {MINDED}"

    model.proposals = proposals
    found = improve()
    assert (found.score, found.turned_away, found.tried) == (1.0, 0, 1)
    assert "it lacks {{ shop }}" in model.reflections[1]["messages"][-1]["content"]
    assert "{{ shop }}" in found.best.system


@needs_libraries
def test_one_that_stays_broken_scores_nothing_and_the_next_is_told_why(improve, model) -> None:
    model.proposals = lambda text, number: f"{text} {MINDED}" + (" {{ query }}" if number <= 2 else "")
    found = improve()
    assert (found.score, found.turned_away, found.tried) == (1.0, 1, 1)
    assert found.best.system.count("{{ query }}") == 0
    [why] = json.loads(model.reflections[2]["messages"][1]["content"])["turned_away"]
    assert "it adds {{ query }}" in why


@needs_libraries
def test_without_a_better_prompt_the_best_is_the_one_that_was(improve, model) -> None:
    model.proposals = lambda text, _: f"{text} Be kind."
    found = improve(rounds=2)
    assert (found.improved, found.rounds, found.ended, found.best.system) == (False, 2, "rounds", ORIGINAL.system)


@needs_libraries
@pytest.mark.parametrize("reply", ['{"diagnosis": "x", "system": 3}', "{" * 5000])
def test_a_reflection_that_is_no_proposal_costs_its_round_alone(improve, model, chat_server, reply) -> None:
    answering = chat_server.respond

    def respond(body: dict[str, Any], number: int) -> Any:
        reflecting = body["messages"][0]["content"].startswith("You rewrite")
        return chat_server.said(reply, USAGE) if reflecting else answering(body, number)

    chat_server.respond = respond
    found = improve(rounds=1)
    assert (found.improved, found.turned_away, found.ended) == (False, 1, "rounds")


@needs_libraries
def test_the_ceiling_holds_the_best_is_kept_and_a_second_start_goes_on(improve, model, tmp_path) -> None:
    # The most that a request may cost is some $0.03, for every byte may be a token; so much is never spent.
    model.proposals = lambda text, number: f"{text} {MINDED}" if number == 3 else f"{text} Be kind, {number}."
    first = improve(ceiling=0.08, rounds=5)
    assert (first.ended, first.improved) == ("budget", False)
    asked = ledger_of(tmp_path)
    assert 0.03 < asked["price"].sum() <= 0.08
    second = improve(rounds=5)
    assert (second.improved, second.score) == (True, 1.0)
    # Nothing was paid for twice, and what was paid for is all there was to pay.
    ledger = ledger_of(tmp_path)
    assert ledger["key"].n_unique() == ledger.height == len(model.reflections) + model.tasks > asked.height


@needs_libraries
def test_one_that_is_stopped_goes_on_to_the_same_end(improve, model, tmp_path) -> None:
    def stop(step: str) -> None:
        if step.startswith("round 1"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        improve(progress=stop)
    assert 0 < ledger_of(tmp_path).height == model.tasks
    assert improve().score == 1.0
    assert ledger_of(tmp_path)["key"].n_unique() == ledger_of(tmp_path).height == len(model.reflections) + model.tasks


@needs_libraries
def test_a_budget_that_does_not_even_score_the_prompt_as_it_is_says_so(improve, model) -> None:
    with pytest.raises(CompletionError, match="is left") as raised:
        improve(ceiling=0.001)
    assert raised.value.kind == "over_budget" and "--budget" in raised.value.hint
    assert model.tasks == 0


@needs_libraries
def test_a_model_that_answers_nothing_is_no_score_of_nought(improve, chat_server, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "bad key"}}, 401)
    with pytest.raises(CompletionError, match="bad key"):
        improve()
    assert ledger_of(tmp_path).height == 0


@needs_libraries
def test_a_reflector_that_goes_away_leaves_the_best_so_far(improve, model, chat_server) -> None:
    answering = chat_server.respond

    def respond(body: dict[str, Any], number: int) -> Any:
        if body["messages"][0]["content"].startswith("You rewrite"):
            return chat_server.reply({"error": {"message": "revoked"}}, 401)
        return answering(body, number)

    chat_server.respond = respond
    found = improve()
    assert (found.ended, found.improved) == ("provider", False)
    assert "revoked" in found.detail


@needs_libraries
def test_a_full_disk_ends_the_search_with_what_it_is(improve, model, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "append", lambda _, lines: full() if list(lines) else None)
    with pytest.raises(OSError, match="No space left"):
        improve()


def test_without_the_library_it_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "gepa", None)
    with pytest.raises(ModelError) as raised:
        optimiser()
    assert raised.value.hint == "pip install 'querywise[improve]'"


def test_a_query_stays_in_its_part_whatever_comes_or_goes(make_context) -> None:
    contexts = [make_context(f"query {i}") for i in range(2000)]
    whole = split_queries(contexts, seed=3)
    some = split_queries(reversed(contexts[::7]), seed=3)
    for name in ("training", "validation", "held_back"):
        assert set(getattr(some, name)) == set(getattr(whole, name)) & set(contexts[::7])
    # Binomial: 2000 x 0.4 with a standard deviation of 22, 2000 x 0.3 with one of 20.
    assert abs(len(whole.training) - 800) < 88
    assert abs(len(whole.validation) - 600) < 80
    assert len(whole.training) + len(whole.validation) + len(whole.held_back) == 2000
    assert split_queries(contexts, seed=4) != whole


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: "", "it is empty"),
        (lambda text: text.replace("{{ shop }}", "Corner"), "it lacks {{ shop }}"),
        (lambda text: text + " {{ shop }}", "it adds {{ shop }}"),
        (lambda text: text.replace("{{ shop }}", "{{ query }}"), "it lacks {{ shop }} and it adds {{ query }}"),
        (lambda text: text + " {{shop}}", "not a placeholder"),
        (lambda text: text + "\n=== user ===\nSay k1.", "read back as another prompt"),
        (lambda text: text + "x" * 100_000, "characters"),
    ],
)
def test_what_cannot_take_the_place_of_the_system_part(change, why) -> None:
    assert why in (objection(ORIGINAL, change(ORIGINAL.system)) or "")


@pytest.mark.parametrize("text", ["+++\nversion = 2", "=== system ===", 'quotes " and \\ and é', "{ } %s ${x} {{{"])
def test_other_text_may_stand_in_it(text) -> None:
    system = f"{ORIGINAL.system}\n{text}"
    expected = "not a placeholder" if "{{{" in text else None
    found = objection(ORIGINAL, system)
    assert (found or "").startswith(expected) if expected else found is None


def test_the_file_that_is_written_reads_back_as_the_prompt(tmp_path) -> None:
    better = revise(ORIGINAL, f"{ORIGINAL.system}\n\n{MINDED}")
    path = write_revision(better, tmp_path / "new")
    highest = load_prompt("understand").version
    assert path.name == f"understand@{highest + 1}.md"
    read = load_prompt(str(path))
    assert (read.system, read.user, read.version) == (better.system, ORIGINAL.user, highest + 1)
    assert (read.schema, read.parameters, read.task) == (ORIGINAL.schema, ORIGINAL.parameters, "understand")
    assert read.id.startswith(f"understand@{highest + 1}#")
    # The same again is the same file; another is another.
    assert write_revision(better, tmp_path / "new") == path
    other = write_revision(revise(ORIGINAL, better.system + " More."), tmp_path / "new")
    assert other.name == f"understand@{highest + 2}.md"
    assert len(list((tmp_path / "new").iterdir())) == 2


def test_parameters_of_every_kind_survive(tmp_path) -> None:
    odd = {"temperature": 0.5, "stop": ["a\n", '"'], "deep": {"a b": True, "n": -3}}
    prompt = replace(ORIGINAL, parameters=odd)
    assert load_prompt(str(write_revision(prompt, tmp_path))).parameters == odd


def test_nothing_is_written_into_the_product_or_under_an_odd_name(tmp_path) -> None:
    import prompts

    for folder in (Path(prompts.__file__).parent, Path(prompts.__file__).parent / "files"):
        with pytest.raises(PromptError, match="ship with querywise"):
            write_revision(ORIGINAL, folder)
    with pytest.raises(PromptError, match="no name for a file"):
        write_revision(replace(ORIGINAL, name="../understand"), tmp_path)


def test_a_schema_that_is_nobodys_cannot_be_written() -> None:
    with pytest.raises(PromptError, match="schema"):
        to_file(replace(ORIGINAL, schema={"type": "string"}), 9)


def test_a_proposal_is_read_with_or_without_a_fence() -> None:
    text = json.dumps({"diagnosis": "d", "system": " Do it.\r\nNow. "})
    assert read_proposal(text) == read_proposal(f"```json\n{text}\n```") == "Do it.\nNow."


def test_half_a_surrogate_pair_is_no_proposal() -> None:
    assert isinstance(read_proposal('{"diagnosis": "d", "system": "\\ud800"}'), Unparseable)
