"""The ledger: on disk when it says so, nothing lost by a kill, nothing counted twice, unknown stays unknown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from prompts.ledger import Ledger, LedgerLine, most_spent, read_charges, read_ledger
from prompts.spending import sum_up

ROOT = Path(__file__).resolve().parents[2]


def line(key: str = "k", **more) -> LedgerLine:
    usual = {
        "run": "r1",
        "shop": "corner",
        "prompt": "understand@1",
        "model": "m",
        "route": "sync",
        "tokens_in": 100,
        "tokens_cached": 50,
        "tokens_out": 10,
        "price": 0.5,
        "price_source": "shop.toml",
    }
    return LedgerLine(**(usual | {"key": key} | more))


def test_lines_become_one_parquet_part_and_read_back_as_they_were(tmp_path) -> None:
    at = datetime(2026, 11, 22, 1, 2, 3, 4, tzinfo=UTC)
    lines = [line("a", at=at), line("b", price=None, tokens_in=None, price_source=None)]
    with Ledger(tmp_path) as ledger:
        ledger.append(lines[:1])
        ledger.append(lines[1:])
    [part] = tmp_path.iterdir()
    assert part.suffix == ".parquet"
    rows = pl.read_parquet(part).rows(named=True)
    assert [LedgerLine(**row) for row in rows] == lines
    assert read_ledger(tmp_path).sort("key").rows(named=True) == rows


def test_what_was_not_answered_is_a_charge_and_no_completion(tmp_path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([line("a"), line("b", price=None, reserved=0.25, answered=False)])
    assert [*read_ledger(tmp_path)["key"]] == ["a"]
    assert [*read_charges(tmp_path)["key"]] == ["a", "b"]


def test_the_most_that_a_run_has_cost_is_of_its_own_lines_by_price_or_reservation(tmp_path) -> None:
    assert most_spent(tmp_path, "r1") == 0.0
    with Ledger(tmp_path) as ledger:
        ledger.append([line("a", price=0.5), line("b", price=None, reserved=0.25, answered=False)])
        ledger.append([line("c", price=None, reserved=0.125), line("d", price=None), line("e", run="r2")])
    assert most_spent(tmp_path, "r1") == 0.875


def test_a_ledger_of_an_earlier_version_is_read(tmp_path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([line("a")])
    [part] = tmp_path.iterdir()
    pl.read_parquet(part).drop("reserved", "answered").write_parquet(part)
    with Ledger(tmp_path) as ledger:
        ledger.append([line("b", price=None, reserved=0.25)])
    assert read_ledger(tmp_path).select("key", "price", "reserved").rows() == [("a", 0.5, None), ("b", None, 0.25)]
    assert most_spent(tmp_path, "r1") == 0.75


def test_a_ledger_that_nobody_wrote_to_leaves_no_file(tmp_path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append([])
    assert list(tmp_path.iterdir()) == []
    assert read_ledger(tmp_path).height == 0


def test_a_run_that_is_still_going_is_read_and_left_alone(tmp_path) -> None:
    going = Ledger(tmp_path)
    going.append([line("a")])
    with Ledger(tmp_path) as other:
        other.append([line("b")])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jsonl", ".parquet"]
    assert sorted(read_ledger(tmp_path)["key"]) == ["a", "b"]
    going.append([line("c")])
    going.close()
    assert sorted(read_ledger(tmp_path)["key"]) == ["a", "b", "c"]


def test_packing_that_was_cut_short_counts_nothing_twice(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([line("a"), line("b")])
    [journal] = tmp_path.glob("*.jsonl")
    kept = journal.read_bytes()
    ledger.close()
    journal.write_bytes(kept)
    assert read_ledger(tmp_path).height == 2
    with Ledger(tmp_path):
        pass
    assert read_ledger(tmp_path).height == 2
    assert not journal.exists()


WRITER = """
import sys
from pathlib import Path
from prompts.ledger import Ledger, LedgerLine
ledger = Ledger(Path(sys.argv[1]))
for i in range(100000):
    ledger.append([LedgerLine(run="r", shop="s", prompt="p", model="m", key=str(i), route="sync", tokens_in=1,
                              tokens_cached=None, tokens_out=1, price=0.1, price_source="x")])
    print(i, flush=True)
"""


def test_what_was_said_to_be_written_outlives_a_kill(tmp_path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout
    said = [int(writer.stdout.readline()) for _ in range(30)]
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    said += [int(text) for text in rest.split()]
    assert {str(i) for i in said} <= {*read_ledger(tmp_path)["key"]}
    with Ledger(tmp_path) as after:
        after.append([line("after")])
    kept = read_ledger(tmp_path)
    assert {str(i) for i in said} | {"after"} <= {*kept["key"]}
    assert kept["key"].is_unique().all()
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_line_cut_short_ends_the_journal(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append([line("a"), line("b")])
    ledger.close()
    [part] = tmp_path.iterdir()
    part.unlink()
    whole = Ledger(tmp_path)
    whole.append([line("a"), line("b")])
    [journal] = tmp_path.glob("*.jsonl")
    text = journal.read_bytes()
    whole.close()
    for left in tmp_path.iterdir():
        left.unlink()
    journal.write_bytes(text[:-20])
    assert [*read_ledger(tmp_path)["key"]] == ["a"]


def test_sums_are_by_run_and_unknown_is_not_nought() -> None:
    lines = [
        line("a", run="one", price=0.25),
        line("b", run="one", price=0.5, tokens_cached=None),
        line("c", run="two", price=None, tokens_in=None, tokens_cached=None, tokens_out=None, model="n"),
    ]
    frame = pl.DataFrame([vars(entry) for entry in lines])
    found = sum_up(frame, {"one": 3})
    [one, two] = found.runs
    assert (one.completions, one.tokens_in, one.tokens_cached, one.tokens_out) == (2, 200, 50, 20)
    assert (one.price, one.unpriced, one.labels, one.price_a_label) == (0.75, 0, 3, 0.25)
    assert (two.tokens_in, two.price, two.unpriced, two.labels, two.price_a_label) == (None, None, 1, None, None)
    assert (found.total.price, found.total.unpriced, found.total.model) == (0.75, 1, "m, n")
    # A total whose parts are not all known has no price for a label.
    assert (found.total.labels, found.total.price_a_label) == (None, None)


def test_an_estimate_is_beside_the_sums_and_not_in_them() -> None:
    late = {"price": None, "tokens_in": None, "tokens_cached": None, "tokens_out": None, "answered": False}
    lines = [
        line("a", run="one", price=0.25),
        line("b", run="one", reserved=0.5, **late),
        line("c", run="two", price=None, reserved=0.125),
        line("d", run="two", reserved=0.5, **late),
        line("e", run="three", reserved=None, **late),
        line("f", run="three", reserved=0.5, **late),
    ]
    found = sum_up(pl.DataFrame([vars(entry) for entry in lines]), {"one": 1})
    [one, two, three] = found.runs
    assert (one.completions, one.price, one.unpriced, one.unanswered, one.at_most) == (1, 0.25, 0, 1, 0.5)
    assert (one.tokens_in, one.price_a_label) == (100, 0.25)
    assert (two.completions, two.price, two.unpriced, two.unanswered, two.at_most) == (1, None, 1, 1, 0.625)
    # Of one of them nobody knows the most, so of both together neither.
    assert (three.completions, three.price, three.unpriced, three.unanswered, three.at_most) == (0, None, 0, 2, None)
    assert (found.total.completions, found.total.price, found.total.unanswered) == (2, 0.25, 4)


def test_an_empty_ledger_sums_to_nothing_known() -> None:
    found = sum_up(read_charges(Path("/nonexistent")), {})
    assert found.runs == ()
    assert (found.total.completions, found.total.price) == (0, None)


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\n", b'{"run": 1}\n'])
def test_a_journal_of_nonsense_is_read_as_nothing(tmp_path, damage) -> None:
    (tmp_path / "x.jsonl").write_bytes(damage)
    assert read_ledger(tmp_path).height == 0
