from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from domain.errors import QuerywiseError
from domain.text import normalise
from domain.understanding import Category, Rewrite, RewriteType, Understanding
from evals import Asked
from evals.consistency import Robustness, Variant, paraphrases_of, robustness, robustness_text


class Known:
    """Answers some texts with categories, by their normal form, and falls back to none for all others."""

    def __init__(self, ids: Mapping[str, Sequence[str]], rewrites: Mapping[str, tuple[Rewrite, ...]] | None = None):
        self._ids = ids
        self._rewrites = rewrites or {}

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        return [self._answer(query) for query in queries]

    def _answer(self, query: str) -> Understanding:
        text = normalise(query)
        return Understanding(
            query=query,
            normalized=text,
            source="head" if text in self._ids else "fallback",
            reason="model",
            release="",
            categories=tuple(Category(id=i, path=(i,), confidence=None) for i in self._ids.get(text, ())),
            rewrites=self._rewrites.get(text, ()),
        )


class Forgetful(Known):
    """Answers a query in capitals otherwise."""

    def _answer(self, query: str) -> Understanding:
        found = super()._answer(query)
        return replace(found, specificity="broad") if query.isupper() else found


def rewrite(query: str, kind: RewriteType) -> Rewrite:
    return Rewrite(query=query, type=kind, confidence=0.9)


@pytest.fixture(scope="module")
def found() -> Robustness:
    system = Known(
        {
            "red tea": ("tea", "red"),
            "tea red": ("tea",),
            "big pot": ("pot",),
            "pot big": ("pan", "pot"),
            "rouge": ("red", "tea"),
            "kettle": ("pot",),
        },
        {"red tea": (rewrite("rouge", "synonym"), rewrite("red drink", "synonym"))},
    )
    asked = [Asked(query="red tea", searches=30), Asked(query="big pot", searches=10), Asked(query="unheard of")]
    return robustness(system, asked, retyped={"big pot": ["kettle", "pan"]}, draws=200)


def test_stability_by_hand(found: Robustness) -> None:
    assert (found.queries, found.abstained) == (2, 1)
    rows = {row.kind: row for row in found.rows}
    order = rows["word_order"]
    # "tea red": the same top, 1 of 2 shared, 30 searches. "pot big": another top, 1 of 2 shared, 10 searches.
    assert {name: estimate.value for name, estimate in order.measures.items()} == pytest.approx(
        {"same_top": 0.5, "same_top_by_searches": 0.75, "jaccard": 0.5, "jaccard_by_searches": 0.5}
    )
    assert (order.variants, order.precomputed, order.faults) == (2, 1.0, 0)
    # No word has four letters, so there is no typo.
    assert list(rows) == ["word_order", "case", "spacing", "punctuation", "retyped", "synonym"]


def test_paraphrases_of_the_log_and_of_the_answer(found: Robustness) -> None:
    rows = {row.kind: row for row in found.rows}
    # "kettle" for "big pot": {pot} and {pot}. "rouge" for "red tea": the same set in another order.
    assert rows["retyped"].measures["same_top"].value == rows["retyped"].measures["jaccard"].value == 1.0
    assert rows["synonym"].measures["same_top"].value == 0.0
    assert rows["synonym"].measures["jaccard"].value == 1.0


def test_forms_are_the_same_query(found: Robustness) -> None:
    forms = [row for row in found.rows if row.kind in ("case", "spacing", "punctuation")]
    assert {row.measures["jaccard"].value for row in forms} == {1.0}
    assert sum(row.faults for row in forms) == 0


def test_worst_is_by_searches_and_lost_overlap_one_a_query(found: Robustness) -> None:
    # red tea loses half in "tea red" at 30 searches, big pot half in "pot big" at 10.
    assert [(one.variant.query, one.variant.text, one.jaccard) for one in found.worst] == [
        ("red tea", "tea red", 0.5),
        ("big pot", "pot big", 0.5),
    ]
    assert [c.id for c in found.worst[1].before] == ["pot"]
    assert [c.id for c in found.worst[1].after] == ["pan", "pot"]


def test_a_form_that_is_answered_otherwise_is_a_fault_and_comes_first() -> None:
    found = robustness(
        Forgetful({"red tea": ("tea",), "big pot": ("pot",)}),
        [Asked(query="red tea", searches=1000), Asked(query="big pot", searches=1)],
        draws=20,
    )
    assert {row.kind: row.faults for row in found.rows if row.faults} == {"case": 2}
    assert {one.variant.kind for one in found.worst} == {"case"}
    assert "**2 answers differ though the query is the same" in robustness_text(found)


def test_what_nobody_searched_has_no_measure_by_searches() -> None:
    found = robustness(Known({"tea": ("tea",)}), [Asked(query="tea")], draws=20)
    assert {*found.rows[0].measures} == {"same_top", "jaccard"}
    assert "–" in robustness_text(found)


def test_a_system_that_always_abstains_has_nothing_to_compare() -> None:
    found = robustness(Known({}), [Asked(query="tea")])
    assert (found.queries, found.abstained, found.rows, found.worst) == (0, 1, (), ())
    assert robustness(Known({}), []).queries == 0
    assert "0 queries with a category" in robustness_text(found)


def test_paraphrases_are_the_first_of_their_kind_and_never_the_query() -> None:
    answer = Known(
        {"tee": ()}, {"tee": (rewrite("tea", "spelling"), rewrite("tee", "synonym"), rewrite("x", "broader"))}
    )
    [given] = answer.understand(["Tee"])
    assert paraphrases_of(given) == (Variant(query="tee", kind="spelling", text="tea"),)
    assert paraphrases_of(given, ["chai", "mate"])[-1] == Variant(query="tee", kind="retyped", text="chai")


def test_a_system_that_loses_queries_is_refused() -> None:
    class Short(Known):
        def understand(self, queries: Sequence[str]) -> list[Understanding]:
            return super().understand(queries)[1:]

    with pytest.raises(QuerywiseError, match="did not answer each of the 1"):
        robustness(Short({}), [Asked(query="tea")])


def test_the_text_names_every_kind(found: Robustness) -> None:
    text = robustness_text(found)
    assert "2 queries with a category; 1 without are left out." in text
    assert "| word_order | 2 | 0.500 [" in text
    assert "- red tea (30 searches), word_order 'tea red': tea; red became tea (head)" in text
