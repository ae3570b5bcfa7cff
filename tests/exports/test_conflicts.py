"""Contradictions of labels, each with its rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from release.exports.conflicts import Resolved, Resolver
from release.exports.heard import Said


def one(kind: str, query: str, target: str, confidence: float = 0.9) -> Said:
    return Said(kind=kind, query=query, target=target, confidence=confidence)


def resolve(said: Iterable[Said]) -> Resolved:
    """Resolve some labels, each by itself, and put together what came of it."""
    labels: dict[str, list[Said]] = {}
    for each in said:
        labels.setdefault(each.query, []).append(each)
    resolver = Resolver(lambda query: labels.get(query, ()), labels.__contains__)
    found = [resolver.resolve(query) for query in labels]
    conflicts = sum((Counter(each.conflicts) for each in found), Counter())
    return Resolved(said=tuple(one for each in found for one in each.said), conflicts=dict(conflicts))


def test_what_agrees_stays_as_it_is() -> None:
    every = (one("synonym", "coke", "cola"), one("synonym", "cola", "coke"), one("broader", "coke", "soda"))
    found = resolve(every)
    assert set(found.said) == set(every) and found.conflicts == {}


def test_synonyms_of_synonyms_are_counted_and_both_stay(tools) -> None:
    labels = [tools.said(a, ("synonym", b, 0.9)) for a, b in (("coke", "cola"), ("cola", "coke"), ("oj", "juice"))]
    selection = tools.select(*labels)
    assert selection.conflicts == {"synonym_chain": 2}
    assert [(r.query, r.target) for r in selection.rules() if r.kind == "synonym"] == [
        ("coke", "cola"), ("cola", "coke"), ("oj", "juice"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        (("synonym", "broader"), "broader"),
        (("broader", "substitute"), "substitute"),
        (("spelling", "synonym"), "synonym"),
    ],
)
def test_of_two_kinds_the_more_cautious_counts(kinds: tuple[str, str], kept: str) -> None:
    for order in (kinds, kinds[::-1]):
        found = resolve([one(kind, "a", "b") for kind in order])
        assert [each.kind for each in found.said] == [kept]
        assert found.conflicts == {"two_kinds": 1}


@pytest.mark.parametrize("kind", ["spelling", "broader"])
def test_of_two_that_contradict_the_surer_counts(kind: str) -> None:
    sure, less = one(kind, "colour", "color", 0.95), one(kind, "color", "colour", 0.9)
    for order in ([sure, less], [less, sure]):
        found = resolve(order)
        assert found.said == (sure,)
        assert found.conflicts == {"opposite": 1}


def test_of_two_that_are_as_sure_the_first_target_in_the_alphabet_counts() -> None:
    found = resolve([one("spelling", "color", "colour"), one("spelling", "colour", "color")])
    assert [each.target for each in found.said] == ["color"]


def test_a_synonym_does_not_outlive_the_other_labels_substitute() -> None:
    substitute = one("substitute", "oat milk", "milk", 0.4)
    found = resolve([one("synonym", "milk", "oat milk", 0.99), substitute])
    assert found.said == (substitute,)
    assert found.conflicts == {"opposite": 1}


def test_a_narrower_synonym_is_no_contradiction() -> None:
    every = (one("synonym", "chicken", "chicken breast"), one("broader", "chicken breast", "chicken"))
    assert resolve(every).said == every


def test_a_chain_of_mends_leads_to_its_end_as_sure_as_the_least_sure_link() -> None:
    found = resolve([one("spelling", "lacrox", "lacroix", 0.98), one("spelling", "lacroix", "la croix", 0.91)])
    assert found.said == (one("spelling", "lacrox", "la croix", 0.91), one("spelling", "lacroix", "la croix", 0.91))
    assert found.conflicts == {"spelling_chain": 1}


def test_a_misspelt_target_is_mended() -> None:
    found = resolve([one("spelling", "yogert", "yogurt", 0.98), one("synonym", "joghurt", "yogert", 0.9)])
    assert found.said[1] == one("synonym", "joghurt", "yogurt", 0.9)
    assert found.conflicts == {"misspelt_target": 1}


def test_what_is_the_query_itself_after_mending_goes() -> None:
    found = resolve([one("spelling", "yogert", "yogurt"), one("synonym", "yogurt", "yogert"), one("synonym", "a", "a")])
    assert [each.query for each in found.said] == ["yogert"]
    assert found.conflicts == {"misspelt_target": 1, "itself": 1}


def test_a_ring_of_mends_ends() -> None:
    ring = [one("spelling", "a", "b", 0.9), one("spelling", "b", "c", 0.92), one("spelling", "c", "a", 0.94)]
    found = resolve(ring)
    assert all(each.query != each.target for each in found.said)
    assert {each.query for each in found.said} <= {"a", "b", "c"}


def test_of_two_mends_of_one_query_the_surer_counts() -> None:
    found = resolve([one("spelling", "colr", "collar", 0.9), one("spelling", "colr", "color", 0.95)])
    assert [each.target for each in found.said] == ["color"]
