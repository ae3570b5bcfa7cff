"""What may be set of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter

from release.discover import EXPLORATORY_SHARE, FEW_RESULTS
from release.student import Provider

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
    """Limits on what a client may send, and how the release's student works.

    Every field made by `_option` is an option of ``querywise serve`` and of ``python -m service``, under its own name.

    Attributes:
        max_body: Bytes of a body, or of a query string.
        max_batch_body: Bytes of the body of a batch.
        max_batch: Queries or texts of a batch.
        max_shown: Products of a page that content is asked for.
        few_results: Results up to which substitutes lead on such a page; with more, complements do.
        exploratory_share: Of the suggestions that are answered, the share that may be exploratory, in [0, 1].
        provider: Where the student runs.
        quality_weight: How much the quality of products counts beside the cosine, in the embeddings of queries.
        batch_max: Queries without a precomputed answer that go through the student in one pass; with 1, each goes
            by itself.
        batch_wait_us: How long the first of them waits for others, in microseconds. None: on CUDA 200, and on the
            CPU there is no waiting at all: each query goes by itself, which is soonest.
    """

    max_body: int = 64 * 1024
    max_batch_body: int = 1024 * 1024
    max_batch: int = 1000
    max_shown: int = 1000
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
        64, "Queries that go through the student in one pass; 1: each by itself.", least=1, most=1024
    )
    batch_wait_us: int | None = _option(
        None,
        "Microseconds a query waits for others. By default 200 on CUDA; on the CPU each goes by itself.",
        least=0,
        most=100_000,
    )

    @property
    def wait_us(self) -> int | None:
        """How long a query waits for others, or None where each goes by itself."""
        if self.batch_max <= 1:
            return None
        return _CUDA_WAIT_US if self.batch_wait_us is None and self.provider == "cuda" else self.batch_wait_us


settings_adapter: Final[TypeAdapter[Settings]] = TypeAdapter(Settings)
