"""The files of an export before they are on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Written"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """Files by name, and the ids of rules that the format has no way to write."""

    files: Mapping[str, bytes]
    unwritable: tuple[str, ...] = ()
