"""What is borrowed is what a shopper of the tail query would be glad of, as far as words can tell."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from domain.errors import ReleaseError
from domain.text import normalise
from domain.understanding import AnnotationType, Rewrite, RewriteType
from release.borrow import LEAST_CONFIDENCE, LEAST_COSINE, LEAST_COSINE_OWN, Borrowed, borrow
from release.lenders import SURE, Lender


class Said(NamedTuple):
    text: str
    type: AnnotationType
    value: str = ""


def rewrites(*given: tuple[str, RewriteType]) -> list[Rewrite]:
    return [Rewrite(query=query, type=kind, confidence=0.8) for query, kind in given]


def ask(
    query: str,
    lender: str,
    given: list[Rewrite],
    *,
    tags: tuple[Said, ...] = (),
    cosine: float = 0.9,
    cosines: float = 0.95,
    finds: bool = False,
) -> Borrowed | None:
    assert normalise(query) == query
    aliases = tuple(one.query for one in given if one.type == "synonym" and one.confidence >= SURE)
    near = Lender(query=lender, cosine=cosine, finds=finds, aliases=aliases)
    return borrow(query, tags, near, given, (cosines,) * len(given))


def lent(
    query: str, lender: str, *given: tuple[str, RewriteType], tags: tuple[Said, ...] = (), finds: bool = False
) -> list[tuple[str, RewriteType]]:
    borrowed = ask(query, lender, rewrites(*given), tags=tags, finds=finds)
    if borrowed is None:
        return []
    assert borrowed.query == lender
    assert borrowed.rewrites
    return [(rewrite.query, rewrite.type) for rewrite in borrowed.rewrites]


def test_what_serves_a_lender_that_says_the_same_serves_the_query() -> None:
    given = rewrites(("poultry", "broader"), ("chicken fillets", "synonym"))
    borrowed = ask("chiken breast", "chicken breast", given)
    assert borrowed is not None
    assert borrowed.relation == "same"
    assert {(r.query, r.type) for r in borrowed.rewrites} == {(r.query, r.type) for r in given}
    # 0.8 of the lender's, times a cosine of 0.9
    assert {r.confidence for r in borrowed.rewrites} == {0.72}


def test_the_surest_comes_first_and_no_confidence_grows() -> None:
    given = [
        Rewrite(query="squash", type="broader", confidence=0.5),
        Rewrite(query="courgette", type="synonym", confidence=1.0),
    ]
    # int8 can make a cosine of equals a little more than 1.
    borrowed = ask("zuchini", "zucchini", given, cosine=1.004)
    assert borrowed is not None
    assert [(r.query, r.confidence) for r in borrowed.rewrites] == [("courgette", 1.0), ("squash", 0.5)]


def test_the_lender_is_the_right_spelling_of_a_slip_if_it_finds_products() -> None:
    given: tuple[str, RewriteType] = ("chicken", "broader")
    assert ("chicken breast", "spelling") in lent("chiken breast", "chicken breast", given, finds=True)
    assert lent("icecream", "ice cream", finds=True) == [("ice cream", "spelling")]
    assert lent("chiken breast", "chicken breast", given, finds=False) == [given]
    # Another number or order is no slip, and a lender that is misspelt itself is no right spelling.
    assert lent("breasts chicken", "chicken breast", given, finds=True) == [given]
    assert lent("chiken breast", "chicken brest", given, ("chicken breast", "spelling"), finds=True) == [given]


def test_substitutes_are_never_lent() -> None:
    assert lent("icecream", "ice cream", ("gelato", "substitute"), finds=True) == [("ice cream", "spelling")]
    assert lent("chicken thigh", "chicken thighs", ("drumsticks", "substitute"), finds=True) == []


def test_spellings_of_the_lender_are_never_lent_nor_the_query_itself() -> None:
    assert lent("icecream", "ice cream", ("ice-cream", "spelling"), ("icecream", "synonym"), finds=True) == []
    assert lent("breaded fish", "fish sticks", ("breaded fish", "broader"), ("fish breaded", "broader")) == []


def test_what_is_narrower_is_taken_only_as_a_synonym_of_the_same() -> None:
    given: list[tuple[str, RewriteType]] = [("greek yogurt", "broader"), ("plain yogart", "broader")]
    assert lent("yogart", "yogurt", *given) == []
    assert lent("parmesean", "parmesan", ("parmesan cheese", "synonym")) == [("parmesan cheese", "synonym")]
    assert lent("oak milk", "milk", ("whole milk", "synonym"), ("whole milk", "broader")) == []


def test_a_lender_is_wider_than_a_query_that_says_more_and_lends_itself_alone() -> None:
    given = [
        Rewrite(query="seltzer", type="synonym", confidence=0.95),
        Rewrite(query="soft drinks", type="broader", confidence=0.9),
        Rewrite(query="club soda", type="substitute", confidence=0.9),
    ]
    borrowed = ask("lime sparkling water", "sparkling water", given, finds=True)
    assert borrowed is not None
    assert borrowed.relation == "detail"
    # 0.75 x 0.9
    assert borrowed.rewrites == (Rewrite(query="sparkling water", type="broader", confidence=0.675),)


def test_a_lender_of_one_word_is_too_wide_to_lend_itself() -> None:
    for query, lender in (("distilled water", "water"), ("oat the milk", "the milk"), ("size 5 diapers", "diapers")):
        assert lent(query, lender, ("drinks", "broader"), finds=True) == []


def test_a_lender_offers_itself_only_where_it_is_known_to_find_products() -> None:
    assert lent("lime sparkling water", "sparkling water", ("spring water", "spelling"), finds=False) == []


def test_a_part_of_a_compound_is_another_thing() -> None:
    assert lent("green grape leaves", "green grapes", ("fruit", "broader"), finds=True) == []
    assert lent("peanut butter crackers", "peanut butter", ("nut spreads", "broader"), finds=True) == []
    assert lent("iced coffee maker", "iced coffee", ("cold drinks", "broader"), finds=True) == []


def test_details_may_stand_behind_the_thing() -> None:
    assert lent("whole milk gallon", "whole milk", finds=True) == [("whole milk", "broader")]
    assert lent("hand soap lavender", "hand soap", finds=True) == []
    lavender = (Said("lavender", "attribute"),)
    assert lent("hand soap lavender", "hand soap", tags=lavender, finds=True) == [("hand soap", "broader")]
    cloves = (Said("garlic cloves", "product_type"),)
    assert lent("fresh garlic cloves", "fresh garlic", tags=cloves, finds=True) == []


def test_another_thing_nearby_lends_nothing() -> None:
    given: list[tuple[str, RewriteType]] = [("pie", "broader"), ("apple", "broader"), ("pumpkin tart", "synonym")]
    assert lent("apple pie", "pumpkin pie", *given, finds=True) == []
    assert lent("pie", "pumpkin pie", *given, finds=True) == []


def test_the_query_may_be_a_sure_synonym_of_the_lender() -> None:
    given = [
        Rewrite(query="ricotta", type="synonym", confidence=0.95),
        Rewrite(query="fresh cheese", type="broader", confidence=0.5),
    ]
    borrowed = ask("ricotta", "ricotta cheese", given, finds=True)
    assert borrowed is not None
    assert borrowed.relation == "synonym"
    # 0.95 x 0.9, 0.5 x 0.9
    assert [(r.query, r.type, r.confidence) for r in borrowed.rewrites] == [
        ("ricotta cheese", "synonym", 0.855),
        ("fresh cheese", "broader", 0.45),
    ]
    narrower = [
        Rewrite(query="chickpeas", type="synonym", confidence=0.95),
        Rewrite(query="canned chickpeas", type="broader", confidence=0.9),
        Rewrite(query="dried garbanzo beans", type="broader", confidence=0.9),
        Rewrite(query="legumes", type="broader", confidence=0.9),
    ]
    borrowed = ask("chickpeas", "garbanzo beans", narrower)
    assert borrowed is not None
    assert [r.query for r in borrowed.rewrites] == ["legumes"]
    unsure = [Rewrite(query="salmon", type="synonym", confidence=0.85)]
    assert ask("salmon", "fish", unsure, finds=True) is None


def test_a_synonym_has_to_be_sure_enough() -> None:
    given = rewrites(("courgette", "synonym"), ("squash", "broader"))
    borrowed = ask("zuchini", "zucchini", given, cosine=LEAST_CONFIDENCE / 0.8)
    assert borrowed is not None
    assert [(r.query, r.confidence) for r in borrowed.rewrites] == [("courgette", 0.65), ("squash", 0.65)]
    # 0.8 x 0.81 = 0.648
    borrowed = ask("zuchini", "zucchini", given, cosine=0.81)
    assert borrowed is not None
    assert [(r.query, r.confidence) for r in borrowed.rewrites] == [("squash", 0.648)]
    # 0.9 x 0.72 = 0.648
    alias = [Rewrite(query="ricotta", type="synonym", confidence=0.9)]
    assert ask("ricotta", "ricotta cheese", alias, cosine=0.72, finds=True) is None


@pytest.mark.parametrize(
    ("query", "lender", "rewrite"),
    [
        ("gluten free rye bread", "rye bread", "bakery goods"),
        ("rye bread gluten free", "rye bread", "bakery goods"),
        ("vegan breakfast sausage", "breakfast sausage", "bbq meat"),
        ("organic baby bananas", "baby bananas", "fruit"),
        ("iphone 7 phone case", "phone case", "case"),
        ("tn-2110 toner cartridge", "toner cartridge", "printer supplies"),
        ("nut free fruit snacks", "fruit snacks", "treats"),
        ("bread gluten free", "gluten free bread", "bakery goods"),
        ("iphone 7 cases", "iphone 7 case", "accessories"),
        ("tn-2110 toners", "tn-2110 toner", "printer supplies"),
    ],
)
def test_nothing_is_widened_to_what_the_shopper_cannot_use(query: str, lender: str, rewrite: str) -> None:
    assert lent(query, lender, (rewrite, "broader"), (rewrite, "synonym"), finds=True) == []


def test_a_size_is_given_up_only_for_something_wider() -> None:
    assert lent("quart freezer bags", "freezer bags", finds=True) == [("freezer bags", "broader")]
    assert lent("freezer bag quart", "quart freezer bags", ("storage bags", "broader")) == [("storage bags", "broader")]
    given: list[tuple[str, RewriteType]] = [("storage sacks", "synonym"), ("quart storage sacks", "synonym")]
    assert lent("freezer bag quart", "quart freezer bags", *given) == [("quart storage sacks", "synonym")]


def test_nothing_is_taken_that_asks_for_what_the_query_does_not() -> None:
    given: list[tuple[str, RewriteType]] = [
        ("lactose free drinks", "synonym"),
        ("2 l milk jug", "synonym"),
        ("moo juice", "synonym"),
    ]
    assert lent("milks", "milk", *given) == [("moo juice", "synonym")]


def test_annotated_words_bind_as_they_do_offline() -> None:
    zero = (Said("zero", "dietary", "zero sugar"),)
    given: list[tuple[str, RewriteType]] = [("cola", "broader"), ("zero sugar cola", "broader")]
    assert lent("zero coke", "coke zero", *given) == [("cola", "broader")]
    assert lent("zero coke", "coke zero", *given, tags=zero) == [("zero sugar cola", "broader")]
    assert lent("cherry coke zero", "cherry coke", finds=True) == []  # the last word may be the thing itself
    assert lent("cherry coke zero", "cherry coke", tags=zero, finds=True) == []


@pytest.mark.parametrize("kind", ["synonym", "broader"])
def test_what_is_unlike_the_query_is_left(kind: RewriteType) -> None:
    given = rewrites(("xyz", kind))
    least = LEAST_COSINE[kind]
    assert ask("zuchini", "zucchini", given, cosines=least) is not None
    assert ask("zuchini", "zucchini", given, cosines=least - 0.01) is None


def test_a_lender_that_is_unlike_the_query_does_not_offer_itself() -> None:
    for query, lender in (("lime sparkling water", "sparkling water"), ("icecream", "ice cream")):
        assert ask(query, lender, [], cosine=LEAST_COSINE_OWN, finds=True) is not None
        assert ask(query, lender, [], cosine=LEAST_COSINE_OWN - 0.01, finds=True) is None


@pytest.mark.parametrize("query", ["", "🍋", "of the", "1", " ".join(["ab"] * 85), "é" * 256])
def test_any_query_is_borne(query: str) -> None:
    assert lent(query, "milk", ("moo juice", "synonym"), ("drinks", "broader"), finds=True) == []


def test_an_answer_that_is_not_the_lenders_is_refused() -> None:
    near = Lender(query="milk", cosine=0.9, finds=False)
    with pytest.raises(ReleaseError, match="'milk' is not its lender's") as caught:
        borrow("milks", (), near, rewrites(("a", "synonym"), ("b", "broader")), (0.9,))
    assert caught.value.hint
