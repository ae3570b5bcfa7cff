"""Workers, and those that take their place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SERVE = """
import sys
from service.connections import listen
from service.settings import Settings


async def app(scope, receive, send):
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def make():
    return app


listen._OPTIONS["timeout_worker_healthcheck"] = 600
if __name__ == "__main__":
    listen.listen("serve:make", host="127.0.0.1", port=int(sys.argv[1]), workers=2, settings=Settings())
"""


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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = tmp_path / "serve.py"
    script.write_text(SERVE)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])}
    with subprocess.Popen([sys.executable, str(script), str(port)], cwd=ROOT, env=environment) as parent:
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
