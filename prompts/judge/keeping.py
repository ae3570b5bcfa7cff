"""Where verdicts are kept: a file of a judge and a task, to which every run adds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from domain.errors import UserError
from domain.verdict import Item, Unscored, Verdict, read_verdicts, write_verdicts
from prompts.judge.judge import Judge

__all__ = ["keep_verdicts", "read_kept", "verdicts_file"]


def verdicts_file(work: Path, judge: Judge) -> Path:
    """Return where a judge's verdicts are kept in a work folder; of a perturbed judge a file of its own."""
    name = re.sub(r"[^A-Za-z0-9@._]+", "-", f"{judge.model} {judge.rubric.id}").strip("-.")
    return work / "verdicts" / judge.task / f"{name}{f'.{judge.perturbation}' if judge.perturbation else ''}.jsonl"


def read_kept(path: Path) -> list[Verdict | Unscored]:
    """Return what a file holds.

    Raises:
        UserError: when that is no verdicts.
    """
    try:
        return list(read_verdicts(path))
    except ValidationError as error:
        said = error.errors(include_url=False, include_context=False)[0]["msg"]
        raise UserError(
            f"{path} holds something that is no verdict: {said}", hint="take the file away and run again: it is free"
        ) from None


def keep_verdicts(path: Path, results: Iterable[Verdict | Unscored]) -> int:
    """Add results to those of a file, all or none; return how many it holds now.

    A new verdict takes the place of the old one on the same item by the same judge in the same repeat. An item that is
    left unscored keeps the verdict it had.

    Raises:
        UserError: when what is there are no verdicts.
    """
    kept = {_place(old): old for old in (read_kept(path) if path.is_file() else ())}
    for result in results:
        if isinstance(result, Verdict) or not isinstance(kept.get(_place(result)), Verdict):
            kept[_place(result)] = result
    ordered = sorted(kept.values(), key=lambda r: (r.item.query, r.item.subject, r.judge, r.repeat))
    return write_verdicts(path, ordered)


def _place(result: Verdict | Unscored) -> tuple[Item, str, str]:
    return result.item, result.judge, result.repeat
