"""The labels by people that a shop has: all of its gold files, or a file in their place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from domain.errors import UserError
from domain.privacy import region_of
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from evals import GoldSet, read_gold
from querywise.refused import show_refused

__all__ = ["gold_columns", "gold_files", "gold_of", "gold_to_ask"]


def gold_files(shop: Shop, gold: Path | None) -> tuple[Path, ...]:
    """Return the file given, or all of the shop's own; none where it has none."""
    return (gold,) if gold else shop.files("gold")


def gold_columns(shop: Shop, gold: Path | None) -> Mapping[str, str]:
    """Return our column name -> the name in the files; in a file that was given the columns are called as ours."""
    return {} if gold else shop.config.columns.get("gold", {})


def gold_of(shop: Shop, gold: Path | None, taxonomy: Taxonomy) -> GoldSet | None:
    """Read the labelled queries: the file given, or all of the shop's own, or None where it has none.

    Raises:
        UserError: a file cannot be read, or no line of it can be used.
    """
    files = gold_files(shop, gold)
    if not files:
        return None
    return read_gold(files, taxonomy, columns=gold_columns(shop, gold), region=region_of(shop.config.locale))


def gold_to_ask(shop: Shop, gold: Path | None, taxonomy: Taxonomy) -> GoldSet:
    """Read the labelled queries that a model is to be asked about, and say which it is not asked about.

    Raises:
        UserError: as `gold_of`, and when there are none.
    """
    found = gold_of(shop, gold, taxonomy)
    if found is None:
        raise UserError("there are no labelled queries", hint="put gold.jsonl into the shop folder, or name a file")
    show_refused([f"{one.file}, line {one.line}" for one in found.problems if one.kind == "personal_data"])
    return found
