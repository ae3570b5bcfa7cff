"""Where completions come from: any model that litellm reaches, or a file of recorded ones."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol

from domain.errors import CompletionError, CompletionProblem, ModelError
from prompts.completion import Completion, Finish, storable
from prompts.recording import Recorded
from prompts.request import CompletionRequest

__all__ = ["LiteLLM", "Provider", "open_provider"]

_ENDS: dict[str, Finish] = {"length": "length", "content_filter": "refused"}


class Provider(Protocol):
    """Anything that completes requests. `model` and `api_base` are the names that go into them."""

    model: str
    api_base: str

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer one request. An answer that says nothing is one too, for it was paid for.

        Raises:
            CompletionError: when there is no answer; it says of what kind and whether to ask again.
        """
        ...


def open_provider(model: str | None, *, api_base: str | None = None, timeout: float = 120.0) -> Provider:
    """Return the provider that a model name stands for: ``recorded:FILE``, or a litellm name.

    Raises:
        ModelError: when there is no name, or the recording cannot be read.
    """
    if not model:
        raise ModelError("no model is named", hint="pass --model, or set [llm] model in shop.toml, or QUERYWISE_MODEL")
    kind, _, rest = model.partition(":")
    return Recorded(Path(rest)) if kind == "recorded" else LiteLLM(model, api_base=api_base, timeout=timeout)


class LiteLLM:
    """A model by its litellm name. It asks once: whoever calls it decides whether to ask again.

    Args:
        model: The name.
        api_base: Address of the server, where it is not the provider's own.
        timeout: Seconds to wait for an answer.

    Raises:
        ModelError: when litellm is not installed.
    """

    def __init__(self, model: str, *, api_base: str | None = None, timeout: float = 120.0) -> None:
        # Without this litellm fetches a price list from the network when it is imported.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        try:
            import litellm
        except ImportError as error:
            raise ModelError("litellm is not installed", hint="pip install 'querywise[llm]'") from error
        self.model = model
        self.api_base = api_base or ""
        self._timeout = timeout
        self._litellm: Any = litellm
        litellm.suppress_debug_info = True
        _log_nothing()
        self._key: str | None = None
        self._is_first = True
        self._has_schema = litellm.supports_response_schema(model=model)
        # These providers cache a prefix only where it is marked; the others cache what they see again.
        self._marks_prefix = "claude" in model

    async def complete(self, request: CompletionRequest) -> Completion:
        """Ask the model once.

        Raises:
            CompletionError: when there is no answer.
            ModelError: when the provider's key is not set.
        """
        if self._is_first:
            # Not before: what is in the cache needs no key.
            self._key, self._is_first = self._own_server_key(), False
        try:
            # litellm's own limit is on the silence between two bytes: an endless answer would be waited for.
            async with asyncio.timeout(self._timeout):
                response = await self._litellm.acompletion(
                    model=request.model,
                    messages=self._messages(request),
                    api_base=self.api_base or None,
                    api_key=self._key,
                    response_format=self._format(request),
                    timeout=self._timeout,
                    num_retries=0,
                    max_retries=0,
                    drop_params=True,
                    **request.parameters,
                )
        except TimeoutError as error:
            raise CompletionError(
                f"{request.model}: no answer within {self._timeout:g} seconds", kind="timeout", retryable=True
            ) from error
        except Exception as error:  # litellm raises the classes of many providers
            raise self._error(request, error) from error
        choice = response.choices[0] if response.choices else None
        content = choice.message.content if choice else None
        refusal = (getattr(choice.message, "provider_specific_fields", None) or {}).get("refusal") if choice else None
        finish = "refused" if refusal else _ENDS.get(choice.finish_reason if choice else "", "stop")
        usage = _usage(response.usage.model_dump() if response.usage else {})
        if choice is None and not usage:
            raise CompletionError(f"{request.model} answered with nothing")
        return Completion(
            key=request.key,
            content=storable(content or refusal or ""),
            model=request.model,
            usage=usage,
            finish=finish,
        )

    def _own_server_key(self) -> str | None:
        """Return a key for a server of one's own that asks for none, for litellm calls nobody without.

        Raises:
            ModelError: when a provider's key is missing; litellm would call it a server's error, to be tried again.
        """
        missing = self._litellm.validate_environment(model=self.model)["missing_keys"]
        if not missing or not all(name.endswith("_API_KEY") for name in missing):
            return None
        if self.api_base:
            return "none"
        raise ModelError(
            f"{self.model} needs {' or '.join(missing)}, which is not set", hint=f"export {missing[0]}=..."
        )

    def _messages(self, request: CompletionRequest) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = [dict(message) for message in request.messages]
        if self._marks_prefix and messages[0]["role"] == "system":
            block = {"type": "text", "text": messages[0]["content"], "cache_control": {"type": "ephemeral"}}
            messages[0] = {"role": "system", "content": [block]}
        return messages

    def _format(self, request: CompletionRequest) -> dict[str, Any]:
        schema = dict(request.schema)
        if self._has_schema:
            return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
        # llama.cpp and its kin read a schema here; others ignore it and go by the prompt.
        return {"type": "json_object", "schema": schema}

    def _error(self, request: CompletionRequest, error: Exception) -> CompletionError:
        errors = self._litellm.exceptions
        status = getattr(error, "status_code", None)
        kind: CompletionProblem = "provider_error"
        retryable = status in (408, 409, 429) or (isinstance(status, int) and status >= 500)
        code = getattr(error, "code", None)
        if isinstance(error, errors.ContextWindowExceededError) or code == "context_length_exceeded":
            kind = "too_long"
        elif isinstance(error, errors.ContentPolicyViolationError) or code == "content_policy_violation":
            kind = "refused"
        elif status == 429:
            kind = "rate_limited"
        elif isinstance(error, errors.Timeout) or status == 408:
            kind = "timeout"
        return CompletionError(
            f"{request.model}: {type(error).__name__}: {str(error)[:300]}",
            kind=kind,
            retryable=retryable,
            retry_after=_retry_after(error),
            fatal=status in (401, 402, 403, 404),
        )


def _log_nothing() -> None:
    """Keep litellm from queueing each answer for loggers that nobody set up.

    The queue is worked off only when there is nothing else to do, which in a long run is never: it holds up to 50,000
    requests with their answers, 1.6 GB of ours, before it says so.
    """
    with suppress(ImportError):
        from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

        worker: Any = GLOBAL_LOGGING_WORKER
        worker.ensure_initialized_and_enqueue = lambda async_coroutine: async_coroutine.close()


def _usage(given: Mapping[str, Any]) -> dict[str, int]:
    """Return the counts that a provider gave, by our names; litellm writes nought where the provider does not say."""
    details = given.get("prompt_tokens_details") or {}
    counts = {
        "prompt_tokens": given.get("prompt_tokens"),
        "completion_tokens": given.get("completion_tokens"),
        "cached_tokens": details.get("cached_tokens") or given.get("cache_read_input_tokens"),
        "cache_write_tokens": given.get("cache_creation_input_tokens"),
    }
    return {name: count for name, count in counts.items() if isinstance(count, int) and count > 0}


def _retry_after(error: Exception) -> float | None:
    """Return how many seconds the provider asked to wait: Retry-After holds them, or a date (RFC 9110, 10.2.3)."""
    response = getattr(error, "response", None)
    headers = (
        getattr(error, "headers", None)
        or getattr(error, "litellm_response_headers", None)
        or getattr(response, "headers", None)
        or {}
    )
    text = str(headers.get("retry-after") or "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds)
