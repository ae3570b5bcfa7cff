"""The taxonomies that labels were made in: kept by fingerprint, to tell later what has changed since."""

from __future__ import annotations

import hashlib
import json

from pydantic import TypeAdapter

from domain.files import replace_atomically
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from prompts.increment import tree_of

__all__ = ["read_trees", "save_tree", "tree_fingerprint"]

_tree: TypeAdapter[dict[str, tuple[str, ...]]] = TypeAdapter(dict[str, tuple[str, ...]])


def tree_fingerprint(taxonomy: Taxonomy) -> str:
    """Return the digest of the path of names of every category."""
    return hashlib.sha256(json.dumps(tree_of(taxonomy), sort_keys=True).encode()).hexdigest()[:16]


def read_trees(shop: Shop) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the trees that labels of a shop were made in, by fingerprint."""
    return {path.stem: _tree.validate_json(path.read_bytes()) for path in shop.trees.glob("*.json")}


def save_tree(shop: Shop, taxonomy: Taxonomy) -> str:
    """Keep the tree that labels are about to be made in; return its fingerprint."""
    fingerprint = tree_fingerprint(taxonomy)
    path = shop.trees / f"{fingerprint}.json"
    if not path.is_file():
        with replace_atomically(path) as file:
            file.write(_tree.dump_json(tree_of(taxonomy)))
    return fingerprint
