"""The page: what is measured, and a part for each shop."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.students.answerable import PRECISION
from benchmarks.students.answers import TEACHER, answers_of, taught
from benchmarks.students.bench import Bench
from benchmarks.students.contest import Contest
from benchmarks.students.decided import Decided
from benchmarks.students.lines import shown_at_most
from benchmarks.students.measuring import DRAWS, measured
from benchmarks.students.out_of_domain import falsely_answered, read_strangers, unlearnt
from benchmarks.students.plot import drawing
from benchmarks.students.ranking import MOST
from benchmarks.students.search import search_part
from benchmarks.students.tables import (
    calibration_table,
    kept_table,
    leaf_table,
    own_table,
    parent_table,
    variants_table,
)
from distill.student import Settings

INTRO = f"""# The student beside its peers

Written by `python -m benchmarks.students`; do not edit. The student answers what has no precomputed answer, by the
words alone. Here it stands beside what it learnt from, and beside what one would train in its place.

- **teacher**: the labels as they were made offline, by a model that was shown the query's own evidence. It is measured
  on the queries that have a label.
- **engagement**: the top-converting categories of the query's own log. It too knows of each query what no model of
  words can know, and says nothing of a query that nobody searched.
- **fastText**: words, pairs of words and character n-grams (Joulin et al. 2017), with softmax or hierarchical softmax,
  on all examples or on labels alone; the best of the four on the held labels.
- **MiniLM + linear**: the sentence encoder as it comes, and a multinomial regression on its vectors.
- **student**: what `querywise distill --folds 0` makes, which has learnt from the same labels as the peers.
- **student, own thresholds**: what `querywise distill` makes and a release serves. It has learnt from the held labels
  too, and answers, by thresholds that cross-fitting set, with a category, with one above it, or not at all.

No label and no log of a measured query, or of one that is nearly the same, was learnt from or calibrated on. The peers
learn from the same examples as the student, drawn in the same mix and with the same slips of the keyboard; the student
has besides learnt the encoder's vectors of the shop's texts, which is part of its design. Learning rates and sizes of
the peers are fixed, not searched for on each shop. fastText, regression and student answer with each category, {MOST}
at most, whose chance reaches a threshold, set for each for the best F1 on the held labels.

*Top-1* asks each for its likeliest category, none among them. *Coverage at precision {PRECISION}* is the largest share
of all queries that could be answered, the surest first, with the first category right in {PRECISION:.0%}: the best
threshold is set with the answers known, for everybody alike, and shows how well chances order queries. Brackets are 95%
bootstrap intervals over queries, {DRAWS:,} resamples; differences are paired, and bold where the interval leaves out 0.

To make it again: `querywise distill SHOP --work FOLDER --gold FILE` for each shop, and with `--folds 0` in a copy of
the work folder; then this module, with `--shop`, `--work`, `--gold` and `--apart COPY/student` once for each and
`--write docs/students.md`. The last part is written by `python -m benchmarks.students_front`, and left as it is.
"""

FRONT = """# A transformer in its place

What a transformer would be worth where the student stands, and what it would take. It is the first layers of MiniLM,
the mean of their last made as long as the student's embedding; the vectors of the pieces of words stay as they are.
It learns by the student's own code what the student learns: first to embed the shop's texts as the whole of MiniLM
does, then the same examples in the same mix with the same slips, with the same loss, under the same head, which makes a
category's vector of its name, path and titles. The rate at which it learns to answer is the better of two on the demo's
held labels. In int8 the weights of its products are in eight bits, and what is multiplied with them is quantised as it
comes.

*Labels* are the teacher's, those held to tune on and those held out together; the variants of fastText and of MiniLM +
linear were chosen on the former, which is to their favour. F1 is that of the categories whose chance reaches a
threshold, the one with the best F1 on the other half of the labels, and for people on all of them. Times are of one
query on one thread, from its normalised text to its likeliest categories: medians of rounds in which all take turns, on
a machine with other work on it, with the least and the most. MB are of the ONNX model, which fastText and the linear
layer are not in; minutes to train are of one core with other work on it, less the reading of the shop's texts by
MiniLM.
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A shop's part of the page in Markdown, and its plot as SVG, which the text shows from the folder images."""

    text: str
    plot: str

    @classmethod
    def of(cls, bench: Bench, *, threads: int) -> Section:
        """Train the peers on a shop, and measure everybody.

        Raises:
            UserError: when fastText is not installed.
        """
        contest = Contest.of(bench, threads)
        people, teacher = (Decided.of(bench.served, queries) for queries in (bench.gold, bench.test))
        to_people = {TEACHER: taught(bench, bench.gold)} | answers_of(bench, people, contest.systems)
        by_people = measured(bench.gold, to_people, bench.taxonomy)
        by_teacher = measured(bench.test, answers_of(bench, teacher, contest.systems), bench.taxonomy)
        decided = {"people": people, "the teacher": teacher}
        strangers = read_strangers()
        new = unlearnt(strangers, bench.examples)
        parts = [
            f"# {bench.name}",
            learnt_from(bench),
            variants_table(contest),
            "## Against people",
            f"{len(bench.gold.cases)} labelled queries. Tiers are the gold file's own where it has no other kinds.",
            leaf_table(by_people),
            "Raised to their parents:",
            parent_table(by_people),
            "## What is kept of the teacher's quality",
            "Leaf F1 as a share of the teacher's, on people's labels, over the queries that the teacher has labelled.",
            kept_table(bench, to_people, tuple(contest.systems)),
            "## Against the teacher",
            f"{len(bench.test.cases)} labels that nothing was learnt from or tuned on; right is what the teacher said.",
            leaf_table(by_teacher),
            "Raised to their parents:",
            parent_table(by_teacher),
            "## The student's own thresholds",
            f"They are set on {bench.card.calibrated_on} labels, each asked of a student that had not learnt it, so\n"
            f"that at each depth {bench.card.target:.0%} of "
            "answers or more agree with the teacher. Where none can promise that, nothing is answered. An ancestor is\n"
            "right where it lies above what is right.",
            own_table(decided),
            "## What no shop can answer",
            f"{len(new)} of {len(strangers)} queries that are for no shop: those that are none of its examples.\n"
            "Whatever category the student's own thresholds let through, or an ancestor, is false.",
            falsely_answered(new, bench.served),
            "## Calibration",
            "Whether the student's chances are true on queries it has not seen: that of its likeliest category for\n"
            "every query, and those of what its thresholds let through. ECE is in up to ten bins of equal mass; by\n"
            "chance alone it would be about the last column if every chance were true.",
            calibration_table(decided),
            f"![Chance given and share right, with Wilson's 95% intervals](images/{plot_name(bench)})\n",
            *search_part(bench.shop),
        ]
        return cls(
            text="\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts),
            plot=drawing({by: one.likeliest for by, one in decided.items()}),
        )


def fronts(page: str) -> list[str]:
    """Return what `python -m benchmarks.students_front` has put into a page, marks and all."""
    return [found[0] for found in re.finditer(r"<!-- (front of [^>]+) -->\n.*?<!-- end of \1 -->", page, re.DOTALL)]


def plot_name(bench: Bench) -> str:
    """Return the name of a shop's plot in the folder images."""
    return f"reliability-{bench.name}.svg"


def learnt_from(bench: Bench) -> str:
    """Return what was learnt from, and what was kept apart."""
    sources = ", ".join(f"{len(some):,} of {source}" for source, some in bench.examples.items())
    names, alike = bench.overlap.names, bench.overlap.catalogue
    shown = shown_at_most(Settings().recipe)
    return f"""{len(bench.taxonomy):,} categories. Examples: {sources}.
Labels: {len(bench.split.train):,} to learn from, {len(bench.held.cases):,} held to tune on,
{len(bench.test.cases):,} held out to measure on, {bench.split.dropped:,} left out because of the gold.
Of the examples each peer was given {bench.lines.count:,} draws; the student was shown {shown:,} at most.

No label and no behaviour is of a measured query or nearly one, and no pseudo-query is one. A shop's tree and titles are
known before anybody asks: {alike:,} pseudo-queries have the same words as a measured query, and {names:,} category
names are one."""
