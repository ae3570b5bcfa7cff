"""A student opens whole or not at all, and answers alike alone and among others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

pytest.importorskip("torch")

from distill.export import Precision, Weights, write_onnx  # noqa: E402
from domain.errors import ReleaseError  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from release.student import SPECIFICITIES, Features, Level, Policy, Prediction, Student, Tree  # noqa: E402
from release.student.model import ABOUT, MODEL, read_about, write_about  # noqa: E402

DIMENSION, BITS = 64, 8
WORDS = ["oat", "milk", "ginger", "ale", "rye", "bread", "green", "tea"]
TEXTS = [
    "oat milk",
    "ginger ale",
    "",
    "日本の緑茶 🍋",
    "\ud800",
    "rye " * 80,
    *(f"{WORDS[i % 8]} {WORDS[i // 8 % 8]} {i}" for i in range(294)),
]
POLICY = Policy(own=(Level(threshold=0.8),) * 2, ancestor=(Level(slope=1.5, intercept=-0.25, threshold=2.0),) * 2)
PRECISIONS = get_args(Precision)

# How far a text alone may be from the same among 300. In int8 a sum that is rounded otherwise can move a coordinate by
# one of 127 steps: at most 0.8 / 127 of a category's weight, which is 4 at most here, and a fourth of that as a chance.
TOLERANCE = {"fp32": 1e-5, "fp16": 1e-5, "int8": 0.01}


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    pairs = [("food", None), ("drinks", None), ("tea", "drinks"), ("bread", "food"), ("milk", "food")]
    return Taxonomy(Node(category_id=i, parent_id=parent, name=i) for i, parent in pairs)


@pytest.fixture(scope="module")
def tree(taxonomy: Taxonomy) -> Tree:
    return Tree.of(taxonomy)


def weights_of(rows: int, categories: int) -> Weights:
    rng = np.random.default_rng(7)

    def normal(*shape: int) -> np.ndarray:
        return np.clip(rng.normal(size=shape), -2, 2).astype(np.float32)

    table = normal(rows, DIMENSION)
    table[-1] = 0
    return Weights(
        table=table,
        categories=2 * normal(DIMENSION, categories + 1),
        offsets=normal(categories + 1),
        specific=normal(DIMENSION, 4),
        specific_offsets=normal(4),
    )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> dict[str, Path]:
    made = {}
    for precision in PRECISIONS:
        folder = tmp_path_factory.mktemp(precision)
        tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = Whitespace()
        tokenizer.save(str(folder / "tokenizer.json"))
        write_about(folder, dimension=DIMENSION, bits=BITS, categories=tree.ids, policy=POLICY)
        weights = weights_of(Features(folder, bits=BITS).rows, len(tree.ids))
        write_onnx(weights, folder / MODEL, precision)
        made[precision] = folder
    return made


@pytest.fixture(scope="module")
def students(folders: dict[str, Path], taxonomy: Taxonomy) -> dict[str, Student]:
    return {precision: Student(folder, taxonomy) for precision, folder in folders.items()}


@pytest.fixture
def damaged(folders: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(folders["fp32"], tmp_path / "student"))


def parts(prediction: Prediction) -> list[np.ndarray]:
    return [prediction.embeddings, prediction.probabilities, prediction.specificities]


def one_by_one(student: Student, texts: Sequence[str]) -> list[np.ndarray]:
    return [np.concatenate(part) for part in zip(*(parts(student.predict([text])) for text in texts), strict=True)]


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def test_a_prediction_is_what_the_weights_say(students: dict[str, Student], folders: dict[str, Path]) -> None:
    texts = ["oat milk", "ginger ale and more", ""]
    features = Features(folders["fp32"], bits=BITS)
    weights = weights_of(features.rows, 5)
    summed = weights.table[features(texts)].sum(axis=1)
    embeddings = summed / np.maximum(np.linalg.norm(summed, axis=1, keepdims=True), 1e-12)
    predicted = students["fp32"].predict(texts)
    assert predicted.embeddings == pytest.approx(embeddings, abs=1e-5)
    every = softmax(embeddings @ weights.categories + weights.offsets)
    assert predicted.probabilities == pytest.approx(every[:, :5], abs=1e-5)
    specific = softmax(embeddings @ weights.specific + weights.specific_offsets)
    assert predicted.specificities == pytest.approx(specific, abs=1e-5)
    assert not predicted.embeddings[2].any()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_shapes_hold_for_any_number_of_texts(students: dict[str, Student], precision: str, count: int) -> None:
    predicted = parts(students[precision].predict(TEXTS[:count]))
    assert [part.shape for part in predicted] == [(count, DIMENSION), (count, 5), (count, len(SPECIFICITIES))]
    assert {part.dtype for part in predicted} == {np.dtype(np.float32)}
    assert all(np.isfinite(part).all() for part in predicted)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_text_is_answered_alike_alone_and_among_300(students: dict[str, Student], precision: str) -> None:
    assert len(TEXTS) == 300
    embeddings, probabilities, specificities = one_by_one(students[precision], TEXTS)
    together = students[precision].predict(TEXTS)
    assert together.embeddings == pytest.approx(embeddings, abs=1e-5)
    assert together.probabilities == pytest.approx(probabilities, abs=TOLERANCE[precision])
    assert together.specificities == pytest.approx(specificities, abs=1e-5)


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_smaller_precisions_say_nearly_the_same(students: dict[str, Student], precision: str) -> None:
    small, whole = students[precision].predict(TEXTS), students["fp32"].predict(TEXTS)
    assert small.probabilities == pytest.approx(whole.probabilities, abs=0.03)
    assert (small.embeddings * whole.embeddings).sum(axis=1)[:2] == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_eight_threads_get_the_same_answers(students: dict[str, Student], precision: str) -> None:
    student, texts = students[precision], TEXTS[:40]
    expected = one_by_one(student, texts)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: one_by_one(student, texts), range(16)):
            assert all((a == b).all() for a, b in zip(found, expected, strict=True))


def test_what_was_written_is_read(folders: dict[str, Path], students: dict[str, Student], tree: Tree) -> None:
    about = read_about(folders["fp32"])
    assert (about.dimension, about.bits, about.categories, about.policy) == (DIMENSION, BITS, tree.ids, POLICY)
    assert students["fp32"].provider == "CPUExecutionProvider"


def test_another_taxonomy_is_refused(folders: dict[str, Path], taxonomy: Taxonomy) -> None:
    rows = json.loads(taxonomy.to_json())
    for other in (rows[::-1], rows[:-1], [*rows, ["new", None, "New"]]):
        with pytest.raises(ReleaseError, match="another taxonomy"):
            Student(folders["fp32"], Taxonomy.from_json(json.dumps(other).encode()))


@pytest.mark.parametrize("name", [MODEL, ABOUT, "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage", "folder"])
def test_a_damaged_file_is_refused_by_name(damaged: Path, taxonomy: Taxonomy, name: str, damage: str) -> None:
    file = damaged / name
    content = file.read_bytes()
    file.unlink()
    match damage:
        case "empty":
            file.write_bytes(b"")
        case "truncated":
            file.write_bytes(content[: len(content) // 2])
        case "garbage":
            file.write_bytes(b"\xff\x00 no such thing" * 20)
        case "folder":
            file.mkdir()
    with pytest.raises(ReleaseError, match=name) as caught:
        Student(damaged, taxonomy)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema_version": 2}, "schema version 2, not 1"),
        ({"bits": 0}, "cannot be read"),
        ({"bits": 64}, "cannot be read"),
        ({"bits": "many"}, "cannot be read"),
        ({"dimension": -1}, "cannot be read"),
        ({"policy": {"own": []}}, "cannot be read"),
        ({"categories": None}, "cannot be read"),
        ({"policy": {"own": [{}], "ancestor": [{}, {}]}}, "too few levels"),
        ({"policy": {"own": [{}, {}], "ancestor": []}}, "too few levels"),
        # What belongs to a table of another size, or to another embedding.
        ({"bits": BITS + 1}, "cannot be run"),
        ({"bits": BITS - 1}, "does not belong"),
        ({"dimension": DIMENSION + 1}, "does not belong"),
    ],
)
def test_a_wrong_description_is_refused(damaged: Path, taxonomy: Taxonomy, changes: dict, reason: str) -> None:
    about = json.loads((damaged / ABOUT).read_bytes())
    (damaged / ABOUT).write_text(json.dumps({**about, **changes}))
    with pytest.raises(ReleaseError, match=reason):
        Student(damaged, taxonomy)


def test_a_model_of_more_categories_is_refused(damaged: Path, taxonomy: Taxonomy) -> None:
    write_onnx(weights_of(Features(damaged, bits=BITS).rows, 6), damaged / MODEL, "fp32")
    with pytest.raises(ReleaseError, match="does not belong"):
        Student(damaged, taxonomy)


def test_a_provider_that_is_not_there_is_refused(
    folders: dict[str, Path], taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The GPU build that is installed on Linux always names CUDA; elsewhere it is not named.
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ReleaseError, match="has no CUDAExecutionProvider") as caught:
        Student(folders["fp16"], taxonomy, provider="cuda")
    assert caught.value.hint


@pytest.fixture(scope="module")
def cuda_works(folders: dict[str, Path]) -> bool:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return False
    session = onnxruntime.InferenceSession(str(folders["fp16"] / MODEL), providers=["CUDAExecutionProvider"])
    return "CUDAExecutionProvider" in session.get_providers()


def test_without_its_libraries_cuda_is_refused(
    folders: dict[str, Path], taxonomy: Taxonomy, cuda_works: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    if cuda_works:
        pytest.skip("CUDA works here")
    with pytest.raises(ReleaseError, match="CUDAExecutionProvider") as caught:
        Student(folders["fp16"], taxonomy, provider="cuda")
    assert caught.value.hint
    assert "Falling back" not in capfd.readouterr().out


def test_with_its_libraries_cuda_says_the_same(
    folders: dict[str, Path], taxonomy: Taxonomy, students: dict[str, Student], cuda_works: bool
) -> None:
    if not cuda_works:
        pytest.skip("CUDA does not work here")
    student = Student(folders["fp16"], taxonomy, provider="cuda")
    assert student.provider == "CUDAExecutionProvider"
    found, expected = student.predict(TEXTS), students["fp16"].predict(TEXTS)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_session_moves_to_the_cpu_later(students: dict[str, Student], precision: str) -> None:
    # A failure on the GPU at any call would otherwise be followed by a silent run on the CPU.
    assert students[precision]._session._enable_fallback is False
