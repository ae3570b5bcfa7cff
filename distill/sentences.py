"""What the sentence encoder makes of texts: too slow to serve on a CPU, it is what the student learns to embed from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from distill.encoder import load_transformer
from domain.encoder import Vectors

__all__ = ["Sentences"]

_TOKENS: Final = 24
_TOGETHER: Final = 128


class Sentences:
    """MiniLM as it comes."""

    def __init__(self) -> None:
        loaded = load_transformer()
        self._model, self._tokenizer = loaded.model.eval(), loaded.tokenizer
        self._tokenizer.enable_truncation(_TOKENS)
        # Few different shapes: the library prepares anew, and keeps what it prepared, for every one.
        self._tokenizer.enable_padding(pad_to_multiple_of=8)
        # Half precision where the processor has it, which is faster.
        self._half = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        """Return a unit vector for each text, (texts, 384) float32; 24 tokens are read."""
        vectors = np.empty((len(texts), self._model.config.hidden_size), dtype=np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with torch.no_grad():
            for start in range(0, len(texts), _TOGETHER):
                batch = by_length[start : start + _TOGETHER]
                vectors[batch] = self._forward([texts[i] for i in batch]).numpy()
                progress(start + len(batch))
        return vectors

    def _forward(self, texts: Sequence[str]) -> Tensor:
        filled = [*texts, *[""] * (-len(texts) % 32)]
        tokens = self._tokenizer.encode_batch(filled)
        ids = torch.tensor([t.ids for t in tokens])
        mask = torch.tensor([t.attention_mask for t in tokens])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._half):
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        kept = mask.unsqueeze(-1).float()
        return functional.normalize((hidden.float() * kept).sum(1) / kept.sum(1), dim=1)[: len(texts)]
