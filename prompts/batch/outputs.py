"""A line of a provider's output or error file, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from prompts.completion import Completion, Finish, storable

__all__ = ["Rejected", "Rejection", "read_output"]

Rejection = Literal["not JSON", "cut short", "no custom_id", "error", "expired", "canceled", "no content"]
"""Why a line holds no completion."""

_LONGEST_ID: Final = 200
_LONGEST_DETAIL: Final = 300
_MOST_TOKENS: Final = 10**9
_ENDS: Final[Mapping[str, Finish]] = {
    # OpenAI: finish_reason.
    "length": "length",
    "content_filter": "refused",
    # Anthropic: stop_reason.
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}
_CODES: Final[Mapping[str, Rejection]] = {"batch_expired": "expired", "batch_cancelled": "canceled"}


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A line that holds no completion; `detail` is what the provider said about it."""

    reason: Rejection
    detail: str = ""


def read_output(line: bytes, model: str) -> Completion | Rejected:
    """Read a line of OpenAI's output or error file, or of Anthropic's results; which, the line itself says.

    Args:
        line: The line.
        model: The name under which the request was made.
    """
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError):
        return Rejected(reason="not JSON")
    key = document.get("custom_id") if isinstance(document, dict) else None
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_ID:
        return Rejected(reason="no custom_id")
    read = _read_anthropic if isinstance(document.get("result"), dict) else _read_openai
    return read(storable(key), document, model)


def _read_openai(key: str, document: Mapping[str, Any], model: str) -> Completion | Rejected:
    error, response = document.get("error"), document.get("response") or {}
    code = str(error.get("code")) if isinstance(error, dict) else ""
    if error or not isinstance(response, dict) or response.get("status_code", 200) != 200:
        body = response.get("body") if isinstance(response, dict) else None
        said = error or (body.get("error") if isinstance(body, dict) else body)
        return Rejected(reason=_CODES.get(code, "error"), detail=_detail(said))
    try:
        body = response["body"]
        choice = body["choices"][0]
        message = choice["message"]
        content, refusal = message["content"], message.get("refusal")
        usage, reason = body.get("usage"), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        return Rejected(reason="no content")
    if isinstance(refusal, str) and refusal:
        return _completion(key, refusal, model, "refused", _openai_usage(usage))
    return _completion(key, "" if content is None else content, model, _end(reason), _openai_usage(usage))


def _read_anthropic(key: str, document: Mapping[str, Any], model: str) -> Completion | Rejected:
    result = document["result"]
    kind, message = result.get("type"), result.get("message")
    if kind in ("expired", "canceled"):
        return Rejected(reason=kind)
    if kind != "succeeded":
        return Rejected(reason="error", detail=_detail(result.get("error")))
    blocks = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(blocks, list):
        return Rejected(reason="no content")
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    content = "".join(text for text in texts if isinstance(text, str))
    return _completion(key, content, model, _end(message.get("stop_reason")), _anthropic_usage(message.get("usage")))


def _completion(key: str, content: Any, model: str, end: Finish, usage: Mapping[str, int]) -> Completion | Rejected:
    # An answer that was refused or ran out of length was paid for, and the same request would end like this again.
    if not isinstance(content, str) or (not content and end == "stop"):
        return Rejected(reason="no content")
    return Completion(key=key, content=storable(content), model=model, usage=usage, finish=end)


def _end(reason: Any) -> Finish:
    return _ENDS.get(reason, "stop") if isinstance(reason, str) else "stop"


def _openai_usage(given: Any) -> dict[str, int]:
    given = given if isinstance(given, dict) else {}
    details = given.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return _counts(
        prompt_tokens=given.get("prompt_tokens") or None,
        cached_tokens=cached,
        completion_tokens=given.get("completion_tokens") or None,
    )


def _anthropic_usage(given: Any) -> dict[str, int]:
    """Return the counts by our names: Anthropic's `input_tokens` are those that its cache had no part in."""
    given = given if isinstance(given, dict) else {}
    plain, read, written = (
        _counts(count=given.get(name)).get("count")
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return _counts(
        prompt_tokens=None if plain is None else plain + (read or 0) + (written or 0),
        cached_tokens=read,
        cache_write_tokens=written,
        completion_tokens=given.get("output_tokens"),
    )


def _counts(**given: Any) -> dict[str, int]:
    """Keep what can be a number of tokens."""
    return {
        name: count
        for name, count in given.items()
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_TOKENS
    }


def _detail(said: Any) -> str:
    """Return what a provider said of an error, on one line."""
    while isinstance(said, dict):
        said = said.get("message") or said.get("error") or said.get("code") or said.get("type")
    return " ".join(storable(str(said or "")).split())[:_LONGEST_DETAIL]
