"""Every error a user can meet, in one tree.

QuerywiseError
├── UserError                 a mistake that the caller can mend; the command line prints it in one line and exits 2
│   ├── ShopError             the shop folder cannot be used
│   │   └── TooManyRejects    more rows were quarantined than the set share
│   ├── PromptError           a prompt file is malformed, or a placeholder is unknown
│   ├── ModelError            no model was named, or its provider cannot be used
│   └── StageMissing          a command needs the output of an earlier one
├── CompletionError           one request to a model failed; `kind` is its class, `retryable` whether to try again
├── ReleaseError              a release cannot be trusted or read
└── GateClosed                a release has no verdict that lets it be served
"""

from __future__ import annotations

from typing import Literal

__all__ = [
    "CompletionError",
    "CompletionProblem",
    "GateClosed",
    "ModelError",
    "PromptError",
    "QuerywiseError",
    "ReleaseError",
    "ShopError",
    "StageMissing",
    "TooManyRejects",
    "UserError",
]


class QuerywiseError(Exception):
    """The root of all errors raised on purpose.

    Attributes:
        hint: What to do about it, in one sentence, or an empty string.
        retryable: Whether the same call may succeed later.
    """

    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UserError(QuerywiseError):
    """A mistake that the caller can mend."""


class ShopError(UserError):
    """The shop folder cannot be used as it is."""


class TooManyRejects(ShopError):
    """More rows of a file were quarantined than the set share allows."""


class PromptError(UserError):
    """A prompt file is malformed or is given the wrong values."""


class ModelError(UserError):
    """No model was named, or its provider cannot be used."""


class StageMissing(UserError):
    """A command needs what an earlier command writes."""


CompletionProblem = Literal[
    "rate_limited", "timeout", "refused", "too_long", "provider_error", "over_budget", "missing_from_recording"
]
"""Why a request has no completion."""


class CompletionError(QuerywiseError):
    """One request to a model failed.

    Attributes:
        kind: Its class.
        retryable: Whether the same request may succeed later.
        retry_after: Seconds to wait before that, where the provider said.
        fatal: Whether every other request would fail alike: a wrong key, a model that is not there.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: CompletionProblem = "provider_error",
        hint: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after
        self.fatal = fatal


class ReleaseError(QuerywiseError):
    """A release is damaged, unknown, or of another schema version."""


class GateClosed(QuerywiseError):
    """A release has no verdict that lets it be served: none, no PASS, or one that cannot be trusted."""
