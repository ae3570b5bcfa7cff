"""Prometheus itself checks the rules and runs them, scrapes a service, and draws what the dashboard asks for."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from domain import Taxonomy
from domain.label import read_labels
from querywise.expected import known_of
from release import build_release, open_release
from release.student import Student
from service.seen.board import Slot
from service.seen.drift import Drift
from service.seen.metrics import Metrics
from service.seen.seen import Look
from service.seen.series import DRIFT

yaml = pytest.importorskip("yaml", reason="PyYAML comes with others")

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool on this machine")

ROOT = Path(__file__).resolve().parents[2]
GROCERY = ROOT / "tests" / "release" / "grocery"
DASHBOARD = ROOT / "docs" / "grafana" / "querywise.json"
ALERTS = ROOT / "docs" / "grafana" / "alerts.yml"
TESTS = Path(__file__).with_name("alerts_test.yml")

JOB = "querywise"


def _promtool(*arguments: str | Path, given: str = "") -> None:
    run = subprocess.run([str(PROMTOOL), *map(str, arguments)], input=given, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules():
    _promtool("check", "rules", ALERTS)


@needs_promtool
def test_every_alert_fires_when_it_should_and_not_else():
    _promtool("test", "rules", TESTS)


def test_every_alert_is_tested_before_its_time_and_beside_a_job_that_it_is_not_for():
    fires, waits = set(), set()
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        jobs = {job for one in test["input_series"] for job in re.findall(r'job="(\w+)"', one["series"])}
        for one in test["alert_rule_test"]:
            meant = {alert["exp_labels"]["job"] for alert in one["exp_alerts"]}
            assert meant < jobs, test["name"]
            (fires if meant else waits).add(one["alertname"])
    assert fires == waits == {rule["alert"] for rule in _rules() if "alert" in rule}


@pytest.fixture(scope="module")
def expecting(tmp_path_factory: pytest.TempPathFactory, teach: Callable[..., Any]) -> Path:
    """A release with a student, which says what it expects of its head and of its tail."""
    folder = tmp_path_factory.mktemp("expecting")
    taxonomy = Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes())
    labels = list(read_labels(GROCERY / "labels.jsonl"))
    student = teach(folder / "student", taxonomy).folder
    log = {label.query: 10 for label in labels} | {"sure": 5, "zzz": 1}
    return build_release(
        shop="grocery",
        taxonomy=taxonomy,
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=labels,
        fingerprints={},
        index=None,
        student=student,
        known=known_of(log, labels, taxonomy, student=Student(student, taxonomy)),
        releases=folder / "releases",
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )


def test_alerts_are_tested_with_what_the_service_tells(expecting):
    slot = Slot.alone()
    for i in range(DRIFT):
        slot.counters[i] = 1
    slot.release = expecting.name
    with open_release(expecting) as release:
        drift = Drift(slot, lambda: release)
        for query in ("protein", "sure"):
            drift.look(Look(release.answer_bytes(query), 1))
        told = {
            (sample.name, tuple(sorted(_closed(sample.labels).items())))
            for family in Metrics(lambda: [slot.read()], drift.tell).collect()
            for sample in family.samples
        }
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        for one in test["input_series"]:
            name, labels = re.fullmatch(r"(\w+)\{(.*)\}", one["series"]).groups()
            found = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            # `up`, `job` and `instance` are what Prometheus itself says of each service.
            assert found.pop("job") and found.pop("instance")
            assert name == "up" or (name, tuple(sorted(_closed(found).items()))) in told, one["series"]


def _closed(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels with the one that has no closed set of values, the release, made all the same."""
    return {name: "any" if name == "release" else value for name, value in labels.items()}


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A service that shoppers have been at, and the Prometheus that scrapes it, by their ports."""

    service: int
    prometheus: int

    def api(self, path: str, **parameters: str) -> Any:
        """Ask Prometheus."""
        url = f"http://127.0.0.1:{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error)
        assert said["status"] == "success" and not said.get("warnings"), (parameters, said)
        return said["data"]

    def values(self, expression: str) -> list[float]:
        """Return what an expression gives now, without what is no number, such as the share of nothing in nothing."""
        values = [float(one["value"][1]) for one in self.api("query", query=expression)["result"]]
        return [value for value in values if value == value]

    def visit(self) -> None:
        """Come as shoppers do, and as some clients do that should not."""
        for query in ("protein", "vernors+soda", "sure", "halfway", "lost", ""):
            self._send(f"/v1/understand?q={query}")
        self._send("/v1/understand/batch", b'{"queries": ["protein", "never seen"]}')
        self._send("/v1/release")
        self._send("/nothing")

    def _send(self, path: str, data: bytes | None = None) -> None:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.service}{path}", data, {"content-type": "application/json"}
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            assert (path, error.code) == ("/nothing", 404)


def _until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, f"it never came to be: {what}"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _configure(folder: Path, service: int) -> Path:
    """Write what Prometheus is to do: all every second, the rules too, which have longer intervals of their own."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    (folder / "alerts.yml").write_text(yaml.safe_dump({"groups": [group | {"interval": "1s"} for group in groups]}))
    scrape = {"job_name": JOB, "static_configs": [{"targets": [f"127.0.0.1:{service}"]}]}
    whole = {"global": {"scrape_interval": "1s"}, "rule_files": ["alerts.yml"], "scrape_configs": [scrape]}
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(whole))
    return file


@pytest.fixture(scope="module")
def watched(
    expecting: Path, tmp_path_factory: pytest.TempPathFactory, run_service: Callable[..., Any]
) -> Iterator[Watched]:
    if PROMETHEUS is None:
        pytest.skip("no Prometheus on this machine")
    folder = tmp_path_factory.mktemp("prometheus")
    with run_service(expecting, "--misses", str(folder / "misses")) as service:
        listen = _free_port()
        command = [PROMETHEUS, f"--config.file={_configure(folder, service)}", f"--storage.tsdb.path={folder / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{listen}", "--log.level=warn"]
        with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stderr=log) as process:
            try:
                found = Watched(service=service, prometheus=listen)
                _until(lambda: process.poll() is not None or _is_ready(listen), "Prometheus is ready")
                assert process.poll() is None, (folder / "log").read_text()
                # A rate needs a count before and a count after, and an error has no series before it happens.
                found.visit()
                _until(lambda: found.values('querywise_requests_total{status="404"}'), "the first visit is scraped")
                found.visit()
                _until(lambda: found.values('rate(querywise_requests_total{status="404"}[1m]) > 0'), "so is the second")
                yield found
            finally:
                process.kill()  # nothing of what it stored is wanted


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
            return True
    except OSError:
        return False


@needs_promtool
def test_promtool_finds_nothing_wrong_with_what_a_service_tells(watched):
    with urllib.request.urlopen(f"http://127.0.0.1:{watched.service}/metrics", timeout=10) as page:
        _promtool("check", "metrics", given=page.read().decode())


def _jobs_to_choose_from(watched: Watched, variable: dict[str, Any]) -> list[str]:
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
    return watched.api(f"label/{label}/values", **{"match[]": metric})


def test_every_panel_of_the_dashboard_has_data(watched):
    dashboard = json.loads(DASHBOARD.read_text())
    [variable] = [one for one in dashboard["templating"]["list"] if one["name"] == "job"]
    assert _jobs_to_choose_from(watched, variable) == [JOB]
    for job in (JOB, variable["allValue"]):
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                # A minute is Grafana's own interval where Prometheus scrapes every 15 s, its default.
                expression = target["expr"].replace("$job", job).replace("$__rate_interval", "1m")
                assert watched.values(expression), f"{panel['title']}: {expression}"


def test_every_rule_is_evaluated_by_prometheus(watched):
    def found() -> list[dict[str, Any]]:
        return [rule for group in watched.api("rules")["groups"] for rule in group["rules"]]

    _until(lambda: all(rule["health"] != "unknown" for rule in found()), "all rules are evaluated")
    assert {rule["name"] for rule in found()} == {rule.get("record") or rule["alert"] for rule in _rules()}
    assert [rule["lastError"] for rule in found() if rule["health"] != "ok"] == []


def test_every_expression_of_a_rule_is_understood_and_what_is_recorded_is_there(watched):
    for rule in _rules():
        watched.api("query", query=rule["expr"])
        if "record" in rule:
            _until(lambda name=rule["record"]: watched.values(name), f"{rule['record']} is recorded")
