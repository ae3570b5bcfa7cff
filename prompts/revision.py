"""A prompt with another system part: what speaks against it, and how it becomes a file for a person to read."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from domain.errors import PromptError
from domain.files import replace_atomically
from prompts.prompt_file import PromptFile, list_prompts, parse_prompt

__all__ = ["held", "longest", "objection", "revise", "to_file", "write_revision"]

_PLACEHOLDER = re.compile(r"\{\{ \w+ \}\}")
_ROOM = 4000
"""Characters that a short system part may grow by; a long one may double."""


def held(system: str) -> Counter[str]:
    """Return how often each placeholder stands in a system part, as it is written there."""
    return Counter(_PLACEHOLDER.findall(system))


def longest(original: PromptFile) -> int:
    """Return the most characters of a revised system part: every query pays for each of them."""
    return max(2 * len(original.system), len(original.system) + _ROOM)


def revise(original: PromptFile, system: str) -> PromptFile:
    """Return the prompt with another system part; its id says that it was made on the way to an improvement."""
    digest = sha256(system.encode()).hexdigest()[:8]
    return replace(original, id=f"improve:{original.name}@{original.version}#{digest}", system=system)


def objection(original: PromptFile, system: str) -> str | None:
    """Return why a system part cannot take the place of a prompt's own, in words for whoever wrote it, or None."""
    if not system.strip():
        return "it is empty"
    before, after = held(original.system), held(system)
    if before != after:
        lacking, added = ", ".join((before - after).elements()), ", ".join((after - before).elements())
        return " and ".join([f"it lacks {lacking}"] * bool(lacking) + [f"it adds {added}"] * bool(added))
    if len(system) > (most := longest(original)):
        return f"it has {len(system)} characters, and {most} are the most"
    try:
        to_file(revise(original, system), original.version)
    except PromptError as error:
        return str(error)
    return None


def to_file(prompt: PromptFile, version: int) -> str:
    """Return the text of the prompt file that holds a prompt as another version of itself.

    Raises:
        PromptError: when no prompt file can hold it.
    """
    front = {"name": prompt.name, "version": version, "task": prompt.task, "schema": _schema_name(prompt)}
    lines = [f"{name} = {_toml(value)}" for name, value in (front | {"parameters": dict(prompt.parameters)}).items()]
    text = "\n".join(
        ["+++", *lines, "+++", "", "=== system ===", prompt.system, "", "=== user ===", prompt.user.strip(), ""]
    )
    if replace(parse_prompt(text), id=prompt.id) != replace(prompt, version=version):
        raise PromptError("it would be read back as another prompt", hint="no line of it may be === user ===")
    return text


def write_revision(prompt: PromptFile, folder: Path) -> Path:
    """Write a prompt into a folder as the next version of its name; return the file.

    A file of the folder that holds this prompt already is left as it is, and no other file is ever written over.

    Raises:
        PromptError: when the folder is that of the prompts that ship with the product, or no prompt file can hold it.
    """
    if not re.fullmatch(r"[a-z_]+", prompt.name):
        raise PromptError(f"{prompt.name!r} is no name for a file", hint="a name has a to z and _ alone")
    if folder.resolve().is_relative_to(Path(str(files("prompts"))).resolve()):
        raise PromptError(f"{folder} holds the prompts that ship with querywise", hint="pass --output another folder")
    versions = {found.version for found in list_prompts() if found.name == prompt.name} | {prompt.version}
    for path in sorted(folder.glob(f"{prompt.name}@*.md")):
        number = path.stem.split("@")[1]
        if number.isdecimal():
            versions.add(int(number))
            if path.read_text(encoding="utf-8", errors="replace") == to_file(prompt, int(number)):
                return path
    version = max(versions) + 1
    path = folder / f"{prompt.name}@{version}.md"
    folder.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as file:
        file.write(to_file(prompt, version).encode())
    return path


def _schema_name(prompt: PromptFile) -> str:
    for file in files("prompts").joinpath("files").iterdir():
        if file.name.endswith(".schema.json") and json.loads(file.read_text(encoding="utf-8")) == prompt.schema:
            return file.name.removesuffix(".schema.json")
    raise PromptError(f"the schema of {prompt.id} is none of prompts/files")


def _toml(value: Any) -> str:
    """Write a value on one line; JSON's strings and numbers are TOML's as well."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {_toml(of)}" for name, of in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
