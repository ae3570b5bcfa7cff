"""Requests out as batch files that keep to the provider's limits."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from domain.errors import UserError
from domain.files import replace_atomically, sync_folder
from prompts.batch.formats import LIMITS, BatchFormat, Limits, read_request_key, to_batch_line
from prompts.request import CompletionRequest

__all__ = ["BatchFile", "export_batch", "take_batch"]


@dataclass(frozen=True, kw_only=True)
class BatchFile:
    """A batch file and the hashes of its requests, in their order."""

    path: Path
    keys: tuple[str, ...]


@dataclass
class _Part:
    path: Path
    file: BinaryIO
    size: int = 0
    keys: list[str] = field(default_factory=list)


def export_batch(
    path: Path, requests: Iterable[CompletionRequest], *, form: BatchFormat = "openai", limits: Limits | None = None
) -> tuple[BatchFile, ...]:
    """Write requests as batch files, each whole or not at all.

    What one file can hold goes to `path`; more than that goes to ``NAME-001.jsonl``, ``NAME-002.jsonl`` and so on
    beside it. Files that an earlier export left under these names go. A request that is given twice is written once.

    Args:
        path: The file.
        requests: The requests; none makes an empty file.
        form: The format.
        limits: How much a file may hold; the provider's limits unless given.

    Raises:
        UserError: when a single request is over the limit.
    """
    limits = limits or LIMITS[form]
    parts: list[_Part] = []
    seen: set[str] = set()
    with ExitStack() as files:
        for request in requests:
            if request.key in seen:
                continue
            seen.add(request.key)
            line = to_batch_line(request, form)
            if len(line) > limits.bytes:
                raise UserError(
                    f"request {request.key[:12]} has {len(line):,} bytes, and a batch file holds {limits.bytes:,}",
                    hint="ask for this query with `querywise label`, or with a shorter prompt",
                )
            part = parts[-1] if parts else None
            if part is None or part.size + len(line) > limits.bytes or len(part.keys) == limits.requests:
                numbered = path.with_name(f"{path.stem}-{len(parts) + 1:03}{path.suffix}")
                part = _Part(path=numbered, file=files.enter_context(replace_atomically(numbered)))
                parts.append(part)
            part.file.write(line)
            part.size += len(line)
            part.keys.append(request.key)
    if not parts:
        with replace_atomically(path):
            pass
        parts.append(_Part(path=path, file=path.open("rb")))
        parts[0].file.close()
    elif len(parts) == 1:
        parts[0].path = parts[0].path.replace(path)
    _remove_others(path, {part.path for part in parts})
    return tuple(BatchFile(path=part.path, keys=tuple(part.keys)) for part in parts)


def take_batch(path: Path, target: Path, *, model: str) -> BatchFile:
    """Copy a batch file in the OpenAI format that somebody exported, if a provider would take it.

    Args:
        path: The file.
        target: Where the copy goes, whole or not at all.
        model: The model that every request has to be for.

    Raises:
        UserError: naming the line, when a line is no request to the model or its custom_id was there before; or when
            the file is over the limits.
    """
    limits, keys, size = LIMITS["openai"], dict[str, None](), 0
    try:
        with path.open("rb") as file, replace_atomically(target) as out:
            for number, line in enumerate(file, start=1):
                key = read_request_key(line, model)
                size += len(line)
                if key is None or key in keys:
                    wrong = "has a custom_id that was there before" if key else f"is no request to {model}"
                    raise UserError(f"{path}: line {number} {wrong}", hint="`querywise batch export` writes such files")
                keys[key] = None
                if len(keys) > limits.requests or size > limits.bytes:
                    raise UserError(f"{path} is larger than a batch may be", hint="`querywise batch export` splits it")
                out.write(line)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint="--input takes a batch file") from None
    if not keys:
        raise UserError(f"{path} holds no request", hint="there is nothing to submit")
    return BatchFile(path=target, keys=tuple(keys))


def _remove_others(path: Path, written: set[Path]) -> None:
    """Remove what an earlier export wrote under the same name: who uploads it would pay for it again."""
    numbered = (other for other in path.parent.glob("*") if _number(other, path).isdigit())
    for other in [path, *numbered]:
        if other not in written:
            other.unlink(missing_ok=True)
    sync_folder(path.parent)


def _number(other: Path, path: Path) -> str:
    start = f"{path.stem}-"
    named = other.suffix == path.suffix and other.stem.startswith(start)
    return other.stem.removeprefix(start) if named else ""
