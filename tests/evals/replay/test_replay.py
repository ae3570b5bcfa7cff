"""Systems side by side, the factor, the text and the file."""

from __future__ import annotations

import pytest

from domain.errors import UserError
from domain.judgements import Judgement
from domain.taxonomy import Taxonomy
from domain.verdict import Item, Verdict
from evals import Case
from evals.judge import Rating, judge_agreement
from evals.labels import LabelledQueries
from evals.replay import Oracle, Suspect, judged_queries, read_replay, replay, to_markdown, unjudged_pairs, write_replay
from evals.replay.judged import half_of
from evals.replay.replaying import FACTORS, NOTHING

RATED = {**{f"a{i}": 3.0 for i in range(5)}, **{f"b{i}": 0.0 for i in range(5)}}
QUERIES = [f"switch {word}" for word in ("one", "two", "three", "four", "five", "six", "seven", "eight")]


class Always:
    """Answers every query with the same categories and rewrites."""

    def __init__(self, answer, *parts):
        self._answer, self._parts = answer, parts

    def understand(self, queries):
        return [self._answer(query, *self._parts) for query in queries]


@pytest.fixture(scope="module")
def replayed(search, switches, judged, answer):
    wrong = Always(answer, [("games", 1.0)])

    def run(order=1, **more):
        queries = [judged(query, RATED, at + 1) for at, query in enumerate(QUERIES)][::order]
        systems = {"right": Always(answer, [("net", 1.0)], [("port", "synonym", 0.1)]), "wrong": wrong}
        given = {"suspect": Suspect(name="wrong", system=wrong, way="boost")} | more
        return replay(queries, systems, search(switches), draws=200, **given)

    return run


def test_both_halves_are_there():
    halves = [half_of(query) for query in QUERIES]
    assert 0 < halves.count("development") < len(QUERIES)


def test_each_system_is_compared_in_pairs_with_the_search_alone(replayed):
    found = replayed()
    held = sum(half_of(query) == "held back" for query in QUERIES)
    rows = {(row.queries_of, row.system, row.way): row for row in found.rows}
    assert {row.queries_of for row in found.rows} == {"held back", "all"}
    alone = rows["all", NOTHING, None]
    assert (alone.queries, alone.factor, alone.gains, alone.measures["ndcg"].value) == (8, None, {}, 1.0)
    # The wrong category puts b0 to b4 first: 1.59510 / 2.94846 on every query, so that no interval has a width.
    wrong = rows["held back", "wrong", "boost"]
    assert (wrong.queries, wrong.improved, wrong.harmed, wrong.unchanged) == (held, 0, held, 0)
    gain = wrong.gains["ndcg"]
    assert (gain.value, gain.low, gain.high) == pytest.approx((-0.45901,) * 3, abs=1e-5)
    assert (wrong.measures["judged"].value, wrong.measures["recall"].value, wrong.measures["zero"].value) == (1, 1, 0)
    right = rows["all", "right", "boost+expand"]
    assert (right.improved, right.harmed, right.unchanged, right.gains["ndcg"].value) == (0, 0, 8, 0.0)
    # A system that gives no rewrites is used in no way that needs them.
    assert {way for _, system, way in rows if system == "wrong"} == {"boost", "filter"}


def test_the_factor_is_chosen_on_the_development_half_alone(search, product, judged, answer):
    # With the right category first the list is ideal; the boost must outweigh a second title word to bring it there.
    products = [product(f"a{i}", "switch", "net") for i in range(5)]
    products += [product(f"b{i}", "switch deluxe deluxe", "games") for i in range(5)]
    queries = [f"deluxe {query}" for query in QUERIES]
    ratings = {"development": RATED, "held back": {product: 3.0 - rating for product, rating in RATED.items()}}
    system = Always(answer, [("net", 1.0)])
    found = replay(
        [judged(query, ratings[half_of(query)]) for query in queries],
        {"s": system},
        search(products),
        suspect=Suspect(name="s", system=system, way="boost"),
        draws=50,
    )
    (chosen,) = found.chosen
    assert [tried.factor for tried in chosen.tried] == list(FACTORS)
    best = max(tried.ndcg for tried in chosen.tried)
    assert best == 1.0
    assert chosen.factor == next(tried.factor for tried in chosen.tried if tried.ndcg == best) == found.harm_factor
    held = next(row for row in found.rows if row.queries_of == "held back" and row.way == "boost")
    assert held.gains["ndcg"].value < 0 and held.improved == 0


def test_harm_is_found_over_all_queries_by_traffic(replayed):
    found = replayed()
    assert [query.query for query in found.harmed] == QUERIES[::-1]
    assert {part.verdict for query in found.harmed for part in query.parts} == {"withhold"}


def test_neither_the_order_of_the_queries_nor_a_second_run_changes_a_number(replayed):
    first, again, turned = replayed(), replayed(), replayed(order=-1)
    assert first == again
    assert (first.harmed, first.chosen, first.rows) == (turned.harmed, turned.chosen, turned.rows)


def test_the_oracle_is_measured_on_what_people_labelled_and_the_others_with_it(replayed, tree):
    cases = [Case(query=query.upper(), normalized=query, categories=("net",), acceptable=()) for query in QUERIES[:3]]
    cases.append(Case(query="x", normalized=QUERIES[3], categories=None, acceptable=()))
    oracle = Oracle(cases, tree)
    assert oracle.queries == frozenset(QUERIES[:3])
    found = replayed(oracle=oracle, labelled=oracle.queries)
    rows = [row for row in found.rows if row.queries_of == "all labelled"]
    assert {row.system for row in rows} == {NOTHING, "right", "wrong", "oracle"}
    assert {row.queries for row in rows} == {3}
    assert not [row for row in found.rows if row.system == "oracle" and "labelled" not in row.queries_of]


def test_a_query_without_anything_relevant_is_counted_and_left_out(search, switches, judged, answer):
    system = Always(answer, [("games", 1.0)])
    queries = [judged("switch", dict.fromkeys(RATED, 0.0)), judged("nothing here", {"a0": 3.0})]
    found = replay(queries, {"s": system}, search(switches), suspect=Suspect(name="s", system=system), draws=20)
    assert (found.judged.queries, found.judged.barren, found.harmed) == (2, 1, ())
    row = next(row for row in found.rows if (row.queries_of, row.way) == ("all", "boost"))
    assert (row.queries, row.unchanged, row.measures["zero"].value) == (1, 1, 0.5)
    assert "1 queries without" in to_markdown(found)


def test_the_text_leads_with_the_harm_and_shows_both_lists(replayed):
    text = to_markdown(replayed(made={"shop": "a|b"}, titles={"b0": "A console | with pipes"}), harmed=2)
    assert text.index("8 queries do worse") < text.index("| system |")
    assert "8 parts to withhold, 0 slight losses, 0 losses that" in text
    assert "- categories alone -0.459 (condensed -0.459, surely lost 0.459): withhold" in text
    assert "| 1 | a0 | 3 | b0 A console \\| with pipes | 0 |" in text
    assert "6 more are in the JSON document." in text
    assert "- shop: `a\\|b`" in text


def test_what_has_to_be_judged_is_named_once(search, switches, judged, answer):
    system = Always(answer, [("games", 1.0)])
    nets = {product: rating for product, rating in RATED.items() if rating}
    found = replay(
        [judged("switch", nets)], {"s": system}, search(switches), suspect=Suspect(name="s", system=system), draws=5
    )
    pairs = unjudged_pairs(found)
    assert [(pair.query, pair.product_id) for pair in pairs] == [("switch", f"b{i}") for i in range(5)]
    assert "(5 pairs to judge)" in to_markdown(found)


def test_a_replay_is_read_back_as_it_was(replayed, tmp_path):
    found = replayed(titles={"a0": "Ähm"}, made={"by": "hand"})
    write_replay(tmp_path / "replay.json", found)
    assert read_replay(tmp_path / "replay.json") == found


def test_a_judge_fills_in_what_no_person_rated_of_the_queries_they_know():
    def rows(*given: tuple[str, str, int], rater: str) -> list[Judgement]:
        return [Judgement(query=q, product_id=p, rating=rating, rater=rater) for q, p, rating in given]

    people = rows(("a", "q", 3), ("a", "s", 0), ("b", "q", 1), rater="ann")
    grades = rows(("a", "q", 0), ("a", "p", 2), ("a", "p", 1), ("c", "q", 3), rater="judge")
    found = judged_queries(people, {}, grades=grades)
    assert [(one.query, list(one.ratings.items()), one.by_judge) for one in found] == [
        ("a", [("p", 2.0), ("q", 3.0), ("s", 0.0)], {"p"}),
        ("b", [("q", 1.0)], set()),
    ]


def test_no_grade_of_a_judge_stands_without_its_agreement_with_people(search, switches, answer):
    pytest.importorskip("krippendorff", reason="the extra `judge` is not installed")
    people = [Judgement(query="switch", product_id=f"a{i}", rating=3, rater="ann") for i in range(5)]
    grades = [Judgement(query="switch", product_id=f"b{i}", rating=0, rater="j") for i in range(5)]
    system = Always(answer, [("games", 1.0)])
    given = {"suspect": Suspect(name="s", system=system, way="boost"), "draws": 5}
    filled = judged_queries(people, {}, grades=grades)
    with pytest.raises(UserError, match="a judge graded 5 pairs, and how far it agrees with people is not said"):
        replay(filled, {}, search(switches), **given)

    # Of two queries: 3 and 0 by people and by the judge, so that kappa is 1.
    items = [Item(task="relevance", query=q, subject=s) for q in ("x", "y") for s in ("a0", "b0")]
    said = [
        Verdict(item=i, grade=3 * (i.subject == "a0"), facets={}, reason="", judge="m, r@1", repeat="", key="")
        for i in items
    ]
    ratings = [Rating(item=verdict.item, grade=verdict.grade, rater="ann") for verdict in said]
    agreement = judge_agreement(said, ratings, draws=20)
    found = replay(filled, {}, search(switches), agreement=agreement, made={"by": "hand"}, **given)
    assert found.made == {
        "by": "hand",
        "judge": "5 pairs that nobody rated; quadratic kappa with people 1.000 [1.000, 1.000] over 4 pairs of 2 "
        "queries; m, r@1",
    }
    assert (found.judged.products, found.judged.by_judge) == (10, 5)
    # Graded 0, b0 to b4 are a sure loss.
    (harm,) = found.harmed
    assert harm.parts[0].verdict == "withhold" and harm.parts[0].loss == pytest.approx(0.45901, abs=1e-5)
    assert [listed.by_judge for listed in harm.list_after] == [True] * 5 + [False] * 5
    text = to_markdown(found)
    assert "- judge: `5 pairs that nobody rated; quadratic kappa" in text
    assert "10 products, 5 of them by a judge alone" in text and "quote no table below" in text
    assert "| 1 | a0 | 3 | b0 | 0 (judge) |" in text
    # A judge that had nothing to fill in is named too.
    assert (
        replay(judged_queries(people, {}), {}, search(switches), agreement=agreement, **given)
        .made["judge"]
        .startswith("0 pairs")
    )


def test_ratings_are_medians_of_the_raters():
    given = [("b", "p", 0), ("a", "p", 1), ("a", "p", 3), ("a", "q", 0), ("a", "q", 3), ("a", "q", 2)]
    judgements = [
        Judgement(query=query, product_id=product, rating=rating, rater=str(at))
        for at, (query, product, rating) in enumerate(given)
    ]
    found = judged_queries(judgements, {"a": 7})
    assert [(one.query, one.searches, one.ratings) for one in found] == [
        ("a", 7, {"p": 2.0, "q": 2.0}),
        ("b", 0, {"p": 0.0}),
    ]


def test_labels_abstain_where_there_is_none_and_the_search_is_then_unchanged(replayed):
    found = replayed(suspect=Suspect(name="no labels", system=LabelledQueries([])))
    assert (found.harmed, found.harm_of) == ((), "no labels")


def test_an_oracle_knows_the_path_of_its_categories(tree: Taxonomy):
    case = Case(query="q", normalized="q", categories=("managed",), acceptable=())
    (found, other) = Oracle([case], tree).understand(["Q", "r"])
    assert [(c.id, c.path, c.confidence) for c in found.categories] == [("managed", ("Tech", "Net", "Managed"), 1.0)]
    assert (found.query, found.normalized, other.categories) == ("Q", "q", ())
