"""The sentence encoder in batches reads as it does text by text."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("all_minilm_l6_v2")

from distill.sentences import Sentences  # noqa: E402


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    return Sentences()


def test_thirty_three_texts_are_encoded_as_one_by_one_and_in_their_order(sentences: Sentences) -> None:
    texts = ["", "緑茶 🍵", "milk " * 200, *(f"{'organic ' * (i % 5)}milk {i}" for i in range(30))]
    together = sentences.encode(texts)
    assert together.shape == (33, 384)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(33), abs=1e-5)
    for i in (0, 2, 32):
        assert sentences.encode([texts[i]])[0] == pytest.approx(together[i], abs=2e-2)
    # Each is nearest to itself, so none has changed places.
    assert (together @ together.T).argmax(1).tolist() == [*range(33)]


def test_no_text_gives_no_vector(sentences: Sentences) -> None:
    seen: list[int] = []
    assert sentences.encode([], seen.append).shape == (0, 384)
    assert seen == []
