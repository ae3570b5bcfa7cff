"""What the filter of bad matches is worth by people's ratings, on a shop's judged pairs: figures of docs/match.md.

    python -m benchmarks.match --work FOLDER [--electronics FOLDER] [--recording FILE]
        [--demo FOLDER --demo-work FOLDER] [--write]

The work folder is that of the electronics shop, with an index, labels and a student; it is only read. The filter is
trained there in a copy, on the recorded verdicts of a judge on pairs of queries that no person judged. With `--demo` it
is held against recorded verdicts on the demo's rewrites too; the demo's work folder has labels and a student. Prints
Markdown; `--write` puts it into docs/match.md. Nothing is asked of a model. The electronics shop is data that is not
part of the repository.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.auroc import Auroc
from distill.match import MatchCard, threshold_of
from distill.match_lessons import Sale, lexicon_of
from distill.match_network import MatchRecipe
from domain.context import ContextStore
from domain.errors import QuerywiseError, UserError
from domain.judgements import read_judgements
from domain.label import read_labels
from domain.lexical import LexicalIndex
from domain.retrieval import RetrievalIndex
from domain.shop import Shop, open_shop
from domain.verdict import Item, JudgeTask, Verdict
from evals.cells import difference, interval, table
from evals.estimates import Array, Estimate, Ratio, Sample, Statistic, bootstrap
from evals.judge import ratings_of, reference
from querywise.judges import verdict_files
from querywise.match import match_shop
from release.match import MODEL, Matcher, Offer, write_match_about
from release.student import Student

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "benchmarks" / "recordings"
PAGE = ROOT / "docs" / "match.md"
MARK = "<!-- Below: written by `python -m benchmarks.match --write`; do not edit. -->\n"
PAIRS = RECORDINGS / "match-electronics.pairs.csv"

FILTER = "the filter"
KINDS = ("synonym", "broader", "substitute")
COSTS = (0.02, 0.05, 0.1, 0.2)
GOOD = 2
DRAWS = 1000
OFFERS = 10
ROUNDS = 200

Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rated:
    """The pairs that people rated 0, or 2 or 3, by the median of the raters; `query` numbers the queries."""

    offers: tuple[Offer, ...]
    items: tuple[Item, ...]
    good: NDArray[np.bool_]
    query: NDArray[np.intp]
    queries: int
    between: int

    def sums(self, flags: NDArray[np.bool_]) -> Array:
        return np.bincount(self.query, weights=flags, minlength=self.queries).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recording", type=Path, default=RECORDINGS / "match-electronics.jsonl.gz")
    parser.add_argument("--demo", type=Path, help="the demo's shop folder")
    parser.add_argument("--demo-work", type=Path)
    parser.add_argument("--write", action="store_true", help="Put the figures into docs/match.md.")
    options = parser.parse_args()
    if (options.demo is None) != (options.demo_work is None):
        parser.error("give both of --demo and --demo-work, or neither")
    try:
        with TemporaryDirectory() as scratch:
            shop = elsewhere(open_shop(options.electronics, work=options.work), Path(scratch))
            figures = measure(shop, options.recording)
            if options.demo:
                figures += "\n" + rewrites(open_shop(options.demo, work=options.demo_work), shop, Path(scratch))
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    if options.write:
        PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + "\n" + figures)
    sys.stdout.write(figures)


def elsewhere(shop: Shop, scratch: Path) -> Shop:
    """Return the shop with a work folder of its own: a copy of the student, and no verdicts on relevance."""
    for path in shop.work.iterdir():
        if path.name not in (shop.student.name, "stages.json", "verdicts", ".lock"):
            (scratch / path.name).symlink_to(path.resolve())
    shutil.copyfile(shop.work / "stages.json", scratch / "stages.json")
    shutil.copytree(shop.student, scratch / shop.student.name)
    for task in ("rewrite", "substitute", "complement"):
        if (shop.work / "verdicts" / task).is_dir():
            shutil.copytree(shop.work / "verdicts" / task, scratch / "verdicts" / task)
    return replace(shop, work=scratch)


def measure(shop: Shop, recording: Path) -> str:
    """Train, and return the page."""
    judge(shop, shop.work / "pairs.csv", asked_pairs(shop), recording)
    rated = rated_of(shop)
    ceiling = judged_pairs(shop, rated)
    card = match_shop(shop)
    matcher = matcher_of(shop)
    chances = matcher.chances(rated.offers).astype(np.float64)
    scores = {
        FILTER: chances,
        "the same, the product's category not known": scores_of(shop, without_category(rated.offers)),
        **baselines(shop, rated, matcher),
    }
    parts = [
        trained_on(card),
        ranked(rated, scores, ceiling),
        cut(rated, chances, shop, card),
        reliability(rated, chances),
        others(shop, matcher),
        speed(matcher, rated),
    ]
    return "\n".join(part for part in parts if part)


def asked_pairs(shop: Shop) -> Iterator[tuple[str, str]]:
    """Yield the pairs that the judge was asked about, whose queries are kept as digests alone."""
    labels = (label.query for label in read_labels(shop.labels_file))
    contexts = (context.query for context in ContextStore(shop.context_file).of_tiers("head", "torso", "tail"))
    known = {hashlib.sha256(query.encode()).hexdigest()[:16]: query for query in (*labels, *contexts)}
    with PAIRS.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["query_sha256"] not in known:
                raise UserError(
                    f"a query of {PAIRS.name} is neither in the log nor in the labels of {shop.work}",
                    hint="label the shop with the recordings of benchmarks/recordings first",
                )
            yield known[row["query_sha256"]], row["product_id"]


def judge(shop: Shop, path: Path, pairs: Iterator[tuple[str, str]], recording: Path) -> None:
    """Let the program judge pairs from a recording."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "product_id"])
        writer.writerows(pairs)
    command = [sys.executable, "-m", "querywise", "judge", str(shop.folder), "--work", str(shop.work)]
    command += ["--task", "relevance", "--pairs", str(path), "--model", f"recorded:{recording}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"the pairs could not be judged from {recording}: {done.stderr.strip()}")


def rated_of(shop: Shop) -> Rated:
    products = pl.read_parquet(shop.warehouse / "products.parquet", columns=["product_id", "title", "category_id"])
    sold = {row[0]: row[1:] for row in products.iter_rows()}
    [path] = shop.files("judgements")
    medians = reference(ratings_of(read_judgements(path, sold)), "relevance")
    found = {item: grade for item, grade in medians.items() if grade == 0 or grade >= GOOD}
    queries = sorted({item.query for item in found})
    place = {query: i for i, query in enumerate(queries)}
    return Rated(
        offers=tuple(
            Offer(query=item.query, text=sold[item.subject][0], category_id=sold[item.subject][1]) for item in found
        ),
        items=tuple(found),
        good=np.array([grade >= GOOD for grade in found.values()]),
        query=np.array([place[item.query] for item in found]),
        queries=len(queries),
        between=len(medians) - len(found),
    )


def judged_pairs(shop: Shop, rated: Rated) -> Mapping[Item, int]:
    """Return what the judge itself says of the pairs that people rated, from its recording, and forget it again."""
    kept = shop.work / "verdicts" / "relevance"
    aside = shop.work / "verdicts.aside"
    kept.rename(aside)
    try:
        judge(
            shop,
            shop.work / "rated.csv",
            ((item.query, item.subject) for item in every_rated(shop)),
            RECORDINGS / "judge-electronics.jsonl.gz",
        )
        [file] = verdict_files(shop, "relevance")
        return {verdict.item: verdict.grade for verdict in file.first if isinstance(verdict, Verdict)}
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        aside.rename(kept)


def every_rated(shop: Shop) -> list[Item]:
    """Return the rated pairs as the judge was asked of them: in the order of the file."""
    products = frozenset(pl.read_parquet(shop.warehouse / "products.parquet", columns=["product_id"])["product_id"])
    [path] = shop.files("judgements")
    found = read_judgements(path, products)
    return list(dict.fromkeys(Item(task="relevance", query=one.query, subject=one.product_id) for one in found))


def matcher_of(shop: Shop) -> Matcher:
    return Matcher(shop.student, Student(shop.student, shop.load_taxonomy()))


def scores_of(shop: Shop, offers: Sequence[Offer]) -> Scores:
    return matcher_of(shop).chances(offers).astype(np.float64)


def without_category(offers: Sequence[Offer]) -> list[Offer]:
    return [replace(offer, category_id=None) for offer in offers]


def baselines(shop: Shop, rated: Rated, matcher: Matcher) -> dict[str, Scores]:
    """Return what needs no training: cosines, and words."""
    signs = matcher.signs(rated.offers)
    index = RetrievalIndex(shop.index, threads=1)
    products = pl.read_parquet(shop.warehouse / "products.parquet", columns=["product_id"])["product_id"]
    row = {product_id: i for i, product_id in enumerate(products)}
    titles, words = np.load(shop.index / "titles.npy", mmap_mode="r"), LexicalIndex.load(shop.index / "product_words")
    asked = list(dict.fromkeys(item.query for item in rated.items))
    vectors = dict(zip(asked, index.encoder.encode(asked), strict=True))
    found = {query: words.scores(index.stems(query)) for query in asked}
    return {
        "share of the query's words in the title, by weight": signs["held by weight"].astype(np.float64),
        "BM25 of the title": np.array([found[item.query][row[item.subject]] for item in rated.items], dtype=np.float64),
        "cosine of the sentence encoder": np.array(
            [float(titles[row[item.subject]] @ vectors[item.query]) for item in rated.items]
        ),
        "cosine of the student": signs["cosine"].astype(np.float64),
    }


def trained_on(card: MatchCard) -> str:
    held, bare = card.held, card.without_category
    rows = [
        (name, f"{bounds.auroc:.3f}", f"{bounds.precision:.1%}", f"{bounds.removed:.1%}", f"{bounds.cost:.1%}")
        for name, bounds in (("the product's category known", held), ("not known", bare))
    ]
    return f"""### By the judge, on queries that it has not seen

Learnt from {card.good:,} good and {card.bad:,} bad matches of {card.queries:,} queries. Left out: {card.between:,} of
grade 1, {card.unscored:,} without a verdict, {card.judged_by_people:,} of queries that people judged. The model has
{card.megabytes * 1000:.0f} kB; its export differs by {card.largest:.1e} at most.

{lines(("", "AUROC", "good among what is kept", "bad taken out", "good taken out"), rows)}

The threshold, {card.threshold:.3f}, was chosen on these: at most a tenth of the good goes.
"""


def drawn(statistics: Mapping[str, Statistic], rated: Rated) -> Mapping[str, Sample]:
    return bootstrap(statistics, queries=rated.queries, draws=DRAWS, seed=0)


def ranked(rated: Rated, scores: Mapping[str, Scores], ceiling: Mapping[Item, int]) -> str:
    areas = {name: Auroc.of(given, rated.good, rated.query, rated.queries) for name, given in scores.items()}
    samples = drawn({**areas, **{f"{name}, within": area.within for name, area in areas.items()}}, rated)
    rows = []
    for name in scores:
        apart = samples[name].over(samples[FILTER]).estimate() if name != FILTER else None
        cells = interval(samples[name].estimate()), interval(samples[f"{name}, within"].estimate())
        rows.append((name, *cells, difference(apart)))
    both = np.array([item in ceiling for item in rated.items])
    grades = np.array([ceiling.get(item, 0) for item in rated.items], dtype=np.float64)
    area = Auroc.of(grades[both], rated.good[both], rated.query[both], rated.queries)
    found = drawn({"all": area, "within": area.within}, rated)
    rows.append(
        ("the judge itself, asked", interval(found["all"].estimate()), interval(found["within"].estimate()), "–")
    )
    head = ("score", "AUROC", "AUROC within a query", "less the filter")
    good = int(rated.good.sum())
    return f"""### By people

{len(rated.offers):,} pairs of {rated.queries} queries that the median of three raters finds good (2 or 3, {good:,}) or
of no use (0, {len(rated.offers) - good:,}); {rated.between} of 1 are left out. None of these queries, nor one that is
nearly the same, was learnt from. Brackets are 95% intervals of the bootstrap over queries.

{lines(head, rows)}

The judge itself is what taught the filter, on other queries.
"""


def cut(rated: Rated, chances: Scores, shop: Shop, card: MatchCard) -> str:
    """Show what thresholds do, each chosen on the judge's verdicts alone."""
    rows = []
    for cost in COSTS:
        threshold = card.threshold if cost == MatchRecipe().cost else match_shop(shop, MatchRecipe(cost=cost)).threshold
        kept = chances >= threshold
        good, bad = rated.sums(rated.good), rated.sums(~rated.good)
        samples = drawn(
            {
                "precision": Ratio(top=rated.sums(kept & rated.good), bottom=rated.sums(kept)),
                "removed": Ratio(top=rated.sums(~kept & ~rated.good), bottom=bad),
                "cost": Ratio(top=rated.sums(~kept & rated.good), bottom=good),
            },
            rated,
        )
        cells = (interval(samples[name].estimate()) for name in ("precision", "removed", "cost"))
        rows.append((f"{cost:.0%}{' (as shipped)' if cost == MatchRecipe().cost else ''}", f"{threshold:.3f}", *cells))
    head = ("good that may go", "threshold", "good among what is kept", "bad taken out", "good taken out")
    return f"""### What thresholds do to these pairs

Without a filter, {rated.good.mean():.1%} of them are good.

{lines(head, rows)}
"""


def reliability(rated: Rated, chances: Scores) -> str:
    """Show how often a chance holds by people."""
    edges = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0001)
    rows = []
    for low, high in zip(edges, edges[1:], strict=False):
        inside = (chances >= low) & (chances < high)
        if inside.any():
            share = f"{rated.good[inside].mean():.1%}"
            rows.append(
                (f"{low:.1f} to {min(high, 1):.1f}", f"{inside.sum():,}", f"{chances[inside].mean():.1%}", share)
            )
    return f"""### Whether a chance means what it says

{lines(("chance", "pairs", "mean chance", "good, by people"), rows)}
"""


def others(shop: Shop, matcher: Matcher) -> str:
    """Hold the filter against kept verdicts on parts of answers, which it has not learnt from."""
    tasks: dict[JudgeTask, Callable[[Item], Offer]] = {
        "rewrite": lambda item: Offer(query=item.query, text=item.subject.partition(":")[2]),
        "substitute": described,
        "complement": described,
    }
    rows = []
    for task, offer in tasks.items():
        verdicts = {
            verdict.item: bool(verdict.grade)
            for file in verdict_files(shop, task)
            if not file.perturbation
            for verdict in file.first
            if isinstance(verdict, Verdict)
        }
        good = np.array(list(verdicts.values()), dtype=np.bool_)
        if not good.any() or good.all():
            continue
        chances = matcher.chances([offer(item) for item in verdicts]).astype(np.float64)
        queries = sorted({item.query for item in verdicts})
        place = {query: i for i, query in enumerate(queries)}
        query = np.array([place[item.query] for item in verdicts])
        area = bootstrap(
            {"area": Auroc.of(chances, good, query, len(queries))}, queries=len(queries), draws=DRAWS, seed=0
        )
        threshold = threshold_of(chances, good, MatchRecipe().cost)
        removed = float((chances[~good] < threshold).mean())
        rows.append((task, f"{len(good):,}", f"{good.mean():.1%}", shown(area["area"].estimate()), f"{removed:.1%}"))
    if not rows:
        return ""
    head = ("task", "parts", "right, by the judge", "AUROC of query and text", "bad taken out at a tenth of the good")
    return f"""### On parts of answers

Kept verdicts of a judge on rewrites and ideas, which the filter has learnt nothing of.

{lines(head, rows)}
"""


def rewrites(demo: Shop, shop: Shop, scratch: Path) -> str:
    """Hold the filter against what a judge says of the demo's rewrites, which the checks of rewrites let through."""
    work = scratch / "demo"
    work.mkdir()
    for path in demo.work.iterdir():
        if path.name not in (demo.student.name, "stages.json", "verdicts", ".lock"):
            (work / path.name).symlink_to(path.resolve())
    shutil.copyfile(demo.work / "stages.json", work / "stages.json")
    shutil.copytree(demo.student, work / demo.student.name)
    demo = replace(demo, work=work)
    shutil.copyfile(shop.student / MODEL, demo.student / MODEL)
    lexicon = lexicon_of(sales_of(demo))
    write_match_about(demo.student, threshold=matcher_of(shop).threshold, lexicon=lexicon)
    command = [sys.executable, "-m", "querywise", "judge", str(demo.folder), "--work", str(demo.work)]
    command += ["--task", "rewrite", "--model", f"recorded:{ROOT / 'demo' / 'recordings' / 'judge.jsonl.gz'}"]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    verdicts = [
        verdict
        for file in verdict_files(demo, "rewrite")
        for verdict in file.first
        if isinstance(verdict, Verdict) and not verdict.item.subject.startswith("spelling:")
    ]
    if not verdicts:
        raise UserError("the rewrites of the demo could not be judged from its recording")
    offers = [Offer(query=one.item.query, text=one.item.subject.partition(":")[2]) for one in verdicts]
    chances = matcher_of(demo).chances(offers).astype(np.float64)
    groups = {
        "all": np.ones(len(verdicts), dtype=np.bool_),
        **{kind: np.array([one.item.subject.startswith(f"{kind}:") for one in verdicts]) for kind in KINDS},
    }
    rows = []
    for name, some in groups.items():
        chosen = [one for one, is_one in zip(verdicts, some, strict=True) if is_one]
        for said, right in (
            ("right in everything", [bool(one.grade) for one in chosen]),
            ("keeps the need", [one.facets["keeps_need"] for one in chosen]),
        ):
            rows.append((name, said, *separation(chosen, chances[some], np.array(right, dtype=np.bool_))))
    head = ("rewrites", "good is what", "rewrites judged", "good", "AUROC", "bad taken out at a tenth of the good")
    return f"""### On rewrites

What a judge says of the demo's rewrites, which the checks of rewrites let through, and the filter of the electronics
shop, reading with the demo's student: the demo has no filter of its own, and nobody judged the rewrites of electronics.
Corrected spellings are left out.

{lines(head, rows)}
"""


def separation(verdicts: Sequence[Verdict], chances: Scores, good: NDArray[np.bool_]) -> tuple[str, str, str, str]:
    """Return the cells of a row: how many, how many good, how well a chance tells them apart, and what it takes out."""
    queries = sorted({one.item.query for one in verdicts})
    place = {query: i for i, query in enumerate(queries)}
    query = np.array([place[one.item.query] for one in verdicts])
    area = Auroc.of(chances, good, query, len(queries))
    found = bootstrap({"area": area}, queries=len(queries), draws=DRAWS, seed=0)["area"].estimate()
    removed = float((chances[~good] < threshold_of(chances, good, MatchRecipe().cost)).mean())
    return f"{len(good):,}", f"{good.mean():.1%}", interval(found), f"{removed:.1%}"


def sales_of(shop: Shop) -> list[Sale]:
    products = pl.read_parquet(shop.warehouse / "products.parquet", columns=["title", "category_id", "brand"])
    return [Sale(**row) for row in products.iter_rows(named=True)]


def described(item: Item) -> Offer:
    category_id, _, label = item.subject.partition(":")
    return Offer(query=item.query, text=label, category_id=category_id)


def shown(estimate: Estimate | None) -> str:
    return interval(estimate)


def speed(matcher: Matcher, rated: Rated) -> str:
    seconds = []
    for i in range(ROUNDS):
        start = (i * OFFERS) % (len(rated.offers) - OFFERS)
        some = [replace(offer, query=rated.offers[start].query) for offer in rated.offers[start : start + OFFERS]]
        begun = time.perf_counter()
        matcher.chances(some)
        seconds.append(time.perf_counter() - begun)
    p50, p99 = np.quantile(seconds, (0.5, 0.99)) * 1000
    return f"""### Speed

{OFFERS} texts for one query, read and judged, on one thread: {p50:.1f} ms at p50, {p99:.1f} ms at p99.
"""


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(table(head, rows))


if __name__ == "__main__":
    main()
