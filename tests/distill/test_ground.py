"""Which texts of a shop the student learns to embed, where there is room for all of them and where there is not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from distill import ground  # noqa: E402
from distill.corpus import Sold  # noqa: E402
from distill.ground import Ground  # noqa: E402
from distill.split import Lessons, split_labels  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402
from prompts.increment import unseen_context  # noqa: E402

NAMES = "food milk tea pets dogs cats".split()
OF_TREE = {*NAMES, "food milk", "food tea", "pets dogs", "pets cats"}
SOLD = ("milk", "tea", "dogs", "cats")


class Letters:
    """In the place of the sentence encoder: counts letters."""

    def encode(self, texts: Sequence[str], progress: Callable[[int], None]) -> np.ndarray:
        counts = np.array([[1 + text.count(letter) for letter in "acdeghikmorst"] for text in texts], dtype=np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch, toy: Taxonomy, tokenizer_folder: Path) -> Callable[[int, int, int], Ground]:
    """Prepares a shop with so many queries, products and texts at most."""

    def made(queries: int, products: int, most: int) -> Ground:
        sold = [
            Sold(title=("title", f"t{i}"), brand="", attributes=(), category_id=SOLD[i % 4]) for i in range(products)
        ]
        asked = ["milk", *(f"asked {i}" for i in range(queries))]
        contexts = [unseen_context(query, 1000 - i) for i, query in enumerate(asked)]
        lessons = Lessons(taxonomy=toy, locale="en", sold=sold, brands=[], contexts=contexts, labels=[], gold=[])
        return Ground.of(
            lessons,
            split_labels(lessons),
            tokenizer_folder,
            dimension=8,
            bits=6,
            texts=most,
            pseudo=0,
            epochs=0,
            rng=random.Random(0),
            tell=lambda *_: None,
        )

    monkeypatch.setattr(ground, "Sentences", Letters)
    return made


def test_where_there_is_room_for_all_they_are_there_in_their_order(of: Callable[[int, int, int], Ground]) -> None:
    found = of(30, 20, 60)
    assert set(found.corpus.texts[:10]) == OF_TREE
    assert found.corpus.texts[10:] == [*(f"asked {i}" for i in range(30)), *(f"title t{i}" for i in range(20))]


def test_a_large_log_gives_what_is_most_searched_and_leaves_half_to_the_catalogue(
    of: Callable[[int, int, int], Ground],
) -> None:
    found = of(300, 80, 50)
    texts = found.corpus.texts
    assert len(texts) == len(set(texts)) == 50
    assert set(texts[:10]) == OF_TREE
    assert texts[10:30] == [f"asked {i}" for i in range(20)]
    titles = [int(text.removeprefix("title t")) for text in texts[30:]]
    # A category has a view of its products from one title on; food and pets sell nothing themselves.
    seen = {SOLD[i % 4] for i in titles}
    lengths = dict(zip(found.tree.ids, found.views.titles.norm(dim=1).tolist(), strict=True))
    assert seen and {name for name, length in lengths.items() if length == pytest.approx(1)} == seen
    assert {name for name, length in lengths.items() if length == 0} == {*NAMES} - seen


@pytest.mark.parametrize(("queries", "products", "of_log"), [(300, 5, 35), (5, 300, 5), (0, 300, 0), (300, 0, 40)])
def test_what_one_of_them_does_not_need_is_the_others(
    of: Callable[[int, int, int], Ground], queries: int, products: int, of_log: int
) -> None:
    texts = of(queries, products, 50).corpus.texts
    assert len(texts) == 50
    assert texts[10 : 10 + of_log] == [f"asked {i}" for i in range(of_log)]
    assert all(text.startswith("title") for text in texts[10 + of_log :])


def test_names_of_categories_are_there_whatever_the_room(of: Callable[[int, int, int], Ground]) -> None:
    assert set(of(30, 20, 5).corpus.texts) == OF_TREE
