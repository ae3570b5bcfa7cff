"""The service as it runs: a process of uvicorn, and bytes on a socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import UserError
from service.run import _shared_folder

ROOT = Path(__file__).resolve().parents[2]


def _send(port: int, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the service closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while chunk := client.recv(65_536):
                received += chunk
        except ConnectionResetError:
            pass
    return received


def _post(port: int, path: str, document: object) -> dict[str, object]:
    data = json.dumps(document).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def test_answers_over_http(port, folder):
    answer = _post(port, "/v1/understand", {"query": "Vernors  SODA"})
    assert (answer["query"], answer["source"], answer["release"]) == ("Vernors  SODA", "head", folder.name)
    batch = _post(port, "/v1/understand/batch", {"queries": ["protein", "zzz"]})
    assert [result["source"] for result in batch["results"]] == ["head", "fallback"]


def test_chunked_body_over_the_limit(port):
    head = b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    head += b"transfer-encoding: chunked\r\n\r\n"
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    received = _send(port, head + chunk * 5 + b"0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413") and b"body-too-large" in received


@pytest.mark.parametrize(
    "data",
    [
        b"GET /v1/understand?q=%ff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /v1/understand?q=\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET http://other/v1/understand HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-length: zzz\r\n\r\n",
        b"GET /v1/understand?q=" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_hostile_requests(port, data):
    assert _send(port, data)[:10] in (b"HTTP/1.1 4", b"")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.binary(max_size=40), name=st.binary(max_size=10), value=st.binary(max_size=20), body=st.binary(max_size=60)
)
def test_raw_bytes_give_no_5xx(port, path, name, value, body):
    head = b"POST /v1/understand" + path + b" HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    received = _send(port, head + name + b": " + value + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    assert not received.startswith(b"HTTP/1.1 5")


def test_still_well_after_all_that(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        assert answer.status == 200


def test_two_workers_behind_a_link(folder, tmp_path, run_service):
    (tmp_path / "current").symlink_to(folder)
    with run_service(tmp_path / "current", "--workers", "2") as port:
        (tmp_path / "current").unlink()  # the link was followed once
        assert _post(port, "/v1/understand", {"query": "protein"})["release"] == folder.name


def _start(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Start the service where it is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "service", *map(str, options)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_settings_reach_every_worker(taught_folder, run_service):
    options = ("--workers", "2", "--quality-weight", "0.25", "--batch-wait-us", "100", "--batch-max", "8")
    with run_service(taught_folder, *options) as port:
        for _ in range(8):
            answer = _post(port, "/v1/embed", {"texts": ["sure"], "kind": "query"})
            assert answer["embeddings"] == [[0, 1, 0, 0, 0, 0, 0, 0, 0.25, 0.25, 0.25]]
            assert _post(port, "/v1/understand", {"query": "Sure!"})["source"] == "tail"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/release", timeout=5) as answer:
            assert json.load(answer)["provider"] == "CPUExecutionProvider"


def test_stopped_while_queries_wait_it_ends_in_order(taught_folder, run_service):
    with (
        run_service(taught_folder, "--batch-wait-us", "100000") as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(b"GET /v1/understand?q=sure HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.02)
    # run_service has told it to stop and found no traceback on its standard error.


@pytest.mark.parametrize(
    "options",
    [
        *(("--quality-weight", text) for text in ("nan", "-0.1", "inf", "11", "much")),
        *(("--batch-max", text) for text in ("0", "1.5")),
        *(("--batch-wait-us", text) for text in ("-1", "100001")),
        ("--provider", "tpu"),
        *(("--port", text) for text in ("-1", "0", "65536", "70000")),
        *(("--workers", text) for text in ("-1", "0")),
    ],
)
def test_settings_that_cannot_be_are_refused(options, capsys, monkeypatch):
    from service.__main__ import main

    monkeypatch.setattr(sys, "argv", ["service", "release", *options])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2 and options[0] in capsys.readouterr().err


def test_cuda_that_cannot_be_had_stops_the_start_with_reason_and_hint(taught_folder):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidia0").exists():
        pytest.skip("CUDA works here")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = _start(taught_folder, "--port", str(port), "--provider", "cuda")
    assert run.returncode == 2 and "Traceback" not in run.stderr
    reason, hint = run.stderr.splitlines()[-2:]
    assert "CUDAExecutionProvider" in reason and ("pip install" in hint or "CUDA" in hint)
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_cuda_needs_a_student(folder):
    run = _start(folder, "--provider", "cuda")
    assert run.returncode == 2 and "Traceback" not in run.stderr
    assert "no student" in run.stderr and len(run.stderr.splitlines()) == 2


def test_a_damaged_release_is_refused_in_one_line(folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    (copy / "taxonomy.json").write_bytes(b"[]" + b" " * 10)
    run = _start(copy, "--port", "1")
    assert run.returncode == 2
    assert "taxonomy.json" in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("options", "line", "hint"),
    [
        (("--workers", "2"), "port {0} is taken", "pass --port "),
        (("--workers", "2", "--admin-port", "{0}"), "--port and --admin-port are both {0}", "pass --admin-port "),
        (("--shadow",), "--shadow does nothing without --other", "pass --other too"),
    ],
)
def test_what_cannot_be_served_so_ends_with_one_line_and_a_hint(folder, options, line, hint):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = _start(folder, "--port", port, *(option.format(port) for option in options))
    assert run.returncode == 2
    said, hinted = run.stderr.splitlines()
    assert said == line.format(port) and hinted.startswith(hint)


def test_no_folder_for_what_workers_share(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/proc")
    with pytest.raises(UserError, match="no folder for what the workers share") as refused, _shared_folder():
        pass
    assert "TMPDIR" in refused.value.hint
