"""The trained tagger as files of a release, and the proof that it marks the same spans.

What is known of a piece and what is learnt of a word go into one table, in int8 with a scale for each row; the layers
above it stay as they were trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from distill.spans import TYPES, SpanExample
from distill.tagger_network import TaggerNetwork, TrainedTagger
from domain.errors import QuerywiseError
from domain.understanding import AnnotationType
from release.student.tagger import Tagger, Values, write_tagger_about
from release.student.tags import best_tags, spans_of
from release.student.word_scores import WEIGHTS, write_weights

__all__ = ["TaggerParity", "export_tagger"]

_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class TaggerParity:
    """How an exported tagger differs from the trained one.

    Attributes:
        queries: How many were compared.
        differ: Share of them with a span that the other has not.
        megabytes: Size of the table and the layers.
    """

    queries: int
    differ: float
    megabytes: float


def export_tagger(trained: TrainedTagger, folder: Path, values: Values, *, most: float = 0.005) -> TaggerParity:
    """Write `tagger.npz`, `tagger.json` and `values.json` beside the `tokenizer.json` of a folder.

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
    _write(network, table, folder)
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


def _write(network: TaggerNetwork, table: npt.NDArray[np.float32], folder: Path) -> None:
    convolution, output = network.convolution, _numbers(network.output.weight).T
    channels = convolution.out_channels
    neighbours = np.zeros(channels, dtype=np.float32)
    write_weights(
        folder,
        table,
        # (out, in, 3) to (in, 3 x out): for the word behind, the word itself, the word before.
        words=np.hstack([_numbers(convolution.weight).transpose(1, 2, 0).reshape(-1, 3 * channels), output[channels:]]),
        offsets=np.hstack([neighbours, _numbers(convolution.bias), neighbours, _numbers(network.output.bias)]),
        output=np.ascontiguousarray(output[:channels]),
    )


def _numbers(values: Tensor | None) -> npt.NDArray[np.float32]:
    assert values is not None
    return values.detach().numpy()


def _check_parity(trained: TrainedTagger, folder: Path, most: float) -> TaggerParity:
    tagger = Tagger(folder, trained.features.features)
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
        megabytes=(folder / WEIGHTS).stat().st_size / 1e6,
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
