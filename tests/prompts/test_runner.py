"""The runner against a real server on this machine, through litellm: retries, refusals, the budget, the ledger."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from domain.errors import CompletionError, PromptError
from prompts import Account, CompletionRequest, Runner
from prompts.budget import Budget
from prompts.cache import CompletionCache
from prompts.ledger import Ledger, most_spent, read_charges, read_ledger
from prompts.prices import Price, price_of
from prompts.providers import LiteLLM

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

MODEL = "openai/local"
USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 60}}
# Dollars per million: 100 tokens in, of which 60 at half price, and 10 out: (40 x 2 + 60 x 1 + 10 x 8) / 1e6.
PRICE = {"input": 2.0, "cached": 1.0, "output": 8.0}
COST = 220e-6


def request_of(text: str, **more) -> CompletionRequest:
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": text})
    usual = {"model": MODEL, "messages": messages, "schema": {}, "parameters": {"max_tokens": 20}}
    return CompletionRequest(**(usual | more))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch) -> None:
    monkeypatch.setattr("prompts.runner._FIRST_WAIT", 0.01)


@pytest.fixture
def complete(chat_server, tmp_path):
    """Complete requests at once with one runner; what raises is returned in its place."""

    def run(*texts: str, **more):
        async def go():
            with CompletionCache(tmp_path / "cache") as cache, Ledger(tmp_path / "ledger") as ledger:
                price: Price | None = price_of(MODEL, override=more.pop("price", PRICE))
                timeout = more.pop("timeout", 10.0)
                how = {name: more.pop(name) for name in ("nonce", "parameters") if name in more}
                runner = Runner(
                    LiteLLM(MODEL, api_base=chat_server.url, timeout=timeout),
                    account=Account(run="r", shop="corner", price=price),
                    cache=cache,
                    ledger=ledger,
                    **more,
                )
                async with runner:
                    asked = (runner.complete(request_of(text, **how), prompt="p@1") for text in texts)
                    return runner.tally, await asyncio.gather(*asked, return_exceptions=True)

        return asyncio.run(go())

    return run


def ledger_of(tmp_path: Path):
    return read_ledger(tmp_path / "ledger")


def test_a_completion_is_in_cache_and_ledger_with_its_price(chat_server, complete, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    tally, [completion] = complete("milk")
    assert completion.content == "an answer"
    assert completion.usage == {"prompt_tokens": 100, "completion_tokens": 10, "cached_tokens": 60}
    [line] = ledger_of(tmp_path).rows(named=True)
    assert (line["tokens_in"], line["tokens_cached"], line["tokens_out"]) == (100, 60, 10)
    assert line["price"] == pytest.approx(COST)
    assert (line["price_source"], line["prompt"], line["shop"], line["route"]) == ("shop.toml", "p@1", "corner", "sync")
    assert (tally.completions, tally.tokens_in, tally.tokens_cached, tally.tokens_out) == (1, 100, 60, 10)
    again, [same] = complete("milk")
    assert same == completion
    assert (again.completions, again.from_cache, len(chat_server.requests)) == (0, 1, 1)
    assert ledger_of(tmp_path).height == 1


def test_an_unknown_price_or_count_is_unknown_in_the_ledger(chat_server, complete, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer")
    tally, _ = complete("milk", price=None)
    [line] = ledger_of(tmp_path).rows(named=True)
    assert [line[name] for name in ("tokens_in", "tokens_cached", "tokens_out", "price", "price_source")] == [None] * 5
    assert (tally.unpriced, tally.uncounted, tally.price) == (1, 1, 0.0)


def test_the_same_request_at_once_is_asked_once(chat_server, complete) -> None:
    chat_server.delay = 0.1
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    tally, answers = complete(*["milk"] * 20)
    assert len(chat_server.requests) == 1
    assert {answer.content for answer in answers} == {"an answer"}
    assert (tally.completions, tally.from_cache) == (1, 19)


def test_a_nonce_asks_again_and_the_model_does_not_see_it(chat_server, complete) -> None:
    chat_server.respond = lambda _, number: chat_server.said(f"answer {number}", USAGE)
    answers = [complete("milk", nonce=nonce)[1][0].content for nonce in ("", "one", "two", "one")]
    assert answers == ["answer 0", "answer 1", "answer 2", "answer 1"]
    assert chat_server.requests[0] == chat_server.requests[1]


def test_too_many_requests_are_asked_again_after_the_time_that_was_said(chat_server, complete) -> None:
    slow = chat_server.reply({"error": {"message": "slow down"}}, 429, {"Retry-After": "1"})
    chat_server.respond = lambda _, number: slow if number == 0 else chat_server.said("an answer", USAGE)
    began = asyncio.new_event_loop()
    start = began.time()
    tally, [completion] = complete("milk")
    assert began.time() - start >= 1.0
    began.close()
    assert completion.content == "an answer"
    assert tally.retries == {"rate_limited": 1}


def test_who_is_told_to_come_back_tomorrow_gives_up(chat_server, complete) -> None:
    later = chat_server.reply({"error": {"message": "quota"}}, 429, {"Retry-After": "86400"})
    chat_server.respond = lambda *_: later
    _, [error] = complete("milk")
    assert isinstance(error, CompletionError)
    assert (error.kind, error.retry_after, len(chat_server.requests)) == ("rate_limited", 86400.0, 1)


@pytest.mark.parametrize(
    ("status", "body", "kind", "asked"),
    [
        (500, {"error": {"message": "broken"}}, "provider_error", 4),
        (429, {"error": {"message": "slow down"}}, "rate_limited", 10),
        (400, {"error": {"message": "bad request"}}, "provider_error", 1),
        (400, {"error": {"message": "max context length", "code": "context_length_exceeded"}}, "too_long", 1),
        (400, {"error": {"message": "no", "code": "content_policy_violation"}}, "refused", 2),
    ],
)
def test_each_kind_of_failure_is_asked_as_often_as_it_is_worth(
    chat_server, complete, tmp_path, status, body, kind, asked
) -> None:
    chat_server.respond = lambda *_: chat_server.reply(body, status)
    _, [error] = complete("milk")
    assert isinstance(error, CompletionError)
    assert (error.kind, len(chat_server.requests)) == (kind, asked)
    assert ledger_of(tmp_path).height == 0


def test_a_server_that_does_not_answer_in_time_is_a_timeout(chat_server, complete, monkeypatch) -> None:
    chat_server.delay = 0.6
    _, [error] = complete("milk", timeout=0.2)
    assert isinstance(error, CompletionError)
    assert (error.kind, len(chat_server.requests)) == ("timeout", 4)


def test_a_refusal_is_asked_twice_paid_for_twice_and_kept(chat_server, complete, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.said(None, USAGE, refusal="I would rather not.")
    _, [error] = complete("milk")
    assert isinstance(error, CompletionError)
    assert (error.kind, str(error)) == ("refused", f"{MODEL} will not answer: I would rather not.")
    assert (len(chat_server.requests), ledger_of(tmp_path).height) == (2, 2)
    _, [again] = complete("milk")
    assert (again.kind, len(chat_server.requests)) == ("refused", 2)


def test_a_filter_counts_as_a_refusal_and_a_cut_answer_says_so(chat_server, complete) -> None:
    chat_server.respond = lambda *_: chat_server.said("", USAGE, finish="content_filter")
    _, [error] = complete("filtered")
    assert error.kind == "refused"
    chat_server.respond = lambda *_: chat_server.said("an ans", USAGE, finish="length")
    _, [completion] = complete("cut")
    assert completion.finish == "length"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_key_that_is_refused_stops_the_run_at_once(chat_server, complete, status) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "bad key"}}, status)
    tally, errors = complete(*(f"milk {i}" for i in range(50)), concurrency=1)
    assert {error.kind for error in errors} == {"provider_error"}
    assert Counter("not asked" in str(error) for error in errors) == {False: 1, True: 49}
    assert len(chat_server.requests) == 1
    assert "bad key" in str(errors[-1])


def test_after_the_first_answer_it_takes_five_in_a_row_to_stop(chat_server, complete) -> None:
    bad = chat_server.reply({"error": {"message": "revoked"}}, 401)
    chat_server.respond = lambda _, number: chat_server.said("an answer", USAGE) if number in (0, 3) else bad
    complete(*(f"milk {i}" for i in range(50)), concurrency=1)
    # One answer, two refusals, an answer, then five.
    assert len(chat_server.requests) == 9


def test_the_budget_is_never_passed_and_what_it_paid_for_is_kept(chat_server, complete, tmp_path) -> None:
    chat_server.delay = 0.01
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    ceiling = 0.02
    _, results = complete(*(f"milk {i}" for i in range(150)), budget=Budget(ceiling), concurrency=20)
    errors = [result for result in results if isinstance(result, CompletionError)]
    spent = ledger_of(tmp_path)["price"].sum()
    assert {error.kind for error in errors} == {"over_budget"}
    assert len(results) - len(errors) == ledger_of(tmp_path).height
    # It stops when the next might pass the ceiling, and that is its upper bound, some three times what it cost.
    assert ceiling - 5 * COST < spent <= ceiling


def test_a_timeout_counts_against_the_budget_as_the_most_it_may_have_cost(chat_server, complete) -> None:
    chat_server.delay = 0.5
    budget = Budget(0.004)
    _, [error] = complete("milk", timeout=0.1, budget=budget)
    assert error.kind in ("timeout", "over_budget")
    assert 0 < budget.spent <= 0.004


def test_an_answer_that_says_nothing_is_paid_for_and_kept(chat_server, complete, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.said("", USAGE)
    budget = Budget(0.005)
    texts = [f"milk {i}" for i in range(50)]
    _, results = complete(*texts, budget=budget, concurrency=1)
    asked = len(chat_server.requests)
    assert 0 < asked < 50
    assert {result.content for result in results[:asked]} == {""}
    assert {error.kind for error in results[asked:]} == {"over_budget"}
    assert budget.spent == pytest.approx(asked * COST)
    assert ledger_of(tmp_path)["price"].sum() == pytest.approx(asked * COST)
    # What was paid for is not paid for again.
    tally, _ = complete(*texts[:asked])
    assert (tally.from_cache, len(chat_server.requests)) == (asked, asked)


@pytest.mark.parametrize("silence", ["timeout", "no usage"])
def test_what_nobody_knows_the_price_of_counts_at_every_start(chat_server, complete, tmp_path, silence) -> None:
    late = chat_server.reply({"error": {"message": "too late"}}, 408)
    chat_server.respond = lambda *_: late if silence == "timeout" else chat_server.said("an answer")

    def start(number: int) -> Budget:
        budget = Budget(0.02, spent=most_spent(tmp_path / "ledger", "r"))
        complete(*(f"milk {number} {i}" for i in range(50)), budget=budget, concurrency=1)
        return budget

    first = start(1)
    asked = len(chat_server.requests)
    assert 0 < asked < 50
    again = start(2)
    assert again.spent == pytest.approx(first.spent)
    assert len(chat_server.requests) == asked
    # An estimate is no price: nothing is known to be spent.
    assert read_charges(tmp_path / "ledger")["price"].null_count() == asked


def test_a_timeout_is_in_the_ledger_and_is_no_completion(chat_server, complete, tmp_path) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "too late"}}, 408)
    budget = Budget(1.0)
    complete("milk", budget=budget)
    assert ledger_of(tmp_path).height == 0
    lines = read_charges(tmp_path / "ledger")
    assert lines.height == len(chat_server.requests) == 4
    assert (lines["price"].null_count(), set(lines["answered"]), set(lines["model"])) == (4, {False}, {MODEL})
    assert lines["key"].unique().to_list() == [request_of("milk").key]
    assert lines["reserved"].sum() == pytest.approx(budget.spent)
    # Also without a budget, for a later start may have one; and where no price is known, nor is the most.
    complete("milk")
    assert read_charges(tmp_path / "ledger")["reserved"].sum() == pytest.approx(2 * budget.spent)
    complete("milk", price=None)
    assert read_charges(tmp_path / "ledger")["reserved"].null_count() == 4


@pytest.mark.parametrize("parameters", [{}, {"max_tokens": -1}])
def test_a_budget_needs_a_limit_to_the_length_of_answers(chat_server, complete, parameters) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    _, [error] = complete("milk", parameters=parameters, budget=Budget(1.0))
    assert isinstance(error, PromptError)
    assert str(error).startswith("p@1 sets no limit to the length of an answer") and "max_tokens" in error.hint
    assert not chat_server.requests
    _, [completion] = complete("milk", parameters=parameters)
    assert completion.content == "an answer"
    # What is kept costs nothing.
    _, [kept] = complete("milk", parameters=parameters, budget=Budget(1.0))
    assert kept == completion


@pytest.mark.parametrize(
    "parameters", [{"max_completion_tokens": 32_000}, {"max_tokens": 20, "max_completion_tokens": 32_000}]
)
def test_the_most_that_is_set_aside_is_what_is_asked_for(chat_server, complete, parameters) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    # 32,000 tokens at 8 dollars a million are 0.256.
    _, [error] = complete("milk", parameters=parameters, budget=Budget(0.25))
    assert (error.kind, len(chat_server.requests)) == ("over_budget", 0)
    _, [completion] = complete("milk", parameters=parameters, budget=Budget(0.27))
    assert completion.content == "an answer"


def test_requests_a_minute_are_spaced(chat_server, complete) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    loop = asyncio.new_event_loop()
    start = loop.time()
    complete(*(f"milk {i}" for i in range(11)), requests_per_minute=600)
    assert loop.time() - start >= 1.0
    loop.close()


def test_a_full_disk_fails_the_request_and_not_in_silence(chat_server, complete, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE)
    monkeypatch.setattr(Ledger, "append", lambda _, lines: full() if list(lines) else None)
    _, [error] = complete("milk")
    assert isinstance(error, OSError)


def test_what_is_loaded_is_not_searched_for_garbage_while_a_run_is_on(chat_server, complete) -> None:
    frozen: list[int] = []

    def respond(_, number):
        frozen.append(gc.get_freeze_count())
        return chat_server.said("an answer", USAGE)

    chat_server.respond = respond
    before = gc.get_freeze_count()
    complete("milk", "cola", "chips", concurrency=1)
    assert frozen[0] == before < frozen[-1]
    assert gc.get_freeze_count() == before
