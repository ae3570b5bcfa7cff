"""A run that is killed leaves nothing half made that anybody could take for whole, and the next one finishes."""

from __future__ import annotations

import json
import shutil
import signal
import time
from pathlib import Path

KILL_WHEN = (".ingest.*/warehouse/*", ".index.*.tmp/names.npy", "releases/.building-*/retrieval/*")


def kill_when(tools, pattern: str, work: Path, *arguments: str | Path) -> int:
    """Start a run, and kill it as soon as the work folder holds a file of this pattern."""
    with tools.start("run", "--no-distill", *arguments, "--work", work) as process:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and not any(work.glob(pattern)):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode


def content(work: Path) -> str:
    return json.loads((work / "releases" / "current" / "manifest.json").read_text())["content"]


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(made, tools, tmp_path, encoder_folder):
    work = tmp_path / "work"
    tools.give_encoder(encoder_folder, work)
    model = ("--model", f"recorded:{made.recording}")
    for pattern in KILL_WHEN:
        assert kill_when(tools, pattern, work, made.shop, *model) == -signal.SIGKILL
        assert tools.run("release", "list", made.shop, "--work", work, "--json").json == []
    assert sorted(path.name for path in (work / "releases").iterdir())[0].startswith(".building-")
    result = tools.run("run", "--no-distill", made.shop, "--work", work, *model, "--json")
    assert result.code == 0 and result.json["failed"] == {}
    assert content(work) == content(made.work)
    assert {path.name for path in (work / "releases").iterdir()} == {
        ".gate.lock",
        ".lock",
        "current",
        result.json["release"],
    }
    assert {path.name for path in work.glob(".*")} == {".lock"}
    assert tools.digest_of(made.shop) == made.digest


def test_what_is_served_outlives_a_killed_run(made, tools, tmp_path):
    shop, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, shop)
    # Orange juice begins at 340 of 400 searches, which is no longer the torso.
    (shop / "shop.toml").write_text((shop / "shop.toml").read_text().replace("0.9", "0.8"))
    served = tools.run("understand", shop, "humm", "--work", work, "--json").json
    model = ("--model", f"recorded:{made.recording}")
    assert kill_when(tools, "releases/.building-*/retrieval/*", work, shop, *model) == -signal.SIGKILL
    assert tools.run("understand", shop, "humm", "--work", work, "--json").json == served
    result = tools.run("run", "--no-distill", shop, "--work", work, *model, "--json")
    assert result.code == 0 and result.json["current"] == result.json["release"] != served["release"]
    shown = tools.run("release", "show", shop, "--work", work, "--json").json
    # Its label was paid for, and is served on, but for what else to show; "dishes" has nothing to show.
    assert shown["counts"] == {"head": 4, "torso": 3, "tail": 1, "labelled": 8, "contents": 6}
    assert tools.run("release", "verify", shop, served["release"], "--work", work).code == 0


def test_a_run_that_is_stopped_says_so(made, tools, tmp_path, encoder_folder):
    work = tmp_path / "work"
    tools.give_encoder(encoder_folder, work)
    with tools.start(
        "run", "--no-distill", made.shop, "--work", work, "--model", f"recorded:{made.recording}"
    ) as process:
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until and not any(work.glob(".index.*.tmp/names.npy")):
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "querywise: stopped; what was finished is kept"
    assert "Traceback" not in err
    assert {path.name for path in work.glob(".*")} == {".lock"}
