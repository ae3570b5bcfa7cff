"""What goes beside a page: nothing that it shows, nothing that it is full of, and the list that the page calls for."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.discovery import Content, Suggestion, SuggestionKind
from domain.label import Label
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Discovery
from release import CatalogueProduct, Release, build_release, open_release
from release.borrow_content import LEAST_COSINE
from release.discover import Kept, discovered, suggested

TREE = {
    "drinks": None, "soft": "drinks", "cola": "soft", "diet": "cola", "ginger": "soft", "tea": "drinks",
    "food": None, "fish": "food", "rice": "food", "vinegar": "food", "sushi": "fish", "salmon": "fish", "trout": "fish",
    "pets": None,
}  # fmt: skip
EACH = 6


def product(category: str, number: int) -> str:
    return f"{category} {number}"


def products(category: str, *numbers: int) -> tuple[str, ...]:
    return tuple(product(category, number) for number in numbers)


def idea(category: str, *numbers: int) -> Discovery:
    return Discovery(
        label=category.title(), query=category, category_id=category, product_ids=products(category, *numbers)
    )


def suggestions(**kinds: SuggestionKind) -> tuple[Suggestion, ...]:
    return tuple(Suggestion(query=query, kind=kind) for query, kind in kinds.items())


SUSHI = Content(
    query="sushi",
    substitutes=(idea("salmon", 0, 1, 2, 3, 4, 5), idea("trout", 0)),
    complements=(idea("rice", 0, 1), idea("vinegar", 0), idea("tea", 0, 1, 2)),
    suggestions=suggestions(nori="next", wasabi="next", picnic="exploratory"),
)
SWORDFISH = Content(query="swordfish", scarce=True, substitutes=(idea("salmon", 0, 1), idea("fish", 0)))
TALK = Content(query="talk", suggestions=suggestions(nori="next"))


@pytest.fixture(scope="module")
def taxonomy() -> Taxonomy:
    return Taxonomy(Node(category_id=i, parent_id=above, name=i.title()) for i, above in TREE.items())


def random_contents() -> Iterator[Content]:
    """Yield contents whose ideas have any products, of their category and of others."""
    dice = random.Random(5)
    every = [product(category, i) for category in TREE for i in range(EACH)]
    for number in range(12):
        drawn = [
            replace(idea(dice.choice(list(TREE))), product_ids=tuple(dice.sample(every, dice.randint(1, 12))))
            for _ in range(dice.randint(0, 16))
        ]
        half = len(drawn) // 2
        yield Content(query=f"any {number}", substitutes=tuple(drawn[:half]), complements=tuple(drawn[half:]))


CONTENTS = {content.query: content for content in (SUSHI, SWORDFISH, TALK, *random_contents())}


@pytest.fixture(scope="module")
def make_release(taxonomy: Taxonomy, grocery: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Release]:
    answer = replace(grocery.labels[0].understanding, annotations=(), rewrites=(), substitutes=(), complements=())

    def label(query: str, category: str) -> Label:
        categories = (Category(id=category, path=taxonomy.path(category), confidence=0.9),)
        understanding = replace(answer, normalized=query, categories=categories, next_queries=())
        return replace(grocery.labels[0], query=query, understanding=understanding)

    def make(contents: Sequence[Content] = tuple(CONTENTS.values()), category: str = "fish", **more: Any) -> Release:
        labels = [label(content.query, "drinks" if content.query == "lost" else category) for content in contents]
        folder = build_release(
            shop="sushi",
            taxonomy=taxonomy,
            products=[
                CatalogueProduct(product_id=product(at, i), category_id=at, title="")
                for at in TREE
                for i in range(EACH)
            ],
            labels=[*labels, label("no content", category)],
            contents=contents,
            fingerprints={},
            index=None,
            releases=tmp_path_factory.mktemp("releases"),
            created=datetime(2026, 11, 21, tzinfo=UTC),
            **more,
        )
        return open_release(folder)

    return make


@pytest.fixture(scope="module")
def release(make_release: Callable[..., Release]) -> Iterator[Release]:
    with make_release() as opened:
        yield opened


def said(ideas: Sequence[Discovery]) -> list[str]:
    return [idea.category_id for idea in ideas]


def test_an_empty_page_gets_the_first_of_everything(release: Release) -> None:
    found = release.discover("sushi")
    assert said(found.substitutes) == ["salmon", "trout"] and said(found.complements) == ["rice", "vinegar", "tea"]
    assert found.substitutes[0].product_ids == products("salmon", 0, 1, 2, 3)  # four at most
    assert (found.reason, found.empty, found.borrowed_from) == ("precomputed", {}, None)
    assert (found.query, found.release) == ("sushi", release.id)
    assert said(release.discover("sushi", limit=1).complements) == ["rice"]


def test_what_is_shown_goes_and_the_next_product_takes_its_place(release: Release) -> None:
    found = release.discover("sushi", products("salmon", 0, 2) + products("trout", 0))
    assert said(found.substitutes) == ["salmon"]
    assert found.substitutes[0].product_ids == products("salmon", 1, 3, 4, 5)


def test_a_page_of_one_category_gets_others(release: Release) -> None:
    full = products("salmon", 0, 1, 2)
    # Three of salmon and one of trout: salmon has three of four; both lie below fish, which is not the lowest.
    found = release.discover("sushi", (*full, product("trout", 1)))
    assert said(found.substitutes) == ["trout"] and said(found.complements) == ["rice", "vinegar", "tea"]
    # Half of the page is not more than half of it, and what half of the catalogue is not known says nothing.
    assert said(release.discover("sushi", (*full[:2], *products("trout", 1, 2))).substitutes) == []  # all of it is fish
    assert said(release.discover("sushi", (*full[:2], *products("pets", 1, 2))).substitutes) == ["salmon", "trout"]
    assert said(release.discover("sushi", (*full, "unknown")).substitutes) == ["salmon", "trout"]


def test_what_lies_above_or_below_what_fills_the_page_goes_too(release: Release) -> None:
    # Trout fills the page: the wider idea of fish is no news; salmon beside it is.
    found = release.discover("swordfish", products("trout", 0, 1, 2, 3))
    assert said(found.substitutes) == ["salmon"]
    # Salmon and trout in equal parts, and sushi: fish fills the page, so salmon goes too.
    page = products("trout", 0, 1) + products("salmon", 2, 3) + products("sushi", 0)
    assert said(release.discover("swordfish", page).substitutes) == []


def test_a_page_that_has_only_its_root_in_common_is_full_of_nothing(release: Release) -> None:
    page = products("rice", 2, 3) + products("vinegar", 2, 3) + products("salmon", 5)
    assert said(release.discover("sushi", page).complements) == ["rice", "vinegar", "tea"]
    # But a root without anything below it is a category like any other, and the root itself is shown.
    kept = Kept(content=Content(query="x", substitutes=(idea("pets", 0), idea("food", 0), idea("tea", 0))))
    assert release.contents is not None
    for page, expected in ((products("pets", 1, 2, 3, 4), ["food", "tea"]), (products("rice", 1, 2), None)):
        fill = release.contents.fill(frozenset(page))
        if expected is None:
            assert fill is None
            continue
        found = discovered(
            "x", kept, shown=page, shows=lambda i, fill=fill: release.contents.covers(fill, i),  # type: ignore[misc]
            result_count=None, limit=9, few_results=8, release="r",
        )  # fmt: skip
        assert said(found.substitutes) == expected


@pytest.mark.parametrize(
    ("query", "count", "lead", "why"),
    [
        ("sushi", 0, "substitutes", "few_results"),
        ("sushi", 8, "substitutes", "few_results"),
        ("sushi", 9, "complements", "many_results"),
        ("swordfish", 9, "complements", "many_results"),
        ("swordfish", None, "substitutes", "scarce"),
        ("sushi", None, "complements", "stocked"),
        ("nobody knows", None, "complements", "stocked"),
        ("nobody knows", 0, "substitutes", "few_results"),
        ("", 10**9, "complements", "many_results"),
    ],
)
def test_the_page_decides_which_list_leads(release: Release, query: str, count: int, lead: str, why: str) -> None:
    found = release.discover(query, result_count=count)
    assert (found.lead, found.lead_reason) == (lead, why)


def test_what_counts_as_few_is_a_setting(release: Release) -> None:
    assert release.discover("sushi", result_count=3, few_results=2).lead == "complements"
    assert release.discover("sushi", result_count=0, few_results=0).lead == "substitutes"


def test_an_empty_list_says_why(release: Release) -> None:
    none = release.discover("swordfish")
    assert (none.reason, none.empty) == ("precomputed", {"complements": "none_known"})
    shown = products("salmon", 0, 1) + products("fish", 0)
    gone = release.discover("swordfish", shown)
    assert (gone.reason, gone.empty) == ("all_shown", {"substitutes": "all_shown", "complements": "none_known"})
    nothing = {"substitutes": "nothing_known", "complements": "nothing_known"}
    for query in ("nobody knows", "no content", "talk"):
        assert (release.discover(query).reason, release.discover(query).empty) == ("nothing_known", nothing)
    empty = release.discover("")
    assert (empty.reason, set(empty.empty.values())) == ("empty_query", {"empty_query"})
    half = release.discover("sushi", products("trout", 0) + products("salmon", *range(EACH)))
    assert (half.reason, half.empty) == ("precomputed", {"substitutes": "all_shown"})


def test_a_release_without_contents_answers_nothing(grocery: Any, tmp_path: Path) -> None:
    folder = build_release(
        shop="grocery", taxonomy=grocery.taxonomy, product_ids=grocery.products, labels=grocery.labels, fingerprints={},
        index=None, releases=tmp_path, created=datetime(2026, 11, 21, tzinfo=UTC),
    )  # fmt: skip
    with open_release(folder) as release:
        assert release.discover("protein", ["p7"]).reason == "nothing_known"
        assert release.suggest("protein").suggestions == () and not release.needs_student("protein")


PAGES = st.lists(
    st.sampled_from([product(category, i) for category in TREE for i in range(EACH)])
    | st.text(max_size=3)
    | st.sampled_from(["\ud800", "salmon", "salmon 99"]),
    max_size=60,
)


def expected(content: Content, page: Sequence[str], taxonomy: Taxonomy, limit: int) -> list[list[tuple[str, ...]]]:
    """Work out by the lineages of categories what may be left of a content."""
    known = {i for i in page if i.rpartition(" ")[0] in TREE and i.rpartition(" ")[2] in map(str, range(EACH))}
    counts = Counter(above for i in known for above in taxonomy.lineage(i.rpartition(" ")[0]))
    filling = [category for category, count in counts.items() if count * 2 > len(known) >= 4]
    full = max(filling, key=lambda category: len(taxonomy.lineage(category)), default=None)

    def goes(category: str) -> bool:
        if full is None:
            return False
        below = taxonomy.is_ancestor(full, category)
        mixed = TREE[full] is None and full in taxonomy.children
        return category == full or taxonomy.is_ancestor(category, full) or (below and not mixed)

    left = [
        [tuple(i for i in idea.product_ids if i not in page)[:4] for idea in ideas if not goes(idea.category_id)]
        for ideas in (content.substitutes, content.complements)
    ]
    return [[ids for ids in lists if ids][:limit] for lists in left]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.sampled_from(sorted(CONTENTS)), page=PAGES, limit=st.integers(1, 50),
    count=st.none() | st.integers(0, 10**9), narrow=st.sampled_from([None, *TREE]),
)  # fmt: skip
def test_whatever_the_page_shows_what_comes_is_new(
    release: Release, taxonomy: Taxonomy, query: str, page: list[str], limit: int, count: int | None, narrow: str | None
) -> None:
    if narrow is not None:  # pages of one category are what search pages are
        page = [i for i in page if i.startswith(narrow)] * 2 + list(products(narrow, *range(len(page) % EACH)))
    found = release.discover(query, page, count, limit)
    lists = [found.substitutes, found.complements]
    assert not {i for ideas in lists for idea in ideas for i in idea.product_ids} & set(page)
    assert [[idea.product_ids for idea in ideas] for ideas in lists] == expected(CONTENTS[query], page, taxonomy, limit)
    known = {i for i in page if i.rpartition(" ")[0] in TREE and i.rpartition(" ")[2] in map(str, range(EACH))}
    for idea in found.substitutes + found.complements:
        assert 1 <= len(idea.product_ids) <= 4
        inside = [i for i in known if idea.category_id in taxonomy.lineage(i.rpartition(" ")[0])]
        assert len(known) < 4 or len(inside) * 2 <= len(known)
    assert set(found.empty) == {
        kind for kind, ideas in zip(("substitutes", "complements"), lists, strict=True) if not ideas
    }
    assert found.lead == (
        "substitutes"
        if (count is not None and count <= 8) or (count is None and query == "swordfish")
        else "complements"
    )


def test_suggestions_take_turns_and_what_shoppers_search_next_leads(release: Release) -> None:
    asked = release.suggest("sushi")
    assert [(s.query, s.kind) for s in asked.suggestions] == [
        ("nori", "next"), ("picnic", "exploratory"), ("wasabi", "next"),
    ]  # fmt: skip
    assert (asked.query, asked.release) == ("sushi", release.id)
    assert [s.query for s in release.suggest("sushi", exploratory_share=0).suggestions] == ["nori", "wasabi"]
    assert [s.query for s in release.suggest("sushi", 1).suggestions] == ["nori"]
    for query in ("", "nobody knows", "swordfish"):
        assert release.suggest(query).suggestions == ()


@settings(max_examples=300, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["next", "exploratory"]), max_size=20), limit=st.integers(1, 50),
    share=st.floats(0, 1),
)  # fmt: skip
def test_the_share_of_what_is_explored_holds_wherever_one_stops_reading(
    kinds: list[SuggestionKind], limit: int, share: float
) -> None:
    offered = tuple(Suggestion(query=f"q{i}", kind=kind) for i, kind in enumerate(kinds))
    content = Content(query="x", suggestions=(*offered, Suggestion(query="me", kind="next")))
    found = suggested("me", Kept(content=content, borrowed_from="x"), limit=limit, exploratory_share=share, release="r")
    given_kinds = [s.kind for s in found.suggestions]
    for end in range(1, len(given_kinds) + 1):
        assert given_kinds[:end].count("exploratory") <= share * end
    assert "me" not in {s.query for s in found.suggestions}
    assert set(found.suggestions) <= set(offered) and len(found.suggestions) <= limit
    for kind in ("next", "exploratory"):  # each kind in its own order, none left out before a later one
        mine = [s for s in found.suggestions if s.kind == kind]
        assert mine == [s for s in offered if s.kind == kind][: len(mine)]
    if "next" in kinds:
        assert given_kinds[0] == "next"
        assert given_kinds.count("next") == kinds.count("next") or len(given_kinds) == limit


@pytest.fixture(scope="module")
def taught(
    make_release: Callable[..., Release], teach: Callable[..., Any], taxonomy: Taxonomy, tmp_path_factory: Any
) -> Iterator[Release]:
    """Its student is sure of the category of "sure", and of none for "lost"."""
    student = teach(tmp_path_factory.mktemp("taught") / "student", taxonomy)
    lenders = [replace(SUSHI, query="sure"), replace(TALK, query="lost"), replace(SUSHI, query="halfway vegan")]
    *some, tea = lenders[0].complements
    lenders[0] = replace(lenders[0], complements=(*some, replace(tea, query="sure tea")))
    with make_release(lenders, category=student.leaf, student=student.folder) as opened:
        yield opened


def test_a_query_near_enough_borrows_and_says_of_whom(taught: Release) -> None:
    found = taught.discover("sure enough", products("salmon", 1))
    assert (found.reason, found.borrowed_from) == ("borrowed", "sure")
    assert said(found.complements) == ["rice", "vinegar", "tea"]
    assert [s.query for s in taught.suggest("sure enough").suggestions] == ["nori", "picnic", "wasabi"]
    assert taught.needs_student("sure enough") and not taught.needs_student("sure")
    assert taught.discover("sure").reason == "precomputed"
    gone = taught.discover("sure enough", [i for at in TREE for i in products(at, *range(EACH))])
    assert (gone.reason, gone.borrowed_from) == ("all_shown", "sure")


def test_a_lender_that_says_less_lends_nothing_in_place_of_what_is_asked(taught: Release) -> None:
    wider = taught.discover("sure enough")
    assert (wider.borrowed_from, wider.substitutes) == ("sure", ()) and wider.complements
    assert wider.empty == {"substitutes": "none_known"}
    same = taught.discover("vegan halfway")
    assert (
        same.borrowed_from == "halfway vegan" and same.substitutes == taught.discover("halfway vegan").substitutes != ()
    )


def test_what_a_query_asks_for_itself_is_not_borrowed(taught: Release) -> None:
    assert said(taught.discover("tea sure").complements) == ["rice", "vinegar"]


def test_what_is_not_near_borrows_nothing(taught: Release) -> None:
    # Half of "sure halfway" points elsewhere: its cosine with "sure" is 0.71.
    assert LEAST_COSINE > 0.71
    for query in ("sure halfway", "unknown words", "halfway"):
        found = taught.discover(query)
        assert (found.reason, found.borrowed_from) == ("nothing_known", None), query


def test_where_the_student_is_sure_of_nothing_only_the_same_words_lend(taught: Release) -> None:
    # Where it is not even sure of that, the likeliest is the first of the tree, and so are lenders in it.
    assert [s.query for s in taught.suggest("the lost").suggestions] == ["nori"]
    assert taught.suggest("lost dog").suggestions == ()


def test_what_a_shopper_cannot_do_without_decides(taught: Release) -> None:
    assert taught.discover("gluten free sure").reason == "nothing_known"
    assert taught.discover("sure vegan").reason == "nothing_known"
    assert taught.discover("halfway").reason == "nothing_known"  # the lender is vegan, the query is not
    assert taught.discover("vegan halfway").borrowed_from == "halfway vegan"
