"""How long a student takes to train over a whole taxonomy, part by part, and how much memory and disk it needs.

    python -m benchmarks.student_scale --shop FOLDER --work FOLDER [--gold FILE] [--pseudo 200000] [--folds 5]

Trained for as many steps as draw every pseudo-query once. The shop has to be labelled (`querywise label`); its student
is not touched. Prints Markdown.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from distill.student import Settings
from domain.errors import QuerywiseError
from domain.shop import Shop, open_shop
from querywise.distill import distill_shop


@dataclass
class Clock:
    """Takes the time of each part, from the end of the one before."""

    started: float = field(default_factory=time.monotonic)
    ended: dict[str, float] = field(default_factory=dict)

    def tell(self, part: str, done: int, total: int) -> None:
        if done == total or part not in self.ended:
            self.ended[part] = time.monotonic()

    def parts(self) -> dict[str, float]:
        before, seconds = self.started, {}
        for part, end in self.ended.items():
            seconds[part], before = end - before, end
        return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gold", type=Path)
    parser.add_argument("--pseudo", type=int, default=200_000)
    parser.add_argument("--folds", type=int, default=Settings().folds, help="trainings besides, to calibrate on")
    options = parser.parse_args()
    clock = Clock()
    try:
        shop = open_shop(options.shop, work=options.work)
        with TemporaryDirectory() as scratch:
            card = distill_shop(
                _elsewhere(shop, Path(scratch)),
                _settings(options.pseudo, options.folds),
                gold=options.gold,
                progress=clock.tell,
            )
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    examples = ", ".join(f"{share.count:,} {share.source}" for share in card.examples)
    lines = [f"{len(shop.load_taxonomy()):,} categories; {examples}.", "", "| part | seconds |", "|---|---|"]
    lines += [f"| {part} | {seconds:.0f} |" for part, seconds in clock.parts().items()]
    lines.append(f"| all | {time.monotonic() - clock.started:.0f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sizes = "; ".join(f"{parity.precision} {parity.megabytes:.1f} MB" for parity in card.parity)
    lines += ["", f"At most {peak:.1f} GiB of memory. Models: {sizes}."]
    sys.stdout.write("\n".join(lines) + "\n")


def _settings(pseudo: int, folds: int) -> Settings:
    settings = Settings(pseudo=pseudo, folds=folds)
    recipe = settings.recipe
    once = math.ceil(pseudo / (recipe.batch * recipe.mix["catalogue"]))
    return replace(settings, recipe=replace(recipe, steps=max(recipe.steps, once)))


def _elsewhere(shop: Shop, scratch: Path) -> Shop:
    """Return the shop with a work folder of its own, in which all but the student is that of the shop."""
    for path in shop.work.iterdir():
        if path.name not in (shop.student.name, "stages.json"):
            (scratch / path.name).symlink_to(path.resolve())
    stages = shop.work / "stages.json"
    (scratch / stages.name).write_bytes(stages.read_bytes())
    return replace(shop, work=scratch)


if __name__ == "__main__":
    main()
