"""Nothing is told to the makers of libraries, and nothing is kept for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", ["release.student.model", "domain.encoder", "distill.encoder"])
def test_onnxruntime_keeps_nothing_to_send(tmp_path, module):
    if module.startswith("distill"):
        pytest.importorskip("torch")
    unset = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    places = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, env=unset | places, check=True)
    written = [path.name for path in tmp_path.rglob("*")]
    assert not {".ses", "deviceid", "onnxruntime.db"} & {*written}
