"""How an answer is come by: when to send, when to wait, when to give up. Sends nothing and waits for nothing itself.

`converse` is a generator. It yields what is to be done next, a request to send or seconds to wait, and is sent what
became of that; so the client that blocks and the one that does not share every decision, and differ in the doing.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TypeVar

import httpx

from querywise_client.breaker import Breaker
from querywise_client.cache import AnswerCache, Held
from querywise_client.calls import Call
from querywise_client.deadline import Deadline
from querywise_client.errors import (
    ApiError,
    BadAnswer,
    InvalidCall,
    QuerywiseError,
    ServiceUnavailable,
    Unavailable,
)
from querywise_client.retry import RetryBudget, pause_before_retry
from querywise_client.settings import Options, Settings
from querywise_client.wire import Reply, json_of, refusal_of

__all__ = ["Link", "Pause", "Send", "Steps", "converse", "converse_in_parts", "is_ready"]

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Send:
    """A request to send before its deadline; what comes back is a `Reply`, or the error that there is none."""

    request: httpx.Request
    deadline: Deadline


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Seconds to wait; nothing comes back."""

    seconds: float


Steps = Generator[Send | Pause, Reply | QuerywiseError | None, T]


class Link:
    """What a client knows of its service: where it is, how to ask, and how the last calls went."""

    def __init__(self, address: str, settings: Settings) -> None:
        self.address = address
        self.settings = settings
        self.breaker = Breaker(settings.pause_after, settings.pause_seconds)
        self.budget = RetryBudget()
        self.cache = AnswerCache(settings.cache_size)

    def note(self, failure: QuerywiseError | None) -> None:
        """Take notice of whether anybody was there, by what became of a call; None where it was answered."""
        if isinstance(failure, (Unavailable, ServiceUnavailable)):
            self.breaker.failed()
        else:
            self.breaker.answered()
            self.budget.answered()


def converse(link: Link, call: Call[T], options: Options) -> Steps[T]:
    """Come by the answer to a call within its time.

    Raises:
        QuerywiseError: why there is no answer, unless an empty one is wanted and there is such a thing.
    """
    on_error = options.on_error or link.settings.on_error
    seconds = link.settings.batch_timeout if call.slow else link.settings.timeout
    seconds = seconds if options.timeout is None else options.timeout
    try:
        if not 0 < seconds < float("inf"):
            raise InvalidCall("A time is a positive number of seconds.")
        return (yield from _cached(link, call, options, Deadline(seconds, connect=link.settings.connect_timeout)))
    except (Unavailable, BadAnswer, ApiError) as error:
        told = call.localised(error) if isinstance(error, ApiError) else error
        if link.settings.on_failure is not None:
            link.settings.on_failure(told)
        if on_error == "empty" and call.empty is not None:
            return call.empty()
        if told is error:
            raise
        raise told from None


def converse_in_parts(link: Link, calls: Iterable[Call[tuple[T, ...]]], options: Options) -> Steps[tuple[T, ...]]:
    """Come by the answers to calls one after the other, each within its time, as one tuple."""
    found: list[T] = []
    for call in calls:
        found += yield from converse(link, call, options)
    return tuple(found)


def is_ready(link: Link, call: Call[bool], options: Options) -> Steps[bool]:
    """Find out whether somebody is there who can answer.

    Raises:
        BadAnswer: where something else is there.
        ApiError: where the service refuses to say.
    """
    try:
        return (yield from converse(link, call, options))
    except (Unavailable, ServiceUnavailable):
        return False


def _cached(link: Link, call: Call[T], options: Options, deadline: Deadline) -> Steps[T]:
    if call.cacheable is None or not link.settings.cache_size:
        reply = yield from _sent(link, call, options, deadline)
        return call.read(json_of(reply))
    call = call.cacheable
    client_id = options.client_id or ""
    held = link.cache.get(call.path, client_id)
    if held is not None and held.fresh:
        return _answer_of(held)
    reply = yield from _sent(link, call, options, deadline, None if held is None else held.etag)
    answer = _answer_of(held) if held is not None and reply.status == 304 else call.read(json_of(reply))
    link.cache.keep(call.path, client_id, answer, reply.headers)
    return answer


def _answer_of(held: Held) -> T:  # type: ignore[type-var]  # its key says which call it answers
    answer: T = held.answer
    return answer


def _sent(link: Link, call: Call[T], options: Options, deadline: Deadline, etag: str | None = None) -> Steps[Reply]:
    """Send a request until it is answered, is refused, or it is no use to send it again."""
    if not call.looks:
        link.breaker.admit()
    retries = 0 if call.looks else link.settings.retries
    retry = 0
    while True:
        outcome = yield Send(request=_request(link, call, options, deadline, etag), deadline=deadline)
        assert outcome is not None
        if isinstance(outcome, Reply) and (outcome.status == 200 or (outcome.status == 304 and etag is not None)):
            link.note(None)
            return outcome
        failure = refusal_of(outcome) if isinstance(outcome, Reply) else outcome
        pause = pause_before_retry(failure, retry) if retry < retries else None
        if pause is None or pause >= deadline.left or not link.budget.spend():
            link.note(failure)
            raise failure
        retry += 1
        yield Pause(seconds=pause)


def _request(link: Link, call: Call[T], options: Options, deadline: Deadline, etag: str | None) -> httpx.Request:
    headers = options.request_headers(link.settings, has_body=call.body is not None)
    if etag is not None:
        headers["if-none-match"] = etag
    return httpx.Request(
        "GET" if call.body is None else "POST",
        link.address + call.path,
        headers=headers,
        content=call.body,
        extensions={"timeout": deadline},
    )
