"""Which answers become rules, and how far each reaches."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from domain.errors import ReleaseError, UserError
from release.exports import ExportSettings, Policy, rule_id, select_rules

ICE = [("synonym", "bagged ice", 0.95), ("synonym", "frozen water", 0.95)]


def reach_of(selection, query: str, target: str) -> str | None:
    [found] = [rule for rule in selection.rules() if (rule.query, rule.target) == (query, target)]
    assert found.reach == ("words" if found.held is None else "query")
    return found.held


def test_every_kind_becomes_a_rule_in_a_fixed_order(tools) -> None:
    label = tools.said(
        "oj",
        ("substitute", "apple juice", 0.7),
        ("broader", "juice", 0.8),
        ("synonym", "orange juice", 0.97),
        shelf="juice",
    )
    selection = tools.select(label)
    assert [(r.kind, r.target, r.reach) for r in selection.rules()] == [
        ("category", "juice", "query"),
        ("synonym", "orange juice", "words"),
        ("broader", "juice", "query"),
        ("substitute", "apple juice", "query"),
    ]
    # By kind, counted from 21 November: 90 days are 20 February, 180 are 20 May.
    assert [r.expires for r in selection.rules()] == [
        date(2027, 2, 19), date(2027, 5, 20), date(2027, 2, 19), date(2027, 2, 19),
    ]  # fmt: skip
    assert selection.origin.models == ("by-hand",) and selection.origin.verdict is None


def test_an_id_follows_from_what_is_said_alone(tools) -> None:
    first = tools.select(tools.said("oj", ("synonym", "orange juice", 0.97)))
    second = tools.select(tools.said("oj", ("synonym", "orange juice", 0.9), model="another"), tools.said("milk"))
    assert {r.id for r in first.rules()} < {r.id for r in second.rules()}
    assert first.origin.release != second.origin.release
    assert rule_id("synonym", "a b", "c") != rule_id("synonym", "a", "b c")


def test_what_is_not_sure_enough_is_left_out_by_kind_and_counted(tools) -> None:
    labels = [tools.said("oj", ("synonym", "orange juice", 0.79), ("broader", "juice", 0.6), sure=0.5, shelf="juice")]
    selection = tools.select(*labels)
    assert [r.kind for r in selection.rules()] == ["category", "broader"]
    assert selection.left_out == {"low_confidence": 1}
    strict = tools.select(*labels, policy=Policy.of(least_confidence=0.6))
    assert [r.kind for r in strict.rules()] == ["synonym", "broader"]


def test_what_has_expired_is_left_out_and_counted(tools) -> None:
    label = tools.said("oj", ("synonym", "orange juice", 0.97), ("broader", "juice", 0.9))
    last_day, first_without = date(2027, 2, 18), date(2027, 2, 19)
    assert tools.select(label, today=last_day).left_out == {}
    selection = tools.select(label, today=first_without)
    assert [r.kind for r in selection.rules()] == ["synonym"]
    assert selection.left_out == {"expired": 2}


def test_an_export_of_nothing_but_expired_rules_is_refused(tools) -> None:
    release = tools.release([tools.said("oj")])
    soon = Policy.of(expires_days=1)
    refused = pytest.raises(ReleaseError, match="all 1 rules have expired")
    with refused, select_rules(release, policy=soon, today=date(2026, 11, 22)):
        pass


def test_an_answer_that_says_nothing_gives_no_rules(tools) -> None:
    assert list(tools.select(tools.said("12345", shelf=None, mark=None)).rules()) == []


@pytest.mark.parametrize(
    ("query", "target", "held"),
    [
        ("oj", "orange juice", None),
        ("vernors soda", "vernors ginger ale", None),
        ("1% milk", "low fat milk", "signs"),
        ("diet cola", "cola 0%", "signs"),
        ("🥤 cup", "soda cup", "signs"),
        ("apples", "red apples", "adds_words"),
        ("cheddar cheese", "cheddar", "drops_words"),
        ("t-shirt", "shirt", "drops_words"),
        ("shirt", "t-shirt", "adds_words"),
        ("ice-cream", "ice cream", "adds_words"),
        ("t-shirt", "tshirt", None),
    ],
)
def test_words_that_lose_signs_or_only_add_or_drop_some_hold_for_the_whole_query(tools, query, target, held) -> None:
    assert reach_of(tools.select(tools.said(query, ("synonym", target, 0.95))), query, target) == held


def test_a_word_that_means_something_else_in_a_longer_query_holds_for_the_whole_query(tools) -> None:
    ice = tools.said("ice", *ICE, shelf="ice")
    assert reach_of(tools.select(ice), "ice", "frozen water") is None
    both = tools.select(ice, tools.said("vanilla ice cream", shelf="cream"))
    assert reach_of(both, "ice", "frozen water") == "elsewhere"
    # A longer query of the same branch, or one that nobody understood, says nothing against it.
    soda = [("synonym", "fizzy drink", 0.9)]
    same = tools.select(
        tools.said("soda", *soda, shelf="soft"),
        tools.said("cola soda", shelf="cola"),
        tools.said("soda xyz", shelf=None),
        tools.said("sodas", shelf="milk"),
    )
    assert reach_of(same, "soda", "fizzy drink") is None


def test_a_target_that_means_something_else_holds_for_the_whole_query(tools) -> None:
    found = tools.select(tools.said("fizz", ("synonym", "sour milk", 0.9)), tools.said("sour milk", shelf="milk"))
    assert reach_of(found, "fizz", "sour milk") == "unlike"


def test_one_word_must_be_a_product_read_one_way_and_not_short_for_more(tools) -> None:
    def held(*, query: str = "string", **answer) -> str | None:
        return reach_of(
            tools.select(tools.said(query, ("synonym", "cheese sticks", 0.9), **answer)), query, "cheese sticks"
        )

    assert held() is None
    assert held(sure=0.89) == "two_readings"
    assert held(value="String cheese") == "short_for"
    assert held(value="cheese strings") is None
    assert held(query="ice", value="ice-cream") == "short_for"
    assert held(query="t-shirt", value="t-shirt dress") == "short_for"
    assert held(query="t-shirt", sure=0.89) == "two_readings"
    assert held(mark="occasion") == "no_product"
    assert held(query="snack night", mark=None) == "no_product"
    assert held(query="snack cheese", sure=0.6) is None


def test_a_misspelling_that_somebody_let_pass_in_a_longer_query_holds_for_the_whole_query(tools) -> None:
    bubbly = tools.said("bubbly", ("spelling", "bubly", 0.95))
    assert reach_of(tools.select(bubbly), "bubbly", "bubly") is None
    assert reach_of(tools.select(bubbly, tools.said("bubbly wine")), "bubbly", "bubly") == "elsewhere"
    mended = tools.said("bubbly can", ("spelling", "bubly can", 0.95))
    assert reach_of(tools.select(bubbly, mended), "bubbly", "bubly") is None
    target = tools.said("prosecco", ("broader", "bubbly wine", 0.9))
    assert reach_of(tools.select(bubbly, target), "bubbly", "bubly") == "elsewhere"


@pytest.mark.parametrize("other", ["ice-cream", "ice&cream", "vanilla ice-cream", "ice'cream"])
def test_words_are_those_of_the_engine_whatever_sign_parts_them(tools, other) -> None:
    ice = tools.said("ice", ("synonym", "frozen water", 0.95), shelf="ice")
    held = None if other == "ice'cream" else "elsewhere"  # one word, for an engine too
    assert reach_of(tools.select(ice, tools.said(other, shelf="cream")), "ice", "frozen water") == held


@pytest.mark.parametrize("query", ["7-up", "7 up"])
def test_another_query_of_the_same_words_counts(tools, query) -> None:
    mend = tools.said(query, ("spelling", "7up", 0.95))
    [other] = {"7-up", "7 up"} - {query}
    assert reach_of(tools.select(mend), query, "7up") is None
    assert reach_of(tools.select(mend, tools.said(other)), query, "7up") == "elsewhere"
    assert reach_of(tools.select(mend, tools.said(other, ("spelling", "seven up", 0.9))), query, "7up") is None
    synonym = tools.said(query, ("synonym", "lemonade", 0.95), shelf="soft")
    assert reach_of(tools.select(synonym, tools.said(other, shelf="cola")), query, "lemonade") is None
    assert reach_of(tools.select(synonym, tools.said(other, shelf="milk")), query, "lemonade") == "elsewhere"


def test_a_misspelling_that_somebody_let_pass_before_a_hyphen_holds_for_the_whole_query(tools) -> None:
    cofee = tools.said("cofee", ("spelling", "coffee", 0.95), shelf="juice")
    assert reach_of(tools.select(cofee, tools.said("cofee-mate", shelf="milk")), "cofee", "coffee") == "elsewhere"


def test_the_synonyms_of_a_misspelt_query_hold_for_the_whole_query(tools) -> None:
    found = tools.select(
        tools.said("aples", ("spelling", "apples", 0.98), ("synonym", "pome fruit", 0.9), shelf="apples")
    )
    assert reach_of(found, "aples", "pome fruit") == "misspelt"


def test_an_altered_release_is_refused(tools) -> None:
    release = tools.release([tools.said("oj")])
    (release / "taxonomy.json").write_bytes((release / "taxonomy.json").read_bytes().replace(b"Juice", b"Juize"))
    refused = pytest.raises(ReleaseError, match=r"taxonomy\.json")
    with refused, select_rules(release, policy=Policy(), today=date(2026, 11, 22)):
        pass


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "Querywise"},
        {"name": ""},
        {"text_fields": ()},
        {"text_fields": ("title^x",)},
        {"text_fields": ('title"',)},
        {"category_field": "a b"},
        {"boost": 0.0},
        {"boost": float("nan")},
        {"rules_per_set": 10_001},
        {"rules_per_set": 0},
    ],
)
def test_names_and_numbers_that_no_index_has_are_mistakes(settings) -> None:
    with pytest.raises(UserError):
        ExportSettings(**settings)


@pytest.mark.parametrize("policy", [{"least_confidence": 1.1}, {"least_confidence": float("nan")}, {"expires_days": 0}])
def test_a_policy_that_cannot_be_is_a_mistake(policy) -> None:
    with pytest.raises(UserError):
        Policy.of(**policy)


def test_expiry_is_counted_in_utc_days() -> None:
    assert Policy().expiry("category", datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == date(2027, 2, 28)
