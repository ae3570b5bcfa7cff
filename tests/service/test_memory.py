"""What a process keeps of large blocks that it has freed, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The first block teaches glibc to take such blocks from its heap; smaller ones stand between those that follow.
KEEPS = """
import sys
from benchmarks.soak.processes import sample_of
from service.memory import give_back_large_blocks

can = give_back_large_blocks() if sys.argv[1] == "back" else True
bytearray(20 << 20)
small, large = [], []
for _ in range(8):
    large.append(b"x" * (6 << 20))
    small.append([b"y" * 200_000 for _ in range(4)])
large.clear()
print(can, sample_of(int(open("/proc/self/stat").read().split()[0])).private >> 20)
"""


def kept(mode: str) -> int:
    found = subprocess.run([sys.executable, "-c", KEEPS, mode], cwd=ROOT, capture_output=True, check=True, text=True)
    can, megabytes = found.stdout.split()
    if can != "True":
        pytest.skip("this C library has no mallopt")
    return int(megabytes)


def test_large_blocks_go_back_when_they_are_free() -> None:
    assert kept("as it is") - kept("back") >= 40  # of 48
