"""Writes docs/students.md: the student beside its teacher and its peers, on the same labels, split and queries.

    python -m benchmarks.students --shop FOLDER --work FOLDER --gold FILE --apart FOLDER [--shop ...]
        [--write docs/students.md]

Each work folder has a student: `querywise distill SHOP --work FOLDER --gold FILE`, with that gold. `--apart` is the
student of a copy of the work folder that was made with `--folds 0`, to be compared with the peers. These are
trained here, minutes a shop. One of them is no dependency: `pip install fasttext-wheel`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.students.bench import open_bench
from benchmarks.students.page import FRONT, INTRO, Section, fronts, plot_name
from domain.errors import QuerywiseError, UserError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.students", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shop", type=Path, action="append", required=True)
    parser.add_argument("--work", type=Path, action="append", required=True)
    parser.add_argument("--gold", type=Path, action="append", required=True)
    parser.add_argument("--apart", type=Path, action="append", required=True, help="student made with --folds 0")
    parser.add_argument("--threads", type=int, default=1, help="with more than one, fastText differs from run to run")
    parser.add_argument("--lines", type=int, help="that each peer learns from; as many as the student is shown")
    parser.add_argument("--write", type=Path, help="the page; its plots go into the folder images beside it")
    options = parser.parse_args()
    if not len(options.shop) == len(options.work) == len(options.gold) == len(options.apart):
        parser.error("--shop, --work, --gold and --apart belong together: each as often as the others")
    try:
        parts = zip(options.shop, options.work, options.gold, options.apart, strict=True)
        benches = [open_bench(*part, lines=options.lines) for part in parts]
        sections = [Section.of(bench, threads=options.threads) for bench in benches]
    except QuerywiseError as error:
        told = "; ".join(filter(None, (str(error), error.hint)))
        parser.exit(2 if isinstance(error, UserError) else 1, f"{told}\n")
    before = options.write.read_text("utf-8") if options.write and options.write.is_file() else ""
    texts = [*(section.text for section in sections), FRONT, *fronts(before)]
    page = "\n".join([INTRO, *(f"{text.rstrip()}\n" for text in texts)])
    if options.write:
        images = options.write.parent / "images"
        images.mkdir(parents=True, exist_ok=True)
        for bench, section in zip(benches, sections, strict=True):
            (images / plot_name(bench)).write_text(section.plot, encoding="utf-8")
        options.write.write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
