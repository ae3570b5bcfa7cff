"""What lies beside the files of every export: each rule with its provenance, and the whole in figures."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from domain.errors import UserError
from release.exports.by_query import category_ids, json_lines
from release.exports.conflicts import Conflict
from release.exports.policy import Policy
from release.exports.rule import Held, Kind, Rule
from release.exports.selection import LeftOut, Origin, Selection
from release.exports.settings import Engine, ExportSettings
from release.exports.written import Written

__all__ = ["ABOUT", "RULES", "About", "about_json", "about_of", "read_about", "read_rules", "rules_file"]

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


_about: TypeAdapter[About] = TypeAdapter(About)
_rule: TypeAdapter[Rule] = TypeAdapter(Rule)


def rules_file(selection: Selection) -> bytes:
    """Return every rule with its provenance as JSON Lines; a category with its path, and all ids that it stands for."""
    origin, taxonomy = selection.origin, selection.taxonomy
    provenance = {
        "source": "head",
        "release": origin.release,
        "created": origin.created.isoformat(),
        "models": origin.models,
        "prompts": origin.prompts,
        "verdict": origin.verdict,
    }
    rows = []
    for rule in selection.rules:
        row = _rule.dump_python(rule)
        if rule.kind == "category":
            row |= {"path": taxonomy.path(rule.target), "category_ids": category_ids(taxonomy, rule.target)}
        rows.append(row | {"provenance": provenance})
    return json_lines(rows)


def about_of(
    selection: Selection, written: Written, *, engine: Engine, settings: ExportSettings, policy: Policy, day: date
) -> About:
    """Return an export in figures; `written` has every file but this one."""
    return About(
        format=_FORMAT,
        engine=engine,
        day=day,
        origin=selection.origin,
        settings=settings,
        least_confidence=dict(policy.least_confidence),
        expires_days=dict(policy.expires_days),
        rules=dict(Counter(rule.kind for rule in selection.rules)),
        words=sum(rule.reach == "words" for rule in selection.rules),
        left_out=selection.left_out,
        held=selection.held,
        conflicts=selection.conflicts,
        unwritable=written.unwritable,
        files={name: hashlib.sha256(data).hexdigest() for name, data in sorted(written.files.items())},
    )


def about_json(about: About) -> bytes:
    """Return the form in which an export keeps its figures."""
    return _about.dump_json(about, indent=1) + b"\n"


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


def read_rules(folder: Path) -> tuple[Rule, ...]:
    """Read the rules of an export.

    Raises:
        UserError: where they cannot be read.
    """
    try:
        with (folder / RULES).open("rb") as file:
            return tuple(_rule.validate_json(line) for line in file)
    except (OSError, ValidationError) as error:
        raise UserError(f"{folder / RULES} cannot be read", hint="export again to another --output") from error
