"""The student, opened: from a folder with `model.onnx`, `student.json` and `tokenizer.json`, for normalised queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import onnxruntime
from pydantic import Field, TypeAdapter, ValidationError

from domain.errors import ReleaseError
from domain.taxonomy import Taxonomy
from domain.understanding import Specificity
from release.student.decision import Policy, Tree
from release.student.features import Features

__all__ = [
    "ABOUT",
    "HALF",
    "MODEL",
    "SCHEMA",
    "SPECIFICITIES",
    "About",
    "Prediction",
    "Provider",
    "Student",
    "read_about",
    "write_about",
]

MODEL: Final = "model.onnx"
HALF: Final = "model.fp16.onnx"
"""Taken in the other's place on CUDA, where it is there."""
ABOUT: Final = "student.json"
SPECIFICITIES: Final[tuple[Specificity, ...]] = get_args(Specificity)

Provider = Literal["cpu", "cuda"]
_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
# On the CPU so few that what passes from step to step stays in its cache.
_AT_ONCE: Final[Mapping[Provider, int]] = {"cpu": 32, "cuda": 1024}

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class About:
    """What `student.json` says.

    Attributes:
        schema_version: Of this description.
        dimension: Of the embedding.
        bits: Grams are hashed into ``2 ** bits`` rows.
        categories: Category ids in the order of the model's output, which is the tree's preorder.
        policy: When an answer is sure enough.
    """

    schema_version: int
    dimension: Annotated[int, Field(ge=1)]
    bits: Annotated[int, Field(ge=1, le=30)]
    categories: tuple[str, ...]
    policy: Policy


_about: TypeAdapter[About] = TypeAdapter(About)
SCHEMA: Final = 1
"""Of `student.json`."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prediction:
    """What the model says of texts.

    Attributes:
        embeddings: Unit vectors, (texts, dimension) float32.
        probabilities: Of each category, (texts, categories) float32; what they leave to 1 is the chance of none.
        specificities: Of each of `SPECIFICITIES`, (texts, 4) float32.
    """

    embeddings: Matrix
    probabilities: Matrix
    specificities: Matrix

    @property
    def uncertainty(self) -> npt.NDArray[np.float32]:
        """How unsure the model is, (texts,) in [0, 1]: one less the chance of the likeliest outcome, none included."""
        none = 1 - self.probabilities.sum(1)
        certain: npt.NDArray[np.float32] = np.maximum(self.probabilities.max(1, initial=0), none)
        return (1 - certain).clip(0, 1)


class Student:
    """A student over the taxonomy it was trained for. Use it from any thread.

    Args:
        folder: Where its files are.
        taxonomy: The release's tree.
        provider: Where it runs. With ``cuda`` it runs there or not at all.
        threads: Threads of one call on the CPU.

    Raises:
        ReleaseError: when a file is missing or malformed, the files do not belong together, the tree is another one,
            or CUDA was asked for and is not really in use.
    """

    def __init__(self, folder: Path, taxonomy: Taxonomy, *, provider: Provider = "cpu", threads: int = 1) -> None:
        self.about = read_about(folder)
        self.tree = Tree.of(taxonomy)
        if self.tree.ids != self.about.categories:
            raise ReleaseError(
                f"{folder} was trained for another taxonomy", hint="run `querywise distill` again, then `release build`"
            )
        levels = min(len(self.about.policy.own), len(self.about.policy.ancestor))
        if levels <= self.tree.depth.max(initial=-1):
            raise ReleaseError(
                f"{folder / ABOUT} has too few levels for its tree",
                hint="run `querywise distill` again, then `release build`",
            )
        self.features = Features(folder, bits=self.about.bits)
        self._at_once = _AT_ONCE[provider]
        half = folder / HALF
        path = half if provider == "cuda" and half.is_file() else folder / MODEL
        self._session = open_session(path, provider=provider, threads=threads)
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.provider: str = self._session.get_providers()[0]
        self._check(folder)

    def predict(self, texts: Sequence[str]) -> Prediction:
        """Predict for normalised texts; an empty one has the embedding zero."""
        at_once = self._at_once
        parts = [self._predict(texts[i : i + at_once]) for i in range(0, max(1, len(texts)), at_once)]
        if len(parts) == 1:
            return parts[0]
        return Prediction(
            embeddings=np.concatenate([part.embeddings for part in parts]),
            probabilities=np.concatenate([part.probabilities for part in parts]),
            specificities=np.concatenate([part.specificities for part in parts]),
        )

    def _predict(self, texts: Sequence[str]) -> Prediction:
        embeddings, probabilities, specificities = self._session.run(self._outputs, {"rows": self.features(texts)})
        return Prediction(embeddings=embeddings, probabilities=probabilities[:, :-1], specificities=specificities)

    def _check(self, folder: Path) -> None:
        """Try the model on a text without features, whose row is the table's last and must be zero."""
        try:
            nothing = self._session.run(None, {"rows": np.full((1, 1), self.features.filler, dtype=np.int32)})
        except Exception as error:  # the library raises nothing narrower
            raise ReleaseError(
                f"{folder / MODEL} cannot be run: {error}", hint="run `querywise distill` again, then `release build`"
            ) from error
        sizes = [(1, self.about.dimension), (1, len(self.tree.ids) + 1), (1, len(SPECIFICITIES))]
        if [output.shape for output in nothing] != sizes or nothing[0].any():
            raise ReleaseError(
                f"{MODEL} does not belong to {ABOUT} and the tokenizer in {folder}",
                hint="run `querywise distill` again, then `release build`",
            )


def open_session(path: Path, *, provider: Provider, threads: int) -> Any:
    """Open an ONNX file where it was asked for, and nowhere else.

    Raises:
        ReleaseError: when the file cannot be read, or the provider that is really in use is another.
    """
    wanted = _PROVIDERS[provider]
    if wanted not in onnxruntime.get_available_providers():
        raise ReleaseError(f"this onnxruntime has no {wanted}", hint="pip install onnxruntime-gpu, or use the CPU")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        # By default a failure on the GPU, at whatever call, would move the session to the CPU.
        session = onnxruntime.InferenceSession(str(path), options, providers=[wanted], enable_fallback=0)
    except Exception as error:  # the library raises nothing narrower
        raise ReleaseError(
            f"{path} cannot be opened: {error}", hint="run `querywise distill` again, then `release build`"
        ) from error
    # Without its libraries the CUDA provider only logs an error and leaves the work to the CPU.
    if session.get_providers()[0] != wanted:
        raise ReleaseError(
            f"{wanted} was asked for, but {session.get_providers()[0]} would be used",
            hint="look for the reason in onnxruntime's messages above: often CUDA or cuDNN is missing",
        )
    return session


def read_about(folder: Path) -> About:
    """Read `student.json`.

    Raises:
        ReleaseError: when it is missing, malformed or of another schema version.
    """
    path = folder / ABOUT
    try:
        about = _about.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(
            f"{path} cannot be read: {error}", hint="run `querywise distill` again, then `release build`"
        ) from error
    if about.schema_version != SCHEMA:
        raise ReleaseError(
            f"{path} has schema version {about.schema_version}, not {SCHEMA}",
            hint="run `querywise distill` again, then `release build`",
        )
    return about


def write_about(folder: Path, *, dimension: int, bits: int, categories: tuple[str, ...], policy: Policy) -> None:
    """Write `student.json`."""
    about = About(schema_version=SCHEMA, dimension=dimension, bits=bits, categories=categories, policy=policy)
    (folder / ABOUT).write_bytes(_about.dump_json(about))
