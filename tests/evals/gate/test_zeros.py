from __future__ import annotations

from dataclasses import replace

from domain.taxonomy import Taxonomy
from domain.understanding import Annotation, Category, Discovery, Rewrite, Understanding
from evals.gate import Found, count_zeros

CLEAN = Found(count=0, examples=())
PROMPT = "You label search queries of one shop. Answer with the ids of the candidates that shoppers expect, best first."


def answer(query: str = "cola", **parts: object) -> Understanding:
    made = Understanding(query=query, normalized=query, source="head", reason="precomputed", release="r")
    return replace(made, **parts)  # type: ignore[arg-type]


def rewrite(text: str) -> tuple[Rewrite, ...]:
    return (Rewrite(query=text, type="synonym", confidence=0.9),)


def idea(label: str = "more cola", *, category: str = "cola", products: tuple[str, ...] = ("p1",)) -> Discovery:
    return Discovery(label=label, query="cola", category_id=category, product_ids=products)


def count(tree: Taxonomy, *answers: Understanding, prompts: tuple[str, ...] = (PROMPT,)) -> dict[str, Found]:
    return dict(count_zeros(answers, tree, {"p1", "p2"}, prompts))


def test_a_clean_answer_has_nothing(tree: Taxonomy) -> None:
    good = answer(
        "cola zero",
        categories=(Category(id="cola", path=("Drinks", "Soda", "Cola"), confidence=0.9),),
        annotations=(Annotation(text="cola", start=0, end=4, type="product_type", value="Cola"),),
        rewrites=rewrite("coca-cola zero"),
        substitutes=(idea(),),
        complements=(idea("chips", products=("p1", "p2")),),
        next_queries=("ginger ale",),
    )
    assert count(tree, good) == {
        "unknown_categories": CLEAN,
        "unknown_products": CLEAN,
        "leaked_prompts": CLEAN,
        "misplaced_annotations": CLEAN,
        "unusable_texts": CLEAN,
    }
    assert set(count(tree).values()) == {CLEAN}


def test_ids_that_do_not_exist(tree: Taxonomy) -> None:
    bad = answer(
        categories=(Category(id="beer", path=(), confidence=None),),
        substitutes=(idea(category="wine"),),
        complements=(idea(products=("p1", "p9")),),
    )
    found = count(tree, bad)
    assert found["unknown_categories"] == Found(count=2, examples=("cola: beer", "cola: wine"))
    assert found["unknown_products"] == Found(count=1, examples=("cola: p9",))


def test_examples_are_few_and_the_count_is_whole(tree: Taxonomy) -> None:
    many = [answer(f"q{i}", categories=(Category(id="x" * 9000, path=(), confidence=None),)) for i in range(40)]
    found = count(tree, *many)["unknown_categories"]
    assert (found.count, len(found.examples)) == (40, 5)
    assert all(len(example) < 300 for example in found.examples)


def test_eight_words_of_a_prompt_are_a_leak(tree: Taxonomy) -> None:
    eight = "ANSWER with the ids of the candidates, that!"
    assert count(tree, answer(rewrites=rewrite(eight)))["leaked_prompts"].count == 1
    assert count(tree, answer(next_queries=("so: " + eight,)))["leaked_prompts"].count == 1
    assert count(tree, answer(substitutes=(idea(eight),)))["leaked_prompts"].count == 1
    span = Annotation(text="cola", start=0, end=4, type="brand", value=eight)
    assert count(tree, answer(annotations=(span,)))["leaked_prompts"].count == 1
    hidden = eight.replace("ids", "i\u200bds")
    assert count(tree, answer(rewrites=rewrite(hidden)))["leaked_prompts"].count == 1


def test_no_false_alarm(tree: Taxonomy) -> None:
    seven = "answer with the ids of the candidates"
    others = (
        "the ids with of answer that candidates the",  # the same words in another order
        seven,
        seven + " which",
        "organic whole milk one gallon glass bottle from local farm delivered",
        "x" * 5000,
        "",
    )
    for text in others:
        assert count(tree, answer(rewrites=rewrite(text)))["leaked_prompts"] == CLEAN, text
    assert count(tree, answer(rewrites=rewrite(others[3])), prompts=())["leaked_prompts"] == CLEAN
    assert count(tree, answer(rewrites=rewrite(others[3])), prompts=("", "too short"))["leaked_prompts"] == CLEAN


def test_what_the_shopper_typed_may_come_back(tree: Taxonomy) -> None:
    # Somebody pastes a piece of the prompt into the search box; a rewrite of it says nothing that was secret.
    typed = "answer with the ids of the candidates that shoppers"
    assert count(tree, answer(typed, rewrites=rewrite(typed)))["leaked_prompts"] == CLEAN
    assert count(tree, answer(typed, rewrites=rewrite(typed + " expect best first")))["leaked_prompts"].count == 1


def test_annotations_stand_where_they_say(tree: Taxonomy) -> None:
    def span(text: str, start: int, end: int) -> Annotation:
        return Annotation(text=text, start=start, end=end, type="brand", value=text)

    right = (span("cola", 0, 4), span("zero", 5, 9))
    wrong = (span("cola", 5, 9), span("", 2, 2), span("zero", -4, 9), span("zero", 5, 90), span("zero", -4, -0))
    assert count(tree, answer("cola zero", annotations=right))["misplaced_annotations"] == CLEAN
    assert count(tree, answer("cola zero", annotations=wrong))["misplaced_annotations"].count == 5


def test_texts_that_nobody_can_use(tree: Taxonomy) -> None:
    for text in ("", "  ", "!!", "co\x00la", "cola\n", "co\u202ela", "a\u2028b"):
        found = count(tree, answer(rewrites=rewrite(text)))["unusable_texts"]
        assert found.count == 1, repr(text)
        assert all(example.isprintable() for example in found.examples)
    assert count(tree, answer(next_queries=("\x1b[31m",)))["unusable_texts"].count == 1
    # A joiner within a word of an Indic script, or an emoji, is no control character.
    assert count(tree, answer(rewrites=rewrite("श्रीखण्ड क्‍ष")))["unusable_texts"] == CLEAN
