"""The house holds: who imports whom, what a package shows, what the repository carries."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "domain": set(),
    "prompts": {"domain"},
    "release": {"domain"},
    "distill": {"domain", "prompts", "release"},
    "evals": {"domain"},
    "service": {"domain", "release"},
    "querywise": {"domain", "prompts", "release", "distill", "evals", "service", "demo"},
}
FOLDERS = {*MAY_IMPORT, "demo"}
FENCED = {"torch": "distill", "litellm": "prompts"}
MAX_BYTES = 1_600_000


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import: the folder at its root, where it stands, and whether it runs when the module is imported."""

    root: str
    where: str
    at_import: bool


def imports_of(source: str, where: str) -> Iterator[Import]:
    """Yield what a module imports, by statement or by `import_module("name")`; relative imports stay in the folder."""
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), True)]
    while pending:
        node, at_import = pending.pop()
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        for name in names:
            yield Import(
                root=name.split(".")[0], where=f"{where}:{getattr(node, 'lineno', 0)} {name}", at_import=at_import
            )
        later = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        pending.extend((child, at_import and not later) for child in ast.iter_child_nodes(node))


def imports_in(folder: str) -> list[Import]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return [i for file in files for i in imports_of(file.read_text("utf-8"), str(file.relative_to(ROOT)))]


def test_the_walker_sees_every_form_of_import() -> None:
    source = (
        "import a.b, c\nfrom d.e import f\nfrom . import g\n"
        "def h():\n    import i\n    class J:\n        import importlib\n        k = importlib.import_module('k.l')\n"
        "class M:\n    from n import o\n"
    )
    found = {(i.root, i.at_import) for i in imports_of(source, "x.py")}
    assert found == {
        ("a", True),
        ("c", True),
        ("d", True),
        ("i", False),
        ("importlib", False),
        ("k", False),
        ("n", True),
    }


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_folders_import_only_downwards(folder: str) -> None:
    allowed = {folder, *MAY_IMPORT[folder]}
    assert [i.where for i in imports_in(folder) if i.root in FOLDERS and i.root not in allowed] == []


def test_the_program_is_imported_by_nobody() -> None:
    assert [i.where for folder in FOLDERS - {"querywise"} for i in imports_in(folder) if i.root == "querywise"] == []


@pytest.mark.parametrize("library", FENCED)
def test_heavy_libraries_stay_in_their_folder(library: str) -> None:
    others = FOLDERS - {FENCED[library]}
    assert [i.where for folder in sorted(others) for i in imports_in(folder) if i.root == library] == []


def test_litellm_is_never_imported_with_its_module() -> None:
    assert [i.where for i in imports_in("prompts") if i.root == "litellm" and i.at_import] == []


MODELS = ["torch", "litellm", "prompts"]
LOADERS = ["duckdb", "polars"]


@pytest.mark.parametrize(
    ("module", "barred"),
    [
        ("service", MODELS + LOADERS),
        ("service.app", MODELS + LOADERS),
        ("release", MODELS + LOADERS),
        ("domain", MODELS + LOADERS),
        ("evals", MODELS),
    ],
)
def test_what_serves_or_measures_loads_nothing_heavy(module: str, barred: list[str]) -> None:
    loaded = run(f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))")
    assert sorted({*barred} & {*json.loads(loaded)}) == []


PACKAGE = """
import importlib, json, pkgutil
package = importlib.import_module({name!r})
found = (module.name for module in pkgutil.walk_packages(package.__path__, {name!r} + "."))
names = [name for name in found if not name.endswith("__main__")]
modules = [package, *map(importlib.import_module, names)]
print(json.dumps([
    [m.__name__, bool(m.__doc__), [name for name in getattr(m, "__all__", []) if not hasattr(m, name)]] for m in modules
]))
"""


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_packages_say_what_they_are_and_export_what_exists(name: str) -> None:
    if name == "distill" and importlib.util.find_spec("torch") is None:
        pytest.skip("distill needs torch, which is not installed here")
    if name == "prompts" and importlib.util.find_spec("diskcache") is None:
        pytest.skip("prompts needs the llm extra, which is not installed here")
    found = json.loads(run(PACKAGE.format(name=name)))
    assert found[0][0] == name
    assert [module for module, documented, _ in found if not documented] == []
    assert {module: missing for module, _, missing in found if missing} == {}


@pytest.mark.parametrize("name", sorted(FOLDERS - {"querywise", "demo"}))
def test_package_roots_say_what_is_public(name: str) -> None:
    tree = ast.parse((ROOT / name / "__init__.py").read_text("utf-8"))
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    assert "__all__" in map(ast.unparse, targets)


def test_constraints_pin_every_dependency_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    wanted += [Requirement(line) for lines in project["optional-dependencies"].values() for line in lines]
    lines = [line.partition("#")[0].strip() for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()]
    pins = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, filter(None, lines))}
    assert [r.name for r in wanted if canonicalize_name(r.name) not in pins] == []
    pinned = {r.name: [(pin.operator, pin.version) for pin in pins[canonicalize_name(r.name)]] for r in wanted}
    assert {name: pin for name, pin in pinned.items() if len(pin) != 1 or pin[0][0] != "=="} == {}
    assert {r.name: pinned[r.name] for r in wanted if not r.specifier.contains(pinned[r.name][0][1])} == {}


def repository_files() -> list[Path]:
    """Return what is tracked, or would be with the next commit."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [file for name in listed.decode().split("\0") if name and (file := ROOT / name).is_file()]


def may_be_large(file: Path) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return name.startswith("benchmarks/recordings/") or (name.startswith("demo/") and "record" in name)


def test_no_file_is_large_but_recordings() -> None:
    files = repository_files()
    assert ROOT / "pyproject.toml" in files
    assert [str(f) for f in files if f.stat().st_size > MAX_BYTES and not may_be_large(f)] == []


MACHINE_PATH = re.compile(r"(?<![\w./:}-])/(?:work|root|home|Users)/")


def test_machine_paths_are_told_from_others() -> None:
    for text in ("see /" + "work/main", '"/' + 'home/ann/x"', "(/" + "root/.cache)"):
        assert MACHINE_PATH.search(text)
    for text in ("https://example.org/work/", "src/home/page", "/workspace/", "../work/x"):
        assert not MACHINE_PATH.search(text)


def test_no_text_names_a_path_of_one_machine() -> None:
    found = []
    for file in repository_files():
        data = file.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
            if MACHINE_PATH.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def run(code: str) -> str:
    """Run Python in a fresh process at the root of the checkout, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
