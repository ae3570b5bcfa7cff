"""What may be set of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from release.discover import EXPLORATORY_SHARE, FEW_RESULTS
from release.student import Provider
from service.seen.logs import LogFormat

__all__ = ["Option", "Settings", "settings_adapter"]

_CUDA_WAIT_US: Final = 200


@dataclass(frozen=True, kw_only=True)
class Option:
    """How a setting reads on the command line: a sentence, and bounds where it is a number."""

    help: str
    least: float | None = None
    most: float | None = None


def _option(default: Any, help: str, *, least: float | None = None, most: float | None = None) -> Any:
    return field(default=default, metadata={"option": Option(help=help, least=least, most=most)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an operator sets of a service; each field is an option of ``querywise serve`` and ``python -m service``."""

    max_body: int = _option(64 * 1024, "Bytes of a body, or of a query string.", least=256, most=1 << 20)
    max_batch_body: int = _option(1024 * 1024, "Bytes of the body of a batch.", least=256, most=1 << 26)
    max_batch: int = _option(1000, "Queries or texts of a batch.", least=1, most=100_000)
    max_shown: int = _option(1000, "Products of a page that content is asked for.", least=1, most=100_000)
    provider: Provider = _option("cpu", "Where the student runs; nowhere else.")
    quality_weight: float = _option(
        0.0, "Of the quality of products beside the cosine, in embeddings.", least=0, most=10
    )
    few_results: int = _option(
        FEW_RESULTS, "Results up to which substitutes lead on a page; then complements do.", least=0, most=1000
    )
    exploratory_share: float = _option(
        EXPLORATORY_SHARE, "Of the suggestions, the share that may be exploratory.", least=0, most=1
    )
    batch_max: int = _option(
        64,
        "Queries that share a pass of the student, in the event loop 32 at most; 1: each by itself.",
        least=1,
        most=1024,
    )
    batch_wait_us: int | None = _option(
        None,
        "Microseconds a query waits for others. By default 200 on CUDA; on the CPU those that are there go together.",
        least=0,
        most=100_000,
    )
    keys: Path | None = _option(None, "File of API keys, made by `querywise keys add`; without one nobody needs any.")
    rate: float | None = _option(None, "Requests a second that each key may send to each worker.", least=0.01, most=1e6)
    rate_burst: int | None = _option(
        None, "Requests that may come at once; by default those of a second.", least=1, most=1_000_000
    )
    rate_by_address: bool = _option(False, "Where there are no keys, the rate counts by client address.")
    open_metrics: bool = _option(False, "Let /metrics be read without a key.")
    admin_port: int | None = _option(
        None, "A port for /v1/admin and /metrics, which the other then has not.", least=1, most=65_535
    )
    admin_host: str = _option("127.0.0.1", "Address of that port.")
    head_seconds: float = _option(10.0, "Seconds in which the head of a request must be there.", least=0.1, most=3600)
    body_seconds: float = _option(10.0, "Seconds in which its body must be there.", least=0.1, most=3600)
    max_connections: int = _option(
        10_000, "Connections of a worker; further ones are refused.", least=1, most=1_000_000
    )
    shed_ms: int = _option(
        50, "Milliseconds of standing delay from which on requests are shed; 0: never.", least=0, most=60_000
    )
    drain_seconds: float = _option(
        0.0, "Seconds after SIGTERM in which it still answers, while /readyz says 503.", least=0, most=600
    )
    cache_seconds: int = _option(
        0, "Seconds for which an answer to a GET may be kept unasked; 0: ask each time.", least=0, most=31_536_000
    )
    cors_origin: str | None = _option(None, "Origins whose pages may call the API, with commas between; * is any.")
    explain: bool = _option(True, "Answer /v1/explain, which shows counts of the shop's log.")
    metrics: bool = _option(True, "Count what is answered, and report it at /metrics.")
    log_requests: bool = _option(False, "Write a line to standard output for each request, without its query.")
    log_queries: bool = _option(False, "In that line, and in traces, the query too, personal data taken out.")
    log_format: LogFormat = _option("text", "Format of log lines; with json also of those on standard error.")
    misses: Path | None = _option(None, "Keep queries without a precomputed answer in this folder.")
    misses_share: float = _option(1.0, "Of those queries, the share that is kept.", least=0, most=1)
    misses_megabytes: int = _option(64, "What each worker keeps of them.", least=1, most=100_000)
    misses_days: int = _option(30, "Days after which a query that nobody asks again is forgotten.", least=1, most=3650)
    otel: bool = _option(False, "Trace requests by OpenTelemetry (the extra otel), as its OTEL_ variables say.")
    follow: bool = _option(True, "Follow current while serving; else it is followed once, at the start.")
    follow_seconds: float | None = _option(
        None, "Seconds between two looks at current: by default 1, and 10 for a URL.", least=0.01, most=3600
    )
    release_cache: Path | None = _option(None, "Where releases that come by URL are kept.")
    release_cache_gb: float = _option(20.0, "Gigabytes that they may take there.", least=0.001, most=100_000)
    other: str | None = _option(None, "A second release that answers a share: its folder, or its id.")
    share: float | None = _option(
        None, "The share of clients whose requests it gets: by default 0.1, and 1 in shadow.", least=0, most=1
    )
    shadow: bool = _option(False, "The second release answers nobody: its answers are compared with those sent.")

    @property
    def wait_us(self) -> int | None:
        """How long a query waits for others; None where what came in one turn of the event loop is answered at once."""
        if self.batch_max <= 1:
            return None
        return _CUDA_WAIT_US if self.batch_wait_us is None and self.provider == "cuda" else self.batch_wait_us


settings_adapter: Final[TypeAdapter[Settings]] = TypeAdapter(Settings)
