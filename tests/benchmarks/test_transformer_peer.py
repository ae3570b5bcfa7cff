"""A transformer of a layer learns where the student's table would, and its exports say what it says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("all_minilm_l6_v2")

from benchmarks.students.transformer_peer import (  # noqa: E402
    Answering,
    Layers,
    Tokens,
    export,
    open_transformer,
)
from distill.encoder import load_transformer  # noqa: E402
from distill.network import Network, Views  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from release.student import Tree  # noqa: E402

TEXTS = ["oat milk", "", "organic whole grain cereal with nuts and raisins", "tea", "🍵 緑茶"]
DIMENSION = 8


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    load_transformer().tokenizer.save(str(file))
    return file


@pytest.fixture(scope="module")
def layers() -> Layers:
    torch.manual_seed(0)
    return Layers(1, DIMENSION)


def test_texts_read_together_are_what_each_is_alone_in_their_order(layers: Layers, tokenizer: Path) -> None:
    tokens = Tokens(tokenizer)
    together = layers.bag(tokens(TEXTS)).sums
    for i, text in enumerate(TEXTS):
        alone = layers.bag(tokens([text])).sums[0]
        assert together[i].detach().numpy() == pytest.approx(alone.detach().numpy(), abs=2e-2)


def test_it_starts_from_the_map_that_fits_and_learns_by_the_gradient_of_its_sums(
    layers: Layers, tokenizer: Path
) -> None:
    ids = Tokens(tokenizer)(TEXTS)
    wanted = torch.randn(len(TEXTS), DIMENSION, generator=torch.Generator().manual_seed(0))
    layers.start(ids, wanted)
    assert layers.bag(ids).sums.detach().numpy() == pytest.approx(wanted.numpy(), abs=0.1)
    missed = []
    for _ in range(30):
        read = layers.bag(ids)
        loss = ((read.sums + wanted) ** 2).mean()  # the opposite of where it stands
        loss.backward()
        layers.step(read, 1e-2)
        missed.append(loss.item())
    assert missed[-1] < 0.5 * missed[0]


def test_exports_rank_as_what_was_trained(layers: Layers, tokenizer: Path, tmp_path: Path) -> None:
    rows = [("food", None), ("milk", "food"), ("tea", "food"), ("pets", None), ("dogs", "pets")]
    taxonomy = Taxonomy(Node(category_id=child, parent_id=parent, name=child) for child, parent in rows)
    tree = Tree.of(taxonomy)
    generator = torch.Generator().manual_seed(0)
    views = [torch.nn.functional.normalize(torch.randn(5, DIMENSION, generator=generator), dim=1) for _ in range(3)]
    network = Network(Views(names=views[0], paths=views[1], titles=views[2]), tree)
    # Weights that nothing was learnt with say nothing of how much eight bits lose.
    layers.start(Tokens(tokenizer)(TEXTS), torch.randn(len(TEXTS), DIMENSION, generator=generator))
    export(Answering(layers.reader, network).eval(), tmp_path)
    with torch.no_grad():
        embeddings = torch.nn.functional.normalize(layers.bag(Tokens(tokenizer)(TEXTS)).sums, dim=1)
        trained = network.logits(embeddings).softmax(1).numpy()
    for precision, near in (("fp32", 0.05), ("int8", 0.15)):
        rankings = open_transformer(tmp_path, precision, tokenizer, tree)(TEXTS)
        for row, ranking in zip(trained, rankings, strict=True):
            chances = dict(zip((*tree.ids, ""), row.tolist(), strict=True))
            assert ranking.chances == pytest.approx([chances[i] for i in ranking.ids], abs=near)
            assert np.all(np.diff(ranking.chances) <= 0) and len(ranking.ids) == 4
