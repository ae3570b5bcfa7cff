"""Soak a service: mixed traffic, releases that change, workers that are killed, and every answer compared.

Run: python -m benchmarks.soak --releases FOLDER [--minutes 20] [--rate 100]

FOLDER has two releases of one shop, which are copied; of more, `--names` says which. `make gate` leaves two such in
`.querywise/gate/releases`. What each answers to every request is worked out in this process first. Then two workers
serve `current`, which is moved from one release to the other every ten seconds as a promotion moves it; a worker is
killed every 30 to 60 seconds, the younger one for most of the time, so that the other grows old. Every answer must be,
byte for byte, that of one of the two releases; a connection that breaks by a death is counted and its request sent once
more. At the end what was counted, logged and kept of misses is compared with what was asked. The exit status is 1 where
anything is wrong.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.soak.report import report
from benchmarks.soak.run import Plan, soak
from benchmarks.soak.verdict import faults_of
from release.current import list_releases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=Path, required=True)
    parser.add_argument("--names", nargs=2, help="of the releases, where there are more than two")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--rate", type=float, default=Plan.rate, help="requests a second")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    parser.add_argument("--no-log", action="store_true", help="log no requests: answers then take the shortest way")
    parser.add_argument("--keep", type=Path, help="folder in which logs and misses stay")
    options = parser.parse_args()
    names = options.names or list_releases(options.releases)
    if len(names) != 2:
        parser.error(f"{options.releases} has {len(names)} releases: say which two by --names")
    plan = replace(Plan(), seconds=60 * options.minutes, rate=options.rate, seed=options.seed, log=not options.no_log)
    with tempfile.TemporaryDirectory() as folder:
        scratch = options.keep or Path(folder) / "written"
        releases = Path(folder) / "releases"
        releases.mkdir()
        for name in names:
            shutil.copytree(options.releases / name, releases / name)
        found = soak(releases, scratch, plan)
    faults = faults_of(found, plan)
    sys.stdout.write("\n".join([*report(found), "", *(faults or ["Nothing is wrong."])]) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
