"""Token counts: exact where the tokenizer is here, else an interval that holds, and a bound that nothing exceeds."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts import CompletionRequest, load_prompt
from prompts.tokens import bundled_encoding, count_tokens, most_tokens

bundled = pytest.mark.skipif(find_spec("litellm") is None, reason="litellm, of the llm extra, brings the tokenizers")

GREETING = "hello world"  # Two tokens in o200k_base: "hello" and " world".


def asking(*texts: str, schema: dict[str, Any] | None = None, role: str = "user") -> CompletionRequest:
    messages = tuple({"role": role, "content": text} for text in texts)
    return CompletionRequest(model="m", messages=messages, schema=schema or {}, parameters={})


def exact(requests: Sequence[CompletionRequest], model: str = "gpt-4o-mini") -> int:
    count = count_tokens(model, requests)
    assert count.low == count.high
    return count.low


@bundled
def test_a_message_is_its_role_its_text_and_three_more() -> None:
    # 3 for the message, 1 for "user", 2 for the text, 3 for the answer's beginning.
    assert exact([asking(GREETING)]) == 9
    # Two messages of 3 + 1 + 2, and 3.
    assert exact([asking(GREETING, GREETING)]) == 15
    assert exact([asking(GREETING)] * 1000) == 9000
    assert exact([]) == 0


@bundled
def test_a_schema_is_counted_without_what_is_not_shown() -> None:
    # {" type ":" object "} are 5 tokens, and 9 stand around a schema.
    assert exact([asking(GREETING, schema={"type": "object"})]) == 9 + 5 + 9
    strict = {"type": "object", "additionalProperties": False, "required": [], "$schema": "x"}
    assert exact([asking(GREETING, schema=strict)]) == 9 + 5 + 9
    nested = {"type": "object", "properties": {"a": {"type": "object"}}}
    left_out = {"type": "object", "properties": {"a": {"type": "object", "required": ["b"]}}, "required": ["a"]}
    assert exact([asking(GREETING, schema=nested)]) == exact([asking(GREETING, schema=left_out)])


@bundled
def test_what_looks_like_a_control_token_is_text() -> None:
    # "<", "|", "end", "of", "text", "|", ">" instead of 2.
    assert exact([asking("<|endoftext|>")]) == 9 - 2 + 7


@bundled
@pytest.mark.parametrize(
    ("model", "tokenizer"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-4.1", "o200k_base"),
        ("openai/gpt-5-mini", "o200k_base"),
        ("azure/gpt-4o", "o200k_base"),
        ("openrouter/openai/o3-mini", "o200k_base"),
        ("ft:gpt-4o-mini:shop::id", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("openai/gemma", None),
        ("azure/our-deployment", None),
        # Another frame around its messages, and a tokenizer that is not bundled.
        ("groq/openai/gpt-oss-120b", None),
        ("openai/gpt2", None),
        ("ollama/gpt-4o", None),
        ("anthropic/claude-haiku-4-5", None),
        ("claude", None),
        ("", None),
        ("/", None),
    ],
)
def test_the_tokenizer_is_known_by_the_models_name(model: str, tokenizer: str | None) -> None:
    assert count_tokens(model, [asking(GREETING)]).tokenizer == tokenizer


@bundled
def test_an_encoding_that_is_not_on_this_machine_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: reached.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: reached.append(args))
    assert bundled_encoding("r50k_base") is None
    assert bundled_encoding("no_such_encoding") is None
    assert bundled_encoding("o200k_base") is not None
    assert bundled_encoding("cl100k_base") is not None
    assert reached == []


def test_without_a_tokenizer_there_is_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    monkeypatch.setitem(sys.modules, "tiktoken.model", None)
    count = count_tokens("gpt-4o-mini", [asking(GREETING)])
    assert count.tokenizer is None
    assert count.low < 9 < count.high


def test_the_interval_is_of_bytes() -> None:
    def bounds(*requests: CompletionRequest) -> tuple[int, int]:
        count = count_tokens("other/model", requests)
        return count.low, count.high

    # 100 x 0.19 + 3 + 3, and 100 x 0.38 + 16 + 350.
    assert bounds(asking("a" * 100)) == (25, 404)
    # 50 letters of two bytes: 100 x 0.09 + 6, and as many as the bytes, since 1.3 x 100 is more: 100 + 366.
    assert bounds(asking("é" * 50)) == (15, 466)
    # 60 bytes of ASCII and 40 others: 11.4 + 3.6 + 6, and 22.8 + 52 + 366, rounded away.
    assert bounds(asking("a" * 60 + "é" * 20)) == (21, 441)
    # A schema of 17 bytes may be shown or not: 17 x 0.38.
    assert bounds(asking("a" * 100, schema={"type": "object"})) == (25, 411)
    # One text in two requests, and two texts in one.
    assert bounds(asking("a" * 100), asking("a" * 100)) == (50, 808)
    assert bounds(asking("a" * 100, "b" * 100)) == (47, 458)
    assert bounds() == (0, 0)


@bundled
@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base", "p50k_base"])
def test_a_real_prompt_lies_in_the_interval(name: str) -> None:
    prompt = load_prompt("understand@1")
    encoding = bundled_encoding(name)
    assert encoding is not None
    for query in (
        "whole milk 1 gallon",
        "süßkartoffelpüree ohne zwiebeln",
        "беспроводная мышь",
        "静音无线鼠标",
        "🥛🍞",
    ):
        system = prompt.system.replace("{{ shop }}", f"{query} shop")
        user = f"<query>{query}</query>\n" + f"- {query}: 12 clicks, 3 carts, 1 purchase\n" * 30
        request = asking(system, user, schema=dict(prompt.schema))
        shown = sum(len(encoding.encode_ordinary(text)) for text in (system, user, json.dumps(prompt.schema)))
        count = count_tokens("other/model", [request])
        assert count.low < shown < count.high < most_tokens(request)
        assert count.high < 4 * count.low


@pytest.fixture
def many() -> Iterator[Callable[[int], list[CompletionRequest]]]:
    system = "You work for a shop. " * 100

    def make(count: int) -> list[CompletionRequest]:
        return [asking(system, f"query {i}: " + "wireless mouse, 3 clicks; " * (1 + i % 17)) for i in range(count)]

    yield make


@bundled
def test_of_very_many_texts_a_sample_is_counted(many) -> None:
    requests = many(6000)
    # In parts of 1,500 every text is counted.
    whole = sum(exact(requests[at : at + 1500]) for at in range(0, 6000, 1500))
    count = count_tokens("gpt-4o-mini", requests)
    assert count == count_tokens("gpt-4o-mini", requests)
    assert count.tokenizer == "o200k_base"
    assert count.low < whole < count.high
    assert count.high - count.low < whole / 50


@bundled
def test_a_text_that_outweighs_all_others_is_always_counted(many) -> None:
    # 120,000 tokens in one text: a sample that missed or drew it would be far off.
    huge = asking("hello world " * 60_000)
    light = many(3000)
    more = count_tokens("gpt-4o-mini", [*light, huge]).low - count_tokens("gpt-4o-mini", light).low
    assert more == pytest.approx(120_000, rel=0.02)


@bundled
def test_a_text_that_all_requests_share_is_counted_once() -> None:
    # 200 MB if it were counted for each request, which takes a minute.
    system = "You work for a shop. " * 10_000
    requests = [asking(system[:-1] + ".", f"query {i}") for i in range(1000)]
    began = time.perf_counter()
    count_tokens("gpt-4o-mini", requests)
    count_tokens("other/model", requests)
    assert time.perf_counter() - began < 10


@bundled
@pytest.mark.parametrize("text", [" " * 1_000_000, "a" * 300_000, "\0" * 1000, "half \ud800 pair", "a\u0301" * 1000])
def test_odd_text_is_counted_all_the_same(text: str) -> None:
    count = count_tokens("gpt-4o-mini", [asking(text)])
    assert 9 <= count.low == count.high <= most_tokens(asking(text))
    assert count_tokens("other/model", [asking(text)]).low > 0


def test_the_most_is_every_byte_and_room_around_it() -> None:
    # 4 of "user", 2 of "é", 16; twice the 2 of "{}"; 350.
    assert most_tokens(asking("é")) == 376
    # 6 of "system", 5, 16; twice the 18 of {"type": "object"}; 350.
    assert most_tokens(asking("abcde", role="system", schema={"type": "object"})) == 413


@bundled
@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=200), min_size=1, max_size=4))
def test_no_text_has_more_tokens_than_the_most(texts: list[str]) -> None:
    request = asking(*texts, schema={"type": "object"})
    for model in ("gpt-4o", "gpt-4"):
        assert exact([request], model) <= most_tokens(request)
    assert count_tokens("other/model", [request]).high <= most_tokens(request)
