from __future__ import annotations

import dataclasses
import os
import threading

import pytest

from domain.errors import ReleaseError
from release import current_release, list_releases, open_release, previous_release, promote, rollback


@pytest.fixture
def two(build, grocery, tmp_path):
    label = grocery.labels[0]
    other = dataclasses.replace(label, understanding=dataclasses.replace(label.understanding, next_queries=()))
    return tmp_path / "releases", build().name, build([other], day=22).name


def test_list_is_by_date_and_shows_releases_only(two):
    releases, first, second = two
    (releases / "notes").mkdir()
    (releases / ".building-x").mkdir()
    promote(releases, first)
    assert list_releases(releases) == [first, second]
    assert list_releases(releases / "absent") == []


def test_promote_and_rollback(two):
    releases, first, second = two
    assert current_release(releases) is None
    promote(releases, first)
    assert (current_release(releases), previous_release(releases)) == (first, None)
    promote(releases, second)
    promote(releases, second)
    assert (current_release(releases), previous_release(releases)) == (second, first)
    assert rollback(releases) == first
    assert (current_release(releases), previous_release(releases)) == (first, second)
    assert os.readlink(releases / "current") == first
    with open_release(releases / "current") as release:
        assert release.id == first


def test_rollback_with_nothing_before(two):
    releases, first, _ = two
    with pytest.raises(ReleaseError, match="no earlier release"):
        rollback(releases)
    promote(releases, first)
    with pytest.raises(ReleaseError, match="no earlier release"):
        rollback(releases)


@pytest.mark.parametrize("name", ["2026-01-01-000000", "..", "current", ""])
def test_promote_refuses_what_is_no_release(two, name):
    releases, first, _ = two
    promote(releases, first)
    with pytest.raises(ReleaseError, match="there is no release"):
        promote(releases, name)
    assert current_release(releases) == first


def test_promote_refuses_a_damaged_release_and_leaves_current(two):
    releases, first, second = two
    promote(releases, first)
    (releases / second / "served_ids.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"served_ids\.json"):
        promote(releases, second)
    assert current_release(releases) == first


def test_current_is_whole_at_every_moment(two):
    releases, first, second = two
    promote(releases, first)
    broken: list[str | None] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if not (releases / "current" / "manifest.json").is_file():
                broken.append(current_release(releases))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        promote(releases, second)
        promote(releases, first)
    stop.set()
    watcher.join()
    assert broken == []
