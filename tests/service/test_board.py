"""Slabs of shared memory: taken, given back, left by the dead, and read by all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.seen.board import COUNTERS, Board, Slot

ROOT = Path(__file__).resolve().parents[2]

WORKER = """
import sys
from pathlib import Path
from service.seen.board import Board
slot = Board.attach(Path(sys.argv[1]))
slot.release, slot.note = "r2", "why"
slot.counters[5] += 3
slot.gauges[1] = 9
print(slot.index, flush=True)
sys.stdin.readline()
"""


def _worker(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder)],
        cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    return process


def test_a_worker_is_seen_from_another_process_and_its_counts_outlive_it(tmp_path):
    board = Board.create(tmp_path, 2)
    assert list(board.slabs()) == []
    with _worker(tmp_path) as process:
        assert process.stdout.readline() == "0\n"
        [slab] = board.slabs()
        assert (slab.pid, slab.alive, slab.release, slab.note) == (process.pid, True, "r2", "why")
        assert slab.counters[5] == 3 and slab.gauges[1] == 9
        process.kill()
        process.wait()
    [slab] = board.slabs()
    assert not slab.alive and slab.counters[5] == 3
    # The next worker goes on from its counts, and begins with everything else.
    heir = Board.attach(tmp_path)
    assert (heir.index, heir.release, heir.note) == (0, "", "")
    assert heir.counters[5] == 3 and heir.gauges[1] == 0
    heir.counters[5] += 1
    [slab] = board.slabs()
    assert (slab.counters[5], slab.alive, slab.pid, slab.release) == (4, True, os.getpid(), "")
    heir.close()


def test_more_workers_than_slabs_make_further_ones(tmp_path):
    Board.create(tmp_path, 1)
    slots = [Board.attach(tmp_path) for _ in range(3)]
    assert [slot.index for slot in slots] == [0, 1, 2]
    slots[1].close()
    slots[1].close()
    again = Board.attach(tmp_path)
    assert again.index == 1
    for slot in (slots[0], again, slots[2]):
        slot.close()


def test_attaching_goes_on_while_the_board_is_read(tmp_path):
    board = Board.create(tmp_path, 1)
    for _ in range(200):
        slot = Board.attach(tmp_path)
        assert slot.index == 0 and len(list(board.slabs())) == 1
        slot.close()


def test_texts_are_cut_whole_and_replaced(tmp_path):
    slot = Slot.alone()
    slot.release = "é" * 100
    assert slot.release == "é" * 32  # 64 bytes
    slot.release = "b"
    assert slot.read().release == "b"
    slot.note = "€" * 200  # 512 bytes hold 170 of three bytes each, and not the last two
    assert slot.note == "€" * 170
    slot.note = ""
    assert slot.note == ""


def test_a_reader_never_sees_half_a_release(tmp_path):
    board = Board.create(tmp_path, 1)
    code = (
        "import sys; from pathlib import Path; from service.seen.board import Board\n"
        "slot = Board.attach(Path(sys.argv[1])); slot.release = 'a' * 60; print(slot.index, flush=True)\n"
        "for i in range(10**9): slot.release = 'ab'[i % 2] * 60\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, text=True, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            seen = {slab.release for _ in range(1000) for slab in board.slabs()}
        finally:
            process.kill()
    assert seen == {"a" * 60, "b" * 60}


def test_no_room_is_an_error_at_once_and_leaves_nothing(tmp_path, monkeypatch):
    import service.seen.board as board

    def full(descriptor: int, _: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(board.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        Board.create(tmp_path, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_closed_slab_cannot_be_written():
    slot = Slot.alone()
    slot.counters[COUNTERS - 1] = 1
    slot.close()
    with pytest.raises(ValueError):
        slot.counters[0] += 1
