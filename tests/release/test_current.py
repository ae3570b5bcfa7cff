from __future__ import annotations

import os
import threading

import pytest

from domain.errors import ReleaseError
from release import current_release, list_releases, open_release, point_to, previous_release, rollback


def test_list_is_by_date_and_shows_releases_only(two):
    releases, first, second = two
    (releases / "notes").mkdir()
    (releases / ".building-x").mkdir()
    point_to(releases, first)
    assert list_releases(releases) == [first, second]
    assert list_releases(releases / "absent") == []


def test_point_to_and_rollback(two):
    releases, first, second = two
    assert current_release(releases) is None
    point_to(releases, first)
    assert (current_release(releases), previous_release(releases)) == (first, None)
    point_to(releases, second)
    point_to(releases, second)
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
    point_to(releases, first)
    with pytest.raises(ReleaseError, match="no earlier release"):
        rollback(releases)


@pytest.mark.parametrize("name", ["2026-01-01-000000", "..", "current", ""])
def test_point_to_refuses_what_is_no_release(two, name):
    releases, first, _ = two
    point_to(releases, first)
    with pytest.raises(ReleaseError, match="there is no release"):
        point_to(releases, name)
    assert current_release(releases) == first


def test_point_to_refuses_a_damaged_release_and_leaves_current(two):
    releases, first, second = two
    point_to(releases, first)
    (releases / second / "served_ids.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"served_ids\.json"):
        point_to(releases, second)
    assert current_release(releases) == first


def test_current_is_whole_at_every_moment(two):
    releases, first, second = two
    point_to(releases, first)
    broken: list[str | None] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            if not (releases / "current" / "manifest.json").is_file():
                broken.append(current_release(releases))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for _ in range(20):
        point_to(releases, second)
        point_to(releases, first)
    stop.set()
    watcher.join()
    assert broken == []
