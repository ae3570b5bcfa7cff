"""What iterating on the prompt bought: versions of it, and one prompt against three, on labelled queries.

    python -m benchmarks.prompts --work FOLDER     after `python -m benchmarks.quality`, which calls it too

Every completion is replayed. The examples that some prompts show are frozen beside the recordings, with queries by
their hash and categories by their id, for they were accepted labels of a shop whose data is not in the repository.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.context import ContextStore
from domain.files import replace_atomically
from domain.shop import Shop, open_shop
from domain.understanding import Annotation, Category, Rewrite, Understanding, understanding_adapter

ROOT = Path(__file__).parent.parent
RECORDINGS = ROOT / "benchmarks" / "recordings"
SINGLE = "categories@1,rewrites@1,annotations@1"
PAIRS = (
    ("understand@1", "understand@2"),
    ("understand@1", "understand@3"),
    ("understand@1", SINGLE),
    ("understand@3", SINGLE),
)
# Of the demo's torso, the single prompts were not recorded.
TIERS = {("demo", SINGLE): "head"}
PRICED_AS = "gpt-5-mini"

TEXT = f"""Each row compares two wordings on the same labelled queries of head and torso (of the demo, single prompts
on the head alone), the same model and the same checks; brackets are paired 95% intervals, bold where they leave out 0.

`understand@1` is the default. `understand@2` says in the field's terms what each part of an answer is and is not, and
when to abstain; `understand@3` mends what @2 lost on the demo's head (demand split over siblings) and shows four
examples: accepted labels of @1 nearest to the query, never its own. The three single prompts ask for the parts one at a
time, with the same guidelines and examples as @3. No provider counted the tokens: they are counted, and priced, as
{PRICED_AS} would.
"""

HEAD = (
    "| shop | A | B | queries | F1 A | F1 B | B - A | won / lost by B | span F1, A / B | rewrite recall, A / B "
    "| tokens in, A / B | USD per right query, A / B |\n" + "|---" * 12 + "|"
)

TEACHER = """
The teacher on every labelled query, also where a run would not ask it (`understand@1`, with what evidence there is):
what a student of it can hope for on the tail.

| shop | tier | queries | leaf F1 |
|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise")
    options = parser.parse_args()
    shops = [("demo", options.work / "demo-shop", ROOT / "demo" / "gold.jsonl")]
    if options.electronics.is_dir():
        shops.append(("electronics", options.electronics, options.electronics / "gold_dev.jsonl"))
    sys.stdout.write(prompt_section(shops, options.work))


def prompt_section(shops: list[tuple[str, Path, Path]], work: Path) -> str:
    """Return the section of the quality page, from shops that were labelled: name, folder, gold."""
    rows, teacher = [], []
    for name, folder, gold in shops:
        shop = open_shop(folder, work=work / f"quality-{name}")
        thaw(name, shop)
        for a, b in PAIRS:
            tiers = TIERS.get((name, a), TIERS.get((name, b), "head,torso"))
            rows.append(_row(name, _compare(name, shop, gold, a, b, tiers)))
        everything = _compare(name, shop, gold, "understand@1", "understand@1", None)
        teacher += [f"| {name} | {_f1_of(row)} |" for row in everything["rows"] if row["by"] == "tier"]
    return "\n".join([TEXT, HEAD, *rows, TEACHER, *teacher]) + "\n"


def _f1_of(row: dict[str, Any]) -> str:
    found = row["measures"]["leaf_f1"]["a"]
    interval = f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    return f"{row['slice']} | {found['queries']} | {interval}"


def _compare(name: str, shop: Shop, gold: Path, a: str, b: str, tiers: str | None) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "querywise",
        "prompts",
        "compare",
        str(shop.folder),
        a,
        b,
        "--gold-file",
        str(gold),
    ]
    command += ["--work", str(shop.work), "--model", f"recorded:{RECORDINGS / f'prompts-{name}.jsonl.gz'}"]
    command += ["--price-as", PRICED_AS, "--json", *(["--tiers", tiers] if tiers else [])]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _row(shop: str, found: dict[str, Any]) -> str:
    quality, measures = found["quality"], found["rows"][0]["measures"]
    f1, gain = measures["leaf_f1"], quality["gain"]
    interval = f"{gain['value']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    spans, rewrites = (_both(measures.get(name)) for name in ("span_f1", "rewrite_recall"))
    sides = [found[side]["cost"] for side in ("a", "b")]
    tokens = " / ".join(f"{side['tokens_in']['value']:,}" for side in sides)
    usd = " / ".join(f"{side['usd_per_right']['value']:.5f}" for side in sides)
    names = [_short(found[side]["name"]) for side in ("a", "b")]
    cells = [shop, *names, found["queries"], f"{f1['a']['value']:.3f}", f"{f1['b']['value']:.3f}"]
    cells += [f"**{interval}**" if gain["low"] > 0 or gain["high"] < 0 else interval]
    cells += [f"{quality['won']} / {quality['lost']}", spans, rewrites, tokens, usd]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _both(measure: dict[str, Any] | None) -> str:
    return f"{measure['a']['value']:.3f} / {measure['b']['value']:.3f}" if measure else "no gold"


def _short(name: str) -> str:
    parts = [part.split("#")[0] for part in name.split("+")]
    return parts[0] if len(parts) == 1 else "three single prompts"


def freeze(name: str, examples: Path) -> None:
    """Write examples down without the shop's queries and category names."""
    with replace_atomically(RECORDINGS / f"examples-{name}.jsonl.gz") as file:
        packed = gzip.GzipFile(fileobj=file, mode="wb", mtime=0)
        for line in examples.read_bytes().splitlines():
            answer = understanding_adapter.validate_json(line)
            kept = {
                "query": _digest(answer.normalized),
                "specificity": answer.specificity,
                "categories": [[c.id, c.confidence] for c in answer.categories],
                "annotations": [[a.start, a.end, a.type, a.value] for a in answer.annotations],
                "rewrites": [[r.query, r.type, r.confidence] for r in answer.rewrites],
            }
            packed.write(json.dumps(kept, ensure_ascii=False).encode() + b"\n")
        packed.close()


def thaw(name: str, shop: Shop) -> None:
    """Write the frozen examples into the work folder of the shop that they were taken from."""
    taxonomy = shop.load_taxonomy()
    contexts = ContextStore(shop.context_file).of_tiers("head", "torso", "tail")
    queries = {_digest(context.query): context.query for context in contexts}
    with replace_atomically(shop.examples) as file:
        for kept in _frozen(name):
            query = queries[kept["query"]]
            answer = Understanding(
                query=query,
                normalized=query,
                source="head",
                reason="precomputed",
                release="",
                categories=tuple(Category(id=i, path=taxonomy.path(i), confidence=c) for i, c in kept["categories"]),
                annotations=tuple(
                    Annotation(text=query[start:end], start=start, end=end, type=kind, value=value)
                    for start, end, kind, value in kept["annotations"]
                ),
                rewrites=tuple(Rewrite(query=q, type=kind, confidence=c) for q, kind, c in kept["rewrites"]),
                specificity=kept["specificity"],
            )
            file.write(understanding_adapter.dump_json(answer) + b"\n")


def _frozen(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(RECORDINGS / f"examples-{name}.jsonl.gz", "rb") as file:
        for line in file:
            yield json.loads(line)


def _digest(query: str) -> str:
    return hashlib.sha256(query.encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
