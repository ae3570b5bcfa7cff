"""The client is a distribution of its own, and needs nothing of the service."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import querywise_client
from querywise_client import AsyncClient, Client, errors

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client"


def test_it_needs_httpx_and_what_that_needs_alone():
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    assert [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]] == ["httpx", "httpcore"]
    imported = set()
    for file in (CLIENT / "querywise_client").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {name.split(".")[0] for name in names}
    assert imported - set(sys.stdlib_module_names) == {"httpx", "httpcore", "querywise_client"}


def test_it_loads_nothing_of_the_service():
    code = "import sys, querywise_client; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"service", "domain", "release", "onnxruntime", "numpy", "pydantic", "fastapi"} & set(loaded) == set()


def test_the_wheel_holds_the_package_its_types_and_its_licence(tmp_path):
    shutil.copytree(CLIENT, tmp_path / "client", ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", tmp_path, tmp_path / "client"], check=True, capture_output=True)
    [wheel] = tmp_path.glob("querywise_client-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    modules = {f"querywise_client/{file.name}" for file in (CLIENT / "querywise_client").iterdir() if file.is_file()}
    assert {name for name in names if name.startswith("querywise_client/")} == modules
    assert "querywise_client/py.typed" in names and any(name.endswith("LICENSE") for name in names)


def test_both_clients_have_the_same_calls():
    def calls(kind: type) -> dict[str, inspect.Signature]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {name: inspect.signature(member) for name, member in members if not name.startswith("_")}

    blocking, awaited = calls(Client), calls(AsyncClient)
    assert blocking.pop("close") == awaited.pop("aclose")
    assert blocking == awaited
    assert set(blocking) == {"understand", "understand_batch", "discover", "suggest", "embed", "release", "ready"}


def test_the_tree_of_errors_is_as_drawn():
    drawn = re.findall(r"^([│ ]*)[├└]── (\w+)", errors.__doc__ or "", re.M)
    parents = ["QuerywiseError"]
    for indent, name in drawn:
        depth = len(indent) // 4 + 1
        assert issubclass(getattr(errors, name), getattr(errors, parents[depth - 1]))
        parents[depth:] = [name]
    assert {name for _, name in drawn} | {"QuerywiseError"} == set(errors.__all__) - {"api_error"}
    assert set(errors.__all__) - {"api_error"} <= set(querywise_client.__all__)
