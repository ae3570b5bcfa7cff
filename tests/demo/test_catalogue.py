import csv
import json
from collections import Counter

from demo import SHOP
from demo.catalogue import write_catalogue
from demo.products import words_of

with (SHOP / "taxonomy.csv").open(encoding="utf-8", newline="") as _lines:
    CATEGORIES = list(csv.DictReader(_lines))
with (SHOP / "products.jsonl").open(encoding="utf-8") as _lines:
    PRODUCTS = [json.loads(line) for line in _lines]
PARENTS = {row["category_id"]: row["parent_id"] for row in CATEGORIES}
LEAVES = set(PARENTS) - set(PARENTS.values())


def depth(category: str) -> int:
    return 1 if not PARENTS[category] else 1 + depth(PARENTS[category])


def test_the_tree_has_three_hundred_leaves_three_to_four_levels_deep() -> None:
    assert len(PARENTS) == len(CATEGORIES)
    assert len(LEAVES) >= 300
    assert {depth(leaf) for leaf in LEAVES} == {3, 4} or {depth(leaf) for leaf in LEAVES} == {3}
    names = [row["name"] for row in CATEGORIES if row["category_id"] in LEAVES]
    assert len(set(names)) == len(names)


def test_every_product_lies_in_a_leaf_and_is_there_once() -> None:
    assert 2_400 <= len(PRODUCTS) <= 2_700
    assert len({row["product_id"] for row in PRODUCTS}) == len(PRODUCTS)
    assert len({row["title"] for row in PRODUCTS}) == len(PRODUCTS)
    assert {row["category_id"] for row in PRODUCTS} <= LEAVES
    assert len({row["brand"] for row in PRODUCTS}) >= 120


def test_all_but_a_few_leaves_are_stocked() -> None:
    stock = Counter(row["category_id"] for row in PRODUCTS)
    assert len(LEAVES - set(stock)) == 6
    assert min(stock.values()) >= 2


def test_values_lie_in_their_ranges() -> None:
    for row in PRODUCTS:
        assert 0.2 <= row["price"] <= 70
        assert 0 <= row["popularity"] <= 1
        assert 0 <= row["quality"] <= 1
        assert row["description"].endswith(".")


def test_no_household_product_claims_a_diet() -> None:
    root = {row["category_id"]: row["name"] for row in CATEGORIES}

    def department(category: str) -> str:
        return root[category] if not PARENTS[category] else department(PARENTS[category])

    for row in PRODUCTS:
        if department(row["category_id"]) in ("Household", "Pet"):
            assert not {"organic", "gluten_free", "vegan", "kosher"} & set(row["attributes"]), row["title"]


def test_the_sheets_give_the_committed_files(tmp_path) -> None:
    write_catalogue(tmp_path)
    for name in ("taxonomy.csv", "products.jsonl"):
        assert (tmp_path / name).read_bytes() == (SHOP / name).read_bytes()


def test_words_are_stemmed_lightly() -> None:
    assert words_of("Organic Blueberries & Tomatoes, 1 Gallon") == ["organic", "blueberry", "tomato", "1", "gal"]
    assert words_of("hummus asparagus glass") == ["hummus", "asparagus", "glass"]
