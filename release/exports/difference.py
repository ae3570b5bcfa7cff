"""What an export would change of the last one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from release.exports.exporting import Export
from release.exports.rule import Rule
from release.exports.selection import select_rules
from release.exports.sidecar import SavedRule, read_about, read_saved_rules, saved_rules
from release.head import key_of

__all__ = ["Changed", "Difference", "compare_with"]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A rule that both exports have, and that works differently in the second.

    Attributes:
        before: As it was.
        after: As it is.
        gained: Ids of categories that its boost holds for now, since the tree is another.
        lost: Those that it holds for no longer.
    """

    before: Rule
    after: Rule
    gained: tuple[str, ...]
    lost: tuple[str, ...]


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
        changed: Rules that are surer or less sure now, or hold elsewhere, or for other categories.
        same: How many rules are as they were.
    """

    before: str | None
    after: str
    settings: bool
    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    changed: tuple[Changed, ...]
    same: int


def compare_with(folder: Path, export: Export) -> Difference:
    """Compare a new export with the one in a folder; both are read query by query, and only differences are held.

    Args:
        folder: Where the last one is; need not be there.
        export: The new one.

    Raises:
        ReleaseError: as `select_rules`.
        UserError: where the folder is there and holds no export that can be read.
    """
    last = read_about(folder) if folder.is_dir() and any(folder.iterdir()) else None
    added: list[Rule] = []
    removed: list[Rule] = []
    changed: list[Changed] = []
    same = 0
    with select_rules(export.release, policy=export.policy, today=export.today) as selection:
        for both in _by_query(read_saved_rules(folder) if last else (), saved_rules(selection)):
            old, new = ({one.rule.id: one for one in rules} for rules in (both.before, both.after))
            removed += (one.rule for i, one in old.items() if i not in new)
            added += (one.rule for i, one in new.items() if i not in old)
            kept = [_change(old[i], one) for i, one in new.items() if i in old]
            differing = [one for one in kept if not _works_alike(one)]
            changed += differing
            same += len(kept) - len(differing)
        after = selection.origin.release
    return Difference(
        before=last.origin.release if last else None,
        after=after,
        settings=last is not None and (last.settings, last.engine) != (export.settings, export.engine),
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(changed),
        same=same,
    )


@dataclass(frozen=True, kw_only=True)
class _Both:
    """The rules of one query in two exports."""

    before: tuple[SavedRule, ...]
    after: tuple[SavedRule, ...]


def _by_query(before: Iterable[SavedRule], after: Iterable[SavedRule]) -> Iterator[_Both]:
    """Put together what two exports say of a query; both have their queries in the order of a release's keys."""
    olds, news = (groupby(rules, key=lambda one: key_of(one.rule.query)) for rules in (before, after))
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        first = min(one[0] for one in (old, new) if one is not None)
        here, there = old is not None and old[0] == first, new is not None and new[0] == first
        yield _Both(before=tuple(old[1]) if old and here else (), after=tuple(new[1]) if new and there else ())
        old = next(olds, None) if here else old
        new = next(news, None) if there else new


def _change(old: SavedRule, new: SavedRule) -> Changed:
    before, after = set(old.category_ids), set(new.category_ids)
    return Changed(
        before=old.rule, after=new.rule, gained=tuple(sorted(after - before)), lost=tuple(sorted(before - after))
    )


def _works_alike(one: Changed) -> bool:
    alike = (one.before.confidence, one.before.reach) == (one.after.confidence, one.after.reach)
    return alike and not one.gained and not one.lost
