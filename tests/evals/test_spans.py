from __future__ import annotations

import pytest

from domain.text import normalise
from evals.spans import Place, Span, find_place, overlap_any


def place(text: str, start: int | None, query: str) -> tuple[int, int]:
    found = find_place(text, start, query=query, normalized=normalise(query))
    return found.start, found.end


def test_a_start_may_count_in_the_typed_or_in_the_normal_form() -> None:
    # "  Red,  RED shoes" reads "red red shoes": the second RED is typed at 8 and stands at 4.
    assert place("RED", 8, "  Red,  RED shoes") == (4, 7)
    assert place("red", 4, "  Red,  RED shoes") == (4, 7)
    assert place("Red", 2, "  Red,  RED shoes") == (0, 3)


def test_whole_words_go_before_parts_of_words() -> None:
    assert place("tv", None, "atvs and tv") == (9, 11)
    assert place("16", None, "16gb card") == (0, 2)


def test_a_text_that_is_not_there_is_refused() -> None:
    for text, start in [("blue", None), ("", None), ("?", None), ("shoes", 1)]:
        with pytest.raises(ValueError, match="is not"):
            place(text, start, "red shoes")


def test_overlap_needs_a_shared_character_and_the_same_type() -> None:
    span = Span(place=Place(start=4, end=7), type="color")
    assert overlap_any(span, [Span(place=Place(start=6, end=9), type="color")])
    assert not overlap_any(span, [Span(place=Place(start=7, end=9), type="color")])
    assert not overlap_any(span, [Span(place=Place(start=4, end=7), type="brand")])
