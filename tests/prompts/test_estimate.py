"""What a run will cost, worked by hand from bytes, tokens and prices."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from prompts import CompletionRequest, load_prompt
from prompts.estimate import Interval, estimate
from prompts.ledger import Ledger as LedgerFile
from prompts.ledger import LedgerLine, read_ledger
from prompts.prices import price_of
from prompts.teacher import Part

MODEL = "some/model"
# Dollars per million: in, out, and half of each in a batch.
TABLE = {"input": 1.0, "output": 10.0, "batch_input": 0.5, "batch_output": 5.0}
PRICE = price_of(MODEL, override=TABLE)
# The system text has 100 bytes and the user's 200, no schema: 300 x 0.19 + 2 messages of 3 and 3 to open, at least;
# at most 300 x 0.38, 16 a message, and 350 for what a provider adds.
LOW, HIGH = 57 + 6 + 3, 114 + 32 + 350


def part(text: str = "b" * 200, *, prompt: str = "understand@1", model: str = MODEL, **parameters) -> Part:
    messages = ({"role": "system", "content": "a" * 100}, {"role": "user", "content": text})
    request = CompletionRequest(model=model, messages=messages, schema={}, parameters={"max_tokens": 50} | parameters)
    return Part(prompt=load_prompt(prompt), request=request)


@pytest.fixture
def ledger(tmp_path: Path):
    """A ledger of completions, by how long each answer was."""

    def make(*tokens_out: int | None, model: str = MODEL, prompt: str = "understand@1"):
        line = LedgerLine(
            run="r",
            shop="s",
            prompt=load_prompt(prompt).id,
            model=model,
            key="k",
            route="sync",
            tokens_in=1,
            tokens_cached=None,
            tokens_out=1,
            price=None,
            price_source=None,
        )
        with LedgerFile(tmp_path) as file:
            file.append(replace(line, tokens_out=count) for count in tokens_out)
        return read_ledger(tmp_path)

    return make


def test_an_unknown_tokenizer_is_an_interval_by_the_bytes(ledger) -> None:
    found = estimate(MODEL, [part(), part()], in_cache=7, price=PRICE, ledger=ledger())
    assert (found.requests, found.in_cache, found.price_source) == (2, 7, "shop.toml")
    assert (found.tokens_in.low, found.tokens_in.high, found.tokens_in.tokenizer) == (2 * LOW, 2 * HIGH, None)
    # Two answers of 400 to 550 bytes, 0.19 to 0.38 tokens each.
    assert found.tokens_out == Interval(low=152, high=418)
    # 132 x 1 + 152 x 10 and 992 x 1 + 418 x 10, divided by a million.
    assert found.sync is not None and found.batch is not None
    assert (found.sync.low, found.sync.high) == (pytest.approx(1652e-6), pytest.approx(5172e-6))
    assert (found.batch.low, found.batch.high) == (pytest.approx(826e-6), pytest.approx(2586e-6))
    # Both answers as long as they may be: 992 x 1 + 100 x 10.
    assert found.most == pytest.approx(1992e-6)


def test_single_prompts_are_answered_at_their_own_length(ledger) -> None:
    parts = [part(prompt=name) for name in ("categories@1", "rewrites@1", "annotations@1")]
    found = estimate(MODEL, parts, in_cache=0, price=None, ledger=ledger())
    # (150 + 150 + 50) x 0.19 = 66.5, which rounds to the even 66; (350 + 350 + 250) x 0.38 = 361.
    assert found.tokens_out == Interval(low=66, high=361)


def test_nothing_to_ask_costs_nothing(ledger) -> None:
    found = estimate(MODEL, [], in_cache=3, price=PRICE, ledger=ledger())
    assert (found.requests, found.tokens_in.high, found.tokens_out.high, found.most) == (0, 0, 0, 0.0)
    assert found.sync == found.batch == Interval(low=0.0, high=0.0)


def test_a_price_that_is_not_known_stays_unknown(ledger) -> None:
    found = estimate(MODEL, [part()], in_cache=0, price=None, ledger=ledger())
    assert (found.sync, found.batch, found.most, found.price_source) == (None, None, None, None)
    assert found.tokens_in.low == LOW
    only_sync = price_of(MODEL, override={"input": 1.0, "output": 10.0})
    found = estimate(MODEL, [part()], in_cache=0, price=only_sync, ledger=ledger())
    assert found.sync is not None and found.batch is None and found.most is not None


def test_without_a_limit_nobody_knows_the_most(ledger) -> None:
    endless = part()
    endless = replace(endless, request=replace(endless.request, parameters={"temperature": 0.0}))
    found = estimate(MODEL, [part(), endless], in_cache=0, price=PRICE, ledger=ledger())
    assert found.most is None and found.sync is not None


def test_after_twenty_completions_the_ledger_knows(ledger) -> None:
    # Nineteen of 100 tokens are not enough, and what was not counted counts for nothing.
    found = estimate(MODEL, [part()], in_cache=0, price=PRICE, ledger=ledger(*[100] * 19, None))
    assert found.tokens_out == Interval(low=76, high=209)
    # With a twentieth of 300 the mean is (19 x 100 + 300) / 20 = 110; three answers have 330.
    found = estimate(MODEL, [part()] * 3, in_cache=0, price=PRICE, ledger=ledger(300))
    assert found.tokens_out == Interval(low=330, high=330)


def test_another_model_or_prompt_says_nothing_of_this_one(ledger) -> None:
    ledger(*[1000] * 20, model="another")
    lines = ledger(*[1000] * 20, prompt="understand@3")
    found = estimate(MODEL, [part(), part(prompt="understand@3")], in_cache=0, price=None, ledger=lines)
    # 76 to 209 for the first, 1000 for the second.
    assert found.tokens_out == Interval(low=1076, high=1209)


@pytest.mark.skipif(find_spec("litellm") is None or find_spec("tiktoken") is None, reason="needs the llm extra")
def test_a_known_tokenizer_counts_each_token(ledger) -> None:
    # " hello" and "hello" are one token each: 1 in the system, 4 for the user. Two messages of 3, their roles of 1, and
    # 3 that open the answer.
    messages = ({"role": "system", "content": "hello"}, {"role": "user", "content": "hello hello hello hello"})
    asked = part(model="gpt-4o-mini")
    asked = replace(asked, request=replace(asked.request, messages=messages))
    found = estimate("gpt-4o-mini", [asked], in_cache=0, price=PRICE, ledger=ledger())
    assert (found.tokens_in.low, found.tokens_in.high, found.tokens_in.tokenizer) == (16, 16, "o200k_base")
