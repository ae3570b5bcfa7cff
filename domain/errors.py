"""Every error a user can meet, in one tree.

QuerywiseError
├── UserError                 a mistake that the caller can mend; the command line prints it in one line and exits 2
│   ├── ShopError             the shop folder cannot be used
│   │   └── TooManyRejects    more rows were quarantined than the set share
│   ├── PromptError           a prompt file is malformed, or a placeholder is unknown
│   ├── ModelError            no model was named, or its provider cannot be used
│   └── StageMissing          a command needs the output of an earlier one
├── CompletionError           one request to a model failed; `retryable` says whether to try again
│   └── CompletionMissing     a recording does not hold the request
└── ReleaseError              a release cannot be trusted or read
"""

from __future__ import annotations

__all__ = [
    "CompletionError",
    "CompletionMissing",
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


class CompletionError(QuerywiseError):
    """One request to a model failed."""

    def __init__(self, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.retryable = retryable


class CompletionMissing(CompletionError):
    """A recording of completions does not hold this request."""


class ReleaseError(QuerywiseError):
    """A release is damaged, unknown, or of another schema version."""
