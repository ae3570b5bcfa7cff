"""A sentence encoder on onnxruntime: the small embedding with which categories and products are retrieved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

from domain.errors import StageMissing

__all__ = ["ENCODER_FILES", "Encoder", "Vectors"]

Vectors = npt.NDArray[np.float32]

ENCODER_FILES = ("encoder.onnx", "tokenizer.json")
_MAX_TOKENS = 32
_BATCH = 64


class Encoder:
    """Text to unit vectors, by `encoder.onnx` (input_ids, attention_mask -> vectors) and `tokenizer.json` of a folder.

    Args:
        folder: Where the two files are.
        threads: Threads of one call; 0 takes every core.

    Raises:
        StageMissing: when a file is not there.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        for name in ENCODER_FILES:
            if not (folder / name).is_file():
                raise StageMissing(f"{folder / name} is not there", hint="run `querywise index` first")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(
            str(folder / "encoder.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, (len(texts), dimension) float32; only the first 32 tokens are read."""
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors: Vectors | None = None
        for start in range(0, len(texts), _BATCH):
            batch = by_length[start : start + _BATCH]
            tokens = self._tokenizer.encode_batch([texts[i] for i in batch])
            feed = {
                "input_ids": np.array([t.ids for t in tokens], dtype=np.int64),
                "attention_mask": np.array([t.attention_mask for t in tokens], dtype=np.int64),
            }
            [encoded] = self._session.run(None, feed)
            if vectors is None:
                vectors = np.empty((len(texts), encoded.shape[1]), dtype=np.float32)
            vectors[batch] = encoded
        return vectors if vectors is not None else np.empty((0, 0), dtype=np.float32)
