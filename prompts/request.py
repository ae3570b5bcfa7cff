"""One request to a model, and the hash under which its completion is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

__all__ = ["CompletionRequest"]


_LONGEST_SHOWN = 20_000
"""Characters of an unusable answer that are shown to the model again: some models answer without end."""


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """Everything that can change the answer.

    Attributes:
        model: The model's name.
        messages: As rendered.
        schema: The answer's JSON schema.
        parameters: Temperature and the like.
        api_base: Address of the server, where it is not the provider's own: two servers may call two models alike.
        nonce: Tells independent repeats of one request apart; the model never sees it.
    """

    model: str
    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any]
    parameters: Mapping[str, Any]
    api_base: str = ""
    nonce: str = ""

    @cached_property
    def key(self) -> str:
        """SHA-256 over the request as canonical JSON, 64 hexadecimal digits."""
        content = {
            "model": self.model,
            "messages": [dict(message) for message in self.messages],
            "schema": self.schema,
            "parameters": dict(self.parameters),
            # Absent unless given, so that what was recorded without them is found.
            **({"api_base": self.api_base} if self.api_base else {}),
            **({"nonce": self.nonce} if self.nonce else {}),
        }
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()

    def repair(self, answer: str, complaint: str) -> CompletionRequest:
        """Return the request that shows the model its answer and what is wrong with it."""
        again = f"That answer cannot be used: {complaint}. Answer again with one JSON object and nothing else."
        turns = ({"role": "assistant", "content": answer[:_LONGEST_SHOWN]}, {"role": "user", "content": again})
        return replace(self, messages=(*self.messages, *turns))
