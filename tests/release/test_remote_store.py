"""Releases in an object store whose library keeps listings, makes buckets and waits for ever, as real ones do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest

from domain.errors import ReleaseError, UserError
from release import sign_gate
from release.current import current_release, list_releases, move
from release.elsewhere import Elsewhere
from release.manifest import MANIFEST, read_manifest
from release.remote import Mirror, push

fsspec = pytest.importorskip("fsspec")

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem  # noqa: E402

URL = "oss://bucket/shop"
ROOM = 1 << 30
_clock = count()


class ObjectFile(AbstractBufferedFile):
    """Reads in ranges of the object that it was opened on, and fails where that became another one, as s3fs does."""

    def __init__(self, fs: Store, path: str, **options: Any) -> None:
        super().__init__(fs, path, **options)
        self._found = fs.written.get(path)
        fs.opened(path)

    def _fetch_range(self, start: int, end: int) -> bytes:
        self.fs.wait()
        if self.fs.written.get(self.path) != self._found:
            raise FileNotFoundError(self.path)
        return self.fs.objects[self.path][start:end]


class Store(AbstractFileSystem):
    """Objects in buckets. A listing is believed until it is dropped; a folder asked for makes a bucket."""

    protocol = "oss"
    cachable = False
    objects: ClassVar[dict[str, bytes]] = {}
    written: ClassVar[dict[str, int]] = {}
    buckets: ClassVar[set[str]] = set()
    answers: ClassVar[threading.Event] = threading.Event()
    reads: ClassVar[list[str]] = []
    opened: ClassVar[Callable[[str], None]] = staticmethod(lambda path: None)

    def wait(self) -> None:
        self.answers.wait()

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        if path not in self.dircache:
            self.dircache[path] = [
                {"name": name, "size": len(data), "type": "file", "LastModified": self.written[name]}
                for name, data in self.objects.items()
                if self._parent(name) == path
            ]
        return self.dircache[path] if detail else [one["name"] for one in self.dircache[path]]

    def invalidate_cache(self, path: str | None = None) -> None:
        if path is None:
            self.dircache.clear()
        else:
            self.dircache.pop(self._parent(path), None)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self.wait()
        self.reads.append(f"about {path}")
        found: list[dict[str, Any]] = [one for one in self.ls(self._parent(path)) if one["name"] == path]
        if not found:
            raise FileNotFoundError(path)
        return found[0]

    def modified(self, path: str) -> Any:
        return self.info(path)["LastModified"]

    def _open(self, path: str, mode: str = "rb", block_size: Any = None, **options: Any) -> ObjectFile:
        self.reads.append(path)
        return ObjectFile(self, path, mode=mode, block_size=block_size or "default", **options)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.wait()
        self.reads.append(path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return self.objects[path][start:end]

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self.buckets.add(path.partition("/")[0])

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        if path.partition("/")[0] not in self.buckets:
            raise FileNotFoundError(path)
        self.objects[path], self.written[path] = value, next(_clock)

    def put_file(self, lpath: str, rpath: str, callback: Any = None, mode: str = "overwrite", **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())


fsspec.register_implementation("oss", Store, clobber=True)


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    answers = threading.Event()
    answers.set()
    for name, value in (("objects", {}), ("written", {}), ("buckets", {"bucket"}), ("reads", []), ("answers", answers)):
        monkeypatch.setattr(Store, name, value)
    yield Store()
    answers.set()


@pytest.fixture
def pushed(two: Any) -> Any:
    """Two releases, the first of them current here and in the store."""
    move(two.releases, two.first)
    push(two.releases, URL)
    return two


def stored(*parts: str) -> str:
    return "/".join(("bucket/shop", *parts))


def flip(store: Store, name: str) -> bytes:
    whole = store.objects[name]
    store.pipe_file(name, whole[:-1] + bytes([whole[-1] ^ 1]))
    return whole


def test_what_moves_is_noticed_although_the_library_keeps_listings(pushed, tmp_path, store, decide, key):
    follower = Mirror(URL, tmp_path / "cache", most_bytes=ROOM)
    follower.fetch()
    follower._elsewhere._files.ls("bucket/shop")
    follower._elsewhere._files.ls(stored(pushed.first))
    sign_gate(pushed.releases / pushed.first, decide("PASS"), key)
    push(pushed.releases, URL)
    follower.fetch()
    assert read_manifest(tmp_path / "cache" / pushed.first).gate.verdict == "PASS"
    move(pushed.releases, pushed.second)
    push(pushed.releases, URL)
    follower._elsewhere._files.dircache["bucket/shop"] = []
    follower._elsewhere._files.dircache[stored(pushed.second)] = []
    follower.fetch()
    assert current_release(tmp_path / "cache") == pushed.second


def test_current_may_move_while_it_is_read(pushed, tmp_path, store, monkeypatch):
    monkeypatch.setattr(
        Store,
        "opened",
        staticmethod(lambda path: store.pipe_file(path, store.objects[path]) if path == stored("current") else None),
    )
    Mirror(URL, tmp_path / "cache", most_bytes=ROOM).fetch()
    assert current_release(tmp_path / "cache") == pushed.first


def test_a_look_that_finds_nothing_new_is_two_requests(pushed, tmp_path, store):
    follower = Mirror(URL, tmp_path / "cache", most_bytes=ROOM)
    follower.fetch()
    store.reads.clear()
    follower.fetch()
    assert store.reads == [stored("current"), stored(pushed.first, MANIFEST)]


def test_no_bucket_is_made_for_a_mistyped_url(two, store):
    move(two.releases, two.first)
    with pytest.raises(ReleaseError, match="oss://buckte/shop/.* cannot be written: it is not there"):
        push(two.releases, "oss://buckte/shop")
    assert store.buckets == {"bucket"}


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_push_mends_what_is_missing_there(pushed, tmp_path, store, damage):
    head = stored(pushed.first, "head.lmdb")
    whole = store.objects[head]
    if damage == "missing":
        del store.objects[head]
    else:
        store.pipe_file(head, whole[:7000])
    follower = Mirror(URL, tmp_path / "cache", most_bytes=ROOM)
    with pytest.raises(ReleaseError, match=r"head\.lmdb (cannot be read|ended early)"):
        follower.fetch()
    before = dict(store.written)
    push(pushed.releases, URL)
    assert store.objects[head] == whole
    assert {name for name, at in store.written.items() if before.get(name) != at} == {
        head, stored(pushed.first, MANIFEST), stored("current"),
    }  # fmt: skip
    follower.fetch()
    assert current_release(tmp_path / "cache") == pushed.first


def test_what_was_refused_is_fetched_when_it_is_pushed_again(pushed, tmp_path, store):
    head = stored(pushed.first, "head.lmdb")
    flip(store, head)
    follower = Mirror(URL, tmp_path / "cache", most_bytes=ROOM)
    for _ in range(2):
        with pytest.raises(ReleaseError, match="does not match its digest") as refused:
            follower.fetch()
    assert store.reads.count(head) == 1 and refused.value.hint == "push the release again"
    del store.objects[head]
    push(pushed.releases, URL)
    follower.fetch()
    assert current_release(tmp_path / "cache") == pushed.first
    assert store.reads.count(stored(pushed.first, "taxonomy.json")) == 1


def test_what_was_refused_is_fetched_when_that_is_asked_for(pushed, tmp_path, store):
    head = stored(pushed.first, "head.lmdb")
    whole = flip(store, head)
    follower, other = (Mirror(URL, tmp_path / "cache", most_bytes=ROOM) for _ in range(2))
    for mirror in (follower, other):
        with pytest.raises(ReleaseError, match="does not match its digest"):
            mirror.fetch()
    store.pipe_file(head, whole)
    with pytest.raises(ReleaseError, match="does not match its digest"):
        follower.fetch()
    follower.fetch(again=True)
    assert current_release(tmp_path / "cache") == pushed.first
    other.fetch()  # what another process brought is here, whatever this one had refused


def test_a_store_that_does_not_answer_is_given_up_in_time(pushed, tmp_path, store, monkeypatch):
    monkeypatch.setattr("release.elsewhere._PATIENCE", 0.3)
    follower = Mirror(URL, tmp_path / "cache", most_bytes=ROOM)
    follower.fetch()
    store.answers.clear()
    for _ in range(8):
        with pytest.raises(ReleaseError, match=r"current cannot be read: no answer in 0\.3 s"):
            follower.fetch()
    hung = [thread for thread in threading.enumerate() if thread.name == "elsewhere"]
    assert len(hung) == 8 and all(thread.daemon for thread in hung)
    with pytest.raises(ReleaseError, match="has not answered for long"):
        follower.fetch()
    assert current_release(tmp_path / "cache") == pushed.first
    store.answers.set()
    for thread in hung:
        thread.join(5)
    follower.fetch()


def test_a_fetch_from_a_store_that_does_not_answer_can_be_stopped(pushed, tmp_path, store):
    store.answers.clear()
    follower, told = Mirror(URL, tmp_path / "cache", most_bytes=ROOM), []

    def fetch() -> None:
        try:
            follower.fetch()
        except ReleaseError as error:
            told.append(str(error))

    fetching = threading.Thread(target=fetch)
    fetching.start()
    time.sleep(0.1)
    follower.stop()
    fetching.join(5)
    assert told == ["the service is stopping"]


def test_where_there_is_no_room_nothing_is_removed_in_vain(pushed, tmp_path):
    Mirror(URL, tmp_path / "cache", most_bytes=ROOM).fetch()
    move(pushed.releases, pushed.second)
    push(pushed.releases, URL)
    size = sum(file.bytes for file in read_manifest(pushed.releases / pushed.first).files.values())
    (tmp_path / "cache" / "current").unlink()
    follower = Mirror(URL, tmp_path / "cache", most_bytes=size // 2)
    with pytest.raises(ReleaseError, match="may have"):
        follower.fetch()
    assert list_releases(tmp_path / "cache") == [pushed.first]


def test_a_folder_that_cannot_be_written_is_said(pushed, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReleaseError, match=r"releases cannot be kept in .*/file/cache: Not a directory"):
        Mirror(URL, tmp_path / "file" / "cache", most_bytes=ROOM).fetch()


class Answered(Exception):
    status_code = 403


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError("https://host/x?sig=hunter2"), "it is not there"),
        (PermissionError("sig=hunter2"), "access is denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (Answered("sig=hunter2"), r"Answered \(403\)"),
        (KeyError("hunter2"), "KeyError"),
    ],
)
def test_what_a_library_raises_is_said_without_its_words(monkeypatch, error, reason):
    def fail(*_: Any, **__: Any) -> bytes:
        raise error

    monkeypatch.setattr(Store, "cat_file", fail)
    with pytest.raises(ReleaseError, match=f"^oss://bucket/shop/current cannot be read: {reason}$"):
        Elsewhere(URL).read("current", most=9)


def test_a_library_that_lacks_credentials_says_so(monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("give an account")

    monkeypatch.setattr(Store, "__init__", fail)
    with pytest.raises(UserError, match="cannot be used: give an account") as refused:
        Elsewhere(URL)
    assert "credentials" in refused.value.hint
