"""On a toy shop training brings the loss down and answers what it was taught, the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from distill.examples import NONE, Example, nonsense  # noqa: E402
from distill.fit import Corpus, Recipe, fit_embedding, fit_examples  # noqa: E402
from distill.network import Network, Views  # noqa: E402
from distill.noise import Noise  # noqa: E402
from distill.table import FeatureTable  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402
from release.student import SPECIFICITIES, Features, Tree  # noqa: E402

functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("one_thread")

DIMENSION = 16
WORDS = {
    "food": "groceries pantry eatables provisions staples supper meals larder ingredients",
    "milk": "dairy cream skimmed whole lactose carton uht barista oat",
    "tea": "chai green leaves earl assam darjeeling sencha rooibos infusion",
    "pets": "animals aquarium hamster parrot cage terrarium hutch budgie gerbil",
    "dogs": "puppy kibble leash bone collar terrier chew kennel beagle",
    "cats": "kitten litter scratcher catnip whiskers tabby siamese purr mouser",
}
EXACT = Noise(slips={"drop": 1.0}, replaced={}, mistyped=0.0, shortened=0.0, shuffled=0.0)
RECIPE = Recipe(mix={"labels": 0.8, "nonsense": 0.2}, steps=60, batch=32, rate=5e-3)


def vectors(count: int, seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(count, DIMENSION, generator=torch.Generator().manual_seed(seed)), dim=1)


def labels() -> list[Example]:
    """Return nine queries for each of six categories, with six that mean nothing: 60 examples."""
    specificities = dict(zip(WORDS, (*SPECIFICITIES, None, None), strict=True))
    return [
        Example(query=word, shares={i: 1.0}, source="labels", specificity=specificities[i])
        for i, words in WORDS.items()
        for word in words.split()
    ]


class Lesson:
    """A toy shop's student before it has learnt anything."""

    def __init__(self, folder: Path, taxonomy: Taxonomy) -> None:
        self.tree = Tree.of(taxonomy)
        self.features = Features(folder, bits=10)
        self.table = FeatureTable(self.features.rows, DIMENSION, seed=0)
        self.network = Network(Views(names=vectors(6, 1), paths=vectors(6, 2), titles=vectors(6, 3)), self.tree)
        self.examples = {"labels": labels(), "nonsense": nonsense(random.Random(9), 6), "behaviour": []}
        texts = [example.query for example in labels()]
        self.corpus = Corpus(texts=texts, vectors=vectors(len(texts), 4).numpy())

    def fit(self, recipe: Recipe = RECIPE, seed: int = 0, corpus: Corpus | None = None) -> float:
        return fit_examples(
            self.network,
            self.table,
            self.features,
            self.examples,
            corpus or self.corpus,
            self.tree,
            recipe=recipe,
            noise=EXACT,
            rng=random.Random(seed),
        )

    def embed(self, epochs: int, seed: int = 0, batch: int = 16) -> float:
        return fit_embedding(
            self.table, self.features, self.corpus, noise=EXACT, rng=random.Random(seed), epochs=epochs, batch=batch
        )

    def answers(self, texts: list[str]) -> list[str]:
        with torch.no_grad():
            logits = self.network.logits(functional.normalize(self.table.bag(self.features(texts)).sums, dim=1))
        return [(*self.tree.ids, NONE)[row] for row in logits.argmax(1).tolist()]


@pytest.fixture
def lesson(tokenizer_folder: Path, toy: Taxonomy) -> Lesson:
    return Lesson(tokenizer_folder, toy)


def test_embeddings_come_near_their_vectors(lesson: Lesson) -> None:
    seen: list[int] = []
    first = lesson.embed(1)
    last = fit_embedding(
        lesson.table, lesson.features, lesson.corpus, noise=EXACT, rng=random.Random(0), epochs=12, batch=16,
        progress=seen.append,
    )  # fmt: skip
    assert first < 0.5
    assert last > 0.9
    # 54 texts in batches of 16 are 4 batches.
    assert seen == [*range(1, 4 * 12 + 1)]


def test_no_text_is_no_lesson(lesson: Lesson) -> None:
    lesson.corpus = Corpus(texts=[], vectors=np.empty((0, DIMENSION), dtype=np.float32))
    before = lesson.table.weight.clone()
    assert lesson.embed(3) == 0.0
    assert torch.equal(lesson.table.weight, before)


def test_the_loss_falls_and_what_was_taught_is_answered(lesson: Lesson) -> None:
    taught = [*lesson.examples["labels"], *lesson.examples["nonsense"]]
    assert len(taught) == 60
    queries, right = [e.query for e in taught], [next(iter(e.shares)) for e in taught]
    before = sum(map(str.__eq__, lesson.answers(queries), right))
    first = lesson.fit(replace(RECIPE, steps=1, anchor=0.0))
    last = lesson.fit(replace(RECIPE, steps=120, anchor=0.0))
    assert before < 30
    assert last < first / 3
    assert lesson.answers(queries) == right


def test_specificities_are_learnt_beside(lesson: Lesson) -> None:
    lesson.fit(replace(RECIPE, steps=120, anchor=0.0))
    known = [e for e in lesson.examples["labels"] if e.specificity is not None]
    with torch.no_grad():
        sums = lesson.table.bag(lesson.features([e.query for e in known])).sums
        found = lesson.network.specific(functional.normalize(sums, dim=1)).argmax(1)
    assert np.mean([SPECIFICITIES[i] == e.specificity for i, e in zip(found, known, strict=True)]) > 0.9


def test_an_anchor_keeps_what_was_embedded(lesson: Lesson, tokenizer_folder: Path, toy: Taxonomy) -> None:
    other = Lesson(tokenizer_folder, toy)
    kept = {}
    for name, one, anchor in (("anchored", lesson, 3.0), ("free", other, 0.0)):
        one.embed(12)
        one.fit(replace(RECIPE, anchor=anchor))
        with torch.no_grad():
            embedded = functional.normalize(one.table.bag(one.features(list(one.corpus.texts))).sums, dim=1)
        kept[name] = float((embedded * torch.from_numpy(one.corpus.vectors)).sum(1).mean())
    assert kept["anchored"] > kept["free"] + 0.05


def test_without_texts_there_is_nothing_to_stay_near(lesson: Lesson) -> None:
    nothing = Corpus(texts=[], vectors=np.empty((0, DIMENSION), dtype=np.float32))
    assert np.isfinite(lesson.fit(replace(RECIPE, steps=2), corpus=nothing))


def test_a_seed_gives_the_same_student(tokenizer_folder: Path, toy: Taxonomy) -> None:
    found = []
    for seed in (1, 1, 2):
        lesson = Lesson(tokenizer_folder, toy)
        cosine, loss = lesson.embed(2, seed), lesson.fit(replace(RECIPE, steps=10), seed)
        found.append((cosine, loss, lesson.table.weight, lesson.network.of_names.detach()))
        torch.rand(3)
    first, again, other = found
    assert first[:2] == again[:2]
    assert torch.equal(first[2], again[2])
    assert torch.equal(first[3], again[3])
    assert not torch.equal(first[2], other[2])
