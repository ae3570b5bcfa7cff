"""Whether what is asked is what the release was built for."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from domain import Taxonomy
from domain.errors import ReleaseError
from domain.label import read_labels
from querywise.expected import known_of
from release import build_release, open_release, verify_release
from release.expected import (
    MOST_BINS,
    Distribution,
    Expected,
    Known,
    Vocabulary,
    confidence_bin,
    distribution,
    read_expected,
    write_expected,
)
from service import create_app
from service.seen.beat import Beat
from service.seen.board import Slot
from service.seen.drift import Drift, stability
from service.seen.metrics import Metrics
from service.seen.seen import Look, Seen

GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"
HOUR = 3600


def _build(releases: Path, known: Known | None) -> Path:
    return build_release(
        shop="grocery",
        taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=read_labels(GROCERY / "labels.jsonl"),
        fingerprints={},
        index=None,
        releases=releases,
        created=datetime(2026, 11, 21, tzinfo=UTC),
        known=known,
    )


def _known() -> Known:
    taxonomy = Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes())
    labels = list(read_labels(GROCERY / "labels.jsonl"))
    log = {label.query: 10 for label in labels} | {"bolt cutter": 9, "zzz": 1}
    return known_of(log, labels, taxonomy, titles=["Bolt cutters"])


@pytest.fixture
def expecting(tmp_path):
    folder = _build(tmp_path / "releases", _known())
    with open_release(folder) as opened:
        yield opened


def test_the_log_is_weighed_by_its_searches():
    found = _known().expected.measures
    labels = len(list(read_labels(GROCERY / "labels.jsonl")))
    assert found["source"].bins == ("head", "tail") and found["source"].count == 10 * labels + 10
    assert found["source"].shares[1] == pytest.approx(10 / (10 * labels + 10), abs=1e-5)
    assert "tail_categories" not in found, "there is no student to say"
    # "zzz" is the one word that was searched once and is in no title.
    words = found["words"]
    assert words.shares[0] == pytest.approx(1 / words.count, abs=1e-5)
    assert _known().vocabulary.unknown(["zzz", "cutters", "never", "protein"]) == 1
    for one in found.values():
        assert sum(one.shares) == pytest.approx(1, abs=1e-3)


def test_the_students_part_is_what_it_answers(taught_folder):
    with open_release(taught_folder) as opened:
        student = opened._tail.student
        known = known_of(
            {"sure": 3, "protein": 5}, read_labels(GROCERY / "labels.jsonl"), opened.taxonomy, student=student
        )
        [said] = opened.understand_unseen(["sure"])
    tail = known.expected.measures["tail_confidence"]
    assert dict(zip(tail.bins, tail.shares, strict=True))[confidence_bin(said.categories[0].confidence)] == 1
    assert tail.count == 3 and known.expected.measures["source"].shares == (0.625, 0.375)


def test_bins_are_few_and_the_rest_is_together():
    found = distribution({f"c{i:03}": 1.0 for i in range(100)} | {"none": 50.0}, ("none",))
    assert len(found.bins) == MOST_BINS and found.bins[:2] == ("none", "c000") and found.bins[-1] == "other"
    assert found.shares[0] == pytest.approx(1 / 3, abs=1e-5) and found.shares[-1] == pytest.approx(54 / 150, abs=1e-5)


def test_confidence_bins():
    assert [confidence_bin(value) for value in (None, 0.0, 0.09, 0.1, 0.95, 1.0)] == [
        "none", "0.0", "0.0", "0.1", "0.9", "0.9",
    ]  # fmt: skip


def test_it_is_kept_in_the_release_and_is_no_part_of_its_content(expecting, tmp_path):
    plain = _build(tmp_path / "plain", None)
    assert plain.name == expecting.id, "what is expected decides no answer"
    verify_release(expecting.folder)
    known = read_expected(expecting.folder / "expected")
    assert known.expected == _known().expected and len(known.vocabulary) == len(_known().vocabulary)


@pytest.mark.parametrize(
    "damage",
    [
        lambda about: about | {"schema_version": 2},
        lambda about: about | {"measures": {"source": {"bins": ["a", "a"], "shares": [0.5, 0.5], "count": 1}}},
        lambda about: about | {"measures": {"source": {"bins": ["a"], "shares": [1.5], "count": 1}}},
        lambda about: about | {"measures": {"odd": {"bins": ["a"], "shares": [1], "count": 1}}},
        lambda about: {},
    ],
)
def test_a_file_that_is_malformed_is_an_error(tmp_path, damage):
    write_expected(tmp_path / "expected", _known())
    path = tmp_path / "expected" / "expected.json"
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(ReleaseError):
        read_expected(tmp_path / "expected")


def test_the_index_is_that_of_the_book():
    # (0.6 - 0.5) ln(0.6 / 0.5) + (0.4 - 0.5) ln(0.4 / 0.5) = 0.018232 + 0.022314
    expected = Distribution(bins=("a", "b"), shares=(0.5, 0.5), count=10**9)
    found = stability(expected, np.array([0.6, 0.4]), 10**9)
    assert found.index == pytest.approx(0.040547, abs=1e-5)
    assert found.lower == pytest.approx(found.index, abs=1e-4) and found.upper == pytest.approx(found.index, abs=1e-4)
    assert found.lower < found.index < found.upper


@pytest.mark.parametrize("count", [20, 200, 5000])
def test_a_small_sample_raises_no_alarm_and_real_drift_does(count):
    rng = np.random.default_rng(7)
    shares = np.array([0.3, 0.25, 0.2, 0.1, 0.08, 0.04, 0.02, 0.01])
    moved = np.array([0.05, 0.1, 0.1, 0.2, 0.2, 0.2, 0.1, 0.05])
    expected = Distribution(bins=tuple("abcdefgh"), shares=tuple(shares), count=100_000)
    calm = [stability(expected, rng.multinomial(count, shares) / count, count) for _ in range(500)]
    assert sum(one.lower > 0 for one in calm) <= 25, "five of a hundred at most, and these by little"
    assert sum(one.lower > 0.1 for one in calm) <= 5
    drift = [stability(expected, rng.multinomial(count, moved) / count, count) for _ in range(200)]
    assert sum(one.lower > 0.1 for one in drift) >= (100 if count == 20 else 199)
    # The naive rule would cry wolf.
    assert count > 20 or sum(one.index > 0.25 for one in calm) > 100


def test_a_bin_that_is_empty_on_both_sides_is_none():
    expected = Distribution(bins=("a", "b", "c"), shares=(0.5, 0.5, 0.0), count=1000)
    two = Distribution(bins=("a", "b"), shares=(0.5, 0.5), count=1000)
    assert stability(expected, np.array([0.6, 0.4, 0.0]), 100) == stability(two, np.array([0.6, 0.4]), 100)
    assert np.isfinite(stability(expected, np.array([0.0, 0.0, 1.0]), 1).index)


def _drift(slot: Slot, release, clock: list[float]) -> Drift:
    return Drift(slot, lambda: release, now=lambda: clock[0])


def _look(drift: Drift, *looks: Look) -> None:
    for look in looks:
        drift.look(look)


def _told(drift: Drift, *slots: Slot) -> dict[tuple[str, ...], float]:
    slabs = [slot.read() for slot in slots]
    return {(s.name, *s.labels.values()): s.value for family in drift.tell(slabs) for s in family.samples}


def test_workers_are_summed_and_hours_pass(expecting):
    clock, slots = [100.0 * HOUR], [Slot.alone(), Slot.alone()]
    first, second = (_drift(slot, expecting, clock) for slot in slots)
    head, miss = expecting.answer_bytes("protein"), expecting.answer_bytes("zzz")
    _look(first, *[Look(head, 1)] * 3)
    _look(second, Look(miss, 1))
    share = ("querywise_drift_share", "source", "head", "observed")
    assert _told(first, *slots)[share] == 0.75 == _told(second, *slots)[share]
    clock[0] += HOUR
    _look(second, *[Look(miss, 1)] * 4)
    assert _told(first, *slots)[share] == 3 / 8
    clock[0] += HOUR  # what was seen in the first hour is no longer told
    assert _told(first, *slots)[share] == 0
    clock[0] += HOUR
    assert share not in _told(first, *slots)
    assert _told(first, *slots)["querywise_drift_share", "source", "head", "expected"] > 0.5
    assert _told(first, *slots)["querywise_drift_sampled", "source"] == 0


def test_an_answer_that_stands_for_many_counts_for_many_and_is_worth_one(expecting):
    slot, clock = Slot.alone(), [0.0]
    drift = _drift(slot, expecting, clock)
    head, miss = expecting.answer_bytes("protein"), expecting.answer_bytes("zzz")
    _look(drift, Look(head, 8), Look(miss, 8), Look(miss, 16))
    told = _told(drift, slot)
    assert told["querywise_drift_share", "source", "head", "observed"] == 0.25
    # (8 + 8 + 16)^2 / (64 + 64 + 256) = 2.67
    assert told["querywise_drift_sampled", "source"] == pytest.approx(1024 / 384)


def test_unknown_words_and_answers_of_another_release(expecting):
    slot, clock = Slot.alone(), [0.0]
    drift = _drift(slot, expecting, clock)
    other = expecting.answer_bytes("never heard words").replace(expecting.id.encode(), b"other")
    _look(drift, Look(expecting.answer_bytes("never heard protein"), 1), Look(other, 1))
    told = _told(drift, slot)
    assert told["querywise_drift_share", "words", "unknown", "observed"] == pytest.approx(2 / 3)
    assert told["querywise_drift_sampled", "source"] == 1


def test_a_release_that_expects_nothing_has_nothing_told_and_nothing_sampled(release):
    app = create_app(release)
    with app.instruments.running():
        assert app.instruments.seen.one_in == 0
    assert not any("drift" in s.name for f in Metrics(app.instruments._slabs).collect() for s in f.samples)
    assert _told(_drift(Slot.alone(), release, [0.0]), Slot.alone()) == {}


def test_served_answers_are_sampled_and_told(expecting, ask_any):
    app = create_app(expecting)
    with app.instruments.running():
        for query in (b"q=protein", b"q=vernors+soda", b"q=zzz"):
            ask_any(app, "GET", "/v1/understand", query=query)
        ask_any(app, "POST", "/v1/understand/batch", body=b'{"queries": ["protein"]}')
        text = ask_any(app, "GET", "/metrics").body.decode()
    assert 'querywise_drift_sampled{measure="source"} 4.0' in text
    assert 'querywise_drift_share{bin="head",kind="observed",measure="source"} 0.75' in text


def test_answers_that_come_faster_than_they_are_looked_at_are_sampled(expecting):
    seen = Seen(Slot.alone())
    answer = expecting.answer_bytes("protein")

    class Endless(Drift):
        """Has as many put aside again as it looks at."""

        def look(self, look: Look) -> None:
            super().look(look)
            for _ in range(40):
                seen.head(0, answer)

    drift = Endless(seen.slot, lambda: expecting)
    beat = Beat(seen, waiting=lambda: 0, drift=drift)
    beat.start()
    try:
        seen.head(0, answer)
        assert len(seen.looks) == 1
        until = time.monotonic() + 60
        while seen.one_in < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert len(seen.looks) <= 64
        assert _told(drift, seen.slot)["querywise_drift_share", "source", "head", "observed"] == 1
    finally:
        beat.close()


def test_expected_without_measures_tells_nothing(tmp_path):
    write_expected(tmp_path / "e", Known(expected=Expected(depth=0, measures={}), vocabulary=Vocabulary.of([])))
    known = read_expected(tmp_path / "e")
    assert known.expected.measures == {} and known.vocabulary.unknown(["a"]) == 1
