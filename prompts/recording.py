"""Completions in a file, replayed by the hash of the request."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from domain.errors import CompletionError, ModelError
from prompts.completion import Completion, completion_adapter
from prompts.request import CompletionRequest

__all__ = ["Recorded", "read_recording"]


def read_recording(path: Path) -> Iterator[Completion]:
    """Yield the completions of a recording, gzipped or not.

    Raises:
        ModelError: naming the line, when the file is not a recording.
    """
    if not path.is_file():
        raise ModelError(f"there is no recording {path}", hint="recorded:FILE takes a path from where you are")
    at = 1
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                yield completion_adapter.validate_json(line)
                at += 1
    except (ValidationError, OSError, EOFError, zlib.error) as error:
        raise ModelError(f"{path} is no recording: line {at}: {str(error).splitlines()[0]}") from error


class Recorded:
    """Replays a file of completions by the hash of the request.

    Raises:
        ModelError: when the file is unreadable, empty, of more than one model, or answers one request in two ways.
    """

    api_base = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._completions: dict[str, Completion] = {}
        for completion in read_recording(path):
            if self._completions.setdefault(completion.key, completion).content != completion.content:
                raise ModelError(
                    f"{path} holds two completions of {completion.key[:12]}",
                    hint="keep one line of each key; independent repeats are recorded with --nonce",
                )
        models = {completion.model for completion in self._completions.values()}
        if len(models) != 1:
            raise ModelError(f"{path} holds completions of {len(models)} models", hint="a recording is of one model")
        [self.model] = models

    def get(self, key: str) -> Completion | None:
        """Return the completion under a key, or None."""
        return self._completions.get(key)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the recorded completion.

        Raises:
            CompletionError: of kind "missing_from_recording", naming the hash and the start of the request.
        """
        found = self.get(request.key)
        if found is None:
            asked = request.messages[-1]["content"][:60].replace("\n", " ")
            raise CompletionError(
                f"{self._path.name} holds no completion {request.key[:12]} ({asked})",
                kind="missing_from_recording",
                hint="`querywise batch export` writes what is missing as a batch file",
            )
        return found
