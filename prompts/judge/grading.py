"""How facets add up to a grade: worked out here, never by the model."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from domain.errors import PromptError
from domain.verdict import JudgeTask
from prompts.prompt_file import PromptFile

__all__ = ["facets_of", "grade", "task_of"]

_RUNGS = 3
_TASKS: Mapping[str, JudgeTask] = {
    "judge_relevance": "relevance",
    "judge_category": "category",
    "judge_rewrite": "rewrite",
    "judge_substitute": "substitute",
    "judge_complement": "complement",
}


def task_of(rubric: PromptFile) -> JudgeTask:
    """Return what a rubric judges.

    Raises:
        PromptError: when the prompt is no rubric.
    """
    if rubric.task not in _TASKS:
        raise PromptError(f"{rubric.id} judges nothing", hint="the rubrics that ship are called judge_TASK")
    return _TASKS[rubric.task]


def facets_of(rubric: PromptFile) -> tuple[str, ...]:
    """Return the names of a rubric's facets, in the order in which they count.

    Raises:
        PromptError: when the prompt is no rubric, or its schema is not that of one: `verdicts`, a list of objects with
            id, reason and facets that are true or false; of relevance three.
    """
    task = task_of(rubric)
    try:
        properties = rubric.schema["properties"]["verdicts"]["items"]["properties"]
        kinds = [(name, declared["type"]) for name, declared in properties.items()]
    except (KeyError, TypeError, AttributeError):
        kinds = []
    facets = tuple(name for name, kind in kinds[2:] if kind == "boolean")
    named = [("id", "string"), ("reason", "string")]
    if kinds[:2] != named or len(facets) != len(kinds) - 2 or not facets:
        raise PromptError(
            f"{rubric.id}: its schema is not that of a judge", hint="a verdict is id, reason, then true or false facets"
        )
    if task == "relevance" and len(facets) != _RUNGS:
        raise PromptError(f"{rubric.id} has {len(facets)} facets", hint=f"relevance from 0 to 3 takes {_RUNGS}")
    return facets


def grade(task: JudgeTask, facets: Mapping[str, bool]) -> int:
    """Return the grade of facets in their order.

    Relevance counts the facets that hold up to the first that does not, as rungs of a ladder: a product that is not
    what was asked for is not saved by having the right colour. Any other task is 1 where all facets hold, else 0.
    """
    if task == "relevance":
        return sum(takewhile(bool, facets.values()))
    return int(all(facets.values()))
