from __future__ import annotations

import json
from pathlib import Path

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
