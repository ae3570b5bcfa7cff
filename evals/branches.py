"""Branches of a category tree: the few parts into which a report divides it."""

from __future__ import annotations

from collections import Counter

from domain.taxonomy import Taxonomy

__all__ = ["branch_names"]

# As many rows as a person reads at once.
_MOST = 30


def branch_names(taxonomy: Taxonomy) -> dict[str, str]:
    """Return the name of the branch in which each category lies, by category id.

    Branches are the categories of the deepest level above the last that has at most 30 of them, counting a leaf that
    ends higher up; where there are more roots than that, they are the roots. They depend on the tree alone, so that a
    branch has the same name in every report. The name is the path from the root with " > " between, or the id where two
    have one path.
    """
    deep = max((len(taxonomy.lineage(i)) for i in taxonomy), default=1)
    level = 1
    while level < deep - 1 and len({taxonomy.lineage(leaf)[: level + 1] for leaf in taxonomy.leaves}) <= _MOST:
        level += 1
    branch = {i: taxonomy.lineage(i)[:level][-1] for i in taxonomy}
    names = {i: " > ".join(taxonomy.path(i)) for i in set(branch.values())}
    times = Counter(names.values())
    return {i: names[at] if times[names[at]] == 1 else at for i, at in branch.items()}
