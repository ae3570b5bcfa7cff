"""A shop folder and where the work done on it lives."""

from __future__ import annotations

import glob
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import pyarrow.parquet as pq

from domain.config import Kind, ShopConfig, parse_config
from domain.errors import ShopError, StageMissing
from domain.taxonomy import Node, Taxonomy

__all__ = ["SUFFIXES", "Kind", "Shop", "ShopConfig", "open_shop"]

SUFFIXES: Final = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".parquet")

_STEMS: Final[Mapping[Kind, str]] = {kind: kind for kind in get_args(Kind)} | {
    "queries": "ubi_queries",
    "events": "ubi_events",
}


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A shop folder, which is only read, and the work folder that belongs to it."""

    folder: Path
    work: Path
    config: ShopConfig

    @property
    def warehouse(self) -> Path:
        """What ingest writes."""
        return self.work / "warehouse"

    @property
    def context_file(self) -> Path:
        """One row per query of the log."""
        return self.work / "context.parquet"

    @property
    def index(self) -> Path:
        """The retrieval index."""
        return self.work / "index"

    @property
    def cache(self) -> Path:
        """Completions that were paid for."""
        return self.work / "cache"

    @property
    def ledger(self) -> Path:
        """What every completion cost."""
        return self.work / "ledger"

    @property
    def runs(self) -> Path:
        """The summary of each offline run."""
        return self.work / "runs"

    @property
    def trees(self) -> Path:
        """The taxonomies that labels were made in, by fingerprint."""
        return self.work / "labels" / "trees"

    @property
    def examples(self) -> Path:
        """Answered queries that prompts show as examples."""
        return self.work / "examples.jsonl"

    @property
    def student(self) -> Path:
        """The student that was distilled last."""
        return self.work / "student"

    @property
    def labels_file(self) -> Path:
        """Labels, as JSON Lines."""
        return self.work / "labels" / "labels.jsonl"

    @property
    def content_file(self) -> Path:
        """Discovery content by query, grounded in the catalogue."""
        return self.work / "content.jsonl"

    @property
    def bare_labels_file(self) -> Path:
        """Labels by a model that was shown none of the log's evidence, for comparison."""
        return self.labels_file.with_name("labels-without-context.jsonl")

    @property
    def releases(self) -> Path:
        """Release folders and the name of the current one."""
        return self.work / "releases"

    @property
    def reports(self) -> Path:
        """Evaluation reports."""
        return self.work / "reports"

    def files(self, kind: Kind) -> tuple[Path, ...]:
        """Return the files of a kind in a fixed order; none when the kind is neither named nor found.

        Raises:
            ShopError: a named path or glob matches nothing, a file's format is unknown, or two default names compete.
        """
        named = self.config.files.get(kind)
        return _default_files(self.folder, kind) if named is None else _named_files(self.folder, kind, named)

    def need(self, kind: Kind) -> tuple[Path, ...]:
        """Return the files of a kind, of which there must be one.

        Raises:
            ShopError: as `files` does, and when there is none.
        """
        found = self.files(kind)
        if not found:
            hint = f"name it {_STEMS[kind]}{SUFFIXES[0]} (or {', '.join(SUFFIXES[1:])}), or set [files] {kind}"
            raise ShopError(f"{self.folder} has no file of {kind}", hint=hint)
        return found

    def display(self, path: Path) -> str:
        """Return how reports and the quarantine call a file of this shop."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)

    def load_taxonomy(self) -> Taxonomy:
        """Return the category tree as ingest accepted it.

        Raises:
            StageMissing: ingest has not run.
        """
        return Taxonomy(Node(**row) for row in pq.read_table(self._ingested("taxonomy.parquet")).to_pylist())

    def need_products(self) -> Path:
        """Return the table of the products that ingest accepted.

        Raises:
            StageMissing: ingest has not run.
        """
        return self._ingested("products.parquet")

    def _ingested(self, name: str) -> Path:
        path = self.warehouse / name
        if not path.is_file():
            raise StageMissing(f"{path} is missing", hint=f"run `querywise ingest {self.folder}` first")
        return path


def open_shop(folder: Path, *, work: Path | None = None) -> Shop:
    """Read `shop.toml`; nothing else is touched, and no folder is made.

    Args:
        folder: The shop folder.
        work: Where the work on it lives; `.querywise/<name>` under the current folder unless given.

    Raises:
        ShopError: the folder or `shop.toml` is missing or malformed, or holds an unknown key or a bad value.
    """
    if not folder.is_dir():
        raise ShopError(f"{folder} is not a folder", hint="name the folder that holds shop.toml")
    path = folder / "shop.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ShopError(f"{folder} has no shop.toml", hint="it holds at least name, locale and currency") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShopError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise ShopError(f"{path} cannot be read: {error.strerror}") from None
    config = parse_config(document, path)
    return Shop(folder=folder, work=work if work is not None else Path(".querywise") / config.name, config=config)


def _default_files(folder: Path, kind: Kind) -> tuple[Path, ...]:
    found = [path for suffix in SUFFIXES if (path := folder / f"{_STEMS[kind]}{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise ShopError(f"{folder} holds both {names}", hint=f"name one as {kind} under [files] in shop.toml")
    return tuple(found)


def _named_files(folder: Path, kind: Kind, named: tuple[str, ...]) -> tuple[Path, ...]:
    found: dict[Path, None] = {}
    for pattern in named:
        # A file whose name happens to hold glob signs is that file.
        matches = [pattern] if (folder / pattern).is_file() else glob.glob(pattern, root_dir=folder, recursive=True)
        paths = [path for match in sorted(matches) if (path := folder / match).is_file()]
        if not paths:
            raise ShopError(f"[files] {kind} = {pattern!r} matches no file in {folder}", hint="check shop.toml")
        found.update(dict.fromkeys(paths))
    for path in found:
        if not path.name.lower().endswith(SUFFIXES):
            raise ShopError(f"{path} is of no known format", hint=f"known endings are {', '.join(SUFFIXES)}")
    return tuple(found)
