"""A release with a student: what it answers for a query that has no precomputed answer."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from release import build_release, open_release, verify_release  # noqa: E402
from release.student import Features, Level, Policy, Tree  # noqa: E402
from release.student.model import MODEL, write_about  # noqa: E402

BITS, DIMENSION = 6, 8
WORDS = ("sure", "halfway", "lost")


@pytest.fixture
def student(grocery: Any, tmp_path: Path) -> Path:
    """Knows three words: sure of a leaf, sure of its parent only, sure of nothing; grams weigh nothing."""
    folder = tmp_path / "student"
    folder.mkdir()
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(("[UNK]", *WORDS))}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    tree = Tree.of(grocery.taxonomy)
    rows = Features(folder, bits=BITS).rows
    table = np.zeros((rows, DIMENSION), dtype=np.float32)
    for i in range(1, 4):
        table[i, i] = 1
    leaf, sibling = siblings(tree)
    categories = np.zeros((DIMENSION, len(tree.ids) + 1), dtype=np.float32)
    categories[1, leaf] = 20
    categories[2, leaf], categories[2, sibling] = 20, 19.9
    categories[3, -1] = 20
    weights = Weights(
        table=table,
        categories=categories,
        offsets=np.zeros(len(tree.ids) + 1, dtype=np.float32),
        specific=np.zeros((DIMENSION, 4), dtype=np.float32),
        specific_offsets=np.array([0, 1, 0, 0], dtype=np.float32),
    )
    write_onnx(weights, folder / MODEL, "fp32")
    levels = (Level(threshold=0.9),) * (int(tree.depth.max()) + 1)
    write_about(folder, dimension=DIMENSION, bits=BITS, categories=tree.ids, policy=Policy(own=levels, ancestor=levels))
    return folder


def siblings(tree: Tree) -> tuple[int, int]:
    """Return two leaves of one parent."""
    for row, parent in enumerate(tree.parent):
        same = [i for i in range(len(tree.ids)) if tree.parent[i] == parent >= 0 and tree.end[i] == i + 1]
        if row in same and len(same) > 1:
            return same[0], same[1]
    raise AssertionError("the shop has no two leaves of one parent")


@pytest.fixture
def with_student(build: Callable[..., Path], grocery: Any, student: Path, tmp_path: Path) -> Path:
    plain = build()
    manifest = json.loads((plain / "manifest.json").read_text())
    from datetime import datetime

    return build_release(
        shop=manifest["shop"],
        taxonomy=grocery.taxonomy,
        product_ids=grocery.products,
        labels=grocery.labels,
        fingerprints=manifest["fingerprints"],
        index=None,
        student=student,
        releases=tmp_path / "taught",
        created=datetime.fromisoformat(manifest["created"]),
    )


def test_the_student_answers_backs_off_and_abstains_with_the_reason(with_student: Path) -> None:
    with open_release(with_student) as release:
        tree = Tree.of(release.taxonomy)
        leaf, _ = siblings(tree)
        sure, halfway, lost, unknown = release.understand(["sure", "halfway", "lost", "qqq"])
        assert (sure.source, sure.reason, sure.specificity) == ("tail", "model", "category")
        assert [category.id for category in sure.categories] == [tree.ids[leaf]]
        assert sure.categories[0].path == release.taxonomy.path(tree.ids[leaf])
        assert sure.categories[0].confidence == pytest.approx(1.0, abs=1e-3)
        assert (halfway.source, halfway.reason) == ("tail", "backed_off_to_parent")
        assert [category.id for category in halfway.categories] == [tree.ids[int(tree.parent[leaf])]]
        for answer in (lost, unknown):
            assert (answer.source, answer.reason) == ("fallback", "abstained_low_confidence")
            assert answer.categories == () and answer.specificity is None
        assert release.provider == "CPUExecutionProvider"
        assert not release.retrieves


def test_precomputed_answers_and_empty_queries_never_reach_it(with_student: Path, grocery: Any) -> None:
    with open_release(with_student) as release:
        known, empty = release.understand([grocery.labels[0].query, " "])
        assert known.source == "head"
        assert (empty.source, empty.reason) == ("fallback", "empty_query")


def test_bytes_and_values_say_the_same(with_student: Path) -> None:
    with open_release(with_student) as release:
        [answer] = release.understand(["Sure!"])
        served = json.loads(release.answer_bytes("Sure!"))
        assert (served["query"], served["source"]) == ("Sure!", "tail")
        assert served["categories"][0]["id"] == answer.categories[0].id


def test_a_student_is_part_of_what_a_release_is(with_student: Path, build: Callable[..., Path]) -> None:
    manifest = verify_release(with_student)
    assert {"student/model.onnx", "student/student.json", "student/tokenizer.json"} <= manifest.files.keys()
    assert manifest.release != build().name
    model = with_student / "student" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(ReleaseError, match="model.onnx does not match its digest"):
        open_release(with_student)
    model.unlink()
    with pytest.raises(ReleaseError, match="model.onnx is missing"):
        open_release(with_student, verify=False)


def test_cuda_that_cannot_be_had_is_refused_with_the_reason(with_student: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidia0").exists():
        pytest.skip("CUDA works here")
    with pytest.raises(ReleaseError, match="CUDAExecutionProvider"):
        open_release(with_student, provider="cuda")
