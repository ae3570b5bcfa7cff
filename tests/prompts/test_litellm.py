"""litellm against a real server on this machine: what is sent, and what every odd reply becomes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib.util import find_spec

import pytest

from domain.errors import CompletionError, ModelError
from prompts import CompletionRequest, load_prompt
from prompts.providers import LiteLLM

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


def test_nothing_is_queued_for_loggers_that_nobody_set_up(chat_server, provider, request_) -> None:
    """The queue would hold every request of a long run with its answer."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    chat_server.respond = lambda body, number: chat_server.said("an answer", USAGE)

    async def ask() -> None:
        await provider.complete(request_)
        await asyncio.sleep(0.01)  # litellm queues in a task of its own

    asyncio.run(ask())
    assert GLOBAL_LOGGING_WORKER._queue is None


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
    # Asking again is for the runner to decide, which counts it.
    assert len(chat_server.requests) == 1


@pytest.mark.parametrize("usage", [USAGE, None])
@pytest.mark.parametrize("content", ["", None])
def test_an_answer_that_says_nothing_is_a_completion_for_it_was_paid_for(
    chat_server, provider, request_, content, usage
) -> None:
    chat_server.respond = lambda *_: chat_server.said(content, usage)
    found = asyncio.run(provider.complete(request_))
    assert (found.content, found.finish) == ("", "stop")
    assert found.usage == ({"prompt_tokens": 12, "completion_tokens": 3} if usage else {})


def test_a_reply_without_an_answer_that_counts_tokens_was_paid_for(chat_server, provider, request_) -> None:
    chat_server.respond = lambda *_: chat_server.reply({"id": "x", "choices": [], "usage": USAGE})
    found = asyncio.run(provider.complete(request_))
    assert (found.content, found.usage) == ("", {"prompt_tokens": 12, "completion_tokens": 3})


def test_a_key_that_is_not_set_is_a_users_mistake_once_a_call_is_made(request_, chat_server, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    provider = LiteLLM("gpt-4o-mini")
    with pytest.raises(ModelError, match="gpt-4o-mini needs OPENAI_API_KEY, which is not set"):
        asyncio.run(provider.complete(request_))
    # A server of one's own may ask for none.
    assert asyncio.run(LiteLLM(MODEL, api_base=chat_server.url).complete(request_)).content == "{}"


def test_nobody_at_the_address_is_worth_another_try(request_, chat_server) -> None:
    nobody = LiteLLM(MODEL, api_base="http://127.0.0.1:9/v1")
    with pytest.raises(CompletionError) as caught:
        asyncio.run(nobody.complete(request_))
    assert caught.value.retryable


def test_half_a_surrogate_pair_can_be_kept(chat_server, provider, request_) -> None:
    chat_server.respond = lambda *_: chat_server.said("half \ud800 pair")
    assert asyncio.run(provider.complete(request_)).content == "half ? pair"


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens_details": {"cached_tokens": 8}}, {"cached_tokens": 8}),
        ({"prompt_tokens_details": {"cached_tokens": 0}}, {}),
        ({"prompt_tokens_details": None}, {}),
    ],
)
def test_what_the_provider_had_in_its_cache_is_counted(chat_server, provider, request_, usage, counted) -> None:
    chat_server.respond = lambda *_: chat_server.said("an answer", USAGE | usage)
    assert asyncio.run(provider.complete(request_)).usage == {"prompt_tokens": 12, "completion_tokens": 3} | counted


def test_a_model_that_caches_only_what_is_marked_is_sent_the_mark(chat_server, request_) -> None:
    # An OpenAI-compatible gateway in front of Claude; the static part comes first and is the part that is marked.
    chat_server.respond = lambda *_: chat_server.said("{}")
    model = "openai/claude-haiku-4-5"
    asyncio.run(LiteLLM(model, api_base=chat_server.url).complete(replace(request_, model=model)))
    [body] = chat_server.requests
    block = {"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}
    assert body["messages"][0] == {"role": "system", "content": [block]}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("nan", 0.0),
        ("soon", None),
        ("", None),
        (None, None),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True), pytest.approx(30, abs=3)),
    ],
)
def test_how_long_to_wait_is_read_from_the_reply(chat_server, provider, request_, header, seconds) -> None:
    text = header() if callable(header) else header
    headers = {} if text is None else {"Retry-After": text}
    chat_server.respond = lambda *_: chat_server.reply({"error": {"message": "slow down"}}, 429, headers)
    with pytest.raises(CompletionError) as caught:
        asyncio.run(provider.complete(request_))
    assert caught.value.retry_after == seconds


def test_nothing_waits_longer_than_its_time(chat_server, request_) -> None:
    chat_server.delay = 2.0
    began = time.perf_counter()
    with pytest.raises(CompletionError) as caught:
        asyncio.run(LiteLLM(MODEL, api_base=chat_server.url, timeout=0.2).complete(request_))
    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)
    assert time.perf_counter() - began < 1.5


@pytest.fixture
def endless() -> Iterator[str]:
    """A server that begins an answer and goes on with it, a few bytes at a time."""
    stopped = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)

    def talk(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(1)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{")
            while not stopped.wait(0.05):
                try:
                    connection.sendall(b" " * 10)
                except OSError:
                    return

    def serve() -> None:
        while not stopped.is_set():
            with suppress(TimeoutError):
                talk(listening.accept()[0])

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    stopped.set()
    thread.join()
    listening.close()


def test_an_answer_that_never_ends_is_a_timeout(endless, request_, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    began = time.perf_counter()
    with pytest.raises(CompletionError, match="no answer within 0.5 seconds") as caught:
        asyncio.run(LiteLLM(MODEL, api_base=endless, timeout=0.5).complete(request_))
    assert (caught.value.kind, caught.value.retryable) == ("timeout", True)
    assert time.perf_counter() - began < 5
