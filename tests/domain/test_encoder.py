"""The sentence encoder as it is served: unit vectors, whatever the text and whatever stands beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.encoder import ENCODER_FILES, Encoder
from domain.errors import StageMissing

TEXTS = [
    "milk",
    "whole milk half gallon",
    "",
    "1% milk",
    "日本の緑茶",
    "🍋",
    "a b c d e f g h i j k l m n o p q r s t u v w x",
]


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> Encoder:
    return Encoder(encoder_folder)


def test_every_text_becomes_a_unit_vector(encoder: Encoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((7, 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(7), abs=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours_or_its_place(encoder: Encoder) -> None:
    # More than one batch, in an order that is not by length: every text has to come back to its own row.
    texts = [f"{TEXTS[i % 7]} {i}" for i in range(150)]
    vectors = encoder.encode(texts)
    for i in (0, 1, 63, 64, 127, 128, 149):
        assert encoder.encode([texts[i]])[0] == pytest.approx(vectors[i], abs=1e-5)


def test_what_is_alike_is_near(encoder: Encoder) -> None:
    soda, cola, dog = encoder.encode(["soft drink", "cola", "puppy food"])
    assert soda @ cola > 0.4 > 0.3 > soda @ dog


def test_no_text_is_no_vector(encoder: Encoder) -> None:
    assert len(encoder.encode([])) == 0


def test_only_the_start_of_a_very_long_text_is_read(encoder: Encoder) -> None:
    # 32 tokens, the first and the last of which are marks.
    [thirty, more, endless] = encoder.encode(["tea " * 30, "tea " * 30 + "dog", "tea " * 100_000])
    assert more == pytest.approx(thirty, abs=1e-5)
    assert endless == pytest.approx(thirty, abs=1e-5)
    [shorter] = encoder.encode(["tea " * 29 + "dog"])
    assert float(shorter @ thirty) < 0.999


def test_control_characters_and_marks_raise_nothing(encoder: Encoder) -> None:
    vectors = encoder.encode(["\x00\x07", "[CLS] [SEP] [MASK]", "\u202e\u200b", "\n\t "])
    assert np.isfinite(vectors).all()


def test_threads_do_not_change_what_is_said(encoder_folder: Path, encoder: Encoder) -> None:
    assert Encoder(encoder_folder, threads=1).encode(TEXTS) == pytest.approx(encoder.encode(TEXTS), abs=1e-5)


@pytest.mark.parametrize("missing", ENCODER_FILES)
def test_a_missing_file_is_named_with_the_command_that_writes_it(tmp_path: Path, missing: str) -> None:
    for name in ENCODER_FILES:
        if name != missing:
            (tmp_path / name).write_bytes(b"")
    with pytest.raises(StageMissing, match=missing.replace(".", r"\.")) as caught:
        Encoder(tmp_path)
    assert "querywise index" in caught.value.hint
