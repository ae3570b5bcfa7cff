"""The trained student as ONNX, in three precisions, and the proof that they say the same.

- ``fp32`` is what was trained;
- ``int8`` is served on the CPU: a scale for each row of the table and for each category, sums in integers;
- ``fp16`` is for CUDA, with the output layer in fp32, where small differences decide.

The batch and the number of features are dynamic in all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.nn import functional

from distill.network import Network
from distill.table import FeatureTable
from domain.errors import QuerywiseError
from release.student import Features

__all__ = ["Parity", "Precision", "Weights", "check_parity", "weights_of", "write_onnx"]

Precision = Literal["fp32", "int8", "fp16"]
Floats = npt.NDArray[np.float32]

_OPSET = 21
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """The trained numbers: (rows, d), (d, categories + 1), (categories + 1,), (d, 4), (4,), all float32."""

    table: Floats
    categories: Floats
    offsets: Floats
    specific: Floats
    specific_offsets: Floats


def weights_of(network: Network, table: FeatureTable) -> Weights:
    """Return what is needed to answer; the scale is worked in."""
    with torch.no_grad():
        vectors = torch.cat([network.categories(), network.none[None]])
        offsets = torch.zeros(len(vectors))
        offsets[-1] = network.none_bias
        return Weights(
            table=table.weight.numpy(),
            categories=(network.scale * vectors).T.contiguous().numpy(),
            offsets=offsets.numpy(),
            specific=network.specific.weight.T.contiguous().numpy(),
            specific_offsets=network.specific.bias.numpy(),
        )


def write_onnx(weights: Weights, path: Path, precision: Precision) -> None:
    """Write a model of rows, (batch, features) int32, to embedding, probabilities and specificities, all float32."""
    nodes, tensors = _bag(weights.table, precision)
    nodes += [
        helper.make_node("ReduceL2", ["summed", "features_axis"], ["length"], keepdims=1),
        helper.make_node("Max", ["length", "least"], ["safe"]),
        helper.make_node("Div", ["summed", "safe"], ["embedding"]),
    ]
    tensors |= {"features_axis": np.array([1], dtype=np.int64), "least": np.array(1e-12, dtype=np.float32)}
    output, more = _output(weights, precision)
    nodes += output
    tensors |= more
    nodes += [
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
        helper.make_node("Gemm", ["embedding", "specific", "specific_offsets"], ["specific_logits"]),
        helper.make_node("Softmax", ["specific_logits"], ["specificities"], axis=-1),
    ]
    tensors |= {"specific": weights.specific, "specific_offsets": weights.specific_offsets}
    sizes = {
        "embedding": weights.table.shape[1],
        "probabilities": weights.offsets.shape[0],
        "specificities": weights.specific_offsets.shape[0],
    }
    graph = helper.make_graph(
        nodes,
        "student",
        [helper.make_tensor_value_info("rows", TensorProto.INT32, ["batch", "features"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in sizes.items()],
        [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _bag(table: Floats, precision: Precision) -> tuple[list[onnx.NodeProto], dict[str, npt.NDArray[np.generic]]]:
    """Return the sum of the rows' vectors."""
    if precision != "int8":
        add = helper.make_node("ReduceSum", ["gathered", "features_axis"], ["summed"], keepdims=0)
    if precision == "fp32":
        return [helper.make_node("Gather", ["table", "rows"], ["gathered"]), add], {"table": table}
    if precision == "fp16":
        cast = helper.make_node("Cast", ["half"], ["gathered"], to=TensorProto.FLOAT)
        return [helper.make_node("Gather", ["table", "rows"], ["half"]), cast, add], {"table": table.astype(np.float16)}
    scales = np.maximum(np.abs(table).max(axis=1) / 127, 1e-12).astype(np.float32)
    quantised = np.rint(table / scales[:, None]).astype(np.int8)
    nodes = [
        helper.make_node("Gather", ["table", "rows"], ["small"]),
        helper.make_node("Cast", ["small"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["scales", "rows"], ["scale"]),
        # A product for each text: ReduceSum adds in another order for one text than for many, and a sum that differs in
        # its last digit is another step of the eight bits that follow.
        helper.make_node("Unsqueeze", ["scale", "features_axis"], ["scale_row"]),
        helper.make_node("MatMul", ["scale_row", "whole"], ["summed_row"]),
        helper.make_node("Squeeze", ["summed_row", "features_axis"], ["summed"]),
    ]
    return nodes, {"table": quantised, "scales": scales}


def _output(weights: Weights, precision: Precision) -> tuple[list[onnx.NodeProto], dict[str, npt.NDArray[np.generic]]]:
    """Return the logits of the categories."""
    if precision != "int8":
        node = helper.make_node("Gemm", ["embedding", "categories", "offsets"], ["logits"])
        return [node], {"categories": weights.categories, "offsets": weights.offsets}
    # One scale for all texts, where the library's dynamic quantisation has one for each batch: an answer must not
    # depend on what it is asked together with. Hardly a number of a unit vector is four times as large as most.
    reach = np.float32(min(1.0, 4 / len(weights.categories) ** 0.5))
    # In seven bits, because pairs of products of eight saturate on processors without VNNI.
    step, zero = reach / np.float32(63), np.uint8(64)
    nodes = [
        helper.make_node("Clip", ["embedding", "lowest", "highest"], ["clipped"]),
        helper.make_node("QuantizeLinear", ["clipped", "step", "zero"], ["embedding8"]),
        helper.make_node("MatMulInteger", ["embedding8", "categories", "zero"], ["products"]),
        helper.make_node("Cast", ["products"], ["sums"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sums", "category_steps"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offsets"], ["logits"]),
    ]
    scales = np.maximum(np.abs(weights.categories).max(axis=0) / 127, 1e-12).astype(np.float32)
    quantised = np.rint(weights.categories / scales).astype(np.int8)
    tensors = {"categories": quantised, "category_steps": scales * step, "offsets": weights.offsets}
    constants = {"lowest": -reach, "highest": reach, "step": step, "zero": zero}
    return nodes, tensors | {name: np.array(value) for name, value in constants.items()}


@dataclass(frozen=True, kw_only=True)
class Parity:
    """How an exported model differs from the trained one.

    Attributes:
        precision: Of the export.
        texts: How many were compared.
        flips: Share of them whose likeliest category is another one.
        largest: Largest difference of any probability.
        megabytes: Size of the file.
    """

    precision: Precision
    texts: int
    flips: float
    largest: float
    megabytes: float


def check_parity(
    network: Network,
    table: FeatureTable,
    features: Features,
    path: Path,
    texts: Sequence[str],
    *,
    precision: Precision,
    most: float,
) -> Parity:
    """Compare an export with the model it was made of.

    Args:
        network: What was trained.
        table: What was trained with it.
        features: Of the texts.
        path: The export.
        texts: What to compare on.
        precision: Of the export.
        most: Share of texts whose likeliest category may change.

    Raises:
        QuerywiseError: when more change.
    """
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network.eval()
    flips, largest = 0, 0.0
    for start in range(0, len(texts), _AT_ONCE):
        rows = features(texts[start : start + _AT_ONCE])
        exported = session.run(["probabilities"], {"rows": rows})[0]
        with torch.no_grad():
            embeddings = functional.normalize(table.bag(rows).sums, dim=1)
            trained = network.logits(embeddings).softmax(1).numpy()
        flips += int((exported.argmax(1) != trained.argmax(1)).sum())
        largest = max(largest, float(np.abs(exported - trained).max()))
    parity = Parity(
        precision=precision,
        texts=len(texts),
        flips=flips / len(texts) if texts else 0.0,
        largest=largest,
        megabytes=path.stat().st_size / 1e6,
    )
    if parity.flips > most:
        raise QuerywiseError(
            f"as {precision}, {parity.flips:.2%} of {parity.texts} queries get another category; {most:.2%} may",
            hint="allow more with --max-flips, or train longer",
        )
    return parity
