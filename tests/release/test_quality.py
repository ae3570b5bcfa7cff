"""Qualities of products come back as they were given, and nothing malformed is opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.errors import ReleaseError
from release.quality import ProductQualities, Quality, write_quality

IDS = ["p1", "", "日本 🍋", "p2", "x" * 5000]
VALUES = np.array([[0, 1, 0.5], [0.25, 0.5, 0], [1, 0.75, 0.375], [0.125, 0, 1], [1, 1, 1]], dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_quality(tmp_path / "quality", ProductQualities(product_ids=IDS, values=VALUES))
    return tmp_path / "quality"


def test_every_product_has_what_was_given(folder: Path) -> None:
    quality = Quality(folder)
    assert quality.of(IDS).tolist() == VALUES.tolist()  # eighths are exact in float16
    found = quality.of(["p2", None, "p3", "\ud800", "p1"])
    assert found.tolist() == [[0.125, 0, 1]] + [[0.5, 0.5, 0.5]] * 3 + [[0, 1, 0.5]]
    assert quality.of([]).shape == (0, 3)


def test_a_catalogue_of_nothing(tmp_path: Path) -> None:
    write_quality(tmp_path / "q", ProductQualities(product_ids=[], values=np.zeros((0, 3), dtype=np.float32)))
    assert Quality(tmp_path / "q").of(["p1", None]).tolist() == [[0.5, 0.5, 0.5]] * 2


def test_qualities_keep_three_decimals_among_many(tmp_path: Path) -> None:
    ids = [f"p{i}" for i in range(20_000)]
    values = np.random.default_rng(3).random((20_000, 3), dtype=np.float32)
    write_quality(tmp_path / "q", ProductQualities(product_ids=ids, values=values))
    # float16 has 11 bits below 1: half a step is at most 2 ** -12.
    assert np.abs(Quality(tmp_path / "q").of(ids) - values).max() <= 2**-12


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        (["a", "a"], [[0, 0, 0], [1, 1, 1]], "one id"),
        (["a"], [[0, 1.01, 0]], "from 0 to 1"),
        (["a"], [[0, 0, -0.01]], "from 0 to 1"),
        (["a"], [[0, 0, float("nan")]], "from 0 to 1"),
        (["a"], [[0, 1, 0], [0, 1, 0]], "from 0 to 1"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    tmp_path: Path, ids: list[str], values: list[list[float]], message: str
) -> None:
    with pytest.raises(ReleaseError, match=message) as error:
        write_quality(tmp_path / "q", ProductQualities(product_ids=ids, values=np.array(values, dtype=np.float32)))
    assert error.value.hint


def test_malformed_files_are_refused(folder: Path) -> None:
    ids, values = np.load(folder / "hashes.npy"), np.load(folder / "values.npy")
    damages = {
        "hashes.npy": [ids[::-1], ids[:-1], ids.astype(np.int64), ids[:, None], np.array(["a"], dtype=object)],
        "values.npy": [values[:-1], values[:, :1], values[:, :2], values.ravel(), values.astype(np.float32)],
    }
    for name, arrays in damages.items():
        whole = (folder / name).read_bytes()
        for array in arrays:
            np.save(folder / name, array, allow_pickle=True)
            with pytest.raises(ReleaseError) as error:
                Quality(folder)
            assert error.value.hint
        for content in (b"", b"\x93NUMPY", whole[:-3], b"{}" * 100):
            (folder / name).write_bytes(content)
            with pytest.raises(ReleaseError, match=name):
                Quality(folder)
        (folder / name).unlink()
        with pytest.raises(ReleaseError, match=name):
            Quality(folder)
        (folder / name).write_bytes(whole)
    Quality(folder)
