"""Whether the gate errs as seldom, and sees as much, as it says: the tables of docs/gate.md.

    python -m benchmarks.gate_honesty [--repeats 500] [--seed 1]

Simulated shops and candidates go through `decide` itself; the tests run the same functions with fewer repeats. A row
says how often the gate decided so, and what it claims or promises beside it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Understanding
from evals.case import Case
from evals.estimates import Estimate, Ratio
from evals.gate import ZEROS, Decision, Evidence, Found, Gates, JudgeBound, JudgeFigures, NoRegression, decide
from evals.gate.gates import Absolute
from evals.gate.power import queries_to_show
from evals.gate.quantity import Quantity, gained
from evals.gate.spread import Spread

LEAVES = 40
ACCURACY = 0.8
SIZES = (1, 1, 1, 1, 1, 1, 2, 2, 3, 3)
TREE = Taxonomy(
    [
        Node(category_id="root", parent_id=None, name="Root"),
        *(Node(category_id=f"c{i}", parent_id="root", name=f"Leaf {i}") for i in range(LEAVES)),
    ]
)
CLEAN = {name: Found(count=0, examples=()) for name in ZEROS}

Right = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Labelled queries in equal slices ("kind:s0" ...), with a right and a wrong answer to each."""

    cases: tuple[Case, ...]
    right: tuple[Understanding, ...]
    wrong: tuple[Understanding, ...]
    slices: tuple[str, ...]

    @classmethod
    def make(cls, *, per_slice: int, slices: int = 1, sizes: Sequence[int] = SIZES) -> Shop:
        cases, right, wrong = [], [], []
        for i in range(per_slice * slices):
            size = sizes[(i // slices) % len(sizes)]
            expected = [f"c{(i + k) % LEAVES}" for k in range(size)]
            other = [f"c{(i + k + 7) % LEAVES}" for k in range(size)]
            query = f"query {i:05}"
            cases.append(Case(query=query, normalized=query, categories=tuple(expected), kind=f"s{i % slices}"))
            right.append(answer(query, expected))
            wrong.append(answer(query, other))
        names = tuple(f"kind:s{k}" for k in range(slices))
        return cls(cases=tuple(cases), right=tuple(right), wrong=tuple(wrong), slices=names)

    @property
    def part(self) -> NDArray[np.intp]:
        """The slice of each query."""
        return np.arange(len(self.cases)) % len(self.slices)

    def answers(self, right: Right) -> list[Understanding]:
        return [self.right[i] if good else self.wrong[i] for i, good in enumerate(right)]

    def evidence(self, candidate: Right, base: Right | None, **more: Any) -> Evidence:
        return Evidence(
            cases=self.cases,
            answers=self.answers(candidate),
            base=None if base is None else self.answers(base),
            taxonomy=TREE,
            tiers={},
            zeros=CLEAN,
            **more,
        )


def answer(query: str, ids: Sequence[str]) -> Understanding:
    return Understanding(
        query=query,
        normalized=query,
        source="head",
        reason="precomputed",
        release="simulated",
        categories=tuple(Category(id=i, path=(), confidence=0.9) for i in ids),
    )


def other_of(base: Right, *, changed: float, loss: NDArray[np.float64] | float, rng: np.random.Generator) -> Right:
    """Return another system's outcomes: a share is drawn anew as good as before, then right ones become wrong.

    Of all queries, the share `loss` becomes wrong, so that accuracy and F1 are truly lower by it.
    """
    redrawn = np.where(rng.random(base.size) < changed, rng.random(base.size) < ACCURACY, base)
    return np.asarray(redrawn & (rng.random(base.size) >= np.asarray(loss) / ACCURACY))


def draw(n: int, rng: np.random.Generator) -> Right:
    return np.asarray(rng.random(n) < ACCURACY)


def paired(
    shop: Shop,
    *,
    margin: float,
    changed: float,
    loss: Sequence[float],
    repeats: int,
    seed: int,
    measure: str = "leaf_macro_f1",
) -> Iterator[Decision]:
    """Yield the decision on candidates that truly lose so much on each slice, with a bound on each slice."""
    rng = np.random.default_rng(seed)
    gates = Gates(no_regression=tuple(NoRegression(measure=measure, slice=part, margin=margin) for part in shop.slices))
    losses = np.array(loss)[shop.part]
    for _ in range(repeats):
        base = draw(len(shop.cases), rng)
        candidate = other_of(base, changed=changed, loss=losses, rng=rng)
        yield decide(gates, shop.evidence(candidate, base), look=1)


def heavy_losses(*, per_slice: int, margin: float, repeats: int, seed: int) -> Iterator[Decision]:
    """Yield the decision on candidates that lose the margin on the tenth of the queries with five categories alone."""
    rng = np.random.default_rng(seed)
    gates = Gates(no_regression=(NoRegression(measure="leaf_f1", slice="all", margin=margin),))
    for _ in range(repeats):
        heavy = rng.random(per_slice) < 0.1
        drawn = Shop.make(per_slice=per_slice, sizes=[5 if h else 1 for h in heavy])
        # Heavy queries hold 5 of 14 ids, and lose 14 of 100 of them.
        base = draw(len(heavy), rng)
        candidate = other_of(base, changed=0.0, loss=heavy * margin * 14 / 5, rng=rng)
        yield decide(gates, drawn.evidence(candidate, base), look=1)


def share(decisions: Sequence[Decision], verdict: str) -> float:
    return float(np.mean([decision.verdict == verdict for decision in decisions]))


def check_of(decision: Decision, part: str) -> tuple[str, float, float, float]:
    """Return the verdict on a slice and the gate's claims of equal, 3 points worse seen, 3 points worse let pass."""
    check = next(check for check in decision.checks if check.slice == part)
    return check.verdict, check.power_equal or 0.0, check.power_3_points or 0.0, check.slip_3_points or 0.0


def claims(decisions: Sequence[Decision], part: str) -> dict[str, float]:
    """Return how often the slice got each verdict, beside the mean of what was claimed."""
    rows = [check_of(decision, part) for decision in decisions]
    verdicts = [row[0] for row in rows]
    means = np.mean([row[1:] for row in rows], axis=0)
    return {
        "PASS": verdicts.count("PASS") / len(rows),
        "FAIL": verdicts.count("FAIL") / len(rows),
        "power_equal": float(means[0]),
        "power_3_points": float(means[1]),
        "slip_3_points": float(means[2]),
    }


def small_samples(kind: str, n: int, *, margin: float, alpha: float, repeats: int, seed: int) -> dict[str, float]:
    """Return how often three tests pass a candidate that loses exactly the margin."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((repeats, n))
    up = {"only losses": 0.0, "few change": 0.02, "many change": 0.12}[kind]
    gains = np.where(drawn < up, 1.0, np.where(drawn < 2 * up + margin, -1.0, 0.0))
    spread = gains.std(axis=1, ddof=1) / np.sqrt(n)
    scores = np.where(spread > 0, (gains.mean(axis=1) + margin) / np.where(spread > 0, spread, 1.0), np.inf)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=1000) / n
    return {
        "gate": float(np.mean([Spread.of(row).below(-margin, worst=-1.0) <= alpha for row in gains])),
        "studentised": float(np.mean(scores >= NormalDist().inv_cdf(1 - alpha))),
        "bootstrap": float(np.mean(np.quantile(gains @ weights.T, alpha, axis=1) > -margin)),
    }


def absolute(shop: Shop, *, truth: float, bound: float, repeats: int, seed: int) -> dict[str, float]:
    """Return how often a precision of `truth` passes and fails a bound."""
    rng = np.random.default_rng(seed)
    gates = Gates(absolute=(Absolute(measure="leaf_precision", slice="all", side="at_least", bound=bound),))
    found = [
        decide(gates, shop.evidence(np.asarray(rng.random(len(shop.cases)) < truth), None), look=1)
        for _ in range(repeats)
    ]
    return {"PASS": share(found, "PASS"), "FAIL": share(found, "FAIL")}


def peeking(*, loss: float, margin: float, looks: int, step: int, repeats: int, seed: int) -> dict[str, float]:
    """Return how often one of several looks at growing data passes, or fails, with alpha spent and without."""
    rng = np.random.default_rng(seed)
    gates = Gates()
    counts = dict.fromkeys(("PASS", "FAIL", "PASS unspent", "FAIL unspent"), 0)
    for _ in range(repeats):
        base = draw(step * looks, rng)
        candidate = other_of(base, changed=0.3, loss=loss, rng=rng)
        sides = [Ratio.mean(side.astype(np.float64)) for side in (candidate, base)]
        reached = set()
        for look in range(1, looks + 1):
            gain = gained(sides[0], sides[1], np.arange(step * look))
            assert gain is not None
            passes = gain.spread.below(-margin, worst=gain.low)
            fails = gain.spread.above(-margin, best=gain.high)
            for name, p in (("PASS", passes), ("FAIL", fails)):
                reached |= {name} if p <= gates.alpha_of(look) else set()
                reached |= {f"{name} unspent"} if p <= gates.alpha else set()
        for name in reached:
            counts[name] += 1
    return {name: count / repeats for name, count in counts.items()}


def enough(*, up: float, down: float, margin: float, repeats: int, seed: int) -> dict[str, float]:
    """Return how often as many queries as are said to be needed show that a margin is kept, and how many that are."""
    rng = np.random.default_rng(seed)
    spread = Spread(values=np.array([-1.0, 0.0, 1.0]), counts=100 * np.array([down, 1 - up - down, up]))
    likely = Quantity(value=spread.mean, spread=spread, judged=100, low=-1.0, high=1.0)
    queries = queries_to_show(likely, -margin, alpha=0.025)
    assert queries is not None
    drawn = rng.random((repeats, queries))
    gains = np.where(drawn < up, 1.0, np.where(drawn < up + down, -1.0, 0.0))
    passed = np.mean([Spread.of(row).below(-margin, worst=-1.0) <= 0.025 for row in gains])
    return {"PASS": float(passed), "FAIL": 0.0, "queries": queries}


def judge(*, noise: float, bound: float, items: int, repeats: int, seed: int) -> dict[str, float]:
    """Return how often a judge passes and fails, with the quadratic kappa it truly has.

    The judge gives a person's grade from 0 to 3, or with a chance of `noise` any grade at random.
    """
    rng = np.random.default_rng(seed)
    gates = Gates(judges=(JudgeBound(task="relevance", quadratic_kappa=bound),))
    shop = Shop.make(per_slice=1)
    verdicts = []
    for _ in range(repeats):
        people, other = graded(items, noise, rng)
        picks = rng.integers(0, items, (400, items))
        low, high = np.quantile(quadratic_kappa(people[picks], other[picks]), (0.025, 0.975))
        value = float(quadratic_kappa(people[None], other[None])[0])
        kappa = Estimate(value=value, low=float(low), high=float(high), queries=items)
        figures = {"relevance": JudgeFigures(quadratic_kappa=kappa, unscored=0.0)}
        verdicts.append(decide(gates, shop.evidence(np.array([True]), None, judges=figures), look=1))
    truth = quadratic_kappa(*(side[None] for side in graded(200_000, noise, rng)))
    return {"PASS": share(verdicts, "PASS"), "FAIL": share(verdicts, "FAIL"), "kappa": float(truth[0])}


def graded(items: int, noise: float, rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    chances = (0.45, 0.1, 0.1, 0.35)
    people = rng.choice(4, size=items, p=chances)
    return people, np.where(rng.random(items) < noise, rng.choice(4, size=items, p=chances), people)


def quadratic_kappa(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return Cohen's kappa with quadratic weights for each row of grades."""
    apart = ((one - other) ** 2).mean(axis=1)
    by_chance = one.var(axis=1) + other.var(axis=1) + (one.mean(axis=1) - other.mean(axis=1)) ** 2
    return np.asarray(1 - apart / by_chance)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def percent(x: float) -> str:
    return f"{x:.1%}"


def level_table(repeats: int, seed: int) -> str:
    rows = []
    for kind in ("only losses", "few change", "many change"):
        for n in (30, 100, 300, 1000):
            found = small_samples(kind, n, margin=0.03, alpha=0.025, repeats=4 * repeats, seed=seed)
            rows.append([kind, str(n), *(percent(found[name]) for name in ("gate", "studentised", "bootstrap"))])
    return table(["candidate", "queries", "this gate", "studentised", "percentile bootstrap"], rows)


def paired_table(repeats: int, seed: int) -> str:
    rows = []

    def add(name: str, shop: Shop, claimed: str, *, changed: float = 0.3, **more: Any) -> None:
        found = list(paired(shop, changed=changed, repeats=repeats, seed=seed, **more))
        of_slice = claims(found, shop.slices[0])
        queries = str(len(shop.cases) // len(shop.slices))
        wanted = {
            "equal": f"PASS {percent(of_slice['power_equal'])}",
            "three": f"FAIL {percent(of_slice['power_3_points'])}, PASS {percent(of_slice['slip_3_points'])}",
            "pass": "PASS 2.5% at most",
            "fail": "FAIL 2.5% at most",
        }[claimed]
        shares = [percent(share(found, verdict)) for verdict in ("PASS", "FAIL")]
        rows.append([name, queries, f"{more['margin']:g}", *shares, wanted])

    for n in (200, 400, 1000):
        add("as good as current", Shop.make(per_slice=n), "equal", margin=0.05, loss=[0.0])
    for n in (200, 400, 1000):
        name = "as good, `leaf_f1`"
        add(name, Shop.make(per_slice=n), "equal", margin=0.05, loss=[0.0], measure="leaf_f1")
    for n in (50, 200, 800):
        add("worse by the margin", Shop.make(per_slice=n), "pass", margin=0.05, loss=[0.05])
    for n in (50, 200, 800):
        name = "worse by the margin, `leaf_f1`"
        add(name, Shop.make(per_slice=n), "pass", margin=0.05, loss=[0.05], measure="leaf_f1")
    for n in (200, 400, 800):
        shop = Shop.make(per_slice=n, slices=4)
        name = "3 points worse on 1 of 4 slices"
        add(name, shop, "three", margin=0.01, changed=0.05, loss=[0.03, 0.0, 0.0, 0.0])
    eight = Shop.make(per_slice=100, slices=8)
    add("as good on 8 slices", eight, "fail", margin=0.02, loss=[0.0] * 8)
    add("worse by the margin on all of 8", eight, "fail", margin=0.05, loss=[0.05] * 8)
    return table(["candidate", "queries a slice", "margin", "PASS", "FAIL", "claimed"], rows)


def other_table(repeats: int, seed: int) -> str:
    rows = []

    def add(name: str, found: dict[str, float], promised: str) -> None:
        rows.append([name, percent(found["PASS"]), percent(found["FAIL"]), promised])

    for n in (40, 150, 600):
        shop = Shop.make(per_slice=n)
        at_bound = absolute(shop, truth=0.85, bound=0.85, repeats=repeats, seed=seed)
        add(f"precision on the bound, {n} queries", at_bound, "PASS and FAIL 2.5% at most")
    for n in (100, 300, 1000):
        decisions = list(heavy_losses(per_slice=n, margin=0.05, repeats=repeats, seed=seed))
        shares = {verdict: share(decisions, verdict) for verdict in ("PASS", "FAIL")}
        add(
            f"`leaf_f1` worse by the margin of 0.05, on the heaviest queries alone, {n} queries",
            shares,
            "PASS 2.5% at most",
        )
    for up, down in ((0.1, 0.1), (0.02, 0.02), (0.0, 0.02)):
        found = enough(up=up, down=down, margin=0.05, repeats=4 * repeats, seed=seed)
        name = f"as many queries as are needed: {found['queries']:,} ({up:.0%} won, {down:.0%} lost, margin 0.05)"
        add(name, found, "PASS 80%")
    for noise in (0.6, 0.4, 0.15):
        found = judge(noise=noise, bound=0.6, items=240, repeats=repeats, seed=seed)
        promised = "PASS 2.5% at most" if found["kappa"] < 0.605 else ""
        add(f"judge with kappa {found['kappa']:.2f}, bound 0.6, 240 items", found, promised)
    for loss, promised in ((0.05, "PASS and FAIL 5% at most"), (0.0, "FAIL 5% at most")):
        found = peeking(loss=loss, margin=0.05, looks=10, step=100, repeats=repeats, seed=seed)
        name = f"10 looks, 100 to 1,000 queries, truly {loss:g} worse, margin 0.05"
        add(name, found, promised)
        unspent = {verdict: found[f"{verdict} unspent"] for verdict in ("PASS", "FAIL")}
        add(f"{name}, every look at 5%", unspent, "what peeking would cost")
    return table(["what", "PASS", "FAIL", "promised"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for part in (level_table, paired_table, other_table):
        sys.stdout.write(part(options.repeats, options.seed) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
