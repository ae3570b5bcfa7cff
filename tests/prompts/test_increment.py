"""What a run asks and what stands: distances and reasons worked by hand, in the corner shop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.context import NextQuery
from domain.label import Label, Provenance
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Understanding
from prompts import Failure, load_prompt
from prompts.examples import ExampleBank
from prompts.increment import Plan, distance, make_plan, tree_of

ALE = ("Drinks", "Soda", "Ginger Ale")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {}, 0.0),
        ({"a": 0.7, "b": 0.3}, {"b": 0.3, "a": 0.7}, 0.0),
        ({"a": 0.7, "b": 0.3}, {"c": 0.6, "d": 0.4}, 1.0),
        ({}, {"a": 1.0}, 1.0),
        # Half of the demand went nowhere that is known, and now all of it does: 0.5 there, 0.5 in the remainder.
        ({"a": 0.5}, {}, 0.5),
        ({}, {"a": 0.4}, 0.4),
        # (|0.8 - 0.6| + |0.1 - 0.1| + the remainders |0.1 - 0.3|) / 2.
        ({"a": 0.8, "b": 0.1}, {"a": 0.6, "b": 0.1}, 0.2),
        # (0.5 + 0.2 + 0.5, and the remainders |0.2 - 0.0|) / 2.
        ({"a": 0.5, "b": 0.3}, {"b": 0.5, "c": 0.5}, 0.7),
    ],
)
def test_the_distance_is_the_total_variation(old, new, expected) -> None:
    assert distance(old, new) == expected
    assert distance(new, old) == expected


def test_a_distance_is_what_it_is_by_hand_and_not_how_a_computer_adds() -> None:
    # In floating point half of 0.8 - 0.6 and 0.4 - 0.2 is 0.20000000000000004.
    assert distance({"a": 0.8, "b": 0.2}, {"a": 0.6, "b": 0.4}) == 0.2


@pytest.fixture
def label(make_context):
    def make(query: str, category: str | None = None, path: tuple[str, ...] = ALE, **more: Any) -> Label:
        usual = {"model": "openai/local", "prompt": "", "key": "k", "context": "c", "dropped": {}, "taxonomy": "old"}
        answer = Understanding(query=query, normalized=query, source="head", reason="precomputed", release="")
        categories = (Category(id=category, path=path, confidence=0.9),) if category else ()
        return Label(
            query=query,
            tier="head",
            searches=10,
            understanding=replace(answer, categories=categories, next_queries=("of old",)),
            provenance=Provenance(**(usual | more)),
        )

    return make


@pytest.fixture
def plan(corner):
    """Plan a run of the head; `old` is the tree of the labels, `tree` the one of now."""

    def make(contexts, labels=(), failures=(), *, tree=None, old=None, shown=True, **more: Any) -> Plan:
        tree = tree or corner.taxonomy
        chosen = {key: more.pop(key) for key in ("model", "prompts", "name", "examples") if key in more}
        teacher = corner.teacher(contexts if shown else None, taxonomy=tree, **chosen)
        made = [
            label if label.provenance.prompt else _by(label, teacher.prompt_id)
            for label in (labels(teacher) if callable(labels) else labels)
        ]
        return make_plan(
            contexts,
            tiers=more.pop("tiers", ("head",)),
            teacher=teacher,
            labels=made,
            failures=failures(teacher) if callable(failures) else failures,
            trees={"old": tree_of(old or corner.taxonomy), "new": tree_of(tree)},
            taxonomy="new",
            furthest=more.pop("furthest", 0.2),
            **more,
        )

    return make


def _by(label: Label, prompt: str) -> Label:
    return replace(label, provenance=replace(label.provenance, prompt=prompt))


def changed(taxonomy: Taxonomy, **nodes: tuple[str | None, str] | None) -> Taxonomy:
    """The tree with categories renamed, moved or added (parent and name), or taken out (None)."""
    kept = {i: (taxonomy[i].parent_id, taxonomy[i].name) for i in taxonomy} | nodes
    return Taxonomy(Node(category_id=i, parent_id=n[0], name=n[1]) for i, n in kept.items() if n)


def failed(query: str, kind: str, teacher: Any = None) -> Failure:
    key = teacher.ask(query).parts[0].request.key if teacher else "of another question"
    return Failure(query=query, kind=kind, detail="d", key=key)


def test_a_query_without_a_label_is_new(plan, make_context, label) -> None:
    found = plan([make_context("milk"), make_context("cola")], [label("cola")])
    assert (found.ask, found.reasons) == (("milk",), {"new": 1})
    assert ([x.query for x in found.carried], found.queries) == (["cola"], 2)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ({"model": "openai/other"}, "model_changed"),
        ({"prompt": "understand@0#00000000"}, "prompt_changed"),
        ({"taxonomy": "of which nobody knows"}, "taxonomy_changed"),
        ({"taxonomy": ""}, "taxonomy_changed"),
        ({"demand": {"milk": 1.0}}, "context_changed"),
        ({}, None),
    ],
)
def test_a_label_stands_until_something_that_made_it_changes(plan, make_context, label, made, reason) -> None:
    found = plan([make_context("milk")], [label("milk", **made)])
    assert found.reasons == ({reason: 1} if reason else {})
    assert len(found.carried) == (reason is None)


@pytest.mark.parametrize("shown", [True, False])
def test_a_prompt_that_does_not_ask_about_a_query_does_not_ask_it_anew(plan, make_context, label, shown) -> None:
    contexts = [make_context("milk"), make_context("cola", tier="tail")]
    made_by = load_prompt("understand@1").id
    before = [label("milk", prompt=made_by), label("cola", prompt=made_by)]
    more = {"prompts": ("understand@1", "discover@1"), "tiers": ("head", "tail"), "shown": shown}
    found = plan(contexts, before, **more)
    # Only the head query is asked for discovery content, and nobody is by a model that sees nothing of the log.
    assert found.ask == (("milk",) if shown else ())


@pytest.mark.parametrize(
    ("prompt", "banked", "made", "reason"),
    [
        # A label from before labels named their examples says nothing, as one of a prompt that shows none.
        ("understand@3", None, "", None),
        ("understand@3", (), "", None),
        ("understand@1", ("skim milk",), "", None),
        ("understand@3", ("skim milk",), "", "examples_changed"),
        ("understand@3", ("skim milk",), "of others", "examples_changed"),
        ("understand@3", ("skim milk",), "of now", None),
        ("understand@3", None, "of others", "examples_changed"),
        ("understand@3", ("skim milk", "cola"), "of now", "examples_changed"),
    ],
)
def test_other_examples_count_where_the_prompt_shows_them(
    plan, corner, make_context, label, prompt, banked, made, reason
) -> None:
    def bank(*queries: str) -> ExampleBank:
        answer = {"source": "head", "reason": "precomputed", "release": ""}
        return ExampleBank([Understanding(query=q, normalized=q, **answer) for q in queries], corner.index)

    named = bank("skim milk").fingerprint if made == "of now" else made
    examples = None if banked is None else bank(*banked)
    found = plan([make_context("milk")], [label("milk", examples=named)], prompts=(prompt,), examples=examples)
    assert found.reasons == ({reason: 1} if reason else {})


def test_everything_is_asked_again_when_somebody_says_so(plan, make_context, label) -> None:
    contexts = [make_context(query) for query in ("milk", "cola", "chips")]
    found = plan(contexts, [label("milk")], lambda teacher: [failed("cola", "refused", teacher)], anew=True)
    assert (found.ask, found.reasons) == (("milk", "cola", "chips"), {"asked_again": 3})


@pytest.mark.parametrize(("furthest", "asked"), [(0.2, 0), (0.19, 1), (0.0, 1), (1.0, 0)])
def test_a_demand_that_moved_as_far_as_the_limit_stands(plan, make_context, label, furthest, asked) -> None:
    made = label("milk", demand={"milk": 0.8, "cheese": 0.2})
    found = plan([make_context("milk", {"milk": 0.6, "cheese": 0.4})], [made], furthest=furthest)
    assert len(found.ask) == asked


def test_a_model_that_is_shown_no_demand_does_not_mind_it(plan, make_context, label) -> None:
    context = make_context("milk", {"milk": 1.0})
    assert plan([context], [label("milk")], shown=False).reasons == {}
    assert plan([context], [label("milk")]).reasons == {"context_changed": 1}


# The index knows the corner shop's own categories: a further one is in the tree and is never offered.
def test_another_name_asks_those_whose_label_or_offer_holds_it(plan, corner, make_context, label) -> None:
    contexts = [make_context("ginger ale"), make_context("milk")]
    tree = changed(corner.taxonomy, ale=("soda", "Ginger Beer"))
    assert "ale" in corner.teacher((), taxonomy=tree).ask("ginger ale").offer.ids.values()
    assert "ginger ale" in plan(contexts, [label("ginger ale"), label("milk")], tree=tree).ask
    before, after = (changed(corner.taxonomy, tea=("drinks", name)) for name in ("Tea", "Teas"))
    found = plan(contexts, [label("ginger ale"), label("milk", "tea")], old=before, tree=after)
    assert (found.ask, found.reasons) == (("milk",), {"taxonomy_changed": 1})


def test_a_category_elsewhere_or_under_another_name_is_another_one(plan, corner, make_context, label) -> None:
    before = changed(corner.taxonomy, hot=("drinks", "Hot"), tea=("hot", "Tea"))
    for after in (
        changed(before, tea=("drinks", "Tea")),
        changed(before, hot=("drinks", "Hot Drinks")),
    ):
        assert plan([make_context("milk")], [label("milk", "tea")], old=before, tree=after).ask == ("milk",)


def test_a_category_that_is_gone_asks_whoever_answered_with_it(plan, corner, make_context, label) -> None:
    before = changed(corner.taxonomy, tea=("drinks", "Tea"))
    contexts = [make_context("tea"), make_context("milk")]
    found = plan(contexts, [label("tea", "tea"), label("milk", "milk")], old=before)
    assert (found.ask, found.reasons) == (("tea",), {"taxonomy_changed": 1})
    # There is nothing to fall back on: an answer that is not in the tree cannot be served.
    assert found.replaced == {}


def test_a_new_category_asks_those_to_whom_it_is_offered(plan, corner, make_context, label) -> None:
    contexts = [make_context("ginger ale")]
    assert plan(contexts, [label("ginger ale")], old=changed(corner.taxonomy, ale=None)).reasons == {
        "taxonomy_changed": 1
    }
    assert plan(contexts, [label("ginger ale")], tree=changed(corner.taxonomy, tea=("drinks", "Tea"))).reasons == {}


def test_an_answer_that_its_own_tree_has_not_is_asked_again_and_not_lost(plan, make_context, label) -> None:
    found = plan([make_context("milk")], [label("milk", "of no tree", taxonomy="new")])
    assert (found.reasons, found.carried, found.queries) == ({"taxonomy_changed": 1}, (), 1)


def test_other_tiers_are_left_but_for_what_cannot_be_served(plan, corner, make_context, label) -> None:
    before = changed(corner.taxonomy, tea=("drinks", "Tea"), ale=("soda", "Old Ale"))
    contexts = [make_context(query, tier="tail", searches=1) for query in ("tea", "ale", "cola", "milk")]
    labels = [label("tea", "tea"), label("ale", "ale", ("Drinks", "Soda", "Old Ale")), label("cola", model="another")]
    found = plan(contexts, labels, [failed("milk", "timeout")], old=before)
    assert (found.ask, found.carried, found.standing, found.queries) == ((), (), (), 0)
    kept = {other.query: other for other in found.others}
    assert [*kept] == ["ale", "cola", "milk"]
    assert (kept["ale"].understanding.categories[0].path, kept["ale"].tier, kept["ale"].searches) == (ALE, "tail", 1)
    assert kept["ale"].provenance.taxonomy == "old"


def test_a_query_that_nobody_searches_any_more_loses_its_label(plan, make_context, label) -> None:
    found = plan([make_context("milk")], [label("milk"), label("gone")], [failed("gone too", "refused")])
    assert [x.query for x in found.carried] == ["milk"]
    assert (found.others, found.standing, found.replaced) == ((), (), {})


def test_a_label_that_stands_is_of_todays_log(plan, make_context, label) -> None:
    related = (NextQuery(query="cheese", count=9, npmi=0.5), NextQuery(query="by chance", count=9, npmi=0.1))
    context = make_context("milk", tier="torso", searches=77, next_queries=related)
    old = label("milk", "milk", ("Food", "Dairy", "Milk"))
    [carried] = plan([context], [old], tiers=("head", "torso")).carried
    assert (carried.tier, carried.searches, carried.understanding.next_queries) == ("torso", 77, ("cheese",))
    assert carried.understanding.categories == old.understanding.categories
    assert carried.provenance.key == "k"


@pytest.mark.parametrize("kind", ["refused", "unparseable", "too_long"])
def test_what_would_only_be_met_again_stands_while_the_question_does(plan, make_context, kind) -> None:
    contexts = [make_context("milk"), make_context("cola")]

    def failures(teacher: Any) -> list[Failure]:
        return [failed("milk", kind, teacher), failed("cola", kind)]

    found = plan(contexts, failures=failures)
    assert (found.ask, found.reasons) == (("cola",), {"failed_before": 1})
    assert [failure.query for failure in found.standing] == ["milk"]
    assert found.queries == 2
    again = plan(contexts, failures=failures, again={kind})
    assert (again.ask, again.reasons) == (("milk", "cola"), {"asked_again": 2})
    other = plan(contexts, failures=failures, again={"timeout"})
    assert other.ask == ("cola",)


@pytest.mark.parametrize("kind", ["rate_limited", "timeout", "provider_error", "over_budget", "missing_from_recording"])
def test_what_was_of_the_moment_is_asked_again(plan, make_context, kind) -> None:
    found = plan([make_context("milk")], failures=lambda teacher: [failed("milk", kind, teacher)])
    assert (found.ask, found.reasons) == (("milk",), {"failed_before": 1})


def test_a_failed_query_keeps_its_label_of_today_unless_its_categories_left(plan, corner, make_context, label) -> None:
    before = changed(corner.taxonomy, tea=("drinks", "Tea"), ale=("soda", "Old Ale"))
    contexts = [make_context(query, searches=3) for query in ("tea", "ale", "milk")]
    labels = [label("tea", "tea"), label("ale", "ale", ("Drinks", "Soda", "Old Ale")), label("milk")]

    def failures(teacher: Any) -> list[Failure]:
        return [failed("tea", "refused", teacher), failed("ale", "refused", teacher), failed("milk", "timeout")]

    found = plan(contexts, labels, failures, old=before)
    assert ([failure.query for failure in found.standing], found.ask) == (["tea", "ale"], ("milk",))
    assert [*found.replaced] == ["ale", "milk"]
    kept = found.replaced["ale"]
    # A release refuses a path that is not the tree's.
    assert (kept.understanding.categories[0].path, kept.searches) == (ALE, 3)


def test_the_order_is_that_of_the_log_and_no_input_is_no_plan(plan, make_context) -> None:
    queries = ("chips", "ale", "milk")
    assert plan([make_context(query) for query in queries]).ask == queries
    assert plan([]).queries == 0
