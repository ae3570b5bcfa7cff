"""Releases that come from elsewhere: whole or not at all, within their room, and never a file outside their folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from domain.errors import ReleaseError, UserError
from release import list_releases, open_release, sign_gate
from release.current import current_release, move, previous_release
from release.elsewhere import Elsewhere, is_url
from release.manifest import MANIFEST, Manifest, check_files, content_hash, read_manifest, write_manifest
from release.remote import Mirror, push

fsspec = pytest.importorskip("fsspec")

ROOM = 1 << 30


@pytest.fixture
def memory() -> Iterator[str]:
    """The URL of an empty object store."""
    yield "memory://releases"
    fsspec.filesystem("memory").store.clear()


def mirror(url: str, folder: Path, room: int = ROOM) -> Mirror:
    return Mirror(url, folder, most_bytes=room)


def point(two: Any, name: str) -> None:
    move(two.releases, name)


def stored(url: str, name: str) -> str:
    return f"{url.removeprefix('memory:/')}/{name}"


def test_what_is_a_url():
    assert [is_url(text) for text in ("s3://a/b", "file:///x", "memory://m", "/a/b", "current", "c:/x", "")] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_pushed_and_fetched_it_is_the_same(two, tmp_path, memory, kind):
    url = memory if kind == "memory" else f"file://{tmp_path}/bucket"
    for name in (two.first, two.second, two.first):
        point(two, name)
        assert push(two.releases, url) == name
        mirror(url, tmp_path / "cache").fetch()
        assert current_release(tmp_path / "cache") == name
        for file in (two.releases / name).rglob("*"):
            if file.is_file():
                assert (
                    tmp_path / "cache" / name / file.relative_to(two.releases / name)
                ).read_bytes() == file.read_bytes()
        open_release(tmp_path / "cache" / "current").close()
    assert previous_release(tmp_path / "cache") == two.second
    assert [path.name for path in (tmp_path / "cache").glob(".fetching-*")] == []


@pytest.mark.parametrize("kind", ["memory://", "file://", "local://", "simplecache::file://"])
def test_a_release_with_folders_in_it_is_pushed_and_fetched(build, tmp_path, memory, kind):
    index = tmp_path / "index"
    (index / "deep" / "er").mkdir(parents=True)
    (index / "words.bin").write_bytes(b"words")
    (index / "deep" / "er" / "vectors.bin").write_bytes(b"vectors")
    name = build(index=index).name
    move(tmp_path / "releases", name)
    url = memory if kind == "memory://" else f"{kind}{tmp_path}/bucket"
    push(tmp_path / "releases", url)
    mirror(url, tmp_path / "cache").fetch()
    fetched = tmp_path / "cache" / name
    assert (fetched / "retrieval" / "deep" / "er" / "vectors.bin").read_bytes() == b"vectors"
    check_files(fetched, read_manifest(fetched), digests=True)


def test_what_is_there_is_not_pushed_again(two, memory, monkeypatch):
    put = []
    original = Elsewhere.put
    monkeypatch.setattr(
        Elsewhere, "put", lambda self, file, *parts: (put.append(parts[-1]), original(self, file, *parts))
    )
    point(two, two.first)
    push(two.releases, memory)
    files = len(read_manifest(two.releases / two.first).files)
    assert len(put) == files
    push(two.releases, memory)
    assert len(put) == files


def test_what_is_here_is_not_fetched_again(two, tmp_path, memory, monkeypatch):
    read = []
    original = Elsewhere.read_from
    monkeypatch.setattr(
        Elsewhere, "read_from", lambda self, start, *parts: (read.append(parts[-1]), original(self, start, *parts))[1]
    )
    point(two, two.first)
    push(two.releases, memory)
    one = mirror(memory, tmp_path / "cache")
    one.fetch()
    count = len(read)
    assert count == len(read_manifest(two.releases / two.first).files)
    one.fetch()
    mirror(memory, tmp_path / "cache").fetch()
    assert len(read) == count


def test_a_new_verdict_comes_along(two, tmp_path, memory, decide, key):
    point(two, two.first)
    push(two.releases, memory)
    mirror(memory, tmp_path / "cache").fetch()
    sign_gate(two.releases / two.first, decide("PASS"), key)
    push(two.releases, memory)
    mirror(memory, tmp_path / "cache").fetch()
    assert read_manifest(tmp_path / "cache" / two.first).gate.verdict == "PASS"
    open_release(tmp_path / "cache" / "current").close()


def test_one_that_is_killed_as_a_new_verdict_comes_leaves_the_release_whole(
    two, tmp_path, memory, decide, key, monkeypatch
):
    point(two, two.first)
    push(two.releases, memory)
    mirror(memory, tmp_path / "cache").fetch()
    sign_gate(two.releases / two.first, decide("PASS"), key)
    push(two.releases, memory)
    if (child := os.fork()) == 0:
        monkeypatch.setattr(os, "fsync", lambda _: os._exit(9))
        mirror(memory, tmp_path / "cache").fetch()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    open_release(tmp_path / "cache" / "current").close()
    mirror(memory, tmp_path / "cache").fetch()
    assert read_manifest(tmp_path / "cache" / two.first).gate.verdict == "PASS"
    open_release(tmp_path / "cache" / "current").close()


def test_a_file_that_is_not_what_its_manifest_says_is_refused_and_not_fetched_again(two, tmp_path, memory, monkeypatch):
    point(two, two.first)
    push(two.releases, memory)
    one = mirror(memory, tmp_path / "cache")
    one.fetch()
    point(two, two.second)
    push(two.releases, memory)
    store = fsspec.filesystem("memory")
    head = stored(memory, f"{two.second}/head.lmdb")
    whole = store.cat_file(head)
    store.pipe_file(head, whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(3):
        with pytest.raises(ReleaseError, match=r"head\.lmdb does not match its digest"):
            one.fetch()
    assert current_release(tmp_path / "cache") == two.first and list_releases(tmp_path / "cache") == [two.first]
    read = []
    original = Elsewhere.read_from
    monkeypatch.setattr(
        Elsewhere, "read_from", lambda self, start, *parts: (read.append(parts), original(self, start, *parts))[1]
    )
    with pytest.raises(ReleaseError):
        one.fetch()
    assert read == []
    store.pipe_file(head, whole)
    mirror(memory, tmp_path / "cache").fetch()
    assert current_release(tmp_path / "cache") == two.second


def test_an_interrupted_transfer_goes_on_where_it_ended(two, tmp_path, memory, monkeypatch):
    point(two, two.first)
    push(two.releases, memory)
    original, starts = Elsewhere.read_from, []

    def breaks(self: Elsewhere, start: int, *parts: str) -> Iterator[bytes]:
        starts.append((parts[-1], start))
        data = b"".join(original(self, start, *parts))
        if parts[-1] == "head.lmdb" and start == 0:
            yield data[:5000]
            raise ReleaseError("the line broke")
        yield data

    monkeypatch.setattr(Elsewhere, "read_from", breaks)
    with pytest.raises(ReleaseError, match="the line broke"):
        mirror(memory, tmp_path / "cache").fetch()
    assert current_release(tmp_path / "cache") is None and list_releases(tmp_path / "cache") == []
    mirror(memory, tmp_path / "cache").fetch()
    assert current_release(tmp_path / "cache") == two.first
    assert starts.count(("head.lmdb", 0)) == 1 and ("head.lmdb", 5000) in starts
    assert max(starts.count(("taxonomy.json", 0)), 1) == 1


def test_what_an_interrupted_transfer_left_may_be_of_another_file(two, tmp_path, memory):
    point(two, two.first)
    push(two.releases, memory)
    left = tmp_path / "cache" / f".fetching-{two.first}"
    left.mkdir(parents=True)
    (left / "head.lmdb.part").write_bytes(b"x" * 100)
    (left / "taxonomy.json.part").write_bytes(b"x" * 1_000_000)
    (left / "stray").write_bytes(b"x")
    # The id of a release does not depend on all of its files: this one is whole, and of another build.
    (left / "head.lmdb").write_bytes((two.releases / two.first / "head.lmdb").read_bytes()[::-1])
    (left / "taxonomy.json").write_bytes((two.releases / two.first / "taxonomy.json").read_bytes())
    mirror(memory, tmp_path / "cache").fetch()
    open_release(tmp_path / "cache" / "current").close()


def test_a_file_that_ends_early_is_asked_for_again(two, tmp_path, memory):
    point(two, two.first)
    push(two.releases, memory)
    store, head = fsspec.filesystem("memory"), stored(memory, f"{two.first}/head.lmdb")
    whole = store.cat_file(head)
    store.pipe_file(head, whole[:7000])
    one = mirror(memory, tmp_path / "cache")
    with pytest.raises(ReleaseError, match="ended early"):
        one.fetch()
    store.pipe_file(head, whole)
    one.fetch()
    assert current_release(tmp_path / "cache") == two.first


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"", "names no release"), (b"../../etc", "names no release"), (b"x" * 5000, "over 256 bytes"),
        (b"\xff\xfe", "names no release"), (b"2026-11-21-000000", "cannot be read"),
    ],
)  # fmt: skip
def test_current_may_say_anything(tmp_path, memory, said, problem):
    fsspec.filesystem("memory").pipe_file(stored(memory, "current"), said)
    with pytest.raises(ReleaseError, match=problem):
        mirror(memory, tmp_path / "cache").fetch()
    assert current_release(tmp_path / "cache") is None


def test_nothing_there(tmp_path, memory):
    with pytest.raises(ReleaseError, match="memory://releases/current cannot be read"):
        mirror(memory, tmp_path / "cache").fetch()


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "a/../../escaped", "a//b", "./a", "a\nb", ".", ""])
def test_no_file_leaves_the_folder(two, tmp_path, memory, name):
    folder = tmp_path / "bad"
    shutil.copytree(two.releases / two.first, folder)
    document = json.loads((folder / "manifest.json").read_text())
    document["files"][name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    (folder / "manifest.json").write_text(json.dumps(document))
    manifest = TypeAdapter(Manifest).validate_python(document)
    content = content_hash(manifest)
    manifest = replace(manifest, content=content, release=f"2026-11-21-{content[:6]}")
    write_manifest(folder, manifest)
    store = fsspec.filesystem("memory")
    store.pipe_file(stored(memory, "current"), manifest.release.encode())
    for file in (*folder.rglob("*"),):
        if file.is_file():
            store.pipe_file(stored(memory, f"{manifest.release}/{file.relative_to(folder)}"), file.read_bytes())
    with pytest.raises(ReleaseError, match="has a file of the name"):
        mirror(memory, tmp_path / "deep" / "cache").fetch()
    assert not list(tmp_path.rglob("escaped")) and list_releases(tmp_path / "deep" / "cache") == []


def test_old_releases_make_room_and_kept_ones_stay(build, grocery, tmp_path, memory):
    names = []
    for i in range(4):
        label = replace(
            grocery.labels[0], understanding=replace(grocery.labels[0].understanding, next_queries=(f"n{i}",))
        )
        names.append(build([label], day=21 + i).name)
    releases, cache = tmp_path / "releases", tmp_path / "cache"
    size = sum(file.bytes for file in read_manifest(releases / names[0]).files.values())
    room = int(2.6 * size)
    for i, keep in enumerate([(), (), (names[0],), (names[2],)]):
        move(releases, names[i])
        push(releases, memory)
        if i == 2:
            with pytest.raises(ReleaseError, match="may have"):
                mirror(memory, cache, room).fetch(keep=(names[0], names[1]))
            assert current_release(cache) == names[1] and list_releases(cache) == names[:2]
            with pytest.raises(ReleaseError, match="may have"):
                mirror(memory, cache, room).fetch(keep)
            # What is current and what is kept fill the room; without the second there is some.
            mirror(memory, cache, room).fetch()
        else:
            mirror(memory, cache, room).fetch(keep)
        assert current_release(cache) == names[i]
    assert list_releases(cache) == names[2:]


def test_one_that_is_killed_while_it_makes_room_leaves_nothing_that_looks_whole(
    two, build, tmp_path, memory, monkeypatch
):
    cache, third = tmp_path / "cache", build(day=23).name
    size = sum(file.bytes for file in read_manifest(two.releases / two.first).files.values())
    room = int(2.6 * size)
    for name in (two.first, two.second):
        point(two, name)
        push(two.releases, memory)
        mirror(memory, cache, room).fetch()
    point(two, third)
    push(two.releases, memory)
    if (child := os.fork()) == 0:
        remove = shutil.rmtree

        def killed(folder: Path, **options: Any) -> None:
            if folder.parent != cache:
                remove(folder, **options)
                return
            (folder / "head.lmdb").unlink()
            os._exit(9)

        monkeypatch.setattr(shutil, "rmtree", killed)
        mirror(memory, cache, room).fetch(keep=(two.second,))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert list_releases(cache) == [two.second]
    point(two, two.first)
    push(two.releases, memory)
    mirror(memory, cache, room).fetch(keep=(two.second,))
    open_release(cache / "current").close()
    assert list_releases(cache) == sorted((two.first, two.second))
    mirror(memory, cache, room).fetch()
    point(two, third)
    push(two.releases, memory)
    mirror(memory, cache, room).fetch()
    open_release(cache / "current").close()
    assert [path.name for path in cache.glob(".fetching-*")] == []


def damage_missing(folder: Path) -> None:
    (folder / "head.lmdb").unlink()


def damage_short(folder: Path) -> None:
    with (folder / "head.lmdb").open("r+b") as file:
        file.truncate(4096)


def damage_stray(folder: Path) -> None:
    (folder / "stray").write_bytes(b"x")


def damage_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"{")


def damage_all_but_files(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("damage", "fetched"),
    [
        (damage_missing, ["head.lmdb"]),
        (damage_short, ["head.lmdb"]),
        (damage_stray, []),
        (damage_manifest, []),
        (damage_all_but_files, []),
    ],
)
def test_what_is_here_and_not_whole_is_mended(two, tmp_path, memory, monkeypatch, damage, fetched):
    cache = tmp_path / "cache"
    point(two, two.first)
    push(two.releases, memory)
    # There is room for it once: what is not whole makes way.
    room = sum(file.bytes for file in read_manifest(two.releases / two.first).files.values())
    one = mirror(memory, cache, room)
    one.fetch()
    damage(cache / two.first)
    read, original = [], Elsewhere.read_from
    monkeypatch.setattr(
        Elsewhere, "read_from", lambda self, start, *parts: (read.append(parts[-1]), original(self, start, *parts))[1]
    )
    one.fetch()
    open_release(cache / "current").close()
    assert read == fetched and current_release(cache) == two.first
    assert [path.name for path in cache.glob(".fetching-*")] == []


def test_a_reload_mends_what_has_its_size_and_another_digest(two, tmp_path, memory):
    cache = tmp_path / "cache"
    point(two, two.first)
    push(two.releases, memory)
    one = mirror(memory, cache)
    one.fetch()
    head = cache / two.first / "head.lmdb"
    whole = head.read_bytes()
    head.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    one.fetch()  # a look does not read every byte
    assert head.read_bytes() != whole
    one.fetch(again=True)
    assert head.read_bytes() == whole
    open_release(cache / "current").close()


def test_what_is_whole_here_and_another_build_is_left_alone(two, tmp_path, memory):
    point(two, two.first)
    push(two.releases, memory)
    mirror(memory, tmp_path / "cache").fetch()
    store, where = fsspec.filesystem("memory"), stored(memory, f"{two.first}/{MANIFEST}")
    document = json.loads(store.cat_file(where))
    document["files"]["head.lmdb"]["sha256"] = hashlib.sha256(b"another").hexdigest()
    store.pipe_file(where, json.dumps(document).encode())
    for again in (False, True):
        with pytest.raises(ReleaseError, match="is here with other files"):
            mirror(memory, tmp_path / "cache").fetch(again=again)
        open_release(tmp_path / "cache" / "current").close()


def test_one_fetches_and_the_others_go_on_with_what_there_is(two, tmp_path, memory, monkeypatch):
    point(two, two.first)
    push(two.releases, memory)
    mirror(memory, tmp_path / "cache").fetch()
    point(two, two.second)
    push(two.releases, memory)
    original, go, asked = Elsewhere.read_from, threading.Event(), threading.Event()

    def slow(self: Elsewhere, start: int, *parts: str) -> Iterator[bytes]:
        asked.set()
        assert go.wait(10)
        yield from original(self, start, *parts)

    monkeypatch.setattr(Elsewhere, "read_from", slow)
    fetching = threading.Thread(target=mirror(memory, tmp_path / "cache").fetch)
    fetching.start()
    assert asked.wait(10)
    assert mirror(memory, tmp_path / "cache").fetch() is False  # and nothing is said of what is there
    assert current_release(tmp_path / "cache") == two.first
    # Whoever wants it again waits, and then looks: what it finds is how things are.
    waited: list[bool] = []
    waiting = threading.Thread(target=lambda: waited.append(mirror(memory, tmp_path / "cache").fetch(again=True)))
    waiting.start()
    leaving, left = mirror(memory, tmp_path / "cache"), []

    def leave() -> None:
        try:
            leaving.fetch(again=True)
        except ReleaseError as error:
            left.append(str(error))

    stopped = threading.Thread(target=leave)
    stopped.start()
    leaving.stop()
    stopped.join(10)
    assert left == ["the service is stopping"] and waited == [] and waiting.is_alive()
    go.set()
    fetching.join()
    waiting.join(10)
    assert waited == [True] and current_release(tmp_path / "cache") == two.second


def test_what_is_stopped_is_taken_up_later(two, tmp_path, memory):
    point(two, two.first)
    push(two.releases, memory)
    stopped = mirror(memory, tmp_path / "cache")
    stopped.stop()
    with pytest.raises(ReleaseError, match="stopping"):
        stopped.fetch()
    mirror(memory, tmp_path / "cache").fetch()
    assert current_release(tmp_path / "cache") == two.first


class Quiet(SimpleHTTPRequestHandler):
    """A web server that sends a file from its beginning only."""

    def log_message(self, *_: Any) -> None: ...


def test_from_a_web_server(two, tmp_path):
    pytest.importorskip("aiohttp")
    point(two, two.first)
    push(two.releases, f"file://{tmp_path}/bucket")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "bucket"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        left = tmp_path / "cache" / f".fetching-{two.first}"
        left.mkdir(parents=True)
        head = (two.releases / two.first / "head.lmdb").read_bytes()
        (left / "head.lmdb.part").write_bytes(head[:5000])
        mirror(url, tmp_path / "cache").fetch()
        server.shutdown()
    open_release(tmp_path / "cache" / "current").close()
    with pytest.raises(ReleaseError, match="cannot be read"):
        mirror(url, tmp_path / "cache").fetch()


class Slow(Quiet):
    """A web server whose line carries a file in pieces: a read gets what has arrived."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        data = source.read()
        third = len(data) // 3 + 1
        for start in range(0, len(data), third):
            outputfile.write(data[start : start + third])
            outputfile.flush()
            time.sleep(0.1)


def test_a_small_file_may_arrive_in_pieces(two, tmp_path):
    pytest.importorskip("aiohttp")
    point(two, two.first)
    push(two.releases, f"file://{tmp_path}/bucket")
    described = (two.releases / two.first / MANIFEST).read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(tmp_path / "bucket"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = Elsewhere(f"http://127.0.0.1:{server.server_port}")
        assert there.read(two.first, MANIFEST, most=len(described)) == described
        with pytest.raises(ReleaseError, match="has over"):
            there.read(two.first, MANIFEST, most=len(described) - 1)
        server.shutdown()


def test_secrets_of_a_url_are_not_shown(tmp_path):
    pytest.importorskip("aiohttp")
    with pytest.raises(ReleaseError) as refused:
        mirror("http://user:hunter2@127.0.0.1:9/x?token=hunter3", tmp_path / "cache").fetch()
    assert "hunter" not in str(refused.value) and "http://127.0.0.1:9/x" in str(refused.value)


def test_a_url_of_an_unknown_kind(tmp_path):
    with pytest.raises(UserError, match="cannot be used"):
        mirror("nosuch://a", tmp_path)


def test_there_is_nothing_to_push(tmp_path, memory):
    (tmp_path / "releases").mkdir()
    with pytest.raises(ReleaseError, match="no current release"):
        push(tmp_path / "releases", memory)
