from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import ReleaseError
from domain.label import Label
from domain.understanding import Category, Discovery
from release import list_releases, open_release, verify_release

ROOT = Path(__file__).resolve().parents[2]


def _with(label: Label, **changes: object) -> Label:
    return dataclasses.replace(label, understanding=dataclasses.replace(label.understanding, **changes))


def test_same_labels_in_any_order_give_the_same_release(build, grocery, tmp_path):
    first = build()
    second = build(reversed(grocery.labels), releases=tmp_path / "other")
    assert first.name == second.name
    assert (first / "head.lmdb").read_bytes() == (second / "head.lmdb").read_bytes()
    assert (first / "manifest.json").read_bytes() == (second / "manifest.json").read_bytes()


def test_date_changes_the_name_and_not_the_content(build):
    first, later = build(), build(day=22)
    assert first.name.startswith("2026-11-21-") and later.name.startswith("2026-11-22-")
    assert first.name[-6:] == later.name[-6:]


def test_any_change_of_an_answer_changes_the_content(build, grocery):
    changed = _with(grocery.labels[0], next_queries=("ginger beer",))
    assert build().name != build([changed, *grocery.labels[1:]]).name


def test_manifest_counts_lineage_and_examples(build):
    manifest = json.loads((build() / "manifest.json").read_bytes())
    assert manifest["counts"] == {"head": 5, "torso": 2, "tail": 3, "labelled": 10}
    assert manifest["prompts"] == ["understand@1"] and manifest["models"] == ["hand"]
    assert manifest["fingerprints"] == {"catalogue": "f1", "shop": "f0"}
    # By searches: 2400, 1800, 900, 760, 640, 310, 120, 9; the torch (4) has no category.
    assert manifest["examples"] == [
        "protein", "1% milk", "vernors soda", "coke zero 12 pack", "dozen eggs", "gluten free bread", "cofee",
        "kids party snacks under $5",
    ]  # fmt: skip
    assert sorted(manifest["files"]) == ["head.lmdb", "served_ids.json", "taxonomy.json"]


def test_building_again_returns_the_release_that_is_there(build):
    first = build()
    stamp = (first / "manifest.json").stat().st_mtime_ns
    assert build() == first and (first / "manifest.json").stat().st_mtime_ns == stamp


def test_building_again_refuses_a_damaged_release(build):
    path = build()
    (path / "taxonomy.json").write_bytes(b"[]")
    with pytest.raises(ReleaseError, match=r"taxonomy\.json"):
        build()


def test_no_labels_is_a_release_that_answers_nothing(build):
    with open_release(build([])) as release:
        assert release.head_bytes("protein") is None
        assert release.manifest.counts["labelled"] == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"categories": (Category(id="c999", path=("X",), confidence=0.5),)}, "'vernors soda'.*'c999'"),
        ({"categories": (Category(id="c118", path=("Ginger Ale",), confidence=0.5),)}, "path.*'c118'"),
        ({"substitutes": (Discovery(label="x", query="x", category_id="c998", product_ids=()),)}, "'c998'"),
        ({"complements": (Discovery(label="x", query="x", category_id="c118", product_ids=("p0",)),)}, "'p0'"),
        ({"normalized": "soda"}, "'vernors soda'.*'soda'"),
    ],
)
def test_a_label_that_must_not_be_served_stops_the_build(build, grocery, tmp_path, change, named):
    with pytest.raises(ReleaseError, match=named):
        build([_with(grocery.labels[0], **change)])
    assert [path.name for path in (tmp_path / "releases").iterdir()] == [".lock"]


def test_an_annotation_off_its_span_stops_the_build(build, grocery):
    label = grocery.labels[0]
    shifted = dataclasses.replace(label.understanding.annotations[0], start=1, end=8)
    with pytest.raises(ReleaseError, match="annotation 'vernors' is not at 1-8"):
        build([_with(label, annotations=(shifted,))])


def test_two_labels_for_one_query_stop_the_build(build, grocery):
    with pytest.raises(ReleaseError, match="'protein' is there twice"):
        build([*grocery.labels, grocery.labels[1]])


def test_a_link_in_the_index_stops_the_build(build, tmp_path):
    index = tmp_path / "index"
    index.mkdir()
    (index / "words").symlink_to("/etc/hostname")
    with pytest.raises(ReleaseError, match="words is not a plain file"):
        build(index=index)


def test_index_is_copied_and_digested(build, tmp_path):
    (tmp_path / "index" / "deep").mkdir(parents=True)
    (tmp_path / "index" / "deep" / "terms.bin").write_bytes(b"\x00\x01")
    path = build(index=tmp_path / "index")
    assert "retrieval/deep/terms.bin" in verify_release(path).files
    assert (path / "retrieval/deep/terms.bin").read_bytes() == b"\x00\x01"
    assert path.name != build().name


def test_labels_that_fail_half_way_leave_nothing(build, grocery, tmp_path):
    def broken() -> Iterator[Label]:
        yield grocery.labels[0]
        raise OSError("disk went away")

    with pytest.raises(OSError, match="disk went away"):
        build(broken())
    assert [path.name for path in (tmp_path / "releases").iterdir()] == [".lock"]


_KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from domain import Taxonomy
from domain.label import read_labels
from release import build_release
grocery, releases = Path(sys.argv[1]), Path(sys.argv[2])
def labels():
    yield from read_labels(grocery / "labels.jsonl")
    print("half way", flush=True)
    time.sleep(60)
build_release(shop="grocery", taxonomy=Taxonomy.from_json((grocery / "taxonomy.json").read_bytes()),
    product_ids=(grocery / "products.txt").read_text().split(), labels=labels(), fingerprints={}, index=None,
    releases=releases, created=datetime(2026, 11, 21, tzinfo=UTC))
"""


def test_killed_half_way_leaves_no_release_and_the_next_build_cleans_up(build, tmp_path):
    releases = tmp_path / "releases"
    grocery = Path(__file__).parent / "grocery"
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, grocery, releases], stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "half way\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert len(list(releases.glob(".building-*"))) == 1
    assert list_releases(releases) == []
    path = build()
    assert list(releases.glob(".building-*")) == []
    assert list_releases(releases) == [path.name]


def test_files_are_readable_by_others(build):
    assert build().stat().st_mode & 0o777 == 0o755


def test_100000_labels_build_and_open_quickly(build, grocery):
    base = grocery.labels[0]

    def labels() -> Iterator[Label]:
        for i in range(100_000):
            query = f"query {i}"
            answer = dataclasses.replace(base.understanding, normalized=query, annotations=())
            yield dataclasses.replace(base, query=query, understanding=answer)

    path = build(labels())
    started = time.perf_counter()
    with open_release(path) as release:
        # The aim is a million answers in 3 s; a tenth of them in a second leaves room for a busy machine.
        assert time.perf_counter() - started < 1
        assert json.loads(release.answer_bytes("Query 99999"))["normalized"] == "query 99999"
    # About 800 bytes an answer, four to a page: the compacted file, not the map that it was written in.
    assert (path / "head.lmdb").stat().st_size < 130_000_000
