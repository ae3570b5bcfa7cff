"""What the service tells of the verdict on the release it serves."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, datetime

import pytest

from release import GateRecord, open_release, promote, sign_gate
from service import create_app
from service.about import Gate

KEY = b"the key of the tests, 32 or more"


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "releases" / folder.name)


def _gate(ask_any, path):
    with open_release(path) as release:
        return ask_any(create_app(release), "GET", "/v1/release").json["gate"]


def test_a_verdict_is_told_in_full(ask_any, copy):
    record = GateRecord(
        verdict="INCONCLUSIVE",
        decided=datetime(2026, 11, 21, 13, tzinfo=UTC),
        base="2026-11-20-77be01",
        gates="a" * 64,
        report="b" * 64,
        look=2,
        failed=(),
        inconclusive=("tail recall", "judge agreement"),
    )
    sign_gate(copy, record, KEY)
    told = {
        "verdict": "INCONCLUSIVE",
        "decided": "2026-11-21T13:00:00Z",
        "base": "2026-11-20-77be01",
        "look": 2,
        "failed": [],
        "inconclusive": ["tail recall", "judge agreement"],
        "override": None,
    }
    assert _gate(ask_any, copy) == told
    promote(copy.parent, copy.name, key=KEY, override="the old one is down", by="ana")
    gate = _gate(ask_any, copy)
    at = gate["override"].pop("at")
    assert gate == told | {"override": {"reason": "the old one is down", "by": "ana"}}
    assert datetime.fromisoformat(at).utcoffset() is not None


def test_an_override_without_an_evaluation_shows_no_look(ask_any, copy):
    promote(copy.parent, copy.name, key=KEY, override="the first release", by="ana")
    gate = _gate(ask_any, copy)
    assert (gate["verdict"], gate["look"], gate["base"]) == ("INCONCLUSIVE", 0, None)
    assert gate["override"]["reason"] == "the first release"


def test_openapi_describes_the_verdict(ask):
    schemas = ask("GET", "/openapi.json").json["components"]["schemas"]
    assert schemas["ReleaseInfo"]["properties"]["gate"]["anyOf"][0] == {"$ref": "#/components/schemas/Gate"}
    gate = schemas["Gate"]["properties"]
    assert list(gate) == [field.name for field in dataclasses.fields(Gate)]
    assert gate["verdict"]["enum"] == ["PASS", "FAIL", "INCONCLUSIVE"]
    assert list(schemas["Override"]["properties"]) == ["reason", "by", "at"]
