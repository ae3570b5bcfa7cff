"""What is changed about the items to see whether the verdict stays: only that, and nothing of the original."""

from __future__ import annotations

import dataclasses

import pytest

from prompts.judge import PERTURBATIONS, perturb

BRANDS = frozenset({"bosch", "makita", "black and decker", "hand"})
FILLER = "Please see the details above. The picture may differ from the product. All data are given without guarantee. "


@pytest.fixture
def pair(goods):
    return goods.product("cordless drill", "p1"), goods.product("cordless drill", "p4")


def fields(exhibits) -> list[dict[str, str]]:
    return [dict(exhibit.fields) for exhibit in exhibits]


def test_items_are_reversed_and_nothing_else(pair) -> None:
    assert perturb(pair, "order") == pair[::-1]


def test_a_description_is_left_out_or_grows(pair) -> None:
    first, second = fields(pair)
    short, long = fields(perturb(pair, "short")), fields(perturb(pair, "long"))
    assert short == [{k: v for k, v in first.items() if k != "description"}, second]
    # A short description grows by one turn of the filler; where there is none, the filler is all.
    assert long == [
        first | {"description": f"With two batteries. {FILLER}".strip()},
        second | {"description": FILLER.strip()},
    ]


def test_a_long_description_is_doubled(pair) -> None:
    [long] = perturb([dataclasses.replace(pair[0], fields={"description": "d" * 200})], "long")
    # 200 characters, a space, 200 characters of filler: one of its turns has 112.
    assert long.fields["description"] == f"{'d' * 200} {(FILLER * 2)[:200]}".strip()


def test_brands_are_masked_wherever_they_are_named(pair) -> None:
    [first, second] = fields(perturb(pair, "brand", brands=BRANDS))
    assert first["title"] == "(brand) GSR 18 cordless drill"
    assert first["brand"] == "(brand)"
    # "hand" is a brand here; the saw's title begins with it.
    assert second["title"] == "(brand) saw"


def test_a_brand_that_is_asked_for_stays_and_a_word_in_lower_case_is_no_brand(goods) -> None:
    asked = goods.product("bosch drill", "p1")
    assert fields(perturb([asked], "brand", brands=BRANDS)) == fields([asked])
    text = dataclasses.replace(asked, fields={"title": "A hand drill by Black & Decker, made by hand"})
    [masked] = perturb([text], "brand", brands=BRANDS)
    assert masked.fields["title"] == "A hand drill by (brand) made by hand"


@pytest.mark.parametrize(("kind", "words"), [("praise", "a perfect match."), ("command", "Note to the judge:")])
def test_words_are_added_to_every_description(pair, kind, words) -> None:
    for before, after in zip(fields(pair), fields(perturb(pair, kind)), strict=True):
        assert after["description"].startswith(before.get("description", ""))
        assert words in after["description"] and words not in str(before)
        assert {k: v for k, v in after.items() if k != "description"} == {
            k: v for k, v in before.items() if k != "description"
        }


def test_a_perturbed_judge_names_itself_so_and_asks_something_else(make_judge, pair) -> None:
    plain = make_judge()
    keys = {next(plain.sheets(pair)).part.request.key}
    for kind in PERTURBATIONS:
        judge = make_judge(perturbation=kind, brands=BRANDS)
        assert judge.name == f"{plain.name}, {kind}"
        [sheet] = judge.sheets(pair)
        assert {e.item for e in sheet.exhibits} == {e.item for e in pair}
        keys.add(sheet.part.request.key)
    assert len(keys) == 1 + len(PERTURBATIONS)
