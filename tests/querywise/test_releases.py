"""`release` on releases with and without verdicts; they are built of ten labels, without the stages before."""

from __future__ import annotations

import dataclasses
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain import Taxonomy
from domain.label import read_labels
from release import GateRecord, build_release, gate_key, sign_gate

GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    shop: Path
    work: Path
    first: str
    second: str

    @property
    def releases(self) -> Path:
        return self.work / "releases"

    def sign(self, release: str, verdict: str, key: bytes | None = None) -> None:
        record = GateRecord(
            verdict=verdict,
            decided=datetime(2026, 11, 21, 13, tzinfo=UTC),
            base=self.first if release == self.second else None,
            gates="a" * 64,
            report="b" * 64,
            look=2,
            failed=("dairy precision", "tail recall") if verdict == "FAIL" else (),
            inconclusive=("judge agreement",) if verdict == "INCONCLUSIVE" else (),
        )
        sign_gate(self.releases / release, record, key or gate_key(self.work))


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    monkeypatch.delenv("QUERYWISE_GATE_KEY", raising=False)
    shop, work = tmp_path / "shop", tmp_path / "work"
    shop.mkdir()
    (shop / "shop.toml").write_text('name = "grocery"\nlocale = "en-US"\ncurrency = "USD"\n')
    labels = list(read_labels(GROCERY / "labels.jsonl"))
    names = [
        build_release(
            shop="grocery",
            taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
            product_ids=(GROCERY / "products.txt").read_text().split(),
            labels=labels[:count],
            fingerprints={},
            index=None,
            releases=work / "releases",
            created=datetime(2026, 11, day, tzinfo=UTC),
        ).name
        for count, day in ((10, 20), (9, 21))
    ]
    return Place(shop=shop, work=work, first=names[0], second=names[1])


def test_promote_obeys_the_verdict(tools, place):
    def ask(command, *arguments):
        return tools.run("release", command, place.shop, *arguments, "--work", place.work)

    place.sign(place.first, "PASS")
    assert ask("promote", place.first, "--json").json == {"current": place.first, "previous": None}
    place.sign(place.second, "FAIL")
    refused = ask("promote", place.second)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.splitlines()[0] == f"querywise: {place.second} failed its gate: dairy precision, tail recall"
    assert '--override "reason" promotes it all the same' in refused.err
    assert os.readlink(place.releases / "current") == place.first
    passed = ask("promote", place.second, "--override", "[red]the old one is down[/]")
    assert passed.code == 0 and "promoted over FAIL: [red]the old one is down[/]" in passed.err
    assert ask("rollback", "--json").json == {"current": place.first, "previous": place.second}
    assert "control characters" in ask("promote", place.second, "--override", "a\nb").mistake()
    assert "is empty" in ask("promote", place.second, "--override", "").mistake()


def test_list_and_show_tell_verdict_and_override(tools, place):
    def ask(command, *arguments):
        return tools.run("release", command, place.shop, *arguments, "--work", place.work)

    assert ask("list").out == f"  {place.first}  no verdict\n  {place.second}  no verdict\n"
    assert ask("promote", place.first, "--override", "the first").code == 0
    place.sign(place.second, "FAIL")
    assert ask("list").out == f"* {place.first}  no verdict, overridden\n  {place.second}  FAIL\n"
    assert ask("promote", place.second, "--override", "the old one is down").code == 0
    assert ask("list").out == f"  {place.first}  no verdict, overridden\n* {place.second}  FAIL, overridden\n"
    assert ask("list", "--json").json == [
        {"release": place.first, "current": False, "verdict": None, "override": "the first", "problem": None},
        {"release": place.second, "current": True, "verdict": "FAIL", "override": "the old one is down"}
        | {"problem": None},
    ]
    shown = {line.split()[0]: line for line in ask("show").out.splitlines() if line.strip()}
    assert "FAIL, decided 2026-11-21 13:00:00 UTC, look 2" in shown["verdict"]
    assert place.first in shown["compared"] and "dairy precision, tail recall" in shown["failed"]
    assert "the old one is down (" in shown["override"] and "inconclusive" not in shown
    gate = ask("show", "--json").json["gate"]
    assert (gate["verdict"], gate["override"]["reason"]) == ("FAIL", "the old one is down")
    first = ask("show", place.first).out
    assert "verdict" in first and "none" in first and "the first (" in first


def test_a_release_that_cannot_be_read_does_not_hide_the_others(tools, place):
    place.sign(place.second, "PASS")
    (place.releases / place.first / "manifest.json").write_text("{")
    listed = tools.run("release", "list", place.shop, "--work", place.work)
    assert listed.code == 0 and f"  {place.second}  PASS\n" in listed.out and "cannot be read" in listed.out
    rows = tools.run("release", "list", place.shop, "--work", place.work, "--json").json
    assert "cannot be read" in rows[0]["problem"] and rows[1]["verdict"] == "PASS"


def test_verify_checks_the_signature_where_the_key_is_at_hand(tools, place, monkeypatch):
    def verify(*options):
        return tools.run("release", "verify", place.shop, place.first, "--work", place.work, *options)

    whole = {"release": place.first, "whole": True, "files": 3}
    assert verify("--json").json == whole | {"verdict": None, "signature": None}
    assert not (place.work / "gate.key").exists()  # to look makes no key
    place.sign(place.first, "PASS", b"the key of another machine, for CI")
    assert verify("--json").json == whole | {"verdict": "PASS", "signature": "not checked"}
    said = verify().err
    assert "its signature was not checked" in said and "gate.key" in said and "QUERYWISE_GATE_KEY" in said
    monkeypatch.setenv("QUERYWISE_GATE_KEY", "the key of another machine, for CI")
    assert verify("--json").json == whole | {"verdict": "PASS", "signature": "valid"}
    monkeypatch.setenv("QUERYWISE_GATE_KEY", "x" * 32)
    refused = verify("--json")
    assert (refused.code, refused.out) == (1, "") and "signed elsewhere" in refused.err
    monkeypatch.setenv("QUERYWISE_GATE_KEY", "short")
    assert "QUERYWISE_GATE_KEY is no key" in verify().mistake()


@pytest.mark.parametrize("bounded", [True, False])
def test_a_served_release_that_cannot_be_opened_does_not_bar_the_next(tools, made, tmp_path, bounded):
    shop = tmp_path / "shop"
    shutil.copytree(made.shop, shop)
    bound = '[[no_regression]]\nmeasure = "leaf_macro_f1"\nslices = ["all"]\nmargin = 0.05\n' if bounded else ""
    (shop / "gates.toml").write_text(bound)
    work = tools.copy_work(made.work, tmp_path / "work")
    served = os.readlink(work / "releases" / "current")
    # As another version wrote it, or a disk left it.
    (work / "releases" / served / "taxonomy.json").unlink()
    (work / "releases" / served / "taxonomy.json").write_text("{}")
    labels = work / "labels" / "labels.jsonl"
    fewer = labels.read_text().splitlines(keepends=True)[:-1]
    labels.unlink()
    labels.write_text("".join(fewer))
    built = tools.run("release", "build", shop, "--work", work)
    assert built.code == 1 and "cannot be opened" in built.err and "taxonomy.json" in built.err
    assert os.readlink(work / "releases" / "current") == served
    [release] = {r["release"] for r in tools.run("release", "list", shop, "--work", work, "--json").json} - {served}
    assert (
        tools.run("release", "show", shop, release, "--work", work, "--json").json["gate"]["verdict"] == "INCONCLUSIVE"
    )
    assert tools.run("release", "promote", shop, release, "--work", work, "--override", "a new version").code == 0
    # The next is compared with that one.
    labels.write_text("".join(fewer[:-1]))
    assert "cannot be opened" not in tools.run("release", "build", shop, "--work", work).err
