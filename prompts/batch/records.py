"""What was submitted to a provider, kept so that a kill at any point neither loses a batch nor submits it twice.

A batch is some files of one name: ``NAME.jsonl`` as it is uploaded, until the results are in; ``NAME.keys.jsonl`` with
the hash and prompt of each request; ``NAME.json``, the record; later ``NAME.output.jsonl`` and ``NAME.errors.jsonl``.
The record is written last, and before anything is sent: files of a name without one were never submitted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError

from domain.errors import UserError
from domain.files import replace_atomically, sync_folder
from prompts.batch.exporting import BatchFile

__all__ = ["BatchRecord", "BatchRecords", "BatchStatus"]

BatchStatus = Literal[
    "intended",
    "uploaded",
    "validating",
    "in_progress",
    "finalizing",
    "cancelling",
    "completed",
    "failed",
    "expired",
    "cancelled",
]
"""How far a batch is: on our side before it has an id, then as the provider calls it."""

_ENDED: Final = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """One batch.

    Attributes:
        name: Its name here, and in the provider's metadata.
        digest: SHA-256 of the file that was uploaded.
        provider: The provider, as litellm calls it.
        api_base: Address of its server; empty for the provider's own.
        model: The model's litellm name.
        requests: How many requests it holds.
        status: How far it is.
        file_id: The provider's id of the file.
        batch_id: The provider's id of the batch.
        imported: Whether its results are in the cache.
        created: When it was intended.
    """

    name: str
    digest: str
    provider: str
    api_base: str
    model: str
    requests: int
    status: BatchStatus = "intended"
    file_id: str | None = None
    batch_id: str | None = None
    imported: bool = False
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def ended(self) -> bool:
        """Whether the provider is done with it."""
        return self.status in _ENDED


_adapter: TypeAdapter[BatchRecord] = TypeAdapter(BatchRecord)


class BatchRecords:
    """The records of a work folder; whoever writes holds the folder's lock.

    Args:
        folder: Where they are; made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[BatchRecord]:
        """Return every record, oldest first.

        Raises:
            UserError: when one cannot be read.
        """
        found = []
        for path in sorted(self.folder.glob("[!.]*.json")):
            try:
                found.append(_adapter.validate_json(path.read_bytes()))
            except ValidationError as error:
                raise UserError(
                    f"{path} is no record of a batch: {error.errors()[0]['msg']}",
                    hint="take it away to forget the batch; the provider still has it",
                ) from None
        return found

    def save(self, record: BatchRecord) -> BatchRecord:
        """Write a record; it is on disk when this returns."""
        with replace_atomically(self.folder / f"{record.name}.json") as file:
            file.write(_adapter.dump_json(record, indent=1) + b"\n")
        return record

    def intend(
        self, file: BatchFile, *, prompts: Mapping[str, str], provider: str, api_base: str, model: str
    ) -> BatchRecord:
        """Take a file over and write down that it is about to be submitted.

        Args:
            file: A file in this folder; it is renamed.
            prompts: The prompt of each request by its hash, where it is known.
            provider: The provider, as litellm calls it.
            api_base: Address of its server; empty for the provider's own.
            model: The model's litellm name.
        """
        with file.path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        now = datetime.now(UTC)
        name = f"{now:%Y%m%dT%H%M%S.%f}-{digest[:8]}"
        with replace_atomically(self.folder / f"{name}.keys.jsonl") as keys:
            for key in file.keys:
                keys.write(json.dumps([key, prompts.get(key, "")]).encode() + b"\n")
        file.path.rename(self.folder / f"{name}.jsonl")
        sync_folder(self.folder)
        return self.save(
            BatchRecord(
                name=name,
                digest=digest,
                provider=provider,
                api_base=api_base,
                model=model,
                requests=len(file.keys),
                created=now,
            )
        )

    def file_of(self, record: BatchRecord, kind: Literal["input", "output", "errors"] = "input") -> Path:
        """Return where a batch's file lies."""
        return self.folder / f"{record.name}{'' if kind == 'input' else f'.{kind}'}.jsonl"

    def asked(self, record: BatchRecord) -> dict[str, str]:
        """Return the prompt of each request of a batch, by the request's hash."""
        with (self.folder / f"{record.name}.keys.jsonl").open("rb") as file:
            return dict(map(json.loads, file))

    def under_way(self) -> set[str]:
        """Return the hashes of all requests that were submitted, or are about to be, and whose results are not in."""
        return {key for record in self.all() if not record.imported for key in self.asked(record)}

    def forget(self, record: BatchRecord) -> None:
        """Remove a batch that the provider does not have."""
        (self.folder / f"{record.name}.json").unlink()
        self.tidy()

    def tidy(self) -> None:
        """Remove what a kill left: files that were never submitted."""
        names = {record.name for record in self.all()}
        for path in self.folder.glob("*"):
            name = path.name.removesuffix(".jsonl").removesuffix(".json")
            name = name.removesuffix(".keys").removesuffix(".output").removesuffix(".errors")
            if name not in names:
                path.unlink()
