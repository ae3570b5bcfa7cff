from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.errors import UserError
from domain.taxonomy import Node, Taxonomy
from evals import GoldSet, read_gold
from evals.case import ExpectedRewrite
from evals.spans import Place, Span

ELECTRONICS = Path(__file__).resolve().parents[3] / "shared" / "data" / "electronics"


def gold_of(folder: Path, tree: Taxonomy, *lines: object) -> GoldSet:
    path = folder / "gold.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    return read_gold(path, tree)


def test_a_full_line(tmp_path: Path, tree: Taxonomy) -> None:
    line = {
        "query": "Vernors  Sodda",
        "categories": ["ginger"],
        "acceptable": ["soda", "ginger"],
        "specificity": "specific",
        "annotations": [{"text": "Sodda", "start": 9, "type": "product_type"}],
        "rewrites": [{"query": "Vernors Soda", "type": "spelling"}, "ginger ale"],
        "kind": "head",
        "rater": "ann",
    }
    gold = gold_of(tmp_path, tree, line)
    assert gold.problems == ()
    [case] = gold.cases
    assert (case.query, case.normalized) == ("Vernors  Sodda", "vernors sodda")
    assert (case.categories, case.acceptable) == (("ginger",), ("soda", "ginger"))
    assert (case.specificity, case.kind, case.rater) == ("specific", "head", "ann")
    assert case.annotations == (Span(place=Place(start=8, end=13), type="product_type"),)
    assert case.rewrites == (
        ExpectedRewrite(query="vernors soda", type="spelling"),
        ExpectedRewrite(query="ginger ale", type=None),
    )


def test_an_empty_list_asks_to_abstain_and_a_missing_one_for_nothing(tmp_path: Path, tree: Taxonomy) -> None:
    gold = gold_of(tmp_path, tree, {"query": "netflix", "categories": []}, {"query": "tv", "specificity": "broad"})
    assert [case.categories for case in gold.cases] == [(), None]


BAD_LINES: list[tuple[object, str]] = [
    (b'{"query": "a", ', "malformed"),
    (b"\xff\xfe\x00", "malformed"),
    (b"[" * 100_000, "malformed"),
    ([1, 2], "malformed"),
    ({"categories": ["cola"]}, "bad_query"),
    ({"query": 7, "categories": ["cola"]}, "bad_query"),
    ({"query": "  ?! ", "categories": ["cola"]}, "bad_query"),
    ({"query": "x" * 257, "categories": ["cola"]}, "bad_query"),
    ({"query": "x" + " " * 2048 + "ann@example.com", "categories": ["cola"]}, "bad_query"),
    ({"query": "a\ud800", "categories": ["cola"]}, "bad_query"),
    ({"query": "a", "categories": "cola"}, "bad_ids"),
    ({"query": "a", "categories": [None]}, "bad_ids"),
    ({"query": "a", "categories": ["cola", "kola"]}, "unknown_category"),
    ({"query": "a"}, "nothing_to_judge"),
    ({"query": "a", "acceptable": ["cola"], "specificity": "none"}, "nothing_to_judge"),
    ({"query": "a", "specificity": "vague"}, "nothing_to_judge"),
    ({"query": "GOOD", "categories": ["water"]}, "duplicate"),
]


@pytest.mark.parametrize(("line", "kind"), BAD_LINES, ids=[f"{kind}-{i}" for i, (_, kind) in enumerate(BAD_LINES)])
def test_a_bad_line_is_left_out_and_reported(tmp_path: Path, tree: Taxonomy, line: object, kind: str) -> None:
    gold = gold_of(tmp_path, tree, {"query": "good", "categories": ["cola"]}, b"", line)
    assert [case.query for case in gold.cases] == ["good"]
    assert [(p.line, p.kind, p.kept) for p in gold.problems] == [(3, kind, False)]
    assert gold.left_out == 1


@pytest.mark.parametrize(
    ("extra", "kind", "field"),
    [
        ({"acceptable": ["kola", "water"]}, "unknown_acceptable", None),
        ({"acceptible": ["water"]}, "unknown_field", None),
        ({"specificity": "vague"}, "bad_field", "specificity"),
        ({"annotations": [{"text": "tea", "type": "brand"}]}, "bad_field", "annotations"),
        ({"annotations": [{"text": "good", "type": "flavour"}]}, "bad_field", "annotations"),
        ({"annotations": [{"text": "good", "start": 3, "type": "brand"}]}, "bad_field", "annotations"),
        ({"annotations": {"text": "good"}}, "bad_field", "annotations"),
        ({"rewrites": [{"type": "spelling"}]}, "bad_field", "rewrites"),
        ({"rewrites": "goods"}, "bad_field", "rewrites"),
        ({"kind": 3}, "bad_field", "kind"),
    ],
)
def test_a_bad_field_costs_only_itself(
    tmp_path: Path, tree: Taxonomy, extra: dict[str, object], kind: str, field: str | None
) -> None:
    gold = gold_of(tmp_path, tree, {"query": "good", "categories": ["cola"], **extra})
    [case] = gold.cases
    assert case.categories == ("cola",)
    assert [(p.line, p.kind, p.kept) for p in gold.problems] == [(1, kind, True)]
    assert gold.left_out == 0
    if field:
        assert getattr(case, field) is None
    else:
        assert case.acceptable == (("water",) if kind == "unknown_acceptable" else ())


def test_other_raters_are_kept_apart(tmp_path: Path, tree: Taxonomy) -> None:
    lines = [{"query": "pop", "categories": [c], "rater": r} for c, r in [("cola", "a"), ("soda", "b"), ("water", "b")]]
    gold = gold_of(tmp_path, tree, *lines)
    assert [(case.categories, case.rater) for case in gold.cases] == [(("cola",), "a")]
    assert [(case.categories, case.rater) for case in gold.further] == [(("soda",), "b")]
    assert [(p.line, p.kind) for p in gold.problems] == [(3, "duplicate")]


def test_numbers_are_ids_and_a_byte_order_mark_is_no_query(tmp_path: Path) -> None:
    tree = Taxonomy([Node(category_id="12", parent_id=None, name="Tea")])
    gold = gold_of(tmp_path, tree, b'\xef\xbb\xbf{"query": "tea", "categories": [12, 12]}\r')
    assert gold.cases[0].categories == ("12",)


@pytest.mark.parametrize("name", ["gold.ndjson", "gold.jsonl.gz", "gold.csv", "gold.csv.gz", "gold.parquet"])
def test_every_format_says_the_same(tmp_path: Path, tree: Taxonomy, name: str) -> None:
    rows: list[dict[str, Any]] = [
        {
            "query": "Vernors  Sodda",
            "categories": ["ginger"],
            "acceptable": ["soda"],
            "specificity": "specific",
            "annotations": [{"text": "Sodda", "start": 9, "type": "product_type"}],
            "rewrites": [{"query": "ginger ale", "type": None}],
            "labels": {"season": "all", "aisle": None},
            "rater": "ann",
        },
        {"query": "pop", "categories": ["cola"], "labels": {"season": None, "aisle": "4"}},
        {"query": "netflix", "categories": []},
    ]
    path = tmp_path / name
    if name.endswith(".parquet"):
        pl.DataFrame(rows).write_parquet(path)
    else:
        data = table_of(rows) if ".csv" in name else "".join(json.dumps(row) + "\n" for row in rows)
        path.write_bytes(gzip.compress(data.encode()) if name.endswith(".gz") else data.encode())
    gold = read_gold(path, tree)
    assert gold.problems == ()
    first, second, third = gold.cases
    assert first.annotations == (Span(place=Place(start=8, end=13), type="product_type"),)
    assert first.rewrites == (ExpectedRewrite(query="ginger ale", type=None),)
    assert (first.categories, first.acceptable, first.specificity) == (("ginger",), ("soda",), "specific")
    assert (first.labels, first.rater, second.labels) == ({"season": "all"}, "ann", {"aisle": "4"})
    assert (second.specificity, second.annotations, second.rater) == (None, None, None)
    assert third.categories == ()


def table_of(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV: lists and objects as JSON text, and nothing where there is nothing."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow({k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()})
    return text.getvalue()


def test_what_is_no_json_in_a_cell_costs_what_it_does_in_a_line(tmp_path: Path, tree: Taxonomy) -> None:
    path = tmp_path / "gold.csv"
    path.write_text('query,categories,rewrites\na,cola,\nb,"[""cola""]",goods\nc,"[""cola"",7\nd\ne,[],\n')
    gold = read_gold(path, tree)
    assert [(case.query, case.rewrites) for case in gold.cases] == [("b", None), ("e", None)]
    assert [(p.line, p.kind) for p in gold.problems] == [
        (2, "bad_ids"),
        (3, "bad_field"),
        (4, "malformed"),
        (5, "malformed"),
    ]


def test_columns_may_have_other_names(tmp_path: Path, tree: Taxonomy) -> None:
    path = tmp_path / "gold.csv"
    path.write_text('q,query,categories,cats\ntea,x,y,"[""cola""]"\n')
    gold = read_gold(path, tree, columns={"query": "q", "categories": "cats"})
    # What is called as ours and is something else is not read.
    assert (gold.cases[0].query, gold.cases[0].categories, gold.problems) == ("tea", ("cola",), ())
    with pytest.raises(UserError, match="column 'asked' is missing"):
        read_gold(path, tree, columns={"query": "asked"})


def test_several_files_are_read_as_one(tmp_path: Path, tree: Taxonomy) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.csv"
    first.write_text('{"query": "pop", "categories": ["cola"]}\n{"query": "tv", "categories": []}\n')
    second.write_text(
        'query,categories,rater\nPOP,"[""water""]",\npop,"[""soda""]",ann\nstill,"[""water""]",\nbad,"[""kola""]",\n'
    )
    gold = read_gold([first, second], tree)
    assert [(case.query, case.categories) for case in gold.cases] == [
        ("pop", ("cola",)),
        ("tv", ()),
        ("still", ("water",)),
    ]
    assert [(case.categories, case.rater) for case in gold.further] == [(("soda",), "ann")]
    assert [(p.file, p.line, p.kind) for p in gold.problems] == [
        (str(second), 2, "duplicate"),
        (str(second), 5, "unknown_category"),
    ]
    assert gold.name == "a.jsonl, b.csv"
    assert gold.sha256 == hashlib.sha256(first.read_bytes() + second.read_bytes()).hexdigest()
    assert read_gold([first], tree) == read_gold(first, tree)


def test_a_file_of_several_without_a_usable_line_is_named(tmp_path: Path, tree: Taxonomy) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text('nothing\n{"query": "pop", "categories": ["cola"]}\n')
    second.write_text('{"query": "pop", "categories": ["kola"]}\n')
    with pytest.raises(UserError, match=r"b\.jsonl has no usable line; line 1: not in the taxonomy"):
        read_gold([first, second], tree)
    # What is all there already is in order.
    second.write_text('{"query": "pop", "categories": ["cola"]}\n')
    assert [(p.file, p.kind) for p in read_gold([first, second], tree).problems] == [
        (str(first), "malformed"),
        (str(second), "duplicate"),
    ]


def test_a_packed_file_has_the_digest_of_what_it_holds(tmp_path: Path, tree: Taxonomy) -> None:
    plain, packed = tmp_path / "gold.jsonl", tmp_path / "gold.jsonl.gz"
    plain.write_text('{"query": "pop", "categories": ["cola"]}\n')
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_gold(packed, tree).sha256 == read_gold(plain, tree).sha256
    packed.write_bytes(packed.read_bytes()[:20])
    with pytest.raises(UserError, match="damaged gzip"):
        read_gold(packed, tree)


def test_a_query_with_personal_data_is_left_out_and_never_shown(tmp_path: Path, tree: Taxonomy) -> None:
    path = tmp_path / "gold.jsonl"
    queries = ["pop", "jane.roe@example.com pop", "020 7946 0958 pop"]
    path.write_text("".join(json.dumps({"query": query, "categories": ["cola"]}) + "\n" for query in queries))
    for region, lines in (("GB", [2, 3]), (None, [2])):
        gold = read_gold(path, tree, region=region)
        assert [(p.line, p.kind, p.kept) for p in gold.problems] == [(line, "personal_data", False) for line in lines]
        assert {p.detail for p in gold.problems} == {"personal data in the query"}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"not json\n", b'{"query": "a", "categories": ["kola"]}\n'])
def test_a_file_without_a_usable_line_is_the_users_mistake(tmp_path: Path, tree: Taxonomy, content: bytes) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match="no usable line") as caught:
        read_gold(path, tree)
    assert caught.value.hint


def test_a_missing_file_is_the_users_mistake(tmp_path: Path, tree: Taxonomy) -> None:
    with pytest.raises(UserError, match="cannot read the gold file"):
        read_gold(tmp_path / "none.jsonl", tree)


def test_a_whole_file_of_real_labels(tmp_path: Path) -> None:
    if not ELECTRONICS.is_dir():
        pytest.skip("the electronics shop is not beside this checkout")
    rows = [line.split(",", 2) for line in (ELECTRONICS / "taxonomy.csv").read_text().splitlines()[1:]]
    tree = Taxonomy(Node(category_id=i, parent_id=parent or None, name=name) for i, parent, name in rows)
    gold = read_gold(ELECTRONICS / "gold_dev.jsonl", tree)
    assert (len(gold.cases), gold.problems) == (190, ())
    assert sum(case.categories == () for case in gold.cases) == 9
