"""An exported student says what the trained one says, whatever it is asked together with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402

from distill.export import Precision, check_parity, weights_of, write_onnx  # noqa: E402
from distill.network import Network, Views  # noqa: E402
from distill.table import FeatureTable  # noqa: E402
from domain.errors import QuerywiseError  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402
from release.student import Features, Tree  # noqa: E402

functional = torch.nn.functional
pytestmark = pytest.mark.usefixtures("one_thread")

DIMENSION = 64
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8", "fp16")
OUTPUTS = ["embedding", "probabilities", "specificities"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    network: Network
    table: FeatureTable
    features: Features
    paths: Mapping[str, Path]
    texts: list[str]

    def run(self, precision: Precision, rows: np.ndarray) -> list[np.ndarray]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # as it is served
        session = onnxruntime.InferenceSession(str(self.paths[precision]), options, providers=["CPUExecutionProvider"])
        return session.run(OUTPUTS, {"rows": rows})


@pytest.fixture(scope="module")
def trained(tokenizer_folder: Path, toy: Taxonomy, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    generator = torch.Generator().manual_seed(0)
    views = [functional.normalize(torch.randn(6, DIMENSION, generator=generator), dim=1) for _ in range(3)]
    network = Network(Views(names=views[0], paths=views[1], titles=views[2]), Tree.of(toy))
    with torch.no_grad():
        network.none.copy_(torch.randn(DIMENSION, generator=generator) * 0.1)
        network.none_bias.fill_(1.5)
        network.specific.weight.copy_(torch.randn(4, DIMENSION, generator=generator))
        network.specific.bias.copy_(torch.randn(4, generator=generator))
    features = Features(tokenizer_folder, bits=10)
    table = FeatureTable(features.rows, DIMENSION, seed=1)
    folder = tmp_path_factory.mktemp("export")
    for precision in PRECISIONS:
        write_onnx(weights_of(network, table), folder / f"{precision}.onnx", precision)
    rng = random.Random(0)
    texts = ["".join(rng.choices("abcdefgh milk", k=rng.randint(1, 30))).strip() for _ in range(599)]
    paths = {precision: folder / f"{precision}.onnx" for precision in PRECISIONS}
    return Trained(network=network, table=table, features=features, paths=paths, texts=[*texts, ""])


@pytest.mark.parametrize(
    ("precision", "most", "largest"), [("fp32", 0.0, 1e-5), ("int8", 0.02, 0.05), ("fp16", 0.005, 2e-3)]
)
def test_exports_answer_as_what_was_trained(
    trained: Trained, precision: Precision, most: float, largest: float
) -> None:
    found = check_parity(
        trained.network, trained.table, trained.features, trained.paths[precision], trained.texts,
        precision=precision, most=most,
    )  # fmt: skip
    assert (found.precision, found.texts) == (precision, 600)
    assert found.flips <= most
    assert found.largest <= largest
    assert found.megabytes == trained.paths[precision].stat().st_size / 1e6


def test_the_other_outputs_are_those_of_the_trained_model(trained: Trained) -> None:
    rows = trained.features(trained.texts)
    with torch.no_grad():
        embedding = functional.normalize(trained.table.bag(rows).sums, dim=1)
        specificities = trained.network.specific(embedding).softmax(1).numpy()
    for precision, near in (("fp32", 1e-5), ("fp16", 2e-3), ("int8", 0.02)):
        found = trained.run(precision, rows)
        assert found[0] == pytest.approx(embedding.numpy(), abs=near)
        assert found[2] == pytest.approx(specificities, abs=near)
        assert {output.dtype for output in found} == {np.dtype(np.float32)}
    assert not found[0][-1].any()  # the empty text


@pytest.mark.parametrize("precision", PRECISIONS)
def test_an_answer_does_not_depend_on_what_is_asked_with_it(trained: Trained, precision: Precision) -> None:
    # Texts whose vectors have different largest values: by one scale for the batch an answer would depend on others.
    texts = [*trained.texts[:40], " ".join(trained.texts[40:60]), *trained.texts[60:100]]
    together = trained.run(precision, trained.features(texts))
    # What is served on the CPU is the same to the last digit, whoever else asks.
    near = 0 if precision == "int8" else 1e-4
    for i, text in enumerate(texts):
        alone = trained.run(precision, trained.features([text]))
        assert [output[0] for output in alone] == [pytest.approx(output[i], abs=near, rel=0) for output in together]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_any_batch_goes_through_even_none(trained: Trained, precision: Precision) -> None:
    for texts in ([], [""], ["x"], trained.texts[:257]):
        shapes = [output.shape for output in trained.run(precision, trained.features(texts))]
        assert shapes == [(len(texts), DIMENSION), (len(texts), 7), (len(texts), 4)]
        assert all(np.isfinite(output).all() for output in trained.run(precision, trained.features(texts)))


def test_too_many_flips_are_refused(trained: Trained) -> None:
    start = trained.network.none_bias.item()
    with torch.no_grad():
        trained.network.none_bias.fill_(100.0)
    try:
        with pytest.raises(QuerywiseError, match=r"as fp32, .* of 600 queries get another category; 1.00% may"):
            check_parity(
                trained.network, trained.table, trained.features, trained.paths["fp32"], trained.texts,
                precision="fp32", most=0.01,
            )  # fmt: skip
    finally:
        with torch.no_grad():
            trained.network.none_bias.fill_(start)


def test_nothing_compared_is_nothing_flipped(trained: Trained) -> None:
    found = check_parity(
        trained.network, trained.table, trained.features, trained.paths["int8"], [], precision="int8", most=0.0
    )
    assert (found.texts, found.flips, found.largest) == (0, 0.0, 0.0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_file_is_the_same_byte_for_byte(trained: Trained, tmp_path: Path, precision: Precision) -> None:
    write_onnx(weights_of(trained.network, trained.table), tmp_path / "again.onnx", precision)
    assert (tmp_path / "again.onnx").read_bytes() == trained.paths[precision].read_bytes()


def test_each_precision_keeps_what_it_says(trained: Trained) -> None:
    float32, float16, int8 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8
    expected = {"fp32": (float32, float32), "fp16": (float16, float32), "int8": (int8, int8)}
    for precision in PRECISIONS:
        graph = onnx.load(trained.paths[precision]).graph
        kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
        assert (kinds["table"], kinds["categories"]) == expected[precision]
        assert kinds["specific"] == float32
        [rows] = graph.input
        assert [axis.dim_param for axis in rows.type.tensor_type.shape.dim] == ["batch", "features"]
        assert [output.type.tensor_type.shape.dim[0].dim_param for output in graph.output] == ["batch"] * 3
    sizes = [trained.paths[precision].stat().st_size for precision in ("fp32", "fp16", "int8")]
    assert sizes[0] > 1.7 * sizes[1] > 1.7 * 1.5 * sizes[2]
