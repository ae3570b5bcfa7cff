"""A sentence encoder tuned to the shop: too slow to serve on a CPU, it is what the student learns to embed from.

A teacher's few thousand labels teach a transformer more than they teach a bag of features, and what it has learnt can
then be asked of any text (Mirzadeh et al., "Improved knowledge distillation via teacher assistant", AAAI 2020). Queries
and categories go through the same encoder, so that what is learnt of one category helps with all others. Each query is
set against its own categories, those of the others in the batch, and the nearest wrong ones (Karpukhin et al., "Dense
passage retrieval for open-domain question answering", EMNLP 2020).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from distill.encoder import load_transformer
from distill.examples import NONE, Example
from distill.noise import Noise
from domain.encoder import Vectors
from domain.taxonomy import Taxonomy

__all__ = ["TUNED_AT_ONCE", "Assistant"]

TUNED_AT_ONCE = 96
"""Queries of a batch that the encoder is tuned on."""

_TOKENS = 24
_TOGETHER = 128
_SCALE = 20.0
_HARD = 4
_NEAREST = 20


class Assistant:
    """MiniLM as it comes, until it is tuned."""

    def __init__(self) -> None:
        loaded = load_transformer()
        self._model, self._tokenizer = loaded.model, loaded.tokenizer
        self._tokenizer.enable_truncation(_TOKENS)
        # Few different shapes: the library prepares anew, and keeps what it prepared, for every one.
        self._tokenizer.enable_padding(pad_to_multiple_of=8)
        # Half precision where the processor has it, which is faster.
        self._half = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())

    def tune(
        self,
        examples: Sequence[Example],
        pseudo: Sequence[Example],
        taxonomy: Taxonomy,
        *,
        noise: Noise,
        rng: random.Random,
        steps: int,
        batch: int = TUNED_AT_ONCE,
        share: float = 0.75,
        rate: float = 1e-4,
        frozen: int = 3,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Tune on examples, and on pseudo-queries for the rest of each batch.

        Args:
            examples: Queries with their categories; those with none teach nothing here.
            pseudo: Texts of the catalogue, likewise.
            taxonomy: The tree.
            noise: How texts are mistyped.
            rng: Draws batches.
            steps: Batches.
            batch: Queries of a batch.
            share: Share of a batch that are examples.
            rate: Highest learning rate; it rises over twenty steps and then falls to nothing.
            frozen: Layers, from the words up, that stay as they are.
            progress: Called with the number of batches done.
        """
        ids = list(taxonomy)
        texts = dict(zip(ids, category_texts(taxonomy), strict=True))
        right = [e for e in examples if NONE not in e.shares]
        if not right and not pseudo:
            return
        hard = self._hardest(right, ids, [texts[i] for i in ids])
        self._model.embeddings.requires_grad_(False)
        for layer in self._model.encoder.layer[:frozen]:
            layer.requires_grad_(False)
        optimiser = torch.optim.AdamW([p for p in self._model.parameters() if p.requires_grad], lr=rate)
        self._model.train()
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 20) * max(0.02, 1 - step / steps)
            drawn = rng.sample(right, min(len(right), round(batch * share)))
            drawn += rng.choices(pseudo, k=batch - len(drawn)) if pseudo else []
            near = (hard.get(e.query, ()) for e in drawn)
            wrong = (i for some in near for i in rng.sample(some, min(_HARD, len(some))))
            offered = list(dict.fromkeys([*(i for e in drawn for i in e.shares), *wrong]))
            place = {category_id: i for i, category_id in enumerate(offered)}
            target = torch.zeros(len(drawn), len(offered))
            for i, example in enumerate(drawn):
                for category_id, part in example.shares.items():
                    target[i, place[category_id]] = part
            queries = self._forward([noise(e.query, rng) for e in drawn])
            categories = self._forward([texts[i] for i in offered])
            loss = -(target * (_SCALE * queries @ categories.T).log_softmax(1)).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            progress(step + 1)
        self._model.eval()

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        """Return a unit vector for each text, (texts, 384) float32; 24 tokens are read."""
        self._model.eval()
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

    def _hardest(
        self, examples: Sequence[Example], ids: Sequence[str], texts: Sequence[str]
    ) -> Mapping[str, Sequence[str]]:
        """Return for each query the categories that the untuned encoder finds near and the teacher did not choose."""
        if not examples:
            return {}
        categories, queries = self.encode(texts), self.encode([e.query for e in examples])
        found = {}
        for example, vector in zip(examples, queries, strict=True):
            near = np.argsort(-(categories @ vector), kind="stable")[:_NEAREST]
            found[example.query] = [ids[i] for i in near if ids[i] not in example.shares]
        return found


def category_texts(taxonomy: Taxonomy) -> list[str]:
    """Return for each category its name and where it lies, as the assistant reads it."""
    texts = []
    for category_id in taxonomy:
        *above, name = taxonomy.path(category_id)
        texts.append(f"{name} in {' > '.join(above[-2:])}".lower() if above else name.lower())
    return texts
