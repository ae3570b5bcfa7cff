from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import ShopError
from domain.shop import Shop, open_shop

LEAST = 'name = "corner-shop"\nlocale = "en-GB"\ncurrency = "GBP"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(LEAST, encoding="utf-8")
    return tmp_path


def write(folder: Path, toml: str) -> Path:
    (folder / "shop.toml").write_text(LEAST + toml, encoding="utf-8")
    return folder


def test_defaults(folder):
    config = open_shop(folder).config
    assert (config.name, config.locale, config.currency) == ("corner-shop", "en-GB", "GBP")
    assert config.weights == {"impression": 0, "view": 0, "click": 1, "add_to_cart": 4, "purchase": 10}
    assert (config.first_ordinal, config.internal, config.llm.model) == (None, ("internal*",), None)
    assert (config.max_reject_share, config.head_share, config.torso_share) == (0.05, 0.5, 0.9)


def test_every_setting(folder):
    toml = """
        [files]
        queries = "logs/*.parquet"
        events = ["a.ndjson", "b.ndjson.gz"]
        [columns.products]
        product_id = "sku"
        [actions]
        pdp = "click"
        wish = "wishlist"
        [weights]
        wishlist = 2
        click = 0.5
        [log]
        first_ordinal = 0
        internal = ["bot*", "test"]
        head_share = 0.4
        torso_share = 0.8
        [ingest]
        max_reject_share = 0.2
        [llm]
        model = "openai/gpt"
    """
    config = open_shop(write(folder, toml)).config
    assert config.files == {"queries": ("logs/*.parquet",), "events": ("a.ndjson", "b.ndjson.gz")}
    assert config.columns == {"products": {"product_id": "sku"}}
    assert config.actions == {"pdp": "click", "wish": "wishlist"}
    assert (config.weights["wishlist"], config.weights["click"], config.weights["purchase"]) == (2, 0.5, 10)
    assert (config.first_ordinal, config.internal, config.llm.model) == (0, ("bot*", "test"), "openai/gpt")
    assert (config.max_reject_share, config.head_share, config.torso_share) == (0.2, 0.4, 0.8)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("colour = 1", "unknown key colour"),
        ("[logs]\n", "unknown key logs"),
        ("[log]\nfirst_ordinl = 1", "unknown key log.first_ordinl"),
        ("[log]\nfirst_ordinal = 2", "log.first_ordinal"),
        ("[log]\nhead_share = 1.5", "log.head_share"),
        ("[log]\nhead_share = 0.9\ntorso_share = 0.8", "head_share is above torso_share"),
        ("[ingest]\nmax_reject_share = '5%'", "ingest.max_reject_share"),
        ("[ingest]\nmax_reject_share = true", "ingest.max_reject_share"),
        ("[files]\nproduct = 'a.csv'", "files.product"),
        ("[files]\nproducts = 3", "files.products"),
        ("[columns.products]\nsku = 'product_id'", r"\[columns.products\] sku is unknown"),
        ("[actions]\npdp = 'look'", "no such action"),
        ("[weights]\nclick = -1", "weights.click"),
        ("[weights]\nclick = inf", "weights.click"),
        ("[llm]\nmodel = 2026-01-01", "llm.model"),
        ("[llm]\nmodel = 3", "llm.model"),
        ("[llm", "not valid TOML"),
    ],
)
def test_a_bad_setting_is_named(folder, toml, message):
    with pytest.raises(ShopError, match=message) as caught:
        open_shop(write(folder, toml))
    assert "\n" not in str(caught.value) or "TOML" in str(caught.value)


@pytest.mark.parametrize("name", ["", "Shop", "a/b", "../up", ".hidden", "a b", "-x", "x" * 101, "naïve", "a\\n"])
def test_a_name_that_cannot_name_a_folder(folder, name):
    (folder / "shop.toml").write_text(LEAST.replace("corner-shop", name), encoding="utf-8")
    with pytest.raises(ShopError, match="name"):
        open_shop(folder)


@pytest.mark.parametrize("key", ["name", "locale", "currency"])
def test_a_missing_key_is_named(folder, key):
    text = "".join(line + "\n" for line in LEAST.splitlines() if not line.startswith(key))
    (folder / "shop.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ShopError, match=f"{key} is missing"):
        open_shop(folder)


def test_a_near_miss_is_offered(folder):
    with pytest.raises(ShopError) as caught:
        open_shop(write(folder, "[log]\nfirst_ordinl = 1"))
    assert caught.value.hint == "did you mean first_ordinal?"


def test_no_folder_no_file_no_text(tmp_path):
    with pytest.raises(ShopError, match="not a folder"):
        open_shop(tmp_path / "nowhere")
    with pytest.raises(ShopError, match="no shop.toml"):
        open_shop(tmp_path)
    (tmp_path / "shop.toml").write_bytes(b"name = \xff")
    with pytest.raises(ShopError, match="not valid TOML"):
        open_shop(tmp_path)


def test_where_the_work_lives(folder, tmp_path):
    assert open_shop(folder).work == Path(".querywise/corner-shop")
    shop = open_shop(folder, work=tmp_path / "w")
    assert shop.work == tmp_path / "w"
    assert shop.warehouse == tmp_path / "w" / "warehouse"
    assert shop.labels_file == tmp_path / "w" / "labels" / "labels.jsonl"
    assert not shop.work.exists()


def touch(folder: Path, *names: str) -> Shop:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return open_shop(folder)


def names(shop: Shop, kind: str) -> list[str]:
    return [shop.display(path) for path in shop.files(kind)]


def test_default_names_with_any_ending(folder):
    shop = touch(folder, "taxonomy.parquet", "products.csv.gz", "ubi_queries.ndjson.gz", "gold.jsonl", "events.csv")
    assert names(shop, "taxonomy") == ["taxonomy.parquet"]
    assert names(shop, "products") == ["products.csv.gz"]
    assert names(shop, "queries") == ["ubi_queries.ndjson.gz"]
    assert names(shop, "gold") == ["gold.jsonl"]
    assert names(shop, "events") == []
    with pytest.raises(ShopError, match="no file of events"):
        shop.need("events")


def test_two_default_names_compete(folder):
    with pytest.raises(ShopError, match=r"products.csv and products.jsonl"):
        touch(folder, "products.csv", "products.jsonl").files("products")


def test_globs_are_sorted_and_each_file_comes_once(folder):
    write(folder, '[files]\nevents = ["logs/*.ndjson", "logs/b.ndjson"]')
    shop = touch(folder, "logs/b.ndjson", "logs/a.ndjson", "logs/c.txt")
    assert names(shop, "events") == ["logs/a.ndjson", "logs/b.ndjson"]


def test_a_path_outside_the_folder_keeps_its_name(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "e.csv"
    other.touch()
    shop = open_shop(write(folder, f'[files]\nevents = "{other}"'))
    assert names(shop, "events") == [str(other)]


def test_a_glob_without_a_match_and_an_unknown_ending(folder):
    with pytest.raises(ShopError, match="matches no file"):
        open_shop(write(folder, '[files]\nevents = "logs-*"')).files("events")
    write(folder, '[files]\nevents = "e.xlsx"')
    with pytest.raises(ShopError, match="no known format"):
        touch(folder, "e.xlsx").files("events")
