"""`release push`, and `release diff --live` against a running service."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain import Taxonomy
from domain.label import read_labels
from release import build_release
from release.current import move
from service.access.keys import Key, make_secret, write_keys

ROOT = Path(__file__).resolve().parents[2]
GROCERY = ROOT / "tests" / "release" / "grocery"


@pytest.fixture
def shop(tools, tmp_path) -> tuple[Path, list[str]]:
    """A shop with two releases, the first current; the second knows one query less."""
    tools.write_shop(tmp_path / "shop")
    labels = list(read_labels(GROCERY / "labels.jsonl"))
    names = [
        build_release(
            shop="grocery",
            taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
            product_ids=(GROCERY / "products.txt").read_text().split(),
            labels=[label for label in labels if count == 10 or label.query != "protein"],
            fingerprints={},
            index=None,
            releases=tmp_path / "work" / "releases",
            created=datetime(2026, 11, 21, tzinfo=UTC),
        ).name
        for count in (10, 9)
    ]
    move(tmp_path / "work" / "releases", names[0])
    return tmp_path, names


@contextmanager
def serving(*arguments: str | Path, path: str = "/readyz") -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "service", *map(str, arguments), "--port", str(port)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env=environment) as process:
        try:
            for _ in range(600):
                assert process.poll() is None
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
            assert b"Traceback" not in errors, errors.decode()


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)


def wait_for(port: int, name: str) -> None:
    until = time.monotonic() + 30
    while (found := get(port, "/v1/release"))["release"] != name:
        assert time.monotonic() < until, found
        time.sleep(0.05)


def test_pushed_releases_are_followed_by_url(tools, shop):
    pytest.importorskip("fsspec")
    folder, (first, second) = shop
    url, work = f"file://{folder}/bucket", ("--work", folder / "work")
    assert tools.run("release", "push", folder / "shop", url, *work, "--json").json == {"release": first}
    options = ("--release-cache", folder / "cache", "--follow-seconds", "0.1", "--workers", "2")
    with serving(url, *options) as port:
        assert get(port, "/v1/understand?q=protein")["source"] == "head"
        move(folder / "work" / "releases", second)
        assert f"{second} is current there" in tools.run("release", "push", folder / "shop", url, *work).err
        wait_for(port, second)
        # What is damaged on the way is refused, and what is served is as it was.
        move(folder / "work" / "releases", first)
        head = folder / "bucket" / first / "head.lmdb"
        head.write_bytes(head.read_bytes()[:-1] + b"x")
        for path in (folder / "cache" / first).rglob("*"):
            path.unlink()
        (folder / "cache" / first).rmdir()
        assert tools.run("release", "push", folder / "shop", url, *work).code == 0
        until = time.monotonic() + 30
        while (found := get(port, "/v1/release"))["refused"] is None:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert found["release"] == second and "head.lmdb does not match its digest" in found["refused"]["reason"]


def test_a_url_that_cannot_be_read_stops_the_start_in_two_lines(tmp_path):
    pytest.importorskip("fsspec")
    command = [sys.executable, "-m", "service", f"file://{tmp_path}/nowhere", "--release-cache", str(tmp_path / "c")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "cannot be read" in done.stderr and "Traceback" not in done.stderr


def test_push_wants_a_url(tools, shop):
    folder, _ = shop
    result = tools.run("release", "push", folder / "shop", folder / "bucket", "--work", folder / "work")
    assert "is no URL" in result.mistake()


def test_diff_live_reads_what_was_found_in_shadow(tools, shop, monkeypatch):
    folder, (first, second) = shop
    made, now = make_secret(), datetime(2026, 11, 21, tzinfo=UTC)
    kept = Key(name="ops", role="admin", prefix=made.prefix, digest=made.digest, created=now)
    write_keys(folder / "keys.json", [kept])
    options = ("--other", second, "--shadow", "--keys", folder / "keys.json")
    with serving(folder / "work" / "releases", *options) as port:
        url = f"http://127.0.0.1:{port}"
        refused = tools.run("release", "diff", "--live", url)
        assert refused.code == 2 and "QUERYWISE_KEY" in refused.err
        for query in ("protein", "protein", "1%25%20milk"):
            request = urllib.request.Request(f"{url}/v1/understand?q={query}")
            request.add_header("authorization", f"Bearer {made.secret}")
            urllib.request.urlopen(request, timeout=5).close()
        monkeypatch.setenv("QUERYWISE_KEY", made.secret)
        until = time.monotonic() + 20
        while (found := tools.run("release", "diff", "--live", url, "--json").json)["compared"] < 3:
            assert time.monotonic() < until, found
        assert (found["release"], found["other"], found["differing"], found["kinds"]["source"]) == (first, second, 2, 2)
        said = tools.run("release", "diff", "--live", url).out
        assert "3 answers compared, 2 differ (66.7%), 0 not compared" in said and "protein" not in said
        wrong = tools.run("release", "diff", "--live", f"{url}/v1/release#")
        assert wrong.code == 2


@pytest.mark.parametrize(
    "arguments", [(), ("--live", "ftp://a"), ("--live", "http://127.0.0.1:9"), ("SHOP", "--live", "http://a")]
)
def test_diff_says_what_it_needs(tools, tmp_path, arguments):
    tools.write_shop(tmp_path / "shop")
    result = tools.run("release", "diff", *(tmp_path / "shop" if word == "SHOP" else word for word in arguments))
    assert result.mistake()
