"""The trained tagger as ONNX, and the proof that it marks the same spans.

What is known of a piece and what is learnt of a word go into one table, in int8 with a scale for each row; the layers
above it stay as they were trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from distill.spans import TYPES, SpanExample
from distill.tagger_network import TaggerNetwork, TrainedTagger
from domain.errors import QuerywiseError
from domain.understanding import AnnotationType
from release.student.tagger import MODEL, Tagger, Values, write_tagger_about
from release.student.tags import best_tags, spans_of
from release.student.word_vectors import TABLE, write_table

__all__ = ["TaggerParity", "export_tagger"]

Array = npt.NDArray[np.generic]

_OPSET = 21
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class TaggerParity:
    """How an exported tagger differs from the trained one.

    Attributes:
        queries: How many were compared.
        differ: Share of them with a span that the other has not.
        megabytes: Size of the model and its table.
    """

    queries: int
    differ: float
    megabytes: float


def export_tagger(trained: TrainedTagger, folder: Path, values: Values, *, most: float = 0.005) -> TaggerParity:
    """Write `tagger.onnx`, `tagger.json`, `values.json` and `tagger.npz` beside the `tokenizer.json` of a folder.

    Args:
        trained: What to write.
        folder: Where.
        values: By type, the shop's forms of texts.
        most: Share of the queries that it was trained on whose spans may differ.

    Raises:
        QuerywiseError: when more differ.
    """
    features, network = trained.features, trained.network
    with torch.no_grad():
        table = np.zeros((features.rows, network.recipe.dimension), dtype=np.float32)
        table[: features.pieces] = network.project(trained.static).numpy()
        table[trained.words.touched.numpy()] = network.table.weight[1:].numpy()
        starts, ends, transitions = (t.numpy() for t in (network.openings, network.ends, network.transitions))
    write_table(folder, table)
    _write_onnx(network, folder / MODEL)
    write_tagger_about(
        folder,
        values,
        bits=features.bits,
        types=TYPES,
        starts=starts,
        ends=ends,
        transitions=transitions,
    )
    return _check_parity(trained, folder, most)


def _write_onnx(network: TaggerNetwork, path: Path) -> None:
    """Write a model of `vectors` and `there`, as `QueryVectors` says, to scores, (queries, words, tags) float32."""
    nodes = [
        *_convolution("vectors", "first"),
        helper.make_node("Mul", ["first_out", "there"], ["near"]),
        *_convolution("near", "second"),
        helper.make_node("Add", ["near", "second_out"], ["wide"]),
        helper.make_node("Concat", ["wide", "vectors"], ["joined"], axis=2),
        helper.make_node("MatMul", ["joined", "output"], ["products"]),
        helper.make_node("Add", ["products", "output_offsets"], ["scores"]),
    ]
    tensors: dict[str, Array] = {
        "ends": np.array([0, 1, 0, 0, 1, 0], dtype=np.int64),
        "words_axis": np.array([1], dtype=np.int64),
        "from_start": np.array([0], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
        "but_two": np.array([-2], dtype=np.int64),
        "to_end": np.array([np.iinfo(np.int64).max], dtype=np.int64),
        "output": _numbers(network.output.weight).T,
        "output_offsets": _numbers(network.output.bias),
    }
    for name, layer in (("first", network.first), ("second", network.second)):
        # (out, in, 3) to (3 x in, out): the word before, the word itself, the word behind.
        tensors[name] = _numbers(layer.weight).transpose(2, 1, 0).reshape(-1, layer.out_channels)
        tensors[f"{name}_offsets"] = _numbers(layer.bias)
    size, tags = network.recipe.dimension, 1 + 2 * len(TYPES)
    graph = helper.make_graph(
        nodes,
        "tagger",
        [
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["queries", "words", size]),
            helper.make_tensor_value_info("there", TensorProto.FLOAT, ["queries", "words", 1]),
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["queries", "words", tags])],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _convolution(given: str, name: str) -> list[onnx.NodeProto]:
    """Return a convolution as one product of a word and its neighbours: for few words faster than the operator."""
    return [
        helper.make_node("Pad", [given, "ends"], [f"{name}_padded"]),
        helper.make_node("Slice", [f"{name}_padded", "from_start", "but_two", "words_axis"], [f"{name}_before"]),
        helper.make_node("Slice", [f"{name}_padded", "two", "to_end", "words_axis"], [f"{name}_behind"]),
        helper.make_node("Concat", [f"{name}_before", given, f"{name}_behind"], [f"{name}_three"], axis=2),
        helper.make_node("MatMul", [f"{name}_three", name], [f"{name}_products"]),
        helper.make_node("Add", [f"{name}_products", f"{name}_offsets"], [f"{name}_sums"]),
        helper.make_node("Gelu", [f"{name}_sums"], [f"{name}_out"]),
    ]


def _numbers(values: torch.Tensor | None) -> npt.NDArray[np.float32]:
    assert values is not None
    return values.detach().numpy()


def _check_parity(trained: TrainedTagger, folder: Path, most: float) -> TaggerParity:
    tagger = Tagger(folder)
    differ = 0
    for start in range(0, len(trained.examples), _AT_ONCE):
        some = trained.examples[start : start + _AT_ONCE]
        exported = tagger.tag([example.query for example in some])
        for ours, theirs in zip(exported, _trained_spans(trained, some), strict=True):
            differ += [(a.start, a.end, a.type) for a in ours] != theirs
    compared = len(trained.examples)
    parity = TaggerParity(
        queries=compared,
        differ=differ / compared,
        megabytes=sum((folder / name).stat().st_size for name in (MODEL, TABLE)) / 1e6,
    )
    if parity.differ > most:
        raise QuerywiseError(
            f"exported, the tagger marks other spans in {parity.differ:.2%} of {compared} queries; {most:.2%} may"
        )
    return parity


def _trained_spans(
    trained: TrainedTagger, examples: Sequence[SpanExample]
) -> list[list[tuple[int, int, AnnotationType]]]:
    network = trained.network
    lengths = [len(example.words) for example in examples]
    with torch.no_grad():
        tags = best_tags(
            network(trained.words, trained.words.places(examples)).numpy(),
            lengths,
            starts=network.openings.numpy(),
            ends=network.ends.numpy(),
            transitions=network.transitions.numpy(),
        )
    found = []
    for example, row, length in zip(examples, tags.tolist(), lengths, strict=True):
        spans = spans_of(row[:length], example.places, TYPES)
        found.append([(span.start, span.end, span.type) for span in spans])
    return found
