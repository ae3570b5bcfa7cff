"""When a request is worth sending again, and after which pause."""

from __future__ import annotations

import random
from typing import Final

from querywise_client.errors import ConnectionFailed, QuerywiseError, ServiceUnavailable, TooManyRequests

__all__ = ["RetryBudget", "pause_before_retry"]

_FIRST: Final = 0.02
_LONGEST: Final = 1.0
_MOST_TOKENS: Final = 10.0
_TOKENS_AN_ANSWER: Final = 0.1


def pause_before_retry(error: QuerywiseError, retry: int) -> float | None:
    """Return the seconds to wait before a request is sent again, or None where that is of no use.

    Every request of this client only reads, so sending it twice does no harm. What ran into its time limit is not
    sent again, since nothing is left of the time; and what was refused for the key's rate only when it was said when
    to come back. The pause is drawn from 0 to a limit that doubles ("full jitter": Brooker, Exponential Backoff and
    Jitter, AWS Architecture Blog, 2015), so that clients which failed together do not come back together; where the
    service said when to come back, that is added.

    Args:
        error: What became of the request.
        retry: 0 for the first retry.
    """
    pause = random.uniform(0, min(_LONGEST, _FIRST * 2**retry))  # noqa: S311
    if isinstance(error, ServiceUnavailable):
        return pause + (error.retry_after or 0)
    if isinstance(error, TooManyRequests):
        return None if error.retry_after is None else pause + error.retry_after
    return pause if isinstance(error, ConnectionFailed) else None


class RetryBudget:
    """Keeps retries to a tenth of the answers, once ten were spent, so that trouble is not made worse by asking twice.

    After gRPC's retry throttling (proposal A6). Threads may share it without a lock: a count that is lost now and then
    does no harm.
    """

    def __init__(self) -> None:
        self._tokens = _MOST_TOKENS

    def answered(self) -> None:
        """Note that a request was answered."""
        self._tokens = min(_MOST_TOKENS, self._tokens + _TOKENS_AN_ANSWER)

    def spend(self) -> bool:
        """Take one retry out of the budget; return whether there was one."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
