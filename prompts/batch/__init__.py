"""Batch files and the batch API of providers: requests out, completions in.

A request's `custom_id` is its hash, so that an output file finds its place whatever order or part of it comes back.
"""

from prompts.batch.api import BatchAPI, ProviderBatch, provider_of
from prompts.batch.exporting import BatchFile, export_batch, take_batch
from prompts.batch.formats import LIMITS, BatchFormat, Limits, format_of
from prompts.batch.importing import BatchImport, import_batch
from prompts.batch.records import BatchRecord, BatchRecords, BatchStatus
from prompts.batch.submission import PolledBatch, poll_batch, submit_batch

__all__ = [
    "LIMITS",
    "BatchAPI",
    "BatchFile",
    "BatchFormat",
    "BatchImport",
    "BatchRecord",
    "BatchRecords",
    "BatchStatus",
    "Limits",
    "PolledBatch",
    "ProviderBatch",
    "export_batch",
    "format_of",
    "import_batch",
    "poll_batch",
    "provider_of",
    "submit_batch",
    "take_batch",
]
