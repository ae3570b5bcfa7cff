"""Two releases of the tiny shop before its gates: what did not change passes, what cannot be known stays open."""

from __future__ import annotations

import json
import shutil

import pytest

GATES = """
[[no_regression]]
measure = "leaf_f1"
slices = ["all", "tier:head", "tier:torso"]
margin = 0.02

[service]
coverage = 0.5
student_p99_ms = 5000.0
"""


@pytest.fixture
def gated(made, tools, tmp_path):
    """A copy of the tiny shop with gates, and of its work, in which one label of the torso is gone."""
    shop, work = tmp_path / "shop", tools.copy_work(made.work, tmp_path / "work")
    shutil.copytree(made.shop, shop)
    (shop / "gates.toml").write_text(GATES)
    path = work / "labels" / "labels.jsonl"
    labels = [json.loads(line) for line in path.read_text().splitlines()]
    gone = next(label["query"] for label in labels if label["tier"] == "torso")
    path.write_text("".join(json.dumps(label) + "\n" for label in labels if label["query"] != gone))
    return shop, work


def test_only_what_changed_has_to_be_shown(gated, tools):
    shop, work = gated
    before = tools.run("release", "list", shop, "--work", work, "--json").json[0]["release"]
    built = tools.run("release", "build", shop, "--work", work, "--json")
    assert (built.code, built.json["verdict"]) == (1, "INCONCLUSIVE")
    found = tools.run("evaluate", shop, "--work", work, "--json")
    assert found.code == 1 and (found.json["candidate"], found.json["base"]) == (built.json["release"], before)
    checks = {check["name"]: check for check in found.json["decision"]["checks"]}
    verdicts = {check["slice"]: check["verdict"] for check in checks.values() if check["kind"] == "no_regression"}
    assert verdicts == {"all": "INCONCLUSIVE", "tier:head": "PASS", "tier:torso": "INCONCLUSIVE"}
    assert "every query of the slice alike" in checks["leaf_f1 of tier:head no regression"]["reason"]
    assert {check["verdict"] for check in checks.values() if check["kind"] in ("zero", "service")} == {"PASS"}
    # The same evidence is the same look, whoever asks.
    assert found.json["decision"]["look"] == 1
    listed = tools.run("release", "list", shop, "--work", work, "--json").json
    assert {row["release"]: row["verdict"] for row in listed}[built.json["release"]] == "INCONCLUSIVE"
    assert tools.run("understand", shop, "humm", "--work", work, "--json").json["release"] == before


def test_gates_that_cannot_be_meant_are_refused_before_anything_is_done(gated, tools):
    shop, work = gated
    (shop / "gates.toml").write_text('[[absolute]]\nmeasure = "leaf_precison"\nat_least = 0.9\n')
    for command in (
        ("run", "--no-distill", shop, "--model", "by-hand"),
        ("evaluate", shop),
        ("release", "build", shop),
    ):
        message = tools.run(*command, "--work", work).mistake()
        assert "gates.toml" in message and "leaf_precision" in message
