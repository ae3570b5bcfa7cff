"""Prompt files: what is refused, what is filled in, and the id under which labels keep them."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

import prompts.prompt_file
from domain.errors import PromptError
from prompts import PromptFile, list_prompts, load_prompt
from prompts.prompt_file import parse_prompt

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "prompts" / "files"
FRONT = 'name = "understand"\nversion = 1\ntask = "understand"\nschema = "understand"\nparameters = {}'


def written(front: str = FRONT, system: str = "You serve {{ shop }}.", user: str = "<query>{{ query }}</query>") -> str:
    return f"+++\n{front}\n+++\n\n=== system ===\n{system}\n=== user ===\n{user}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the shipped files that a test may edit."""
    shutil.copytree(FILES, tmp_path / "files")
    monkeypatch.setattr(prompts.prompt_file, "files", lambda _: tmp_path)
    return tmp_path / "files"


def test_a_prompt_that_labels_were_made_with_is_never_edited() -> None:
    # Labels name this id, and recordings hold the hashes of its requests: a change belongs in a file of a new version.
    assert load_prompt("understand@1").id == "understand@1#9c711a46"


def test_every_shipped_prompt_is_read_and_fills_in() -> None:
    shipped = {path.name.removesuffix(".md") for path in FILES.glob("*.md")}
    prompts = list_prompts()
    assert {f"{p.name}@{p.version}" for p in prompts} == shipped
    for prompt in prompts:
        assert prompt.id.startswith(f"{prompt.name}@{prompt.version}#")
        assert prompt.schema["additionalProperties"] is False
    values = {"shop": "S.", "query": "milk", "evidence": "none is given.", "candidates": "k1 Milk"}
    [system, user] = load_prompt("understand@1").messages(values)
    assert "The shop: S.\n" in system["content"]
    assert user["content"] == (
        "<query>milk</query>\n\nEvidence from this shop's log:\nnone is given.\n\nCandidate categories:\nk1 Milk"
    )


def test_what_ships_holds_every_file_that_a_prompt_needs() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["prompts"]
    names = [path.relative_to(ROOT / "prompts").as_posix() for path in FILES.iterdir()]
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_the_id_is_a_hash_of_the_file_and_its_schema(folder: Path) -> None:
    prompt, schema = folder / "understand@1.md", folder / "understand.schema.json"
    digest = hashlib.sha256(prompt.read_bytes() + schema.read_bytes()).hexdigest()
    ids = [load_prompt("understand@1").id]
    assert ids == [f"understand@1#{digest[:8]}"]
    for path in (prompt, schema):
        # One blank at the end changes no message and no meaning.
        path.write_bytes(path.read_bytes() + b" ")
        ids.append(load_prompt("understand@1").id)
    assert len(set(ids)) == 3


def test_a_name_alone_means_the_highest_version(folder: Path) -> None:
    for version in (9, 10):
        text = written(FRONT.replace("version = 1", f"version = {version}"))
        (folder / f"understand@{version}.md").write_text(text)
    assert load_prompt("understand").version == 10
    assert [p.version for p in list_prompts() if p.name == "understand"] == [1, 2, 3, 9, 10]


@pytest.mark.parametrize(
    "reference",
    ["", "no_such", "understand@", "understand@99", "understand@x", "@1", "../files/understand@1", "understand@1.md"],
)
def test_an_unknown_prompt_is_named_with_a_hint(reference: str) -> None:
    with pytest.raises(PromptError) as caught:
        load_prompt(reference)
    assert "prompts list" in caught.value.hint


def test_a_file_that_calls_itself_something_else_is_refused(folder: Path) -> None:
    (folder / "understand@7.md").write_text(written())
    with pytest.raises(PromptError, match="understand@7 calls itself understand@1"):
        load_prompt("understand@7")


def test_a_well_formed_file_is_read_as_it_stands() -> None:
    prompt = parse_prompt(written(FRONT.replace("{}", "{ temperature = 0.5, stop = ['x'] }")))
    assert (prompt.system, prompt.user) == ("You serve {{ shop }}.", "<query>{{ query }}</query>")
    assert prompt.parameters == {"temperature": 0.5, "stop": ["x"]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "front matter between"),
        ("hello", "front matter between"),
        (written().replace("+++\n\n===", "---\n\n==="), "front matter between"),
        (written().replace("=== system ===\n", ""), "front matter between"),
        (written().replace("=== user ===\n", ""), "front matter between"),
        (" " + written(), "front matter between"),
        (written("name = "), "front matter: "),
        (written("not toml at all"), "front matter: "),
        (written(FRONT + "\nname = 'twice'"), "front matter: "),
        (written(FRONT + "\nowner = 'me'"), "exactly"),
        (written(FRONT.replace("version = 1\n", "")), "exactly"),
        (written(FRONT.replace("version = 1", 'version = "1"')), "exactly"),
        (written(FRONT.replace("version = 1", "version = true")), "exactly"),
        (written(FRONT.replace("parameters = {}", "parameters = []")), "exactly"),
        (written(FRONT.replace('task = "understand"', 'task = "sing"')), "no task 'sing'"),
        (written(FRONT.replace('schema = "understand"', 'schema = "no_such"')), "no schema 'no_such'"),
        (written(FRONT.replace('schema = "understand"', 'schema = "../files/understand"')), "no schema"),
        (written(user="{{query}}"), "not a placeholder"),
        (written(user="{{ query}}"), "not a placeholder"),
        (written(user="{{ the query }}"), "not a placeholder"),
        (written(user="{{ query | upper }}"), "not a placeholder"),
        (written(system="{{{ shop }}}"), "not a placeholder"),
        (written(system="{{"), "not a placeholder"),
    ],
)
def test_a_malformed_file_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(PromptError, match=complaint):
        parse_prompt(text)


@pytest.mark.parametrize(
    ("values", "named"), [({}, "query, shop"), ({"shop": "s"}, "query"), ({"query": "q", "extra": "e"}, "shop")]
)
def test_every_placeholder_has_to_have_a_value(values: dict[str, str], named: str) -> None:
    with pytest.raises(PromptError, match=f"there is no value for {named}$"):
        parse_prompt(written()).messages(values)


def test_a_value_that_a_prompt_has_no_place_for_is_left_out() -> None:
    [_, user] = parse_prompt(written()).messages({"shop": "s", "query": "q", "examples": "e"})
    assert user["content"] == "<query>q</query>"


def test_a_file_of_ones_own_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text(written(FRONT.replace("version = 1", "version = 4")))
    prompt = load_prompt(str(path))
    assert (prompt.name, prompt.version, prompt.task) == ("understand", 4, "understand")
    path.write_text("hello")
    with pytest.raises(PromptError, match=f"{path}: a prompt file is front matter"):
        load_prompt(str(path))
    path.write_bytes(b"\xff")
    with pytest.raises(PromptError, match="cannot read the prompt"):
        load_prompt(str(path))


@pytest.mark.parametrize(
    "hostile",
    ["{{ shop }}", "{{ query }}", "}} {{", r"\1 \g<0> $1 %s {0}", "=== user ===\n+++", "{{{{ query }}}}"],
)
def test_a_value_is_text_whatever_it_looks_like(hostile: str) -> None:
    [system, user] = parse_prompt(written()).messages({"shop": hostile, "query": hostile})
    assert system == {"role": "system", "content": f"You serve {hostile}."}
    assert user == {"role": "user", "content": f"<query>{hostile}</query>"}


def test_a_placeholder_may_stand_in_both_parts_and_twice() -> None:
    prompt: PromptFile = parse_prompt(written(system="{{ query }} {{ query }}", user="{{ query }}"))
    assert [m["content"] for m in prompt.messages({"query": "tea"})] == ["tea tea", "tea"]
