"""Writes docs/quality.md: engagement, the model without and with evidence, and the release, on labelled queries.

    python -m benchmarks.quality [--electronics FOLDER]

Every completion is replayed from the recordings of this repository; nothing is asked of a model. The electronics shop
is data that is not part of the repository: without its folder that part is left out, and the page says so.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.candidates import recall_table
from benchmarks.prompts import prompt_section
from domain.context import ContextStore
from domain.label import read_labels
from domain.shop import open_shop
from domain.understanding import Understander
from evals import ask, compare, read_gold, to_markdown
from evals.labels import LabelledQueries
from evals.replay import replay_table
from querywise.evaluation import evaluate_release
from querywise.replay import replay_shop

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "quality.md"

OPENING = """# Quality

Written by `python -m benchmarks.quality`; do not edit. This is the experiment that Instacart described: an LLM alone
knows words, a shop's log knows its shoppers, and the question is what each is worth and what both are together.

- **engagement**: the top-converting categories of the log alone, no LLM.
- **LLM without context**: the prompt and the candidates, but no evidence of the log.
- **LLM with context**: the same prompt with the shop's evidence; this is what a release serves for head and torso.
- **the release**, by its id: what the service answers, which is the labels, and for every other query the nearest
  categories (`fallback`).

How each figure is computed is in [evaluation.md](evaluation.md). Only head and torso were labelled: on the tail and on
unseen queries the two LLM rows abstain, and the release, built here without a student, searches;
[students.md](students.md) has the student. Discovery content is in [discovered.md](discovered.md): how much of
substitutes and complements a judge finds right, how much can be grounded, how much is not on the page already, and how
diverse it is, by tier, for the ideas of both prompts and for those of log and tree without an LLM.
"""

REPLAY = """The answers of the electronics shop at work in a search on the lists that its three raters judged: BM25 over
the catalogue alone, and with categories as a boost or a filter and rewrites as further wordings. Brackets are
paired 95% intervals over queries; the boost's factor is chosen on the other half of the queries. An unjudged
product counts as irrelevant, except in the condensed list, from which it is taken out: what brings up
products that nobody judged looks worse than it is. The release equals its labels here, since a category
without confidence is not acted upon; the student is in [students.md](students.md). `querywise evaluate SHOP
--replay` does this for a shop of yours, the queries harmed first.
"""

GAINS = """Leaf F1 of the same model, prompt and checks, shown the evidence or not, with the paired 95% interval of the
difference. *departs* are the demo's queries whose meaning in the shop is not what their words say.
"""

ABOUT = {
    "demo": """The demo shop is of our own making, and so are its log and its gold. The simulated shoppers act on the
same beliefs from which the gold was written, so engagement is nearly an oracle here, and the LLM that is shown it
gains more than it would from a real log; read these figures as how well evidence is used, not as what to expect.""",
    "electronics": """A real catalogue (19,406 products), a real taxonomy (10,281 categories), real queries with a
simulated log, and categories labelled by experts. The search engine behind that log misses often ("laptop" returns
batteries), so behaviour misleads, as it does in life. The gold is the development half: candidate retrieval, the
engagement threshold and, with the demo's gold, the two thresholds of the fallback were chosen on it, so those rows are
a little too good; of the prompt, answers to 12 of its queries were looked at before it was settled.""",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A shop to measure."""

    name: str
    folder: Path
    recording: Path
    gold: Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise")
    options = parser.parse_args()
    demo = options.work / "demo-shop"
    subprocess.run([sys.executable, "-m", "demo", str(demo)], cwd=ROOT, check=True)
    recordings = ROOT / "demo" / "recordings", ROOT / "benchmarks" / "recordings"
    parts = [
        Part(
            name="demo",
            folder=demo,
            recording=recordings[0] / "understand.jsonl.gz",
            gold=ROOT / "demo" / "gold.jsonl",
        )
    ]
    if options.electronics.is_dir():
        gold = options.electronics / "gold_dev.jsonl"
        recording = recordings[1] / "electronics.jsonl.gz"
        parts.append(Part(name="electronics", folder=options.electronics, recording=recording, gold=gold))
    sections, gains = [], []
    for part in parts:
        sections += [f"# The {part.name} shop\n", ABOUT[part.name] + "\n", measure(part, options.work)]
        gains += context_gains(part, options.work)
    shops = [(part.name, part.folder, part.gold) for part in parts]
    head = ["| shop | slice | queries | F1 without | F1 with | difference |", "|---|---|---|---|---|---|"]
    page = [
        OPENING,
        "# What the shop's evidence adds to the LLM\n",
        GAINS,
        "\n".join([*head, *gains]) + "\n",
        "# What iterating on the prompt bought\n",
        prompt_section(shops, options.work),
        *sections,
    ]
    if len(parts) == 2:
        shop = open_shop(parts[1].folder, work=options.work / f"quality-{parts[1].name}")
        replayed = replay_shop(shop, gold=parts[1].gold)
        page += ["# What it does to a search\n", REPLAY]
        for queries in ("held back", "all labelled"):
            page += [f"## {queries.capitalize()}\n", "\n".join(replay_table(replayed.rows, queries)) + "\n"]
    else:
        page.append("# The electronics shop\n\nNot measured: its data was not at hand.\n")
    PAGE.write_text("\n".join(page))
    sys.stdout.write(f"{PAGE}\n")


def measure(part: Part, work: Path) -> str:
    """Run the shop from its recording, and return the tables of `evaluate` without their title."""
    folder = work / f"quality-{part.name}"
    shop = [str(part.folder), "--work", str(folder)]
    # Labels that stand would be carried over, although the checks may be others by now.
    shutil.rmtree(folder / "labels", ignore_errors=True)
    shutil.rmtree(folder / "releases", ignore_errors=True)
    shutil.rmtree(folder / "student", ignore_errors=True)
    (folder / "examples.jsonl").unlink(missing_ok=True)
    model = ["--model", f"recorded:{part.recording}"]
    for command in (["run", "--no-distill", *shop, *model], ["label", *shop, *model, "--without-context"]):
        subprocess.run([sys.executable, "-m", "querywise", *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    report = evaluate_release(open_shop(part.folder, work=folder), "current", gold=part.gold, thorough=False)
    assert report.evaluation.report is not None
    tables = to_markdown(report.evaluation.report, title=part.name).split("\n", 1)[1].lstrip()
    recall = recall_table(part.folder, work / f"quality-{part.name}", part.gold)
    return f"{tables}\n## Candidates: what the model could have chosen from\n\n{recall}"


def context_gains(part: Part, work: Path) -> list[str]:
    """Return a table row for each slice on which the model was asked both ways: leaf F1, and the paired difference."""
    shop = open_shop(part.folder, work=work / f"quality-{part.name}")
    taxonomy, gold = shop.load_taxonomy(), read_gold(part.gold, shop.load_taxonomy())
    systems: dict[str, Understander] = {
        "without": LabelledQueries(read_labels(shop.bare_labels_file)),
        "with": LabelledQueries(read_labels(shop.labels_file)),
    }
    report = compare(ask(systems, gold), gold, taxonomy, tiers=ContextStore(shop.context_file).tiers())
    f1 = {(row.by, row.slice, row.system): row for row in report.rows}
    rows = []
    for by, name in (("tier", "head"), ("tier", "torso"), ("kind", "departs")):
        if (by, name, "with") not in f1:
            continue
        without, with_context = f1[by, name, "without"], f1[by, name, "with"]
        gain = with_context.gains["leaf_f1"]
        known = without.measures["leaf_f1"].value, with_context.measures["leaf_f1"].value
        interval = f"{gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        rows.append(f"| {part.name} | {name} | {without.queries} | {known[0]:.3f} | {known[1]:.3f} | {interval} |")
    return rows


if __name__ == "__main__":
    main()
