"""What every test shares: the real sentence encoder, exported once, a student of three words, and no way out of this
machine.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.taxonomy import Taxonomy

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


@dataclass(frozen=True, kw_only=True)
class Taught:
    """A student that nobody trained, and what it knows.

    Its vectors have eight numbers. "sure" is the second unit vector and a leaf, "halfway" the third and the parent of
    that leaf only, "lost" the fourth and no category at all; other words and all grams weigh nothing.
    """

    folder: Path
    leaf: str
    parent: str


@pytest.fixture(scope="session")
def teach() -> Callable[[Path, Taxonomy], Taught]:
    """Writes a student for a tree into a folder."""
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    return _teach


def _teach(folder: Path, taxonomy: Taxonomy) -> Taught:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    from distill.export import Weights, write_onnx
    from release.student import Features, Level, Policy, Tree
    from release.student.model import MODEL, write_about

    dimension, bits, words = 8, 6, ("[UNK]", "sure", "halfway", "lost")
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    tree = Tree.of(taxonomy)
    table = np.zeros((Features(folder, bits=bits).rows, dimension), dtype=np.float32)
    for i in range(1, len(words)):
        table[i, i] = 1
    leaf, sibling = _siblings(tree)
    categories = np.zeros((dimension, len(tree.ids) + 1), dtype=np.float32)
    categories[1, leaf] = 20
    categories[2, leaf], categories[2, sibling] = 20, 19.9
    categories[3, -1] = 20
    weights = Weights(
        table=table,
        categories=categories,
        offsets=np.zeros(len(tree.ids) + 1, dtype=np.float32),
        specific=np.zeros((dimension, 4), dtype=np.float32),
        specific_offsets=np.array([0, 1, 0, 0], dtype=np.float32),
    )
    write_onnx(weights, folder / MODEL, "fp32")
    levels = (Level(threshold=0.9),) * (int(tree.depth.max()) + 1)
    write_about(folder, dimension=dimension, bits=bits, categories=tree.ids, policy=Policy(own=levels, ancestor=levels))
    return Taught(folder=folder, leaf=tree.ids[leaf], parent=tree.ids[int(tree.parent[leaf])])


def _siblings(tree: Any) -> tuple[int, int]:
    """Return two leaves of one parent."""
    for row, parent in enumerate(tree.parent):
        same = [i for i in range(len(tree.ids)) if tree.parent[i] == parent >= 0 and tree.end[i] == i + 1]
        if row in same and len(same) > 1:
            return same[0], same[1]
    raise AssertionError("the tree has no two leaves of one parent")
