"""The trained filter of bad matches as ONNX, and the proof that it says the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from distill.match_network import FARTHEST, MatchNetwork, Scaling
from domain.errors import QuerywiseError
from release.match_features import Matrix

__all__ = ["check_match_parity", "match_onnx"]

_OPSET: Final = 21
_PARITY: Final = 1e-4


def match_onnx(networks: Sequence[MatchNetwork], scaling: Scaling, slope: float, intercept: float) -> bytes:
    """Return a model of `signs`, (offers, signs) float32, to `chances`, (offers,) float32: all networks as one."""
    with torch.no_grad():
        tensors = {
            "mean": scaling.mean,
            "factor": scaling.factor,
            "nearest": np.array(-FARTHEST, dtype=np.float32),
            "farthest": np.array(FARTHEST, dtype=np.float32),
            "first": torch.cat([network.first.weight for network in networks]).T.numpy(),
            "first_offsets": torch.cat([network.first.bias for network in networks]).numpy(),
            "last": torch.cat([network.last.weight for network in networks], 1).T.numpy() * slope / len(networks),
            "last_offset": np.array([_offset(networks, slope, intercept)]),
            "unit": np.array([1], dtype=np.int64),
        }
    nodes = [
        helper.make_node("Sub", ["signs", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "factor"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "nearest", "farthest"], ["read"]),
        helper.make_node("Gemm", ["read", "first", "first_offsets"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "last", "last_offset"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["column"]),
        helper.make_node("Squeeze", ["column", "unit"], ["chances"]),
    ]
    values = {name: given if given.dtype == np.int64 else given.astype(np.float32) for name, given in tensors.items()}
    graph = helper.make_graph(
        nodes,
        "match",
        [helper.make_tensor_value_info("signs", TensorProto.FLOAT, ["offers", len(scaling.mean)])],
        [helper.make_tensor_value_info("chances", TensorProto.FLOAT, ["offers"])],
        [numpy_helper.from_array(np.ascontiguousarray(given), name) for name, given in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _offset(networks: Sequence[MatchNetwork], slope: float, intercept: float) -> float:
    return slope * sum(float(network.last.bias) for network in networks) / len(networks) + intercept


def check_match_parity(
    model: bytes, networks: Sequence[MatchNetwork], inputs: Matrix, slope: float, intercept: float
) -> float:
    """Return the largest difference of a chance between the export and the networks it was made of.

    Raises:
        QuerywiseError: when it is over a ten-thousandth.
    """
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    [exported] = session.run(None, {"signs": inputs})
    logits = np.mean([network.score(inputs) for network in networks], axis=0)
    largest = float(np.abs(exported - 1 / (1 + np.exp(-(slope * logits + intercept)))).max())
    if not largest <= _PARITY:
        raise QuerywiseError(
            f"the filter's export differs from what was trained by {largest:.1e}", hint="train it with another --seed"
        )
    return largest
