"""``python -m service RELEASE``: serve a release folder where there is no shop folder, as in the container."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, get_args

from domain import QuerywiseError
from release.student import Provider
from service.run import serve
from service.settings import Settings

Number = TypeVar("Number", int, float)


def main() -> int:
    """Serve; return 2 where the release cannot be used, or not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve one release of Querywise.")
    parser.add_argument("release", type=Path, help="folder of a release, or a link to one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--provider", choices=get_args(Provider), default="cpu", help="where the student runs")
    parser.add_argument(
        "--quality-weight",
        type=_between(float, 0, 10),
        default=0.0,
        help="of the quality of products beside the cosine",
    )
    parser.add_argument(
        "--few-results",
        type=_between(int, 0, 1000),
        default=Settings.few_results,
        help="results up to which substitutes lead on a page; with more, complements do",
    )
    parser.add_argument(
        "--exploratory-share",
        type=_between(float, 0, 1),
        default=Settings.exploratory_share,
        help="of the suggestions, the share that may be exploratory",
    )
    parser.add_argument(
        "--batch-max",
        type=_between(int, 1, 1024),
        default=Settings.batch_max,
        help="queries that go through the student in one pass; 1: each by itself",
    )
    parser.add_argument(
        "--batch-wait-us",
        type=_between(int, 0, 100_000),
        help="microseconds a query waits for others; by default 200 on CUDA, and on the CPU each goes by itself",
    )
    options = parser.parse_args()
    settings = Settings(
        provider=options.provider,
        quality_weight=options.quality_weight,
        few_results=options.few_results,
        exploratory_share=options.exploratory_share,
        batch_max=options.batch_max,
        batch_wait_us=options.batch_wait_us,
    )
    try:
        serve(options.release, host=options.host, port=options.port, workers=options.workers, settings=settings)
    except QuerywiseError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return 2
    return 0


def _between(kind: type[Number], least: Number, most: Number) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        value = kind(text)
        if not least <= value <= most:  # written so that NaN is refused too
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return value

    read.__name__ = "number"
    return read


if __name__ == "__main__":
    sys.exit(main())
