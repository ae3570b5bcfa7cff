"""An answer held against the shop, drop by drop, and whatever the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.context import DomainContext, FacetEvidence, Reformulation
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.taxonomy import Node, Taxonomy
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import AnnotationType, RewriteType, Specificity
from prompts.answer import Answer, AnswerAnnotation, AnswerCategory, AnswerRewrite
from prompts.bounds import Bounds
from prompts.checks import Checked, check_answer
from prompts.guardrail import Guardrail

TREE = Taxonomy(
    Node(category_id=i, parent_id=p, name=n)
    for i, p, n in [
        ("drinks", None, "Drinks"),
        ("soda", "drinks", "Soda"),
        ("ale", "soda", "Ginger Ale"),
        ("cola", "soda", "Cola"),
        ("home", None, "Home"),
        ("cups", "home", "Cups"),
    ]
)
OFFERED = {"k1": "drinks", "k2": "soda", "k3": "ale", "k4": "cola", "k5": "cups"}
WORDS_OF_SHOP = ("ginger", "ale", "soda", "vernors", "cup", "party", "art", "red", "bottle")
PRODUCTS = (
    ("ale", "Vernors ginger ale soda bottle"),
    ("ale", "Vernors soda art bottle"),
    ("soda", "Red soda"),
    ("cola", "Cola soda"),
    ("cups", "Red party cup"),
    ("cups", "Art cup"),
)
# Off, so that each test looks at one check; those of likeness have their own tests.
NO_GUARDRAIL = Guardrail(similarity=-1.0)
NO_BOUNDS = Bounds(spelling=-1.0, synonym=-1.0, broader=-1.0, substitute=-1.0)
Check = Callable[..., Checked]


@pytest.fixture(scope="module")
def index(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RetrievalIndex:
    folder = tmp_path_factory.mktemp("shelf") / "index"
    products = [
        IndexedProduct(product_id=f"p{i}", title=title, brand=None, category_id=category_id)
        for i, (category_id, title) in enumerate(PRODUCTS)
    ]
    build_index(folder, taxonomy=TREE, products=products, encoder=encoder_folder, locale="en-US")
    return RetrievalIndex(folder, threads=1)


@pytest.fixture(scope="module")
def check(index: RetrievalIndex) -> Check:
    def run(query: str, *, context: DomainContext | None = None, strict: bool = False, **answered: Any) -> Checked:
        usual: dict[str, Any] = {"need": "n", "spelling": None, "specificity": "category"}
        answer = Answer(**(usual | {"categories": (), "annotations": (), "rewrites": ()} | answered))
        loose: dict[str, Any] = {} if strict else {"guardrail": NO_GUARDRAIL, "bounds": NO_BOUNDS}
        return check_answer(answer, query=query, offered=OFFERED, taxonomy=TREE, index=index, context=context, **loose)

    return run


def chosen(*pairs: tuple[str, float]) -> tuple[AnswerCategory, ...]:
    return tuple(AnswerCategory(id=i, confidence=c) for i, c in pairs)


def spans(*triples: tuple[str, AnnotationType, str]) -> tuple[AnswerAnnotation, ...]:
    return tuple(AnswerAnnotation(text=text, type=kind, value=value) for text, kind, value in triples)


def others(*pairs: tuple[str, RewriteType]) -> tuple[AnswerRewrite, ...]:
    return tuple(AnswerRewrite(query=query, type=kind, confidence=0.5) for query, kind in pairs)


def test_what_stands_is_kept_as_it_is(check: Check) -> None:
    checked = check(
        "red vernors cup",
        need=" Wants ale. ",
        categories=chosen(("k3", 0.9), (" k5 ", 0.4)),
        annotations=spans(("cup", "product_type", "cup"), ("vernors", "brand", "Vernors")),
        rewrites=others(("Ginger  ALE", "broader")),
    )
    assert checked.dropped == {}
    assert (checked.need, checked.specificity) == ("Wants ale.", "category")
    assert [(c.id, c.path, c.confidence) for c in checked.categories] == [
        ("ale", ("Drinks", "Soda", "Ginger Ale"), 0.9),
        ("cups", ("Home", "Cups"), 0.4),
    ]
    assert [(a.text, a.start, a.end, a.value) for a in checked.annotations] == [
        ("vernors", 4, 11, "Vernors"),
        ("cup", 12, 15, "cup"),
    ]
    assert [(r.query, r.type, r.confidence) for r in checked.rewrites] == [("ginger ale", "broader", 0.5)]


@pytest.mark.parametrize(
    ("answered", "kept", "dropped"),
    [
        (chosen(("k9", 0.9), ("ale", 0.9), ("K3", 0.9), ("", 0.9)), [], {"category_not_offered": 4}),
        (chosen(("k3", 0.5), ("k3", 0.9), ("k3", 0.1)), ["ale"], {"category_repeated": 2}),
        (chosen(("k2", 0.6), ("k3", 0.9)), ["ale"], {"category_with_its_ancestor": 1}),
        (chosen(("k2", 0.9), ("k3", 0.6)), ["soda"], {"category_with_its_ancestor": 1}),
        (chosen(("k1", 0.9), ("k3", 0.6)), ["drinks"], {"category_with_its_ancestor": 1}),
        (chosen(("k2", 0.7), ("k3", 0.7)), ["soda"], {"category_with_its_ancestor": 1}),
        (chosen(("k4", 0.5), ("k1", 0.6), ("k3", 0.7)), ["ale", "cola"], {"category_with_its_ancestor": 1}),
        (chosen(("k4", 0.5), ("k3", 0.5), ("k5", 0.5)), ["cola", "ale", "cups"], {}),
    ],
)
def test_categories(
    check: Check, answered: tuple[AnswerCategory, ...], kept: list[str], dropped: dict[str, int]
) -> None:
    checked = check("soda", categories=answered)
    assert [c.id for c in checked.categories] == kept
    assert checked.dropped == dropped


@pytest.mark.parametrize(
    ("given_", "kept"),
    [(-0.1, 0.0), (1.7, 1.0), (math.nan, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (95.0, 1.0), (0.123456, 0.1235)],
)
def test_a_confidence_is_held_within_nought_and_one(check: Check, given_: float, kept: float) -> None:
    rewrite = AnswerRewrite(query="ginger ale", type="broader", confidence=given_)
    checked = check("soda", categories=chosen(("k3", given_)), rewrites=(rewrite,))
    assert [c.confidence for c in checked.categories] == [kept]
    assert [r.confidence for r in checked.rewrites] == [kept]


def test_no_number_never_comes_before_a_number(check: Check) -> None:
    checked = check("soda", categories=chosen(("k2", math.nan), ("k3", 0.1)))
    assert [c.id for c in checked.categories] == ["ale"]


@pytest.mark.parametrize(
    ("query", "answered", "kept", "dropped"),
    [
        ("ale", [("beer", "product_type")], [], {"annotation_not_in_query": 1}),
        ("ale", [("", "product_type"), ("!", "product_type")], [], {"annotation_not_in_query": 2}),
        ("party cup", [("art", "product_type")], [], {"annotation_not_in_query": 1}),
        ("smart cup", [("art", "product_type")], [], {"annotation_not_in_query": 1}),
        ("artist cup", [("art", "product_type")], [], {"annotation_not_in_query": 1}),
        ("party art", [("art", "product_type")], [(6, 9)], {}),
        ("ginger ale", [("ale ginger", "product_type")], [], {"annotation_not_in_query": 1}),
        ("ginger ale", [("Ginger  Ale", "product_type")], [(0, 10)], {}),
        ("ginger ale", [("ginger ale", "brand"), ("ale", "brand")], [(0, 10)], {"annotation_overlaps": 1}),
        ("ginger ale", [("ale", "brand"), ("ginger ale", "brand")], [(7, 10)], {"annotation_overlaps": 1}),
        ("cup cup", [("cup", "product_type"), ("cup", "brand")], [(0, 3), (4, 7)], {}),
        (
            "cup cup",
            [("cup", "product_type"), ("cup", "brand"), ("cup", "size")],
            [(0, 3), (4, 7)],
            {"annotation_overlaps": 1},
        ),
        ("cup cup", [("cup cup", "product_type"), ("cup", "brand")], [(0, 7)], {"annotation_overlaps": 1}),
        ('50" tv under $200', [('50"', "size"), ("$200", "price")], [(0, 3), (13, 17)], {}),
        ("c++ art", [("c++", "product_type")], [(0, 3)], {}),
        ("naïve café", [("café", "brand")], [(6, 10)], {}),
    ],
)
def test_annotations(
    check: Check,
    query: str,
    answered: Sequence[tuple[str, AnnotationType]],
    kept: list[tuple[int, int]],
    dropped: dict[str, int],
) -> None:
    assert normalise(query) == query
    checked = check(query, annotations=spans(*((text, kind, "") for text, kind in answered)))
    assert [(a.start, a.end) for a in checked.annotations] == kept
    assert checked.dropped == dropped


def test_an_annotation_without_a_value_takes_its_text(check: Check) -> None:
    [annotation] = check("ginger ale", annotations=spans(("Ale", "product_type", " "))).annotations
    assert annotation.value == "ale"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("Vernors", True),
        ("VERNORS", True),
        ("Vern ors", True),
        ("Werner", False),
        ("Vernos", False),
        ("", False),
    ],
)
def test_a_brand_is_the_brand_of_the_mended_query(check: Check, value: str, kept: bool) -> None:
    checked = check("vernos soda", spelling="vernors soda", annotations=spans(("vernos", "brand", value)))
    assert len(checked.annotations) == kept
    assert checked.dropped == ({} if kept else {"annotation_against_spelling": 1})


def test_only_a_brand_whose_words_were_mended_is_held_against_the_spelling(check: Check) -> None:
    checked = check(
        "vernos sodda art",
        spelling="vernors soda art",
        annotations=spans(("sodda", "product_type", "ginger ale"), ("art", "brand", "Vernors Art")),
    )
    assert [a.value for a in checked.annotations] == ["ginger ale", "Vernors Art"]


def test_a_spelling_that_does_not_stand_refutes_no_brand(check: Check) -> None:
    checked = check("vernos soda", spelling="werner soda", annotations=spans(("vernos", "brand", "Vernors")))
    assert [a.value for a in checked.annotations] == ["Vernors"]
    assert checked.dropped == {"spelling_not_matchable": 1}


@pytest.mark.parametrize(
    ("answered", "kept", "dropped"),
    [
        ([("", "broader"), (" !? ", "broader"), ("\u200b", "broader")], [], {"rewrite_empty": 3}),
        ([("red cup", "synonym"), ("  RED   Cup! ", "synonym")], [], {"rewrite_is_query": 2}),
        ([("red", "broader"), ("RED", "synonym"), ("red!", "spelling")], [("red", "broader")], {"rewrite_repeated": 2}),
        ([("red mug", "synonym")], [], {"rewrite_not_matchable": 1}),
        ([("red cupp", "spelling")], [], {"spelling_not_matchable": 1}),
        ([("cup " * 70, "synonym")], [], {"rewrite_not_matchable": 1}),
    ],
)
def test_rewrites(
    check: Check, answered: Sequence[tuple[str, RewriteType]], kept: list[tuple[str, str]], dropped: dict[str, int]
) -> None:
    checked = check("red cup", rewrites=others(*answered))
    assert [(r.query, r.type) for r in checked.rewrites] == kept
    assert checked.dropped == dropped


def test_a_spelling_without_its_rewrite_becomes_one_and_comes_first(check: Check) -> None:
    checked = check("vernos", spelling="Vernors", rewrites=others(("ginger ale", "broader")))
    assert [(r.query, r.type, r.confidence) for r in checked.rewrites] == [
        ("vernors", "spelling", 1.0),
        ("ginger ale", "broader", 0.5),
    ]


def test_a_spelling_with_its_rewrite_is_not_doubled(check: Check) -> None:
    checked = check("vernos", spelling="vernors", rewrites=others(("vernors", "spelling")))
    assert [(r.query, r.confidence) for r in checked.rewrites] == [("vernors", 0.5)]
    assert checked.dropped == {}


def test_a_spelling_that_mends_nothing_is_dropped(check: Check) -> None:
    checked = check("vernors", spelling="Vernors")
    assert (checked.rewrites, checked.dropped) == ((), {"rewrite_is_query": 1})


def test_what_was_taken_out_is_named_with_its_text_and_reason(check: Check) -> None:
    checked = check(
        "red cup",
        categories=chosen(("k9", 0.9)),
        annotations=spans(("mug", "product_type", "mug")),
        rewrites=others(("Red  Mug", "synonym")),
    )
    assert [(r.part, r.text, r.reason) for r in checked.rejected] == [
        ("category", "k9", "category_not_offered"),
        ("rewrite", "Red  Mug", "rewrite_not_matchable"),
        ("annotation", "mug", "annotation_not_in_query"),
    ]


def test_a_value_that_cannot_be_served_gives_way_to_the_words_of_the_query(check: Check) -> None:
    values = ("<b>soda</b>", "RivalBrand", "Vernors")
    tagged = spans(*zip(("soda", "art", "vernos"), ("product_type", "brand", "brand"), values, strict=True))
    checked = check("vernos art soda", annotations=tagged)
    assert [(a.text, a.value) for a in checked.annotations] == [
        ("vernos", "Vernors"),
        ("art", "art"),
        ("soda", "soda"),
    ]
    assert [(r.part, r.text, r.reason) for r in checked.rejected] == [
        ("annotation", "<b>soda</b>", "annotation_value_unfit"),
        ("annotation", "RivalBrand", "annotation_value_unknown"),
    ]


@pytest.mark.parametrize(
    ("confidences", "kept"),
    [
        # A category that is not the first has 0.35 at least; the first may have any.
        ((0.9, 0.35), ["ale", "cups"]),
        ((0.9, 0.34), ["ale"]),
        ((0.2, 0.1), ["ale"]),
        ((0.1, 0.2), ["cups"]),
        ((0.9, math.nan), ["ale"]),
    ],
)
def test_a_further_category_needs_the_models_own_confidence(
    check: Check, confidences: tuple[float, float], kept: list[str]
) -> None:
    checked = check("red party cup ale", categories=chosen(*zip(("k3", "k5"), confidences, strict=True)), strict=True)
    assert [c.id for c in checked.categories] == kept
    assert checked.dropped == ({"category_unsure": 1} if len(kept) == 1 else {})


def test_the_confidence_of_further_categories_can_be_left_open(check: Check, index: RetrievalIndex) -> None:
    answer = Answer(categories=chosen(("k3", 0.9), ("k5", 0.0)))
    off = Guardrail(similarity=-1.0, confidence=0.0)
    checked = check_answer(
        answer, query="soda", offered=OFFERED, taxonomy=TREE, index=index, context=None, guardrail=off
    )
    assert [c.id for c in checked.categories] == ["ale", "cups"]


def test_a_brand_that_the_shop_has_is_not_mended(check: Check) -> None:
    tagged = spans(("vernors", "brand", "Vernors"), ("sodda", "product_type", "soda"))
    checked = check("vernors sodda", spelling="vernor soda", annotations=tagged)
    assert (checked.rewrites, checked.dropped) == ((), {"spelling_against_brand": 1})
    assert [a.value for a in checked.annotations] == ["Vernors", "soda"]


def test_what_is_navigational_names_no_type_of_product(check: Check) -> None:
    checked = check("vernors soda", specificity="navigational", annotations=spans(("soda", "product_type", "soda")))
    assert (checked.specificity, checked.dropped) == (None, {"specificity_against_annotation": 1})
    bare = check("vernors", specificity="navigational", annotations=spans(("vernors", "brand", "Vernors")))
    assert (bare.specificity, bare.dropped) == ("navigational", {})


def test_what_is_navigational_and_no_brand_is_not_bought(check: Check, make_context: Callable[..., Any]) -> None:
    bought = make_context("party", {"cups": 0.9}, searches=60)
    against = check("party", specificity="navigational", context=bought)
    assert (against.specificity, against.dropped) == (None, {"specificity_against_evidence": 1})
    tagged = spans(("party", "brand", "Party"))
    assert check("party", specificity="navigational", context=bought, annotations=tagged).dropped == {}
    hardly = make_context("party", {"cups": 0.9}, searches=59)
    assert check("party", specificity="navigational", context=hardly).specificity == "navigational"
    # The log knows a brand that the answer did not tag.
    facet = FacetEvidence(name="brand", value="Par-Ty", share=0.9, lift=2.0, events=9)
    named = make_context("party", {"cups": 0.9}, searches=60, annotations=(facet,))
    assert check("party", specificity="navigational", context=named).specificity == "navigational"


def test_a_category_for_which_nothing_speaks_is_dropped(check: Check, make_context: Callable[..., Any]) -> None:
    answered = {"categories": chosen(("k5", 0.9)), "need": "n", "strict": True}
    assert check("zorblax", **answered).dropped == {"category_unlike_and_unseen": 1}
    bought = make_context("zorblax", {"cups": 0.05})
    assert [c.id for c in check("zorblax", context=bought, **answered).categories] == ["cups"]
    hardly = make_context("zorblax", {"cups": 0.04})
    assert check("zorblax", context=hardly, **answered).dropped == {"category_unlike_and_unseen": 1}


def test_the_need_is_a_note_that_explains_a_category(check: Check) -> None:
    noted = check("zorblax", categories=chosen(("k5", 0.9)), need="Red party cups.", strict=True)
    assert [c.id for c in noted.categories] == ["cups"]


def test_no_note_stands_against_a_deep_log(check: Check, make_context: Callable[..., Any]) -> None:
    noted = {"categories": chosen(("k5", 0.9)), "need": "Red party cups.", "strict": True}
    tagged = spans(("zorblax", "brand", "Zorblax"))
    # Half of 60 searches led to something, and that was ale; of 59 it is half a search too few.
    deep, shallow = (make_context("zorblax", {"ale": 0.95, "drinks": 0.95}, searches=n) for n in (60, 59))
    assert check("zorblax", context=deep, **noted).dropped == {"category_against_evidence": 1}
    assert check("zorblax", context=deep, annotations=tagged, **noted).dropped == {"category_against_evidence": 1}
    assert [c.id for c in check("zorblax", context=shallow, **noted).categories] == ["cups"]
    # What shoppers type in place of the query finds cups: then the log does not speak against them.
    retyped = make_context("zorblax", {"ale": 0.95}, searches=60, reformulations=(Reformulation(query="cup", count=2),))
    assert [c.id for c in check("zorblax", context=retyped, **noted).categories] == ["cups"]


def test_a_type_of_product_counts_by_its_words_and_not_by_its_value(check: Check) -> None:
    valued = spans(("zorblax", "product_type", "red party cup"))
    assert check("zorblax", categories=chosen(("k5", 0.9)), annotations=valued, strict=True).categories == ()
    absent = spans(("red party cup", "product_type", "red party cup"))
    assert check("zorblax", categories=chosen(("k5", 0.9)), annotations=absent, strict=True).categories == ()


def test_a_bare_brand_clears_the_categories_that_hold_it(check: Check) -> None:
    def kept(query: str, *short: str) -> list[str]:
        tagged = spans((query, "brand", query))
        answered = chosen(*((i, 0.9) for i in short))
        return [c.id for c in check(query, categories=answered, annotations=tagged, strict=True).categories]

    # "vernors" is not like "Drinks", but all of it is sold there; no cup is of that brand.
    assert check("vernors", categories=chosen(("k1", 0.9)), strict=True).dropped == {"category_unlike_and_unseen": 1}
    assert kept("vernors", "k1", "k5") == ["drinks"]
    # A name that the shop does not have clears nothing.
    assert kept("zorblax", "k5") == []


def test_a_doubted_category_does_not_bar_its_descendants(check: Check) -> None:
    checked = check("vernors ginger ale", categories=chosen(("k5", 0.9), ("k3", 0.4)), need="", strict=True)
    assert [c.id for c in checked.categories] == ["ale"]


def test_an_answer_of_one_part_alone_is_checked(check: Check) -> None:
    checked = check("red cup", need="", specificity=None, rewrites=others(("cup", "broader")))
    assert (checked.specificity, [r.query for r in checked.rewrites]) == (None, ["cup"])


def test_enormous_texts_are_dropped_and_cost_nothing(check: Check) -> None:
    huge = "soda 1.5 " * 20_000
    checked = check(
        "red soda",
        need=huge,
        spelling=huge,
        categories=chosen(("k2", 0.9)),
        annotations=spans((huge, "size", huge), ("red", "size", huge)),
        rewrites=others((huge, "broader")),
    )
    assert [c.id for c in checked.categories] == ["soda"]
    assert checked.dropped["annotation_not_in_query"] == 1
    assert checked.rewrites == ()


# Text near what the checks look for: words of the query, of the shop, of neither, joined in odd ways.
WORDS = st.sampled_from([*WORDS_OF_SHOP, "vernos", "mug", "cupp", "ALE", "ale!", "", "&", "naïve", "1%", "\u200b", "ä"])
TEXTS = st.one_of(st.lists(WORDS, max_size=6).map(" ".join), st.text(max_size=12))
NUMBERS = st.one_of(st.floats(), st.floats(0, 1))
LITERALS: Callable[[Any], st.SearchStrategy[Any]] = lambda kind: st.sampled_from(kind.__args__)  # noqa: E731
ANSWERS = st.builds(
    Answer,
    need=TEXTS,
    spelling=st.none() | TEXTS,
    specificity=LITERALS(Specificity),
    categories=st.lists(
        st.builds(AnswerCategory, id=st.sampled_from([*OFFERED, "k6", "ale", ""]), confidence=NUMBERS), max_size=8
    ).map(tuple),
    annotations=st.lists(
        st.builds(AnswerAnnotation, text=TEXTS, type=LITERALS(AnnotationType), value=TEXTS), max_size=8
    ).map(tuple),
    rewrites=st.lists(
        st.builds(AnswerRewrite, query=TEXTS, type=LITERALS(RewriteType), confidence=NUMBERS), max_size=8
    ).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=ANSWERS, query=TEXTS.map(normalise))
def test_whatever_the_answer_what_is_kept_keeps_the_contract_and_all_is_counted(
    index: RetrievalIndex, answer: Answer, query: str
) -> None:
    checked = check_answer(answer, query=query, offered=OFFERED, taxonomy=TREE, index=index, context=None)
    ids = [c.id for c in checked.categories]
    assert set(ids) <= set(OFFERED.values())
    assert len(set(ids)) == len(ids)
    assert not any(TREE.is_ancestor(a, b) for a in ids for b in ids)
    assert all(c.path == TREE.path(c.id) for c in checked.categories)

    assert all(a.text == query[a.start : a.end] != "" for a in checked.annotations)
    pairs = zip(checked.annotations, checked.annotations[1:], strict=False)
    assert all(first.end <= second.start for first, second in pairs)
    assert all(0 < len(a.value) <= max(60, len(a.text)) and a.value.isprintable() for a in checked.annotations)

    texts = [r.query for r in checked.rewrites]
    assert len(set(texts)) == len(texts)
    assert all(t == normalise(t) != query and index.finds(t, TREE) and len(t) <= MAX_QUERY_LENGTH for t in texts)

    confidences = [c.confidence for c in checked.categories] + [r.confidence for r in checked.rewrites]
    assert all(c is not None and 0 <= c <= 1 for c in confidences)

    def dropped(*starts: str) -> int:
        return sum(count for reason, count in checked.dropped.items() if reason.startswith(starts))

    added = bool(answer.spelling) and all(r.type != "spelling" for r in answer.rewrites)
    assert len(ids) + dropped("category_") == len(answer.categories)
    values = dropped("annotation_value_")
    assert len(checked.annotations) + dropped("annotation_") - values == len(answer.annotations)
    assert values <= len(checked.annotations)
    assert len(texts) + dropped("rewrite_", "spelling_") == len(answer.rewrites) + added
