"""From labels to an opened student; and what must never be learnt from."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402

from distill.calibrate import APART  # noqa: E402
from distill.corpus import Sold  # noqa: E402
from distill.fit import Recipe  # noqa: E402
from distill.split import Lessons, examples_of, split_labels  # noqa: E402
from distill.student import MIX, Settings, distil  # noqa: E402
from domain.context import CategoryEvidence, DomainContext  # noqa: E402
from domain.errors import QuerywiseError, UserError  # noqa: E402
from domain.label import Label, Provenance  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402
from domain.understanding import Category, Understanding  # noqa: E402
from release.student import Student  # noqa: E402
from release.student.model import HALF  # noqa: E402

PROVENANCE = Provenance(model="m", prompt="p", key="k", context="c", dropped={})
FOODS = ("milk", "tea", "dogs", "cats")
WORDS = ("red", "blue", "green", "black", "white", "grey", "pink", "gold", "teal", "plum")
SIZES = ("small", "large", "jumbo", "family", "single", "value", "extra", "travel")
GOLD = ("oat milk", "green tea")
NEARLY = ("oatmilk", "oat mikl", "milk oat", "green teas", "geren tea")


def label(query: str, *categories: str, tier: str = "tail") -> Label:
    answer = Understanding(
        query=query,
        normalized=query,
        source="head",
        reason="precomputed",
        release="",
        categories=tuple(Category(id=i, path=(i,), confidence=0.9) for i in categories),
        specificity="category",
    )
    return Label(query=query, tier=tier, searches=1, understanding=answer, provenance=PROVENANCE)  # type: ignore[arg-type]


def context(query: str, category: str) -> DomainContext:
    evidence = CategoryEvidence(
        category_id=category,
        level=1,
        is_own=True,
        share=1.0,
        score=9.0,
        events=9,
        clicks=9,
        carts=0,
        purchases=0,
        clients=9,
    )
    return DomainContext(
        query=query,
        searches=9,
        clients=9,
        tier="tail",
        share=0.1,
        zero_share=0.0,
        acted_share=1.0,
        categories=(evidence,),
        products=(),
        annotations=(),
        next_queries=(),
        reformulations=(),
    )


@pytest.fixture
def lessons(toy: Taxonomy) -> Lessons:
    kinds = {"milk": "whole skim almond soy coconut", "tea": "herbal black white mint lemon"}
    kinds |= {"dogs": "big tiny brown puppy lead", "cats": "kitten tabby grey litter toy"}
    words = [(f"{kind} {name} {size}", name) for name in FOODS for kind in kinds[name].split() for size in SIZES]
    return Lessons(
        taxonomy=toy,
        locale="en-US",
        sold=[Sold(title=tuple(text.split()), brand="", attributes=(), category_id=name) for text, name in words],
        brands=[],
        contexts=[context("earl grey", "tea"), *(context(query, "milk") for query in NEARLY)],
        labels=[*(label(text, name) for text, name in words), *(label(query, "milk") for query in (*GOLD, *NEARLY))],
        gold=GOLD,
    )


def test_nothing_that_is_nearly_gold_is_learnt_from_calibrated_on_or_measured(lessons: Lessons) -> None:
    split = split_labels(lessons)
    kept = {item.query for part in (split.train, split.held, split.test) for item in part}
    assert not kept & {*GOLD, *NEARLY}
    assert split.dropped == len(GOLD) + len(NEARLY)
    examples = examples_of(lessons, split, pseudo=2000, rng=random.Random(0))
    taught = {example.query for some in examples.values() for example in some}
    assert not taught & {*GOLD, *NEARLY}
    assert [example.query for example in examples["behaviour"]] == ["earl grey"]


def test_folds_hold_out_every_label_once_and_part_no_cluster(lessons: Lessons) -> None:
    split = split_labels(lessons)
    labels = {item.query for item in split.labels}
    measured = {split.clusters.of(item.query) for item in split.test}
    folds = list(split.folds(3))
    assert len(folds) == 3
    assert sorted(item.query for fold in folds for item in fold.held) == sorted(labels)
    for fold in folds:
        assert {item.query for item in (*fold.train, *fold.held)} == labels
        assert fold.test == split.test
        held = {fold.clusters.of(item.query) for item in fold.held}
        examples = examples_of(lessons, fold, pseudo=2000, rng=random.Random(0))
        taught = {example.query for some in examples.values() for example in some}
        asked = {fold.clusters.of(query) for query in taught & labels}
        assert not asked & held and not asked & measured


def test_a_fold_without_a_label_is_none(lessons: Lessons) -> None:
    split = split_labels(lessons)
    few = replace(split, train=split.train[:2], held=[])
    assert sum(len(fold.held) for fold in few.folds(20)) == 2
    assert len(list(few.folds(20))) <= 2


def test_with_enough_labels_of_the_tail_only_they_are_held_out(lessons: Lessons) -> None:
    tail = [label(f"{a} milk {b} {c}", "milk") for a in WORDS for b in WORDS for c in WORDS][:1000]
    head = [replace(label(f"{a} tea", "tea"), tier="head") for a in WORDS]
    split = split_labels(replace(lessons, labels=[*tail, *head], contexts=[], gold=[]))
    assert {item.tier for item in (*split.held, *split.test)} == {"tail"}
    for fold in split.folds(4):
        assert {item.query for item in head} <= {item.query for item in fold.train}


def test_what_the_log_says_of_a_labelled_query_is_learnt_too(lessons: Lessons) -> None:
    split = split_labels(lessons)
    [taught] = [item for item in split.train if item.query == "skim milk big"] or [split.train[0]]
    known = replace(lessons, contexts=[*lessons.contexts, context(taught.query, "milk")])
    split = split_labels(known)
    asked = examples_of(known, split, pseudo=0, rng=random.Random(0))
    assert (taught.query in {e.query for e in asked["behaviour"]}) == (not split.is_apart(taught.query))
    assert taught.query in {e.query for e in asked["labels"]}


def test_no_cluster_is_parted(lessons: Lessons) -> None:
    split = split_labels(lessons)
    assert split.held and split.test
    parts = [{split.clusters.of(item.query) for item in part} for part in (split.train, split.held, split.test)]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    taught = examples_of(lessons, split, pseudo=2000, rng=random.Random(0))
    away = {item.query for part in (split.held, split.test) for item in part}
    assert not {example.query for some in taught.values() for example in some} & away


SMALL = Settings(
    dimension=32, bits=12, texts=600, pseudo=300, epochs=6, folds=2, recipe=Recipe(mix=MIX, steps=60, batch=64)
)


@pytest.mark.usefixtures("one_thread")
def test_a_student_learns_what_the_labels_say_and_says_what_it_is_worth(
    lessons: Lessons, tokenizer_folder: Path, tmp_path: Path
) -> None:
    parts: set[str] = set()
    card = distil(
        lessons,
        tmp_path / "student",
        tokenizer_folder / "tokenizer.json",
        settings=SMALL,
        progress=lambda part, done, total: parts.add(part),
    )
    assert parts == {"encode", "embed", "calibrate", "answer"}
    assert card.tiers[0].tier == "all"
    assert card.tiers[0].top1 > 0.8
    assert card.parity[0].flips <= 0.005
    page = (tmp_path / "student" / "card.md").read_text()
    assert "| all |" in page
    # What is promised is promised of depths that have queries enough, and of no further category.
    assert "at each depth" not in page
    assert f"for each depth with {APART} of them or more, and for the other depths together" in " ".join(page.split())
    student = Student(tmp_path / "student", lessons.taxonomy)
    [answer] = student.predict(["brown dogs small"]).probabilities
    assert student.tree.ids[int(answer.argmax())] == "dogs"
    assert [parity.precision for parity in card.parity] == ["fp32", "int8"]
    assert not (tmp_path / "student" / HALF).exists()


@pytest.mark.usefixtures("one_thread")
def test_for_cuda_it_is_in_half_precision_too_with_the_output_layer_in_full(
    lessons: Lessons, tokenizer_folder: Path, tmp_path: Path
) -> None:
    settings = replace(SMALL, cuda=True, folds=0)
    card = distil(lessons, tmp_path / "student", tokenizer_folder / "tokenizer.json", settings=settings)
    half = card.parity[2]
    assert (half.precision, half.texts) == ("fp16", len(lessons.labels) - card.labels_dropped_for_gold)
    assert half.flips == 0.0 and 0.0 < half.largest < 1e-2
    assert "fp16" in (tmp_path / "student" / "card.md").read_text()
    kinds = {own.name: own.data_type for own in onnx.load(tmp_path / "student" / HALF).graph.initializer}
    assert kinds["table"] == onnx.TensorProto.FLOAT16
    assert {kinds["categories"], kinds["offsets"]} == {onnx.TensorProto.FLOAT}
    # The processor casts what it cannot add in half precision, so that what is served on CUDA can be asked here.
    queries = [label.query for label in lessons.labels[:40]]
    served = Student(tmp_path / "student", lessons.taxonomy)
    session = onnxruntime.InferenceSession(str(tmp_path / "student" / HALF), providers=["CPUExecutionProvider"])
    [probabilities] = session.run(["probabilities"], {"rows": served.features(queries)})
    assert probabilities[:, :-1] == pytest.approx(served.predict(queries).probabilities, abs=0.05)


@pytest.mark.usefixtures("one_thread")
def test_an_export_that_says_something_else_is_refused_and_leaves_the_last_student(
    lessons: Lessons, tokenizer_folder: Path, tmp_path: Path
) -> None:
    before = tmp_path / "student"
    before.mkdir()
    (before / "student.json").write_text("the last one")
    settings = Settings(**(vars(SMALL) | {"most_flips": -1.0}))
    with pytest.raises(QuerywiseError, match="get another category"):
        distil(lessons, before, tokenizer_folder / "tokenizer.json", settings=settings)
    assert (before / "student.json").read_text() == "the last one"


def test_one_fold_is_a_mistake() -> None:
    with pytest.raises(UserError, match="one fold leaves nothing to learn from"):
        Settings(folds=1)
    assert [Settings(folds=folds).folds for folds in (0, 2, 20)] == [0, 2, 20]


def test_only_gold_is_no_lesson(toy: Taxonomy, tmp_path: Path) -> None:
    nothing = Lessons(
        taxonomy=toy,
        locale="en",
        sold=[],
        brands=[],
        contexts=[],
        labels=[label("oat milk", "milk")],
        gold=["oat milk"],
    )
    with pytest.raises(UserError, match="no label to learn from"):
        distil(nothing, tmp_path / "student", tmp_path / "tokenizer.json")
