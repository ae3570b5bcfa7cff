"""Ideas as a model gives them, held against form alone; whether the shop can show them is seen when grounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.discovery import Idea, Ideas
from domain.text import MAX_QUERY_LENGTH, normalise
from prompts.answer import Answer, AnswerIdea
from prompts.evidence import quote
from prompts.rejection import DropReason, Part

__all__ = ["check_ideas"]

_LONGEST_LABEL = 60
_LONGEST_WHY = 200
_MOST = 8
"""Ideas of a kind that are kept: more than any prompt asks for."""

Reject = Callable[[Part, str, DropReason], None]


def check_ideas(answer: Answer, *, query: str, reject: Reject) -> Ideas:
    """Keep of an answer the ideas and queries that can be looked up.

    Args:
        answer: As the model gave it.
        query: The normalised query.
        reject: Called with what is left out: its part, its text and why.
    """
    said = {query}
    substitutes = _kept(answer.substitutes, said, reject)
    complements = _kept(answer.complements, said, reject)
    explore: list[str] = []
    for text in answer.explore:
        objection = _objection(lead := normalise(text), said)
        if objection is None and len(explore) < _MOST:
            said.add(lead)
            explore.append(lead)
        else:
            reject("idea", text, objection or "idea_one_too_many")
    return Ideas(substitutes=substitutes, complements=complements, explore=tuple(explore))


def _kept(ideas: Sequence[AnswerIdea], said: set[str], reject: Reject) -> tuple[Idea, ...]:
    kept: list[Idea] = []
    for idea in ideas:
        query, label = normalise(idea.query), quote(idea.label, _LONGEST_LABEL)
        objection = _objection(query, said) if label else "idea_empty"
        if objection is None and len(kept) < _MOST:
            said.add(query)
            kept.append(Idea(label=label, query=query, why=quote(idea.why, _LONGEST_WHY)))
        else:
            reject("idea", idea.query, objection or "idea_one_too_many")
    return tuple(kept)


def _objection(query: str, said: set[str]) -> DropReason | None:
    if not query or len(query) > MAX_QUERY_LENGTH:
        return "idea_empty" if not query else "idea_too_long"
    return "idea_repeated" if query in said else None
