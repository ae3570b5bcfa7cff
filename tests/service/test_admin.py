"""Moving a running service to another release: who may, what is answered, and that all workers come along."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ReleaseError
from release.current import current_release, move
from service import create_app
from service.access.keys import Key, make_secret, write_keys
from service.app import Service
from service.following.following import Followed, Following
from service.following.opening import Opener
from service.seen.board import Board
from service.seen.instruments import BOARD_VARIABLE
from service.serving import Serving
from service.settings import Settings

OTHER = 4711


@pytest.fixture
def releases(two_plain, tmp_path) -> Path:
    shutil.copytree(two_plain.releases, tmp_path / "releases", symlinks=True)
    for name in reversed(two_plain.names):
        move(tmp_path / "releases", name)
    return tmp_path / "releases"


@pytest.fixture
def keys(tmp_path) -> dict[str, Any]:
    made = {role: make_secret() for role in ("admin", "read")}
    now = datetime(2026, 11, 21, tzinfo=UTC)
    kept = [Key(name=role, role=role, prefix=one.prefix, digest=one.digest, created=now) for role, one in made.items()]
    write_keys(tmp_path / "keys.json", kept)
    return {"file": tmp_path / "keys.json", **{role: one.secret for role, one in made.items()}}


def post(port: int, path: str, key: str | None = None, body: bytes = b"", method: str = "POST") -> tuple[int, Any]:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def kind(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["type"].removeprefix("urn:querywise:problem:")


def test_without_keys_nobody_administers(release, ask_any):
    for path in ("/v1/admin/reload", "/v1/admin/rollback"):
        answer = ask_any(create_app(release), "POST", path, headers=())
        assert answer.problem()[:2] == (403, "forbidden") and "querywise keys add" in answer.json["detail"]


def test_a_service_of_one_release_says_so(release, ask_any, keys):
    app = create_app(release, settings=Settings(keys=keys["file"]))
    headers = ((b"authorization", f"Bearer {keys['admin']}".encode()),)
    for path in ("/v1/admin/reload", "/v1/admin/rollback"):
        assert ask_any(app, "POST", path, headers=headers).problem() == (409, "fixed-release", None)
        assert ask_any(app, "GET", path, headers=headers).problem()[0] == 405
        assert ask_any(app, "POST", path, headers=headers, body=b"{}").status == 409
        assert ask_any(app, "POST", path, headers=headers, body=b'{"x":1}').problem() == (422, "unknown-field", "x")
        assert ask_any(app, "POST", path, headers=headers, body=b"[]").problem()[0] == 422
        assert ask_any(app, "POST", path, headers=headers, body=b" " * 2000).problem()[0] == 413


def test_reload_and_rollback_of_two_workers(releases, two_plain, keys, run_service):
    first, second = two_plain.names
    options = ("--workers", "2", "--follow-seconds", "0.2", "--keys", str(keys["file"]))
    with run_service(releases, *options) as port:
        assert kind(post(port, "/v1/admin/reload")) == (401, "unauthorized")
        assert kind(post(port, "/v1/admin/reload", "qw_wrong")) == (403, "forbidden")
        assert kind(post(port, "/v1/admin/rollback", keys["read"])) == (403, "forbidden")
        for _ in range(600):  # the first worker answers before the second is there
            if len(post(port, "/v1/admin/reload", keys["admin"])[1]["workers"]) == 2:
                break
            time.sleep(0.05)
        move(releases, second)
        status, document = post(port, "/v1/admin/reload", keys["admin"], b"{}")
        assert (status, document["release"], document["previous"]) == (200, second, first)
        assert list(document["workers"].values()) == [{"release": second, "refused": None}] * 2
        status, document = post(port, "/v1/admin/rollback", keys["admin"])
        assert (status, document["release"], document["previous"]) == (200, first, second)
        assert list(document["workers"].values()) == [{"release": first, "refused": None}] * 2
        assert current_release(releases) == first
        workers = document["workers"]

        # What cannot be served is refused with its reason, and a worker that starts now serves what the others do.
        (releases / second / "taxonomy.json").write_bytes(b"[]")
        move(releases, second)
        status, document = post(port, "/v1/admin/reload", keys["admin"])
        assert status == 409 and "taxonomy.json" in document["detail"]
        for pid in workers:
            os.kill(int(pid), signal.SIGKILL)
        for _ in range(600):
            try:
                status, document = post(port, "/v1/release", keys["read"], method="GET")
                break
            except OSError:
                time.sleep(0.05)
        assert document["release"] == first and "taxonomy.json" in document["refused"]["reason"]
        status, document = post(port, "/v1/admin/rollback", keys["admin"])
        assert (status, document["release"], document["previous"]) == (200, first, first)


def test_going_back_to_nothing_or_to_a_damaged_release_moves_nothing(releases, two_plain, keys, run_service):
    first, second = two_plain.names
    with run_service(releases, "--keys", str(keys["file"])) as port:
        whole = (releases / second / "head.lmdb").read_bytes()
        (releases / second / "head.lmdb").write_bytes(whole[:-1] + b"x")
        status, document = post(port, "/v1/admin/rollback", keys["admin"])
        assert (status, current_release(releases)) == (409, first) and "head.lmdb" in document["detail"]
        (releases / "previous").unlink()
        assert kind(post(port, "/v1/admin/rollback", keys["admin"])) == (409, "release-refused")
        assert current_release(releases) == first
        assert post(port, "/v1/admin/reload", keys["admin"])[1]["release"] == first


@pytest.fixture
def beside(releases, tmp_path, monkeypatch) -> Iterator[Following]:
    """Another worker of the service that a test makes; it looks when the test says so."""
    board = tmp_path / "board"
    board.mkdir()
    Board.create(board, 2)
    monkeypatch.setenv(BOARD_VARIABLE, str(board))
    serving = Serving()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: OTHER)
        serving.slot = Board.attach(board)
    yield Following(serving, Followed(link=releases / "current", seconds=60), opener=Opener(shared=board))
    serving.close()
    serving.slot.close()


async def ask_reload(app: Service, key: str) -> Any:
    """Ask a service that runs in this process."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/admin/reload", "headers": headers}
    await app(scope | {"query_string": b"", "root_path": ""}, receive, send)
    assert sent[0]["status"] == 200
    return json.loads(sent[1]["body"])


@pytest.mark.parametrize("passes", [True, False])
@pytest.mark.parametrize("served", [True, False])
def test_what_a_worker_refused_earlier_is_not_how_this_reload_ended(
    releases, two_plain, keys, beside, monkeypatch, passes, served
):
    """The other worker cannot open the second release for a reason of its own, which passes or does not."""
    first, second = two_plain.names

    def fail_for(reason: str) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise ReleaseError(reason)

        monkeypatch.setattr(beside._opener, "_open", fail)

    async def run() -> None:
        app = create_app(Followed(link=releases / "current", seconds=60), settings=Settings(keys=keys["file"]))
        async with app.router.lifespan_context(app):
            await beside.start()
            opens = beside._opener._open
            move(releases, second)
            if served:  # by the worker that is asked, before
                await app.following.look()
            fail_for("no memory was left")
            await beside.look()
            assert beside.refused.reason == "no memory was left"
            reloading = asyncio.create_task(ask_reload(app, keys["admin"]))
            done, _ = await asyncio.wait([reloading], timeout=0.3)
            assert not done
            if passes:
                monkeypatch.setattr(beside._opener, "_open", opens)
            else:
                fail_for("there is still none")
            while not reloading.done():
                await beside.look()
                await asyncio.sleep(0.01)
            document = await reloading
            assert document["release"] == second
            assert document["workers"][str(OTHER)] == (
                {"release": second, "refused": None} if passes else {"release": first, "refused": "there is still none"}
            )
            await beside.stop()

    asyncio.run(run())
