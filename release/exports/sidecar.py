"""What lies beside the files of every export: each rule with its provenance, and the whole in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from domain.errors import UserError
from release.exports.by_query import category_ids, json_lines
from release.exports.conflicts import Conflict
from release.exports.policy import Policy
from release.exports.rule import Held, Kind, Rule
from release.exports.selection import LeftOut, Origin, Selection
from release.exports.settings import Engine, ExportSettings
from release.exports.written import File

__all__ = [
    "ABOUT",
    "RULES",
    "About",
    "SavedRule",
    "Tally",
    "about_file",
    "about_of",
    "read_about",
    "read_rules",
    "read_saved_rules",
    "rules_file",
    "saved_rules",
]

ABOUT: Final = "export.json"
RULES: Final = "rules.jsonl"
_FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class About:
    """An export in figures.

    Attributes:
        format: Of this file and of the rules beside it.
        engine: Whom it is for.
        day: When it was made.
        origin: The release.
        settings: The names and numbers it was made with.
        least_confidence: By kind.
        expires_days: By kind.
        rules: How many, by kind.
        words: How many of them hold wherever their words stand.
        left_out: How many are no rules, by reason.
        held: How many spellings and synonyms hold for the whole query alone, by reason.
        conflicts: How many contradictions of labels were found.
        unwritable: Ids of rules that the format has no way to write.
        files: SHA-256 of every other file.
    """

    format: int
    engine: Engine
    day: date
    origin: Origin
    settings: ExportSettings
    least_confidence: Mapping[Kind, float]
    expires_days: Mapping[Kind, int]
    rules: Mapping[Kind, int]
    words: int
    left_out: Mapping[LeftOut, int]
    held: Mapping[Held, int]
    conflicts: Mapping[Conflict, int]
    unwritable: tuple[str, ...]
    files: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class SavedRule:
    """A rule as an export keeps it.

    Attributes:
        rule: It.
        category_ids: Of a category, itself and all below it: what its boost holds for. Of another kind, none.
    """

    rule: Rule
    category_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Ids:
    category_ids: tuple[str, ...] = ()


_about: TypeAdapter[About] = TypeAdapter(About)
_rule: TypeAdapter[Rule] = TypeAdapter(Rule)
_ids: TypeAdapter[_Ids] = TypeAdapter(_Ids)


@dataclass(kw_only=True)
class Tally:
    """The rules of an export in figures, as they are written."""

    rules: Counter[Kind] = field(default_factory=Counter)
    held: Counter[Held] = field(default_factory=Counter)
    words: int = 0

    def add(self, rule: Rule) -> None:
        """Count one."""
        self.rules[rule.kind] += 1
        if rule.held is None:
            self.words += 1
        elif rule.held != "kind":
            self.held[rule.held] += 1


def rules_file(selection: Selection, tally: Tally) -> File:
    """Return every rule with its provenance as JSON Lines; a category with its path, and all ids that it stands for."""
    return File(name=RULES, lines=json_lines(_rows(selection, tally)))


def _rows(selection: Selection, tally: Tally) -> Iterator[Mapping[str, Any]]:
    origin, taxonomy = selection.origin, selection.taxonomy
    provenance = {
        "source": "head",
        "release": origin.release,
        "created": origin.created.isoformat(),
        "models": origin.models,
        "prompts": origin.prompts,
        "verdict": origin.verdict,
    }
    for one in saved_rules(selection):
        rule = one.rule
        tally.add(rule)
        row = _rule.dump_python(rule)
        if rule.kind == "category":
            row |= {"path": taxonomy.path(rule.target), "category_ids": one.category_ids}
        yield row | {"provenance": provenance}


def about_of(
    selection: Selection,
    tally: Tally,
    *,
    engine: Engine,
    settings: ExportSettings,
    policy: Policy,
    day: date,
    unwritable: Iterable[str],
    files: Mapping[str, str],
) -> About:
    """Return an export in figures; `files` has the SHA-256 of every other file."""
    return About(
        format=_FORMAT,
        engine=engine,
        day=day,
        origin=selection.origin,
        settings=settings,
        least_confidence=dict(policy.least_confidence),
        expires_days=dict(policy.expires_days),
        rules=dict(tally.rules),
        words=tally.words,
        left_out=selection.left_out,
        held=dict(tally.held),
        conflicts=selection.conflicts,
        unwritable=tuple(unwritable),
        files=dict(sorted(files.items())),
    )


def about_file(about: About) -> File:
    """Return the form in which an export keeps its figures."""
    return File(name=ABOUT, lines=[_about.dump_json(about, indent=1).decode()])


def read_about(folder: Path) -> About:
    """Read the figures of an export.

    Raises:
        UserError: where the folder holds none, or one of another format.
    """
    try:
        about = _about.validate_json((folder / ABOUT).read_bytes())
    except (OSError, ValidationError, UserError) as error:
        raise UserError(
            f"{folder} holds no export that can be read", hint="give another --output, or move that folder away"
        ) from error
    if about.format != _FORMAT:
        raise UserError(f"{folder} is of format {about.format}, not {_FORMAT}", hint="move that folder away")
    return about


def saved_rules(selection: Selection) -> Iterator[SavedRule]:
    """Yield rules as an export would keep them."""
    for rule in selection.rules():
        ids = category_ids(selection.taxonomy, rule.target) if rule.kind == "category" else ()
        yield SavedRule(rule=rule, category_ids=ids)


def read_saved_rules(folder: Path) -> Iterator[SavedRule]:
    """Yield the rules of an export, as it keeps them.

    Raises:
        UserError: where they cannot be read.
    """
    try:
        with (folder / RULES).open("rb") as file:
            for line in file:
                yield SavedRule(rule=_rule.validate_json(line), category_ids=_ids.validate_json(line).category_ids)
    except (OSError, ValidationError) as error:
        raise UserError(f"{folder / RULES} cannot be read", hint="export again to another --output") from error


def read_rules(folder: Path) -> Iterator[Rule]:
    """Yield the rules of an export; raises as `read_saved_rules`."""
    return (one.rule for one in read_saved_rules(folder))
