from __future__ import annotations

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from domain.errors import ReleaseError
from release import Override, open_release, sign_gate, verify_gate, verify_release
from release.manifest import content_hash, read_manifest

ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 11, 21, 14, tzinfo=UTC)


@pytest.fixture
def path(build) -> Path:
    return build()


def test_a_signed_verdict_is_in_the_manifest_and_the_content_stays(path, decide, key):
    before = read_manifest(path)
    assert before.gate is None
    record = decide("FAIL", override=Override(reason="the old one is down", by="ana", at=AT))
    signed = sign_gate(path, record, key)
    after = verify_release(path)
    assert after == signed and after.content == before.content == content_hash(after)
    assert verify_gate(after, key) == after.gate == dataclasses.replace(record, signature=after.gate.signature)
    with open_release(path) as release:
        assert release.manifest.gate == after.gate


def test_the_signature_is_the_hmac_of_rfc_2104(path, decide):
    """Worked by its definition, H(K xor opad, H(K xor ipad, text)), with B = 64 bytes for SHA-256."""
    key = b"0123456789abcdef0123456789abcdef"
    east = timezone(timedelta(hours=2))
    manifest = sign_gate(path, decide("PASS", base=None, decided=datetime(2026, 11, 21, 15, tzinfo=east)), key)
    text = (
        f'{{"content":"{manifest.content}","gate":{{"base":null,"decided":"2026-11-21T13:00:00.000000+00:00","failed":[],'
        f'"gates":"{"a" * 64}","inconclusive":[],"look":1,"override":null,"report":"{"b" * 64}","verdict":"PASS"}},'
        f'"release":"{path.name}"}}'
    )
    padded = key.ljust(64, b"\x00")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + text.encode()).digest()
    code = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()
    method, _, signed = manifest.gate.signature.split(":")
    assert (method, signed) == ("hmac-sha256", code)
    assert verify_gate(read_manifest(path), key).verdict == "PASS"


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "PASS", "failed": []},
        {"decided": "2026-11-21T13:05:08.25Z"},
        {"base": None},
        {"gates": "c" * 64},
        {"report": "c" * 64},
        {"look": 2},
        {"failed": ["dairy recall"]},
        {"inconclusive": ["tail recall"]},
        {"override": None},
        {"override": {"reason": "another", "by": "ana", "at": "2026-11-21T14:00:00Z"}},
        {"override": {"reason": "down", "by": "bob", "at": "2026-11-21T14:00:00Z"}},
        {"signature": ""},
        {"signature": "é" * 80},
        {"signature": "hmac-sha256"},
        {"signature": "md5:1:2"},
    ],
    ids=str,
)
def test_an_edited_verdict_is_told(path, decide, key, change):
    sign_gate(path, decide("FAIL", override=Override(reason="down", by="ana", at=AT)), key)
    document = json.loads((path / "manifest.json").read_bytes())
    document["gate"].update(change)
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ReleaseError, match="edited, or belongs to another release") as caught:
        verify_gate(read_manifest(path), key)
    assert caught.value.hint


def test_a_verdict_cannot_be_moved_to_another_release(two, decide, key):
    releases, first, second = two
    gate = sign_gate(releases / first, decide("PASS"), key).gate
    moved = dataclasses.replace(read_manifest(releases / second), gate=gate)
    with pytest.raises(ReleaseError, match="belongs to another release"):
        verify_gate(moved, key)
    # The same content under another date is another release too.
    renamed = dataclasses.replace(read_manifest(releases / first), release=f"2026-12-24-{first[-6:]}")
    with pytest.raises(ReleaseError, match="belongs to another release"):
        verify_gate(renamed, key)


def test_another_key_is_told_from_an_edit(path, decide, key):
    manifest = sign_gate(path, decide("PASS"), b"the key of another machine, for CI")
    with pytest.raises(ReleaseError, match="signed elsewhere, with another key") as caught:
        verify_gate(manifest, key)
    assert "QUERYWISE_GATE_KEY" in caught.value.hint


def test_no_verdict(path, key):
    with pytest.raises(ReleaseError, match="has no verdict"):
        verify_gate(read_manifest(path), key)


def test_a_release_of_before_there_were_verdicts_opens(path):
    document = json.loads((path / "manifest.json").read_bytes())
    assert document.pop("gate") is None
    (path / "manifest.json").write_text(json.dumps(document))
    assert verify_release(path).gate is None


def test_building_the_same_again_keeps_the_verdict(build, decide, key):
    path = build()
    sign_gate(path, decide("PASS"), key)
    assert build() == path
    assert verify_gate(read_manifest(path), key).verdict == "PASS"


def test_a_later_verdict_takes_the_place_of_an_earlier_one(path, decide, key):
    sign_gate(path, decide("FAIL"), key)
    sign_gate(path, decide("PASS", look=2), key)
    gate = verify_gate(read_manifest(path), key)
    assert (gate.verdict, gate.look, gate.failed) == ("PASS", 2, ())


def test_through_a_link_the_release_is_signed_and_nothing_is_left_beside_it(path, decide, key):
    (path / "manifest.json").chmod(0o640)
    (path.parent / "current").symlink_to(path.name)
    sign_gate(path.parent / "current", decide("PASS"), key)
    assert verify_gate(read_manifest(path), key).verdict == "PASS"
    assert (path / "manifest.json").stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in path.iterdir()) == ["head.lmdb", "manifest.json", "served_ids.json", "taxonomy.json"]
    assert {p.name for p in path.parent.iterdir()} == {".lock", ".gate.lock", "current", path.name}


def test_what_is_no_release_is_not_signed(tmp_path, decide, key):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match="is not a release"):
        sign_gate(tmp_path / "empty", decide("PASS"), key)
    assert [p.name for p in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gates": "a" * 63}, "SHA-256"),
        ({"report": "A" * 64}, "SHA-256"),
        ({"look": -1}, "look"),
        ({"look": 0}, "needs an evaluation"),
        ({"failed": ("recall",)}, "no check that failed"),
        ({"inconclusive": ("",)}, "empty"),
        ({"inconclusive": ("red\x1b[31m",)}, "control"),
        ({"base": "x" * 201}, "201"),
        ({"decided": datetime(2026, 11, 21)}, "no zone"),  # noqa: DTZ001
    ],
)
def test_a_record_that_says_nothing_sound_is_not_made(decide, change, why):
    with pytest.raises(ValueError, match=why):
        decide("PASS", **change)


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "pass"},
        {"look": "many"},
        {"decided": "yesterday"},
        {"decided": "2026-11-21T13:00:00"},
        {"failed": ["\u001b]0;title\u0007"]},
        {"override": {"reason": "a\nb", "by": "ana", "at": "2026-11-21T14:00:00Z"}},
        {"override": {"reason": "a\u202eb", "by": "ana", "at": "2026-11-21T14:00:00Z"}},
        {"override": {"reason": "", "by": "ana", "at": "2026-11-21T14:00:00Z"}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_manifest_with_a_malformed_verdict_is_refused(path, decide, key, change):
    sign_gate(path, decide("FAIL"), key)
    document = json.loads((path / "manifest.json").read_bytes())
    document["gate"].update(change)
    (path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ReleaseError, match=r"manifest\.json: gate"):
        read_manifest(path)


def test_two_who_sign_at_once_leave_a_whole_manifest(path, decide, key):
    sign_gate(path, decide("PASS"), key)
    done = threading.Event()
    found: set[str] = set()

    def read() -> None:
        while not done.is_set():
            found.add(verify_gate(read_manifest(path), key).verdict)

    def sign(verdict: str) -> None:
        for look in range(1, 21):
            sign_gate(path, decide(verdict, look=look), key)

    reader = threading.Thread(target=read)
    signers = [threading.Thread(target=sign, args=(verdict,)) for verdict in ("PASS", "FAIL")]
    for thread in (reader, *signers):
        thread.start()
    for thread in signers:
        thread.join()
    done.set()
    reader.join()
    assert found <= {"PASS", "FAIL"} and verify_release(path).gate.look == 20


_KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from release import sign_gate
from release.manifest import read_manifest
folder, key = Path(sys.argv[1]), sys.argv[2].encode()
gate = read_manifest(folder).gate
sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == "os.rename" else None)
sign_gate(folder, replace(gate, look=2), key)
"""


def test_killed_before_the_manifest_is_replaced_leaves_the_old_one(path, decide, key):
    sign_gate(path, decide("PASS"), key)
    killed = subprocess.run([sys.executable, "-c", _KILLED, path, key.decode()], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert (path.parent / ".manifest.json.tmp").is_file()
    assert verify_gate(verify_release(path), key).look == 1
    sign_gate(path, decide("PASS", look=3), key)
    assert verify_gate(verify_release(path), key).look == 3
    assert not (path.parent / ".manifest.json.tmp").exists()
