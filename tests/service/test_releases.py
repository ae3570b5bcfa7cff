"""Which release is served, as the link moves: what is refused and why, and what is closed when."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ReleaseError
from release import open_release
from release.current import move
from release.manifest import content_hash, digest_files, read_manifest, write_manifest
from service import create_app
from service.app import Service
from service.following.following import Followed
from service.following.note import Note
from service.following.opening import Opener, place_of
from service.following.source import source_of
from service.seen.board import Board
from service.seen.instruments import BOARD_VARIABLE
from service.settings import Settings


@pytest.fixture
def releases(two_plain, tmp_path) -> Path:
    """A folder of two releases of one shop, the first of them current."""
    shutil.copytree(two_plain.releases, tmp_path / "releases", symlinks=True)
    move(tmp_path / "releases", two_plain.names[0])
    return tmp_path / "releases"


def follow(
    releases: Path,
    scenario: Callable[[Service], Awaitable[None]],
    *,
    settings: Settings | None = None,
    seconds: float = 60,
) -> None:
    """Run a service that follows ``current``; it looks by itself only where the seconds are few."""

    async def run() -> None:
        app = create_app(Followed(link=releases / "current", seconds=seconds), settings=settings)
        async with app.router.lifespan_context(app):
            await scenario(app)
        assert app.serving.release is None and app.serving.held == 0

    asyncio.run(run())


def about(app: Service) -> dict[str, Any]:
    from service.about import about

    return {"release": about(app.serving.get(), app.following).release, "refused": app.following.refused}


def mapped(name: str) -> bool:
    return name in Path("/proc/self/maps").read_text()


def edit(folder: Path, **changes: Any) -> Path:
    """Give a release another manifest which is in order by itself."""
    manifest = replace(read_manifest(folder), **changes)
    manifest = replace(manifest, files=digest_files(folder))
    content = content_hash(manifest)
    name = f"{manifest.release[:10]}-{content[:6]}"
    write_manifest(folder, replace(manifest, content=content, release=name))
    return folder.rename(folder.with_name(name))


def test_the_next_release_is_served_and_the_one_before_unmapped(releases, two_plain):
    first, second = two_plain.names

    async def scenario(app: Service) -> None:
        assert app.serving.release.id == first and mapped(f"{releases}/{first}/head.lmdb")
        move(releases, second)
        await app.following.look()
        assert app.serving.release.id == second and app.following.refused is None
        assert app.following.outcomes == {"loaded": 2, "refused": 0}
        await app.following.look()
        assert app.following.outcomes == {"loaded": 2, "refused": 0}
        for _ in range(1000):
            if not mapped(f"{releases}/{first}/head.lmdb"):
                break
            await asyncio.sleep(0.01)
        assert not mapped(f"{releases}/{first}/head.lmdb") and mapped(f"{releases}/{second}/head.lmdb")

    follow(releases, scenario)


def test_it_looks_by_itself(releases, two_plain):
    async def scenario(app: Service) -> None:
        move(releases, two_plain.names[1])
        for _ in range(500):
            if app.serving.release.id == two_plain.names[1]:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the second release is not served")

    follow(releases, scenario, seconds=0.01)


def test_a_release_stays_open_until_its_last_request_is_done(releases, two_plain):
    first, second = two_plain.names

    async def scenario(app: Service) -> None:
        with app.serving.hold() as held:
            with app.serving.hold() as again:
                assert held is again
            move(releases, second)
            await app.following.look()
            assert app.serving.release.id == second and app.serving.held == 2
            assert held.id == first and held.head_bytes("protein")
        assert app.serving.held == 1
        await asyncio.sleep(0.05)
        with pytest.raises(ReleaseError, match="closed"):
            held.head_bytes("protein")

    follow(releases, scenario)


def shorten(folder: Path) -> None:
    with (folder / "head.lmdb").open("r+b") as file:
        file.truncate(4096)


def flip(folder: Path) -> None:
    data = bytearray((folder / "head.lmdb").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "head.lmdb").write_bytes(data)


def new_schema(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema_version": 2}))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "head.lmdb does not match its digest"),
        (shorten, "head.lmdb has not the size"),
        (new_schema, "schema version 2"),
        (lambda folder: (folder / "taxonomy.json").unlink(), "taxonomy.json is missing"),
        (lambda folder: (folder / "manifest.json").write_text("{" * 10_000), "cannot be read"),
        (lambda folder: shutil.rmtree(folder), "leads to no release"),
        (lambda folder: (folder / "head.lmdb").chmod(0), None),
    ],
)
def test_a_bad_release_is_refused_and_the_old_one_serves_on(releases, two_plain, damage, reason, caplog):
    if reason is None:
        pytest.skip("needs a user who may not read everything") if os.getuid() == 0 else None
    first, second = two_plain.names
    damage(releases / second)

    async def scenario(app: Service) -> None:
        move(releases, second)
        for _ in range(3):
            await app.following.look()
        assert app.serving.release.id == first
        assert app.serving.release.answer_bytes("protein") == two_plain.answers[first]["protein"]
        refused = app.following.refused
        assert reason in refused.reason and refused.release in (second, None)
        assert app.following.outcomes == {"loaded": 1, "refused": 1}
        assert [record.levelname for record in caplog.records if reason in record.getMessage()] == ["ERROR"]
        # Back to what is served: nothing is refused any more, and nothing is opened again.
        move(releases, first)
        await app.following.look()
        assert app.following.refused is None and app.following.outcomes == {"loaded": 1, "refused": 1}

    follow(releases, scenario)


def test_a_folder_that_changes_is_tried_again(releases, two_plain):
    first, second = two_plain.names
    whole = (releases / second / "head.lmdb").read_bytes()
    shorten(releases / second)

    async def scenario(app: Service) -> None:
        move(releases, second)
        await app.following.look()
        assert about(app)["release"] == first
        (releases / second / "head.lmdb").write_bytes(whole)
        await app.following.look()
        assert about(app) == {"release": second, "refused": None}

    follow(releases, scenario)


def test_what_was_refused_for_a_passing_reason_is_tried_when_asked(releases, two_plain, monkeypatch):
    first, second = two_plain.names

    def fail(*_: Any, **__: Any) -> Any:
        raise MemoryError

    async def scenario(app: Service) -> None:
        move(releases, second)
        with monkeypatch.context() as patch:
            patch.setattr("service.following.opening.open_release", fail)
            await app.following.look()
        assert about(app)["release"] == first and "MemoryError" in app.following.refused.reason
        await app.following.look()
        assert about(app)["release"] == first
        await app.following.look(again=True)
        assert about(app) == {"release": second, "refused": None}

    follow(releases, scenario)


def test_a_release_of_another_shop_is_refused(releases, two_plain):
    first, second = two_plain.names
    other = edit(releases / second, shop="pets").name

    async def scenario(app: Service) -> None:
        move(releases, other)
        await app.following.look()
        assert about(app)["release"] == first
        assert "of the shop 'pets', and 'grocery' is served" in app.following.refused.reason

    follow(releases, scenario)


def test_a_release_of_another_taxonomy_than_its_student_is_refused(taught_folder, tmp_path):
    shutil.copytree(taught_folder.parent, tmp_path / "releases", symlinks=True)
    releases, first = tmp_path / "releases", taught_folder.name
    shutil.copytree(releases / first, tmp_path / "other")
    tree = json.loads((tmp_path / "other" / "taxonomy.json").read_text())
    taxonomy = tmp_path / "other" / "taxonomy.json"
    taxonomy.write_text(json.dumps(tree).replace('"c119"', '"c999"'))
    (tmp_path / "other").rename(releases / "copy")
    other = edit(releases / "copy").name
    move(releases, first)

    async def scenario(app: Service) -> None:
        move(releases, other)
        await app.following.look()
        assert about(app)["release"] == first
        assert "taxonomy" in app.following.refused.reason

    follow(releases, scenario)


def test_a_release_that_cannot_run_on_cuda_is_refused(taught_folder, two_plain, tmp_path, monkeypatch):
    """The student of the first is made to say that it runs there; the second has none."""
    shutil.copytree(two_plain.releases, tmp_path / "releases", symlinks=True)
    move(tmp_path / "releases", two_plain.names[0])

    async def scenario(app: Service) -> None:
        app.following._opener._provider = "cuda"
        move(tmp_path / "releases", two_plain.names[1])
        await app.following.look()
        assert about(app)["release"] == two_plain.names[0]
        assert "no student that could run on CUDA" in app.following.refused.reason

    follow(tmp_path / "releases", scenario)


def test_the_link_may_go_and_come_back(releases, two_plain):
    first, second = two_plain.names

    async def scenario(app: Service) -> None:
        (releases / "current").unlink()
        await app.following.look()
        await app.following.look()
        assert about(app)["release"] == first and app.following.refused.release is None
        assert app.following.outcomes == {"loaded": 1, "refused": 1}
        (releases / "current").symlink_to("current")
        await app.following.look()
        assert about(app)["release"] == first
        (releases / "current").unlink()
        (releases / "current").symlink_to(releases / second)
        await app.following.look()
        assert about(app) == {"release": second, "refused": None}

    follow(releases, scenario)


class Elsewhere:
    """A store that does not answer; it notes what it was asked. It may be another worker that asks it."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.busy = self.away = False

    def fetch(self, keep: Any, *, again: bool = False) -> bool:
        self.asked.append(again)
        if not self.busy and self.away:
            raise ReleaseError("no answer in 30 s")
        return not self.busy

    def stop(self) -> None: ...


def test_a_store_that_does_not_answer_holds_up_no_worker_that_starts(releases, two_plain, tmp_path, monkeypatch):
    (tmp_path / "board").mkdir()
    Board.create(tmp_path / "board", 1)
    monkeypatch.setenv(BOARD_VARIABLE, str(tmp_path / "board"))
    Opener(shared=tmp_path / "board").open(place_of(releases / "current")).close()
    source = Elsewhere()
    source.away = True

    async def run() -> None:
        app = create_app(Followed(link=releases / "current", seconds=60, source=source))
        async with app.router.lifespan_context(app):
            assert about(app) == {"release": two_plain.names[0], "refused": None} and source.asked == []
            await app.following.look()
            assert about(app)["release"] == two_plain.names[0]
            assert app.following.refused.reason == "no answer in 30 s"
            await app.following.look(again=True)

    asyncio.run(run())
    assert source.asked == [False, True]


def test_a_worker_that_finds_another_asking_the_store_says_what_it_said(releases, two_plain):
    source = Elsewhere()

    async def run() -> None:
        app = create_app(Followed(link=releases / "current", seconds=60, source=source))
        async with app.router.lifespan_context(app):
            source.busy = True
            await app.following.look()
            assert app.following.refused is None
            source.busy, source.away = False, True
            await app.following.look()
            refused = app.following.refused
            assert refused.reason == "no answer in 30 s" and app.instruments.slot.note.endswith(refused.reason)
            source.busy = True
            for _ in range(3):
                await app.following.look()
                assert app.following.refused == refused and app.instruments.slot.note.endswith(refused.reason)
            assert app.following.outcomes == {"loaded": 1, "refused": 1}
            # What the other brings is served.
            move(releases, two_plain.names[1])
            await app.following.look()
            assert about(app) == {"release": two_plain.names[1], "refused": None}
            source.busy = False
            await app.following.look()
            assert app.following.refused is not None
            source.away = False
            await app.following.look()
            assert app.following.refused is None and app.instruments.slot.note == ""

    asyncio.run(run())


def test_nothing_to_serve_at_the_start_is_an_error(releases, two_plain):
    shorten(releases / two_plain.names[0])
    with pytest.raises(ReleaseError, match="has not the size"):
        follow(releases, lambda app: pytest.fail("it started"))


def test_release_says_what_was_refused(releases, two_plain, ask_any):
    async def scenario(app: Service) -> None:
        shorten(releases / two_plain.names[1])
        move(releases, two_plain.names[1])
        await app.following.look()
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/release",
            "headers": [],
            "query_string": b"",
            "root_path": "",
        }
        await app(scope, receive, send)
        document = json.loads(sent[1]["body"])
        assert document["release"] == two_plain.names[0] and document["follows"] is True
        assert document["refused"]["release"] == two_plain.names[1]
        assert "head.lmdb has not the size" in document["refused"]["reason"]

    follow(releases, scenario)


def test_one_worker_verifies_and_the_others_trust_it(releases, two_plain, tmp_path, monkeypatch):
    verified = []

    def opened(folder: Path, *, verify: bool, **options: Any) -> Any:
        verified.append(verify)
        return open_release(folder, verify=verify, **options)

    monkeypatch.setattr("service.following.opening.open_release", opened)
    place = place_of(releases / "current")
    (tmp_path / "shared").mkdir()
    for _ in range(3):
        Opener(shared=tmp_path / "shared").open(place).close()
    assert verified == [True, False, False]
    assert Opener(shared=tmp_path / "shared").accepted == place
    shorten(releases / two_plain.names[1])
    other = place_of(releases / two_plain.names[1])
    for _ in range(3):
        with pytest.raises(ReleaseError, match="has not the size"):
            Opener(shared=tmp_path / "shared").open(other)
    assert verified == [True, False, False, True]
    Opener(shared=tmp_path / "shared").open(place).close()
    assert verified == [True, False, False, True, False]


def test_a_worker_that_starts_late_serves_what_the_others_serve(releases, two_plain, tmp_path, monkeypatch):
    first, second = two_plain.names
    (tmp_path / "board").mkdir()
    Board.create(tmp_path / "board", 2)
    monkeypatch.setenv(BOARD_VARIABLE, str(tmp_path / "board"))
    Opener(shared=tmp_path / "board").open(place_of(releases / "current")).close()
    shorten(releases / second)
    move(releases, second)

    async def scenario(app: Service) -> None:
        assert about(app)["release"] == first and app.following.refused.release == second
        [slab] = [slab for slab in Board(tmp_path / "board").slabs() if slab.alive]
        assert slab.release == first and Note.read(slab.note).release == second

    follow(releases, scenario)


def test_a_worker_that_has_nothing_to_open_is_started_again_while_others_serve(
    releases, two_plain, tmp_path, monkeypatch
):
    first, second = two_plain.names
    (tmp_path / "board").mkdir()
    Board.create(tmp_path / "board", 1)
    monkeypatch.setenv(BOARD_VARIABLE, str(tmp_path / "board"))
    Opener(shared=tmp_path / "board").open(place_of(releases / "current")).close()
    (releases / first / "head.lmdb").unlink()
    told = []

    async def run() -> None:
        app = create_app(Followed(link=releases / "current"))
        app.following.in_vain = told.append
        with pytest.raises(ReleaseError, match=r"head\.lmdb is missing"):
            async with app.router.lifespan_context(app):
                raise AssertionError("it started")

    asyncio.run(run())
    assert [str(error) for error in told] == [f"{first}: head.lmdb is missing"]


def test_memory_is_flat_over_reloads(releases, two_plain):
    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    async def scenario(app: Service) -> None:
        async def reload(count: int) -> None:
            for i in range(count):
                move(releases, two_plain.names[(i + 1) % 2])
                await app.following.look()

        await reload(20)
        before, open_files = resident(), len(os.listdir("/proc/self/fd"))
        await reload(150)
        await asyncio.sleep(0.1)
        assert app.serving.held == 1 and app.following.outcomes["loaded"] == 171
        assert Path("/proc/self/maps").read_text().count(f"{releases}") <= 2
        assert len(os.listdir("/proc/self/fd")) <= open_files + 1
        assert resident() - before < 4_000_000

    follow(releases, scenario)


def test_where_releases_come_from(releases, two_plain, tmp_path):
    release = releases / two_plain.names[0]
    link = releases / "current"
    assert source_of(str(release), Settings()) == release
    assert source_of(str(link), Settings()) == Followed(link=link, seconds=1)
    assert source_of(str(releases), Settings(follow_seconds=0.5)) == Followed(link=link, seconds=0.5)
    assert source_of(str(releases), Settings(follow=False)) == release
    assert source_of(str(tmp_path / "nowhere"), Settings()) == tmp_path / "nowhere"
    link.unlink()
    link.symlink_to("nowhere")
    with pytest.raises(ReleaseError, match="leads to no release"):
        source_of(str(link), Settings(follow=False))
