"""Recall of the candidate categories: how often what a person expects is among what the model is offered.

    python -m benchmarks.candidates SHOP --work DIR --gold FILE

The shop must have been ingested, and have its context and index. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from domain.context import ContextStore
from domain.retrieval import RetrievalIndex
from domain.shop import open_shop
from evals import read_gold
from prompts import CandidateFinder

SIZES = (10, 20, 30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--gold", type=Path, required=True)
    options = parser.parse_args()
    sys.stdout.write(recall_table(options.shop, options.work, options.gold))


def recall_table(folder: Path, work: Path | None, gold: Path) -> str:
    """Return mean recall of the expected categories among the first 10, 20 and 30 candidates, by tier of the log."""
    shop = open_shop(folder, work=work)
    taxonomy = shop.load_taxonomy()
    contexts, index = ContextStore(shop.context_file), RetrievalIndex(shop.index)
    cases = [case for case in read_gold(gold, taxonomy).cases if case.categories]
    tiers = contexts.tiers()
    rows = [
        "| candidates | tier | queries | " + " | ".join(f"recall@{size}" for size in SIZES) + " |",
        "|---" * (3 + len(SIZES)) + "|",
    ]
    for name, store in (("retrieval alone", None), ("with the log's evidence", contexts)):
        finder = CandidateFinder(taxonomy=taxonomy, index=index, products={}, contexts=store)
        found: dict[str, list[list[float]]] = {}
        for case in cases:
            offered = finder.find(case.normalized, store.get(case.normalized) if store else None, limit=max(SIZES))
            expected = set(case.categories or ())
            recalls = [len(expected & set(offered[:size])) / len(expected) for size in SIZES]
            for tier in ("all", tiers.get(case.normalized, "unseen")):
                found.setdefault(tier, []).append(recalls)
        for tier in ("all", "head", "torso", "tail", "unseen"):
            if tier in found:
                means = " | ".join(f"{mean:.3f}" for mean in np.mean(found[tier], axis=0))
                rows.append(f"| {name} | {tier} | {len(found[tier])} | {means} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
