"""A request as a line of a provider's batch file, and how much a file of each format may hold."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from prompts.request import CompletionRequest

__all__ = ["LIMITS", "BatchFormat", "Limits", "format_of", "read_request_key", "to_batch_line"]

BatchFormat = Literal["openai", "anthropic"]
"""Who reads the file: anything with OpenAI's Batch API, or Anthropic's Message Batches."""

# litellm's name of the provider is not part of the name that the provider knows.
_PREFIXES: Final = ("openai/", "anthropic/", "azure/", "hosted_vllm/", "litellm_proxy/")
_ENDPOINT: Final = "/v1/chat/completions"
_LONGEST_ANSWER: Final = 4096  # tokens, where the prompt does not say and the API insists


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many requests and bytes one batch file may hold."""

    requests: int
    bytes: int


LIMITS: Final[Mapping[BatchFormat, Limits]] = {
    "openai": Limits(requests=50_000, bytes=200_000_000),
    "anthropic": Limits(requests=100_000, bytes=256_000_000),
}
"""The documented limits, a megabyte taken as the smaller of its two meanings."""


def format_of(model: str) -> BatchFormat:
    """Return the format that a model's provider reads, by the model's name."""
    return "anthropic" if model.startswith(("anthropic/", "claude-")) else "openai"


def to_batch_line(request: CompletionRequest, form: BatchFormat) -> bytes:
    """Return a request as a line of a batch file; its `custom_id` is its hash.

    `nonce` and `api_base` are in the hash alone. The parameters are translated as litellm does when it asks one at a
    time: ``max_tokens`` becomes ``max_completion_tokens`` and a temperature is left out for the models that want it
    so. Where litellm is not installed they go out as the prompt has them.
    """
    document = _openai(request) if form == "openai" else _anthropic(request)
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def read_request_key(line: bytes, model: str) -> str | None:
    """Return the custom_id of a line in the OpenAI format, or None where the line is no request to the model."""
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    body = document.get("body") if isinstance(document, dict) else None
    if not isinstance(body, dict) or body.get("model") != _bare(model) or document.get("url") != _ENDPOINT:
        return None
    key = document.get("custom_id")
    return key if isinstance(key, str) and key else None


def _openai(request: CompletionRequest) -> dict[str, Any]:
    schema = {"name": "answer", "strict": True, "schema": request.schema}
    return {
        "custom_id": request.key,
        "method": "POST",
        "url": _ENDPOINT,
        "body": {
            "model": _bare(request.model),
            "messages": [dict(message) for message in request.messages],
            "response_format": {"type": "json_schema", "json_schema": schema},
            **_parameters(request, "openai"),
        },
    }


def _anthropic(request: CompletionRequest) -> dict[str, Any]:
    # The same for every query of a shop; here a prefix is cached only where it is marked.
    system = [
        {"type": "text", "text": message["content"], "cache_control": {"type": "ephemeral"}}
        for message in request.messages
        if message["role"] == "system"
    ]
    return {
        "custom_id": request.key,
        "params": {
            "model": _bare(request.model),
            **({"system": system} if system else {}),
            "messages": [dict(message) for message in request.messages if message["role"] != "system"],
            "output_config": {"format": {"type": "json_schema", "schema": request.schema}},
            "max_tokens": _LONGEST_ANSWER,
            **_parameters(request, "anthropic"),
        },
    }


def _bare(model: str) -> str:
    prefix = next((prefix for prefix in _PREFIXES if model.startswith(prefix)), "")
    return model.removeprefix(prefix)


def _parameters(request: CompletionRequest, form: BatchFormat) -> Mapping[str, Any]:
    return _translated(request.model, form, json.dumps(dict(request.parameters), sort_keys=True))


@lru_cache(maxsize=64)
def _translated(model: str, form: BatchFormat, parameters: str) -> Mapping[str, Any]:
    given: dict[str, Any] = json.loads(parameters)
    # Without this litellm fetches a price list from the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError:
        return given
    translated: dict[str, Any] = litellm.get_optional_params(
        model=_bare(model), custom_llm_provider=form, drop_params=True, **given
    )
    # litellm says of its own accord that nothing is streamed, and keeps apart what it has never heard of.
    translated.pop("stream", None)
    return translated | (translated.pop("extra_body", None) or {})
