"""The miss log: what is kept, what is not, and that nobody waits for it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from domain.understanding import Category, Understanding, understanding_adapter
from querywise.queries import read_query_file
from service import Settings, create_app
from service.seen.misses import MissLog
from service.seen.misslog import Miss, MissFiles, merged, read_misses

ROOT = Path(__file__).resolve().parents[2]


def _answer(query: str, *, reason: str = "model", confidence: float | None = 0.5, typed: str | None = None) -> bytes:
    source = "tail" if reason == "model" else "fallback"
    categories = () if confidence is None else (Category(id="c1", path=("Food",), confidence=confidence),)
    said = Understanding(
        query=query if typed is None else typed,
        normalized=query,
        source=source,
        reason=reason,  # type: ignore[arg-type]
        release="r1",
        categories=categories,
    )
    return understanding_adapter.dump_json(said)


class _Counts(Counter[str]):
    def __call__(self, event: str, times: int = 1) -> None:
        self[event] += times


def _kept(folder: Path, answers: list[bytes], **options) -> _Counts:
    counts = _Counts()
    log = MissLog(folder, count=counts, **options)
    log.start()
    for answer in answers:
        log.offer(answer)
    log.close()
    return counts


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_a_query_is_one_line_with_its_searches_and_label_reads_it(tmp_path):
    answers = [_answer("oat milk"), _answer("zzz", reason="abstained_low_confidence", confidence=None)]
    counts = _kept(tmp_path / "misses", [*answers, _answer("oat milk", confidence=0.75)])
    [first, second] = [json.loads(line) for line in (tmp_path / "misses" / "misses-0.jsonl").read_text().splitlines()]
    day = first.pop("day")
    assert first == {
        "query": "oat milk", "searches": 2, "source": "tail", "reason": "model", "confidence": 0.75, "release": "r1",
    }  # fmt: skip
    assert (second["query"], second["searches"], second["confidence"]) == ("zzz", 1, None)
    assert len(day) == 10
    assert +counts == {"miss_kept": 2, "miss_repeated": 1}
    assert read_query_file(tmp_path / "misses" / "misses-0.jsonl").searches == {"oat milk": 2, "zzz": 1}


def test_a_folder_of_several_workers_is_read_as_one(tmp_path):
    logs = [MissLog(tmp_path, count=_Counts()) for _ in range(2)]
    for log in logs:
        log.offer(_answer("oat milk"))
        log._take()
        log._write()
    for log in logs:
        log.close()
    assert _names(tmp_path) == ["misses-0.jsonl", "misses-1.jsonl"]
    (tmp_path / "misses-1.new").write_text("being written")
    assert read_query_file(tmp_path).searches == {"oat milk": 2}


def test_a_folder_without_a_log_is_a_mistake(tmp_path):
    from domain.errors import UserError

    (tmp_path / "notes.txt").write_text("oat milk")
    with pytest.raises(UserError, match="without a .jsonl file"):
        read_query_file(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
def test_only_the_owner_reads_it(tmp_path):
    _kept(tmp_path / "misses", [_answer("a")])
    assert (tmp_path / "misses").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "misses" / "misses-0.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("typed", ["gift for anna@example.org", "4111 1111 1111 1111", "call +1 415 555 2671"])
def test_personal_data_is_left_out_whole(tmp_path, typed):
    from domain import normalise

    counts = _kept(tmp_path, [_answer(normalise(typed), typed=typed), _answer("fine")])
    assert counts["miss_personal"] == 1
    assert set(read_query_file(tmp_path).searches) == {"fine"}


@pytest.mark.parametrize("typed", [" " * 2050 + "ann.smith@example.com", "." * 2050 + " call +1 212-555-0199"])
def test_what_is_typed_longer_than_is_looked_at_counts_as_personal(tmp_path, typed):
    from domain import normalise

    counts = _kept(tmp_path, [_answer(normalise(typed), typed=typed), _answer("fine", typed="fine" + " " * 2044)])
    assert counts["miss_personal"] == 1
    assert set(read_query_file(tmp_path).searches) == {"fine"}


def test_a_share_of_queries_is_kept_whole_and_not_of_searches(tmp_path):
    answers = [_answer(f"query {i}") for i in range(400) for _ in range(2)]
    counts = _kept(tmp_path, answers, share=0.5)
    searches = read_query_file(tmp_path).searches
    assert 140 < len(searches) < 260 and set(searches.values()) == {2}
    assert counts["miss_sampled_out"] == 2 * (400 - len(searches))


def test_hostile_queries_come_back_as_they_were(tmp_path):
    queries = ['say "no"', "a\\b", "{query", "\u202eabc", "é" * 100, "drop table", "\u2028x"]
    _kept(tmp_path, [_answer(query) for query in queries] + [_answer("")])
    assert [miss.query for miss in read_misses(tmp_path / "misses-0.jsonl")] == queries


def test_files_are_merged_then_put_aside_and_stay_within_their_room(tmp_path):
    most = 40_000  # four parts of 10,000 bytes, some 75 lines each
    log = MissLog(tmp_path, count=_Counts(), most_bytes=most)
    for _ in range(20):
        for i in range(30):
            log.offer(_answer(f"known {i}"))
        log._take()
        log._write()
    assert _names(tmp_path) == ["misses-0.jsonl"]
    assert read_query_file(tmp_path).searches == {f"known {i}": 20 for i in range(30)}
    for i in range(2000):
        log.offer(_answer(f"new {i}"))
        if i % 40 == 39:
            log._take()
            log._write()
    assert _names(tmp_path) == ["misses-0.1.jsonl", "misses-0.2.jsonl", "misses-0.3.jsonl", "misses-0.jsonl"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= most
    assert "new 1999" in read_query_file(tmp_path).searches and "known 1" not in read_query_file(tmp_path).searches


def test_more_than_a_file_holds_keeps_the_most_asked(tmp_path):
    counts = _Counts()
    log = MissLog(tmp_path, count=counts, most_bytes=4 * 1000)
    for i in range(50):
        for _ in range(1 + i % 2):
            log.offer(_answer(f"query {i}"))
    log.close()
    searches = read_query_file(tmp_path).searches
    assert set(searches.values()) == {2} and 5 <= len(searches) <= 10
    assert counts["miss_kept"] == len(searches) and counts["miss_failed"] == 50 - len(searches)


def test_a_folder_that_cannot_be_made_is_counted_and_logged_once(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    counts = _Counts()
    log = MissLog(tmp_path / "file" / "misses", count=counts)
    for _ in range(3):
        log.offer(_answer("a"))
        log._take()
        log._write()
    log.close()
    assert counts["miss_failed"] == 1 and counts["miss_kept"] == 0
    assert [record.message for record in caplog.records] == ["the miss log cannot be written: Not a directory"]


def test_a_folder_that_is_deleted_comes_back(tmp_path):
    log = MissLog(tmp_path / "misses", count=_Counts())
    for query in ("a", "b"):
        log.offer(_answer(query))
        log._take()
        log._write()
        if query == "a":
            shutil.rmtree(tmp_path / "misses")
    log.close()
    assert read_query_file(tmp_path / "misses").searches == {"b": 1}


def _write(log: MissLog, query: str) -> None:
    log.offer(_answer(query))
    log._take()
    log._write()


def test_two_services_on_one_folder_write_to_files_of_their_own_also_after_it_was_deleted(tmp_path):
    folder = tmp_path / "misses"
    first, second = (MissLog(folder, count=_Counts()) for _ in range(2))
    _write(first, "a")
    _write(second, "b")
    _write(first, "c")
    assert read_query_file(folder / "misses-0.jsonl").searches == {"a": 1, "c": 1}
    assert read_query_file(folder / "misses-1.jsonl").searches == {"b": 1}
    shutil.rmtree(folder)
    _write(second, "d")
    _write(first, "e")
    assert read_query_file(folder / "misses-0.jsonl").searches == {"d": 1}
    assert read_query_file(folder / "misses-1.jsonl").searches == {"e": 1}
    first.close()
    second.close()
    assert read_query_file(folder).searches == {"d": 1, "e": 1}


KILLED = """
import os, signal, sys
from pathlib import Path
from service.seen.misslog import MissFiles

MissFiles(Path(sys.argv[1]), most_bytes=1000, days=30).append([sys.argv[2].encode()])
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_worker_that_was_killed_is_taken_up_again(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path), _missed("before", "2026-11-22").decode()]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60)
    assert done.returncode == -signal.SIGKILL
    _kept(tmp_path, [_answer("after")])
    assert _names(tmp_path) == ["misses-0.jsonl"]
    assert read_query_file(tmp_path).searches == {"before": 2, "after": 1}


def test_a_full_disk_leaves_no_half_line_and_loses_nothing_that_comes_back(tmp_path, monkeypatch):
    counts, real, room = _Counts(), os.write, [20]
    log = MissLog(tmp_path, count=counts)

    def full(descriptor: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        done = real(descriptor, bytes(data[: room[0]]))
        room[0] -= done
        return done

    monkeypatch.setattr("service.seen.misslog.os.write", full)
    log.offer(_answer("a"))
    log._take()
    log._write()
    assert (tmp_path / "misses-0.jsonl").read_bytes() == b"" and counts == {}
    room[0] = 10**6
    log.close()
    assert read_query_file(tmp_path).searches == {"a": 1} and +counts == {"miss_kept": 1}


def test_a_line_cut_off_by_a_crash_is_passed_over_when_merging(tmp_path):
    miss = Miss(query="a", searches=2, source="tail", reason="model", confidence=None, release="r", day="2026-11-22")
    path = tmp_path / "misses-0.jsonl"
    path.write_bytes(miss.line() + b'{"query": "b", "sea' + b"\n[]\n\xff\n" + miss.line())
    assert [(one.query, one.searches) for one in merged(read_misses(path))] == [("a", 4)]


def test_what_was_missed_is_on_disk_before_the_worker_ends(tmp_path):
    log = MissLog(tmp_path, count=_Counts(), every=0.01)
    log.start()
    log.offer(_answer("a"))
    until = time.monotonic() + 10
    while not any(path.stat().st_size for path in tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    assert read_query_file(tmp_path).searches == {"a": 1}  # as it would be after a kill
    log.close()


def _missed(query: str, day: str) -> bytes:
    return Miss(
        query=query, searches=2, source="tail", reason="model", confidence=None, release="r", day=day
    ).line()  # fmt: skip


def test_what_nobody_asked_again_for_so_many_days_is_forgotten(tmp_path):
    files = MissFiles(tmp_path, most_bytes=1 << 20, days=30)
    # From the 22nd of November back 30 days is the 23rd of October, which is kept.
    old, first, last = _missed("old", "2026-10-22"), _missed("first", "2026-10-23"), _missed("last", "2026-11-22")
    (tmp_path / "misses-0.jsonl").write_bytes(old + b'{"query": "cut of' + b"\n" + first + b"\xff\n")
    (tmp_path / "misses-0.1.jsonl").write_bytes(old + old)
    files.append([last])
    other = MissFiles(tmp_path, most_bytes=1 << 20, days=30)
    other.append([old + last])  # of a worker that runs, which forgets for itself
    for name in ("misses-7.jsonl", "notes.jsonl"):
        (tmp_path / name).write_bytes(old)
    (tmp_path / "misses-8.2.jsonl").write_bytes(old + last)
    files.forget(date(2026, 11, 22))
    assert _names(tmp_path) == ["misses-0.jsonl", "misses-1.jsonl", "misses-8.2.jsonl", "notes.jsonl"]
    assert (tmp_path / "misses-1.jsonl").read_bytes() == old + last
    assert (tmp_path / "misses-8.2.jsonl").read_bytes() == last  # of a worker that there is no more
    other.close()
    files.forget(date(2026, 11, 22))
    assert (tmp_path / "misses-1.jsonl").read_bytes() == last
    assert (tmp_path / "misses-0.jsonl").read_bytes() == first + b"\xff\n" + last
    assert (tmp_path / "misses-0.jsonl").stat().st_mode & 0o777 == 0o600
    files.append([_missed("new", "2026-11-22")])
    assert [one.query for one in read_misses(tmp_path / "misses-0.jsonl")] == ["first", "last", "new"]
    MissFiles(tmp_path / "none", most_bytes=1, days=1).forget(date(2026, 11, 22))


def test_the_service_forgets_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("service.seen.misses._WAKE", 0.01)
    (tmp_path / "misses-0.jsonl").write_bytes(_missed("old", "2020-01-01"))
    log = MissLog(tmp_path, count=_Counts(), every=0.01)
    log.start()
    until = time.monotonic() + 10
    while _names(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    log.close()
    assert _names(tmp_path) == []


def test_offering_never_waits_and_what_is_too_much_is_counted(tmp_path):
    counts = _Counts()
    log = MissLog(tmp_path, count=counts)  # its thread was never started: the slowest there is
    answer = _answer("a")
    began = time.perf_counter()
    for _ in range(25_000):
        log.offer(answer)
    assert time.perf_counter() - began < 2
    assert counts == {"miss_dropped": 5000}


def test_the_service_keeps_its_misses(release, tmp_path, ask_any):
    others = set(threading.enumerate())  # of services of other tests, which may be about to end
    app = create_app(release, settings=Settings(misses=tmp_path / "misses"))
    with app.instruments.running():
        for query in (b"q=protein", b"q=zzz", b"q=", b"q=%FF"):
            ask_any(app, "GET", "/v1/understand", query=query)
        ask_any(app, "POST", "/v1/understand/batch", body=b'{"queries": ["protein", "zzz", "yyy"]}')
    assert read_query_file(tmp_path / "misses").searches == {"zzz": 2, "yyy": 1}
    assert not [each for each in threading.enumerate() if each not in others and each.name in ("misses", "beat")]


def test_nothing_is_kept_unless_it_is_asked_for(release, tmp_path, ask_any, monkeypatch):
    monkeypatch.chdir(tmp_path)
    app = create_app(release)
    with app.instruments.running():
        ask_any(app, "GET", "/v1/understand", query=b"q=zzz")
        assert app.instruments.seen.missed is None
    assert list(tmp_path.rglob("*")) == []
