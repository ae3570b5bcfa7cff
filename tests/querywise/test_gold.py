"""The shop's gold in several files and formats, as every command that reads it sees it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.errors import UserError
from domain.label import read_labels
from domain.shop import Shop, open_shop
from querywise.gold import gold_of, gold_to_ask

LINES = [
    {"query": "protein", "categories": ["bars"]},
    {"query": "Humm", "categories": ["kombucha"]},
    {"query": "chips", "categories": ["chips"]},
]
# A number of Great Britain, as the regulator gives them out for films.
PHONE = "020 7946 0958"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A copy of the tiny shop and of its work, with other gold."""

    shop: Path
    work: Path
    run: Callable[..., Any]

    @property
    def opened(self) -> Shop:
        return open_shop(self.shop, work=self.work)

    def read(self) -> list[str]:
        gold = gold_of(self.opened, None, self.opened.load_taxonomy())
        assert gold is not None
        return [case.normalized for case in gold.cases]

    def write(self, name: str, *lines: object) -> Path:
        path = self.shop / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def say(self, toml: str, **changes: str) -> None:
        path = self.shop / "shop.toml"
        text = path.read_text()
        for before, after in changes.items():
            text = text.replace(before, after)
        path.write_text(text + toml)


@pytest.fixture
def place(made, tools, tmp_path: Path) -> Place:
    shutil.copytree(made.shop, tmp_path / "shop")
    work = tools.copy_work(made.work, tmp_path / "work")
    (tmp_path / "shop" / "gold.jsonl").unlink()

    def run(command: tuple[str, ...], *more: str | Path) -> Any:
        return tools.run(*command, tmp_path / "shop", *more, "--work", work)

    return Place(shop=tmp_path / "shop", work=work, run=run)


@pytest.fixture
def parted(place: Place) -> Place:
    """The shop with its gold in two files that a glob names."""
    place.write("gold/a.jsonl", LINES[0])
    place.write("gold/b.jsonl", *LINES[1:])
    place.say('[files]\ngold = ["gold/*.jsonl"]\n')
    return place


def test_all_files_of_a_glob_are_read(parted: Place) -> None:
    assert parted.read() == ["protein", "humm", "chips"]


def test_a_file_that_is_given_is_read_in_their_place_under_our_names(parted: Place) -> None:
    parted.say('[columns.gold]\nquery = "asked"\n')
    other = parted.write("other.jsonl", {"query": "vernors", "categories": ["ginger"]})
    gold = gold_of(parted.opened, other, parted.opened.load_taxonomy())
    assert gold is not None and [case.query for case in gold.cases] == ["vernors"]


def test_columns_of_the_shops_gold_may_have_other_names(place: Place) -> None:
    place.say('[columns.gold]\nquery = "asked"\ncategories = "cats"\nlabels = "attributes"\n')
    place.write("gold.jsonl", {"asked": "protein", "cats": ["bars"], "attributes": {"season": "all"}})
    gold = gold_of(place.opened, None, place.opened.load_taxonomy())
    assert gold is not None and gold.problems == ()
    assert (gold.cases[0].categories, gold.cases[0].labels) == (("bars",), {"season": "all"})


@pytest.mark.parametrize("name", ["gold.jsonl.gz", "gold.csv", "gold.csv.gz", "gold.parquet"])
def test_evaluate_reads_any_format(place: Place, name: str) -> None:
    path = place.shop / name
    if name.endswith(".parquet"):
        pl.DataFrame(LINES).write_parquet(path)
    else:
        table = [["query", "categories"], *([line["query"], json.dumps(line["categories"])] for line in LINES)]
        text = "".join(f"{query};{categories}\n" for query, categories in table)
        lines = "".join(json.dumps(line) + "\n" for line in LINES)
        content = (text if ".csv" in name else lines).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert place.read() == ["protein", "humm", "chips"]
    found = place.run(("evaluate",), "--json").json
    assert (found["report"]["gold"]["name"], found["report"]["gold"]["cases"]) == (name, 3)


def test_evaluate_counts_the_queries_of_all_files(parted: Place) -> None:
    gold = parted.run(("evaluate",), "--json").json["report"]["gold"]
    assert (gold["name"], gold["cases"]) == ("a.jsonl, b.jsonl", 3)


def test_prompts_are_compared_on_the_queries_of_all_files(parted: Place, made) -> None:
    by = ("understand@1", "understand@1", "--gold", "--json", "--model", f"recorded:{made.recording}")
    assert parted.run(("prompts", "compare"), *by).json["queries"] == 3


def test_examples_are_chosen_from_all_files(parted: Place) -> None:
    assert parted.run(("prompts", "examples"), "--from", "gold", "--json").json["examples"] == 3


def test_categories_of_the_queries_of_all_files_are_judged(parted: Place, tmp_path: Path) -> None:
    by = ("--task", "category", "--model", "by-hand", "--export", tmp_path / "out.jsonl", "--json")
    assert parted.run(("judge",), *by).json["items"] == 3


def test_the_oracle_of_a_replay_knows_the_queries_of_all_files(parted: Place) -> None:
    from querywise.replay import replay_shop

    pytest.importorskip("bm25s")
    (parted.shop / "judgements.csv").write_text("query,product_id,rating\nprotein,bars1,3\nchips,chips1,3\n")
    found = replay_shop(parted.opened, draws=10)
    assert any(row.system == "oracle" and row.queries == 2 for row in found.rows)


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra distill")
def test_no_label_of_any_file_is_learnt_from(parted: Place) -> None:
    from distill.split import asked_examples, split_labels
    from querywise.distill import lessons_of

    lessons = lessons_of(parted.opened, None)
    assert lessons.gold == ["protein", "Humm", "chips"]
    learnt = asked_examples(lessons, split_labels(lessons))
    queries = {example.query for source in learnt.values() for example in source}
    assert {label.query for label in read_labels(parted.opened.labels_file)} > {"protein", "humm", "chips"}
    assert queries and not queries & {"protein", "humm", "chips"}


def test_a_student_stands_until_any_file_or_the_name_of_a_column_changes(parted: Place) -> None:
    from querywise.distill import _inputs

    seen = {_inputs(parted.opened, None)}
    parted.write("gold/b.jsonl", LINES[2])
    seen.add(_inputs(parted.opened, None))
    parted.say('[columns.gold]\nkind = "sort"\n')
    seen.add(_inputs(parted.opened, None))
    assert len(seen) == 3


def test_a_file_without_a_usable_line_is_named_before_anything_is_asked(parted: Place) -> None:
    parted.write("gold/c.jsonl", {"query": "milk", "categories": ["no such"]})
    (parted.work / "labels" / "labels.jsonl").unlink()
    shutil.rmtree(parted.work / "cache")
    told = parted.run(("run",), "--no-distill", "--model", "by-hand")
    assert told.code == 2 and "c.jsonl has no usable line; line 1: not in the taxonomy" in told.err
    assert not (parted.work / "cache").exists()


def test_a_query_with_personal_data_is_asked_of_no_model_and_its_line_is_said(parted: Place, made) -> None:
    parted.say("", **{"en-US": "en-GB"})
    parted.write("gold/b.jsonl", *LINES[1:], {"query": f"{PHONE} pizza", "categories": ["chips"]})
    shop = parted.opened
    gold = gold_to_ask(shop, None, shop.load_taxonomy())
    assert [case.query for case in gold.cases] == ["protein", "Humm", "chips"]
    by = ("understand@1", "understand@1", "--gold", "--json", "--model", f"recorded:{made.recording}")
    for command, more in ((("prompts", "compare"), by), (("prompts", "examples"), ("--from", "gold", "--json"))):
        result = parted.run(command, *more)
        assert "b.jsonl, line 3: left out, personal data in the query" in result.err
        assert PHONE not in result.err + result.out
    assert (result.json["examples"], gold.left_out) == (3, 1)


def test_of_many_lines_with_personal_data_the_first_ten_are_said(place: Place, capsys) -> None:
    place.write("gold.jsonl", LINES[0], *({"query": f"a{n}@example.com", "categories": ["bars"]} for n in range(13)))
    gold_to_ask(place.opened, None, place.opened.load_taxonomy())
    said = capsys.readouterr().err.splitlines()
    assert (len(said), said[-1].strip(), "example.com" in str(said)) == (11, "and 3 more", False)


def test_without_gold_there_is_none(place: Place) -> None:
    taxonomy = place.opened.load_taxonomy()
    assert gold_of(place.opened, None, taxonomy) is None
    with pytest.raises(UserError, match="no labelled queries"):
        gold_to_ask(place.opened, None, taxonomy)
