"""fastText as a peer of the student (Joulin et al. 2017, Bag of tricks for efficient text classification)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.students.bench import Bench
from benchmarks.students.peer import Trained, trained
from benchmarks.students.ranking import MOST, Rank, Ranking
from distill.examples import NONE
from distill.student import Settings
from domain.errors import UserError

FASTTEXT = "fastText"
OPTIONS: Mapping[str, Any] = {
    "lr": 0.5,
    "dim": 100,
    "minn": 3,
    "maxn": 5,
    "wordNgrams": 2,
    "bucket": 1 << 17,
    "verbose": 0,
}
PASSES = 5
SOFTMAX_ROWS = 3_000_000_000
"""Rows of its output that the full softmax may go through in training: about five minutes of one core."""


def fasttext_peers(bench: Bench, threads: int) -> Iterator[Trained]:
    """Train fastText in four variants.

    Raises:
        UserError: when it is not installed.
    """
    try:
        import fasttext
    except ImportError:
        raise UserError("fastText is not installed", hint="pip install fasttext-wheel") from None
    lines = {"all examples": bench.lines.draw(Settings().recipe.mix), "labels": bench.lines.draw({"labels": 1.0})}
    for of, drawn in lines.items():
        number = {name: i for i, name in enumerate(dict.fromkeys(line.category_id for line in drawn))}
        with TemporaryDirectory() as folder:
            path = Path(folder) / "lines.txt"
            path.write_text("".join(f"__label__{number[line.category_id]} {line.text}\n" for line in drawn))
            for loss, name in (("hs", "hierarchical softmax"), ("softmax", "softmax")):
                started = time.monotonic()
                # A pass of the full softmax takes time in proportion to the categories.
                passes = PASSES if loss == "hs" else max(1, min(PASSES, SOFTMAX_ROWS // (len(drawn) * len(number))))
                model = fasttext.train_supervised(
                    str(path), loss=loss, epoch=passes, thread=threads, seed=Settings().seed, **OPTIONS
                )
                rank = _rank(model, tuple(number))
                yield trained(bench, FASTTEXT, f"{name}, {of}, {passes} passes", rank, started=started)


def _rank(model: Any, ids: Sequence[str]) -> Rank:
    def ranking(text: str) -> Ranking:
        # Neither the Python wrapper, which numpy 2 breaks, nor many at once, which repeats each text's first chance.
        found = model.f.predict(f"{text}\n", MOST + 1, 0.0, "strict")
        return Ranking(
            ids=tuple(ids[int(label.removeprefix("__label__"))] for _, label in found) or (NONE,),
            chances=tuple(chance for chance, _ in found) or (1.0,),
        )

    return lambda texts: [ranking(text) for text in texts]
