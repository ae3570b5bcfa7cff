"""A run of the judge: every item becomes a verdict, or comes out unscored with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import islice

from domain.errors import CompletionError
from domain.verdict import Unscored, UnscoredKind, Verdict
from prompts.completion import storable
from prompts.judge.answer import AnsweredItem
from prompts.judge.grading import grade
from prompts.judge.judge import Judge, Sheet
from prompts.runner import Runner

__all__ = ["judge_sheets"]

_LONGEST_DETAIL = 300


async def judge_sheets(
    sheets: Iterable[Sheet], *, judge: Judge, runner: Runner, concurrency: int = 64
) -> AsyncIterator[Verdict | Unscored]:
    """Yield a verdict or its absence for every item, each exactly once, sheet by sheet in the order they are done.

    What an answer leaves out is asked for once more. An item that has no verdict after that is unscored as
    "unparseable"; where a request fails, its items are unscored with the class of the failure, save those on which the
    first answer had a verdict already.

    Args:
        sheets: The items.
        judge: Put them, and reads the answers.
        runner: Completes.
        concurrency: Sheets at work at once.
    """
    waiting = iter(sheets)
    work: set[asyncio.Task[list[Verdict | Unscored]]] = set()
    try:
        while True:
            work |= {
                asyncio.create_task(_judged(sheet, judge, runner)) for sheet in islice(waiting, concurrency - len(work))
            }
            if not work:
                return
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                for result in task.result():
                    yield result
            work -= done
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _judged(sheet: Sheet, judge: Judge, runner: Runner) -> list[Verdict | Unscored]:
    found: dict[str, tuple[AnsweredItem, str]] = {}
    request, detail = sheet.part.request, ""
    kind: UnscoredKind = "unparseable"
    try:
        completion = await runner.complete(request, prompt=judge.rubric.id)
        answered = judge.read(sheet, completion)
        found = {short: (item, request.key) for short, item in answered.items.items()}
        if answered.complaint:
            request = request.repair(completion.content, answered.complaint)
            completion = await runner.complete(request, prompt=judge.rubric.id)
            answered = judge.read(sheet, completion)
            # The later verdict counts, as within one answer.
            found |= {short: (item, request.key) for short, item in answered.items.items()}
            runner.tally.repaired += len(found) == len(sheet.exhibits)
        detail = answered.complaint
    except CompletionError as error:
        kind, detail = error.kind, str(error)
    return [_result(sheet, number, found.get(short), judge, kind, detail) for number, short in enumerate(sheet.ids)]


def _result(
    sheet: Sheet, number: int, said: tuple[AnsweredItem, str] | None, judge: Judge, kind: UnscoredKind, detail: str
) -> Verdict | Unscored:
    item = sheet.exhibits[number].item
    if said is None:
        # In a provider's words, which may hold half a surrogate pair.
        detail = storable(detail)[:_LONGEST_DETAIL]
        return Unscored(item=item, kind=kind, detail=detail, judge=judge.name, repeat=judge.repeat)
    answer, key = said
    return Verdict(
        item=item,
        grade=grade(item.task, answer.facets),
        facets=dict(answer.facets),
        reason=storable(answer.reason),
        judge=judge.name,
        repeat=judge.repeat,
        key=key,
    )
