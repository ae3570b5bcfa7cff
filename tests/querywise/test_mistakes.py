"""Mistakes: one line and a hint, exit 2, no traceback; a check that says no: exit 1. Nothing is lost by either."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

NOBODY = 65534


@pytest.fixture
def shop(tmp_path, tools):
    tools.write_shop(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Without the rights of root, to whom every folder is open."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that everybody may read; those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="querywise-test-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("name = ", "is not valid TOML"),
        ('name = "tiny"\nlocale = "en-US"\n', "currency is missing"),
        ('name = "../tiny"\nlocale = "en-US"\ncurrency = "USD"\n', "cannot be used"),
        ('name = "tiny"\nlocale = "en-US"\ncurrency = "USD"\n[logs]\n', "unknown key logs"),
        ('name = "tiny"\nlocale = "en-US"\ncurrency = "USD"\n[files]\nproducts = "none.csv"\n', "matches no file"),
    ],
)
def test_a_bad_shop_toml(shop, work, tools, toml, said):
    (shop / "shop.toml").write_text(toml)
    message = tools.run("ingest", shop, "--work", work).mistake()
    assert said in message and "shop" in message


def test_a_folder_that_is_no_shop(tmp_path, tools):
    assert "is not a folder" in tools.run("run", "--no-distill", tmp_path / "none").mistake()
    (tmp_path / "empty").mkdir()
    message = tools.run("run", "--no-distill", tmp_path / "empty").mistake()
    assert "has no shop.toml" in message and "hint: it holds at least name, locale and currency" in message


def test_an_unknown_tier(made, tools):
    at = (made.shop, "--work", made.work, "--model", "by-hand", "--tiers", "head,middle")
    assert "--tiers takes head, torso, tail" in tools.run("label", *at).mistake()
    assert "no such tiers: 'head,middle'" in tools.run("batch", "export", *at, "--output", "x").mistake()


def test_no_model(made, tools, monkeypatch):
    monkeypatch.delenv("QUERYWISE_MODEL", raising=False)
    for command in (("run",), ("label",), ("label", "--dry-run"), ("batch", "export", "--output", "x")):
        message = tools.run(*command, made.shop, "--work", made.work).mistake()
        assert "no model is named" in message and "hint: pass --model" in message


def test_the_model_of_the_environment_counts_after_that_of_the_shop(made, tools, monkeypatch):
    monkeypatch.setenv("QUERYWISE_MODEL", "by-hand")
    result = tools.run("label", made.shop, "--work", made.work, "--dry-run", "--json")
    assert (result.code, result.json["carried"], result.json["requests"]) == (0, 8, 0)
    monkeypatch.setenv("QUERYWISE_MODEL", "recorded:none.jsonl")
    assert (
        "there is no recording none.jsonl" in tools.run("run", "--no-distill", made.shop, "--work", made.work).mistake()
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not json\n", "is no recording: line 1"),
        (b"", "holds completions of 0 models"),
        (b'{"key": "1", "content": "", "model": "a"}\n{"key": "2", "content": "", "model": "b"}\n', "of 2 models"),
    ],
)
def test_a_recording_that_is_none(shop, work, tools, tmp_path, content, said):
    (tmp_path / "r.jsonl").write_bytes(content)
    result = tools.run("run", "--no-distill", shop, "--work", work, "--model", f"recorded:{tmp_path / 'r.jsonl'}")
    assert said in result.mistake()
    assert not (work / "warehouse").exists()


def test_an_unknown_prompt(made, tools):
    assert "querywise prompts list" in tools.run("prompts", "show", "nonsense").mistake()
    at = (made.shop, "--work", made.work, "--model", "by-hand", "--prompt", "understand@99")
    assert "there is no prompt 'understand@99'" in tools.run("label", *at).mistake()


@pytest.mark.parametrize(
    ("done", "command", "next_one"),
    [
        ((), ("context",), "querywise ingest"),
        ((), ("index",), "querywise ingest"),
        ((), ("label", "--model", "by-hand"), "querywise ingest"),
        ((), ("evaluate",), "querywise ingest"),
        ((), ("release", "build"), "querywise label"),
        ((), ("understand", "QUERY"), "querywise run"),
        ((), ("serve",), "querywise run"),
        ((), ("release", "show"), "querywise run"),
        (("ingest",), ("label", "--model", "by-hand"), "querywise index"),
        (("ingest",), ("evaluate",), "querywise context"),
        (("ingest", "context"), ("label", "--model", "by-hand"), "querywise index"),
    ],
)
def test_commands_out_of_order_name_the_one_to_run(shop, work, tools, done, command, next_one):
    for name in done:
        assert tools.run(name, shop, "--work", work).code == 0
    words = [word for word in command if word != "QUERY"]
    query = ["milk"] if "QUERY" in command else []
    message = tools.run(*words, shop, *query, "--work", work).mistake()
    assert f"`{next_one}" in message


def test_understand_wants_one_query_or_two_files(made, tools, tmp_path):
    at = (made.shop, "--work", made.work)
    for options in ((), ("milk", "--input", "a.jsonl"), ("--input", "a.jsonl"), ("milk", "--output", "a.jsonl")):
        message = tools.run("understand", *at, *options).mistake()
        assert "give one query, or --input and --output" in message and 'SHOP "1% milk"' in message


def test_a_query_that_is_not_text(made, tools):
    assert "not valid UTF-8" in tools.run("understand", made.shop, "caf\udce9", "--work", made.work).mistake()


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("not json", 2),
        ('{"text": "milk"}', 2),
        ('{"query": null}', 2),
        ("[1]", 2),
        ('"\\ud800"', 2),
        ("[" * 100_000, 2),
        ("\n\n7", 4),
    ],
)
def test_a_line_that_is_no_query(made, tools, tmp_path, line, number):
    (tmp_path / "in.jsonl").write_text(f'{{"query": "milk"}}\n{line}\n')
    (tmp_path / "out.jsonl").write_text("of yesterday")
    files = ("--input", tmp_path / "in.jsonl", "--output", tmp_path / "out.jsonl")
    message = tools.run("understand", made.shop, "--work", made.work, *files).mistake()
    assert f"in.jsonl, line {number}: no query" in message and "hint: a line looks like" in message
    assert (tmp_path / "out.jsonl").read_text() == "of yesterday"


def test_files_of_queries_that_are_none(made, tools, tmp_path):
    def say(name: str, output: str = "out.jsonl") -> str:
        files = ("--input", tmp_path / name, "--output", tmp_path / output)
        return tools.run("understand", made.shop, "--work", made.work, *files).mistake()

    (tmp_path / "text.parquet").write_text("text")
    pl.DataFrame({"text": ["milk"]}).write_parquet(tmp_path / "other.parquet")
    (tmp_path / "one.jsonl").write_text('"milk"\n')
    (tmp_path / "folder.jsonl").mkdir()
    assert "there is no file" in say("none.jsonl")
    assert "there is no file" in say("folder.jsonl")
    assert "text.parquet is not Parquet" in say("text.parquet")
    assert "hint: its columns are text" in say("other.parquet")
    assert "out.csv is of no known format" in say("one.jsonl", "out.csv")
    assert "folder.jsonl: Is a directory" in say("one.jsonl", "folder.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_too_many_bad_rows_leave_the_load_of_before(shop, work, tools):
    assert tools.run("ingest", shop, "--work", work).code == 0
    before = tools.digest_of(work / "warehouse")
    # 2 of 27 rows are 7.4%, and 5% are allowed.
    with (shop / "products.jsonl").open("a") as file:
        file.write('{"product_id": "x1", "title": "Nothing", "category_id": "nowhere"}\n')
    message = tools.run("run", "--no-distill", shop, "--work", work, "--model", "by-hand").mistake()
    assert "products.jsonl: 7.4% of 27 rows were rejected: negative price (1), unknown category (1)" in message
    assert "max_reject_share" in message
    assert tools.digest_of(work / "warehouse") == before
    rows = pl.read_parquet(work / "quarantine.parquet").select("file", "line", "reason").rows()
    assert rows == [("products.jsonl", 26, "negative price"), ("products.jsonl", 27, "unknown category")]


@pytest.mark.parametrize("name", ["head.lmdb", "taxonomy.json", "retrieval/names.npy"])
def test_a_damaged_release_is_not_served(made, tools, tmp_path, name):
    work = tools.copy_work(made.work, tmp_path / "work")
    path = (work / "releases" / "current" / name).resolve()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    for command in (("release", "verify"), ("understand",)):
        result = tools.run(*command, made.shop, *(["humm"] if command == ("understand",) else []), "--work", work)
        assert (result.code, result.out) == (1, "")
        assert f"{name} does not match its digest" in result.err and "hint: " in result.err


def test_a_release_without_its_manifest_is_damaged_and_one_that_never_was_is_a_mistake(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    at = (made.shop, "--work", work)
    for name in ("2020-01-01-abcdef", "../labels", ".lock"):
        for command in ("show", "verify", "promote"):
            assert f"there is no release {name}" in tools.run("release", command, made.shop, name, *at[1:]).mistake()
    result = tools.run("release", "rollback", *at)
    assert result.code == 1 and "there is no earlier release to go back to" in result.err
    current = os.readlink(work / "releases" / "current")
    (work / "releases" / current / "manifest.json").unlink()
    result = tools.run("release", "verify", *at)
    assert result.code == 1 and "no manifest.json" in result.err
    # The next run builds it again.
    (work / "releases" / current).rename(tmp_path / "damaged")
    assert tools.run("run", "--no-distill", *at, "--model", "by-hand").code == 0
    assert tools.run("release", "verify", *at).code == 0


def test_a_work_folder_that_is_a_file(shop, tools, tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        message = tools.run("ingest", shop, "--work", place).mistake()
        assert "is not a folder" in message and "hint: --work takes a folder" in message
    assert (tmp_path / "file").read_text() == "mine"


def test_a_work_folder_inside_the_shop_folder(shop, tools, monkeypatch):
    before = tools.digest_of(shop)
    for place in (shop, shop / "work"):
        assert "which is only read" in tools.run("ingest", shop, "--work", place).mistake()
    monkeypatch.chdir(shop)
    assert "hint: pass --work" in tools.run("ingest", ".").mistake()
    assert tools.digest_of(shop) == before


def test_a_work_folder_that_cannot_be_written(tools, open_to_all):
    shop, work = open_to_all / "shop", open_to_all / "work"
    tools.write_shop(shop)
    work.mkdir()
    work.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
    with as_nobody():
        there = tools.run("ingest", shop, "--work", work)
        new = tools.run("ingest", shop, "--work", work / "new")
    assert "cannot be written: Permission denied" in there.mistake()
    assert "cannot be made: Permission denied" in new.mistake()
    assert list(work.iterdir()) == []


def test_a_shop_folder_that_cannot_be_written_is_enough(tools, open_to_all):
    shop, work = open_to_all / "shop", open_to_all / "work"
    tools.write_shop(shop)
    work.mkdir()
    work.chmod(0o777)
    for path in [*shop.iterdir(), shop]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = tools.digest_of(shop)
    with as_nobody():
        for command in ("ingest", "context"):
            assert tools.run(command, shop, "--work", work).code == 0
    assert tools.digest_of(shop) == before


def test_a_file_of_the_shop_that_cannot_be_read(tools, open_to_all):
    shop, work = open_to_all / "shop", open_to_all / "work"
    tools.write_shop(shop)
    (shop / "products.jsonl").chmod(0o000)
    work.mkdir()
    work.chmod(0o777)
    with as_nobody():
        result = tools.run("ingest", shop, "--work", work)
    assert "products.jsonl" in result.mistake()
    assert [path.name for path in work.iterdir()] == [".lock"]


def test_two_at_once_do_not_meet(shop, work, tools):
    work.mkdir()
    with (work / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (("ingest",), ("run", "--no-distill", "--model", "by-hand"), ("release", "build")):
            assert "another querywise is at work" in tools.run(*command, shop, "--work", work).mistake()
    assert tools.run("ingest", shop, "--work", work).code == 0


def test_labelled_queries_that_are_not_there(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    at = (made.shop, "--work", work, "--gold")
    assert "cannot read the gold file" in tools.run("evaluate", *at, tmp_path / "none.jsonl").mistake()
    (tmp_path / "bad.jsonl").write_text("[]\n")
    assert "has no usable line" in tools.run("evaluate", *at, tmp_path / "bad.jsonl").mistake()


def test_a_batch_output_that_is_none(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    shutil.rmtree(work / "cache")
    at = (made.shop, "--work", work, "--model", "by-hand")
    assert "there is no file" in tools.run("batch", "import", *at, "--input", tmp_path / "none.jsonl").mistake()
    assert "no completion of by-hand" in tools.run("batch", "record", *at, "--output", tmp_path / "r.jsonl").mistake()
    assert not (tmp_path / "r.jsonl").exists()
    error = {"custom_id": "1", "error": {"code": "expired"}, "response": None}
    (tmp_path / "out.jsonl").write_text(f"junk\n\n{json.dumps(error)}\n{{}}\n")
    for options, missing in ((("--anew",), 16), ((), 0)):
        result = tools.run("batch", "import", *at, "--input", tmp_path / "out.jsonl", *options, "--json")
        # Eight labels stand: what nobody has to ask is not missed.
        assert (result.code, result.json["imported"], result.json["missing"]) == (int(missing > 0), 0, missing)
        assert result.json["rejected"] == {"not JSON": 1, "error": 1, "no custom_id": 1}


def test_text_of_shoppers_is_no_markup(shop, work, tools):
    (shop / "[red]x :milk:.jsonl").write_text("{}\n")
    with (shop / "shop.toml").open("a") as file:
        file.write('[files]\nproducts = ["products.jsonl", "[red]x :milk:.jsonl"]\n[ingest]\nmax_reject_share = 1\n')
    result = tools.run("ingest", shop, "--work", work)
    assert result.code == 0 and "[red]x :milk:.jsonl" in result.err


def test_a_process_of_its_own_says_the_same(shop, work, tools):
    """The entry point: exit status, streams, and lines that are not broken when nobody looks."""
    place = work / ("deep-" * 30) / "folder"
    result = tools.run_process("context", shop, "--work", place)
    assert "hint: run `querywise ingest" in result.mistake()
    (line, _) = result.err.splitlines()
    assert line == f"querywise: {place / 'warehouse' / 'ingest.json'} is not there"
    assert tools.run_process("ingest", shop, "--work", work, "--json").json["searches"] == 431
    usage = tools.run_process("ingest")
    assert usage.code == 2 and "Missing argument 'SHOP'" in usage.err and usage.out == ""
    assert tools.run_process("--version").out.startswith("querywise ")


def test_a_model_that_cannot_be_reached_is_reported_by_class(made, tools, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    before = (work / "labels" / "labels.jsonl").read_bytes()
    at = ("label", made.shop, "--work", work, "--tiers", "head", "--api-base", "http://127.0.0.1:9/v1")
    keys = {"OPENAI_API_KEY": "none"}
    result = tools.run_process(*at, "--model", "openai/none", environment=keys)
    assert result.code == 1 and result.out == "" and "Traceback" not in result.err, result.err
    assert "4 queries: 0 labelled, 0 carried over, 4 failed" in result.err
    assert "provider error  4        " in result.err and "openai/none: InternalServerError" in result.err
    assert "4 of them keep the label of an earlier run" in result.err
    assert (work / "labels" / "labels.jsonl").read_bytes() == before
    unknown = tools.run(*at, "--model", "no-such-provider/none", "--json")
    assert unknown.code == 1 and "Traceback" not in unknown.err, unknown.err
    assert (unknown.json["labelled"], unknown.json["failed"], unknown.json["kept"]) == (0, {"provider_error": 4}, 4)
