"""How good the judge of relevance is, on recorded verdicts and people's ratings: figures of docs/judge.md.

    python -m benchmarks.judge [--electronics FOLDER] [--recording FILE] [--work DIR] [--write]

Prints Markdown; `--write` puts it into docs/judge.md. Nothing is asked of a model. The electronics shop is data that is
not part of the repository: without its folder nothing is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from domain.errors import UserError
from domain.judgements import read_judgements
from domain.verdict import Item, Unscored, Verdict, read_verdicts
from evals.cells import difference, interval, table
from evals.estimates import Estimate, Ratio, Statistic
from evals.judge import (
    Coefficient,
    JudgeAgreement,
    Rating,
    audit,
    judge_agreement,
    panel,
    ratings_of,
    reference,
    saving_curve,
    self_consistency,
)
from evals.judge.coefficients import Kappa, drawn
from evals.judge.corrected import QueryMeans, corrected, naive_mean, query_means, student
from evals.judge.panel import PanelMethod
from evals.judge.table import confusion, tabulate
from prompts.recording import read_recording

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "judge.md"
MARK = "<!-- Below: written by `python -m benchmarks.judge --write`; do not edit. -->\n"
PLAIN = ROOT / "benchmarks" / "rubrics" / "relevance_plain.md"

SAMPLED_PAIRS = 240
LABELLED = (10, 20, 30, 40)
SAMPLES = 1000
RIGHT = 2
"""The lowest grade that counts as relevant where a share is taken."""

Verdicts = Sequence[Verdict | Unscored]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The recorded verdicts and the ratings; `sample` are the queries that were asked in every way.

    `passes` are those of the judge by the nonce of the repeat, the first of all queries and the others of the sample;
    `changed` are those of the audit by what was changed, of the sample, and `plain` those of the plain rubric, of all
    queries that had no part in ours.
    """

    ratings: tuple[Rating, ...]
    sample: frozenset[str]
    passes: Mapping[str, Verdicts]
    changed: Mapping[str, Verdicts]
    plain: Verdicts

    @property
    def sampled(self) -> Verdicts:
        return [verdict for verdict in self.passes[""] if verdict.item.query in self.sample]

    @property
    def repeats(self) -> dict[str, Verdicts]:
        return {name: verdicts for name, verdicts in self.passes.items() if name}

    def split(self, *, development: bool) -> Verdicts:
        return [verdict for verdict in self.passes[""] if is_development(verdict.item.query) == development]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    recording = ROOT / "benchmarks" / "recordings" / "judge-electronics.jsonl.gz"
    parser.add_argument("--recording", type=Path, default=recording)
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise")
    parser.add_argument("--write", action="store_true", help="Put the figures into docs/judge.md.")
    options = parser.parse_args()
    if not options.electronics.is_dir():
        parser.exit(2, f"{options.electronics} is not there: people's ratings are needed\n")
    try:
        bench = replay(options.electronics, options.recording, options.work / "judge-electronics")
        figures = "\n".join(
            part
            for part in (
                opening(options.recording),
                agreement(bench),
                rubrics(bench),
                bias(bench),
                steadiness(bench),
                panels(bench),
                correction(bench),
                CAVEATS,
            )
        )
    except UserError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    if options.write:
        PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + "\n" + figures)
    sys.stdout.write(figures)


def is_development(query: str) -> bool:
    """Whether the rubric was written after a look at people's ratings of this query."""
    return int(hashlib.sha256(query.encode()).hexdigest(), 16) % 4 == 0


def sample_of(ratings: Sequence[Rating]) -> frozenset[str]:
    """Draw queries that had no part in the rubric, each of five pairs or more, until there are enough pairs."""
    pairs: dict[str, set[str]] = {}
    for rating in ratings:
        pairs.setdefault(rating.item.query, set()).add(rating.item.subject)
    others = sorted(query for query, products in pairs.items() if len(products) >= 5 and not is_development(query))
    random.Random(7).shuffle(others)
    chosen: list[str] = []
    while sum(len(pairs[query]) for query in chosen) < SAMPLED_PAIRS:
        chosen.append(others[len(chosen)])
    return frozenset(chosen)


def replay(folder: Path, recording: Path, work: Path) -> Bench:
    """Let the program judge from the recording, in every way in which it was asked."""
    products = work / "warehouse" / "products.parquet"
    if not products.is_file():
        call("ingest", folder, "--work", work)
    known = frozenset(pl.read_parquet(products, columns=["product_id"])["product_id"])
    ratings = ratings_of(read_judgements(folder / "judgements.csv", known))
    sample = sample_of(ratings)
    queries = work / "sampled.jsonl"
    queries.write_text("".join(json.dumps(query) + "\n" for query in sorted(sample)))
    # Verdicts that stand would be kept where the recording has none.
    shutil.rmtree(work / "verdicts", ignore_errors=True)
    judge = ("judge", folder, "--work", work, "--task", "relevance", "--model", f"recorded:{recording}")
    call(*judge)
    ours, *changes = files_of(*judge, "--queries", queries, "--repeat", "3", "--audit")
    others = work / "others.jsonl"
    asked = sorted({rating.item.query for rating in ratings if not is_development(rating.item.query)})
    others.write_text("".join(json.dumps(query) + "\n" for query in asked))
    [plain] = files_of(*judge, "--queries", others, "--rubric", PLAIN)
    passes: dict[str, list[Verdict | Unscored]] = {}
    for verdict in read_verdicts(ours):
        passes.setdefault(verdict.repeat, []).append(verdict)
    return Bench(
        ratings=ratings,
        sample=sample,
        passes=dict(sorted(passes.items())),
        changed={path.suffixes[-2].removeprefix("."): list(read_verdicts(path)) for path in changes},
        plain=list(read_verdicts(plain)),
    )


def files_of(*arguments: str | Path) -> list[Path]:
    """Judge, and return the files of verdicts: of the judge itself, then of each change."""
    return [Path(path) for path in json.loads(call(*arguments, "--json"))["files"]]


def call(*arguments: str | Path) -> str:
    command = [sys.executable, "-m", "querywise", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def opening(recording: Path) -> str:
    completions = list(read_recording(recording))
    [model] = {completion.model for completion in completions}
    return f"""People are the three raters of each pair of the electronics shop's `judgements.csv`. The judge is
`{model}` with `judge_relevance@1`, in {len(completions):,} recorded answers. Brackets are 95% intervals of the
bootstrap over queries; a difference is bold where its interval leaves out 0.
"""


def agreement(bench: Bench) -> str:
    """Compare the judge with people: on the queries that the rubric was written from, and on the others."""
    parts = [judge_agreement(bench.split(development=known), bench.ratings) for known in (True, False)]
    rows = [
        ("queries", *(f"{part.with_people.queries:,}" for part in parts)),
        ("pairs", *(f"{part.with_people.items:,}" for part in parts)),
        ("pairs that people find just right or of no use (3 or 0)", *map(plain_share, parts)),
        ("pairs without a verdict", *(f"{part.tally.items - part.tally.scored:,}" for part in parts)),
        *(
            (name, *(shown(of(part)) for part in parts))
            for name, of in (
                ("judge and the median of people: quadratic kappa", lambda a: a.with_people.quadratic_kappa),
                ("the same: Cohen's kappa", lambda a: a.with_people.kappa),
                ("the same: Krippendorff's alpha", lambda a: a.with_people.alpha),
                ("the same: exact agreement", lambda a: a.with_people.exact),
                ("judge in the place of a person: quadratic kappa", lambda a: a.ceiling.judge.quadratic),
                ("a person, the ceiling: quadratic kappa", lambda a: a.ceiling.person.quadratic),
                ("people in pairs: quadratic kappa", lambda a: a.people.pairwise.quadratic),
                ("people in pairs: Cohen's kappa", lambda a: a.people.pairwise.plain),
            )
        ),
    ]
    gap = parts[1].ceiling.gap.quadratic.estimate
    return f"""### Agreement with people

The figures that count are those of the other queries: the rubric was written with people's ratings of the first
column in sight.

{lines(("", "queries that the rubric was written from", "the other queries"), rows)}

*In the place of a person*: the judge, and each person in turn, against the median of the other two, on the same
pairs. On the other queries the judge less a person is {difference(gap)} in quadratic kappa.
"""


def rubrics(bench: Bench) -> str:
    """Compare the rubric of facets with a plain one on the same pairs, both by the same resamples of the queries."""
    judges = {
        "facets: `judge_relevance@1`": grades(bench.split(development=False)),
        "plain: a line for each grade": grades(bench.plain),
    }
    people = reference(bench.ratings, "relevance")
    every = tabulate("relevance", {"people": people, **judges})
    every = every.only(np.asarray(~np.isnan(every.grades).any(axis=1)))
    counts = {name: confusion(every.grades[:, 0], every.grades[:, at], every) for at, name in enumerate(judges, 1)}
    statistics: dict[tuple[str, str], Statistic] = {}
    for name, found in counts.items():
        statistics[name, "quadratic"] = Kappa(counts=found, distance="quadratic")
        statistics[name, "plain"] = Kappa(counts=found, distance="nominal")
        statistics[name, "exact"] = Ratio(top=np.einsum("qii->q", found), bottom=found.sum(axis=(1, 2)))
    samples = drawn(statistics, queries=every.queries, draws=1000, seed=0)
    measures = ("quadratic", "plain", "exact")
    facets, plain = judges
    rows = [(name, *(interval(samples[name, measure].estimate()) for measure in measures)) for name in judges]
    gains = (samples[facets, measure].over(samples[plain, measure]).estimate() for measure in measures)
    rows.append(("difference, paired", *map(difference, gains)))
    return f"""### Facets or a plain rubric

The same model on {len(every.items):,} pairs, of all {every.queries} queries that had no part in the rubric; the plain
one is `benchmarks/rubrics/relevance_plain.md`.

{lines(("rubric", "quadratic kappa", "Cohen's kappa", "exact agreement"), rows)}
"""


def bias(bench: Bench) -> str:
    """Show what each change does that should do nothing, and on how many queries."""
    found = audit(bench.sampled, bench.changed, repeat=bench.passes["2"])
    before = grades(bench.sampled)
    after = {name: grades(verdicts) for name, verdicts in bench.changed.items()}
    rows = []
    for effect in found.effects:
        changed = [item for item, grade in after[effect.perturbation].items() if grade != before[item]]
        by_query = Counter(item.query for item in changed).values()
        cells = difference(effect.shift), interval(effect.changed), difference(effect.excess)
        moved = f"{len(changed)}, of one query {max(by_query, default=0)}"
        rows.append((effect.perturbation, *cells, moved, effect.finding.replace("_", " ")))
    again = map(grades, bench.repeats.values())
    noise = ", ".join(f"{np.mean([grade != before[item] for item, grade in one.items()]):.1%}" for one in again)
    head = ("change", "shift in grade", "share changed", "more than in pass 2", "grades changed", "shift")
    return f"""### Bias

The same {found.effects[0].items} pairs, judged again with one change at a time that should change nothing. Plain
repeats, pass {" and pass ".join(bench.repeats)}, change {noise} of the grades by themselves.

{lines(head, rows)}

A shift is said to be shown where its interval leaves out 0 and six queries or more have changed.
"""


def steadiness(bench: Bench) -> str:
    """Compare three independent passes."""
    every = [*bench.sampled, *(verdict for verdicts in bench.repeats.values() for verdict in verdicts)]
    found = self_consistency(every)
    return f"""### Steadiness

Asked {found.repeats} times about {found.items} pairs, the judge gives {interval(found.same)} of them one grade
throughout. Two passes differ on {interval(found.flips)}, by {interval(found.apart)} grades on average; Krippendorff's
alpha between them is {shown(found.alpha)}.
"""


def panels(bench: Bench) -> str:
    """Compare panels with their members, on the sampled pairs."""
    passes = {"facets": list(bench.sampled)}
    for repeat, verdicts in bench.repeats.items():
        passes[f"facets, pass {repeat}"] = [
            replace(verdict, judge=f"{verdict.judge}, pass {repeat}", repeat="") for verdict in verdicts
        ]
    passes["plain"] = [verdict for verdict in bench.plain if verdict.item.query in bench.sample]
    rows = [(name, *kappas(judge_agreement(given, bench.ratings))) for name, given in passes.items()]
    facets = [name for name in passes if name != "plain"]
    methods: tuple[PanelMethod, ...] = ("majority", "dawid_skene")
    for names, title in (
        (facets, "the three passes"),
        (["facets", "plain"], "facets and plain"),
        (list(passes), "all four"),
    ):
        for method in methods:
            decided = panel([passes[name] for name in names], task="relevance", method=method)
            found = decided.agreement(bench.ratings)
            rows.append((f"{title}, {'majority' if method == 'majority' else 'Dawid-Skene'}", *kappas(found)))
    return f"""### Panels

Members and panels on the same pairs, with the median of people. A panel costs what its members cost together; how much
that was is not known, for recorded answers carry no price.

{lines(("judge or panel", "quadratic kappa", "Cohen's kappa"), rows)}
"""


def correction(bench: Bench) -> str:
    """Correct the judge by people on some of the queries that had no part in the rubric, and count what that saves."""
    people = reference(bench.ratings, "relevance")
    judge = {item: grade for item, grade in grades(bench.split(development=False)).items() if item in people}
    right = {"judge": at_least(judge), "people": at_least(people)}
    queries = sorted({item.query for item in judge})
    truth = student(query_means(judge, people).people), student(query_means(right["judge"], right["people"]).people)
    alone = naive_mean(judge, task="relevance"), naive_mean(right["judge"], task="relevance")
    rows = [
        ("people on all", f"{len(queries)}", *map(interval, truth)),
        ("judge alone", "0", *map(interval, alone)),
    ]
    order = random.Random(0).sample(queries, len(queries))
    for size in LABELLED:
        labelled = set(order[:size])
        for name, of in (("corrected", corrected), ("people alone", people_alone)):
            means = (
                query_means(judge, only(people, labelled)),
                query_means(right["judge"], only(right["people"], labelled)),
            )
            rows.append((name, f"{size}", *(interval(of(mean)) for mean in means)))
    curves = [
        (name, saving_curve(mine, theirs, sizes=LABELLED, repeats=SAMPLES))
        for name, mine, theirs in (
            ("mean grade", judge, people),
            (f"share of grade {RIGHT} or 3", right["judge"], right["people"]),
        )
    ]
    saved = [
        (
            name,
            f"{point.queries}",
            f"{point.labels:,.0f}",
            f"{point.width:.3f}",
            f"{point.people_width:.3f}",
            f"{point.coverage:.1%}",
            f"{point.people_coverage:.1%}",
            "–" if point.saved_labels is None else f"{point.saved_labels:+,.0f}",
        )
        for name, curve in curves
        for point in curve.points
    ]
    head = ("figure", "labelled queries", "pairs", "width", "people alone", "coverage", "people alone", "pairs saved")
    return f"""### Means corrected by people, and what that saves

{len(queries)} queries that had no part in the rubric, all judged; people's ratings are taken of some, drawn once by a
seed. Every query counts alike.

{lines(("who", "labelled queries", "mean grade", f"share of grade {RIGHT} or 3"), rows)}

Over {SAMPLES:,} such draws, of {len(queries)} queries with replacement: the width of the 95% interval, how often it
held people's mean of all, and how many more pairs people would have to rate for as short an interval without the judge.

{lines(head, saved)}
"""


CAVEATS = """### What these figures do not say

- One model answered everything, the plain rubric and the repeats too. Another model has other figures.
- It was recorded in conversations of 27 to 75 requests, several of one query among them, not request by request.
  Within one it may keep to its first reading of a query, so that it looks steadier than it is; and where the reading
  changes from one conversation to the next, all pairs of the query change at once. Repeats and changes were
  conversations of their own.
- The pairs on which changes, repeats and panels are compared are of few queries: only what is large can show.
- People are noisy: printers that run on AA batteries were rated 3 for `aa`. A judge that agrees with the median of the
  others better than a person does is closer to what most people say, which need not be right.
- It is one shop, in English, and its pairs are mostly just right or of no use.
"""


def plain_share(found: JudgeAgreement) -> str:
    by_grade = [sum(row) for row in found.with_people.counts]
    return f"{(by_grade[0] + by_grade[-1]) / sum(by_grade):.0%}"


def grades(verdicts: Verdicts) -> dict[Item, int]:
    return {verdict.item: verdict.grade for verdict in verdicts if isinstance(verdict, Verdict)}


def at_least(given: Mapping[Item, int]) -> dict[Item, int]:
    return {item: int(grade >= RIGHT) for item, grade in given.items()}


def only(given: Mapping[Item, int], queries: set[str]) -> dict[Item, int]:
    return {item: grade for item, grade in given.items() if item.query in queries}


def people_alone(means: QueryMeans) -> Estimate:
    return student(means.people)


def shown(found: Coefficient) -> str:
    return interval(found.estimate) if found.estimate else f"not defined ({found.undefined})"


def kappas(found: JudgeAgreement) -> tuple[str, str]:
    return shown(found.with_people.quadratic_kappa), shown(found.with_people.kappa)


def lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(table(head, rows))


if __name__ == "__main__":
    main()
