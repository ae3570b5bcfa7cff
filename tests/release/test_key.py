from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import UserError
from release import find_gate_key, gate_key

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_key_is_set(monkeypatch):
    monkeypatch.delenv("QUERYWISE_GATE_KEY", raising=False)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    assert find_gate_key(tmp_path) is None and list(tmp_path.iterdir()) == []
    key = gate_key(tmp_path)
    assert len(bytes.fromhex(key.decode())) == 32
    assert gate_key(tmp_path) == find_gate_key(tmp_path) == key
    assert [(p.name, p.stat().st_mode & 0o777) for p in tmp_path.iterdir()] == [("gate.key", 0o600)]


def test_two_work_folders_have_two_keys(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert gate_key(tmp_path / "a") != gate_key(tmp_path / "b")


def test_the_text_of_the_file_is_the_same_key_as_a_variable(tmp_path, monkeypatch):
    key = gate_key(tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("QUERYWISE_GATE_KEY", (tmp_path / "gate.key").read_text())
    assert gate_key(tmp_path / "other") == key
    assert list((tmp_path / "other").iterdir()) == []


def test_the_variable_goes_before_the_file(tmp_path, monkeypatch):
    gate_key(tmp_path)
    monkeypatch.setenv("QUERYWISE_GATE_KEY", "k" * 32)
    assert gate_key(tmp_path) == find_gate_key(tmp_path) == b"k" * 32


@pytest.mark.parametrize("text", ["", "   ", "k" * 31, "k" * 4097])
def test_what_is_no_key_is_refused_and_not_replaced(tmp_path, monkeypatch, text):
    (tmp_path / "gate.key").write_text(text)
    with pytest.raises(UserError, match=r"gate\.key is no key"):
        gate_key(tmp_path)
    assert (tmp_path / "gate.key").read_text() == text
    monkeypatch.setenv("QUERYWISE_GATE_KEY", text)
    with pytest.raises(UserError, match="QUERYWISE_GATE_KEY is no key"):
        find_gate_key(tmp_path)


_MAKE = """
import sys
from pathlib import Path
from release import gate_key
sys.stdin.read()
sys.stdout.write(gate_key(Path(sys.argv[1])).decode())
"""


def test_processes_that_come_at_once_get_one_key(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _MAKE, tmp_path], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in started:
        process.stdin.close()
    keys = set()
    for process in started:
        keys.add(process.stdout.read())
        process.stdout.close()
        assert process.wait(20) == 0
    assert keys == {gate_key(tmp_path).decode()}
    assert [p.name for p in tmp_path.iterdir()] == ["gate.key"]
