"""A wrong folder is told in one line, before anything is trained."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from benchmarks import student_speed
from benchmarks.students import __main__ as students


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a program that has to exit with 2, and returns the one line that it prints."""

    def run(main: Callable[[], None], *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        printed = capsys.readouterr()
        assert (caught.value.code, printed.out) == (2, "")
        [line] = printed.err.splitlines()
        return line

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.toml").write_text('name = "corner"\nlocale = "en"\ncurrency = "USD"\n', encoding="utf-8")
    return folder


def test_a_shop_that_is_not_there(told: Callable[..., str], tmp_path: Path) -> None:
    missing = tmp_path / "none"
    gold, apart = tmp_path / "gold.jsonl", tmp_path / "apart"
    line = told(students.main, "--shop", missing, "--work", tmp_path, "--gold", gold, "--apart", apart)
    assert line == f"{missing} is not a folder; name the folder that holds shop.toml"


@pytest.mark.parametrize("work", ["none", "shop/shop.toml"])
def test_a_work_folder_without_labels(told: Callable[..., str], shop: Path, tmp_path: Path, work: str) -> None:
    gold, apart = tmp_path / "gold.jsonl", tmp_path / "apart"
    line = told(students.main, "--shop", shop, "--work", tmp_path / work, "--gold", gold, "--apart", apart)
    assert line == f"there are no labels; run `querywise label {shop}` first"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["shop", "shop.toml"]


@pytest.mark.parametrize("work", ["none", "shop/shop.toml"])
def test_speed_without_a_context(told: Callable[..., str], shop: Path, tmp_path: Path, work: str) -> None:
    context = tmp_path / work / "context.parquet"
    line = told(student_speed.main, "--work", tmp_path / work)
    assert line == f"{context} is not there; run `querywise context` first"
