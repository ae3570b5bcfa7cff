"""A provider's Files and Batches API, through litellm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, get_args

from domain.errors import CompletionError, ModelError
from domain.files import replace_atomically
from prompts.batch.records import BatchStatus

__all__ = ["BatchAPI", "ProviderBatch", "provider_of"]

# litellm makes batches with these under one interface, metadata and listing included, which is what a restart needs.
# With others it cannot list them (Mistral, Bedrock), or takes a bucket of theirs for a file (Vertex AI), or cannot make
# one at all (Anthropic).
_SERVED: Final = ("openai", "azure", "hosted_vllm", "litellm_proxy")
_OWN_SERVER: Final = ("hosted_vllm", "litellm_proxy")
_MARK: Final = "querywise_batch"
_DIGEST: Final = "querywise_sha256"
_CLOCKS_APART: Final = timedelta(days=1)
_PAGE: Final = 100
_LONGEST_DETAIL: Final = 300


@dataclass(frozen=True, kw_only=True)
class ProviderBatch:
    """A batch as its provider describes it; `complaint` is the first thing that is wrong with its file."""

    id: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    completed: int | None
    complaint: str


def provider_of(model: str, *, api_base: str = "") -> str:
    """Return the provider that makes batches for a model, as litellm calls it.

    Raises:
        ModelError: when litellm makes no batches with it, or does not know the model's provider.
    """
    litellm = _litellm()
    try:
        provider = str(litellm.get_llm_provider(model=model, api_base=api_base or None)[1])
    except Exception:  # litellm raises what it would for a refusal by a provider
        raise ModelError(
            f"litellm knows no provider of {model}", hint="name it with its provider, such as openai/NAME"
        ) from None
    if provider not in _SERVED:
        raise ModelError(
            f"litellm {version('litellm')} makes no batches with {provider}",
            hint="`querywise batch export` writes the file to upload by hand, `batch import` takes what comes back",
        )
    if provider in _OWN_SERVER and not api_base:
        raise ModelError(f"{model} needs the address of its server", hint="pass --api-base")
    return provider


def _litellm() -> Any:
    # Without this litellm fetches a price list from the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError as error:
        raise ModelError("litellm is not installed", hint="pip install 'querywise[llm]'") from error
    litellm.suppress_debug_info = True
    return litellm


class BatchAPI:
    """The batches of one provider. What is harmless to ask again is asked again by the provider's own client.

    Args:
        provider: The provider, as litellm calls it.
        api_base: Address of its server; empty for the provider's own.

    Every method raises CompletionError when the provider refuses or cannot be reached, and ModelError when it refuses
    the key.
    """

    def __init__(self, *, provider: str, api_base: str = "") -> None:
        self._litellm = _litellm()
        self._provider = provider
        self._where = {"custom_llm_provider": provider, "api_base": api_base or None}

    def upload(self, path: Path) -> str:
        """Upload a batch file; return the provider's id of it."""
        with path.open("rb") as file:
            made = self._call("create_file", file=(path.name, file), purpose="batch")
        return str(made.id)

    def create(self, file_id: str, *, mark: str, digest: str) -> ProviderBatch:
        """Make a batch of an uploaded file. It is asked for once: a second try could make a second batch.

        Args:
            file_id: The provider's id of the file.
            mark: Goes into the batch's metadata, for `find`.
            digest: Likewise, for people: SHA-256 of the file.
        """
        return _read(
            self._call(
                "create_batch",
                completion_window="24h",
                endpoint="/v1/chat/completions",
                input_file_id=file_id,
                metadata={_MARK: mark, _DIGEST: digest},
                max_retries=0,
            )
        )

    def find(self, mark: str, *, since: datetime) -> ProviderBatch | None:
        """Return the batch that carries a mark, of those made since a time by our clock, or None."""
        for batch in self._newest_first():
            if (batch.metadata or {}).get(_MARK) == mark:
                return _read(batch)
            if batch.created_at < (since - _CLOCKS_APART).timestamp():
                return None
        return None

    def retrieve(self, batch_id: str) -> ProviderBatch:
        """Return a batch as it stands."""
        return _read(self._call("retrieve_batch", batch_id=batch_id))

    def download(self, file_id: str, path: Path) -> None:
        """Write a file of the provider's to disk, whole or not at all."""
        with replace_atomically(path) as file:
            content = self._call("file_content", file_id=file_id, stream=True)
            try:
                # Azure's comes in one piece, whatever is asked.
                for chunk in getattr(content, "stream_iterator", None) or [content.content]:
                    file.write(chunk)
            except Exception as error:  # the classes of whichever HTTP client litellm uses
                raise self._error("file_content", error) from error

    def _newest_first(self) -> Iterator[Any]:
        after = None
        while True:
            page = self._call("list_batches", limit=_PAGE, after=after)
            yield from page.data
            if not page.data or not getattr(page, "has_more", False):
                return
            after = page.data[-1].id

    def _call(self, name: str, **arguments: Any) -> Any:
        try:
            return getattr(self._litellm, name)(**self._where, **arguments)
        except Exception as error:  # litellm raises the classes of many providers
            raise self._error(name, error) from error

    def _error(self, name: str, error: Exception) -> Exception:
        status = getattr(error, "status_code", None)
        said = " ".join(str(error).split())[:_LONGEST_DETAIL]
        message = f"{self._provider}: {name}: {type(error).__name__}: {said}"
        if status in (401, 403):
            return ModelError(message, hint="check the provider's key, such as OPENAI_API_KEY, and --api-base")
        # Without a status nobody answered, or the line broke.
        return CompletionError(
            message, retryable=not isinstance(status, int) or status in (408, 409, 429) or status >= 500
        )


def _read(batch: Any) -> ProviderBatch:
    status = str(batch.status)
    counts, errors = batch.request_counts, getattr(batch.errors, "data", None)
    return ProviderBatch(
        id=str(batch.id),
        status=next((known for known in get_args(BatchStatus) if known == status), "in_progress"),
        output_file_id=batch.output_file_id or None,
        error_file_id=batch.error_file_id or None,
        completed=counts.completed if counts else None,
        complaint=" ".join(str(errors[0].message or errors[0].code).split())[:_LONGEST_DETAIL] if errors else "",
    )
