"""What a comparison of two prompts starts from: the queries, and what came of each of them on either side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.errors import QuerywiseError, UserError
from domain.text import normalise
from domain.understanding import Understanding
from evals.case import Case

__all__ = ["Asked", "Exchange", "Failed", "Outcome", "Side", "Usage", "check_sides"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query to ask.

    Attributes:
        query: As it was typed.
        tier: In the log.
        searches: In the log.
        case: What a person expects, where one said.
        chance: That it was drawn, where it is of a sample: it stands for the searches of others that were not.
    """

    query: str
    tier: str = "unseen"
    searches: int = 0
    case: Case | None = None
    chance: float = 1.0

    @property
    def weight(self) -> float:
        """The searches that it stands for (Horvitz, Thompson 1952)."""
        return self.searches / self.chance


@dataclass(frozen=True, kw_only=True)
class Failed:
    """Why a query has no answer: the class of the failure, and its words."""

    kind: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What one query took. None is not known, which is not 0.

    ``tokens_in`` are all tokens sent, those read from the provider's cache included; ``usd`` is the price in US
    dollars. ``estimated`` says that the tokens were not counted by the provider, so that the price is an estimate too.
    """

    requests: int
    tokens_in: int | None = None
    tokens_cached: int | None = None
    tokens_out: int | None = None
    usd: float | None = None
    estimated: bool = False


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request as it was rendered, each message with "role" and "content", and the text that came back, if any."""

    title: str
    messages: tuple[Mapping[str, str], ...]
    completion: str | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one query."""

    result: Understanding | Failed
    usage: Usage
    exchanges: tuple[Exchange, ...] = ()

    def served(self, query: str) -> Understanding:
        """Return the answer; a failure is the abstention that it is to the shopper."""
        if isinstance(self.result, Understanding):
            return self.result
        return Understanding(query=query, normalized=normalise(query), source="fallback", reason="degraded", release="")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two systems, with an outcome for every query, in their order."""

    name: str
    outcomes: tuple[Outcome, ...]

    def at(self, places: Sequence[int]) -> Side:
        """Return the side with the outcomes at these places alone."""
        return replace(self, outcomes=tuple(self.outcomes[i] for i in places))


def check_sides(asked: Sequence[Asked], *sides: Side) -> None:
    """Make sure that every outcome belongs to its query, and that no query counts twice.

    Raises:
        UserError: there is no query, or a query is there twice.
        QuerywiseError: a side, or the gold, does not fit the queries; its numbers would mean nothing.
    """
    if not asked:
        raise UserError("there is no query to compare on", hint="name a file with at least one query")
    normal = [normalise(one.query) for one in asked]
    text, times = Counter(normal).most_common(1)[0]
    if times > 1:
        raise UserError(f"the query {text!r} is there {times} times", hint="name each query once")
    if any(one.case and one.case.normalized != text for one, text in zip(asked, normal, strict=True)):
        raise QuerywiseError("the gold is not in the order of the queries")
    for side in sides:
        complete = len(side.outcomes) == len(asked)
        if not complete or [_normal(*pair) for pair in zip(side.outcomes, normal, strict=True)] != normal:
            raise QuerywiseError(f"{side.name} did not answer each of the {len(normal)} queries in order")


def _normal(outcome: Outcome, text: str) -> str:
    return outcome.result.normalized if isinstance(outcome.result, Understanding) else text
