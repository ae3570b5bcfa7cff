from __future__ import annotations

import dataclasses
import getpass
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.errors import GateClosed, QuerywiseError, ReleaseError, UserError
from domain.label import Label
from release import (
    current_release,
    point_to,
    previous_release,
    promote,
    rollback,
    sign_gate,
    verify_gate,
    verify_release,
)
from release.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
OTHER_KEY = b"the key of another machine, for CI"


def test_a_pass_is_promoted_and_an_override_of_it_is_not_written(two, decide, key):
    releases, first, second = two
    for name, base in ((first, None), (second, first)):
        sign_gate(releases / name, decide("PASS", base=base), key)
    promote(releases, first, key=key)
    before = (releases / second / "manifest.json").read_bytes()
    promote(releases, second, key=key, override="to be sure")
    assert (current_release(releases), previous_release(releases)) == (second, first)
    assert (releases / second / "manifest.json").read_bytes() == before


def test_a_pass_against_what_is_served_no_longer_is_none(two, decide, key):
    releases, first, second = two
    point_to(releases, first)
    sign_gate(releases / second, decide("PASS", base="2026-11-01-0a1b2c"), key)
    with pytest.raises(GateClosed, match=f"compared with 2026-11-01-0a1b2c, and {first} is served now"):
        promote(releases, second, key=key)
    assert current_release(releases) == first
    promote(releases, second, key=key, override="the search page is down")
    sign_gate(releases / first, decide("PASS", base=second), key)
    promote(releases, first, key=key)
    promote(releases, first, key=key)  # what is served already needs no comparison with itself
    assert current_release(releases) == first


def _edit(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_bytes())
    document["gate"] |= {"verdict": "PASS", "failed": []}
    (folder / "manifest.json").write_text(json.dumps(document))


def _prepare(folder, decide, key, state: str) -> None:
    match state:
        case "edited":
            sign_gate(folder, decide("FAIL"), key)
            _edit(folder)
        case "elsewhere":
            sign_gate(folder, decide("PASS"), OTHER_KEY)
        case "FAIL" | "INCONCLUSIVE":
            sign_gate(folder, decide(state), key)


STATES = {
    "none": ("has no verdict", "INCONCLUSIVE", 0, ("evaluation",)),
    "FAIL": ("failed its gate: dairy precision", "FAIL", 1, ()),
    "INCONCLUSIVE": ("the gate could not decide on .*: tail recall", "INCONCLUSIVE", 1, ("tail recall",)),
    "elsewhere": ("signed elsewhere, with another key", "INCONCLUSIVE", 0, ("signature",)),
    "edited": ("edited, or belongs to another release", "INCONCLUSIVE", 0, ("signature",)),
}


@pytest.mark.parametrize("state", STATES)
def test_without_a_pass_it_is_refused_and_nothing_changes(two, decide, key, state):
    releases, first, second = two
    point_to(releases, first)
    _prepare(releases / second, decide, key, state)
    before = (releases / second / "manifest.json").read_bytes()
    with pytest.raises(GateClosed, match=STATES[state][0]) as caught:
        promote(releases, second, key=key)
    assert '--override "reason"' in caught.value.hint
    assert not isinstance(caught.value, UserError)  # so the program exits with 1: a gate says no
    assert (current_release(releases), previous_release(releases)) == (first, None)
    assert (releases / second / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("state", STATES)
def test_an_override_goes_through_signed(two, decide, key, state):
    releases, _, second = two
    _prepare(releases / second, decide, key, state)
    started = datetime.now(UTC)
    promote(releases, second, key=key, override="  the old one is down – 検索 🥛 ", by="ana")
    assert current_release(releases) == second
    gate = verify_gate(verify_release(releases / second), key)
    # What this key did not sign is not vouched for: of a forged PASS nothing is left.
    assert (gate.verdict, gate.look, gate.inconclusive) == STATES[state][1:]
    assert (gate.override.reason, gate.override.by) == ("the old one is down – 検索 🥛", "ana")
    assert started <= gate.override.at <= datetime.now(UTC)
    # It is no licence for the next time.
    with pytest.raises(GateClosed):
        promote(releases, second, key=key)
    assert current_release(releases) == second
    promote(releases, second, key=key, override="again")
    gate = verify_gate(read_manifest(releases / second), key)
    assert (gate.override.reason, gate.override.by) == ("again", getpass.getuser())


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("...", "empty"),
        ("\u200b", "empty"),
        ("x" * 501, "501"),
        ("a\nb", "line breaks"),
        ("a\x1b[2Jb", "control"),
        ("a\u202eb", "control"),
        ("a\ud800", "control"),
    ],
    ids=ascii,
)
def test_a_reason_that_says_nothing_or_cannot_be_shown_is_a_mistake(two, decide, key, reason, why):
    releases, first, _ = two
    sign_gate(releases / first, decide("FAIL"), key)
    with pytest.raises(UserError, match=why):
        promote(releases, first, key=key, override=reason)
    assert current_release(releases) is None and read_manifest(releases / first).gate.override is None


def test_a_reason_of_500_characters_is_kept_whole(two, key):
    releases, first, _ = two
    promote(releases, first, key=key, override="検" * 500)
    assert verify_release(releases / first).gate.override.reason == "検" * 500


def test_an_override_does_not_mend_a_damaged_release(two, decide, key):
    releases, first, second = two
    sign_gate(releases / first, decide("PASS"), key)
    promote(releases, first, key=key)
    (releases / second / "served_ids.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"served_ids\.json"):
        promote(releases, second, key=key, override="in a hurry")
    with pytest.raises(ReleaseError, match="there is no release"):
        promote(releases, "2026-01-01-000000", key=key, override="in a hurry")
    assert current_release(releases) == first and read_manifest(releases / second).gate is None


def test_rollback_asks_for_no_verdict_but_for_a_whole_release(two, key):
    releases, first, second = two
    promote(releases, first, key=key, override="the first")
    promote(releases, second, key=key, override="the second")
    assert rollback(releases) == first
    (releases / second / "taxonomy.json").write_text("[]")
    with pytest.raises(ReleaseError, match=r"taxonomy\.json"):
        rollback(releases)
    assert current_release(releases) == first


def test_two_promotes_at_once(two, decide, key):
    releases, first, second = two
    sign_gate(releases / first, decide("PASS", base=second), key)
    promote(releases, first, key=key)
    done = threading.Event()
    broken: list[QuerywiseError] = []

    def watch() -> None:
        while not done.is_set():
            try:
                read_manifest(releases / "current")
            except QuerywiseError as error:
                broken.append(error)

    def push(name: str, override: str | None) -> None:
        for _ in range(15):
            promote(releases, name, key=key, override=override)

    watcher = threading.Thread(target=watch)
    both = [threading.Thread(target=push, args=given) for given in ((first, None), (second, "beside it"))]
    for thread in (watcher, *both):
        thread.start()
    for thread in both:
        thread.join()
    done.set()
    watcher.join()
    assert broken == []
    assert {current_release(releases), previous_release(releases)} == {first, second}
    assert verify_gate(verify_release(releases / second), key).override.reason == "beside it"


def test_promoting_and_going_back_do_not_wait_for_a_build(two, build, grocery, decide, key):
    releases, first, second = two
    begun, go_on = threading.Event(), threading.Event()

    def labels() -> Iterator[Label]:
        begun.set()
        go_on.wait(20)
        yield dataclasses.replace(grocery.labels[1])

    builder = threading.Thread(target=build, args=(labels(),), kwargs={"day": 23})
    builder.start()
    assert begun.wait(20)
    try:
        sign_gate(releases / first, decide("PASS"), key)
        promote(releases, first, key=key)
        promote(releases, second, key=key, override="while a build runs")
        assert rollback(releases) == first
        assert builder.is_alive()
    finally:
        go_on.set()
        builder.join()
    [built] = releases.glob("2026-11-23-*")
    assert verify_release(built).gate is None and current_release(releases) == first


_KILLED = """
import os, signal, sys
from pathlib import Path
from release import promote
left = int(sys.argv[4])
def count(event, _):
    global left
    if event == "os.rename":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
promote(Path(sys.argv[1]), sys.argv[2], key=sys.argv[3].encode(), override="the old one is down", by="ana")
"""


# The renames of a promotion by override: the manifest, the link previous, the link current.
@pytest.mark.parametrize(("before", "overridden", "previous"), [(1, False, None), (2, True, None), (3, True, "first")])
def test_killed_half_way_leaves_current_where_it_was_and_can_be_done_again(two, key, before, overridden, previous):
    releases, first, second = two
    point_to(releases, first)
    command = [sys.executable, "-c", _KILLED, str(releases), second, key.decode(), str(before)]
    assert subprocess.run(command, cwd=ROOT).returncode == -signal.SIGKILL
    assert current_release(releases) == first
    assert previous_release(releases) == (first if previous else None)
    assert (verify_release(releases / second).gate is not None) == overridden
    promote(releases, second, key=key, override="once more")
    assert (current_release(releases), previous_release(releases)) == (second, first)
    assert verify_gate(verify_release(releases / second), key).override.reason == "once more"
    assert rollback(releases) == first
