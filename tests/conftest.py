"""What every test shares: the real sentence encoder, exported once, and no way out of this machine."""

from __future__ import annotations

import ipaddress
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Workers of pytest-xdist have it set; what the program prints where there is no terminal must not depend on it.
os.environ.pop("COLUMNS", None)


def refuse_the_network(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        local = ipaddress.ip_address(name).is_loopback or ipaddress.ip_address(name).is_unspecified
    except ValueError:
        local = False
    if not local:
        raise RuntimeError(f"a test reaches for the network: {event} {name}")


sys.addaudithook(refuse_the_network)


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The encoder as `querywise index` exports it."""
    if find_spec("torch") is None or find_spec("all_minilm_l6_v2") is None:
        pytest.skip("the encoder is exported with the distill extra, which is not installed here")
    from distill.encoder import export_encoder

    folder = tmp_path_factory.mktemp("encoder") / "encoder"
    export_encoder(folder)
    return folder
