"""Where it listens; workers, and those that take their place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import UserError
from service.connections.listen import listen
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

SERVE = """
import asyncio
import os
import sys
from pathlib import Path
from service.connections import listen
from service.settings import Settings


async def app(scope, receive, send):
    if bound := os.environ.get("BOUND"):
        Path(bound).touch()
        while not Path(bound + ".elsewhere").exists():
            await asyncio.sleep(0.05)
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def make():
    return app


listen._OPTIONS["timeout_worker_healthcheck"] = 600
if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    listen.listen("serve:make", host="127.0.0.1", port=port, workers=workers, settings=Settings())
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _refused(**given: Any) -> UserError:
    """What is said where nothing can be run, for there is no such application."""
    settings = Settings(**{name: given.pop(name) for name in ("admin_port", "admin_host") if name in given})
    with pytest.raises(UserError) as refused:
        listen("nothing:nothing", **({"host": "127.0.0.1", "workers": 1, "settings": settings} | given))
    return refused.value


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_is_taken(workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        error = _refused(port=(port := taken.getsockname()[1]), workers=workers)
        assert str(error) == f"port {port} is taken"
        assert error.hint == "pass --port with another one, or --host with an address of this machine"
        error = _refused(port=(free := _free_port()), admin_port=port, workers=workers)
        assert str(error) == f"port {port} is taken"
        assert error.hint == "pass --admin-port with another one, or --admin-host with an address of this machine"
        socket.create_server(("127.0.0.1", free)).close()  # it was let go of


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_at_which_another_program_begins_to_listen_first(workers, tmp_path):
    script, bound = tmp_path / "serve.py", tmp_path / "bound"
    script.write_text(SERVE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]), "BOUND": str(bound)}
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        command = [sys.executable, str(script), str(other.getsockname()[1]), workers]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as process:
            try:
                assert until(bound.exists)
                other.listen()
                Path(f"{bound}.elsewhere").touch()
                _, said = process.communicate(timeout=60)
            finally:
                process.terminate()
    assert process.returncode == 3
    assert f"('127.0.0.1', {command[2]}) is taken".encode() in said and b"Traceback" not in said


@pytest.mark.parametrize("host", ["192.0.2.1", "no-host.invalid", "[::1]", "é" * 70])
def test_a_host_that_is_none_of_ours(host):
    port = _free_port()
    error = _refused(host=host, port=port)
    assert str(error).startswith(f"port {port} of {host} cannot be had: ") and "--host" in error.hint
    error = _refused(port=_free_port(), admin_host=host, admin_port=port)
    assert str(error).startswith(f"port {port} of {host} cannot be had: ") and "--admin-host" in error.hint


@pytest.mark.parametrize("workers", [1, 2])
def test_two_addresses_that_only_their_port_could_tell_apart(workers):
    error = _refused(port=8080, admin_port=8080, admin_host="127.0.0.2", workers=workers)
    assert (str(error), error.hint) == ("--port and --admin-port are both 8080", "pass --admin-port with another one")


def test_workers_that_cannot_start_end_it_with_a_status_that_says_so():
    port = _free_port()
    command = (
        "from service.connections.listen import listen; from service.settings import Settings; "
        f"listen('nothing:nothing', host='127.0.0.1', port={port}, workers=2, settings=Settings())"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 3 and b"failed to start" in done.stderr


def workers_of(parent: int) -> list[int]:
    children = [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def until(true: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_worker_that_dies_while_it_is_asked_whether_it_is_well_is_replaced(tmp_path):
    port = _free_port()
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    with subprocess.Popen([sys.executable, str(script), str(port), "2"], cwd=ROOT, env=environment) as parent:
        try:
            assert until(lambda: len(workers_of(parent.pid)) == 2)
            time.sleep(2)  # both have started, and answer
            first, second = workers_of(parent.pid)
            os.kill(first, signal.SIGSTOP)
            time.sleep(1.5)  # it is asked every half second, and does not answer now
            os.kill(first, signal.SIGKILL)
            assert until(lambda: first not in (now := workers_of(parent.pid)) and len(now) == 2)
            assert second in workers_of(parent.pid)
        finally:
            parent.terminate()
            try:
                parent.wait(20)
            except subprocess.TimeoutExpired:
                parent.kill()
                pytest.fail("the service did not stop")
