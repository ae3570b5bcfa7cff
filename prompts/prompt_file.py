"""Prompt files: front matter, a system and a user template, and the schema of the answer.

A file is `prompts/files/NAME@VERSION.md`: TOML between two lines of ``+++``, then a part under ``=== system ===`` and a
part under ``=== user ===``. Placeholders are ``{{ name }}``; there is no other syntax. The system part comes first and
holds what is the same for every query of a shop, so that providers can cache it.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

from domain.errors import PromptError

__all__ = ["PromptFile", "Task", "list_prompts", "load_prompt", "parse_prompt"]

Task = Literal[
    "understand",
    "categories",
    "rewrites",
    "annotations",
    "discover",
    "judge_relevance",
    "judge_category",
    "judge_rewrite",
    "judge_substitute",
    "judge_complement",
]
"""What a prompt asks for: all that a query means in one answer, a part of it, discovery content, or verdicts."""


_PARTS = re.compile(r"\A\+\+\+\n(.*?)\n\+\+\+\n+=== system ===\n(.*?)\n=== user ===\n(.*)\Z", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
_HINT = "`querywise prompts list` names those that ship; one of your own goes by its path, which ends in .md"
_KEYS = {"name": str, "version": int, "task": str, "schema": str, "parameters": dict}


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """One version of one prompt. `id` is ``name@version#hash``, the hash being of the file and its schema."""

    id: str
    name: str
    version: int
    task: Task
    schema: Mapping[str, Any]
    parameters: Mapping[str, Any]
    system: str
    user: str

    @cached_property
    def placeholders(self) -> frozenset[str]:
        """The names of what has to be filled in."""
        return frozenset(_PLACEHOLDER.findall(self.system + self.user))

    def messages(self, values: Mapping[str, str]) -> tuple[dict[str, str], ...]:
        """Return the chat messages with every placeholder filled.

        Raises:
            PromptError: when a value is missing.
        """
        if lacking := sorted(self.placeholders - set(values)):
            raise PromptError(f"{self.id}: there is no value for {', '.join(lacking)}")
        # One pass: a value that holds braces is text, not a placeholder.
        filled = (_PLACEHOLDER.sub(lambda found: values[found[1]], part) for part in (self.system, self.user))
        return tuple({"role": role, "content": text} for role, text in zip(("system", "user"), filled, strict=True))


def list_prompts() -> list[PromptFile]:
    """Return every prompt that ships with the product, by name and version."""
    names = (file.name for file in files("prompts").joinpath("files").iterdir() if file.name.endswith(".md"))
    return sorted((load_prompt(name.removesuffix(".md")) for name in names), key=lambda p: (p.name, p.version))


def load_prompt(reference: str) -> PromptFile:
    """Return a prompt by ``name@version``, its highest version by ``name``, or a file of one's own by its path.

    Raises:
        PromptError: when there is none of that name, or its file is malformed.
    """
    if reference.endswith(".md"):
        return _read(Path(reference))
    folder = files("prompts").joinpath("files")
    if "@" not in reference:
        versions = [
            int(file.name.removesuffix(".md").split("@")[1])
            for file in folder.iterdir()
            if file.name.startswith(f"{reference}@") and file.name.endswith(".md")
        ]
        reference = f"{reference}@{max(versions, default=0)}"
    if not re.fullmatch(r"[a-z_]+@\d+", reference) or not (path := folder.joinpath(f"{reference}.md")).is_file():
        raise PromptError(
            f"there is no prompt {reference!r}",
            hint=_HINT,
        )
    prompt = parse_prompt(path.read_text(encoding="utf-8"))
    if reference != f"{prompt.name}@{prompt.version}":
        raise PromptError(f"the file of {reference} calls itself {prompt.name}@{prompt.version}")
    return prompt


def _read(path: Path) -> PromptFile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(
            f"cannot read the prompt {path}: {error}", hint="`querywise prompts list` names those that ship"
        ) from None
    try:
        return parse_prompt(text)
    except PromptError as error:
        raise PromptError(f"{path}: {error}", hint=error.hint) from None


def parse_prompt(text: str) -> PromptFile:
    """Read the text of a prompt file.

    Raises:
        PromptError: when the file is not of the form that this module describes.
    """
    parts = _PARTS.match(text)
    if parts is None:
        raise PromptError("a prompt file is front matter between +++ lines, then === system === and === user ===")
    try:
        front = tomllib.loads(parts[1])
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"front matter: {error}") from error
    if {name: type(value) for name, value in front.items()} != _KEYS:
        wanted = ", ".join(f"{name} ({kind.__name__})" for name, kind in _KEYS.items())
        raise PromptError(f"front matter has to hold exactly {wanted}")
    if front["task"] not in get_args(Task):
        raise PromptError(f"there is no task {front['task']!r}", hint=f"tasks are {', '.join(get_args(Task))}")
    if stray := re.findall(r"\{\{(?! \w+ \}\}).{0,20}", parts[2] + parts[3]):
        raise PromptError(f"not a placeholder: {stray[0]!r}", hint="placeholders are {{ name }}, spaces included")
    schema_file = files("prompts").joinpath("files", f"{front['schema']}.schema.json")
    if not re.fullmatch(r"[a-z_]+", front["schema"]) or not schema_file.is_file():
        raise PromptError(f"there is no schema {front['schema']!r}", hint="a schema is prompts/files/NAME.schema.json")
    schema_text = schema_file.read_text(encoding="utf-8")
    digest = hashlib.sha256((text + schema_text).encode()).hexdigest()[:8]
    return PromptFile(
        id=f"{front['name']}@{front['version']}#{digest}",
        name=front["name"],
        version=front["version"],
        task=cast(Task, front["task"]),
        schema=json.loads(schema_text),
        parameters=front["parameters"],
        system=parts[2].strip(),
        user=parts[3].strip(),
    )
