"""The offline run on recordings: every query becomes a label or a failure, and each says where it came from."""

from __future__ import annotations

import asyncio
import json

import pytest

from domain.context import NextQuery
from domain.label import Provenance, read_labels, write_labels
from prompts import Failure, label_queries
from prompts.providers import Recorded


@pytest.fixture
def run(corner, record):
    """Label contexts from a recording made of contents by query; a tuple is an answer and its repairs."""

    def label(contexts, contents, *, shown=True, **more):
        teacher = corner.teacher(contexts if shown else None)
        pairs = []
        for query, content in contents.items():
            request = teacher.ask(query).request
            first, *repaired = [content] if isinstance(content, str) else content
            pairs.append((request.key, first))
            for complaint, text in repaired:
                pairs.append((request.repair(first, complaint).key, text))
        provider = Recorded(record(pairs))
        return asyncio.run(
            label_queries(contexts, teacher=teacher, provider=provider, context_fingerprint="print", **more)
        )

    return label


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
    done: list[int] = []
    result = run(contexts, contents, concurrency=2, progress=done.append)
    assert [label.query for label in result.labels] == ["milk", "cola", "mended", "chips"]
    assert [(failure.query, failure.kind) for failure in result.failures] == [
        ("bad", "unparseable"),
        ("gone", "missing_from_recording"),
    ]
    assert result.failed == {"unparseable": 1, "missing_from_recording": 1}
    assert result.repaired == 1
    assert done == [1, 2, 3, 4, 5, 6]


def test_a_repair_that_is_not_recorded_is_missing(run, make_context) -> None:
    result = run([make_context("milk")], {"milk": "nope"})
    [failure] = result.failures
    assert failure == Failure(query="milk", kind="missing_from_recording", detail=failure.detail)
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
        key=question.request.key,
        context="print",
        dropped={"category_not_offered": 1, "rewrite_not_matchable": 1},
    )
    assert [c.id for c in label.understanding.categories] == ["ale"]
    assert [(r.query, r.type) for r in label.understanding.rewrites] == [("vernors", "spelling")]
    assert label.understanding.next_queries == ("cola",)


def test_a_repaired_label_names_the_request_that_was_answered(run, corner, make_context, answer) -> None:
    contexts = [make_context("milk")]
    request = corner.teacher(contexts).ask("milk").request
    [label] = run(contexts, {"milk": ("nope", (NOT_JSON, answer.text()))}).labels
    assert label.provenance.key == request.repair("nope", NOT_JSON).key


def test_drops_are_summed_over_labels(run, make_context, answer) -> None:
    contents = {
        "milk": answer.text(categories=[{"id": "k99", "confidence": 1}, {"id": "k98", "confidence": 1}]),
        "cola": answer.text(categories=[{"id": "k99", "confidence": 1}], spelling="cola"),
    }
    result = run([make_context(query) for query in contents], contents)
    assert result.dropped == {"category_not_offered": 3, "rewrite_is_query": 1}


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
    assert (result.labels, result.failures, result.repaired, result.dropped, result.failed) == ((), (), 0, {}, {})
