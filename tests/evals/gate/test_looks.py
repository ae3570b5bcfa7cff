from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import UserError
from evals.gate import Look, Looks

ROOT = Path(__file__).resolve().parents[3]


def test_new_evidence_is_a_new_look_and_the_same_is_not(tmp_path: Path) -> None:
    looks = Looks(tmp_path / "gate" / "looks.jsonl")
    assert [looks.take("r1", digest) for digest in ("a", "b", "a", "c", "b")] == [1, 2, 1, 3, 2]
    assert looks.take("r2", "a") == 1
    assert Looks(tmp_path / "gate" / "looks.jsonl").take("r1", "d") == 4
    assert looks.of("r2") == (Look(candidate="r2", digest="a", look=1),)
    assert [look.digest for look in looks.of("r1")] == ["a", "b", "c", "d"]


def test_no_file_no_looks(tmp_path: Path) -> None:
    assert Looks(tmp_path / "looks.jsonl").of("r1") == ()
    assert not (tmp_path / "looks.jsonl").exists()


@pytest.mark.parametrize("torn", [b"{", b'{"candidate":"r1","digest":"b","look":2}', b'{"candidate":"r1","dig'])
def test_a_torn_last_line_was_never_heard_of(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "looks.jsonl"
    Looks(path).take("r1", "a")
    with path.open("ab") as file:
        file.write(torn)
    assert len(Looks(path).of("r1")) == 1
    assert Looks(path).take("r1", "c") == 2
    assert [json.loads(line)["digest"] for line in path.read_text().splitlines()] == ["a", "c"]


@pytest.mark.parametrize("line", ["", "{}", "null", '{"candidate":"r1","digest":"b","look":0}', "\x00"])
def test_a_damaged_file_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "looks.jsonl"
    Looks(path).take("r1", "a")
    before = path.read_bytes() + line.encode() + b"\n"
    path.write_bytes(before)
    for call in (lambda: Looks(path).take("r1", "b"), lambda: Looks(path).of("r1")):
        with pytest.raises(UserError, match="damaged at line 2"):
            call()
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file" / "looks.jsonl"):
        with pytest.raises(UserError, match="cannot be written"):
            Looks(path).take("r1", "a")


TAKE = """
import sys
from pathlib import Path
from evals.gate.looks import Looks
for i in range(60):
    print(Looks(Path(sys.argv[1])).take("r1", f"{sys.argv[2]}-{i}"), flush=True)
"""


def test_processes_never_share_a_number_even_if_one_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    command = [sys.executable, "-c", TAKE, str(path)]
    workers = [subprocess.Popen([*command, str(n)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for n in range(3)]
    killed = workers[0]
    assert killed.stdout is not None
    heard = [int(killed.stdout.readline()) for _ in range(10)]
    killed.kill()
    for worker in workers:
        heard += [int(line) for line in worker.communicate(timeout=60)[0].splitlines()]
    taken = [look.look for look in Looks(path).of("r1")]
    assert taken == list(range(1, len(taken) + 1))
    assert len(set(heard)) == len(heard) >= 130
    assert set(heard) <= set(taken)
