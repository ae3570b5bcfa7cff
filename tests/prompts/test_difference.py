"""What differs between two prompts: whole lines, words in lines, parameters and schema."""

from __future__ import annotations

from dataclasses import replace

from prompts import PromptFile, list_prompts, load_prompt
from prompts.difference import Piece, diff_prompts
from prompts.prompt_file import parse_prompt

TEXT = """+++
name = "understand"
version = 1
task = "understand"
schema = "understand"
parameters = { temperature = 0.0 }
+++

=== system ===
You serve {{ shop }}.
Be brief and be right in all that you say.
Answer in JSON.
=== user ===
<query>{{ query }}</query>
"""


def prompt(*changes: tuple[str, str]) -> PromptFile:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_prompt(text)


def test_equal_prompts_do_not_differ() -> None:
    assert diff_prompts(prompt(), prompt()) == []
    # The version is a name, and no difference in what is said.
    assert diff_prompts(prompt(), prompt(("version = 1", "version = 2"))) == []


def test_the_words_that_differ_are_marked_in_their_line() -> None:
    [found] = diff_prompts(prompt(), prompt(("be right in", "be exact in")))
    assert found.part == "system"
    assert found.pieces == (
        Piece(kind="same", text="Be brief and be "),
        Piece(kind="removed", text="right "),
        Piece(kind="added", text="exact "),
        Piece(kind="same", text="in all that you say."),
    )


def test_a_line_that_is_another_is_gone_and_new() -> None:
    found = diff_prompts(prompt(), prompt(("Answer in JSON.", "Never guess an id.\nStop.")))
    assert [[(piece.kind, piece.text) for piece in difference.pieces] for difference in found] == [
        [("removed", "Answer in JSON.")],
        [("added", "Never guess an id.")],
        [("added", "Stop.")],
    ]


def test_parameters_schema_and_user_part_are_told_apart() -> None:
    old, new = prompt(), prompt(("temperature = 0.0", "temperature = 0.5"), ("</query>", "</query>!"))
    new = replace(new, schema={**new.schema, "title": "t"})
    assert {difference.part for difference in diff_prompts(old, new)} == {"parameters", "schema", "user"}


def test_both_texts_can_be_put_together_again() -> None:
    a, b = load_prompt("understand@1"), load_prompt("understand@3")

    def lines(kinds: set[str]) -> set[str]:
        found = diff_prompts(a, b)
        return {"".join(p.text for p in d.pieces if p.kind in kinds) for d in found if d.part == "system"} - {""}

    assert lines({"same", "removed"}) <= {*a.system.splitlines()}
    assert lines({"same", "added"}) <= {*b.system.splitlines()}
    assert {line for line in b.system.splitlines() if line} - {*a.system.splitlines()} == lines({"same", "added"})


def test_any_two_prompts_that_ship_can_be_compared() -> None:
    shipped = list_prompts()
    for a in shipped:
        for b in shipped:
            assert (diff_prompts(a, b) == []) == (a.id == b.id)
