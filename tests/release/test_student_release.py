"""A release with a student: what it answers for a query that has no precomputed answer, and what it embeds."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ReleaseError
from release import build_release, open_release, verify_release
from release.quality import ProductQualities


@pytest.fixture
def student(grocery: Any, teach: Callable[..., Any], tmp_path: Path) -> Any:
    return teach(tmp_path / "student", grocery.taxonomy)


@pytest.fixture
def build_taught(grocery: Any, student: Any, tmp_path: Path) -> Callable[..., Path]:
    def _build(**changes: Any) -> Path:
        given = {
            "shop": "grocery",
            "taxonomy": grocery.taxonomy,
            "product_ids": grocery.products,
            "labels": grocery.labels,
            "fingerprints": {"shop": "f0", "catalogue": "f1"},
            "index": None,
            "student": student.folder,
            "releases": tmp_path / "taught",
            "created": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        }
        return build_release(**(given | changes))

    return _build


@pytest.fixture
def with_student(build_taught: Callable[..., Path]) -> Path:
    return build_taught()


@pytest.fixture
def qualities(grocery: Any) -> ProductQualities:
    """The first product sells best and converts worst, the second the other way round; the shop prefers the second."""
    values = np.array([[1, 0, 0.25], [0.25, 1, 0.75]], dtype=np.float32)
    return ProductQualities(product_ids=grocery.products[:2], values=values)


def test_the_student_answers_backs_off_and_abstains_with_the_reason(with_student: Path, student: Any) -> None:
    with open_release(with_student) as release:
        sure, halfway, lost, unknown = release.understand(["sure", "halfway", "lost", "qqq"])
        assert (sure.source, sure.reason, sure.specificity) == ("tail", "model", "category")
        assert [category.id for category in sure.categories] == [student.leaf]
        assert sure.categories[0].path == release.taxonomy.path(student.leaf)
        assert sure.categories[0].confidence == pytest.approx(1.0, abs=1e-3)
        assert (halfway.source, halfway.reason) == ("tail", "backed_off_to_parent")
        assert [category.id for category in halfway.categories] == [student.parent]
        for answer in (lost, unknown):
            assert (answer.source, answer.reason) == ("fallback", "abstained_low_confidence")
            assert answer.categories == () and answer.specificity is None
        assert release.provider == "CPUExecutionProvider"
        assert release.has_student and not release.retrieves


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


def test_a_degraded_answer_asks_nobody(with_student: Path) -> None:
    with open_release(with_student) as release:
        served = json.loads(release.degraded_answer("Sure!", "sure"))
        assert (served["source"], served["reason"], served["categories"]) == ("fallback", "degraded", [])
        assert json.loads(release.degraded_answer(" ", ""))["reason"] == "empty_query"
        with pytest.raises(UnicodeEncodeError):
            release.degraded_answer("\ud800", "")


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


def test_cuda_that_cannot_be_had_is_refused_with_the_reason(with_student: Path, build: Callable[..., Path]) -> None:
    import onnxruntime

    with pytest.raises(ReleaseError, match="no student"):
        open_release(build(), provider="cuda")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidia0").exists():
        pytest.skip("CUDA works here")
    with pytest.raises(ReleaseError, match="CUDAExecutionProvider"):
        open_release(with_student, provider="cuda")


def test_the_inner_product_is_cosine_and_weighted_quality(
    build_taught: Callable[..., Path], qualities: ProductQualities
) -> None:
    with open_release(build_taught(quality=qualities)) as release:
        assert release.dimension == 11
        first, second = qualities.product_ids
        titles = ["sure", "sure halfway", "sure"]
        products = release.embed(titles, kind="product", products=[first, second, "no such product"])
        half = 0.5**0.5
        expected = [
            [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0.25],
            [0, half, half, 0, 0, 0, 0, 0, 0.25, 1, 0.75],
            [0, 1, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 0.5],
        ]
        assert products == pytest.approx(np.array(expected), abs=1e-6) and products.dtype == np.float32
        # Cosines 1, 0.70711 and 1; 0.4 x (1 + 0 + 0.25), 0.4 x (0.25 + 1 + 0.75), 0.4 x (0.5 + 0.5 + 0.5).
        weighted = release.embed(["sure"], kind="query", quality_weight=0.4)
        assert products @ weighted[0] == pytest.approx([1.5, half + 0.8, 1.6])
        plain = release.embed(["sure"], kind="query")
        assert products @ plain[0] == pytest.approx([1, half, 1])


def test_what_is_not_known_of_a_product_is_neutral(
    build_taught: Callable[..., Path], qualities: ProductQualities
) -> None:
    with open_release(build_taught(quality=qualities)) as release:
        assert release.embed(["sure"] * 2, kind="product", products=[None, ""])[:, 8:].tolist() == [[0.5] * 3] * 2
        assert release.embed(["", "\ud800"], kind="product").tolist() == [[0] * 8 + [0.5] * 3] * 2
        assert release.embed([], kind="query").shape == (0, 11)
    with open_release(build_taught()) as release:
        known = release.embed(["sure"], kind="product", products=qualities.product_ids[:1])
        assert known[0, 8:].tolist() == [0.5] * 3


def test_without_a_student_nothing_is_embedded(build: Callable[..., Path]) -> None:
    with open_release(build()) as release:
        assert release.dimension is None and not release.has_student
        with pytest.raises(ReleaseError, match="no student") as error:
            release.embed(["sure"], kind="query")
        assert "distill" in error.value.hint


def test_qualities_are_part_of_what_a_release_is(
    build_taught: Callable[..., Path], build: Callable[..., Path], qualities: ProductQualities, tmp_path: Path
) -> None:
    with_them, without = build_taught(quality=qualities), build_taught()
    reordered = ProductQualities(product_ids=qualities.product_ids[::-1], values=qualities.values[::-1])
    assert with_them.name != without.name
    assert build_taught(quality=reordered) == with_them
    assert {"quality/hashes.npy", "quality/values.npy"} <= verify_release(with_them).files.keys()
    with pytest.raises(ReleaseError, match="without a student"):
        build_taught(quality=qualities, student=None)
    (with_them / "quality" / "values.npy").write_bytes(b"")
    with pytest.raises(ReleaseError, match=r"quality/values.npy has not the size"):
        open_release(with_them, verify=False)
