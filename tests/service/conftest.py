"""The service over the grocery release of tests/release, and a client that sends exactly the bytes it is given."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain import Taxonomy
from domain.discovery import Content, Suggestion
from domain.label import read_labels
from domain.understanding import Category, Discovery
from release import CatalogueProduct, Release, build_release, open_release
from release.quality import ProductQualities
from service import Service, create_app

ROOT = Path(__file__).resolve().parents[2]
GROCERY = ROOT / "tests" / "release" / "grocery"
JSON = ((b"content-type", b"application/json"),)


PRODUCTS = {
    "p7": ("c118", "Ginger Ale, 2 l", "Vernors"), "p12": ("c118", "Ginger Ale, 6 cans", "Canada Dry"),
    "p14": ("c119", "Cola, 2 l", "Coca-Cola"), "p15": ("c119", "Cola, 6 cans", "Coca-Cola"),
    "p16": ("c119", "Diet Cola <b>2 l</b>", None), "p90": ("c301", "Kentucky Bourbon", "Old Crow"),
    "p91": ("c301", "Tennessee Whisky with a name that runs on " * 3, "W" * 60), "p20": ("c212", "Oat Drink", "Oatly"),
    "p21": ("c212", "Soy Drink", "Alpro"), "p30": ("c31", "Protein Bar", None), "p31": ("c31", "Nut Bar", None),
    "p32": ("c32", "Crisps", "Lay's"), "p40": ("c71", "Blueberries", None),
}  # fmt: skip
"""Category, title and brand of the products of the grocery release."""


def _idea(label: str, category: str, *products: str) -> Discovery:
    return Discovery(label=label, query=label.lower(), category_id=category, product_ids=products)


CONTENTS = (
    Content(
        query="vernors soda",
        scarce=True,
        substitutes=(_idea("Cola", "c119", "p14", "p15", "p16"), _idea("Oat drinks", "c212", "p20")),
        complements=(_idea("For a whisky ginger", "c301", "p90", "p91"), _idea("Crisps", "c32", "p32")),
        suggestions=(
            Suggestion(query="ginger beer", kind="next"),
            Suggestion(query="1% milk", kind="next"),
            Suggestion(query="drinks for a mocktail evening", kind="exploratory"),
        ),
    ),
    Content(query="protein", complements=(_idea("Berries", "c71", "p40"),)),
)


def _build(releases: Path, index: Path | None, **more: Any) -> Path:
    given: dict[str, Any] = {
        "shop": "grocery",
        "taxonomy": Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
        "product_ids": (GROCERY / "products.txt").read_text().split(),
        "labels": read_labels(GROCERY / "labels.jsonl"),
        "fingerprints": {"shop": "f0"},
        "index": index,
        "releases": releases,
        "created": datetime(2026, 11, 21, tzinfo=UTC),
    }
    return build_release(**(given | more))


def _build_with_contents(releases: Path, **more: Any) -> Path:
    products = [
        CatalogueProduct(
            product_id=i, category_id=category, title=title, brand=brand, price=4.5, currency="USD", image_url=image
        )
        for i, (category, title, brand) in PRODUCTS.items()
        for image in ["https://images.example/p7.jpg" if i == "p14" else "/favicon.ico" if i == "p15" else None]
    ]
    return _build(releases, None, **({"product_ids": None, "products": products, "contents": CONTENTS} | more))


@pytest.fixture(scope="session")
def stocked_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grocery release with discovery content for two of its queries."""
    return _build_with_contents(tmp_path_factory.mktemp("stocked") / "releases")


@pytest.fixture(scope="session")
def stocked(stocked_folder: Path) -> Iterator[Release]:
    with open_release(stocked_folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def lending_folder(tmp_path_factory: pytest.TempPathFactory, teach: Callable[..., Any]) -> Path:
    """A release whose student knows where "sure" stands, which has content to lend."""
    folder = tmp_path_factory.mktemp("lending")
    taxonomy = Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes())
    student = teach(folder / "student", taxonomy)
    label = next(read_labels(GROCERY / "labels.jsonl"))
    leaf = Category(id=student.leaf, path=taxonomy.path(student.leaf), confidence=0.9)
    answer = replace(label.understanding, normalized="sure", categories=(leaf,), annotations=())
    return _build_with_contents(
        folder / "releases",
        student=student.folder,
        labels=[replace(label, query="sure", understanding=answer)],
        contents=[replace(CONTENTS[0], query="sure")],
    )


@pytest.fixture(scope="session")
def lending(lending_folder: Path) -> Iterator[Release]:
    with open_release(lending_folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def taught_folder(tmp_path_factory: pytest.TempPathFactory, teach: Callable[..., Any]) -> Path:
    """A release with the student of tests/conftest.py and the qualities of two products."""
    folder = tmp_path_factory.mktemp("taught")
    student = teach(folder / "student", Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()))
    values = np.array([[1, 0, 0.75], [0.25, 1, 0]], dtype=np.float32)
    quality = ProductQualities(product_ids=["p1", "p2"], values=values)
    return _build(folder / "releases", None, student=student.folder, quality=quality)


@pytest.fixture(scope="session")
def taught(taught_folder: Path) -> Iterator[Release]:
    with open_release(taught_folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("service") / "releases", None)


@pytest.fixture
def build_with_index(tmp_path: Path) -> Path:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "any.txt").write_text("opaque to the release")
    return _build(tmp_path / "releases", tmp_path / "index")


@pytest.fixture(scope="session")
def release(folder: Path) -> Iterator[Release]:
    with open_release(folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def app(release: Release) -> Service:
    return create_app(release)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def problem(self) -> tuple[int, str, str | None]:
        """Status, kind and field; asserts the form that RFC 9457 gives."""
        assert self.headers["content-type"] == "application/problem+json"
        document = self.json
        assert set(document) == {"type", "title", "status", "detail", "field"}
        assert document["status"] == self.status and document["title"] and document["detail"]
        return self.status, document["type"].removeprefix("urn:querywise:problem:"), document["field"]


Ask = Callable[..., Answer]


def ask_app(
    app: Any,
    method: str,
    path: str,
    *,
    query: bytes = b"",
    body: bytes | list[bytes] = b"",
    headers: tuple[tuple[bytes, bytes], ...] = JSON,
) -> Answer:
    """Send one request to an ASGI application; a body in several chunks comes without its length."""
    chunks = body if isinstance(body, list) else [body]
    if not isinstance(body, list):
        headers = (*headers, (b"content-length", b"%d" % len(body)))
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1} for i, chunk in enumerate(chunks)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode("utf-8", "surrogatepass"), "query_string": query, "root_path": "",
        "headers": list(headers), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return Answer(
        status=sent[0]["status"],
        headers={name.decode(): value.decode() for name, value in sent[0]["headers"]},
        body=b"".join(message.get("body", b"") for message in sent[1:]),
    )


@pytest.fixture(scope="session")
def ask(app: Service) -> Ask:
    return lambda *args, **options: ask_app(app, *args, **options)


@contextmanager
def running(release: Path, *options: str) -> Iterator[int]:
    """Run the service as people do, on a free port of this machine, and yield the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "service", str(release), "--port", str(port), *options]
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        try:
            _wait(port, process)
            yield port
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
            assert b"Traceback" not in errors, errors.decode()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert process.poll() is None, "the service stopped"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError("the service did not become ready")


@pytest.fixture(scope="session")
def port(folder: Path) -> Iterator[int]:
    with running(folder) as number:
        yield number


@pytest.fixture(scope="session")
def ask_any() -> Ask:
    return ask_app


@pytest.fixture(scope="session")
def run_service() -> Callable[..., Any]:
    return running


@pytest.fixture(scope="session")
def ask_together() -> Callable[..., list[tuple[int, bytes]]]:
    """Sends queries to ``/v1/understand`` all at once; gives status and body of each, in order."""

    async def ask(app: Service, query: str) -> tuple[int, bytes]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": json.dumps({"query": query}).encode()}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({"type": "http", "method": "POST", "path": "/v1/understand", "headers": list(JSON)}, receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def gather(app: Service, queries: list[str]) -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(ask(app, query) for query in queries))

    return lambda app, queries: asyncio.run(gather(app, queries))


TWO_QUERIES = ("protein", "1% milk", "Vernors  Soda", "sure", "Halfway!", "lost", "", "never seen 5")


@dataclass(frozen=True, kw_only=True)
class TwoReleases:
    """A folder of two releases of one shop, and what each answers, byte by byte."""

    releases: Path
    names: list[str]
    answers: dict[str, dict[str, bytes]]


def _build_two(folder: Path, student: Path | None) -> TwoReleases:
    """Build two releases: the second answers each known query otherwise, and knows "sure", which the first does not."""
    first = list(read_labels(GROCERY / "labels.jsonl"))
    second = [replace(one, understanding=replace(one.understanding, next_queries=("other",))) for one in first]
    sure = replace(second[0].understanding, normalized="sure", annotations=())
    second.append(replace(second[0], query="sure", understanding=sure))
    built = [_build(folder / "releases", None, labels=labels, student=student) for labels in (first, second)]
    answers = {}
    for path in built:
        with open_release(path) as opened:
            answers[path.name] = {query: opened.answer_bytes(query) for query in TWO_QUERIES}
    one, other = answers.values()
    assert all(one[query] != other[query] for query in TWO_QUERIES)
    assert b'"source":"head"' not in one["sure"] and b'"source":"head"' in other["sure"]
    return TwoReleases(releases=folder / "releases", names=[path.name for path in built], answers=answers)


@pytest.fixture(scope="session")
def two_plain(tmp_path_factory: pytest.TempPathFactory) -> TwoReleases:
    return _build_two(tmp_path_factory.mktemp("plain"), None)


@pytest.fixture(scope="session")
def two_learned(tmp_path_factory: pytest.TempPathFactory, teach: Callable[..., Any]) -> TwoReleases:
    folder = tmp_path_factory.mktemp("learned")
    student = teach(folder / "student", Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()))
    return _build_two(folder, student.folder)
