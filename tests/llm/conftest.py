"""One server for all tests of this folder; without llama.cpp they are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.llm.server import LocalServer, assemble_model, interpreter, serving, what_is_missing


@pytest.fixture(scope="session")
def llm_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    python = interpreter()
    missing = what_is_missing(python)
    if missing:
        pytest.skip(f"needs llama.cpp's server and its model (`make test-llm`): {missing}")
    # The file is 240 MB: kept between runs.
    model = assemble_model(python, pytestconfig.cache.mkdir("llm") / "gemma-3-270m.gguf")
    with serving(python, model, tmp_path_factory.mktemp("llm") / "server.log") as server:
        yield server
