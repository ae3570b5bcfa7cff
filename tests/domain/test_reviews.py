"""The journal of a review: what stands, what survives a crash, how raters agree, and what becomes gold."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from domain import UserError
from domain.rater_agreement import agree
from domain.review_gold import write_gold
from domain.reviews import Decision, Entry, Journal, Skip, Standing, Undo, rater_name

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def decide(query: str, *categories: str, rater: str = "ann", at: int = 0, **fields: object) -> Decision:
    made = {"id": f"{rater}-{query}-{at}", "time": NOON + timedelta(minutes=at), "shown": "0a"} | fields
    return Decision(query=query, rater=rater, categories=categories, **made)  # type: ignore[arg-type]


def skip(query: str, *, rater: str = "ann", at: int = 0) -> Skip:
    return Skip(id=f"{rater}-{query}-{at}", query=query, rater=rater, time=NOON + timedelta(minutes=at))


def undo(entry: Entry, *, rater: str = "ann", at: int = 0) -> Undo:
    return Undo(id=f"undo-{entry.id}-{at}", withdraws=entry.id, rater=rater, time=NOON + timedelta(minutes=at))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "work" / "reviews.jsonl")


def test_what_is_appended_is_read_back_by_another(journal):
    entries = (decide("milk", "c1", "c2", acceptable=("c3",), specificity="broad", reason="Both é"), skip("tea"))
    for entry in entries:
        journal.append(entry)
    other = Journal(journal.path)
    assert other.entries == entries and other.damaged == ()
    line = json.loads(journal.path.read_text().splitlines()[0])
    assert line == {
        "action": "decide", "id": "ann-milk-0", "query": "milk", "rater": "ann", "time": "2026-11-22T12:00:00Z",
        "categories": ["c1", "c2"], "acceptable": ["c3"], "specificity": "broad", "reason": "Both é",
        "shown": "0a", "blind": True, "adjudicates": False,
    }  # fmt: skip


def test_a_journal_that_is_not_there_is_empty_and_stays_so_when_read(journal):
    assert journal.entries == () and journal.standing.decisions == () and not journal.path.parent.exists()


def test_an_entry_that_is_sent_twice_is_written_once(journal):
    journal.append(decide("milk", "c1"))
    journal.append(decide("milk", "c1"))
    Journal(journal.path).append(decide("milk", "c1"))
    assert len(journal.path.read_bytes().splitlines()) == 1


def test_every_line_is_synced_before_the_writer_goes_on(journal, monkeypatch):
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    journal.append(decide("milk", "c1"))
    assert journal.path.stat().st_size in synced


def test_two_open_journals_see_each_other(journal):
    other = Journal(journal.path)
    journal.append(decide("milk", "c1"))
    other.append(decide("tea", "c2", rater="bob"))
    assert [d.query for d in journal.standing.decisions] == ["milk", "tea"]


def test_the_last_word_of_a_rater_on_a_query_stands():
    standing = Standing([decide("milk", "c1"), decide("milk", "c2", rater="bob"), decide("milk", "c3", at=1)])
    assert standing.get("milk", "ann") == decide("milk", "c3", at=1)
    assert standing.get("milk", "bob") == decide("milk", "c2", rater="bob")
    assert standing.get("milk", "eve") is None
    assert [d.rater for d in standing.decisions] == ["bob", "ann"]


def test_an_undo_brings_back_what_stood_before():
    first, second = decide("milk", "c1"), decide("milk", "c2", at=1)
    assert Standing([first, second, undo(second)]).get("milk", "ann") == first
    both = Standing([first, second, undo(second), undo(first)])
    assert both.get("milk", "ann") is None and both.last("ann") is None


def test_nobody_undoes_for_another():
    entry = decide("milk", "c1")
    assert Standing([entry, undo(entry, rater="bob")]).get("milk", "ann") == entry


def test_the_last_line_of_a_rater_is_the_newest_that_stands():
    first, second, put_off = decide("milk", "c1"), decide("tea", "c2", at=1), skip("milk", at=2)
    standing = Standing([first, second, put_off, decide("rum", "c3", rater="bob", at=3)])
    assert standing.last("ann") == put_off
    assert Standing([first, second, put_off, undo(put_off)]).last("ann") == second


def test_an_adjudication_stands_beside_the_decision_of_the_same_rater():
    standing = Standing([decide("milk", "c1"), decide("milk", "c2", at=1, adjudicates=True)])
    assert standing.get("milk", "ann") == decide("milk", "c1")
    assert standing.get("milk", "ann", adjudicates=True) == decide("milk", "c2", at=1, adjudicates=True)
    assert standing.last("ann") == decide("milk", "c1")


def test_a_torn_last_line_is_dropped_and_named_and_the_next_entry_is_whole(journal):
    journal.append(decide("milk", "c1"))
    whole = journal.path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 2):
        journal.path.write_bytes(whole + whole[:cut])
        after = Journal(journal.path)
        assert [d.query for d in after.standing.decisions] == ["milk"]
        assert [(damage.line, "cut off" in damage.detail) for damage in after.damaged] == [(2, True)]
        after.append(decide("tea", "c2"))
        again = Journal(journal.path)
        assert [d.query for d in again.standing.decisions] == ["milk", "tea"]
        assert [damage.line for damage in again.damaged] == [2]


def test_a_last_line_without_its_end_counts_where_it_is_whole(journal):
    journal.append(decide("milk", "c1"))
    journal.path.write_bytes(journal.path.read_bytes().rstrip(b"\n"))
    after = Journal(journal.path)
    assert [d.query for d in after.standing.decisions] == ["milk"] and after.damaged == ()
    after.append(decide("tea", "c2"))
    assert [d.query for d in Journal(journal.path).standing.decisions] == ["milk", "tea"]


@pytest.mark.parametrize(
    "line",
    [b"", b"\xff\xfe\x00", b"[]", b"{}", b'{"action": "dance"}', b"[" * 100_000, b'{"action": "undo"}', b"x" * 2**21],
)
def test_a_line_that_is_no_entry_is_named_and_the_rest_is_read(journal, line):
    journal.append(decide("milk", "c1"))
    journal.path.write_bytes(line + b"\n" + journal.path.read_bytes())
    after = Journal(journal.path)
    assert [d.query for d in after.standing.decisions] == ["milk"]
    assert [damage.line for damage in after.damaged] == [1] and len(after.damaged[0].detail) < 200


def test_a_disk_that_is_full_leaves_the_journal_as_it_was(journal, monkeypatch):
    journal.append(decide("milk", "c1"))
    before = journal.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        journal.append(decide("tea", "c2"))
    assert journal.path.read_bytes() == before
    monkeypatch.undo()
    journal.append(decide("tea", "c2"))
    assert [d.query for d in journal.standing.decisions] == ["milk", "tea"]


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "reviews.jsonl"
    code = (
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from domain.reviews import Decision, Journal\njournal = Journal(Path(sys.argv[1]))\n"
        "for i in range(40):\n"
        "    journal.append(Decision(id=f'{sys.argv[2]}{i}', query=f'q{i}', rater=sys.argv[2],"
        " time=datetime.now(UTC), categories=('c',)))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT) for name in ("ann", "bob")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    journal = Journal(path)
    assert len(journal.standing.decisions) == 80 and journal.damaged == ()


def test_names_of_raters():
    assert rater_name("  Ann\t de  Vries ") == "Ann de Vries"
    for bad in ("", " \n", "x" * 61, "a\x00b", "a\u202eb", "\ud800"):
        with pytest.raises(ValueError, match="1 to 60"):
            rater_name(bad)


def test_agreement_of_two_raters():
    # Sets of ann and bob:      milk  {a}    {a}    same set, same first, overlap 1
    #                           tea   {a,b}  {b}    no, no (a against b), overlap 1/2
    #                           rum   {}     {}     same, same, 1
    #                           soda  {a}    {c}    no, no, 0           eggs: ann alone
    decisions = [
        decide("milk", "a"), decide("milk", "a", rater="bob"),
        decide("tea", "a", "b"), decide("tea", "b", rater="bob"),
        decide("rum"), decide("rum", rater="bob"),
        decide("soda", "a"), decide("soda", "c", rater="bob"),
        decide("eggs", "a"),
    ]  # fmt: skip
    found = agree(decisions)
    assert found.decided == {"ann": 5, "bob": 4}
    (pair,) = found.pairs
    assert (pair.raters, pair.queries) == (("ann", "bob"), 4)
    assert (pair.same_set, pair.same_first, pair.overlap) == (2 / 4, 2 / 4, 2.5 / 4)
    assert [d.query for d in found.differing] == ["tea", "soda"]
    # Observed distances, each pair met in both directions: 2 * (0 + 1/2 + 0 + 1) = 3, over 8 answers: 3/8.
    # The 8 answers: {a} x3, {a,b}, {b}, {} x2, {c}. Distance 1 for every pair but {a}-{a,b} and {b}-{a,b} (1/2 each).
    # Unordered pairs of unlike answers: 28 - 3 ({a},{a}) - 1 ({},{}) = 24, of which 3 + 1 at 1/2: 20 + 2 = 22.
    # Expected: 2 * 22 / (8 * 7) = 44/56. Alpha: 1 - (3/8) / (44/56) = 1 - 21/44.
    assert found.alpha == pytest.approx(1 - 21 / 44)


def test_alpha_is_that_of_the_library_for_three_raters_with_gaps():
    library = pytest.importorskip("krippendorff", reason="krippendorff is not installed")
    sets = [frozenset(text) for text in ("a", "ab", "b", "", "abc")]
    answers = {  # rows are raters, columns queries; None was not decided
        "ann": [0, 1, 2, 3, 0, None, 4],
        "bob": [0, 2, 2, 3, 1, 4, None],
        "eve": [1, 1, None, 0, 0, 4, 4],
    }
    decisions = [
        decide(f"q{i}", *sorted(sets[value]), rater=rater)
        for rater, row in answers.items()
        for i, value in enumerate(row)
        if value is not None
    ]

    def jaccard(v1, v2, i1, i2, n_v, dtype=np.float64):
        table = np.array([[1 - len(a & b) / len(a | b) if a | b else 0.0 for b in sets] for a in sets])
        return table[v1.astype(int), v2.astype(int)].astype(dtype)

    data = [[np.nan if value is None else float(value) for value in row] for row in answers.values()]
    expected = library.alpha(
        reliability_data=data, value_domain=[0.0, 1.0, 2.0, 3.0, 4.0], level_of_measurement=jaccard
    )
    assert agree(decisions).alpha == pytest.approx(expected)


def test_agreement_where_there_is_none_to_speak_of():
    assert agree([]).pairs == () and agree([]).alpha is None
    alone = agree([decide("milk", "a")])
    assert (alone.pairs, alone.alpha, alone.differing) == ((), None, ())
    # One set alone: nothing would differ by chance either.
    assert agree([decide("milk", "a"), decide("milk", "a", rater="bob")]).alpha is None


def test_an_adjudication_counts_for_no_agreement_and_settles_the_difference():
    both = [decide("milk", "a"), decide("milk", "b", rater="bob"), decide("tea", "a"), decide("tea", "b", rater="bob")]
    found = agree([*both, decide("milk", "a", rater="eve", adjudicates=True)])
    assert found.decided == {"ann": 2, "bob": 2} and found.pairs == agree(both).pairs
    assert [d.query for d in found.differing] == ["tea"] and found.settled == 1


def test_gold_has_one_line_a_query_and_rater_the_settling_one_first(tmp_path):
    path = tmp_path / "gold.jsonl"
    decisions = [
        decide("tea", "b", rater="bob", at=1),
        decide("tea", "a", specificity="specific", reason="It says so"),
        decide("milk"),
        decide("tea", "b", at=5, adjudicates=True, acceptable=("a",)),
    ]
    assert write_gold(path, decisions) == 3
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["query"], row["rater"], row["categories"]) for row in rows] == [
        ("milk", "ann", []),
        ("tea", "ann", ["b"]),
        ("tea", "bob", ["b"]),
    ]
    assert rows[1] == {
        "query": "tea", "categories": ["b"], "acceptable": ["a"], "specificity": None, "kind": "disagreement",
        "rater": "ann", "time": "2026-11-22T12:05:00+00:00", "reason": "",
    }  # fmt: skip
    assert write_gold(path, decisions[:1]) == 1  # an export may be written again
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("content", ['{"query": "milk", "categories": ["c1"]}\n', "my notes", "\n", "[" * 100_000])
def test_an_export_overwrites_no_other_labels(tmp_path, content):
    path = tmp_path / "gold.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match="not of this review"):
        write_gold(path, [decide("milk", "c1")])
    assert path.read_text() == content
