"""What a query without a precomputed answer gets beside its categories: rewrites of a near query, and when none."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain.errors import ReleaseError
from domain.understanding import Category, Rewrite
from release import Release, build_release, open_release, verify_release


@pytest.fixture
def folder(grocery: Any, teach: Callable[..., Any], tmp_path: Path) -> Path:
    """A release whose student knows "sure" and "halfway", and in which "halfway sure" has a rewrite to lend."""
    student = teach(tmp_path / "student", grocery.taxonomy)
    one = grocery.labels[0]
    understanding = replace(
        one.understanding,
        normalized="halfway sure",
        categories=(Category(id=student.leaf, path=grocery.taxonomy.path(student.leaf), confidence=0.9),),
        annotations=(),
        rewrites=(Rewrite(query="halfway", type="broader", confidence=0.8),),
    )
    lender = replace(one, query="halfway sure", understanding=understanding)
    return build_release(
        shop="grocery",
        taxonomy=grocery.taxonomy,
        product_ids=grocery.products,
        labels=[*(label for label in grocery.labels if not label.understanding.rewrites), lender],
        fingerprints={},
        index=None,
        student=student.folder,
        releases=tmp_path / "releases",
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )


@pytest.fixture
def release(folder: Path) -> Any:
    with open_release(folder) as opened:
        yield opened


def test_the_same_words_in_another_order_borrow_what_was_written_for_them(release: Release) -> None:
    [answer] = release.understand(["sure halfway"])
    assert (answer.source, answer.borrowed_from) == ("tail", "halfway sure")
    assert [(rewrite.query, rewrite.type) for rewrite in answer.rewrites] == [("halfway", "broader")]
    served = json.loads(release.answer_bytes("sure halfway"))
    assert (served["borrowed_from"], served["rewrites"][0]["query"]) == ("halfway sure", "halfway")


def test_who_lends_is_no_tail_and_borrows_nothing(release: Release) -> None:
    [head] = release.understand(["halfway sure"])
    assert (head.source, head.borrowed_from) == ("head", None)
    # Asked as if it had no precomputed answer, it does not find it by itself either.
    [unseen] = release.understand_unseen(["halfway sure"])
    assert (unseen.source, unseen.borrowed_from) == ("tail", None)


def test_a_query_that_says_less_or_something_else_borrows_nothing(release: Release) -> None:
    for answer in release.understand(["sure", "lost", "qqq"]):
        assert (answer.rewrites, answer.borrowed_from) == ((), None)


def test_a_batch_is_answered_as_each_query_is(release: Release) -> None:
    queries = ["sure halfway", "lost", "", "sure", "halfway sure", "sure halfway"]
    assert release.understand(queries) == [release.understand([query])[0] for query in queries]


def test_lenders_are_part_of_what_a_release_is(folder: Path) -> None:
    files = verify_release(folder).files
    assert {"lenders/lenders.json", "lenders/queries.npy"} <= files.keys()
    (folder / "lenders" / "lenders.json").write_text("{}")
    with pytest.raises(ReleaseError, match=r"lenders\.json"):
        open_release(folder)
