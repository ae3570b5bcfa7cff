"""litellm against a real server on this machine: what is sent, and what every odd reply becomes."""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from domain.errors import CompletionError
from prompts import CompletionRequest, LabelRun, label_queries, load_prompt
from prompts.cache import CompletionCache
from prompts.providers import Cached, LiteLLM

pytestmark = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")

MODEL = "openai/local"
USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}


@pytest.fixture
def provider(chat_server) -> LiteLLM:
    return LiteLLM(MODEL, api_base=chat_server.url)


@pytest.fixture
def request_() -> CompletionRequest:
    prompt = load_prompt("understand@1")
    messages = ({"role": "system", "content": "s"}, {"role": "user", "content": "crème"})
    return CompletionRequest(model=MODEL, messages=messages, schema=prompt.schema, parameters=prompt.parameters)


def test_a_request_arrives_as_it_was_hashed(chat_server, provider, request_) -> None:
    chat_server.respond = lambda body, number: chat_server.said("an answer", USAGE)
    completion = asyncio.run(provider.complete(request_))
    assert (completion.key, completion.content, completion.model) == (request_.key, "an answer", MODEL)
    assert completion.usage == {"prompt_tokens": 12, "completion_tokens": 3}
    assert chat_server.paths == {"/v1/chat/completions"}
    [body] = chat_server.requests
    assert body == {
        "model": "local",
        "messages": [*request_.messages],
        "temperature": 0.0,
        "max_tokens": 1500,
        # A server that litellm does not know gets the schema the way llama.cpp takes it.
        "response_format": {"type": "json_object", "schema": request_.schema},
    }


def test_a_model_with_structured_output_is_given_the_schema(chat_server, request_) -> None:
    chat_server.respond = lambda body, number: chat_server.said("{}")
    known = LiteLLM("gpt-4o-mini", api_base=chat_server.url)
    request = CompletionRequest(**{**vars(request_), "model": "gpt-4o-mini"})
    asyncio.run(known.complete(request))
    assert chat_server.requests[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": request_.schema},
    }


def test_usage_that_the_provider_does_not_give_is_not_made_up(chat_server, provider, request_) -> None:
    chat_server.respond = lambda body, number: chat_server.said("an answer")
    assert asyncio.run(provider.complete(request_)).usage == {}


@pytest.mark.parametrize(
    ("status", "body", "retryable"),
    [
        (429, {"error": {"message": "slow down"}}, True),
        (408, {"error": {"message": "too late"}}, True),
        (500, {"error": {"message": "broken"}}, True),
        (503, b"<html>busy</html>", True),
        (400, {"error": {"message": "bad request"}}, False),
        (401, {"error": {"message": "bad key"}}, False),
        (404, {"error": {"message": "no such model"}}, False),
        (200, {"id": "x", "choices": []}, False),
        (200, b"<html>hello</html>", True),
        (200, {}, True),
        (200, {"error": "overloaded"}, False),
    ],
)
def test_a_reply_that_is_no_completion_is_an_error_that_says_whether_to_ask_again(
    chat_server, provider, request_, status, body, retryable
) -> None:
    chat_server.respond = lambda *_: chat_server.reply(body, status)
    with pytest.raises(CompletionError) as caught:
        asyncio.run(provider.complete(request_))
    assert caught.value.retryable is retryable
    assert str(caught.value).startswith(MODEL)
    # Asking again is for label_queries to decide, which counts it.
    assert len(chat_server.requests) == 1


@pytest.mark.parametrize("content", ["", None])
def test_an_empty_completion_is_not_asked_for_again(chat_server, provider, request_, content) -> None:
    chat_server.respond = lambda *_: chat_server.said(content)
    with pytest.raises(CompletionError, match="answered with nothing") as caught:
        asyncio.run(provider.complete(request_))
    assert not caught.value.retryable


def test_nobody_at_the_address_is_worth_another_try(request_, chat_server) -> None:
    nobody = LiteLLM(MODEL, api_base="http://127.0.0.1:9/v1")
    with pytest.raises(CompletionError) as caught:
        asyncio.run(nobody.complete(request_))
    assert caught.value.retryable


def test_half_a_surrogate_pair_can_be_kept(chat_server, provider, request_, tmp_path: Path) -> None:
    chat_server.respond = lambda *_: chat_server.said("half \ud800 pair")
    cache = CompletionCache(tmp_path)
    completion = asyncio.run(Cached(provider, cache).complete(request_))
    assert completion.content == "half ? pair"
    assert asyncio.run(Cached(provider, cache).complete(request_)) == completion
    assert len(chat_server.requests) == 1
    cache.close()


@pytest.fixture
def label(corner, make_context, provider):
    def run(*queries: str, concurrency: int = 8) -> LabelRun:
        contexts = [make_context(query) for query in queries]
        asked = label_queries(
            contexts,
            teacher=corner.teacher(contexts),
            provider=provider,
            context_fingerprint="f",
            concurrency=concurrency,
        )
        return asyncio.run(asked)

    return run


def test_too_many_requests_is_asked_again_a_second_later(chat_server, label, answer) -> None:
    replies = [chat_server.reply({"error": {"message": "slow down"}}, 429), chat_server.said(answer.text())]
    chat_server.respond = lambda _, number: replies[number]
    began = time.perf_counter()
    run = label("milk")
    assert [x.query for x in run.labels] == ["milk"]
    assert len(chat_server.requests) == 2
    assert time.perf_counter() - began > 0.9


def test_a_server_that_stays_broken_is_a_failure_to_try_again_after_three_tries(chat_server, label) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "broken"}}, 500)
    run = label("milk")
    assert run.failed == {"try_again": 1}
    assert len(chat_server.requests) == 3


def test_what_asking_again_will_not_mend_is_asked_once(chat_server, label) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "no such model"}}, 404)
    run = label("milk")
    assert run.failed == {"provider_error": 1}
    assert "no such model" in run.failures[0].detail
    assert len(chat_server.requests) == 1


def test_an_answer_is_repaired_once(chat_server, label, answer) -> None:
    replies = [chat_server.said('{"need": "x"}'), chat_server.said(answer.text(need="Milk."))]
    chat_server.respond = lambda _, number: replies[number]
    run = label("milk")
    assert (len(run.labels), run.repaired) == (1, 1)
    [first, second] = [body["messages"] for body in chat_server.requests]
    assert second[:2] == first
    assert second[2] == {"role": "assistant", "content": '{"need": "x"}'}
    assert "spelling: Field required" in second[3]["content"]


def test_an_answer_that_is_wrong_twice_is_a_failure(chat_server, label) -> None:
    chat_server.respond = lambda *_: chat_server.said("I would rather not.")
    run = label("milk")
    assert (run.labels, run.failed, run.repaired) == ((), {"unparseable": 1}, 0)
    assert "Invalid JSON" in run.failures[0].detail
    assert len(chat_server.requests) == 2


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_are_in_flight_than_was_said(chat_server, label, answer, concurrency) -> None:
    chat_server.delay = 0.1
    chat_server.respond = lambda *_: chat_server.said(answer.text())
    queries = [f"milk {i}" for i in range(9)]
    run = label(*queries, concurrency=concurrency)
    assert [x.query for x in run.labels] == queries
    # A busy machine may not get to three at once, but it gets past one.
    assert min(concurrency, 2) <= chat_server.most_in_flight <= concurrency
