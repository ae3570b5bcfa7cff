"""Where completions come from: any model that litellm reaches, or a file of recorded ones; with a cache in front."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from domain.errors import CompletionError, CompletionMissing, ModelError
from prompts.cache import CompletionCache
from prompts.request import CompletionRequest

__all__ = ["Cached", "Completion", "LiteLLM", "Provider", "Recorded", "open_provider", "read_recording", "storable"]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer of a model. `usage` holds the provider's token counts, and is empty where they are not known."""

    key: str
    content: str
    model: str
    usage: Mapping[str, Any] = field(default_factory=dict)


completion_adapter: TypeAdapter[Completion] = TypeAdapter(Completion)


class Provider(Protocol):
    """Anything that completes requests. `model` is the name that goes into them."""

    model: str

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer one request.

        Raises:
            CompletionError: when there is no answer; `retryable` says whether to ask again.
        """
        ...


def open_provider(model: str | None, *, api_base: str | None = None) -> Provider:
    """Return the provider that a model name stands for: ``recorded:FILE``, or a litellm name.

    Raises:
        ModelError: when there is no name, or the recording cannot be read.
    """
    if not model:
        raise ModelError("no model is named", hint="pass --model, or set [llm] model in shop.toml, or QUERYWISE_MODEL")
    kind, _, rest = model.partition(":")
    return Recorded(Path(rest)) if kind == "recorded" else LiteLLM(model, api_base=api_base)


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
        ModelError: when the file is unreadable, empty, or of more than one model.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._completions = {completion.key: completion for completion in read_recording(path)}
        models = {completion.model for completion in self._completions.values()}
        if len(models) != 1:
            raise ModelError(f"{path} holds completions of {len(models)} models", hint="a recording is of one model")
        [self.model] = models

    async def complete(self, request: CompletionRequest) -> Completion:
        """Return the recorded completion.

        Raises:
            CompletionMissing: naming the hash and the start of the request.
        """
        found = self._completions.get(request.key)
        if found is None:
            asked = request.messages[-1]["content"][:60].replace("\n", " ")
            raise CompletionMissing(
                f"{self._path.name} holds no completion {request.key[:12]} ({asked})",
                hint="`querywise batch export` writes what is missing as a batch file",
            )
        return found


class LiteLLM:
    """Calls a model through litellm, with structured output where the model has it.

    Raises:
        ModelError: when litellm is not installed.
    """

    def __init__(self, model: str, *, api_base: str | None = None) -> None:
        # Without this litellm fetches a price list from the network when it is imported.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        try:
            import litellm
        except ImportError as error:
            raise ModelError("litellm is not installed", hint="pip install 'querywise[llm]'") from error
        self.model = model
        self._api_base = api_base
        self._litellm: Any = litellm
        litellm.suppress_debug_info = True
        self._has_schema = litellm.supports_response_schema(model=model)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Ask the model once."""
        name = {"name": "answer", "strict": True, "schema": dict(request.schema)}
        wanted: dict[str, Any] = (
            {"type": "json_schema", "json_schema": name}
            if self._has_schema
            else {
                # llama.cpp and its kin read a schema here; others ignore it and go by the prompt.
                "type": "json_object",
                "schema": dict(request.schema),
            }
        )
        try:
            response = await self._litellm.acompletion(
                model=request.model,
                messages=[dict(message) for message in request.messages],
                api_base=self._api_base,
                response_format=wanted,
                timeout=120,
                num_retries=0,
                drop_params=True,
                **request.parameters,
            )
        except Exception as error:  # litellm raises the classes of many providers
            raise CompletionError(
                f"{request.model}: {type(error).__name__}: {str(error)[:300]}", retryable=_is_retryable(error)
            ) from error
        content = response.choices[0].message.content if response.choices else None
        if not content:
            raise CompletionError(f"{request.model} answered with nothing", retryable=False)
        usage = response.usage.model_dump() if response.usage else {}
        # litellm writes nought where the provider does not say.
        counts = {name: usage[name] for name in ("prompt_tokens", "completion_tokens") if usage.get(name)}
        return Completion(key=request.key, content=storable(content), model=request.model, usage=counts)


def storable(content: str) -> str:
    """Return a model's text with half surrogate pairs, which JSON may carry and UTF-8 may not, as question marks."""
    return content.encode("utf-8", "replace").decode()


def _is_retryable(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return status in (408, 409, 429) or (isinstance(status, int) and status >= 500)


class Cached:
    """A provider with the cache in front: what was paid for once is not asked again."""

    def __init__(self, provider: Provider, cache: CompletionCache) -> None:
        self.model = provider.model
        self._provider = provider
        self._cache = cache

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer from the cache, else from the provider; the answer is on disk before it is returned."""
        kept = self._cache.get(request.key)
        if kept is not None:
            return completion_adapter.validate_python(kept)
        completion = await self._provider.complete(request)
        self._cache.put(request.key, json.loads(completion_adapter.dump_json(completion)))
        return completion
