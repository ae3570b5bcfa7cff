"""`--json` of every command is one document on standard output, and nothing else is there."""

from __future__ import annotations

import json

import pytest
import typer.main

from querywise.cli import app

COMMANDS = {
    "run": ("SHOP", "WORK", "MODEL", "--no-distill"),
    "ingest": ("SHOP", "WORK"),
    "context": ("SHOP", "WORK"),
    "index": ("SHOP", "WORK"),
    "label": ("SHOP", "WORK", "MODEL"),
    "label --dry-run": ("SHOP", "WORK", "MODEL"),
    "label --ledger": ("SHOP", "WORK"),
    "batch export": ("SHOP", "WORK", "MODEL", "--output", "OUT"),
    "batch poll": ("SHOP", "WORK"),
    "batch submit --dry-run": ("SHOP", "WORK", "--model", "openai/by-hand", "--dry-run"),
    "batch import": ("SHOP", "WORK", "MODEL", "--input", "IN"),
    "batch record": ("SHOP", "WORK", "MODEL", "--output", "OUT"),
    "evaluate": ("SHOP", "WORK"),
    "judge --dry-run": ("SHOP", "--task", "category", "WORK", "--model", "openai/by-hand", "--dry-run"),
    "review --agreement": ("SHOP", "WORK", "--agreement"),
    "understand": ("SHOP", "humm", "WORK"),
    "export querqy": ("SHOP", "WORK"),
    "export elasticsearch": ("SHOP", "WORK"),
    "export opensearch": ("SHOP", "WORK"),
    "export solr --diff": ("SHOP", "WORK", "--diff"),
    "release build": ("SHOP", "WORK"),
    "release list": ("SHOP", "WORK"),
    "release show": ("SHOP", "WORK"),
    "release verify": ("SHOP", "WORK"),
    "release promote": ("SHOP", "CURRENT", "WORK"),
    "release rollback": ("SHOP", "WORK"),
    "release diff": ("SHOP", "CURRENT", "CURRENT", "WORK"),
    "prompts list": (),
    "prompts show": ("understand",),
    "prompts diff": ("understand@1", "understand@2"),
    "prompts examples": ("SHOP", "WORK"),
    "prompts compare": ("SHOP", "understand@1", "understand@1", "--sample", "3", "WORK", "MODEL"),
}
SPEAKS_HTTP = {"serve"}
# It asks a model again and again: tests/querywise/test_improve.py has one for it.
SPENDS = {"prompts improve"}
# They train, which takes its time: tests/querywise/test_distill.py and test_match.py have one for each.
TRAINS = {"distill", "match pairs", "match train"}
# It needs labels with ideas, which change the releases: tests/querywise/test_content.py has one for it.
SHOWS = {"content"}
# They change a file of secrets: tests/querywise/test_keys.py has one for each.
KEYS = {"keys add", "keys rotate", "keys list", "keys revoke"}
# It needs somewhere to push to: tests/querywise/test_release_push.py has one for it.
PUSHES = {"release push"}


def _names() -> set[str]:
    program = typer.main.get_command(app)
    found = set()
    for name, command in program.commands.items():
        below = getattr(command, "commands", None)
        found |= {f"{name} {inner}" for inner in below} if below else {name}
    return found


def test_every_command_is_here():
    assert {name.split(" --")[0] for name in COMMANDS} == (
        _names() - SPEAKS_HTTP - SPENDS - TRAINS - SHOWS - KEYS - PUSHES
    )


@pytest.fixture(scope="module")
def place(made, tools, tmp_path_factory):
    """A copy of the tiny shop's work with two releases, so that one can be rolled back to."""
    folder = tmp_path_factory.mktemp("json")
    work = tools.copy_work(made.work, folder / "work")
    current = tools.run("release", "list", made.shop, "--work", work, "--json").json[0]["release"]
    at = (made.shop, "--work", work)
    labels = (work / "labels" / "labels.jsonl").read_text().splitlines(keepends=True)
    (work / "labels" / "labels.jsonl").write_text("".join(labels[:-1]))
    assert tools.run("release", "build", *at).code == 0
    (folder / "in.jsonl").write_text("")
    return {
        "SHOP": [str(made.shop)],
        "WORK": ["--work", str(work)],
        "MODEL": ["--model", "by-hand"],
        "OUT": [str(folder / "out.jsonl")],
        "IN": [str(folder / "in.jsonl")],
        "CURRENT": [current],
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_document(command, place, tools):
    words = [word for name in COMMANDS[command] for word in place.get(name, [name])]
    result = tools.run(*command.split(), *words, "--json")
    assert result.code == 0, result
    document, end = json.JSONDecoder().raw_decode(result.out)
    assert document and result.out[end:] == "\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_people_get_text(command, place, tools):
    words = [word for name in COMMANDS[command] for word in place.get(name, [name])]
    result = tools.run(*command.split(), *words)
    assert result.code == 0 and result.out + result.err
    with pytest.raises(ValueError):
        json.loads(result.out or result.err)
