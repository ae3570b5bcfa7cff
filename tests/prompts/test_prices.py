"""Prices: the arithmetic by hand, the shop's own table, and what is taken from litellm's list and what is not."""

from __future__ import annotations

import math
import socket
import sys
from importlib.metadata import version
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ModelError
from prompts.prices import Price, price_of


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every attempt to reach another process; each fails."""
    found: list[str] = []

    def refuse(*args: object, **_: object) -> None:
        found.append(repr(args))
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return found


needs_litellm = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

FULL = Price(
    input=2e-6,
    output=10e-6,
    cached=0.5e-6,
    cache_write=2.5e-6,
    batch_input=1e-6,
    batch_output=5e-6,
    batch_cached=0.25e-6,
    source="test",
)
BARE = Price(
    input=2e-6,
    output=10e-6,
    cached=None,
    cache_write=None,
    batch_input=None,
    batch_output=None,
    batch_cached=None,
    source="test",
)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50, "cached_tokens": 600, "cache_write_tokens": 100}


def test_each_kind_of_token_has_its_price() -> None:
    # 300 x 2 + 600 x 0.5 + 100 x 2.5 + 50 x 10 = 600 + 300 + 250 + 500 millionths.
    assert FULL.of(USAGE) == pytest.approx(1650e-6)
    # In a batch 300 x 1 + 600 x 0.25 + 100 x 1 x 2.5/2 + 50 x 5 = 300 + 150 + 125 + 250.
    assert FULL.of(USAGE, "batch") == pytest.approx(825e-6)


def test_a_cached_token_of_unknown_price_costs_the_full_one() -> None:
    # 1000 x 2 + 50 x 10.
    assert BARE.of(USAGE) == pytest.approx(2500e-6)


def test_the_price_of_a_batch_is_not_guessed() -> None:
    assert BARE.of(USAGE, "batch") is None


@pytest.mark.parametrize("count", [None, -1, 1.5, True, "12", math.nan])
def test_a_count_that_is_not_known_has_no_price(count: object) -> None:
    for name in ("prompt_tokens", "completion_tokens"):
        assert FULL.of({**USAGE, name: count}) is None
        assert FULL.of({key: value for key, value in USAGE.items() if key != name}) is None
    # Of the other two, one that is not known is one at the full price: 900 x 2 + 100 x 2.5 + 50 x 10.
    assert FULL.of({**USAGE, "cached_tokens": count}) == pytest.approx(2550e-6)


def test_no_more_tokens_are_cached_than_went_in() -> None:
    assert FULL.of({"prompt_tokens": 10, "completion_tokens": 0, "cached_tokens": 99}) == pytest.approx(5e-6)
    assert FULL.of({"prompt_tokens": 10, "completion_tokens": 0, "cache_write_tokens": 99}) == pytest.approx(25e-6)


def test_the_most_is_every_token_written_to_the_cache() -> None:
    # 1000 x 2.5 + 50 x 10.
    assert FULL.most(1000, 50) == pytest.approx(3000e-6)
    assert BARE.most(1000, 50) == pytest.approx(2500e-6)


counts = st.integers(min_value=0, max_value=10**6)
rates = st.floats(min_value=0, max_value=1e-3) | st.none()


@settings(deadline=None)
@given(counts, counts, counts, counts, rates, rates)
def test_nothing_costs_more_than_the_most(asked, answered, read, written, cached, cache_write) -> None:
    price = Price(**{**vars(BARE), "cached": cached, "cache_write": cache_write})
    cost = price.of(
        {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "cached_tokens": read,
            "cache_write_tokens": written,
        }
    )
    assert cost is not None
    assert 0 <= cost <= price.most(asked, answered) * (1 + 1e-9)


def test_the_table_of_the_shop_is_per_million_and_stands_alone() -> None:
    assert price_of("gpt-4o-mini", override={"input": 3, "output": 15.0}) == Price(
        input=3e-6,
        output=15e-6,
        cached=None,
        cache_write=None,
        batch_input=None,
        batch_output=None,
        batch_cached=None,
        source="shop.toml",
    )
    table = {"input": 3, "output": 15, "cached": 0.3, "cache_write": 3.75, "batch_input": 1.5, "batch_output": 7.5}
    price = price_of("openai/our-own", override={**table, "batch_cached": 0.15})
    assert price is not None
    assert price.batch_output == pytest.approx(7.5e-6)
    assert price.batch_cached == pytest.approx(0.15e-6)
    assert price.of({"prompt_tokens": 10**6, "completion_tokens": 0, "cached_tokens": 10**6}) == pytest.approx(0.3)


def test_a_shop_may_say_that_its_model_is_free() -> None:
    price = price_of("openai/our-own", override={"input": 0, "output": 0})
    assert price is not None
    assert price.of(USAGE) == 0.0


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"input": 1}, "lacks output"),
        ({"cached": 1}, "lacks input and output"),
        ({"input": 1, "output": 2, "batch_input": 1}, "lacks batch_output"),
        ({"input": 1, "output": 2, "outptu": 3}, "unknown key 'outptu'"),
        ({"input": -1, "output": 2}, "input is -1"),
        ({"input": 1, "output": math.inf}, "output is inf"),
        ({"input": 1, "output": math.nan}, "output is nan"),
        ({"input": 1, "output": True}, "output is True"),
        ({"input": "1", "output": 2}, "input is '1'"),
        ({"input": 1, "output": 2, "cached": None}, "cached is None"),
    ],
)
def test_a_table_that_holds_anything_else_is_refused(table, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint) as caught:
        price_of("gpt-4o-mini", override=table)
    assert "per million" in caught.value.hint


def test_without_litellm_only_the_table_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    assert price_of("gpt-4o-mini") is None
    assert price_of("gpt-4o-mini", override={"input": 1, "output": 2}) is not None


@needs_litellm
@pytest.mark.parametrize("name", ["gpt-4o-mini", "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"])
def test_a_listed_model_has_all_its_prices(name: str) -> None:
    price = price_of(name, override={})
    assert price is not None
    assert price.source == f"litellm {version('litellm')}"
    # Both providers sell a batch at half the price.
    assert price.batch_input == pytest.approx(price.input / 2)
    assert price.batch_output == pytest.approx(price.output / 2)
    assert price.cached is not None
    assert 0 < price.cached < price.input < price.output


@needs_litellm
def test_every_price_is_read_from_its_field() -> None:
    import litellm

    entry = {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 2e-6,
        "output_cost_per_token": 8e-6,
        "cache_read_input_token_cost": 1e-6,
        "cache_creation_input_token_cost": 3e-6,
        "input_cost_per_token_batches": 1.5e-6,
        "output_cost_per_token_batches": 4e-6,
        "cache_read_input_token_cost_batches": 0.5e-6,
    }
    litellm.register_model({"openai/priced": entry})
    assert price_of("openai/priced") == Price(
        input=2e-6,
        output=8e-6,
        cached=1e-6,
        cache_write=3e-6,
        batch_input=1.5e-6,
        batch_output=4e-6,
        batch_cached=0.5e-6,
        source=f"litellm {version('litellm')}",
    )
    # Reasoning is charged for as part of the answer.
    litellm.register_model({"openai/thinking": {**entry, "output_cost_per_reasoning_token": 9e-6}})
    thinking = price_of("openai/thinking")
    assert thinking is not None
    assert thinking.output == 9e-6
    for change in (
        {"input_cost_per_token": 0.0},
        {"output_cost_per_token": 0.0},
        {"output_cost_per_token": math.nan},
        {"mode": "embedding"},
    ):
        name = f"openai/odd-{next(iter(change))}-{next(iter(change.values()))}"
        litellm.register_model({name: {**entry, **change}})
        assert price_of(name) is None
    # A cached token for nothing is one whose price nobody wrote down.
    litellm.register_model({"openai/half": {**entry, "cache_read_input_token_cost": 0.0}})
    half = price_of("openai/half")
    assert half is not None
    assert half.cached is None


@needs_litellm
@pytest.mark.parametrize(
    "name",
    [
        "openai/some-local-name",
        "azure/our-deployment",
        "hosted_vllm/our-model",
        "huggingface/someone/model",
        "gpt-9",
        "gemini/gemini-9-pro",
        "gemini/gemini-exp-1206",
        "text-embedding-3-small",
        "dashscope/qwen-flash",
        "ollama/gpt-oss:120b-cloud",
        "claude",
        "",
        "/",
        "openai/",
        "\0",
        "x" * 10_000,
    ],
)
def test_what_litellm_does_not_price_is_unknown_and_nobody_is_asked_or_told(name: str, reached, capfd) -> None:
    assert price_of(name) is None
    assert reached == []
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", ["ollama/llama3", "ollama_chat/never-heard-of", "lm_studio/x", "lemonade/x"])
def test_what_runs_on_ones_own_machine_is_free_and_nobody_is_asked(name: str, reached) -> None:
    price = price_of(name)
    assert price is not None
    assert (price.of(USAGE), price.of(USAGE, "batch"), price.most(1000, 50)) == (0.0, None, 0.0)
    assert reached == []
