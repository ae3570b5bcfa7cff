"""Batches to a provider and back, through litellm, against a server on this machine that fails in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from domain.errors import CompletionError, ModelError, UserError
from prompts import CompletionRequest
from prompts.batch import (
    BatchAPI,
    BatchRecord,
    BatchRecords,
    Limits,
    PolledBatch,
    export_batch,
    poll_batch,
    provider_of,
    submit_batch,
)
from prompts.cache import CompletionCache
from prompts.ledger import read_ledger
from prompts.prices import Price
from tests.prompts.batch_server import KEY, BatchServer, run_batch_server

pytestmark = [
    pytest.mark.skipif(find_spec("litellm") is None, reason="needs the llm extra"),
    # litellm silences this when it is imported, and pytest forgets that with the test that imported it.
    pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning"),
]

ROOT = Path(__file__).resolve().parents[2]
MODEL = "openai/local"
# A server's USAGE costs (100 - 60) x 1 + 60 x 0.5 + 20 x 4 = 150 millionths of a dollar.
PRICE = Price(
    input=1.0,
    output=1.0,
    cached=1.0,
    cache_write=None,
    batch_input=1e-6,
    batch_output=4e-6,
    batch_cached=0.5e-6,
    source="shop.toml",
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with run_batch_server() as running:
        yield running


@dataclass
class Desk:
    """A work folder from which batches are submitted."""

    folder: Path
    server: BatchServer
    cache: CompletionCache

    @property
    def records(self) -> BatchRecords:
        return BatchRecords(self.folder / "batches")

    @property
    def api(self) -> BatchAPI:
        return BatchAPI(provider="openai", api_base=self.server.url)

    def intend(self, *texts: str, limits: Limits | None = None) -> list[BatchRecord]:
        asked = [asking(text) for text in texts]
        files = export_batch(self.records.folder / "new.jsonl", asked, limits=limits)
        prompts = {request.key: "understand@1#x" for request in asked}
        where = {"provider": "openai", "api_base": self.server.url, "model": MODEL}
        return [self.records.intend(file, prompts=prompts, **where) for file in files]

    def submit(self, *texts: str) -> BatchRecord:
        [record] = self.intend(*texts)
        return submit_batch(record, records=self.records, api=self.api, pause=lambda _: None)

    def resume(self) -> BatchRecord:
        [record] = self.records.all()
        return submit_batch(record, records=self.records, api=self.api, again=True, pause=lambda _: None)

    def poll(self) -> PolledBatch:
        [record] = self.records.all()
        return poll_batch(
            record,
            records=self.records,
            api=self.api,
            shop="corner",
            cache=self.cache,
            ledger=self.folder / "ledger",
            price=PRICE,
        )

    def charges(self) -> list[tuple[Any, ...]]:
        return read_ledger(self.folder / "ledger").select("run", "prompt", "key", "price").sort("key").rows()


@pytest.fixture
def desk(tmp_path: Path, server: BatchServer) -> Iterator[Desk]:
    with CompletionCache(tmp_path / "cache") as cache:
        yield Desk(folder=tmp_path, server=server, cache=cache)


def asking(text: str) -> CompletionRequest:
    messages = ({"role": "system", "content": "rules"}, {"role": "user", "content": text})
    return CompletionRequest(model=MODEL, messages=messages, schema={"type": "object"}, parameters={})


def on(body: dict[str, Any]) -> str:
    return str(body["messages"][1]["content"])


def answering(**odd: dict[str, Any]) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Answer each request with its text, but some with what was said for them."""
    return lambda body, number: odd.get(on(body)) or BatchServer.answered(f"on {on(body)}")


def contents(desk: Desk, *texts: str) -> list[str | None]:
    found = [desk.cache.get(asking(text).key) for text in texts]
    return [completion and completion.content for completion in found]


def test_a_batch_goes_out_and_comes_back(desk, server) -> None:
    server.answer = answering()
    record = desk.submit("milk", "soda")
    assert (record.batch_id, record.status, record.requests) == ("batch_0", "validating", 2)
    assert server.asked == [asking("milk").key, asking("soda").key]
    assert server.names == {"file-0": f"{record.name}.jsonl"}
    assert server.batches["batch_0"]["metadata"] == {
        "querywise_batch": record.name,
        "querywise_sha256": record.digest,
    }
    polled = desk.poll()
    assert polled.record == replace(record, status="completed", imported=True)
    result = polled.result
    assert result and (result.imported, result.missing, result.price) == (2, 0, pytest.approx(300e-6))
    assert contents(desk, "milk", "soda") == ["on milk", "on soda"]
    keys = sorted(asking(text).key for text in ("milk", "soda"))
    assert desk.charges() == [("batch_0", "understand@1#x", key, pytest.approx(150e-6)) for key in keys]
    # What was uploaded can be made again; what came back was paid for.
    names = sorted(path.name.removeprefix(record.name) for path in desk.records.folder.iterdir())
    assert names == [".json", ".keys.jsonl", ".output.jsonl"]
    assert desk.records.under_way() == set()


def test_a_batch_that_is_under_way_is_asked_about_again(desk, server) -> None:
    server.polls = 2
    desk.submit("milk")
    for _ in range(2):
        polled = desk.poll()
        assert (polled.record.status, polled.result, polled.complaint) == ("in_progress", None, "")
        assert desk.records.under_way() == {asking("milk").key}
    assert desk.poll().record.imported
    assert contents(desk, "milk") == ["{}"]


def test_what_failed_in_a_batch_is_missing(desk, server) -> None:
    server.answer = answering(soda=server.failed("invalid_request", "no soda"))
    desk.submit("milk", "soda", "ale")
    result = desk.poll().result
    assert result and (result.imported, result.missing, result.rejected) == (2, 1, {"error": 1})
    assert result.complaint == "no soda"
    assert contents(desk, "milk", "soda", "ale") == ["on milk", None, "on ale"]


@pytest.mark.parametrize("ends", ["expired", "cancelled"])
def test_a_batch_that_ends_early_gives_what_it_has(desk, server, ends) -> None:
    code = {"expired": "batch_expired", "cancelled": "batch_cancelled"}[ends]
    server.ends = ends
    server.answer = answering(soda=server.failed(code), ale=server.failed(code))
    desk.submit("milk", "soda", "ale")
    polled = desk.poll()
    assert (polled.record.status, polled.record.imported) == (ends, True)
    assert polled.result and (polled.result.imported, polled.result.missing) == (1, 2)
    assert polled.result.rejected == {{"cancelled": "canceled"}.get(ends, ends): 2}
    assert desk.records.under_way() == set()


def test_a_batch_that_the_provider_refuses_as_a_whole_says_why(desk, server) -> None:
    server.answer = answering()
    [record] = desk.intend("milk")
    path = desk.records.file_of(record)
    path.write_text(path.read_text().replace('"POST"', '"GET"'))
    submit_batch(record, records=desk.records, api=desk.api)
    polled = desk.poll()
    assert (polled.record.status, polled.complaint) == ("failed", "line 1 is for /v1/chat/completions")
    assert polled.result and (polled.result.imported, polled.result.missing) == (0, 1)


def test_polling_twice_imports_nothing_twice(desk, server) -> None:
    server.answer = answering()
    record = desk.submit("milk")
    assert desk.poll().record.imported
    charges = desk.charges()
    # As a kill between import and record would leave it.
    desk.records.save(replace(record, status="completed"))
    again = desk.poll().result
    assert again and (again.imported, again.known, again.missing, again.price) == (0, 1, 0, 0.0)
    assert desk.charges() == charges


@pytest.mark.parametrize("route", ["upload", "create", "retrieve", "content"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_provider_in_trouble_is_asked_again(desk, server, route, status) -> None:
    server.answer = answering()
    server.troubles = {route: [status, status]}
    desk.submit("milk")
    assert desk.poll().record.imported
    assert server.calls.count(route) == 3
    assert (len(server.batches), contents(desk, "milk")) == (1, ["on milk"])


def test_trouble_that_lasts_is_told_and_another_poll_goes_on(desk, server) -> None:
    server.answer = answering()
    desk.submit("milk")
    server.troubles = {"retrieve": [500] * 3, "content": [500] * 3}
    for name in ("retrieve_batch", "file_content"):
        polled = desk.poll()
        assert polled.complaint.startswith(f"openai: {name}: ") and not polled.stuck
        assert not polled.record.imported and contents(desk, "milk") == [None]
    assert desk.poll().record.imported
    assert contents(desk, "milk") == ["on milk"]


def test_a_batch_whose_making_was_not_heard_of_is_found_and_not_made_again(desk, server) -> None:
    def lose_the_answer(route: str) -> None:
        if route == "create":
            raise ConnectionError("the line broke")

    server.handled = lose_the_answer
    record = desk.submit("milk")
    assert (record.batch_id, len(server.batches)) == ("batch_0", 1)
    assert server.calls == ["upload", "create", "list"]


def test_a_provider_that_stays_out_of_reach_keeps_what_was_done(desk, server) -> None:
    server.troubles = {"create": [503] * 4}
    with pytest.raises(CompletionError, match="create_batch"):
        desk.submit("milk")
    [record] = desk.records.all()
    assert (record.status, record.file_id, record.batch_id) == ("uploaded", "file-0", None)
    assert desk.records.under_way() == {asking("milk").key}
    polled = desk.poll()
    assert polled.stuck and "not submitted yet" in polled.complaint
    assert desk.resume().batch_id == "batch_0"
    assert server.calls.count("upload") == 1


def test_a_refusal_for_good_is_forgotten_so_that_it_can_be_submitted_again(desk, server) -> None:
    server.troubles = {"create": [400]}
    with pytest.raises(CompletionError, match="create_batch"):
        desk.submit("milk")
    assert desk.records.all() == [] and [*desk.records.folder.iterdir()] == []
    assert server.calls == ["upload", "create"]
    assert desk.submit("milk").batch_id == "batch_0"


def test_a_wrong_key_is_a_mistake(desk, server, monkeypatch) -> None:
    desk.submit("milk")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    polled = desk.poll()
    assert polled.stuck and "wrong key" in polled.complaint
    with pytest.raises(ModelError, match="wrong key") as caught:
        submit_batch(desk.intend("soda")[0], records=desk.records, api=desk.api)
    assert "OPENAI_API_KEY" in caught.value.hint
    assert len(desk.records.all()) == 1


def test_a_batch_is_found_by_its_mark_among_many(desk, server) -> None:
    wanted = desk.submit("milk")
    for i in range(250):
        server.batches[f"other_{i}"] = server.batches["batch_0"] | {"id": f"other_{i}", "metadata": None}
    found = desk.api.find(wanted.name, since=wanted.created)
    assert found and found.id == "batch_0"
    assert server.calls.count("list") == 3
    assert desk.api.find("unknown", since=wanted.created) is None
    # What is older than the submission is not looked through.
    for i, batch in enumerate(server.batches.values()):
        batch["created_at"] -= 3 * 86_400 if i < 240 else 0
    calls = server.calls.count("list")
    assert desk.api.find(wanted.name, since=wanted.created) is None
    assert server.calls.count("list") == calls + 1


SUBMIT = """
import sys
from pathlib import Path
from prompts.batch import BatchAPI, BatchRecords, submit_batch
records = BatchRecords(Path(sys.argv[1]))
for record in records.all():
    api = BatchAPI(provider=record.provider, api_base=record.api_base)
    submit_batch(record, records=records, api=api, again=True)
"""


def test_a_submission_that_is_killed_is_finished_and_never_made_twice(desk, server) -> None:
    names = [record.name for record in desk.intend("milk", "soda", limits=Limits(requests=1, bytes=10**6))]
    # The provider has done it, and we have not heard of it.
    for route, batches in (("upload", 0), ("create", 1)):
        with subprocess.Popen([sys.executable, "-c", SUBMIT, str(desk.records.folder)], cwd=ROOT) as process:
            pid = process.pid
            server.handled = lambda done, route=route, pid=pid: os.kill(pid, signal.SIGKILL) if done == route else None
            assert process.wait(60) == -signal.SIGKILL
        assert [record.batch_id for record in desk.records.all()] == [None, None]
        assert len(server.batches) == batches
    server.handled = lambda done: None
    for record in desk.records.all():
        submit_batch(record, records=desk.records, api=desk.api, again=True)
    made = desk.records.all()
    assert [record.name for record in made] == names
    assert sorted(server.asked) == sorted(asking(text).key for text in ("milk", "soda"))
    marks = {batch_id: batch["metadata"]["querywise_batch"] for batch_id, batch in server.batches.items()}
    assert marks == {record.batch_id: record.name for record in made}


def test_files_that_were_never_submitted_are_tidied_away(desk) -> None:
    record = desk.submit("milk")
    kept = sorted(path.name for path in desk.records.folder.iterdir())
    for name in ("new.jsonl", "new-001.jsonl", ".x.jsonl.77.tmp", f"{record.name[:-1]}x.keys.jsonl", "other.jsonl"):
        (desk.records.folder / name).write_text("left by a kill")
    desk.records.tidy()
    assert sorted(path.name for path in desk.records.folder.iterdir()) == kept


@pytest.mark.parametrize("content", ["", "{}", "no", '{"name": 1}', "[" * 9999])
def test_a_record_that_cannot_be_read_is_named(desk, content) -> None:
    desk.records.folder.mkdir()
    (desk.records.folder / "odd.json").write_text(content)
    with pytest.raises(UserError, match=r"odd\.json is no record of a batch"):
        desk.records.all()


def test_a_folder_without_batches_has_none(tmp_path) -> None:
    records = BatchRecords(tmp_path / "none")
    records.tidy()
    assert (records.all(), records.under_way(), [*tmp_path.iterdir()]) == ([], set(), [])


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5-mini", "openai"),
        ("openai/anything", "openai"),
        ("azure/mine", "azure"),
        ("hosted_vllm/x", "hosted_vllm"),
    ],
)
def test_who_makes_the_batches_of_a_model(model, provider) -> None:
    assert provider_of(model, api_base="http://127.0.0.1:9/v1") == provider


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("anthropic/claude-haiku-4-5", "makes no batches with anthropic"),
        ("claude-haiku-4-5", "makes no batches with anthropic"),
        ("ollama/llama3", "makes no batches with ollama"),
        ("by-hand", "knows no provider of by-hand"),
        ("hosted_vllm/x", "needs the address of its server"),
    ],
)
def test_what_litellm_makes_no_batches_of_is_said_with_a_way_out(model, said, capsys) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        provider_of(model)
    assert caught.value.hint
    assert capsys.readouterr().out == ""


def test_a_server_of_ones_own_is_spoken_to_alike(desk, server) -> None:
    server.answer = answering()
    where = {"provider": "hosted_vllm", "api_base": server.url, "model": "hosted_vllm/local"}
    [file] = export_batch(desk.records.folder / "new.jsonl", [replace(asking("milk"), model="hosted_vllm/local")])
    record = desk.records.intend(file, prompts={}, **where)
    api = BatchAPI(provider="hosted_vllm", api_base=server.url)
    submit_batch(record, records=desk.records, api=api)
    [line] = [json.loads(text) for text in server.files["file-0"].splitlines()]
    assert line["body"]["model"] == "local"
    polled = poll_batch(
        desk.records.all()[0],
        records=desk.records,
        api=api,
        shop="corner",
        cache=desk.cache,
        ledger=desk.folder / "ledger",
        price=None,
    )
    assert polled.result and (polled.result.imported, polled.result.price) == (1, None)
