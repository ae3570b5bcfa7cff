"""``/v1/explain``: head beside student, the reasons, and every way to be refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from domain import Taxonomy
from domain.label import read_labels
from domain.understanding import Category, understanding_adapter
from release import Release, build_release, open_release
from release.manifest import WHY, Manifest
from release.why import Demand, Evidence, Followed, Origin, Why, check_whys
from service import Settings, create_app

PATH = "/v1/explain"
GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, teach) -> Path:
    """A release with answers for "sure", "halfway" and "lost", a student who knows the three, and one reason."""
    folder = tmp_path_factory.mktemp("explained")
    taxonomy = Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes())
    student = teach(folder / "student", taxonomy)
    label = next(read_labels(GROCERY / "labels.jsonl"))
    leaf = Category(id=student.leaf, path=taxonomy.path(student.leaf), confidence=0.75)
    answer = replace(label.understanding, categories=(leaf,), annotations=(), next_queries=("ginger beer", "tonic"))
    why = Why(
        query="sure",
        tier="head",
        origin=Origin(model="hand", prompt="understand@1#aa+discover@1#bb", key="k1+k2", labelled=date(2026, 11, 3)),
        evidence=Evidence(
            searches=20,
            clients=15,
            acted_share=0.5,
            categories=(Demand(id=student.leaf, share=0.9, shown=0.8, clicks=3),),
            next_queries=(Followed(query="tonic", count=4),),
        ),
    )
    return build_release(
        shop="grocery",
        taxonomy=taxonomy,
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=[
            replace(label, query=query, understanding=replace(answer, normalized=query)) for query in ("sure", "lost")
        ],
        fingerprints={},
        index=None,
        student=student.folder,
        releases=folder / "releases",
        created=datetime(2026, 11, 21, tzinfo=UTC),
        whys=[why],
    )


@pytest.fixture(scope="module")
def explained(folder) -> Iterator[Release]:
    with open_release(folder) as release:
        yield release


@pytest.fixture(scope="module")
def explain(ask_any, explained):
    app = create_app(explained)
    return lambda query, method="GET": ask_any(app, method, PATH, query=query, headers=())


def _understand(ask_any: Any, release: Release, query: bytes) -> Any:
    return ask_any(create_app(release), "GET", "/v1/understand", query=query, headers=()).json


def test_a_labelled_query_is_answered_twice_with_its_reasons(explain, ask_any, explained):
    answer = explain(b"q=SURE!")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    found = answer.json
    assert list(found) == ["query", "normalized", "release", "head", "student", "why"]
    assert (found["query"], found["normalized"], found["release"]) == ("SURE!", "sure", explained.id)
    assert found["head"] == _understand(ask_any, explained, b"q=SURE!") and found["head"]["source"] == "head"
    [unseen] = explained.understand_unseen(["SURE!"])
    assert understanding_adapter.validate_python(found["student"]) == unseen and unseen.source == "tail"
    why = found["why"]
    assert (why["served"], why["tier"]) == ("head", "head")
    assert why["origin"]["labelled"] == "2026-11-03" and why["origin"]["same_context"] is True
    [demand] = why["evidence"]["categories"]
    assert (demand["path"], demand["shown"], demand["clicks"]) == (found["head"]["categories"][0]["path"], 0.8, 3)
    assert why["parts"] == [
        {"part": "meaning", "sources": ["understand@1#aa"]},
        {"part": "ideas", "sources": ["discover@1#bb"]},
        {"part": "next_queries", "sources": ["log"]},
    ]
    assert [step["answered"] for step in why["steps"]] == [True]


def test_a_precomputed_answer_that_the_release_keeps_no_reason_of(explain):
    found = explain(b"q=lost").json
    assert found["head"]["source"] == "head" and found["student"]["source"] == "fallback"
    why = found["why"]
    assert (why["served"], why["tier"], why["origin"], why["evidence"], why["parts"]) == ("head", None, None, None, [])
    assert why["steps"] and not any(step["answered"] for step in why["steps"])


def test_a_query_of_the_tail(explain, ask_any, explained):
    found = explain(b"q=halfway").json
    assert found["head"] is None and found["student"] == _understand(ask_any, explained, b"q=halfway")
    assert found["why"]["served"] == "student"
    assert [step["answered"] for step in found["why"]["steps"]] == [False, True]
    assert found["student"]["reason"] == "backed_off_to_parent"
    [category] = found["student"]["categories"]
    assert category["id"] == found["why"]["steps"][-1]["id"]


@pytest.mark.parametrize("query", [b"q=", b"q=%20!!%20"])
def test_nothing_to_explain(explain, query):
    found = explain(query).json
    assert (found["normalized"], found["head"], found["student"], found["why"]["served"]) == (
        "",
        None,
        None,
        "fallback",
    )
    assert found["why"]["steps"] == []


def test_a_release_without_a_student_or_reasons(ask_any, stocked):
    found = ask_any(create_app(stocked), "GET", PATH, query=b"q=vernors%20soda", headers=()).json
    assert found["head"]["categories"] and found["student"] is None
    assert (found["why"]["origin"], found["why"]["steps"]) == (None, [])
    unknown = ask_any(create_app(stocked), "GET", PATH, query=b"q=nobody", headers=()).json
    assert (unknown["head"], unknown["student"], unknown["why"]["served"]) == (None, None, "fallback")


def test_a_file_that_is_gone_while_it_is_served_takes_no_answer_with_it(ask_any, folder, tmp_path):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    with open_release(copy) as release:
        (copy / WHY).unlink()
        found = ask_any(create_app(release), "GET", PATH, query=b"q=sure", headers=()).json
        assert found["head"]["categories"] and found["why"]["origin"] is None
        (copy / WHY).write_bytes(b"no store at all")
        found = ask_any(create_app(release), "GET", PATH, query=b"q=sure", headers=()).json
        assert found["head"]["categories"] and found["why"]["origin"] is None


def test_reasons_are_verified_once_when_they_are_first_asked_for_and_damaged_ones_are_not_told(
    ask_any, folder, tmp_path, monkeypatch, caplog
):
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    read = []

    def counted(folder: Path, manifest: Manifest) -> None:
        read.append(folder.name)
        check_whys(folder, manifest)

    monkeypatch.setattr("service.explain.check_whys", counted)
    with open_release(copy) as release:
        app = create_app(release)
        assert read == []
        for _ in range(2):
            assert ask_any(app, "GET", PATH, query=b"q=sure", headers=()).json["why"]["origin"]
        assert read == [folder.name] and not caplog.records
    data = (copy / WHY).read_bytes()
    (copy / WHY).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with open_release(copy) as release:
        app = create_app(release)
        for _ in range(2):
            found = ask_any(app, "GET", PATH, query=b"q=sure", headers=()).json
            assert found["head"]["categories"] and found["student"] and found["why"]["steps"]
            assert (found["why"]["origin"], found["why"]["evidence"], found["why"]["parts"]) == (None, None, [])
    [record] = caplog.records
    assert "why.lmdb does not match its digest" in record.message


def test_it_is_switched_off_with_a_setting(ask_any, explained):
    app = create_app(explained, settings=Settings(explain=False))
    for query in (b"q=sure", b"q=nobody", b""):
        assert ask_any(app, "GET", PATH, query=query, headers=()).problem() == (404, "not-found", None)
    assert ask_any(app, "GET", "/v1/understand", query=b"q=sure", headers=()).status == 200


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (b"", (422, "missing-field", "q")),
        (b"q=a&q=b", (422, "invalid-field", "q")),
        (b"q=a&limit=3", (422, "unknown-field", "limit")),
        (b"q=%ff", (400, "invalid-encoding", "q")),
        (b"q=%ed%a0%80", (400, "invalid-encoding", "q")),
        (b"q=" + b"x" * 257, (422, "query-too-long", "q")),
        (b"q=" + b"x" * 70_000, (414, "uri-too-long", "q")),
    ],
)
def test_what_cannot_be_explained_is_refused(explain, query, problem):
    assert explain(query).problem() == problem


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\x00\x1b[2J", "\u202esure", "'; DROP TABLE", "🥤" * 200]
)
def test_hostile_texts_come_back_as_they_were_and_never_as_a_failure(explain, text):
    answer = explain(b"q=" + quote_from_bytes(text.encode()).encode())
    assert answer.status == 200 and answer.json["query"] == text


def test_other_methods_and_no_release(explain, ask_any):
    refused = explain(b"q=sure", "POST")
    assert refused.problem() == (405, "method-not-allowed", None) and refused.headers["allow"] == "GET, HEAD"
    assert ask_any(create_app(None), "GET", PATH, query=b"q=sure", headers=()).problem() == (503, "not-ready", None)


def test_the_description_of_the_api_holds_for_it(explain, ask_any, explained):
    schema = ask_any(create_app(explained), "GET", "/openapi.json", headers=()).json
    operation = schema["paths"][PATH]["get"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Explained")
    fields = schema["components"]["schemas"]
    found = explain(b"q=sure").json
    assert set(fields["Explained"]["properties"]) == set(found)
    assert set(fields["Reasons"]["properties"]) == set(found["why"])
    assert set(fields["Evidence"]["properties"]) == set(found["why"]["evidence"])
