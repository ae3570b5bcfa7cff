"""Pieces first, grams behind them, fillers where a text has no more."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.pre_tokenizers import Whitespace

from domain.errors import ReleaseError
from release.student import Features
from release.student.grams import GRAM_BITS, pair_id, word_grams

BITS = 12
PIECES = ["[UNK]", "oat", "milk", "gin", "##ger", "ale"]


def save(folder: Path, tokenizer: Tokenizer) -> Path:
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    # What a file asks of padding and length is not what a bag of features wants.
    tokenizer.enable_padding(length=32)
    tokenizer.enable_truncation(max_length=2)
    return save(tmp_path_factory.mktemp("tokenizer"), tokenizer)


@pytest.fixture(scope="module")
def features(folder: Path) -> Features:
    return Features(folder, bits=BITS)


def test_a_table_has_pieces_then_grams_then_the_filler(features: Features) -> None:
    assert features.rows == 6 + 4096 + 1
    assert features.filler == 4102


def grams(text: str) -> list[int]:
    """Return the rows of a text's words, without their pieces, and of its pairs."""
    words = [word_grams(word) for word in text.split()]
    pairs = [pair_id(one, other, bits=BITS) for one, other in pairwise(words)]
    return [6 + i for i in chain(*((word.ids >> GRAM_BITS - BITS).tolist() for word in words), pairs)]


def read(features: Features, text: str) -> list[int]:
    """Return the rows of a text without what fills them up, which is as little as makes fours."""
    [rows] = features([text])
    found = [row for row in rows.tolist() if row != features.filler]
    assert rows.tolist() == found + [features.filler] * (-len(found) % 4)
    return found


def test_a_text_is_its_pieces_and_its_grams(features: Features) -> None:
    assert Counter(read(features, "ginger ale")) == Counter([3, 4, 5, *grams("ginger ale")])
    assert features(["ginger ale"]).dtype == np.int32


def test_shorter_texts_are_filled_up_on_the_right(features: Features) -> None:
    rows = features(["milk", "", "oat milk"])
    # " milk " has 4 + 3 + 2 runs, a word and a piece; " oat " 3 + 2 + 1, a word and a piece; and there is a pair.
    assert rows.shape == (3, 11 + 8 + 1)
    assert (rows != features.filler).sum(axis=1).tolist() == [11, 0, 20]
    assert (rows[0, :11] != features.filler).all()
    assert rows[0, :11].tolist() == read(features, "milk")


def test_texts_without_features_are_fillers(features: Features) -> None:
    assert features([""]).tolist() == [[features.filler] * 4]
    assert features(["", ""]).tolist() == [[features.filler] * 4] * 2
    assert features([]).shape == (0, 4)


def test_unknown_words_and_signs_have_grams_of_their_own(features: Features) -> None:
    lemon, soda = features(["🍋"]), features(["🥤"])
    assert 0 in lemon and 0 in soda
    assert Counter(lemon[0].tolist()) != Counter(soda[0].tolist())


def test_lone_surrogates_have_grams_and_no_piece(features: Features) -> None:
    assert read(features, "\ud800") == grams("\ud800")
    assert PIECES.index("milk") in features(["milk \udfff"])[0]


def test_only_256_characters_are_read(features: Features) -> None:
    # 52 words and their spaces are 259 characters: of the last word "mi" is left, which is unknown.
    rows = read(features, "milk " * 51 + "milk and more " * 100)
    assert Counter(rows)[2] == 51 and Counter(rows)[0] == 1
    assert rows == read(features, ("milk " * 52)[:256])


@given(st.lists(st.text(st.characters(codec=None, categories=None), max_size=30), min_size=1, max_size=4))
def test_a_text_is_read_alike_alone_and_among_others_and_again(features: Features, texts: list[str]) -> None:
    together = features(texts)
    assert (together >= 0).all() and (together < features.rows).all()
    assert (features(texts) == together).all()
    for text, rows in zip(texts, together, strict=True):
        [alone] = features([text])
        assert rows[: len(alone)].tolist() == alone.tolist()
        assert (rows[len(alone) :] == features.filler).all()


def test_a_vocabulary_with_holes_keeps_pieces_and_grams_apart(tmp_path: Path) -> None:
    features = Features(save(tmp_path, Tokenizer(WordLevel({"[UNK]": 0, "milk": 9}, unk_token="[UNK]"))), bits=BITS)
    assert features.rows == 10 + 4096 + 1
    [rows] = features(["milk"])
    assert Counter(rows.tolist())[9] == 1 and sorted(rows.tolist())[1] >= 10


def test_what_was_read_is_let_go_of_before_it_is_too_much(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, fresh = Features(folder, bits=BITS), Features(folder, bits=BITS)
    monkeypatch.setattr("release.student.features._MOST_KEPT", 100)
    for i in range(50):
        text = f"milk word{i} ale{i}"
        assert features([text]).tolist() == fresh([text]).tolist()
        assert sum(len(word.rows) for word in features._known.values()) < 100 + 60


def test_threads_that_read_at_once_read_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, fresh = Features(folder, bits=BITS), Features(folder, bits=BITS)
    monkeypatch.setattr("release.student.features._MOST_KEPT", 200)
    texts = [[f"oat milk{i % 37} ale{i % 11}", f"gin{i % 5}"] for i in range(400)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(features, texts))
    assert all((rows == fresh(some)).all() for rows, some in zip(found, texts, strict=True))


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1, 2", b"\xff\xfe", b'{"version": "1.0", "model": null}'])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ReleaseError, match="tokenizer.json cannot be read") as caught:
        Features(tmp_path, bits=BITS)
    assert caught.value.hint
