"""Batches to a provider and back: submitted once, polled until they end, imported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from domain.errors import CompletionError, ModelError
from prompts.batch.api import BatchAPI, ProviderBatch
from prompts.batch.importing import BatchImport, import_batch
from prompts.batch.records import BatchRecord, BatchRecords
from prompts.cache import CompletionCache
from prompts.prices import Price

__all__ = ["PolledBatch", "poll_batch", "submit_batch"]

_ATTEMPTS: Final = 4


@dataclass(frozen=True, kw_only=True)
class PolledBatch:
    """A batch after it was asked about.

    Attributes:
        record: The batch as it stands.
        result: What was imported, where it has ended.
        complaint: Why it could not be asked about, or what the provider says is wrong with it.
        stuck: Whether asking again will not help.
    """

    record: BatchRecord
    result: BatchImport | None = None
    complaint: str = ""
    stuck: bool = False


def submit_batch(
    record: BatchRecord,
    *,
    records: BatchRecords,
    api: BatchAPI,
    again: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> BatchRecord:
    """Bring a batch from wherever it stopped to the provider, and return its record.

    A batch that the provider made without our hearing of it is found by its mark and adopted. A provider that lists
    what it made seconds late, and whose answer was lost, could still be given a second one.

    Args:
        record: A batch that was intended, and perhaps uploaded.
        records: Where it is kept.
        api: Its provider.
        again: Whether an earlier try was broken off.
        pause: Waits some seconds before the provider is asked again.

    Raises:
        CompletionError: when the provider refuses, and then the batch is forgotten; or when it cannot be reached, and
            then the next try goes on from here.
        ModelError: when it refuses the key; the batch is forgotten.
    """
    try:
        made = api.find(record.name, since=record.created) if again else None
        if made is None and record.file_id is None:
            file_id = api.upload(records.file_of(record))
            record = records.save(replace(record, status="uploaded", file_id=file_id))
        made = made or _create(record, api, pause)
    except (CompletionError, ModelError) as error:
        if not error.retryable:
            records.forget(record)
        raise
    return records.save(replace(record, batch_id=made.id, status=made.status))


def _create(record: BatchRecord, api: BatchAPI, pause: Callable[[float], None]) -> ProviderBatch:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return api.create(str(record.file_id), mark=record.name, digest=record.digest)
        except CompletionError as error:
            if not error.retryable or attempt == _ATTEMPTS:
                raise
        pause(2.0**attempt)
        # No answer does not say that there is no batch.
        if made := api.find(record.name, since=record.created):
            return made
    raise AssertionError("unreachable")


def poll_batch(
    record: BatchRecord,
    *,
    records: BatchRecords,
    api: BatchAPI,
    shop: str,
    cache: CompletionCache,
    ledger: Path,
    price: Price | None,
) -> PolledBatch:
    """Ask about a batch, and import its results once it has ended, however it ended.

    Args:
        record: A batch whose results are not in.
        records: Where it is kept.
        api: Its provider.
        shop: The shop's name, for the ledger; the run's name there is the provider's id of the batch.
        cache: Where completions go.
        ledger: The ledger's folder.
        price: The model's price.
    """
    try:
        made = api.retrieve(record.batch_id) if record.batch_id else api.find(record.name, since=record.created)
        if made is None:
            said = "it is not submitted yet: `querywise batch submit` carries on"
            return PolledBatch(record=record, complaint=said, stuck=True)
        record = records.save(replace(record, batch_id=made.id, status=made.status))
        if not record.ended:
            return PolledBatch(record=record)
        files = _download(record, made, records=records, api=api)
    except (CompletionError, ModelError) as error:
        return PolledBatch(record=record, complaint=str(error), stuck=not error.retryable)
    result = import_batch(
        files,
        wanted=records.asked(record),
        model=record.model,
        shop=shop,
        cache=cache,
        ledger=ledger,
        run=made.id,
        price=price,
    )
    record = records.save(replace(record, imported=True))
    records.file_of(record).unlink(missing_ok=True)
    return PolledBatch(record=record, result=result, complaint=made.complaint)


def _download(record: BatchRecord, made: ProviderBatch, *, records: BatchRecords, api: BatchAPI) -> list[Path]:
    output, errors = records.file_of(record, "output"), records.file_of(record, "errors")
    given = {output: made.output_file_id, errors: made.error_file_id}
    for path, file_id in given.items():
        if file_id:
            api.download(file_id, path)
    return [path for path, file_id in given.items() if file_id]
