"""A tiny grocery shop, taken through the real program; answers of no model, made by hand to try the plumbing."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from querywise.cli import main

ROOT = Path(__file__).resolve().parents[2]
MODEL = "by-hand"

TREE = {
    "drinks": (None, "Beverages"),
    "soft": ("drinks", "Soft Drinks"),
    "ginger": ("soft", "Ginger Ale"),
    "juice": ("drinks", "Juice"),
    "kombucha": ("drinks", "Kombucha"),
    "snacks": (None, "Snacks"),
    "bars": ("snacks", "Protein Bars"),
    "chips": ("snacks", "Potato Chips"),
    "house": (None, "Household"),
    "soap": ("house", "Dish Soap"),
    "meat": (None, "Meat"),
    "chicken": ("meat", "Chicken Breast"),
}
SHELVES = {
    "ginger": ("Vernors Ginger Ale 2 l", "Canada Dry Ginger Ale", "Ginger Ale Zero", "Dry Ginger Ale 6 Cans"),
    "juice": ("Orange Juice 1 l", "Apple Juice 1 l", "Orange Juice with Pulp", "Grape Juice"),
    "kombucha": ("Humm Peach Tea Kombucha", "Humm Ginger Kombucha", "Wild Kombucha"),
    "bars": ("Protein Bar Peanut", "Protein Bar Cookie", "Vegan Protein Bar", "Protein Bars 12 Pack"),
    "chips": ("Sea Salt Potato Chips", "Paprika Potato Chips", "Kettle Chips"),
    "soap": ("Lemon Dish Soap", "Dish Soap Refill", "Gentle Dish Soap"),
    "chicken": (
        "Chicken Breast 500 g",
        "Chicken Breast Strips",
        "Chicken Breast Family Pack",
        "Organic Chicken Breast",
    ),
}
# Query -> searches, shelf. 400 searches: the head is what begins below 200 of them, the torso below 360.
SEARCHES: dict[str, tuple[int, str | None]] = {
    "Protein": (80, "bars"),
    "ginger ale": (60, "ginger"),
    "dishes": (50, "soap"),
    "kombucha": (45, "kombucha"),
    "humm": (40, "kombucha"),
    "chips": (35, "chips"),
    "chicken": (30, "chicken"),
    "orange juice": (20, "juice"),
    "vernors": (15, "ginger"),
    "oj": (10, None),
    **{
        f"{word} cake": (1, None) for word in "carrot lemon cheese apple plum rum pound angel nut date fig rice".split()
    },
    **{f"{word} lamp": (1, None) for word in ("desk", "floor", "wall")},
}
LABELLED = ("protein", "ginger ale", "dishes", "kombucha", "humm", "chips", "chicken", "orange juice")
# Query -> the category's name, spans as text and type, rewrites.
ANSWERS: dict[str, dict[str, Any]] = {
    "protein": {"name": "Protein Bars", "spans": [("protein", "product_type")], "rewrites": ["protein bar"]},
    "ginger ale": {"name": "Ginger Ale", "spans": [("ginger ale", "product_type")], "rewrites": []},
    "dishes": {"name": "Dish Soap", "spans": [("dishes", "attribute")], "rewrites": ["dish soap"]},
    "kombucha": {"name": "Kombucha", "spans": [("kombucha", "product_type")], "rewrites": []},
    "humm": {"name": "Kombucha", "spans": [("humm", "brand")], "rewrites": ["humm kombucha"]},
    "chips": {"name": "Potato Chips", "spans": [("chips", "product_type")], "rewrites": ["potato chips"]},
    "chicken": {"name": "Chicken Breast", "spans": [("chicken", "product_type")], "rewrites": []},
    "orange juice": {"name": "Juice", "spans": [("orange", "attribute"), ("juice", "product_type")], "rewrites": []},
}
# Query -> what to show instead, what with it, what to search next.
IDEAS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "protein": ((), ("kombucha",), ()),
    "ginger ale": (("kombucha",), ("potato chips",), ("chips for a party",)),
    "dishes": ((), (), ()),
    "kombucha": (("ginger ale",), ("protein bar",), ()),
    "humm": ((), ("potato chips",), ()),
    "chips": ((), ("ginger ale", "dip for chips"), ()),
    "chicken": ((), ("potato chips",), ()),
    "orange juice": (("kombucha",), (), ()),
}
GOLD = [
    {"query": "protein", "categories": ["bars"]},
    {"query": "humm", "categories": ["kombucha"]},
    {"query": "vernors", "categories": ["ginger"]},
]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one call of the program left: its exit status and its two streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    def mistake(self) -> str:
        """The message of a user's mistake; asserts that it is one line, with at most a hint below, and exit 2."""
        assert (self.code, self.out) == (2, ""), self
        lines = self.err.splitlines()
        assert lines[0].startswith("querywise: ") and "Traceback" not in self.err, self.err
        assert all(line.startswith("  hint: ") for line in lines[1:]) and len(lines) <= 2, self.err
        return self.err


def run(*arguments: str | Path) -> Result:
    """Call the program in this process, as its entry point does."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["querywise", *map(str, arguments)]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.argv = before
    return Result(code=code, out=out.getvalue(), err=err.getvalue())


def start(*arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
    """Start the program as a process of its own."""
    command = [sys.executable, "-m", "querywise", *map(str, arguments)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{"cwd": ROOT, **streams, **settings})


def run_process(*arguments: str | Path, environment: Mapping[str, str] | None = None, **settings: Any) -> Result:
    """Run the program as a process of its own, to its end."""
    with start(*arguments, env={**os.environ, **(environment or {})}, **settings) as process:
        out, err = process.communicate(timeout=120)
    return Result(code=process.returncode, out=out, err=err)


def write_shop(folder: Path) -> None:
    folder.mkdir()
    (folder / "shop.toml").write_text(
        'name = "tiny"\nlocale = "en-US"\ncurrency = "USD"\n[log]\nhead_share = 0.5\ntorso_share = 0.9\n'
    )
    with (folder / "taxonomy.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["category_id", "parent_id", "name"])
        table.writerows([category, parent or "", name] for category, (parent, name) in TREE.items())
    products = [
        {"product_id": f"{category}{i}", "title": title, "category_id": category, "price": 2.5}
        | ({"brand": brand} if (brand := title.split()[0]) in ("Vernors", "Humm") else {})
        for category, titles in SHELVES.items()
        for i, title in enumerate(titles, 1)
    ]
    _write_lines(folder / "products.jsonl", [*products, products[0] | {"product_id": "ginger9", "price": -1}])
    _write_lines(folder / "gold.jsonl", GOLD)
    _write_log(folder)


def _write_log(folder: Path) -> None:
    queries: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    start_of_log = datetime(2025, 5, 1, tzinfo=UTC)

    def search(text: str, client: str, at: datetime, shelf: str | None, application: str = "web") -> str:
        hits = [f"{shelf}{i}" for i in range(1, len(SHELVES[shelf]) + 1)] if shelf else []
        query_id = f"q{len(queries)}"
        queries.append(
            {"query_id": query_id, "user_query": text, "client_id": client, "application": application}
            | {"timestamp": at.isoformat(), "query_response_hit_ids": hits}
        )
        return query_id

    texts = [(text, shelf) for text, (count, shelf) in SEARCHES.items() for _ in range(count)]
    for i, (text, shelf) in enumerate(texts):
        client, at = f"c{i % 37}", start_of_log + timedelta(minutes=7 * i)
        query_id = search(text, client, at, shelf)
        for action in ("click", "purchase")[: 0 if shelf is None else 1 + (i % 3 == 0)]:
            place = i % 2
            events.append(
                {"action_name": action, "query_id": query_id, "client_id": client, "timestamp": at.isoformat()}
                | {
                    "event_attributes": {
                        "object": {"object_id": f"{shelf}{place + 1}"},
                        "position": {"ordinal": place + 1},
                    }
                }
            )
    for i in range(25):
        search("ginger ale", "crawler", start_of_log + timedelta(seconds=i), "ginger")
    for i in range(6):
        search("chips", f"internal-{i % 2}", start_of_log + timedelta(hours=i), "chips", "internal-test")
    _write_lines(folder / "ubi_queries.ndjson", queries)
    _write_lines(folder / "ubi_events.ndjson", events)


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def answer_batch(requests: Path, output: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Write a provider's batch output for a batch input: the answers that were made by hand, to both requests."""
    lines = []
    for line in requests.read_text().splitlines():
        request = json.loads(line)
        prompt = request["body"]["messages"][1]["content"]
        query = re.findall(r"<query>(.*)</query>", prompt)[0]
        if query in leave_out:
            continue
        message = {"role": "assistant", "content": json.dumps(_answer(query, prompt))}
        body = {"choices": [{"message": message}], "usage": {"prompt_tokens": 900, "completion_tokens": 90}}
        lines.append(
            {"id": f"batch_req_{len(lines)}", "custom_id": request["custom_id"], "error": None}
            | {"response": {"status_code": 200, "body": body}}
        )
    # A batch comes back in any order.
    _write_lines(output, lines[::-1])


def _answer(query: str, prompt: str) -> dict[str, Any]:
    if "In the catalogue:" in prompt:
        return _ideas(*IDEAS[query])
    given = ANSWERS[query]
    offered = re.findall(r"^(k\d+) (.+) \(", prompt, re.MULTILINE)
    short = next(short for short, path in offered if path.split(" > ")[-1] == given["name"])
    return {
        "need": "made by hand",
        "spelling": None,
        "specificity": "category",
        "categories": [{"id": short, "confidence": 0.9}],
        "annotations": [{"text": text, "type": kind, "value": text} for text, kind in given["spans"]],
        "rewrites": [{"query": text, "type": "synonym", "confidence": 0.8} for text in given["rewrites"]],
    }


def _ideas(instead: tuple[str, ...], along: tuple[str, ...], explore: tuple[str, ...]) -> dict[str, Any]:
    def kind(queries: tuple[str, ...]) -> list[dict[str, str]]:
        return [{"label": query.capitalize(), "query": query, "why": "made by hand"} for query in queries]

    return {"need": "made by hand", "substitutes": kind(instead), "complements": kind(along), "explore": explore}


def digest_of(folder: Path) -> dict[str, str]:
    """Digest of every file of a folder, by its path within; a link counts by where it leads."""
    return {
        path.relative_to(folder).as_posix(): os.readlink(path)
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def give_encoder(encoder: Path, work: Path) -> None:
    work.mkdir(parents=True, exist_ok=True)
    shutil.copytree(encoder, work / "encoder", copy_function=_link)


def _link(source: str, target: str) -> None:
    # 90 MB that nothing changes in place.
    if source.endswith(".onnx"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def copy_work(work: Path, target: Path) -> Path:
    """Copy a work folder for a test that changes it."""
    shutil.copytree(work, target, symlinks=True, copy_function=_link)
    return target


@dataclass(frozen=True, kw_only=True)
class Made:
    """The tiny shop after the whole path: what each command said, and where everything lies."""

    shop: Path
    work: Path
    recording: Path
    digest: dict[str, str]
    results: dict[str, Result]

    def label(self, query: str) -> dict[str, Any]:
        lines = (self.work / "labels" / "labels.jsonl").read_text().splitlines()
        return next(label for label in map(json.loads, lines) if label["query"] == query)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path) -> Made:
    """The whole path, once a session, batch files and all; tests that change anything work on a copy."""
    folder = tmp_path_factory.mktemp("tiny")
    shop, work = folder / "shop", folder / "work"
    write_shop(shop)
    digest = digest_of(shop)
    give_encoder(encoder_folder, work)
    requests, some, rest = folder / "requests.jsonl", folder / "some.jsonl", folder / "rest.jsonl"
    recording = folder / "by-hand.jsonl.gz"
    at = (shop, "--work", work)
    by = (*at, "--model", MODEL)
    results: dict[str, Result] = {}

    def step(name: str, *arguments: str | Path) -> None:
        results[name] = run(*arguments)
        assert "Traceback" not in results[name].err, results[name].err

    step("ingest", "ingest", *at)
    step("context", "context", *at)
    step("index", "index", *at)
    step("price", "label", *by, "--dry-run")
    step("export", "batch", "export", *by, "--output", requests)
    answer_batch(requests, some, leave_out=("humm", "chips"))
    step("import some", "batch", "import", *by, "--input", some)
    step("export rest", "batch", "export", *by, "--output", rest)
    answer_batch(rest, folder / "rest-output.jsonl")
    step("import rest", "batch", "import", *by, "--input", folder / "rest-output.jsonl")
    step("label", "label", *by)
    step("build", "release", "build", *at)
    step("record", "batch", "record", *by, "--output", recording)
    return Made(shop=shop, work=work, recording=recording, digest=digest, results=results)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As ever, and taken away at the end: each release carries the encoder, 90 MB."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What tests call; modules of tests do not import each other."""

    run: Callable[..., Result]
    start: Callable[..., subprocess.Popen[str]]
    run_process: Callable[..., Result]
    write_shop: Callable[[Path], None]
    give_encoder: Callable[[Path, Path], None]
    copy_work: Callable[[Path, Path], Path]
    digest_of: Callable[[Path], dict[str, str]]
    answer_batch: Callable[..., None]


@pytest.fixture(scope="session")
def tools() -> Iterator[Tools]:
    yield Tools(
        run=run,
        start=start,
        run_process=run_process,
        write_shop=write_shop,
        give_encoder=give_encoder,
        copy_work=copy_work,
        digest_of=digest_of,
        answer_batch=answer_batch,
    )


@pytest.fixture(scope="session")
def labelled() -> tuple[str, ...]:
    """The head and the torso, most searched first."""
    return LABELLED
