"""A replay of the tiny shop, the list it writes, and the release that obeys it."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from domain.errors import StageMissing, UserError
from domain.shop import Shop, open_shop
from domain.verdict import Item, Verdict, write_verdicts
from domain.withheld import read_withheld, remove_withheld, withheld_file
from querywise.replay import replay_shop, show_replay, write_withheld
from querywise.shipping import ship
from release import open_release
from release.manifest import read_manifest

pytest.importorskip("tantivy", reason="the search library of the replay extra is not installed here")

TODAY = date(2026, 2, 3)
RATED = {
    "ginger ale": {**{f"ginger{i}": 3 for i in (1, 2, 3, 4)}, "kombucha2": 0, **{f"soap{i}": 0 for i in (1, 2, 3)}},
    "dishes": {**{f"soap{i}": 3 for i in (1, 2, 3)}, "ginger1": 0},
    "protein": {f"bars{i}": 3 for i in (1, 2, 3, 4)},
    "nobody searched this": {"ginger1": 0},
}


@pytest.fixture
def shop(made, tools, tmp_path) -> Shop:
    """The tiny shop with judgements, and with a label that sends "ginger ale" to the dish soaps."""
    folder = tmp_path / "shop"
    shutil.copytree(made.shop, folder)
    with (folder / "judgements.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["query", "product_id", "rating", "rater"])
        for query, ratings in RATED.items():
            table.writerows([query.upper(), product, rating, "ann"] for product, rating in ratings.items())
        table.writerow(["dishes", "unheard of", 3, "ann"])
    opened = open_shop(folder, work=tools.copy_work(made.work, tmp_path / "work"))
    labels = [json.loads(line) for line in opened.labels_file.read_text().splitlines()]
    for label in labels:
        if label["query"] == "ginger ale":
            label["understanding"]["rewrites"] = [{"query": "dish soap", "type": "spelling", "confidence": 0.9}]
    opened.labels_file.write_text("".join(json.dumps(label) + "\n" for label in labels))
    return opened


def served(path: Path, query: str):
    release = open_release(path)
    (answer,) = release.understand([query])
    return [category.id for category in answer.categories], [rewrite.query for rewrite in answer.rewrites]


def test_what_does_harm_is_withheld_until_it_is_taken_off_the_list(shop, capsys):
    before = ship(shop).folder
    assert served(before, "ginger ale") == (["ginger"], ["dish soap"])

    found = replay_shop(shop, draws=50)
    show_replay(found)
    # Three soaps rated 0 take the places of four ginger ales rated 3: from the ideal list to nothing.
    (harm,) = found.harmed
    assert (harm.query, harm.searches, harm.before, harm.after) == ("ginger ale", 60, 1.0, 0.0)
    assert [(part.part, part.verdict) for part in harm.parts] == [("categories", "none"), ("rewrites", "withhold")]
    out = capsys.readouterr().out
    assert "1 queries do worse with it; 1 parts to withhold" in out and "left out: unknown_product 1" in out
    assert {row.system for row in found.rows} >= {"BM25 alone", "engagement", "LLM with context", "release", "oracle"}
    for name in ("replay.json", "replay.md"):
        assert (shop.reports / name).is_file()

    written = write_withheld(shop, found, today=TODAY)
    assert (written.path, written.total) == (withheld_file(shop.work), 1)
    (entry,) = read_withheld(written.path)
    assert written.added == (entry,)
    assert (entry.query, entry.part, entry.loss, entry.before, entry.after) == ("ginger ale", "rewrites", 1.0, 1.0, 0.0)
    assert (entry.searches, entry.date, entry.origin) == (60, TODAY, f"labels {found.made['labels']}")

    after = ship(shop).folder
    assert after != before
    assert served(after, "ginger ale") == (["ginger"], [])
    assert served(after, "dishes") == served(before, "dishes")
    assert "withheld" in read_manifest(after).fingerprints and "withheld" not in read_manifest(before).fingerprints
    assert ship(shop).folder == after

    # What is withheld already is not found again, and stays on the list.
    again = replay_shop(shop, draws=50)
    assert (again.harmed, again.harm_of) == ((), "the labels, less what is withheld")
    assert write_withheld(shop, again, today=TODAY).total == 1

    remove_withheld(withheld_file(shop.work), "ginger ale")
    assert served(ship(shop).folder, "ginger ale") == (["ginger"], ["dish soap"])


def test_a_release_does_not_ignore_a_list_that_is_malformed(shop):
    withheld_file(shop.work).write_text('{"query": "dishes"}\n')
    for refuse in (ship, replay_shop):
        with pytest.raises(UserError, match=r"withheld\.jsonl:1: part"):
            refuse(shop)


def test_pairs_that_would_settle_a_loss_are_written_as_judgements_to_fill_in(shop):
    path = shop.folder / "judgements.csv"
    path.write_text(
        "".join(line for line in path.read_text().splitlines(keepends=True) if ",3," in line or "rating" in line)
    )
    found = replay_shop(shop, draws=5)
    (harm,) = found.harmed
    # The soaps are unjudged now: four ginger ales rated 3 give way to three products that may be rated 3 as well. The
    # discounts of places 1 to 4 sum to 2.56160, those of 1 to 3 to 2.13093.
    assert [part.verdict for part in harm.parts] == ["none", "withhold"]
    assert harm.parts[1].sure_loss == pytest.approx(1 - 2.13093 / 2.56160, abs=1e-5)
    # Two raters of 3 and 0 have the median 1.5, a gain of 1.83: now three products rated 3 would be worth more.
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([["ginger ale", "ginger1", 0, "bo"], ["ginger ale", "ginger2", 0, "bo"]])
    harm = replay_shop(shop, draws=5).harmed[0]
    assert [part.verdict for part in harm.parts] == ["none", "unjudged"]
    rows = list(csv.reader((shop.reports / "replay-to-judge.csv").read_text().splitlines()))
    assert rows[0] == ["query", "product_id", "rating", "rater"]
    assert sorted(rows[1:]) == [["ginger ale", product, "", ""] for product in ("kombucha2", "soap1", "soap2", "soap3")]


BOTH = ("ginger1", "soap1")
KNOWN = [f"known {number} thing" for number in range(30)]


def verdicts(grades: dict[tuple[str, str], int], *, judge: str, repeat: str = "") -> list[Verdict]:
    return [
        Verdict(
            item=Item(task="relevance", query=query, subject=product), grade=grade, facets={}, reason="By hand.",
            judge=judge, repeat=repeat, key="",
        )
        for (query, product), grade in grades.items()
    ]  # fmt: skip


def keep(shop: Shop, name: str, kept: list[Verdict]) -> None:
    folder = shop.work / "verdicts" / "relevance"
    folder.mkdir(parents=True, exist_ok=True)
    write_verdicts(folder / f"{name}.jsonl", kept)


AGREED = {(query, product): 3 * (product == "ginger1") for query in KNOWN for product in BOTH}
"""Two verdicts on each of thirty queries, as people rate them in `undecided`: kappa is 1."""

OPEN = {("ginger ale", product): 0 for product in ("kombucha2", "soap1", "soap2", "soap3")}
"""What would settle the loss of "ginger ale", graded 0."""


@pytest.fixture
def undecided(shop) -> Shop:
    """The shop with a loss that is not sure, and thirty further queries that people rated."""
    pytest.importorskip("krippendorff", reason="the extra `judge` is not installed")
    rows = [["ginger ale", f"ginger{i}", 3, "ann"] for i in (1, 2, 3, 4)]
    rows += [["ginger ale", f"ginger{i}", 0, "bo"] for i in (1, 2)]
    rows += [[query, product, grade, "ann"] for (query, product), grade in AGREED.items()]
    with (shop.folder / "judgements.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["query", "product_id", "rating", "rater"], *rows])
    return shop


def test_a_loss_that_ratings_could_undo_is_settled_by_a_judge(undecided):
    (harm,) = replay_shop(undecided, draws=5).harmed
    assert [part.verdict for part in harm.parts] == ["none", "unjudged"]

    # Of ginger3 it says 0, where people said 3. Nobody knows "never rated", and "gone" is no product.
    more = {("ginger ale", "ginger3"): 0, ("never rated", "ginger1"): 3, ("ginger ale", "gone"): 3}
    keep(undecided, "m", verdicts(AGREED | OPEN | more, judge="m, r@1"))
    found = replay_shop(undecided, judged=True, draws=5)
    # Medians are 1.5 of ginger1 and ginger2 and 3 of the others, gains 1.82843 and 7. They are found in the order 3, 2,
    # 1, 4, which is worth 7 + 1.82843 * (0.63093 + 0.5) + 7 * 0.43068 = 12.08257; at best it would be 3, 4, 1, 2, worth
    # 7 * 1.63093 + 1.82843 * 0.93068 = 13.11818. Of the soaps nothing is worth anything.
    (harm,) = found.harmed
    categories, rewrites = harm.parts
    assert (categories.verdict, rewrites.verdict, rewrites.after) == ("none", "withhold", 0.0)
    assert (harm.before, rewrites.loss, rewrites.sure_loss) == pytest.approx((12.08257 / 13.11818,) * 3, abs=1e-5)
    assert {one.product_id: (one.rating, one.by_judge) for one in (*harm.list_before, *harm.list_after)} == {
        "ginger1": (1.5, False),
        "ginger2": (1.5, False),
        "ginger3": (3.0, False),
        "ginger4": (3.0, False),
        **{product: (0.0, True) for _, product in OPEN},
    }
    # People rated 64 pairs. Of 61 that the judge knows too it differs on one, by 3: people say 3 of 31 and it of 30, so
    # that kappa is 1 - 61 * 1 / (31 * 31 + 30 * 30).
    assert (found.judged.queries, found.judged.products, found.judged.by_judge) == (31, 68, 4)
    assert found.made["judge"].startswith("4 pairs that nobody rated; quadratic kappa with people 0.967 [")
    assert found.made["judge"].endswith(" over 61 pairs of 31 queries; m, r@1")
    written = (undecided.reports / "replay-to-judge.csv").read_text().splitlines()
    assert written == ["query,product_id,rating,rater"]
    (entry,) = write_withheld(undecided, found, today=TODAY).added
    assert entry.reason.endswith(f"; a judge graded {found.made['judge']}")

    # Graded 3, three soaps are worth 7 * 2.13093 = 14.91651, which is more than what they displace.
    keep(undecided, "m", verdicts(AGREED | OPEN | {("ginger ale", f"soap{i}"): 3 for i in (1, 2, 3)}, judge="m, r@1"))
    remove_withheld(withheld_file(undecided.work), "ginger ale")
    assert replay_shop(undecided, judged=True, draws=5).harmed == ()


def test_a_judge_that_may_not_gate_settles_nothing(undecided):
    def refused() -> str:
        with pytest.raises(UserError) as error:
            replay_shop(undecided, judged=True, draws=5)
        return str(error.value)

    assert refused() == "no judge has a verdict on relevance"
    # Repeats and what was perturbed are no verdicts to go by.
    keep(undecided, "m.order", verdicts(AGREED | OPEN, judge="m, r@1, order"))
    keep(undecided, "m", verdicts(AGREED | OPEN, judge="m, r@1", repeat="2"))
    assert refused() == "no judge has a verdict on relevance"
    keep(undecided, "m", verdicts(OPEN, judge="m, r@1"))
    assert "m, r@1: quadratic kappa is not defined" in refused()
    turned = {place: 3 - grade for place, grade in AGREED.items()}
    keep(undecided, "m", verdicts(turned | OPEN, judge="m, r@1"))
    assert "quadratic kappa with people is at least -1.000, and 0.600 is asked for" in refused()
    few = {place: grade for place, grade in AGREED.items() if place[0] != KNOWN[0]}
    keep(undecided, "n", verdicts(few | OPEN, judge="n, r@1"))
    both = refused()
    assert "m, r@1: quadratic kappa" in both
    assert "n, r@1: agreement is known on 29 queries, and 30 are asked for" in both
    (harm,) = replay_shop(undecided, draws=5).harmed
    assert [part.verdict for part in harm.parts] == ["none", "unjudged"]


def test_of_several_judges_that_may_gate_the_one_with_most_verdicts_is_taken(undecided):
    def taken() -> str:
        return replay_shop(undecided, judged=True, draws=5).made["judge"].rpartition("; ")[2]

    keep(undecided, "a", verdicts(AGREED, judge="a, r@1"))
    keep(undecided, "b", verdicts(AGREED | OPEN, judge="b, r@1"))
    assert taken() == "b, r@1"
    # By name where they have as many; one that agrees with nobody is passed over, however much it says.
    keep(undecided, "a", verdicts(AGREED | OPEN, judge="a, r@1"))
    turned = {place: 3 - grade for place, grade in AGREED.items()}
    keep(undecided, "0", verdicts(turned | OPEN | {("ginger ale", "ginger1"): 3}, judge="0, r@1"))
    assert taken() == "a, r@1"


def test_a_report_names_the_judge_wherever_it_tells_of_the_replay(undecided, tools):
    ship(undecided)
    keep(undecided, "m", verdicts(AGREED | OPEN, judge="m, r@1"))

    def evaluated(*more: str):
        return tools.run("evaluate", undecided.folder, "--work", undecided.work, *more)

    assert "--judged and --withhold go with --replay" in evaluated("--judged").mistake()
    result = evaluated("--replay", "--judged")
    phrase = "4 pairs that nobody rated; quadratic kappa with people 1.000 [1.000, 1.000] over 60 pairs of 30 queries"
    assert f"a judge graded {phrase}; m, r@1" in result.err
    folder = max(undecided.reports.glob("*/report.html"), key=lambda path: path.stat().st_mtime_ns).parent
    assert (folder / "report.html").read_text().count(f"a judge graded {phrase}") == 2
    pull_request = next(path for path in folder.glob("*.md") if "judged queries are harmed" in path.read_text())
    assert f"a judge graded `{phrase}; m, r@1`" in pull_request.read_text()


def test_more_systems_are_replayed_by_name(shop):
    student = open_release(ship(shop).folder)
    found = replay_shop(shop, further={"student": student}, way="filter", draws=5)
    assert "student" in {row.system for row in found.rows}
    assert (found.harm_way, found.harm_factor) == ("filter", 0.0)


def test_without_labels_the_release_is_looked_at_and_without_both_there_is_nothing(shop):
    release = ship(shop).folder
    shop.labels_file.unlink()
    found = replay_shop(shop, draws=5)
    assert found.harm_of == f"release {release.name}"
    assert write_withheld(shop, found, today=TODAY).added[0].origin == f"release {release.name}"
    shutil.rmtree(shop.releases)
    with pytest.raises(UserError, match="nothing to replay"):
        replay_shop(shop)


def test_what_is_missing_is_named(shop, tmp_path):
    (shop.folder / "judgements.csv").unlink()
    with pytest.raises(UserError, match="no judged lists"):
        replay_shop(shop)
    with pytest.raises(StageMissing):
        replay_shop(open_shop(shop.folder, work=tmp_path / "elsewhere"))
