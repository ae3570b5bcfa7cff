"""What another program has put into the page of students stays there."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks.students.examined import write  # noqa: E402
from benchmarks.students.page import FRONT, fronts  # noqa: E402


def test_each_shops_front_is_kept_as_it_was_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(FRONT)
    for shop in ("demo", "electronics", "demo"):
        write(argparse.Namespace(write=page), f"front of {shop}", f"## {shop}\n\nA table.")
    kept = fronts(page.read_text())
    assert [front.splitlines()[0] for front in kept] == ["<!-- front of demo -->", "<!-- front of electronics -->"]
    assert [front.count("A table.") for front in kept] == [1, 1]
    assert all(front in page.read_text() for front in kept)
    assert fronts(FRONT) == fronts("") == []
