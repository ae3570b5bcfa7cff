"""An answer held against the shop, drop by drop, and whatever the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.taxonomy import Node, Taxonomy
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import AnnotationType, RewriteType, Specificity
from prompts.answer import Answer, AnswerAnnotation, AnswerCategory, AnswerRewrite
from prompts.checks import Checked, check_answer

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
KNOWN = {"ginger", "ale", "soda", "vernors", "cup", "party", "art", "red", "bottle"}


def knows(text: str) -> bool:
    return bool(text) and all(word in KNOWN for word in text.split())


def check(query: str, **answered: Any) -> Checked:
    usual: dict[str, Any] = {"need": "n", "spelling": None, "specificity": "category"}
    answer = Answer(**(usual | {"categories": (), "annotations": (), "rewrites": ()} | answered))
    return check_answer(answer, query=query, offered=OFFERED, taxonomy=TREE, matches=knows)


def chosen(*pairs: tuple[str, float]) -> tuple[AnswerCategory, ...]:
    return tuple(AnswerCategory(id=i, confidence=c) for i, c in pairs)


def spans(*triples: tuple[str, AnnotationType, str]) -> tuple[AnswerAnnotation, ...]:
    return tuple(AnswerAnnotation(text=text, type=kind, value=value) for text, kind, value in triples)


def others(*pairs: tuple[str, RewriteType]) -> tuple[AnswerRewrite, ...]:
    return tuple(AnswerRewrite(query=query, type=kind, confidence=0.5) for query, kind in pairs)


def test_what_stands_is_kept_as_it_is() -> None:
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
def test_categories(answered: tuple[AnswerCategory, ...], kept: list[str], dropped: dict[str, int]) -> None:
    checked = check("soda", categories=answered)
    assert [c.id for c in checked.categories] == kept
    assert checked.dropped == dropped


@pytest.mark.parametrize(
    ("given_", "kept"),
    [(-0.1, 0.0), (1.7, 1.0), (math.nan, 0.0), (math.inf, 1.0), (-math.inf, 0.0), (95.0, 1.0), (0.123456, 0.1235)],
)
def test_a_confidence_is_held_within_nought_and_one(given_: float, kept: float) -> None:
    rewrite = AnswerRewrite(query="ginger ale", type="broader", confidence=given_)
    checked = check("soda", categories=chosen(("k3", given_)), rewrites=(rewrite,))
    assert [c.confidence for c in checked.categories] == [kept]
    assert [r.confidence for r in checked.rewrites] == [kept]


def test_no_number_never_comes_before_a_number() -> None:
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
    query: str, answered: Sequence[tuple[str, AnnotationType]], kept: list[tuple[int, int]], dropped: dict[str, int]
) -> None:
    assert normalise(query) == query
    checked = check(query, annotations=spans(*((text, kind, "v") for text, kind in answered)))
    assert [(a.start, a.end) for a in checked.annotations] == kept
    assert checked.dropped == dropped


def test_an_annotation_without_a_value_takes_its_text() -> None:
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
def test_a_brand_is_the_brand_of_the_mended_query(value: str, kept: bool) -> None:
    checked = check("vernos soda", spelling="vernors soda", annotations=spans(("vernos", "brand", value)))
    assert len(checked.annotations) == kept
    assert checked.dropped == ({} if kept else {"annotation_against_spelling": 1})


def test_only_a_brand_whose_words_were_mended_is_held_against_the_spelling() -> None:
    checked = check(
        "vernos sodda art",
        spelling="vernors soda art",
        annotations=spans(("sodda", "product_type", "fizzy drink"), ("art", "brand", "Artists Ltd")),
    )
    assert [a.value for a in checked.annotations] == ["fizzy drink", "Artists Ltd"]


def test_a_spelling_that_does_not_stand_refutes_no_brand() -> None:
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
    answered: Sequence[tuple[str, RewriteType]], kept: list[tuple[str, str]], dropped: dict[str, int]
) -> None:
    checked = check("red cup", rewrites=others(*answered))
    assert [(r.query, r.type) for r in checked.rewrites] == kept
    assert checked.dropped == dropped


def test_a_spelling_without_its_rewrite_becomes_one_and_comes_first() -> None:
    checked = check("vernos", spelling="Vernors", rewrites=others(("ginger ale", "broader")))
    assert [(r.query, r.type, r.confidence) for r in checked.rewrites] == [
        ("vernors", "spelling", 1.0),
        ("ginger ale", "broader", 0.5),
    ]


def test_a_spelling_with_its_rewrite_is_not_doubled() -> None:
    checked = check("vernos", spelling="vernors", rewrites=others(("vernors", "spelling")))
    assert [(r.query, r.confidence) for r in checked.rewrites] == [("vernors", 0.5)]
    assert checked.dropped == {}


def test_a_spelling_that_mends_nothing_is_dropped() -> None:
    checked = check("vernors", spelling="Vernors")
    assert (checked.rewrites, checked.dropped) == ((), {"rewrite_is_query": 1})


# Text near what the checks look for: words of the query, of the shop, of neither, joined in odd ways.
WORDS = st.sampled_from([*sorted(KNOWN), "vernos", "mug", "cupp", "ALE", "ale!", "", "&", "naïve", "1%", "\u200b", "ä"])
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


@settings(max_examples=400, deadline=None)
@given(answer=ANSWERS, query=TEXTS.map(normalise))
def test_whatever_the_answer_what_is_kept_keeps_the_contract_and_all_is_counted(answer: Answer, query: str) -> None:
    checked = check_answer(answer, query=query, offered=OFFERED, taxonomy=TREE, matches=knows)
    ids = [c.id for c in checked.categories]
    assert set(ids) <= set(OFFERED.values())
    assert len(set(ids)) == len(ids)
    assert not any(TREE.is_ancestor(a, b) for a in ids for b in ids)
    assert all(c.path == TREE.path(c.id) for c in checked.categories)

    assert all(a.text == query[a.start : a.end] != "" for a in checked.annotations)
    pairs = zip(checked.annotations, checked.annotations[1:], strict=False)
    assert all(first.end <= second.start for first, second in pairs)
    assert all(a.value for a in checked.annotations)

    texts = [r.query for r in checked.rewrites]
    assert len(set(texts)) == len(texts)
    assert all(t == normalise(t) != query and knows(t) and len(t) <= MAX_QUERY_LENGTH for t in texts)

    confidences = [c.confidence for c in checked.categories] + [r.confidence for r in checked.rewrites]
    assert all(c is not None and 0 <= c <= 1 for c in confidences)

    def dropped(*starts: str) -> int:
        return sum(count for reason, count in checked.dropped.items() if reason.startswith(starts))

    added = bool(answer.spelling) and all(r.type != "spelling" for r in answer.rewrites)
    assert len(ids) + dropped("category_") == len(answer.categories)
    assert len(checked.annotations) + dropped("annotation_") == len(answer.annotations)
    assert len(texts) + dropped("rewrite_", "spelling_") == len(answer.rewrites) + added
