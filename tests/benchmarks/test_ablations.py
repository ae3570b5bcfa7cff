"""A student's training without a part of it, and what several students are worth on the same queries."""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.students.altered import Kind, altered, fewer_grams  # noqa: E402
from benchmarks.students.examined import write  # noqa: E402
from benchmarks.students.queries import Queries  # noqa: E402
from benchmarks.students.ranking import Ranking  # noqa: E402
from benchmarks.students.trial import STRANGERS, Trial  # noqa: E402
from benchmarks.students.worth import Examiner, mean_of, weighted  # noqa: E402
from distill import ground  # noqa: E402
from distill.examples import NONE  # noqa: E402
from distill.split import Lessons, Split, split_labels  # noqa: E402
from domain.errors import UserError  # noqa: E402
from domain.label import Label, Provenance  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from domain.understanding import Category, Understanding  # noqa: E402
from evals import Case  # noqa: E402
from evals.estimates import Harmonic, Ratio  # noqa: E402
from release.student import Tree  # noqa: E402
from release.student.features import Features  # noqa: E402
from release.student.grams import word_grams  # noqa: E402

ONE = np.ones((1, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a tokenizer that knows two words."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "oat": 1, "milk": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def rows(folder: Path, *without: Kind) -> set[int]:
    with altered(without=without):
        features = Features(folder, bits=16)
        return set(features(["oat milk"])[0].tolist()) - {features.rows - 1}  # the filler is no feature


def test_a_text_has_no_feature_of_a_kind_that_is_left_out(folder: Path) -> None:
    # "oat" and "milk" have 3 runs of three (" oa", "oat", "at ") and 4, 2 and 3 of four, 1 and 2 of five.
    whole = rows(folder)
    assert len(whole) == 2 + 2 + (3 + 2 + 1) + (4 + 3 + 2) + 1
    assert whole - rows(folder, "pieces") == {1, 2}
    assert len(whole - rows(folder, "pairs")) == 1
    assert len(whole - rows(folder, "words")) == 2
    assert len(whole - rows(folder, "runs")) == 15
    assert rows(folder, "words", "runs", "pairs") == {1, 2}
    assert rows(folder) == whole, "and it is as it was when the block has ended"


def test_pairs_are_the_same_without_the_words_that_they_are_made_of() -> None:
    whole, fewer = word_grams("milk"), fewer_grams("milk", without=("words", "runs"))
    assert fewer.ids.size == 0 and fewer.ids.dtype == whole.ids.dtype
    assert (fewer.hash, fewer.before, fewer.shift) == (whole.hash, whole.before, whole.shift)


def test_texts_that_are_typed_right_stay_as_they_are() -> None:
    import random

    with altered(typed_right=True):
        noise = ground.learn_noise([("mlik", "milk", 9)])
    rng = random.Random(0)
    assert {noise("oat milk for cats", rng) for _ in range(50)} == {"oat milk for cats"}


def test_what_is_held_out_is_embedded_neither_way_and_what_is_learnt_only_where_it_is_asked_for() -> None:
    taxonomy = Taxonomy([Node(category_id="milk", parent_id=None, name="Milk")])
    answer = Understanding(
        query="", normalized="", source="head", reason="precomputed", release="", specificity="category",
        categories=(Category(id="milk", path=("milk",), confidence=0.9),),
    )  # fmt: skip
    made = Provenance(model="m", prompt="p", key="k", context="c", dropped={})
    queries = [f"{a} {b}" for a in ("oat", "soy", "rice", "goat") for b in ("whole", "skim", "raw", "cold", "warm")]
    labels = [Label(query=q, tier="tail", searches=1, understanding=answer, provenance=made) for q in queries]
    lessons = Lessons(taxonomy=taxonomy, locale="en", sold=[], brands=[], contexts=[], labels=labels, gold=[])
    split = split_labels(lessons)
    assert split.train and split.held
    embedded: list[set[str]] = []

    def corpus(lessons: Lessons, tree: Tree, split: Split) -> None:
        embedded.append({c.query for c in lessons.contexts if not split.may_be_held(c.query)})

    for labelled in (False, True):
        with patch.object(ground, "_corpus", corpus), altered(labelled=labelled):
            ground._corpus(lessons, Tree.of(taxonomy), split)  # type: ignore[call-arg]
    assert embedded == [set(), {label.query for label in split.train}]


def test_several_seeds_count_as_the_mean_of_their_sums() -> None:
    # 1 of 2 and 2 of 2 right: 1.5 of 2. Precision (1 + 1) / (1 + 3) and recall (1 + 1) / (2 + 2): F1 0.5.
    right = [Ratio(top=np.array([1.0, 0.0]), bottom=np.ones(2)), Ratio(top=np.ones(2), bottom=np.ones(2))]
    assert mean_of(right).under(ONE) == [0.75]
    both = [
        Harmonic(
            precision=Ratio(top=np.array([1.0, 0.0]), bottom=np.array([given, 0.0])),
            recall=Ratio(top=np.array([1.0, 0.0]), bottom=np.ones(2)),
        )
        for given in (1.0, 3.0)
    ]
    assert mean_of(both).under(ONE) == [0.5]
    with pytest.raises(TypeError):
        mean_of([*right, *both])


def test_a_query_counts_as_often_as_its_weight_says() -> None:
    right = Ratio(top=np.array([1.0, 0.0]), bottom=np.ones(2))
    assert weighted(right, np.array([3.0, 1.0])).under(ONE) == [0.75]
    # Precision 3 of 4 and recall 3 of 3.
    f1 = Harmonic(precision=right, recall=Ratio(top=np.array([1.0, 0.0]), bottom=np.array([1.0, 0.0])))
    assert weighted(f1, np.array([3.0, 1.0])).under(ONE)[0] == pytest.approx(6 / 7)


def queries(*expected: tuple[str, ...]) -> Queries:
    cases = [Case(query=f"q{i}", normalized=f"q{i}", categories=ids) for i, ids in enumerate(expected)]
    return Queries(cases=cases, tiers=["tail"] * len(cases))


def ranked(*outcomes: tuple[str, float]) -> Ranking:
    return Ranking(ids=tuple(i for i, _ in outcomes), chances=tuple(c for _, c in outcomes))


def examiner() -> Examiner:
    taxonomy = Taxonomy(Node(category_id=i, parent_id=None, name=i) for i in "ab")
    sets = {"held": queries(("a",), ()), "test": queries(("b",)), "people": queries(("a",), ("b",))}
    return Examiner(taxonomy=taxonomy, sets=sets, halves=("held", "test"))


def trial(**rankings: tuple[Ranking, ...]) -> Trial:
    held = ranked(("a", 0.9), (NONE, 0.1)), ranked((NONE, 0.6), ("a", 0.4))
    test = (ranked(("b", 0.5), ("a", 0.3), (NONE, 0.2)),)
    people = ranked(("a", 0.7), (NONE, 0.3)), ranked((NONE, 0.55), ("b", 0.45))
    sets = {"held": held, "test": test, "people": people} | rankings
    sets = {STRANGERS: (ranked(("a", 0.45)),), **sets}
    return Trial(key="k", seconds=1.0, rankings=sets, let_through=(True,) * len(sets[STRANGERS]))


def test_each_half_is_answered_from_the_chance_that_is_best_on_the_other() -> None:
    # On the held: "a" alone from 0.6 on, or 0.9; the lowest of the chances that do is 0.6. On the test: "b" alone, from
    # 0.5. On both: 0.5 leaves out "a" at 0.4 and keeps "b".
    found = examiner().thresholds(trial())
    assert found == {"held": 0.5, "test": 0.6, "people": 0.5}


def test_top_1_takes_the_likeliest_and_f1_what_reaches_the_threshold() -> None:
    marks = examiner().marks({"it": [trial()]}, ("people",))["it"]
    # Its likeliest are "a" and none. From 0.5 on it answers "a", and nothing to the second: precision 1, recall 0.5.
    assert marks["top-1"].value == 0.5
    assert marks["F1"].value == pytest.approx(2 / 3)
    both = examiner().marks({"it": [trial()]}, ("held", "test"))["it"]
    # "b" at 0.5 is below the held's 0.6: right are "a" and the abstention of three asked.
    assert both["top-1"].value == 1.0
    assert both["F1"].value == pytest.approx(0.8)


def test_students_are_compared_where_they_answer_as_much() -> None:
    # The labels' chances are 0.9, 0.4 and 0.5: from 0.5 on two of the three are answered, and one is too few.
    below, above = ranked(("a", 0.45), (NONE, 0.4)), ranked((NONE, 0.5), ("a", 0.5))
    asked = trial(**{STRANGERS: (below, above, ranked((NONE, 1.0)))})
    assert examiner().strangers({"it": [asked]}, [0])["it"]["as much"].value == 0.0
    assert examiner().strangers({"it": [asked]}, [1, 2])["it"]["as much"].value == 0.5


def test_at_its_own_thresholds_a_student_answers_what_they_let_through() -> None:
    assert examiner().strangers({"it": [trial()]}, [0])["it"]["own"].value == 1.0


def test_a_result_is_put_between_its_marks_and_nothing_else_of_a_page_is_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n")
    options = argparse.Namespace(write=page)
    write(options, "one", "first")
    write(options, "two", "second")
    page.write_text(page.read_text().replace("first", "by hand") + "Reading.\n")
    write(options, "one", "first again")
    text = page.read_text()
    assert text.startswith("# Title\n") and text.endswith("Reading.\n")
    assert "by hand" not in text and text.count("<!-- one -->") == 1
    assert text.index("first again") < text.index("second")
    page.write_text(text.replace("<!-- end of one -->", ""))
    with pytest.raises(UserError, match="has one of"):
        write(options, "one", "third")
