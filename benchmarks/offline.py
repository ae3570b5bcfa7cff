"""Time and peak memory of each stage of the offline path, on the demo shop and on a real catalogue.

    python -m benchmarks.offline [--electronics FOLDER]

Every stage runs as its own process into a fresh work folder; completions are replayed. Electronics has no recorded
ideas, so that nothing is found for them, and its student, which takes long, is trained once and not by folds. Peak
memory is the process's maximum resident set as the kernel counts it. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEFORE, AFTER = (["ingest"], ["context"], ["index"]), (["release", "build"],)
STAGES = {
    "demo": (*BEFORE, ["label", "--tail", "400"], ["distill"], ["content"], *AFTER),
    "electronics": (*BEFORE, ["label", "--prompt", "understand@1"], ["distill", "--folds", "0"], *AFTER),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--electronics", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        demo = Path(scratch) / "shop"
        subprocess.run([sys.executable, "-m", "demo", str(demo)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        shops = {"demo": (demo, ROOT / "demo" / "recordings" / "understand.jsonl.gz")}
        if options.electronics.is_dir():
            recording = ROOT / "benchmarks" / "recordings" / "electronics.jsonl.gz"
            shops["electronics"] = (options.electronics.resolve(), recording)
        rows = ["| shop | stage | seconds | peak MB |", "|---|---|---|---|"]
        for name, (folder, recording) in shops.items():
            total = 0.0
            for stage in STAGES[name]:
                command = [*stage, str(folder), "--work", f"{scratch}/{name}"]
                if stage[0] == "label":
                    command += ["--model", f"recorded:{recording}"]
                seconds, megabytes = measure(command)
                total += seconds
                rows.append(f"| {name} | {' '.join(stage)} | {seconds:.1f} | {megabytes:.0f} |")
            rows.append(f"| {name} | all | {total:.1f} | |")
    sys.stdout.write("\n".join(rows) + "\n")


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command; return its wall time in seconds and its peak memory in MB."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "querywise", *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed: {said.decode()}")
    return time.monotonic() - started, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
