"""Batch files out: each line as its provider reads it, each file within the provider's limits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from domain.errors import UserError
from prompts import CompletionRequest
from prompts.batch import LIMITS, Limits, export_batch, format_of, take_batch

MODEL = "openai/local"
needs_litellm = pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra")


@pytest.fixture
def requests(corner) -> list[CompletionRequest]:
    teacher = corner.teacher()
    return [teacher.ask(query).parts[0].request for query in ("milk", "ginger ale", "crème ½")]


def asking(text: str = "x", *, model: str = MODEL, **more: Any) -> CompletionRequest:
    messages = ({"role": "system", "content": "rules"}, {"role": "user", "content": text})
    return CompletionRequest(model=model, messages=messages, schema={"type": "object"}, **({"parameters": {}} | more))


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_request_goes_out_as_openai_reads_it(tmp_path, requests) -> None:
    [file] = export_batch(tmp_path / "in.jsonl", requests)
    assert (file.path, file.keys) == (tmp_path / "in.jsonl", tuple(request.key for request in requests))
    lines = read(file.path)
    assert [entry["custom_id"] for entry in lines] == [request.key for request in requests]
    [first, *_] = lines
    assert (first["method"], first["url"]) == ("POST", "/v1/chat/completions")
    assert first["body"] == {
        "model": "local",
        "messages": [dict(message) for message in requests[0].messages],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": requests[0].schema},
        },
        "temperature": 0.0,
        "max_tokens": 1500,
    }
    assert "crème ½" in lines[2]["body"]["messages"][1]["content"]


def test_a_request_goes_out_as_anthropic_reads_it(tmp_path) -> None:
    request = asking("crème", model="anthropic/claude-sonnet-4-5", parameters={"temperature": 0.0, "max_tokens": 1500})
    [file] = export_batch(tmp_path / "in.jsonl", [request], form="anthropic")
    assert read(file.path) == [
        {
            "custom_id": request.key,
            "params": {
                "model": "claude-sonnet-4-5",
                "system": [{"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}],
                "messages": [{"role": "user", "content": "crème"}],
                "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
                "max_tokens": 1500,
                "temperature": 0.0,
            },
        }
    ]


def test_anthropic_is_given_a_longest_answer_and_turns_where_the_prompt_has_none(tmp_path) -> None:
    request = replace(asking(model="claude-x"), messages=({"role": "user", "content": "q"},)).repair("no", "wrong")
    [file] = export_batch(tmp_path / "in.jsonl", [request], form="anthropic")
    [line] = read(file.path)
    assert "system" not in line["params"] and line["params"]["max_tokens"] == 4096
    assert [message["role"] for message in line["params"]["messages"]] == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("anthropic/claude-opus-5", "anthropic"),
        ("claude-haiku-4-5", "anthropic"),
        ("openai/gpt-5-mini", "openai"),
        ("gpt-5-mini", "openai"),
        ("openrouter/anthropic/claude-opus-5", "openai"),
        ("by-hand", "openai"),
    ],
)
def test_the_format_follows_from_the_name_of_the_model(model: str, form: str) -> None:
    assert format_of(model) == form


@needs_litellm
@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("openai/gpt-4.1-mini", {"temperature": 0.0, "max_tokens": 1500, "seed": 7, "top_k": 5}),
        # It takes neither max_tokens nor a temperature.
        ("openai/gpt-5-mini", {"max_completion_tokens": 1500, "seed": 7, "top_k": 5}),
        ("o3-mini", {"max_completion_tokens": 1500, "seed": 7, "top_k": 5}),
        ("openai/never-heard-of", {"temperature": 0.0, "max_tokens": 1500, "seed": 7, "top_k": 5}),
    ],
)
def test_parameters_go_out_as_the_model_takes_them(tmp_path, model: str, sent: dict[str, Any]) -> None:
    given = {"temperature": 0.0, "max_tokens": 1500, "seed": 7, "top_k": 5}
    [file] = export_batch(tmp_path / "in.jsonl", [asking(model=model, parameters=given)])
    [line] = read(file.path)
    assert {k: v for k, v in line["body"].items() if k not in ("model", "messages", "response_format")} == sent


@pytest.mark.parametrize("form", ["openai", "anthropic"])
def test_what_is_only_ours_is_in_the_hash_alone(tmp_path, form) -> None:
    ours = replace(asking(), api_base="http://secret.example", nonce="second-time")
    [file] = export_batch(tmp_path / "in.jsonl", [asking(), ours], form=form)
    assert len(set(file.keys)) == 2
    assert b"secret.example" not in file.path.read_bytes() and b"second-time" not in file.path.read_bytes()


@pytest.mark.parametrize("prefix", ["openai/", "azure/", "hosted_vllm/", "litellm_proxy/", ""])
def test_the_provider_is_asked_for_the_model_by_the_name_it_knows(tmp_path, prefix: str) -> None:
    request = asking(model=f"{prefix}vendor/name")
    [file] = export_batch(tmp_path / "in.jsonl", [request])
    [line] = read(file.path)
    assert (line["body"]["model"], line["custom_id"]) == ("vendor/name", request.key)


def test_the_hash_can_be_worked_out_from_the_exported_line(tmp_path, requests) -> None:
    export_batch(tmp_path / "in.jsonl", requests)
    for line in read(tmp_path / "in.jsonl"):
        body = line["body"]
        schema = body.pop("response_format")["json_schema"]["schema"]
        model, messages = f"openai/{body.pop('model')}", tuple(body.pop("messages"))
        again = CompletionRequest(model=model, messages=messages, schema=schema, parameters=body)
        assert again.key == line["custom_id"]


def test_limits_are_the_providers() -> None:
    assert (LIMITS["openai"].requests, LIMITS["openai"].bytes) == (50_000, 200_000_000)
    assert (LIMITS["anthropic"].requests, LIMITS["anthropic"].bytes) == (100_000, 256_000_000)


def test_what_is_too_many_for_one_file_goes_into_several(tmp_path) -> None:
    asked = [asking(str(i)) for i in range(5)]
    files = export_batch(tmp_path / "r.jsonl", asked, limits=Limits(requests=2, bytes=10**6))
    assert [file.path.name for file in files] == ["r-001.jsonl", "r-002.jsonl", "r-003.jsonl"]
    assert [len(file.keys) for file in files] == [2, 2, 1]
    assert [line["custom_id"] for file in files for line in read(file.path)] == [request.key for request in asked]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r-001.jsonl", "r-002.jsonl", "r-003.jsonl"]


def test_what_is_too_large_for_one_file_goes_into_several(tmp_path) -> None:
    asked = [asking(str(i)) for i in range(4)]
    [whole] = export_batch(tmp_path / "whole.jsonl", asked)
    line = whole.path.stat().st_size // 4
    fits = export_batch(tmp_path / "fits.jsonl", asked, limits=Limits(requests=9, bytes=4 * line))
    assert [file.path.name for file in fits] == ["fits.jsonl"]
    files = export_batch(tmp_path / "r.jsonl", asked, limits=Limits(requests=9, bytes=3 * line + 1))
    assert [len(file.keys) for file in files] == [3, 1]
    assert all(file.path.stat().st_size <= 3 * line + 1 for file in files)
    assert b"".join(file.path.read_bytes() for file in files) == whole.path.read_bytes()


def test_one_request_over_the_limit_is_refused_and_nothing_is_written(tmp_path) -> None:
    with pytest.raises(UserError, match="bytes, and a batch file holds 2,000"):
        limits = Limits(requests=9, bytes=2000)
        export_batch(tmp_path / "r.jsonl", [asking("a"), asking("b" * 2000)], limits=limits)
    assert [*tmp_path.iterdir()] == []


def test_an_export_leaves_no_file_of_an_earlier_one_to_be_uploaded_again(tmp_path) -> None:
    asked = [asking(str(i)) for i in range(3)]
    (tmp_path / "r-notes.jsonl").write_text("mine")
    (tmp_path / "r-1.txt").write_text("mine")
    export_batch(tmp_path / "r.jsonl", asked, limits=Limits(requests=1, bytes=10**6))
    export_batch(tmp_path / "r.jsonl", asked)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r-1.txt", "r-notes.jsonl", "r.jsonl"]
    export_batch(tmp_path / "r.jsonl", asked, limits=Limits(requests=2, bytes=10**6))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r-001.jsonl", "r-002.jsonl", "r-1.txt", "r-notes.jsonl"]


def test_a_request_that_is_given_twice_goes_out_once(tmp_path) -> None:
    [file] = export_batch(tmp_path / "r.jsonl", [asking("a"), asking("b"), asking("a")])
    assert file.keys == (asking("a").key, asking("b").key)
    assert len(read(file.path)) == 2


def test_an_export_that_is_interrupted_leaves_no_file(tmp_path, requests) -> None:
    def interrupted() -> Iterator[CompletionRequest]:
        yield requests[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_batch(tmp_path / "new" / "in.jsonl", interrupted())
    assert [*(tmp_path / "new").iterdir()] == []


def test_an_export_that_is_interrupted_leaves_the_file_before_it(tmp_path, requests) -> None:
    path = tmp_path / "in.jsonl"
    export_batch(path, requests)
    before = path.read_bytes()
    broken = replace(requests[0], parameters={"temperature": object()})
    with pytest.raises(TypeError):
        export_batch(path, [requests[1], broken])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.glob("*in*.jsonl*")] == ["in.jsonl"]


def test_nothing_to_ask_is_an_empty_file(tmp_path) -> None:
    [file] = export_batch(tmp_path / "in.jsonl", [])
    assert (file.keys, (tmp_path / "in.jsonl").read_bytes()) == ((), b"")


def test_half_a_surrogate_pair_does_not_stop_the_export(tmp_path) -> None:
    [file] = export_batch(tmp_path / "in.jsonl", [asking("half \ud800 pair")])
    assert read(file.path)[0]["body"]["messages"][1]["content"] == "half ? pair"


def test_an_exported_file_can_be_taken_as_it_is(tmp_path) -> None:
    [file] = export_batch(tmp_path / "in.jsonl", [asking("a"), asking("b")])
    taken = take_batch(file.path, tmp_path / "taken" / "in.jsonl", model=MODEL)
    assert (taken.path, taken.keys) == (tmp_path / "taken" / "in.jsonl", file.keys)
    assert taken.path.read_bytes() == file.path.read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text + text, "line 3 has a custom_id that was there before"),
        (lambda text: text + "hello\n", "line 3 is no request to openai/local"),
        (lambda text: text.replace('"model": "local"', '"model": "other"'), "line 1 is no request to openai/local"),
        (lambda text: text.replace("chat/completions", "embeddings"), "line 1 is no request"),
        (lambda text: '{"custom_id": "k", "params": {}}\n', "line 1 is no request"),
        (lambda text: "[" * 100_000, "line 1 is no request"),
        (lambda text: "", "holds no request"),
    ],
)
def test_a_file_that_a_provider_would_refuse_is_not_taken(tmp_path, change, said) -> None:
    [file] = export_batch(tmp_path / "in.jsonl", [asking("a"), asking("b")])
    file.path.write_text(change(file.path.read_text()))
    with pytest.raises(UserError, match=said):
        take_batch(file.path, tmp_path / "taken.jsonl", model=MODEL)


def test_a_file_that_is_not_there_is_not_taken(tmp_path) -> None:
    with pytest.raises(UserError, match=r"none\.jsonl cannot be read"):
        take_batch(tmp_path / "none.jsonl", tmp_path / "taken.jsonl", model=MODEL)
