"""The Python of a page of documentation, to be run."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["blocks_of", "run_page"]

_SERVICE = "http://querywise:8080"


def blocks_of(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def run_page(page: Path, addresses: Mapping[str, str], *, module: str) -> dict[str, Any]:
    """Run the Python of a page from top to bottom as a module, with other addresses than it has, and return its names.

    The time limits of a search are for an idle machine, which one that runs tests is not.
    """
    sys.modules[module] = types.ModuleType(module)
    names = vars(sys.modules[module])
    for block in blocks_of(page, "python"):
        for written, real in addresses.items():
            longer = ", connect_timeout=5, timeout=10" if written == _SERVICE else ""
            block = block.replace(f'"{written}"', f'"{real}"{longer}')
        exec(compile(block, str(page), "exec", dont_inherit=True), names)
    return names
