"""A small tokenizer, and the toy shop of six categories under two departments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.taxonomy import Node, Taxonomy


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `tokenizer.json` of a few words and letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[UNK]", "milk", "tea", "dog", "cat", "food", *"abcdefghijklmnopqrstuvwxyz"]
    vocabulary = {word: i for i, word in enumerate([*words, *(f"##{letter}" for letter in words[6:])])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def toy() -> Taxonomy:
    rows = [("food", None), ("milk", "food"), ("tea", "food"), ("pets", None), ("dogs", "pets"), ("cats", "pets")]
    return Taxonomy(Node(category_id=child, parent_id=parent, name=child.title()) for child, parent in rows)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from threads, and wait for one another where tests run side by side."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
