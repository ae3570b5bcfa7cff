"""The sentence encoder's first layers, taught what the student is taught, as a peer that is larger and slower.

Only what turns a text into a vector is another: the lessons, their mix and slips, the head and the loss are the
student's own code. It begins with the first layers of MiniLM and the linear map of their mean to the encoder's vectors
that is best by least squares, then learns to embed the shop's texts as the whole encoder does, then to answer.
"""

# ruff: noqa: TID253 - its classes need torch, and the page asks for this module only where it trains one

from __future__ import annotations

import copy
import random
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.students.bench import Bench
from benchmarks.students.ranking import Rank, Ranking, highest
from distill.encoder import load_transformer
from distill.examples import NONE
from distill.fit import fit_embedding
from distill.ground import Ground
from distill.network import Network
from distill.split import Split
from distill.student import Settings
from distill.table import FeatureTable
from querywise.distill import lessons_of
from release.student import Features, Tree

Ids = NDArray[np.int64]
Precision = Literal["fp32", "int8"]

_TOKENS = 24
_TOGETHER = 128
_EMBEDDING, _ANSWERING = 0.1, 0.4
"""Shares of the rates at which the table of the student's features learns, to embed and to answer."""
_WARM = 50
_SAMPLE = 4096


class Tokens:
    """Texts to ids of pieces of words, (texts, longest); 0 fills up, 24 are read."""

    def __init__(self, file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.enable_truncation(_TOKENS)
        self._tokenizer.enable_padding()

    def __call__(self, texts: Sequence[str]) -> Ids:
        return np.array([t.ids for t in self._tokenizer.encode_batch([*texts])], dtype=np.int64)


class Reader(nn.Module):
    """Ids and mask, (texts, longest), to the mapped mean of the last of few layers, (texts, dimension)."""

    def __init__(self, layers: int, dimension: int) -> None:
        super().__init__()
        self.transformer = load_transformer().model.eval()
        self.transformer.encoder.layer = self.transformer.encoder.layer[:layers]
        self.transformer.config.num_hidden_layers = layers
        self.transformer.pooler = None
        # On a CPU three times as fast to train as the library's fused attention.
        self.transformer.config._attn_implementation = "eager"
        # Labels say something of few words: the others must go on to mean what they mean beside them.
        self.transformer.embeddings.requires_grad_(False)
        self.map = nn.Linear(self.transformer.config.hidden_size, dimension)

    def mean(self, ids: Tensor, mask: Tensor) -> Tensor:
        hidden = self.transformer(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        kept = mask.unsqueeze(-1).float()
        mean: Tensor = (hidden * kept).sum(1) / kept.sum(1)
        return mean

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        made: Tensor = self.map(self.mean(ids, mask))
        return made


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """A batch: what was made of each text, a leaf that asks for its gradient, and the same with its graph."""

    sums: Tensor
    made: Tensor


class Layers:
    """Stands where the student has its table of features: reads a batch, and learns from the gradient of its sums."""

    def __init__(self, layers: int, dimension: int) -> None:
        self.reader = Reader(layers, dimension)
        self.share = _EMBEDDING
        self._begin()

    def _begin(self) -> None:
        self._learnt = [own for own in self.reader.parameters() if own.requires_grad]
        self._optimiser = torch.optim.AdamW(self._learnt, lr=0.0, weight_decay=0.01)
        self._steps = 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Layers:
        other = copy.copy(self)
        other.reader = copy.deepcopy(self.reader, memo)
        other._begin()
        return other

    def start(self, ids: Ids, vectors: Tensor) -> None:
        """Set the map to the one that is best by least squares from texts to their vectors."""
        with torch.no_grad():
            means = self._in_parts(ids, self.reader.mean)
            best = torch.linalg.lstsq(functional.pad(means, (0, 1), value=1.0), vectors).solution
            self.reader.map.weight.copy_(best[:-1].T)
            self.reader.map.bias.copy_(best[-1])

    def bag(self, ids: Ids) -> Read:
        """Read texts."""
        made = self._in_parts(ids, self.reader)
        return Read(sums=made.detach().requires_grad_(), made=made)

    def step(self, read: Read, rate: float) -> None:
        """Take a step by the gradient that the sums have got."""
        assert read.sums.grad is not None
        self._optimiser.zero_grad()
        read.made.backward(read.sums.grad)  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._learnt, 1.0)
        self._steps += 1
        for group in self._optimiser.param_groups:
            group["lr"] = self.share * rate * min(1.0, self._steps / _WARM)
        self._optimiser.step()

    def _in_parts(self, ids: Ids, make: Any) -> Tensor:
        """Read texts of a length together, or most of the time would go into filling up short ones."""
        lengths = (ids != 0).sum(1)
        order = np.argsort(lengths, kind="stable")
        made = []
        for start in range(0, len(order), _TOGETHER):
            part = order[start : start + _TOGETHER]
            own = torch.from_numpy(ids[part, : max(1, lengths[part].max())])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                made.append(make(own, (own != 0).long()))
        return torch.cat(made).float()[torch.from_numpy(np.argsort(order))]


class Answering(nn.Module):
    """Ids and mask to the probabilities of the categories and of none, (texts, categories + 1): what is exported."""

    vectors: Tensor
    offsets: Tensor

    def __init__(self, reader: Reader, network: Network) -> None:
        super().__init__()
        self.reader = reader
        vectors = torch.cat([network.categories(), network.none[None]]).detach()
        self.register_buffer("vectors", (network.scale.detach() * vectors).T.contiguous())
        offsets = torch.zeros(len(vectors))
        offsets[-1] = network.none_bias.detach()
        self.register_buffer("offsets", offsets)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        embedding = functional.normalize(self.reader(input_ids, attention_mask), dim=1)
        logits: Tensor = embedding @ self.vectors + self.offsets
        return logits.softmax(1)


def prepared(bench: Bench, gold: Path) -> Ground:
    """Return a shop prepared for teaching as for a student, less the training of a table that nothing asks."""
    settings = Settings()
    return Ground.of(
        lessons_of(bench.shop, gold),
        bench.split,
        bench.shop.index,
        dimension=settings.dimension,
        bits=1,
        texts=settings.texts,
        pseudo=settings.pseudo,
        epochs=0,
        rng=random.Random(settings.seed),
        tell=lambda *_: None,
    )


def train_transformer(ground: Ground, split: Split, layers: int, tokenizer: Path, folder: Path) -> float:
    """Train one on what a student learns, write `fp32.onnx` and `int8.onnx`, and return the seconds of the training.

    Args:
        ground: Of the shop; its own table is not used.
        split: Of its labels.
        layers: How many of the encoder's.
        tokenizer: The encoder's `tokenizer.json`.
        folder: Where to write.
    """
    settings, tokens = Settings(), Tokens(tokenizer)
    started = time.monotonic()
    rng = random.Random(settings.seed)
    torch.manual_seed(settings.seed)
    student = Layers(layers, ground.corpus.vectors.shape[1])
    places = rng.sample(range(len(ground.corpus.texts)), min(_SAMPLE, len(ground.corpus.texts)))
    texts = [ground.corpus.texts[i] for i in places]
    student.start(tokens(texts), torch.from_numpy(ground.corpus.vectors[places]))
    table, features = cast(FeatureTable, student), cast(Features, tokens)
    fit_embedding(table, features, ground.corpus, noise=ground.noise, rng=rng, epochs=settings.epochs)
    student.share = _ANSWERING
    own = replace(ground, table=table, features=features)
    taught = own.taught(split, settings.recipe, rng, lambda *_: None)
    seconds = time.monotonic() - started
    export(Answering(cast(Layers, taught.table).reader, taught.network).eval(), folder)
    return seconds


def export(model: Answering, folder: Path) -> None:
    """Write what was trained as ONNX, as it is and with the weights of its products in seven bits of eight."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    ids = torch.ones(2, 8, dtype=torch.long)
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own notes on axis names
        torch.onnx.export(
            model,
            (ids, ids.clone()),
            str(folder / "fp32.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["probabilities"],
            dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    exported = onnx.load(folder / "fp32.onnx")
    exported.graph.ClearField("value_info")  # what it says of shapes, and contradicts what quantising finds
    onnx.save(exported, folder / "fp32.onnx")
    quantize_dynamic(
        folder / "fp32.onnx",
        folder / "int8.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        reduce_range=True,  # pairs of products of eight bits saturate on processors without VNNI
    )


def open_transformer(folder: Path, precision: Precision, tokenizer: Path, tree: Tree) -> Rank:
    """Return what ranks categories by an exported transformer."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session: Any = onnxruntime.InferenceSession(
        str(folder / f"{precision}.onnx"), options, providers=["CPUExecutionProvider"]
    )
    tokens, ids = Tokens(tokenizer), (*tree.ids, NONE)

    def rank(texts: Sequence[str]) -> list[Ranking]:
        found: list[Ranking] = []
        for start in range(0, len(texts), _TOGETHER):
            read = tokens(texts[start : start + _TOGETHER])
            feed = {"input_ids": read, "attention_mask": (read != 0).astype(np.int64)}
            found += [highest(row, ids) for row in session.run(None, feed)[0]]
        return found

    return rank
