"""The sentence encoder in batches reads as it does text by text, and a few steps bring queries to their categories."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("all_minilm_l6_v2")

from distill.assistant import Assistant, category_texts  # noqa: E402
from distill.examples import NONE, Example  # noqa: E402
from distill.noise import Noise  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402

EXACT = Noise(slips={"drop": 1.0}, replaced={}, mistyped=0.0, shortened=0.0, shuffled=0.0)


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant()


def test_thirty_three_texts_are_encoded_as_one_by_one_and_in_their_order(assistant: Assistant) -> None:
    texts = ["", "緑茶 🍵", "milk " * 200, *(f"{'organic ' * (i % 5)}milk {i}" for i in range(30))]
    together = assistant.encode(texts)
    assert together.shape == (33, 384)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(33), abs=1e-5)
    for i in (0, 2, 32):
        assert assistant.encode([texts[i]])[0] == pytest.approx(together[i], abs=2e-2)
    # Each is nearest to itself, so none has changed places.
    assert (together @ together.T).argmax(1).tolist() == [*range(33)]


def test_no_text_gives_no_vector(assistant: Assistant) -> None:
    seen: list[int] = []
    assert assistant.encode([], seen.append).shape == (0, 384)
    assert seen == []


def test_categories_are_read_with_where_they_lie(toy: Taxonomy) -> None:
    assert category_texts(toy) == ["food", "milk in food", "tea in food", "pets", "dogs in pets", "cats in pets"]


def loss(assistant: Assistant, taxonomy: Taxonomy, examples: list[Example]) -> float:
    logits = 20 * assistant.encode([e.query for e in examples]) @ assistant.encode(category_texts(taxonomy)).T
    logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    rows = {category_id: i for i, category_id in enumerate(taxonomy)}
    found = [sum(s * logs[at, rows[i]] for i, s in e.shares.items()) for at, e in enumerate(examples)]
    return -float(np.mean(found))


def test_tuning_brings_queries_to_their_categories(toy: Taxonomy) -> None:
    # Words whose category only the shop knows.
    words = {"zorb": "milk", "quilp": "tea", "vexil": "dogs", "brant": "cats"}
    examples = [Example(query=word, shares={i: 1.0}, source="labels") for word, i in words.items()]
    nothing = Example(query="asdf", shares={NONE: 1.0}, source="nonsense")
    assistant = Assistant()
    before = loss(assistant, toy, examples)
    seen: list[int] = []
    assistant.tune(
        [*examples, nothing], [], toy, noise=EXACT, rng=random.Random(0), steps=2, batch=8, rate=2e-3, frozen=4,
        progress=seen.append,
    )  # fmt: skip
    assert loss(assistant, toy, examples) < before - 0.05
    assert seen == [1, 2]
    # What is drawn from the catalogue is learnt from alone as well, and nothing at all leaves the encoder as it is.
    assistant.tune([], examples, toy, noise=EXACT, rng=random.Random(0), steps=1, batch=4)
    kept = assistant.encode(["zorb"])
    assistant.tune([nothing], [], toy, noise=EXACT, rng=random.Random(0), steps=1)
    assert np.array_equal(assistant.encode(["zorb"]), kept)
