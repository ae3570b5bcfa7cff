"""What the Dockerfile says of the service, said to the service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCKERFILE = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text()


def _command(instruction: str) -> list[str]:
    [found] = re.findall(rf"^{instruction}(?:[^\n]*\\\n\s*CMD)? (\[.*\])$", DOCKERFILE, re.MULTILINE)
    command: list[str] = json.loads(found)
    return command


def test_it_starts_is_healthy_and_writes_below_its_temporary_folder_alone(
    folder: Path, tmp_path: Path, run_service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = _command("CMD")
    assert command[:8] == ["python", "-m", "service", "/release", "--host", "0.0.0.0", "--port", "8080"]
    # 10 s after the signal Docker kills: what is under way when the draining ends needs some of them.
    assert command[8] == "--drain-seconds" and 3 <= float(command[9]) <= 6
    assert "TMPDIR=/dev/shm" in DOCKERFILE
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with run_service(folder, *command[8:], "--drain-seconds", "0.1", "--workers", "2") as port:
        [python, *rest] = _command("HEALTHCHECK")
        assert python == "python" and ":8080/readyz" in rest[-1]
        probe = [sys.executable, *(part.replace(":8080/", f":{port}/") for part in rest)]
        assert subprocess.run(probe, check=False).returncode == 0
        [shared] = tmp_path.iterdir()
        # Two slabs of 34 KB, and who accepted which release; /dev/shm has 64 MB.
        assert sum(file.stat().st_size for file in shared.iterdir()) < 100_000
    assert list(tmp_path.iterdir()) == []
