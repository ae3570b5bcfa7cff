"""Writes the front of docs/students.md: how right the student, its peers and small transformers are, and how fast.

    python -m benchmarks.students_front --shop FOLDER --work FOLDER --gold FILE --apart FOLDER --keep FOLDER
        [--layers 2,3,4] [--rounds 5] [--write docs/students.md]

Options as of `python -m benchmarks.students`, for one shop. A transformer takes many minutes; one that the folder of
`--keep` has is not trained again. One thread. The queries that are timed are those of the shop's log, each competitor
has been asked them before, and all take turns, so that a busy machine hits all of them.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.students.answers import STUDENT
from benchmarks.students.bench import Bench, open_bench
from benchmarks.students.contest import Contest
from benchmarks.students.examined import spell, write
from benchmarks.students.fasttext_peer import FASTTEXT
from benchmarks.students.linear_peer import LINEAR
from benchmarks.students.ranking import Rank
from benchmarks.students.trial import Trial
from benchmarks.students.worth import Examiner
from domain.errors import QuerywiseError, UserError
from evals.cells import difference, interval, table
from release.student.model import MODEL

QUERIES = 300
"""Timed in each round."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """What stands on the front: its ranking, the megabytes of its model, and the seconds of its training."""

    rank: Rank
    megabytes: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Milliseconds of one query in one round."""

    p50: float
    p99: float


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.students_front",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in ("shop", "work", "gold", "apart", "keep"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--layers", default="2,3,4", help="of the transformers, one each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="page to put the table into")
    options = parser.parse_args()
    try:
        bench = open_bench(options.shop, options.work, options.gold, options.apart, lines=None)
        layers = [int(count) for count in options.layers.split(",") if count]
        transformers = entrants_of(bench, options.gold, layers, options.keep)
        contest = Contest.of(bench, threads=1)
    except QuerywiseError as error:
        told = "; ".join(filter(None, (str(error), error.hint)))
        parser.exit(2 if isinstance(error, UserError) else 1, f"{told}\n")
    entrants = {
        FASTTEXT: Entrant(rank=contest.systems[FASTTEXT].rank),
        LINEAR: Entrant(rank=contest.systems[LINEAR].rank, megabytes=_megabytes(bench.encoder / "encoder.onnx")),
        STUDENT: Entrant(rank=contest.systems[STUDENT].rank, megabytes=_megabytes(options.apart / MODEL)),
        **transformers,
    }
    timed = rounds(entrants, asked_of(bench), options.rounds)
    write(options, f"front of {bench.name}", page(bench, entrants, timed, command=spell(parser.prog)))


def entrants_of(bench: Bench, gold: Path, layers: Sequence[int], keep: Path) -> dict[str, Entrant]:
    """Return transformers, trained unless they are kept, in both precisions each."""
    from benchmarks.students.transformer_peer import open_transformer, prepared, train_transformer

    tokenizer, ground = bench.shop.index / "tokenizer.json", None
    found = {}
    for count in layers:
        folder = keep / f"{bench.name}-{count}"
        if not (folder / "seconds.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            ground = ground or prepared(bench, gold)
            taken = train_transformer(ground, bench.split, count, tokenizer, folder)
            (folder / "seconds.json").write_text(json.dumps(taken))
        seconds = json.loads((folder / "seconds.json").read_bytes())
        for precision in ("fp32", "int8"):
            found[f"transformer, {count} layers, {precision}"] = Entrant(
                rank=open_transformer(folder, precision, tokenizer, bench.student.tree),
                megabytes=_megabytes(folder / f"{precision}.onnx"),
                seconds=seconds,
            )
    return found


def _megabytes(path: Path) -> float:
    return path.stat().st_size / 1e6


def asked_of(bench: Bench) -> list[str]:
    """Return queries of the shop's log in an order of no meaning.

    Raises:
        UserError: when it has none.
    """
    asked = [context.query for context in bench.contexts.of_tiers("head", "torso", "tail")]
    if not asked:
        raise UserError(f"the log of {bench.shop.folder} has no query", hint="name a shop with a log")
    random.Random(0).shuffle(asked)
    return asked[:QUERIES]


def rounds(entrants: Mapping[str, Entrant], texts: Sequence[str], count: int) -> dict[str, list[Timed]]:
    """Let all take turns, one query at a time."""
    timed: dict[str, list[Timed]] = {name: [] for name in entrants}
    for entrant in entrants.values():
        entrant.rank(texts)
    for _ in range(count):
        for name, entrant in entrants.items():
            taken = []
            for text in texts:
                started = time.perf_counter()
                entrant.rank([text])
                taken.append(1000 * (time.perf_counter() - started))
            p50, p99 = np.quantile(taken, (0.5, 0.99))
            timed[name].append(Timed(p50=float(p50), p99=float(p99)))
    return timed


def page(bench: Bench, entrants: Mapping[str, Entrant], timed: Mapping[str, Sequence[Timed]], *, command: str) -> str:
    """Return the command, what was measured, and the table."""
    sets = {"held": bench.held, "test": bench.test, "people": bench.gold}
    examiner = Examiner(taxonomy=bench.taxonomy, sets=sets, halves=("held", "test"))
    trials = {
        name: [
            Trial(
                key=name,
                seconds=entrant.seconds or 0.0,
                rankings={of: tuple(entrant.rank(queries.texts)) for of, queries in sets.items()},
                let_through=(),
            )
        ]
        for name, entrant in entrants.items()
    }
    labels, people = (examiner.marks(trials, parts) for parts in (("held", "test"), ("people",)))
    rows = []
    for name, entrant in entrants.items():
        cells = []
        for marks in (labels, people):
            for figure, sample in marks[name].items():
                cells.append(interval(sample.estimate()))
                cells.append("–" if name == STUDENT else difference(sample.over(marks[STUDENT][figure]).estimate()))
        rows.append(
            (
                f"**{name}**" if name == STUDENT else name,
                *cells,
                _spread([one.p50 for one in timed[name]]),
                _spread([one.p99 for one in timed[name]]),
                "–" if entrant.megabytes is None else f"{entrant.megabytes:.0f}",
                "–" if entrant.seconds is None else f"{entrant.seconds / 60:.0f}",
            )
        )
    asked = [f"{figure}, {by}" for by in ("labels", "people") for figure in ("top-1", "F1")]
    paired = [cell for name in asked for cell in (name, "less the student's")]
    head = ("system", *paired, "p50 ms", "p99 ms", "MB", "minutes to train")
    about = f"""{len(bench.taxonomy):,} categories; {len(bench.split.train):,} labels to learn from; measured on
{len(bench.held.cases) + len(bench.test.cases):,} labels of the teacher that were held out and {len(bench.gold.cases):,}
queries of people."""
    return "\n\n".join((f"## {bench.name}", f"    {command}", about, "\n".join(table(head, rows))))


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
