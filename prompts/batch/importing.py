"""Completions in, from the files that a provider gives back: whole, partial, broken or imported before."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Final, cast

import polars as pl

from domain.errors import UserError
from prompts.batch.outputs import Rejected, read_output
from prompts.cache import CompletionCache
from prompts.completion import Completion
from prompts.ledger import Ledger, LedgerLine, read_ledger
from prompts.prices import Price
from prompts.runner import Account

__all__ = ["BatchImport", "import_batch"]

_BLOCK: Final = 1000  # completions that go on disk together
_LONGEST_LINE: Final = 2**24  # bytes; an answer is a few thousand


@dataclass(frozen=True, kw_only=True)
class BatchImport:
    """What output files held.

    Attributes:
        imported: Completions that went into the cache.
        known: Completions that it held before.
        duplicates: Further completions of a request that had one in these files; the first counts.
        unasked: Requests that nothing asks for now; their completions are kept, and are among those imported or known.
        missing: Requests that are wanted and have no completion.
        rejected: Lines that hold no completion, by reason.
        complaint: What the provider said about the first error.
        price: What was imported cost in US dollars; None where that is not known.
    """

    imported: int
    known: int
    duplicates: int
    unasked: int
    missing: int
    rejected: dict[str, int]
    complaint: str
    price: float | None


def import_batch(
    paths: Sequence[Path],
    *,
    wanted: Mapping[str, str],
    model: str,
    shop: str,
    cache: CompletionCache,
    ledger: Path,
    run: str | None = None,
    price: Price | None = None,
) -> BatchImport:
    """Put the completions of output and error files into the cache, and what they cost into the ledger.

    Nothing is imported or charged twice, also when an import that was killed is run again. Files are read as a
    stream; those whose name ends in ``.gz`` are unpacked.

    Args:
        paths: The files.
        wanted: The prompt of each request that the shop asks now, by the request's hash.
        model: The name under which the requests were made.
        shop: The shop's name, for the ledger.
        cache: Where completions go. What is there already stays.
        ledger: The ledger's folder.
        run: The run's name in the ledger; the file's name unless given.
        price: The model's price.

    Raises:
        UserError: when a file is not there or cannot be read; nothing of any file is imported if it is not there.
    """
    for path in paths:
        if not path.is_file():
            raise UserError(f"there is no file {path}", hint="give the files that the provider wrote")
    tally = _Tally()
    runs = {path: run or path.name for path in paths}
    charged = _charged(ledger, set(runs.values()))
    with Ledger(ledger) as book:
        for path in paths:
            found = tally.read(path, model)
            while block := list(islice(found, _BLOCK)):
                new = [completion for completion in block if completion.key not in cache]
                account = Account(run=runs[path], shop=shop, price=price)
                lines = [account.line(c, prompt=wanted.get(c.key, ""), route="batch") for c in new]
                # The ledger first: what is in the cache is never looked at again.
                book.append(line for line in lines if (line.run, line.key) not in charged)
                cache.put(new)
                tally.add(lines, known=len(block) - len(new))
    return BatchImport(
        imported=tally.imported,
        known=tally.known,
        duplicates=tally.duplicates,
        unasked=len(tally.seen - wanted.keys()),
        missing=sum(key not in cache for key in wanted),
        rejected=dict(tally.rejected),
        complaint=tally.complaint,
        price=tally.price,
    )


@dataclass
class _Tally:
    """What was seen so far."""

    imported: int = 0
    known: int = 0
    duplicates: int = 0
    seen: set[str] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    complaint: str = ""
    price: float | None = 0.0

    def read(self, path: Path, model: str) -> Iterator[Completion]:
        """Yield the first completion of each request of a file, and count the rest."""
        for line in _lines(path):
            read = line if isinstance(line, Rejected) else read_output(line, model)
            if isinstance(read, Rejected):
                # A last line without its end was cut off while it was written or downloaded.
                cut = read.reason == "not JSON" and isinstance(line, bytes) and not line.endswith(b"\n")
                self.rejected["cut short" if cut else read.reason] += 1
                self.complaint = self.complaint or read.detail
            elif read.key in self.seen:
                self.duplicates += 1
            else:
                self.seen.add(read.key)
                yield read

    def add(self, lines: Sequence[LedgerLine], *, known: int) -> None:
        """Add a block that is on disk."""
        self.known += known
        self.imported += len(lines)
        for line in lines:
            self.price = None if self.price is None or line.price is None else self.price + line.price


def _charged(ledger: Path, runs: set[str]) -> set[tuple[str, str]]:
    """Return the run and key of what these runs were charged for. A kill between ledger and cache leaves such."""
    lines = read_ledger(ledger).filter((pl.col("route") == "batch") & pl.col("run").is_in(sorted(runs)))
    return {(run, key) for run, key in lines.select("run", "key").iter_rows()}


def _lines(path: Path) -> Iterator[bytes | Rejected]:
    """Yield the lines of a file that are not blank; what cannot be unpacked any further is a line cut short."""
    any_read = False
    try:
        with _open(path) as file:
            for line in _bounded(file):
                any_read = True
                if isinstance(line, Rejected) or line.strip():
                    yield line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if not any_read:
            raise UserError(f"{path} is no gzip file: {error}", hint="download it again") from None
        yield Rejected(reason="cut short")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint="check the file and its rights") from None


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _bounded(file: IO[bytes]) -> Iterator[bytes | Rejected]:
    """Yield lines; one that no answer is as long as is skipped, for it may not fit into memory."""
    while line := file.readline(_LONGEST_LINE):
        if len(line) < _LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE)
        yield Rejected(reason="not JSON")
