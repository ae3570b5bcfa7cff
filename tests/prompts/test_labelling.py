"""The offline run on recordings: every query becomes a label or a failure, and each says where it came from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest

from domain.context import NextQuery
from domain.discovery import Idea, Ideas
from domain.errors import CompletionError
from domain.label import Label, Provenance, read_labels, write_labels
from domain.understanding import Understanding
from prompts import Account, Completion, CompletionRequest, Failure, Runner, label_queries
from prompts.examples import ExampleBank
from prompts.recording import Recorded
from prompts.runner import Tally


@dataclass(frozen=True)
class Run:
    """What a run yields, in the order of the queries, and what its runner counted."""

    labels: tuple[Label, ...]
    failures: tuple[Failure, ...]
    tally: Tally


@pytest.fixture
def run(corner, record):
    """Label contexts from a recording made of contents by query; a tuple is an answer and its repairs."""

    def label(contexts, contents, *, shown=True, prompts=("understand@1",), examples=None, concurrency=4):
        teacher = corner.teacher(contexts if shown else None, prompts=prompts, examples=examples)
        pairs = []
        for query, answers in contents.items():
            parts = teacher.ask(query).parts
            for part, content in zip(parts, answers if len(parts) > 1 else [answers], strict=True):
                first, *repaired = [content] if isinstance(content, str) else content
                pairs.append((part.request.key, first))
                for complaint, text in repaired:
                    pairs.append((part.request.repair(first, complaint).key, text))
        return asyncio.run(collect(contexts, teacher, Recorded(record(pairs)), concurrency))

    return label


async def collect(contexts, teacher, provider, concurrency) -> Run:
    order = {context.query: rank for rank, context in enumerate(contexts)}
    async with Runner(provider, account=Account(run="r", shop="corner")) as runner:
        results = [
            result
            async for result in label_queries(
                contexts,
                teacher=teacher,
                runner=runner,
                context_fingerprint="print",
                taxonomy_fingerprint="tree",
                concurrency=concurrency,
            )
        ]
    results.sort(key=lambda result: order[result.query])
    return Run(
        labels=tuple(result for result in results if isinstance(result, Label)),
        failures=tuple(result for result in results if isinstance(result, Failure)),
        tally=runner.tally,
    )


NOT_JSON = "the whole answer: Invalid JSON: expected ident at line 1 column 2"


def test_labels_and_failures_are_every_query_in_order(run, make_context, answer) -> None:
    queries = ["milk", "bad", "cola", "gone", "mended", "chips"]
    contexts = [make_context(query) for query in queries]
    good = answer.text()
    contents = {
        "milk": good,
        "bad": ("nope", (NOT_JSON, "still not")),
        "cola": good,
        "mended": ("nope", (NOT_JSON, good)),
        "chips": good,
    }
    result = run(contexts, contents, concurrency=2)
    assert [label.query for label in result.labels] == ["milk", "cola", "mended", "chips"]
    assert [(failure.query, failure.kind) for failure in result.failures] == [
        ("bad", "unparseable"),
        ("gone", "missing_from_recording"),
    ]
    assert result.tally.repaired == 1


def test_a_repair_that_is_not_recorded_is_missing(run, make_context) -> None:
    result = run([make_context("milk")], {"milk": "nope"})
    [failure] = result.failures
    assert (failure.query, failure.kind) == ("milk", "missing_from_recording")
    assert "run.jsonl holds no completion" in failure.detail


def test_a_label_says_who_answered_what_to_which_question(run, corner, make_context, answer) -> None:
    context = make_context("vernos", tier="torso", searches=7, next_queries=(NextQuery(query="cola", count=2, npmi=1),))
    teacher = corner.teacher([context])
    question = teacher.ask("vernos")
    short = next(k for k, category_id in question.offer.ids.items() if category_id == "ale")
    text = answer.text(
        spelling="vernors",
        categories=[{"id": short, "confidence": 0.9}, {"id": "k99", "confidence": 0.9}],
        annotations=[{"text": "vernos", "type": "brand", "value": "Vernors"}],
        rewrites=[{"query": "zorblax", "type": "synonym", "confidence": 1}],
    )
    [label] = run([context], {"vernos": text}).labels
    assert (label.query, label.tier, label.searches) == ("vernos", "torso", 7)
    assert label.provenance == Provenance(
        model="openai/local",
        prompt="understand@1#9c711a46",
        key=question.parts[0].request.key,
        context="print",
        dropped={"category_not_offered": 1, "rewrite_not_matchable": 1},
        taxonomy="tree",
        demand={},
        trimmed=0,
        examples="",
    )
    assert [c.id for c in label.understanding.categories] == ["ale"]
    assert [(r.query, r.type) for r in label.understanding.rewrites] == [("vernors", "spelling")]
    assert label.understanding.next_queries == ("cola",)


def test_a_label_says_which_examples_there_were_where_its_prompt_shows_any(run, corner, make_context, answer) -> None:
    contexts = [make_context("milk")]
    shown = Understanding(query="cola", normalized="cola", source="head", reason="precomputed", release="")
    examples = ExampleBank([shown], corner.index)
    for prompt, named in (("understand@1", ""), ("understand@3", examples.fingerprint)):
        [label] = run(contexts, {"milk": answer.text()}, prompts=(prompt,), examples=examples).labels
        assert label.provenance.examples == named


def test_a_repaired_label_names_the_request_that_was_answered(run, corner, make_context, answer) -> None:
    contexts = [make_context("milk")]
    request = corner.teacher(contexts).ask("milk").parts[0].request
    [label] = run(contexts, {"milk": ("nope", (NOT_JSON, answer.text()))}).labels
    assert label.provenance.key == request.repair("nope", NOT_JSON).key


def test_a_label_keeps_the_demand_it_was_made_from(run, make_context, answer) -> None:
    context = make_context("milk", {"milk": 0.66666, "yogurt": 0.25})
    [label] = run([context], {"milk": answer.text()}).labels
    assert label.provenance.demand == {"milk": 0.6667, "yogurt": 0.25}
    [bare] = run([context], {"milk": answer.text()}, shown=False).labels
    assert bare.provenance.demand == {}


SINGLE = ("categories@1", "rewrites@1", "annotations@1")


def parts_of(**fields: object) -> list[str]:
    """Answers to the three single prompts, of what one answer to all would hold."""
    categories = {"need": "A need.", "specificity": "category", "categories": fields.get("categories", [])}
    rewrites = {"need": "", "spelling": fields.get("spelling"), "rewrites": fields.get("rewrites", [])}
    return [json.dumps(part) for part in (categories, rewrites, {"annotations": fields.get("annotations", [])})]


def test_single_prompts_join_into_the_label_that_one_for_all_gives(run, corner, make_context, answer) -> None:
    contexts = [make_context("vernos", {"ale": 0.9})]
    short = next(k for k, i in corner.teacher(contexts).ask("vernos").offer.ids.items() if i == "ale")
    fields = {
        "spelling": "vernors",
        "categories": [{"id": short, "confidence": 0.9}],
        "annotations": [{"text": "vernos", "type": "brand", "value": "Vernors"}],
        "rewrites": [{"query": "ginger ale", "type": "broader", "confidence": 0.8}],
    }
    [whole] = run(contexts, {"vernos": answer.text(**fields)}).labels
    [joined] = run(contexts, {"vernos": parts_of(**fields)}, prompts=SINGLE).labels
    assert joined.understanding == whole.understanding
    assert [name.split("#")[0] for name in joined.provenance.prompt.split("+")] == [*SINGLE]
    assert len(joined.provenance.key.split("+")) == 3


def test_a_query_with_one_part_missing_is_a_failure(run, corner, make_context) -> None:
    [categories, rewrites, _] = parts_of()
    result = run([make_context("milk")], {"milk": [categories, rewrites, "nope"]}, prompts=SINGLE)
    assert result.labels == ()
    assert [failure.kind for failure in result.failures] == ["missing_from_recording"]


def test_a_label_keeps_the_ideas_and_says_who_was_asked(run, make_context, answer) -> None:
    contexts = [make_context("milk"), make_context("cola", tier="tail")]
    ideas = {
        "need": "",
        "substitutes": [],
        "complements": [{"label": "With it", "query": "Cereal", "why": "Eaten together."}],
        "explore": [],
    }
    result = run(
        contexts,
        {"milk": [answer.text(), json.dumps(ideas)], "cola": answer.text()},
        prompts=("understand@1", "discover@1"),
    )
    milk, cola = result.labels
    assert milk.ideas == Ideas(complements=(Idea(label="With it", query="cereal", why="Eaten together."),))
    assert [name.split("#")[0] for name in milk.provenance.prompt.split("+")] == ["understand@1", "discover@1"]
    assert cola.ideas is None
    assert cola.provenance.prompt.split("#")[0] == "understand@1"
    assert milk.understanding.substitutes == milk.understanding.complements == ()


class TooLong:
    """A model that takes no more than so many characters."""

    model, api_base = "openai/local", ""

    def __init__(self, longest: int, answer: str) -> None:
        self.longest = longest
        self.answer = answer
        self.asked: list[int] = []

    async def complete(self, request: CompletionRequest) -> Completion:
        length = sum(len(message["content"]) for message in request.messages)
        self.asked.append(length)
        if length > self.longest:
            raise CompletionError("too long", kind="too_long")
        return Completion(key=request.key, content=self.answer, model=self.model)


def test_a_question_that_is_too_long_is_cut_step_by_step(corner, make_context, answer) -> None:
    context = make_context(
        "milk",
        {"milk": 0.9},
        next_queries=tuple(NextQuery(query=f"searched next {i}", count=2, npmi=0.5) for i in range(6)),
    )
    teacher = corner.teacher([context])
    lengths = [sum(len(m["content"]) for m in teacher.ask("milk", trim=t).parts[0].request.messages) for t in range(5)]
    assert lengths == sorted(lengths, reverse=True)
    provider = TooLong(lengths[2], answer.text())
    [label] = asyncio.run(collect([context], teacher, provider, 1)).labels
    assert label.provenance.trimmed == 2
    # What is served of the log does not depend on what the model could be shown.
    assert len(label.understanding.next_queries) == 5
    assert provider.asked == [lengths[0], lengths[1], lengths[2]]


def test_a_question_that_cannot_be_cut_further_is_a_failure(corner, make_context, answer) -> None:
    provider = TooLong(10, answer.text())
    run = asyncio.run(collect([make_context("milk")], corner.teacher([make_context("milk")]), provider, 1))
    assert [(f.query, f.kind) for f in run.failures] == [("milk", "too_long")]
    assert len(provider.asked) == 5


class Endless:
    """A model that notes how many queries are at work on."""

    model, api_base = "openai/local", ""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.at_work = self.most = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        await asyncio.sleep(0.005)
        self.at_work -= 1
        return Completion(key=request.key, content=self.answer, model=self.model)


def test_no_more_queries_are_taken_up_than_are_at_work(corner, make_context, answer) -> None:
    contexts = [make_context(f"milk {i}") for i in range(60)]
    teacher, provider = corner.teacher(contexts), Endless(answer.text())
    taken = 0

    def feed():
        nonlocal taken
        for context in contexts:
            taken += 1
            yield context

    async def first() -> int:
        async with Runner(provider, account=Account(run="r", shop="corner")) as runner:
            results = label_queries(
                feed(), teacher=teacher, runner=runner, context_fingerprint="", taxonomy_fingerprint="", concurrency=3
            )
            await anext(results)
            await asyncio.sleep(0.3)
            seen = taken
            await results.aclose()
            return seen

    # Three at work, and three that wait to be collected.
    assert asyncio.run(first()) <= 8
    assert provider.most <= 3


def test_without_contexts_tier_and_searches_still_come_along(run, make_context, answer) -> None:
    context = make_context("milk", {"milk": 1.0}, searches=7, next_queries=(NextQuery(query="x", count=2, npmi=1),))
    [label] = run([context], {"milk": answer.text()}, shown=False).labels
    assert (label.tier, label.searches) == ("head", 7)
    assert label.understanding.next_queries == ()


def test_labels_outlive_the_file(run, make_context, answer, tmp_path) -> None:
    contents = {query: answer.text(need="½ 日本") for query in ("milk", "crème")}
    result = run([make_context(query) for query in contents], contents)
    assert write_labels(tmp_path / "labels.jsonl", result.labels) == 2
    assert tuple(read_labels(tmp_path / "labels.jsonl")) == result.labels
    [first, _] = (tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["provenance"]["prompt"] == "understand@1#9c711a46"


def test_no_query_is_no_label(run, make_context, answer) -> None:
    result = run([], {"milk": answer.text()})
    assert (result.labels, result.failures) == ((), ())
