"""`run` on a shop in which something has changed since the last one."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release import current_release

STRICT = '[[absolute]]\nmeasure = "leaf_macro_f1"\nat_least = 0.1\n'
"""Three labelled queries are too few for it."""


@dataclass(frozen=True)
class Desk:
    """A copy of the tiny shop, with its work."""

    shop: Path
    work: Path
    tools: Any
    recording: Path

    def run(self):
        """Take the shop to a release."""
        model = f"recorded:{self.recording}"
        return self.tools.run("run", "--no-distill", self.shop, "--work", self.work, "--model", model, "--json")

    def ask(self, *arguments: str):
        return self.tools.run(*arguments, self.shop, "--work", self.work)

    def current(self) -> str | None:
        return current_release(self.work / "releases")


@pytest.fixture
def desk(made, tools, tmp_path) -> Desk:
    shop = tmp_path / "shop"
    shutil.copytree(made.shop, shop)
    return Desk(shop, tools.copy_work(made.work, tmp_path / "work"), tools, made.recording)


def shown_of(desk: Desk) -> dict[tuple[str, str], set[str]]:
    """Return the categories of the products that each idea shows."""
    shown = {}
    for line in (desk.work / "content.jsonl").read_text().splitlines():
        content = json.loads(line)
        for idea in (*content["substitutes"], *content["complements"]):
            shown[content["query"], idea["label"]] = {product.rstrip("0123456789") for product in idea["product_ids"]}
    return shown


def reorder(desk: Desk) -> None:
    """Write the same products in another order, and one search more."""
    path = desk.shop / "products.jsonl"
    path.write_text("".join(sorted(path.read_text().splitlines(keepends=True), key=lambda line: line[::-1])))
    path = desk.shop / "ubi_queries.ndjson"
    first = json.loads(path.read_text().splitlines()[0])
    path.write_text(path.read_text() + json.dumps(first | {"query_id": "one more"}) + "\n")


def test_products_in_another_order_are_shown_for_what_they_are(desk):
    assert desk.run().code == 0
    before = shown_of(desk)
    assert before["ginger ale", "Potato chips"] == {"chips"}
    reorder(desk)
    assert desk.run().code == 0
    assert shown_of(desk) == before


def test_content_is_not_made_with_the_index_of_another_catalogue(desk):
    reorder(desk)
    assert desk.ask("ingest").code == 0 and desk.ask("context").code == 0
    assert "index is of another catalogue" in desk.ask("content").mistake()
    assert desk.ask("index").code == 0 and desk.ask("content").code == 0


def test_a_release_is_decided_on_again_where_the_gates_or_the_gold_are_others(desk):
    assert desk.run().json["verdict"] == "PASS"
    first = desk.current()
    (desk.shop / "gates.toml").write_text(STRICT)
    again = desk.run()
    # It is the same release, and still the one that is served: it had passed.
    assert (again.code, again.json["verdict"], again.json["release"], desk.current()) == (
        1,
        "INCONCLUSIVE",
        first,
        first,
    )
    assert desk.run().json["verdict"] == "INCONCLUSIVE"

    queries = [json.loads(line)["query"] for line in (desk.work / "labels" / "labels.jsonl").read_text().splitlines()]
    wrong = [{"query": query, "categories": ["soap"]} for query in queries if query != "dishes"]
    wrong += [{"query": f"{word} lamp", "categories": ["soap"]} for word in "desk floor wall hall table bed".split()]
    wrong += [
        {"query": f"{word} tea", "categories": ["soap"]} for word in "mint black green white iced herb red".split()
    ]
    (desk.shop / "gold.jsonl").write_text("".join(json.dumps(case) + "\n" for case in wrong))
    (desk.shop / "gates.toml").write_text(STRICT.replace("0.1", "0.9"))
    assert desk.run().json["verdict"] == "FAIL"

    (desk.shop / "gates.toml").unlink()
    assert (desk.run().json["verdict"], desk.current()) == ("PASS", first)


def test_what_passes_at_last_is_served_and_what_was_rolled_back_is_not(desk):
    first = desk.current()
    (desk.shop / "gates.toml").write_text(STRICT)
    labels = desk.work / "labels" / "labels.jsonl"
    labels.write_text(labels.read_text().replace('"confidence":0.8', '"confidence":0.81'))
    held = desk.ask("release", "build", "--json")
    second = held.json["release"]
    assert (held.code, held.json["verdict"], desk.current()) == (1, "INCONCLUSIVE", first) and second != first

    (desk.shop / "gates.toml").unlink()
    assert (desk.run().json["release"], desk.current()) == (second, second)

    assert desk.ask("release", "rollback").code == 0 and desk.current() == first
    (desk.shop / "gates.toml").write_text("# nothing is asked\n")
    assert (desk.run().json["verdict"], desk.current()) == ("PASS", first)


def test_prices_are_shown_in_the_currency_that_is_set_now(desk):
    assert desk.run().code == 0
    path = desk.shop / "shop.toml"
    path.write_text(path.read_text().replace("USD", "EUR"))
    assert desk.run().code == 0
    cards = (desk.work / "releases" / str(desk.current()) / "discovery" / "cards.lmdb").read_bytes()
    assert b"EUR" in cards and b"USD" not in cards


def test_labels_are_asked_for_anew_where_demand_may_move_less(desk):
    events = desk.shop / "ubi_events.ndjson"
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    queries = (json.loads(line) for line in (desk.shop / "ubi_queries.ndjson").read_text().splitlines())
    chicken = {query["query_id"] for query in queries if query["user_query"] == "chicken"}
    for event in [event for event in lines if event["query_id"] in chicken][:6]:
        event["event_attributes"]["object"]["object_id"] = "bars1"
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert desk.run().code == 0
    (desk.shop / "shop.toml").write_text((desk.shop / "shop.toml").read_text() + "[llm]\nrelabel_distance = 0.01\n")
    again = desk.run()
    # What is asked is not in the recording: that it is asked is what counts.
    assert (again.code, sum(again.json["failed"].values())) == (1, 1)


@pytest.mark.parametrize("name", ["ubi_queries", "ubi_events"])
def test_a_blank_line_above_the_header_hides_nothing(desk, name):
    source = desk.shop / f"{name}.ndjson"
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    columns = list(rows[0])
    with (desk.shop / f"{name}.csv").open("w") as file:
        file.write("\n  \n" + ",".join(columns) + "\n")
        for row in rows:
            cells = (row[column] if isinstance(row[column], str) else json.dumps(row[column]) for column in columns)
            file.write(",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n")
    source.unlink()
    said = json.loads((desk.work / "warehouse" / "ingest.json").read_text())
    told = desk.ask("ingest", "--json").json
    for count in ("searches", "events", "products"):
        assert told[count] == said[count], told
    assert {file["accepted"] for file in told["files"]} == {file["accepted"] for file in said["files"]}
