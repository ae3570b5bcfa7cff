"""The gate's checks as JUnit XML, so that a CI shows each and turns red.

A check that fails is a failure. One that is not settled is an error: a release that nothing is known against, and
nothing for, must not ship, and a skipped test would leave the build green.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Final

from evals.evaluation.check_words import demanded, found, title
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import headline
from evals.gate import Check

__all__ = ["to_junit"]

# What XML 1.0 has no way to write (section 2.2); with lone surrogates and the two last of the first plane.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(evaluation: Evaluation) -> bytes:
    """Render one suite with a case for each check; its time is 0, for the checks take none worth a number."""
    decision = evaluation.decision
    counts = {
        "tests": str(len(decision.checks)),
        "failures": str(len(decision.named("FAIL"))),
        "errors": str(len(decision.named("INCONCLUSIVE"))),
        "skipped": "0",
        "time": "0",
    }
    root = ET.Element("testsuites", {"name": "querywise", **counts})
    stamp = evaluation.evaluated.isoformat(timespec="seconds")
    suite = ET.SubElement(
        root, "testsuite", {"name": _text(f"gate of {evaluation.candidate}"), **counts, "timestamp": stamp}
    )
    properties = ET.SubElement(suite, "properties")
    known = {
        "shop": evaluation.shop,
        "release": evaluation.candidate,
        "base": evaluation.base or "",
        "verdict": decision.verdict,
        "evidence": decision.digest,
    }
    for name, value in known.items():
        ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for check in decision.checks:
        _case(suite, check)
    ET.SubElement(suite, "system-out").text = _text(headline(decision).sentence)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, check: Check) -> None:
    case = ET.SubElement(
        suite, "testcase", {"classname": f"querywise.gate.{check.kind}", "name": _text(check.name), "time": "0"}
    )
    told = _text(f"{title(check)}: {found(check)}; {demanded(check)}")
    if check.verdict == "PASS":
        ET.SubElement(case, "system-out").text = told
        return
    kind = "failure" if check.verdict == "FAIL" else "error"
    ET.SubElement(case, kind, {"message": told, "type": check.verdict}).text = _text(check.reason)


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
