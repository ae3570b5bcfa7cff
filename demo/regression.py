"""``python -m demo.regression FILE``: the demo's recording with a regression planted, to see the gate refuse it.

Of every ten recorded answers two change places, so that a fifth of the queries get what was said of another one. The
candidates of a request go by short ids, so what was right there is a wrong category here, and no check can tell.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

from demo import RECORDING

_EVERY = 10


def plant(recording: Path, planted: Path) -> int:
    """Write `recording` with answers exchanged; return how many stand where they do not belong."""
    with gzip.open(recording, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    # What else to show is another question: an answer to it would not even be read as one to this.
    said = [line for line in lines if "categories" in json.loads(line["content"])]
    moved = 0
    for at in range(0, len(said) - 1, _EVERY):
        one, other = said[at], said[at + 1]
        one["content"], other["content"] = other["content"], one["content"]
        moved += 2
    planted.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(planted, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return moved


def main() -> int:
    """Return the exit status: 0, or 2 on a user's mistake."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m demo.regression FILE.jsonl.gz\n")
        return 2
    sys.stdout.write(f"{plant(RECORDING, Path(sys.argv[1]))} answers stand where they do not belong: {sys.argv[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
