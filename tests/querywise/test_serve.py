"""`querywise serve`, as it is run."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.taxonomy import Node, Taxonomy
from release import build_release


@pytest.fixture
def at(tools, teach, tmp_path: Path) -> tuple[str | Path, ...]:
    """The arguments for a shop whose current release has a student and no answers."""
    tools.write_shop(tmp_path / "shop")
    pairs = [("food", None), ("bread", "food"), ("milk", "food")]
    taxonomy = Taxonomy(Node(category_id=i, parent_id=parent, name=i) for i, parent in pairs)
    releases = tmp_path / "work" / "releases"
    built = build_release(
        shop="tiny",
        taxonomy=taxonomy,
        product_ids=(),
        labels=(),
        fingerprints={},
        index=None,
        student=teach(tmp_path / "student", taxonomy).folder,
        releases=releases,
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )
    (releases / "current").symlink_to(built.name)
    return tmp_path / "shop", "--work", tmp_path / "work"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_its_options_reach_the_service(tools, at):
    port = _free_port()
    options = ("--quality-weight", "0.5", "--batch-wait-us", "0", "--batch-max", "8")
    with tools.start("serve", *at, "--port", str(port), *options) as process:
        try:
            data = json.dumps({"texts": ["sure"], "kind": "query"}).encode()
            headers = {"content-type": "application/json"}
            for _ in range(300):
                assert process.poll() is None
                try:
                    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/embed", data, headers)
                    with urllib.request.urlopen(request, timeout=5) as answer:
                        assert json.load(answer)["embeddings"][0][8:] == [0.5, 0.5, 0.5]
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.05)
            else:
                raise AssertionError("the service did not become ready")
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_cuda_that_cannot_be_had_ends_it_with_the_reason(tools, at):
    if Path("/dev/nvidia0").exists():
        pytest.skip("CUDA may work here")
    done = tools.run_process("serve", *at, "--port", str(_free_port()), "--provider", "cuda")
    assert done.code == 2 and "Traceback" not in done.err
    assert "CUDAExecutionProvider" in done.err.splitlines()[-2]


@pytest.mark.parametrize(
    "option",
    [
        ("--provider", "tpu"),
        ("--quality-weight", "-1"),
        ("--batch-max", "0"),
        ("--batch-wait-us", "-1"),
        ("--port", "70000"),
        ("--workers", "0"),
    ],
)
def test_options_that_cannot_be_are_refused(tools, at, option):
    done = tools.run("serve", *at, *option)
    assert done.code == 2 and option[0] in done.err


def test_options_that_do_not_go_together_are_refused_with_a_hint(tools, at):
    port = str(_free_port())
    done = tools.run_process("serve", *at, "--port", port, "--admin-port", port)
    assert done.code == 2
    assert done.err.splitlines()[-2:] == [
        f"--port and --admin-port are both {port}",
        "pass --admin-port with another one",
    ]
