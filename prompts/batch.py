"""Batch files in the OpenAI format: requests out, completions in.

A request's `custom_id` is its hash, so that an output file finds its place whatever order or part of it comes back.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.files import replace_atomically
from prompts.cache import CompletionCache
from prompts.providers import Completion, completion_adapter, storable
from prompts.request import CompletionRequest

__all__ = ["BatchImport", "export_batch", "import_batch"]


@dataclass(frozen=True, kw_only=True)
class BatchImport:
    """What an output file held. `rejected` counts lines that hold no completion, by reason."""

    imported: int
    known: int
    unasked: int
    missing: int
    rejected: dict[str, int]


def export_batch(path: Path, requests: Iterable[CompletionRequest]) -> int:
    """Write requests as a batch input file, whole or not at all; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for request in requests:
            schema = {"name": "answer", "strict": True, "schema": request.schema}
            line = {
                "custom_id": request.key,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    # litellm's name of the provider is not part of the name that the provider knows.
                    "model": request.model.removeprefix("openai/"),
                    "messages": request.messages,
                    "response_format": {"type": "json_schema", "json_schema": schema},
                    **request.parameters,
                },
            }
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def import_batch(path: Path, *, wanted: Iterable[str], model: str, cache: CompletionCache) -> BatchImport:
    """Put the completions of a batch output file into the cache.

    Args:
        path: The output file; lines that are broken, errors or without content are counted and passed over.
        wanted: Hashes of the requests that the shop asks now; others are kept too, and counted as unasked.
        model: The name under which the requests were made.
        cache: Where completions go. What is there already stays.
    """
    asked = set(wanted)
    seen: set[str] = set()
    imported = known = 0
    rejected: Counter[str] = Counter()
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            completion = _read(line, model)
            if isinstance(completion, str):
                rejected[completion] += 1
                continue
            seen.add(completion.key)
            if completion.key in cache:
                known += 1
            else:
                cache.put(completion.key, json.loads(completion_adapter.dump_json(completion)))
                imported += 1
    missing = sum(key not in cache for key in asked)
    return BatchImport(
        imported=imported, known=known, unasked=len(seen - asked), missing=missing, rejected=dict(rejected)
    )


def _read(line: bytes, model: str) -> Completion | str:
    """Return the completion of an output line, or why there is none."""
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(document, dict) or not isinstance(document.get("custom_id"), str):
        return "no custom_id"
    response = document.get("response") or {}
    if document.get("error") or not isinstance(response, dict) or response.get("status_code", 200) != 200:
        return "error"
    try:
        body = response["body"]
        content = body["choices"][0]["message"]["content"]
        usage = body.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError):
        return "no content"
    if not isinstance(content, str) or not content:
        return "no content"
    given = usage if isinstance(usage, dict) else {}
    counts = {name: given[name] for name in ("prompt_tokens", "completion_tokens") if isinstance(given.get(name), int)}
    return Completion(key=document["custom_id"], content=storable(content), model=model, usage=counts)
