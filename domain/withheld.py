"""What a release must not serve: parts of answers that a replay or a person found to do harm."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from domain.errors import UserError
from domain.files import replace_atomically
from domain.label import Label
from domain.text import normalise

__all__ = [
    "Part",
    "Withheld",
    "add_withheld",
    "read_withheld",
    "remove_withheld",
    "withheld_digest",
    "withheld_file",
    "withhold",
]

Part = Literal["categories", "rewrites"]

_Number = Annotated[float, Field(allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """One part of the answer to one query that is not served.

    Attributes:
        query: In normal form.
        part: What is taken out of the answer.
        reason: Why, in a sentence.
        loss: What the part cost in nDCG@10; None, as the next two, where nobody measured it.
        before: nDCG@10 without the part.
        after: nDCG@10 with it.
        searches: How often the query was searched.
        origin: The labels or the release in which the part was found.
        date: When it was put on the list.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    query: str
    part: Part
    reason: str
    loss: _Number | None = None
    before: _Number | None = None
    after: _Number | None = None
    searches: Annotated[int, Field(ge=0)] | None = None
    origin: str = ""
    date: datetime.date | None = None


_adapter: Final[TypeAdapter[Withheld]] = TypeAdapter(Withheld)
_HINT: Final = 'a line is {"query": "...", "part": "categories" or "rewrites", "reason": "..."}; mend or delete it'


def withheld_file(work: Path) -> Path:
    """Return where the list of a work folder lives."""
    return work / "withheld.jsonl"


def read_withheld(path: Path) -> tuple[Withheld, ...]:
    """Read a list; a file that is not there withholds nothing, and of two lines for one part the later counts.

    Raises:
        UserError: a line is malformed, naming it by number.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", hint="it is a file of JSON Lines") from None
    return _merged(_parse(path, number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _parse(path: Path, number: int, line: bytes) -> Withheld:
    try:
        found = _adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{path}:{number}: {f'{where}: ' if where else ''}{first['msg']}", hint=_HINT) from None
    query = normalise(found.query)
    if not query:
        raise UserError(f"{path}:{number}: the query is empty", hint=_HINT)
    return replace(found, query=query)


def add_withheld(path: Path, entries: Iterable[Withheld]) -> tuple[Withheld, ...]:
    """Add entries to a list, each in the place of one for the same query and part; return the whole list.

    Raises:
        UserError: the list that is there is malformed.
    """
    merged = _merged([*read_withheld(path), *(replace(entry, query=normalise(entry.query)) for entry in entries)])
    _write(path, merged)
    return merged


def remove_withheld(path: Path, query: str, part: Part | None = None) -> tuple[Withheld, ...]:
    """Take a part of a query, or both, off a list, so that the next release serves it again; return what was taken.

    Raises:
        UserError: the list is malformed.
    """
    there, wanted = read_withheld(path), normalise(query)
    taken = tuple(entry for entry in there if entry.query == wanted and part in (None, entry.part))
    if taken:
        _write(path, (entry for entry in there if entry not in taken))
    return taken


def withhold(labels: Iterable[Label], withheld: Iterable[Withheld]) -> Iterator[Label]:
    """Yield the labels without the parts that are withheld."""
    parts: dict[str, set[Part]] = {}
    for entry in withheld:
        parts.setdefault(entry.query, set()).add(entry.part)
    for label in labels:
        if bare := parts.get(normalise(label.query)):
            answer = label.understanding
            if "categories" in bare:
                answer = replace(answer, categories=())
            if "rewrites" in bare:
                answer = replace(answer, rewrites=())
            label = replace(label, understanding=answer)
        yield label


def withheld_digest(withheld: Iterable[Withheld]) -> str:
    """Return a digest of what is withheld, whatever the reasons; empty where nothing is."""
    pairs = sorted({(entry.query, entry.part) for entry in withheld})
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest() if pairs else ""


def _merged(entries: Iterable[Withheld]) -> tuple[Withheld, ...]:
    found = {(entry.query, entry.part): entry for entry in entries}
    return tuple(found[key] for key in sorted(found))


def _write(path: Path, entries: Iterable[Withheld]) -> None:
    with replace_atomically(path) as file:
        for entry in entries:
            file.write(_adapter.dump_json(entry) + b"\n")
