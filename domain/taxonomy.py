"""The category tree of a shop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from domain.errors import ShopError

__all__ = ["Node", "Taxonomy"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One category; ``parent_id`` is None for a root."""

    category_id: str
    parent_id: str | None
    name: str


class Taxonomy:
    """An immutable forest of categories, by id.

    Raises:
        ShopError: on a duplicate id, an unknown parent, or a cycle. Ingest quarantines such rows first, so
            that this is reached only by data which did not come through it.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes: dict[str, Node] = {}
        for node in nodes:
            if node.category_id in self._nodes:
                raise ShopError(f"category {node.category_id!r} is there twice")
            self._nodes[node.category_id] = node
        self._ancestry: dict[str, tuple[str, ...]] = {}
        for category_id in self._nodes:
            self._resolve(category_id)

    def _resolve(self, category_id: str) -> None:
        """Fill the ancestry of a category and of all above it, without recursion: trees from outside can be deep."""
        pending: list[str] = []
        at: str | None = category_id
        while at is not None and at not in self._ancestry:
            if at not in self._nodes:
                raise ShopError(f"category {pending[-1]!r} has an unknown parent {at!r}")
            if at in pending:
                raise ShopError(f"category {at!r} is its own ancestor")
            pending.append(at)
            at = self._nodes[at].parent_id
        above = self._ancestry[at] if at is not None else ()
        for node in reversed(pending):
            above = (*above, node)
            self._ancestry[node] = above

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, category_id: object) -> bool:
        return category_id in self._nodes

    def __iter__(self) -> Iterator[str]:
        return iter(self._nodes)

    def __getitem__(self, category_id: str) -> Node:
        return self._nodes[category_id]

    def lineage(self, category_id: str) -> tuple[str, ...]:
        """Return the ids from the root to the category, itself included."""
        return self._ancestry[category_id]

    def path(self, category_id: str) -> tuple[str, ...]:
        """Return the names from the root to the category, its own included."""
        return tuple(self._nodes[at].name for at in self._ancestry[category_id])

    def is_ancestor(self, above: str, below: str) -> bool:
        """Whether `above` lies strictly above `below`."""
        return above != below and above in self._ancestry[below]

    @cached_property
    def children(self) -> Mapping[str | None, tuple[str, ...]]:
        """Ids of the children of each category, and of the roots under None, in the order of the file."""
        found: dict[str | None, list[str]] = {}
        for node in self._nodes.values():
            found.setdefault(node.parent_id, []).append(node.category_id)
        return {parent: tuple(ids) for parent, ids in found.items()}

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """Ids of the categories without children."""
        return tuple(category_id for category_id in self._nodes if category_id not in self.children)

    def to_json(self) -> bytes:
        """Return the tree as JSON: a list of [id, parent or null, name], the form a release keeps."""
        rows = [[node.category_id, node.parent_id, node.name] for node in self._nodes.values()]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Taxonomy:
        """Read what `to_json` wrote."""
        return cls(Node(category_id=i, parent_id=p, name=n) for i, p, n in json.loads(data))
