"""What counts as done."""

from __future__ import annotations

import json
from pathlib import Path

from domain.config import ShopConfig
from domain.shop import Shop
from querywise.marks import begin, done, is_done, report_of


def shop_in(work: Path) -> Shop:
    return Shop(folder=work, work=work, config=ShopConfig(name="mine", locale="en-US", currency="USD"))


def test_a_stage_is_done_from_its_inputs_until_it_begins_again(tmp_path: Path) -> None:
    shop = shop_in(tmp_path)
    done(shop, "index", "one", {"products": 3})
    assert is_done(shop, "index", "one")
    assert not is_done(shop, "index", "two")
    assert report_of(shop, "index") == {"products": 3}
    begin(shop, "index")
    assert not is_done(shop, "index", "one")


def test_what_another_version_made_is_made_again(tmp_path: Path) -> None:
    shop = shop_in(tmp_path)
    done(shop, "index", "one", {})
    path = tmp_path / "stages.json"
    marks = json.loads(path.read_text())
    marks["index"]["version"] = "0.0.1"
    path.write_text(json.dumps(marks))
    assert not is_done(shop, "index", "one")


def test_a_damaged_file_means_that_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "stages.json").write_text("{")
    assert not is_done(shop_in(tmp_path), "index", "one")
