from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from domain import normalise
from domain.errors import ReleaseError
from release import Candidate, WordOverlap, open_release, verify_release
from release.manifest import FileDigest, content_hash, read_manifest, write_manifest


@pytest.fixture
def path(build, tmp_path) -> Path:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "note.txt").write_text("any index")
    return build(index=tmp_path / "index")


def test_every_label_is_served_as_it_was_given(path, grocery):
    with open_release(path) as release:
        for label in grocery.labels:
            expected = dataclasses.replace(label.understanding, query=label.query.upper(), release=path.name)
            assert release.understand([label.query.upper()]) == [expected]


def test_answer_bytes_is_the_contract_of_the_service(path):
    with open_release(path) as release:
        raw = '  VERNORS\t"Soda" 🥤\u2028'
        assert normalise("VERNORS Soda") == "vernors soda"
        answer = json.loads(release.answer_bytes("VERNORS  Soda"))
        assert list(answer) == [
            "query", "normalized", "source", "reason", "release", "categories", "annotations", "rewrites",
            "substitutes", "complements", "next_queries", "specificity", "borrowed_from",
        ]  # fmt: skip
        assert answer["query"] == "VERNORS  Soda" and answer["release"] == path.name
        assert answer["categories"][0] == {
            "id": "c118", "path": ["Beverages", "Soft Drinks", "Ginger Ale"], "confidence": 0.97,
        }  # fmt: skip
        assert json.loads(release.answer_bytes(raw))["query"] == raw


@pytest.mark.parametrize("raw", ['"', "\\", "\x00\x1f\x7f", "</script>", "\u2028", "日本語 🥛", '{"a":1}', "a" * 3000])
def test_echo_of_any_text_is_json(path, raw):
    with open_release(path) as release:
        assert json.loads(release.answer_bytes(raw))["query"] == raw


def test_lone_surrogate_has_no_bytes_but_has_an_understanding(path):
    with open_release(path) as release:
        for raw in ("\ud800", "protein\ud800"):
            with pytest.raises(UnicodeEncodeError):
                release.answer_bytes(raw)
        empty, protein = release.understand(["\ud800", "protein\ud800"])
        assert (empty.reason, protein.source, protein.query) == ("empty_query", "head", "protein\ud800")


@pytest.mark.parametrize("raw", ["", "   ", "!!!", "\u200b"])
def test_empty_query(path, raw):
    with open_release(path, load_retriever=lambda _: _Failing()) as release:
        answer = release.understand([raw])[0]
        assert (answer.source, answer.reason, answer.categories) == ("fallback", "empty_query", ())


class _Failing:
    def nearest(self, query: str, limit: int) -> list[Candidate]:
        raise RuntimeError(f"cannot search {query}")


def test_fallback_lists_the_nearest_categories_without_confidence(path, grocery):
    seen = []

    def load(folder: Path) -> WordOverlap:
        seen.append((folder / "note.txt").read_text())
        return WordOverlap(grocery.taxonomy)

    with open_release(path, load_retriever=load) as release:
        answer = release.understand(["organic plant milk"])[0]
        assert answer == dataclasses.replace(
            answer, query="organic plant milk", source="fallback", reason="abstained_low_confidence"
        )
        # "Plant Milk" 2/2 and "Milk" 1/1 tie and go by id; "Low-Fat Milk" has one word of three.
        assert [(c.id, c.confidence) for c in answer.categories] == [("c21", None), ("c212", None), ("c211", None)]
        assert json.loads(release.answer_bytes("organic plant milk"))["categories"][1]["path"] == [
            "Dairy & Eggs", "Milk", "Plant Milk",
        ]  # fmt: skip
        assert release.understand(["zzz"])[0].categories == ()
    assert seen == ["any index"]


def test_without_a_retriever_the_answer_is_degraded(path):
    with open_release(path) as release:
        assert release.understand(["plant milk"])[0].reason == "degraded"


def test_a_failing_retriever_degrades_and_its_query_is_not_logged(path, caplog):
    with open_release(path, load_retriever=lambda _: _Failing()) as release:
        assert release.understand(["plant milk"])[0].reason == "degraded"
    assert "RuntimeError" in caplog.text and "plant" not in caplog.text


def test_ids_that_the_taxonomy_has_not_are_not_served(path):
    class Stray:
        def nearest(self, query: str, limit: int) -> list[Candidate]:
            return [Candidate(category_id=i, score=1.0) for i in ("c999", "c21", "c21")]

    with open_release(path, load_retriever=lambda _: Stray()) as release:
        assert [c.id for c in release.understand(["x"])[0].categories] == ["c21"]


@pytest.mark.parametrize("name", ["taxonomy.json", "head.lmdb", "served_ids.json", "retrieval/note.txt"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_refused_with_the_file_named(path, name, damage):
    file = path / name
    data = bytearray(file.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    file.unlink() if damage == "remove" else file.write_bytes(data[:-1] if damage == "cut" else data)
    with pytest.raises(ReleaseError, match=name.replace(".", r"\.")):
        open_release(path)


def test_workers_that_do_not_verify_still_see_a_missing_file(path):
    (path / "served_ids.json").unlink()
    with pytest.raises(ReleaseError, match="served_ids"):
        open_release(path, verify=False)


def test_a_file_too_many_is_refused(path):
    (path / "notes.txt").write_text("hello")
    with pytest.raises(ReleaseError, match=r"notes\.txt is not in the manifest"):
        open_release(path)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"schema_version": 1', '"schema_version": 2', "schema version 2"),
        ('"shop": "grocery"', '"shop": "other"', "content hash"),
        ('"labelled": 10', '"labelled": 11', "content hash"),
        ('"shop": "grocery"', '"shop": "grocery", "extra": 1', "extra"),
        ("{", "[", "cannot be read"),
    ],
)
def test_an_edited_manifest_is_refused(path, old, new, why):
    manifest = path / "manifest.json"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new, 1))
    with pytest.raises(ReleaseError, match=why):
        open_release(path)


def test_a_folder_without_manifest_is_no_release(tmp_path):
    with pytest.raises(ReleaseError, match="is not a release"):
        open_release(tmp_path)


def test_served_category_missing_from_the_taxonomy_is_refused_even_when_every_digest_holds(path):
    """A forged release: the taxonomy loses a category and the manifest is made to agree."""
    taxonomy = json.loads((path / "taxonomy.json").read_bytes())
    (path / "taxonomy.json").write_bytes(json.dumps([row for row in taxonomy if row[0] != "c118"]).encode())
    _make_manifest_agree(path)
    with pytest.raises(ReleaseError, match="'c118'"):
        open_release(path)


def test_verify_finds_an_answer_whose_ids_are_not_listed(path):
    (path / "served_ids.json").write_text('{"categories":["c31"],"products":[]}')
    _make_manifest_agree(path)
    open_release(path).close()
    with pytest.raises(ReleaseError, match="the answer for '1% milk' names 'c211'"):
        verify_release(path)


def _make_manifest_agree(path: Path) -> None:
    manifest = read_manifest(path)
    files = {
        name: FileDigest(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name in manifest.files
        for data in [(path / name).read_bytes()]
    }
    manifest = dataclasses.replace(manifest, files=files)
    content = content_hash(manifest)
    write_manifest(path, dataclasses.replace(manifest, content=content, release=f"2026-11-21-{content[:6]}"))


def test_one_process_may_open_a_release_twice(path):
    first, second = open_release(path), open_release(path)
    first.close()
    assert second.head_bytes("protein") is not None
    second.close()
    with pytest.raises(ReleaseError, match="closed"):
        first.head_bytes("protein")
    with open_release(path) as third:
        assert third.head_bytes("protein") is not None


def test_nothing_is_written_beside_the_release(path):
    before = sorted(p.name for p in path.iterdir())
    with open_release(path) as release:
        release.understand(["protein"])
        assert sorted(p.name for p in path.iterdir()) == before


def test_a_query_longer_than_a_key_is_found(build, grocery):
    long = "牛乳" * 128
    assert len(long) == 256 and len(long.encode()) == 768
    label = grocery.labels[1]
    answer = dataclasses.replace(label.understanding, normalized=long)
    with open_release(build([dataclasses.replace(label, query=long, understanding=answer)])) as release:
        assert release.understand([long])[0].source == "head"
        assert release.understand([long[:-1]])[0].source == "fallback"
