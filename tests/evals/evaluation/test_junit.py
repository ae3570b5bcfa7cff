"""JUnit XML, read as a CI reads it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from evals.evaluation import Evaluation, to_junit


def suite_of(evaluation: Evaluation) -> ET.Element:
    root = ET.fromstring(to_junit(evaluation))
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.tag == "testsuite"
    return suite


def test_a_failure_is_a_failure_and_what_is_open_an_error(failed: Evaluation, unsettled: Evaluation) -> None:
    suite = suite_of(failed)
    # Five zeros, the head's F1, the regression and the coverage; F1 of the head is 0.5, on its bound.
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "8", "failures": "2", "errors": "1", "skipped": "0", "time": "0"}
    assert len(suite.findall("testcase")) == 8
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == [
        "leaf_f1 of all no regression",
        "coverage",
    ]
    [message] = [one.get("message") for one in suite.iter("failure") if one.get("message", "").startswith("Share")]
    assert message == "Share of searches answered: 83%; at least 90% is asked"
    [error] = suite.iter("error")
    assert error.get("type") == "INCONCLUSIVE" and error.text and error.text.startswith("not settled: at least 0.5")
    assert suite_of(unsettled).get("errors") == "3"


def test_a_pass_is_green_with_its_numbers(passed: Evaluation) -> None:
    suite = suite_of(passed)
    assert (suite.get("failures"), suite.get("errors"), suite.get("tests")) == ("0", "0", "6")
    assert suite.get("timestamp") == "2026-11-22T06:40:00+00:00"
    last = suite.findall("testcase")[-1]
    assert last.get("classname") == "querywise.gate.no_regression" and last.get("time") == "0"
    assert (last.findtext("system-out") or "").startswith("F1 of all queries, against the base release: +0.200 [")
    told = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert told["release"] == "2026-11-22-bda35b" and told["verdict"] == "PASS"


def test_whatever_a_name_holds_the_document_can_be_read(failed: Evaluation) -> None:
    evil = "a\x00\x1b\x0b<&\"']]>\ud800\ufffe\U0001f600"
    checks = [replace(check, name=evil, reason=evil) for check in failed.decision.checks]
    odd = replace(failed, shop=evil, candidate=evil, decision=replace(failed.decision, checks=tuple(checks)))
    suite = suite_of(odd)
    shown = "a\ufffd\ufffd\ufffd<&\"']]>\ufffd\ufffd\U0001f600"
    assert suite.get("name") == f"gate of {shown}"
    assert {case.get("name") for case in suite.iter("testcase")} == {shown}
    assert {one.text for one in suite.iter("failure")} == {shown}


def test_no_check_at_all_is_an_empty_suite(passed: Evaluation) -> None:
    suite = suite_of(replace(passed, decision=replace(passed.decision, checks=())))
    assert suite.get("tests") == "0" and suite.findall("testcase") == []
