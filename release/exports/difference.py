"""What an export would change of the last one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from release.exports.rule import Rule
from release.exports.sidecar import About, read_about, read_rules

__all__ = ["Changed", "Difference", "compare_with"]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A rule that both exports have, and that works differently in the second."""

    before: Rule
    after: Rule


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What differs between two exports.

    A later expiry alone is no change: every release gives all of its rules a new one.

    Attributes:
        before: The release of the last export, or None where there is no last export.
        after: The release of the new one.
        settings: Whether they were made with different names or numbers of the index, or for different engines.
        added: Rules that only the new export has.
        removed: Rules that only the last one has.
        changed: Rules that are surer or less sure now, or hold elsewhere.
        same: How many rules are as they were.
    """

    before: str | None
    after: str
    settings: bool
    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    changed: tuple[Changed, ...]
    same: int


def compare_with(folder: Path, about: About, rules: Iterable[Rule]) -> Difference:
    """Compare a new export with the one in a folder.

    Args:
        folder: Where the last one is; need not be there.
        about: Of the new one.
        rules: Of the new one.

    Raises:
        UserError: where the folder is there and holds no export that can be read.
    """
    there = folder.is_dir() and any(folder.iterdir())
    last = read_about(folder) if there else None
    old = {rule.id: rule for rule in read_rules(folder)} if there else {}
    new = {rule.id: rule for rule in rules}
    both = [Changed(before=old[i], after=rule) for i, rule in new.items() if i in old]
    changed = tuple(one for one in both if _works(one.before) != _works(one.after))
    return Difference(
        before=last.origin.release if last else None,
        after=about.origin.release,
        settings=last is not None and (last.settings, last.engine) != (about.settings, about.engine),
        added=tuple(rule for i, rule in new.items() if i not in old),
        removed=tuple(rule for i, rule in old.items() if i not in new),
        changed=changed,
        same=len(both) - len(changed),
    )


@dataclass(frozen=True, kw_only=True)
class _Works:
    confidence: float
    reach: str


def _works(rule: Rule) -> _Works:
    return _Works(confidence=rule.confidence, reach=rule.reach)
