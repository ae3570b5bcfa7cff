"""Lenders on disk: found again by embedding among those of a part of the tree, and refused where they are malformed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from tokenizers.pre_tokenizers import Whitespace  # noqa: E402

from distill.export import Weights, write_onnx  # noqa: E402
from domain.errors import ReleaseError  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from domain.understanding import Category, Rewrite, Understanding  # noqa: E402
from release.answers import render  # noqa: E402
from release.borrow import Borrower  # noqa: E402
from release.head import HeadStore, key_of, write_head  # noqa: E402
from release.lenders import Lenders, write_lenders  # noqa: E402
from release.student import Features, Level, Policy, Student, Tree  # noqa: E402
from release.student.model import MODEL, write_about  # noqa: E402

TREE = """
food -
dairy food
milk dairy
cheese dairy
fruit food
apples fruit
pet -
"""
WORDS = ("milk", "oat", "whole", "cheese", "brie", "apples", "jalapeño", "kibble")
HALF = math.sqrt(0.5)

MakeStudent = Callable[[int], Student]


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    rows = [line.split() for line in TREE.split("\n") if line]
    return Taxonomy(Node(category_id=i, parent_id=None if p == "-" else p, name=i.title()) for i, p in rows)


@pytest.fixture(scope="module")
def make_student(taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> MakeStudent:
    """Make students whose embedding of a text is the sum of its words, each a direction of its own, made a unit."""

    def _make(dimension: int) -> Student:
        folder = tmp_path_factory.mktemp("student")
        tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(("[UNK]", *WORDS))}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))
        table = np.zeros((Features(folder, bits=4).rows, dimension), dtype=np.float32)
        for i in range(len(WORDS)):
            table[i + 1, i] = 1
        tree = Tree.of(taxonomy)
        weights = Weights(
            table=table,
            categories=np.zeros((dimension, len(tree.ids) + 1), dtype=np.float32),
            offsets=np.zeros(len(tree.ids) + 1, dtype=np.float32),
            specific=np.zeros((dimension, 4), dtype=np.float32),
            specific_offsets=np.zeros(4, dtype=np.float32),
        )
        write_onnx(weights, folder / MODEL, "fp32")
        levels = (Level(),) * 3
        policy = Policy(own=levels, ancestor=levels)
        write_about(folder, dimension=dimension, bits=4, categories=tree.ids, policy=policy)
        return Student(folder, taxonomy)

    return _make


@pytest.fixture(scope="module")
def student(make_student: MakeStudent) -> Student:
    return make_student(8)


def answer(query: str, category: str | None, *rewrites: str, kind: Any = "broader") -> Understanding:
    return Understanding(
        query=query,
        normalized=query,
        source="head",
        reason="precomputed",
        release="",
        categories=(Category(id=category, path=(category,), confidence=0.9),) if category else (),
        rewrites=tuple(Rewrite(query=text, type=kind, confidence=0.8) for text in rewrites),
    )


ANSWERS = (
    answer("kibble", "pet", "milk"),
    answer("apples", "apples", "jalapeño"),
    answer("brie cheese", "cheese", "cheese", "milk"),
    answer("jalapeño", "food", "apples"),
    answer("whole milk", "milk", "milk", "whole"),
    answer("milk", "milk", "oat milk"),
    answer("oat", "milk"),
    answer("brie", "cheese", "cheeze", kind="spelling"),
    answer("kibble milk", "pet", "kibble", kind="substitute"),
    answer("cheese", None, "milk"),
)


@pytest.fixture
def folder(student: Student, tmp_path: Path) -> Path:
    # oat has no rewrite, brie only a spelling, kibble milk only a substitute, and none is one; cheese has no category
    assert write_lenders(tmp_path / "lenders", student, ANSWERS) == 6
    return tmp_path / "lenders"


@pytest.fixture
def lenders(folder: Path, student: Student) -> Lenders:
    return Lenders(folder, student)


def near(lenders: Lenders, student: Student, text: str, category: str, count: int = 9) -> list[tuple[str, float]]:
    [embedding] = student.predict([text]).embeddings
    found = lenders.nearest(embedding, student.tree.ids.index(category), count)
    return [(lender.query, round(lender.cosine, 2)) for lender in found]


def test_the_nearest_are_found_around_the_category(lenders: Lenders, student: Student) -> None:
    # Below dairy are milk and cheese; "oat milk" and "whole milk" share one of two words each, so their cosine is 1/2.
    assert near(lenders, student, "oat milk", "milk") == [("milk", 0.71), ("whole milk", 0.5), ("brie cheese", 0.0)]
    assert near(lenders, student, "oat milk", "milk", 1) == [("milk", 0.71)]
    assert near(lenders, student, "brie", "cheese", 1) == [("brie cheese", 0.71)]
    assert near(lenders, student, "oat milk", "dairy") == near(lenders, student, "oat milk", "milk")
    assert near(lenders, student, "milk", "apples") == [("apples", 0.0)]
    assert near(lenders, student, "milk", "food", 1) == [("milk", 1.0)]
    assert near(lenders, student, "milk", "pet") == [("kibble", 0.0)]


def test_a_lender_says_how_near_its_rewrites_are_and_whether_it_finds_products(
    lenders: Lenders, student: Student
) -> None:
    [embedding] = student.predict(["whole milk"]).embeddings
    whole, milk, _ = lenders.nearest(embedding, student.tree.ids.index("milk"), 3)
    assert lenders.likeness(whole, embedding) == pytest.approx((HALF, HALF), abs=0.01)
    assert lenders.likeness(milk, embedding) == pytest.approx((0.5,), abs=0.01)
    # "milk" is a rewrite of others, "whole milk" of none
    assert (whole.finds, milk.finds) == (False, True)


def test_a_text_without_words_is_near_to_nothing_in_the_order_of_queries(lenders: Lenders, student: Student) -> None:
    assert near(lenders, student, "", "milk") == [("milk", 0.0), ("whole milk", 0.0), ("brie cheese", 0.0)]


def test_any_query_comes_back_as_it_was(lenders: Lenders, student: Student) -> None:
    assert near(lenders, student, "jalapeño", "food", 1) == [("jalapeño", 1.0)]


def test_a_lender_tells_its_sure_synonyms_in_their_order(student: Student, tmp_path: Path) -> None:
    given = (("jalapeño", "synonym", 0.9), ("oat", "broader", 0.95), ("brie", "synonym", 1.0), ("a", "synonym", 0.89))
    rewrites = tuple(Rewrite(query=text, type=kind, confidence=sure) for text, kind, sure in given)
    write_lenders(tmp_path / "lenders", student, [replace(answer("milk", "milk"), rewrites=rewrites), *ANSWERS[1:5]])
    found = Lenders(tmp_path / "lenders", student).nearest(np.eye(8, dtype=np.float32)[0], 0, 9)
    assert {lender.query: lender.aliases for lender in found} == {
        "milk": ("jalapeño", "brie"),
        "whole milk": (),
        "brie cheese": (),
        "jalapeño": (),
        "apples": (),
    }


def test_the_order_of_answers_says_nothing(student: Student, folder: Path, tmp_path: Path) -> None:
    write_lenders(tmp_path / "again", student, reversed(ANSWERS))
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == {
        f.name: f.read_bytes() for f in (tmp_path / "again").iterdir()
    }


def test_where_nobody_lends_nothing_is_written(student: Student, tmp_path: Path) -> None:
    assert write_lenders(tmp_path / "none", student, [answer("oat", "milk")]) == 0
    assert not (tmp_path / "none").exists()


def test_who_has_nothing_to_lend_but_itself_lends_if_it_finds_products(student: Student, tmp_path: Path) -> None:
    answers = [
        answer("oat milk", "milk"),
        answer("brie", "cheese", "oat", kind="substitute"),
        # Of no category, they lend nothing, but what they were rewritten to finds products.
        answer("cheese", None, "brie"),
        answer("apples", None, "oat milk", kind="spelling"),
    ]
    assert write_lenders(tmp_path / "lenders", student, answers) == 2
    lenders = Lenders(tmp_path / "lenders", student)
    [embedding] = student.predict(["oat"]).embeddings
    milk, brie = lenders.nearest(embedding, student.tree.ids.index("dairy"), 2)
    assert (milk.query, lenders.likeness(milk, embedding), milk.finds) == ("oat milk", [], True)
    assert (brie.query, lenders.likeness(brie, embedding), brie.finds) == ("brie", [pytest.approx(1, abs=0.01)], True)
    assert write_lenders(tmp_path / "alone", student, [answers[0], answers[3]]) == 1
    assert len(Lenders(tmp_path / "alone", student)) == 1


def test_of_too_many_those_around_the_category_are_compared(student: Student, tmp_path: Path) -> None:
    many = [answer(f"cheese {i:05}", "cheese", "brie") for i in range(5000)]
    write_lenders(tmp_path / "many", student, [*many, *ANSWERS])
    lenders = Lenders(tmp_path / "many", student)
    rows = {name: student.tree.ids.index(name) for name in ("milk", "cheese", "food", "apples")}
    assert [lenders.compared(rows[name]) for name in ("milk", "cheese", "apples")] == [4096, 4096, 1]
    assert near(lenders, student, "milk", "milk", 1) == [("milk", 1.0)]
    found = near(lenders, student, "cheese", "cheese", 2)
    # Equals in their order. Before brie, the first of 5,001, stand three others: the middle is (3 + 5004) // 2 = 2503,
    # and what is 2,048 before that is the 452nd of the numbered ones.
    assert [query for query, _ in found] == ["cheese 00451", "cheese 00452"]


def test_a_lender_in_another_part_of_the_tree_is_not_asked(student: Student, tmp_path: Path) -> None:
    write_lenders(tmp_path / "lenders", student, [answer("kibble", "pet", "milk")])
    lenders = Lenders(tmp_path / "lenders", student)
    assert near(lenders, student, "kibble", "milk") == []
    assert len(lenders) == 1


def spoilt(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def _spoil(folder: Path) -> None:
        path = folder / name
        if name.endswith(".json"):
            path.write_text(json.dumps(change(json.loads(path.read_text()))))
        elif name.endswith(".npy"):
            np.save(path, change(np.load(path)))
        else:
            path.write_bytes(change(path.read_bytes()))

    return _spoil


def put(row: int, column: int, value: int) -> Callable[[Any], Any]:
    def _put(places: Any) -> Any:
        places[row, column] = value
        return places

    return _put


@pytest.mark.parametrize(
    "spoil",
    [
        *(
            lambda folder, name=name: (folder / name).unlink()
            for name in ("lenders.json", "places.npy", "queries.npy", "rewrites.npy", "queries.txt")
        ),
        *(
            lambda folder, name=name: (folder / name).write_bytes(b"")
            for name in ("lenders.json", "places.npy", "queries.npy", "rewrites.npy", "queries.txt")
        ),
        lambda folder: (folder / "queries.npy").write_bytes((folder / "queries.npy").read_bytes()[:-1]),
        spoilt("lenders.json", lambda about: about | {"schema_version": 3}),
        spoilt("lenders.json", lambda about: about | {"lenders": 7}),
        spoilt("lenders.json", lambda about: about | {"lenders": 0}),
        spoilt("lenders.json", lambda about: about | {"dimension": 4}),
        spoilt("queries.npy", lambda vectors: vectors[:-1]),
        spoilt("queries.npy", lambda vectors: vectors.astype(np.float32)),
        spoilt("queries.npy", lambda vectors: np.array([{}], dtype=object)),
        spoilt("rewrites.npy", lambda vectors: vectors[:-1]),
        spoilt("places.npy", lambda places: places[:-1]),
        spoilt("places.npy", lambda places: places.astype(np.int64)),
        spoilt("places.npy", lambda places: places.ravel()),
        spoilt("places.npy", put(0, 0, -1)),
        spoilt("places.npy", put(1, 0, 6)),
        spoilt("places.npy", put(6, 0, 8)),
        spoilt("places.npy", put(0, 1, 1)),
        spoilt("places.npy", put(2, 1, 1)),
        spoilt("places.npy", put(2, 1, 12)),
        spoilt("places.npy", put(2, 2, 0)),
        spoilt("queries.txt", lambda text: text + b"more\n"),
        spoilt("queries.txt", lambda text: text.replace(b"\n", b" ")),
        spoilt("queries.txt", lambda text: text.replace("ñ".encode(), b"\xff\xff")),
    ],
)
def test_what_is_malformed_is_refused_with_the_reason(
    folder: Path, student: Student, spoil: Callable[[Path], None]
) -> None:
    spoil(folder)
    with pytest.raises(ReleaseError, match="lenders cannot be read: ") as caught:
        Lenders(folder, student)
    assert caught.value.hint == "build a new release"


def test_another_students_lenders_are_refused(folder: Path, make_student: MakeStudent) -> None:
    with pytest.raises(ReleaseError, match="its vectors have 8 numbers, and the student's 9"):
        Lenders(folder, make_student(9))


def head_store(path: Path, answers: Sequence[Understanding]) -> HeadStore:
    values = sorted((key_of(one.normalized), render(one)) for one in answers)
    write_head(path, values, total=len(values), largest=1000, size=10_000)
    return HeadStore(path)


def test_a_query_borrows_from_the_nearest_that_lends(lenders: Lenders, student: Student, tmp_path: Path) -> None:
    borrower = Borrower(lenders, head_store(tmp_path / "head.lmdb", ANSWERS).get)
    row = student.tree.ids.index("milk")
    embeddings = student.predict(["whole milks", "oat milk", "kibble"]).embeddings
    borrowed = borrower.borrow("whole milks", (), embeddings[0], row)
    assert borrowed is not None
    assert (borrowed.query, borrowed.relation) == ("whole milk", "same")
    # "milk" is one word, and "whole milk" another thing.
    assert borrower.borrow("oat milk", (), embeddings[1], row) is None
    assert borrower.borrow("kibble", (), embeddings[2], row) is None
    assert borrower.borrow("", (), np.zeros(8, dtype=np.float32), row) is None


def test_where_the_nearest_lends_nothing_the_next_is_asked(student: Student, tmp_path: Path) -> None:
    # "oat milk" is a rewrite of nobody, so that it is not known to find products.
    answers = [
        answer("oat milk", "milk", "milk"),
        answer("whole milk", "milk", "milk"),
        answer("apples", None, "whole milk"),
    ]
    write_lenders(tmp_path / "lenders", student, answers)
    lenders = Lenders(tmp_path / "lenders", student)
    # Each shares two of three words: 2 / sqrt(2 x 3). Equals stay in their order.
    assert near(lenders, student, "oat whole milk", "milk") == [("oat milk", 0.82), ("whole milk", 0.82)]
    [embedding] = student.predict(["oat whole milk"]).embeddings
    borrower = Borrower(lenders, head_store(tmp_path / "head.lmdb", answers).get)
    borrowed = borrower.borrow("oat whole milk", (), embedding, student.tree.ids.index("milk"))
    assert borrowed is not None
    assert (borrowed.query, borrowed.relation) == ("whole milk", "detail")
    assert [(r.query, r.type) for r in borrowed.rewrites] == [("whole milk", "broader")]


def test_a_lender_without_its_answer_is_an_error(lenders: Lenders, student: Student, tmp_path: Path) -> None:
    [embedding] = student.predict(["milks"]).embeddings
    row = student.tree.ids.index("milk")
    with pytest.raises(ReleaseError, match="the lender 'milk' has no answer"):
        Borrower(lenders, head_store(tmp_path / "a", ANSWERS[:1]).get).borrow("milks", (), embedding, row)
    other = [answer("milk", "milk", "a", "b")]
    with pytest.raises(ReleaseError, match="'milk' is not its lender's"):
        Borrower(lenders, head_store(tmp_path / "b", other).get).borrow("milks", (), embedding, row)
