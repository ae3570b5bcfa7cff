"""How fast a shop's student answers, beside fastText of 10,000 labels and a sentence encoder.

    python -m benchmarks.student_speed --work FOLDER [--rounds 9] [--queries 1000]

One thread, one process. From normalised text to decided categories: for the student features, model and decision; for
fastText its three likeliest labels, and the likeliest alone; for MiniLM its vector, a linear layer, softmax and the
three likeliest. The queries are those of a shop's log, from a work folder that has a context, an index and a student;
to be a fair match that one has some 10,000 categories too.

The student keeps what it read of a word, and has been asked every query before, as a server has that ran for a while;
in a row of its own each word is new, which no log is like. Hierarchical softmax looks only into branches that can still
win, so that what it takes depends on what it has learnt, and it has two rows: in the best case it has learnt the
queries that it is asked, each with a label of its own; in the worst case it has learnt random labels, and can
prune no branch. The full softmax computes everything, whatever it has learnt.

The competitors take turns, so that a busy machine hits all of them: the tables have medians over rounds, with the least
and the most, and ratios are taken within a round.

fastText is no dependency: `pip install fasttext-wheel`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from domain.context import ContextStore
from domain.encoder import Encoder
from domain.errors import QuerywiseError, UserError
from domain.taxonomy import Node, Taxonomy
from evals.cells import table
from release.student import Student, decide

FASTTEXT: Mapping[str, Any] = {"dim": 100, "minn": 3, "maxn": 5, "wordNgrams": 2, "bucket": 1 << 17, "verbose": 0}
LABELS = 10_000
PASSES = 100
"""Over the queries, so many that the likeliest label has a chance above a half in the mean."""
MOST = 3
BATCHES = 32, 256
STUDENT = "**student**"
NEW = "student, every word new"
PEER, UNTRAINED = (
    "fastText, hierarchical softmax, best case (most branches pruned)",
    "fastText, hierarchical softmax, worst case (no branch pruned)",
)
SLOW = "MiniLM + linear"

Answer = Callable[[Sequence[str]], Any]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One competitor in one round: milliseconds a query alone, and queries a second by size of batch."""

    p50: float
    p99: float
    per_second: Mapping[int, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--queries", type=int, default=1000, help="of a round; MiniLM gets a fifth")
    options = parser.parse_args()
    try:
        sys.stdout.write(measure(options.work, rounds=options.rounds, queries=options.queries))
    except QuerywiseError as error:
        parser.exit(2, f"{'; '.join(filter(None, (str(error), error.hint)))}\n")


def measure(work: Path, *, rounds: int, queries: int) -> str:
    """Let the competitors take turns, and return the tables.

    Raises:
        UserError: when the work folder lacks something, or a peer is not installed.
    """
    contexts = ContextStore(work / "context.parquet")
    encoder = Encoder(work / "index", threads=1)
    asked = [context.query for context in contexts.of_tiers("head", "torso", "tail")]
    if not asked:
        raise UserError(f"the log of {work} has no query", hint="name the work folder of a shop with a log")
    try:
        import fasttext
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise UserError(f"{error.name} is not installed", hint="pip install fasttext-wheel threadpoolctl") from None
    rows = pq.read_table(work / "warehouse" / "taxonomy.parquet").to_pylist()
    student = Student(work / "student", Taxonomy(Node(**row) for row in rows))
    random.Random(0).shuffle(asked)
    with TemporaryDirectory() as scratch, threadpool_limits(1):
        lines = Path(scratch) / "lines.txt"
        sure = trained(fasttext, lines, own_labels(asked), "hs", passes=PASSES)
        answers: dict[str, Answer] = {
            STUDENT: lambda texts: answered(student, texts),
            NEW: lambda texts: answered(student, [anew(text) for text in texts]),
            PEER: likeliest(sure, MOST),
            f"{PEER}, one label": likeliest(sure, 1),
            UNTRAINED: likeliest(trained(fasttext, lines, random_labels(asked), "hs", rate=0.1), MOST),
            "fastText, softmax": likeliest(trained(fasttext, lines, own_labels(asked), "softmax"), MOST),
            SLOW: linear(encoder),
        }
        answered(student, asked)
        turns: dict[str, list[Turn]] = {name: [] for name in answers}
        parts = []
        for number in range(rounds):
            texts = [asked[(number * queries + i) % len(asked)] for i in range(queries)]
            for name, answer in answers.items():
                turns[name].append(turn(answer, texts[: -(-len(texts) // 5)] if name == SLOW else texts))
            parts.append(split(student, texts))
        said = outcome(student, {name: answers[name] for name in (PEER, UNTRAINED)}, asked[:1000])
    return "\n\n".join((*tables(turns), where(parts), said)) + "\n"


def answered(student: Student, texts: Sequence[str]) -> Any:
    policy, tree = student.about.policy, student.tree
    return [decide(probabilities, tree, policy) for probabilities in student.predict(texts).probabilities]


_numbers = count()


def anew(text: str) -> str:
    """Return a text with a sign at the end of each word that no word has had."""
    sign = f"{next(_numbers):x}"
    return " ".join(word + sign for word in text.split())


def own_labels(texts: Sequence[str]) -> list[str]:
    """Return every query with a label of its own, as far as there are labels, and mixtures of two for the rest."""
    rng = random.Random(0)
    mixed = (" ".join(rng.choice(texts).split()[:1] + rng.choice(texts).split()[:2]) for _ in count())
    return [f"__label__{i} {text}\n" for i, text in zip(range(LABELS), chain(texts, mixed), strict=False)]


def random_labels(texts: Sequence[str]) -> list[str]:
    """Return the queries again and again, each time with another label, so that they say nothing of it."""
    labels = random.Random(0).sample(range(LABELS), LABELS)
    return [f"__label__{label} {text}\n" for label, text in zip(labels, cycle(texts), strict=False)]


def trained(fasttext: Any, path: Path, lines: Sequence[str], loss: str, *, passes: int = 1, rate: float = 1.0) -> Any:
    path.write_text("".join(lines), encoding="utf-8")
    return fasttext.train_supervised(str(path), loss=loss, lr=rate, epoch=passes, thread=1, **FASTTEXT)


def likeliest(model: Any, most: int) -> Answer:
    # Neither the Python wrapper, which is slower, nor many at once, which repeats each text's first chance.
    return lambda texts: [model.f.predict(f"{text}\n", most, 0.0, "strict") for text in texts]


def linear(encoder: Encoder) -> Answer:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((encoder.encode(["a"]).shape[1], LABELS), dtype=np.float32)

    def answer(texts: Sequence[str]) -> Any:
        logits = encoder.encode(texts) @ weights
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        first = np.argpartition(chances, -MOST, axis=1)[:, -MOST:]
        return [sorted(zip(row[at].tolist(), at.tolist(), strict=True)) for row, at in zip(chances, first, strict=True)]

    return answer


def turn(answer: Answer, texts: Sequence[str]) -> Turn:
    answer(texts[:1])
    taken = [seconds(answer, [text]) for text in texts]
    batched = {}
    for size in BATCHES:
        batches = [texts[start : start + size] for start in range(0, len(texts), size)]
        batched[size] = len(texts) / sum(seconds(answer, batch) for batch in batches)
    p50, p99 = np.quantile(taken, (0.5, 0.99)) * 1000
    return Turn(p50=float(p50), p99=float(p99), per_second=batched)


def seconds(answer: Answer, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    answer(texts)
    return time.perf_counter() - started


def split(student: Student, texts: Sequence[str]) -> Mapping[str, float]:
    """Return the milliseconds of one query that each step takes, medians; the model is what is left of a prediction."""
    # Apart from the others, for it drives out of the processor's cache what they use.
    steps = {"features, every word new": [seconds(student.features, [anew(text)]) for text in texts]}
    for text in texts:
        read = seconds(student.features, [text])
        started = time.perf_counter()
        probabilities = student.predict([text]).probabilities[0]
        ready = time.perf_counter()
        decide(probabilities, student.tree, student.about.policy)
        decided = time.perf_counter() - ready
        for name, taken in (
            ("features, words read before", read),
            ("model", ready - started - read),
            ("decision", decided),
        ):
            steps.setdefault(name, []).append(taken)
    return {name: statistics.median(taken) * 1000 for name, taken in steps.items()}


def tables(turns: Mapping[str, Sequence[Turn]]) -> tuple[str, str]:
    """Return the table of latency and the one of throughput, with ratios to the peer within each round."""
    peer = turns[PEER]
    alone = [
        (
            name,
            spread([t.p50 for t in of], 3),
            spread([t.p99 for t in of], 3),
            spread([t.p50 / p.p50 for t, p in zip(of, peer, strict=True)], 2),
            spread([t.p99 / p.p99 for t, p in zip(of, peer, strict=True)], 2),
        )
        for name, of in turns.items()
    ]
    together = [
        (
            name,
            *(
                cell
                for size in BATCHES
                for cell in (
                    spread([t.per_second[size] for t in of], 0),
                    spread([t.per_second[size] / p.per_second[size] for t, p in zip(of, peer, strict=True)], 2),
                )
            ),
        )
        for name, of in turns.items()
    ]
    head = [cell for size in BATCHES for cell in (f"queries/s, batches of {size}", "of fastText, sure")]
    return (
        "\n".join(table(("one query", "p50 ms", "p99 ms", "p50 of fastText, sure", "p99 of it"), alone)),
        "\n".join(table(("batches", *head), together)),
    )


def where(parts: Sequence[Mapping[str, float]]) -> str:
    rows = [(name, spread([part[name] for part in parts], 3)) for name in parts[0]]
    return "\n".join(table(("of the student's p50", "ms"), rows))


def spread(values: Sequence[float], places: int) -> str:
    return f"{statistics.median(values):,.{places}f} ({min(values):,.{places}f} to {max(values):,.{places}f})"


def outcome(student: Student, peers: Mapping[str, Answer], texts: Sequence[str]) -> str:
    """Say how sure student and peers are: a decision takes longer the further it goes up, as does an unsure search."""
    policy, tree = student.about.policy, student.tree
    decided = [decide(row, tree, policy) for row in student.predict(texts).probabilities]
    above = sum(one.backed_off for one in decided) / len(decided)
    own = sum(bool(one.rows) for one in decided) / len(decided) - above
    sure, unsure = (statistics.mean(found[0][0] for found in peer(texts)) for peer in peers.values())
    return f"""The student of {len(tree.ids):,} categories answers {own:.0%} of {len(decided):,} queries
with a category, {above:.0%} with one above it, and the rest not at all.

Hierarchical softmax leaves out each branch whose chance is below that of the labels it has found, and these have a
chance of {sure:.2g} in the mean in the best case and of {unsure:.2g} in the worst, in which
none is left out."""


if __name__ == "__main__":
    main()
