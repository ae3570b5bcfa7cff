"""The filter of bad matches: what it reads of a query and a text, and how it opens."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from domain.errors import ReleaseError
from domain.taxonomy import Node, Taxonomy
from release.match import ABOUT, MODEL, Lexicon, Matcher, Offer, is_there, write_match_about
from release.match_features import SIGNS, OfferFeatures
from release.match_words import WORD_SIGNS, TextWords, word_signs
from release.student import Student
from release.student.model import MODEL as STUDENT_MODEL

LEXICON = Lexicon(
    weights={"case": 2.0, "black": 1.0}, rarest=5.0, brands=frozenset(("acme", "dairy dell", "dairy", "hp"))
)


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    rows = [("shop", None), ("food", "shop"), ("milk", "food"), ("tea", "food"), ("pets", None), ("dogs", "pets")]
    return Taxonomy(Node(category_id=child, parent_id=parent, name=child) for child, parent in rows)


@pytest.fixture
def student(teach: Callable[..., Any], taxonomy: Taxonomy, tmp_path: Path) -> Student:
    """Knows "sure", which is milk, "halfway", which is milk or tea, and "lost", which is no category."""
    return Student(teach(tmp_path / "student", taxonomy).folder, taxonomy)


def signs(query: str, text: str) -> dict[str, float]:
    found = word_signs(TextWords(query, LEXICON), TextWords(text, LEXICON), LEXICON)
    return dict(zip(WORD_SIGNS, found, strict=True))


def write_filter(folder: Path, width: int, *, threshold: float = 0.5) -> None:
    """Write a filter whose chance is the first sign: the share of the query's words that the text holds."""
    tensors = {"from": [0], "to": [1], "axis": [1]}
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["signs", "from", "to", "axis"], ["column"]),
            helper.make_node("Squeeze", ["column", "axis"], ["chances"]),
        ],
        "match",
        [helper.make_tensor_value_info("signs", TensorProto.FLOAT, ["offers", width])],
        [helper.make_tensor_value_info("chances", TensorProto.FLOAT, ["offers"])],
        [numpy_helper.from_array(np.array(values, dtype=np.int64), name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    (folder / MODEL).write_bytes(model.SerializeToString())
    write_match_about(folder, threshold=threshold, lexicon=LEXICON)


@pytest.fixture
def folder(student: Student, tmp_path: Path) -> Path:
    write_filter(tmp_path / "student", len(SIGNS))
    return tmp_path / "student"


def test_words_are_held_by_number_slip_and_weight() -> None:
    found = signs("black iphone cases", "Acme phone case black".lower())
    # "black" and "case" of three; the third, which is rare, weighs 5, and so does "cases", which is not "case" here.
    assert found["held"] == pytest.approx(2 / 3)
    assert found["held by weight"] == pytest.approx(1 - 5 / 11)
    assert (found["all held"], found["last held"]) == (0, 1)
    # "case" stands third of four words.
    assert found["last at"] == pytest.approx(2 / 4)
    # Two of the text's four words are asked for.
    assert found["asked"] == pytest.approx(2 / 4)


def test_what_a_thing_goes_with_is_not_what_it_is() -> None:
    found = signs("hp laptop", "battery for hp laptop")
    assert (found["held"], found["held by what it is"], found["last held by what it is"]) == (1, 0, 0)
    assert found["accessory unasked"] == 1
    assert signs("laptop battery", "battery for hp laptop")["held by what it is"] == pytest.approx(1 / 2)
    assert signs("laptop battery", "laptop")["accessory missing"] == 1
    # Where nothing stands before it, the whole text is what it is.
    assert signs("hp laptop", "for hp laptop")["held by what it is"] == 1


def test_constraints_are_kept_or_lost_by_kind() -> None:
    found = signs("hdmi cable 3 feet", "hdmi cable 6 ft")
    assert (found["constraints"], found["constraints kept"], found["size lost"], found["model lost"]) == (1, 0, 1, 0)
    assert signs("hdmi cable 3 feet", "3 ft hdmi cable")["size lost"] == 0
    assert signs("brother tn-2110", "brother tn-2120 toner")["model lost"] == 1
    assert signs("iphone case", "case for galaxy")["model lost"] == 1
    assert signs("milk", "milk")["constraints kept"] == 0


def test_the_longest_brand_counts_and_another_is_told() -> None:
    assert TextWords("dairy dell milk and dairy", LEXICON).brands == ("dairy dell", "dairy")
    found = signs("dairy dell milk", "acme milk")
    assert (found["brand asked"], found["brand kept"], found["another brand"], found["only a brand"]) == (1, 0, 1, 0)
    assert signs("hp", "hp ink")["only a brand"] == 1
    assert signs("milk", "acme milk")["another brand"] == 0


@pytest.mark.parametrize("text", ["", " ", "for", "\ud800", "!!!", "a" * 5000, "7 " * 400])
def test_odd_texts_have_signs(text: str) -> None:
    for found in (signs("milk", text), signs(text, "milk"), signs(text, text)):
        assert np.isfinite(list(found.values())).all()


def features_of(student: Student, offers: Sequence[Offer]) -> list[dict[str, float]]:
    rows = OfferFeatures(student, LEXICON)(offers)
    return [dict(zip(SIGNS, row.tolist(), strict=False)) for row in rows]


def test_categories_are_shared_at_every_depth(student: Student) -> None:
    same, half, lost = features_of(
        student, [Offer(query="sure", text=text) for text in ("Sure thing", "halfway", "lost")]
    )
    assert same["cosine"] == pytest.approx(1)
    assert [same[f"shared {where}"] for where in ("at depth 0", "category")] == pytest.approx([1, 1], abs=1e-4)
    # Of tea or milk, 19.9 against 20: milk has 1 / (1 + e^-0.1) = 0.525 of it, and the root of that is 0.7245. Both lie
    # in food, which stands at depth 1, and they themselves at depth 2.
    assert half["shared category"] == pytest.approx(0.7245, abs=1e-3)
    assert half["shared at depth 1"] == pytest.approx(1, abs=1e-3)
    assert half["shared at depth 2"] == pytest.approx(0.7245, abs=1e-3)
    assert half["text in the query's category"] == pytest.approx(0.525, abs=1e-3)
    assert half["query in the text's category"] == pytest.approx(1, abs=1e-3)
    assert (lost["cosine"], lost["text of no category"]) == pytest.approx((0, 1), abs=1e-3)
    assert lost["shared at depth 0"] == pytest.approx(0, abs=1e-2)
    assert {found["query category"] for found in (same, half, lost)} == {same["query category"]}


def test_a_category_that_came_with_the_text_is_believed(student: Student) -> None:
    milk, tea, food, dogs, none, unknown = features_of(
        student, [Offer(query="sure", text="x", category_id=i) for i in ("milk", "tea", "food", "dogs", None, "moon")]
    )
    assert [milk[name] for name in ("category known", "known shared category")] == pytest.approx([1, 1], abs=1e-4)
    assert milk["known in the query's category"] == 1
    assert tea["known shared category"] == pytest.approx(0, abs=1e-3)
    assert (tea["known shared at depth 1"], tea["known in the query's category"]) == pytest.approx((1, 0), abs=1e-4)
    # The query lies below food, and food is no part of milk.
    assert (food["query in the known category"], food["known in the query's category"]) == pytest.approx((1, 0))
    assert dogs["known shared at depth 0"] == pytest.approx(0, abs=1e-3)
    for found in (none, unknown):
        assert [value for name, value in found.items() if "known" in name] == [0] * 7


def test_many_offers_are_read_as_each_is(student: Student) -> None:
    texts = ["sure", "halfway acme", "lost", "", "black case for hp", *(f"sure {i}" for i in range(140))]
    offers = [Offer(query=("sure", "hp case")[i % 2], text=text) for i, text in enumerate(texts)]
    read = OfferFeatures(student, LEXICON)
    together = read(offers)
    assert together.shape == (145, len(SIGNS))
    np.testing.assert_allclose(together, np.concatenate([read([offer]) for offer in offers]), atol=1e-6)
    assert read([]).shape == (0, len(SIGNS))


def test_what_does_not_reach_the_threshold_is_not_kept(folder: Path, student: Student) -> None:
    matcher = Matcher(folder, student)
    offers = [Offer(query="black case", text=text) for text in ("Black Case!", "a black hat", "hat")]
    assert matcher.chances(offers).tolist() == [1, 0.5, 0]
    assert matcher.keep(offers) == [True, True, False]
    assert (matcher.chances([]).tolist(), matcher.keep([]), matcher.threshold) == ([], [], 0.5)


def test_where_nothing_is_said_nothing_matches(folder: Path, student: Student) -> None:
    offers = [Offer(query=query, text=text) for query, text in (("", ""), ("sure", "!"), ("for", "for"), ("x", "x"))]
    assert Matcher(folder, student).chances(offers).tolist() == [0, 0, 0, 1]


def test_a_folder_has_a_filter_or_none(folder: Path, tmp_path: Path) -> None:
    assert (is_there(folder), is_there(tmp_path)) == (True, False)


def refused(folder: Path, student: Student) -> str:
    with pytest.raises(ReleaseError) as error:
        Matcher(folder, student)
    assert "querywise match train" in error.value.hint or "querywise distill" in error.value.hint
    return str(error.value)


def test_files_that_do_not_belong_together_are_refused(folder: Path, student: Student) -> None:
    about, model = (folder / ABOUT).read_bytes(), (folder / MODEL).read_bytes()
    (folder / MODEL).write_bytes(model + b"\0")
    assert f"does not belong to {MODEL}" in refused(folder, student)
    (folder / MODEL).write_bytes(model)
    trained = (folder / STUDENT_MODEL).read_bytes()
    (folder / STUDENT_MODEL).write_bytes(trained + b"\0")
    assert f"does not belong to {STUDENT_MODEL}" in refused(folder, student)
    (folder / STUDENT_MODEL).write_bytes(trained)
    said = json.loads(about)
    for changed, complaint in (
        ({"schema_version": 2}, "schema version 2"),
        ({"signs": said["signs"][1:]}, "other signs"),
        ({"threshold": 1.5}, "cannot be read"),
        ({"lexicon": {}}, "cannot be read"),
    ):
        (folder / ABOUT).write_text(json.dumps(said | changed))
        assert complaint in refused(folder, student)
    (folder / ABOUT).write_bytes(b"{")
    assert "cannot be read" in refused(folder, student)
    (folder / ABOUT).write_bytes(about)
    Matcher(folder, student)


def test_missing_files_and_models_of_another_shape_are_refused(folder: Path, student: Student) -> None:
    write_filter(folder, len(SIGNS) + 1)
    assert "cannot be run" in refused(folder, student)
    (folder / MODEL).write_bytes(b"no model")
    write_match_about(folder, threshold=0.5, lexicon=LEXICON)
    assert "cannot be opened" in refused(folder, student)
    (folder / MODEL).unlink()
    assert f"does not belong to {MODEL}" in refused(folder, student)
    (folder / ABOUT).unlink()
    assert "cannot be read" in refused(folder, student)
