"""What differs between two prompts, word by word."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from prompts.prompt_file import PromptFile

__all__ = ["Difference", "Piece", "diff_prompts"]

PieceKind = Literal["same", "removed", "added"]
_WORDS = re.compile(r"\S+\s*|\s+")
_ALIKE = 0.5  # lines less alike than this are one gone and one new


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run of text that both have, or only one."""

    kind: PieceKind
    text: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One changed line of a part: parameters, schema, system or user."""

    part: str
    pieces: tuple[Piece, ...]


def diff_prompts(a: PromptFile, b: PromptFile) -> list[Difference]:
    """Return the lines that differ, part by part, with the words in them that do; nothing for equal prompts."""
    parts = {
        "parameters": (_pretty(a.parameters), _pretty(b.parameters)),
        "schema": (_pretty(a.schema), _pretty(b.schema)),
        "system": (a.system, b.system),
        "user": (a.user, b.user),
    }
    return [
        Difference(part=part, pieces=pieces)
        for part, (old, new) in parts.items()
        for pieces in _lines(old.splitlines(), new.splitlines())
    ]


def _lines(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[Piece, ...]]:
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield from _paired(list(old[i:j]), list(new[k:m]))


def _paired(old: list[str], new: list[str]) -> Iterator[tuple[Piece, ...]]:
    """Yield lines that became others beside each other, then what is left on either side, in the order of the text."""
    for line in old:
        ratios = [SequenceMatcher(None, _split(line), _split(other), autojunk=False).ratio() for other in new]
        best = max(range(len(new)), key=ratios.__getitem__, default=None)
        if best is None or ratios[best] < _ALIKE:
            if line.strip():
                yield (Piece(kind="removed", text=line),)
            continue
        yield from (_added(other) for other in new[:best] if other.strip())
        yield _words(line, new[best])
        del new[: best + 1]
    yield from (_added(other) for other in new if other.strip())


def _added(line: str) -> tuple[Piece, ...]:
    return (Piece(kind="added", text=line),)


def _words(old: str, new: str) -> tuple[Piece, ...]:
    before, after = _split(old), _split(new)
    pieces: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(kind="same", text="".join(before[i:j])))
            continue
        if i < j:
            pieces.append(Piece(kind="removed", text="".join(before[i:j])))
        if k < m:
            pieces.append(Piece(kind="added", text="".join(after[k:m])))
    return tuple(pieces)


def _split(line: str) -> list[str]:
    return _WORDS.findall(line)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
