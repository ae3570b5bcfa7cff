"""BM25 over short texts, and the words it is made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.lexical import LexicalIndex, Stems

TEXTS = ["ginger ale", "ginger ginger beer", "dog food", "!!!", "ale"]


@pytest.fixture
def index() -> LexicalIndex:
    stems = Stems("en-US")
    return LexicalIndex.build(stems(text) for text in TEXTS)


@pytest.mark.parametrize(
    ("locale", "text", "stems"),
    [
        ("en-US", "Running TOMATOES, running!", ["run", "tomato", "run"]),
        ("en_GB", "dogs", ["dog"]),
        ("EN", "dogs", ["dog"]),
        ("de-DE", "Äpfel", ["apfel"]),
        # No stemmer: words stay as they are, in normal form.
        ("ja-JP", "Running dogs", ["running", "dogs"]),
        ("", "Running dogs", ["running", "dogs"]),
        ("en-US", '1% milk 50" c++ 7-up', ["1", "milk", "50", "c", "7", "up"]),
        ("en-US", "", []),
        ("en-US", " !? \u200b", []),
    ],
)
def test_stems(locale: str, text: str, stems: list[str]) -> None:
    assert Stems(locale)(text) == stems


def test_a_text_scores_by_the_words_it_shares(index: LexicalIndex) -> None:
    scores = index.scores(["ale"])
    assert scores.shape == (5,)
    assert np.flatnonzero(scores).tolist() == [0, 4]
    # The same word weighs more in a shorter text.
    assert scores[4] > scores[0]


def test_a_score_is_the_sum_over_words_and_unknown_words_add_nothing(index: LexicalIndex) -> None:
    both = index.scores(["ginger", "ale"])
    assert both == pytest.approx(index.scores(["ginger"]) + index.scores(["ale"]))
    assert index.scores(["ginger", "zorblax", "ale"]).tolist() == both.tolist()
    assert int(both.argmax()) == 0


def test_the_score_is_bm25(index: LexicalIndex) -> None:
    # Lucene's form, k1 1.5, b 0.75. Lengths are 2, 3, 2, 1, 1 (a text without words counts as one empty word), mean
    # 1.8; "dog" is in one text of five: ln(1 + 4.5 / 1.5) * 1 / (1 + 1.5 * (0.25 + 0.75 * 2 / 1.8)).
    assert index.scores(["dog"])[2] == pytest.approx(1.386294 / (1 + 1.5 * (0.25 + 0.75 * 2 / 1.8)), abs=1e-5)


@pytest.mark.parametrize("stems", [[], ["zorblax"], ["zorblax", "qwv"]])
def test_nothing_known_scores_nothing(index: LexicalIndex, stems: list[str]) -> None:
    assert index.scores(stems).tolist() == [0.0] * 5


def test_the_vocabulary_is_the_words_that_occur(index: LexicalIndex) -> None:
    other = LexicalIndex.build([["soap"]])
    assert index.vocabulary == {"ginger", "ale", "beer", "dog", "food"}
    assert other.vocabulary == {"soap"}
    # Two indices asked in turn keep each their own, and neither works it out again.
    assert index.vocabulary is index.vocabulary


def test_an_index_is_read_as_it_was_written(index: LexicalIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "words")
    read = LexicalIndex.load(tmp_path / "words")
    for stems in (["ginger"], ["ale", "food"], ["zorblax"]):
        assert read.scores(stems).tolist() == index.scores(stems).tolist()
    assert read.vocabulary == index.vocabulary


def test_texts_without_any_word_make_an_index_that_finds_nothing(tmp_path: Path) -> None:
    LexicalIndex.build([[], []]).save(tmp_path / "words")
    read = LexicalIndex.load(tmp_path / "words")
    assert read.scores(["ale"]).tolist() == [0.0, 0.0]
    assert read.vocabulary == frozenset()
