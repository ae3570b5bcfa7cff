"""Dashboard, alerts and the table of metrics name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.core import Metric

from service.seen.board import Slot
from service.seen.drift import Drift
from service.seen.further import shadow_metrics
from service.seen.metrics import Metrics
from service.split.shadow import Differences

yaml = pytest.importorskip("yaml", reason="PyYAML comes with others")

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "docs" / "grafana" / "querywise.json"
ALERTS = ROOT / "docs" / "grafana" / "alerts.yml"

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}
_WORDS = frozenset(
    "sum avg max min count by on and or offset rate increase histogram_quantile present_over_time time unless "
    "label_values".split()
)


def _metrics() -> list[Metric]:
    """Return every metric there can be; those of drift and shadow are there also where they have no samples."""
    slot = Slot.alone()
    drift = Drift(slot, lambda: None)
    shadow = shadow_metrics(Differences(release="a", other="b"))
    return [*Metrics(lambda: [slot.read()], drift.tell).collect(), *shadow]


def _names() -> set[str]:
    return {metric.name + suffix for metric in _metrics() for suffix in _SUFFIXES[metric.type]}


def _labels() -> dict[str, set[str]]:
    return {metric.name: set(metric._labelnames) for metric in _metrics() if hasattr(metric, "_labelnames")}


def _metrics_in(expression: str) -> set[str]:
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) *\([^)]*\)|\"[^\"]*\"", " ", expression)
    return {word for word in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", plain) if word not in _WORDS} - {"d", "m", "h"}


def _check(expression: str, known: set[str]) -> None:
    found = _metrics_in(expression)
    assert found and found <= known, f"{found - known} in {expression}"
    for opening, closing in ("()", "{}", "[]"):
        assert expression.count(opening) == expression.count(closing), expression
    for name, inside in re.findall(r"([a-z_]+)\{([^}]*)\}", expression):
        family = re.sub(r"_(total|bucket|sum|count|info)$", "", name)
        for label in re.findall(r"(\w+) *(?:=~|!=|!~|=)", inside):
            assert label in _labels()[family] | {"job"}, f"{name} has no label {label}"


def _panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text())["panels"]


def test_every_expression_of_the_dashboard_names_metrics_that_exist():
    expressions = [target["expr"] for panel in _panels() for target in panel.get("targets", ())]
    assert len(expressions) > 20
    for expression in expressions:
        _check(expression, _names())


def test_the_dashboard_can_be_drawn():
    panels = _panels()
    assert len({panel["id"] for panel in panels}) == len(panels)
    titles = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert titles == ["Traffic", "Answers", "Latency", "Quality drift", "Releases and workers"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) == 23


def _rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def test_every_rule_names_metrics_that_exist():
    rules = _rules()
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        # `up` is Prometheus' own: whether a scrape was answered.
        _check(rule["expr"], _names() | recorded | {"up"})
        if "alert" in rule:
            assert re.fullmatch(r"Querywise[A-Za-z]+", rule["alert"])
            assert rule["labels"]["severity"] in ("warning", "critical") and rule["annotations"]["summary"]
            assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    used = {name for rule in rules if "alert" in rule for name in _metrics_in(rule["expr"])}
    assert recorded <= used


def test_the_guide_has_every_metric_and_every_alert():
    guide = (ROOT / "docs" / "operations.md").read_text().split("## Seeing what it does")[1].split("\n## ")[0]
    rows = [line for line in guide.splitlines() if line.startswith("| `") and line.count("|") >= 4]
    told = {name for row in rows for name in re.findall(r"`((?:querywise|process)_[a-z_]+)`", row.split("|")[1])}
    counted = {m.name + (_SUFFIXES[m.type][0] if m.type != "histogram" else "") for m in _metrics()}
    assert told == counted
    for metric in _metrics():
        name = metric.name + (_SUFFIXES[metric.type][0] if metric.type != "histogram" else "")
        [row] = [row for row in rows if f"`{name}`" in row.split("|")[1]]
        labels = set(re.findall(r"`(\w+)`", row.split("|")[2]))
        assert labels == (_labels()[metric.name] or ({"release"} if metric.type == "info" else set())), name
    alerts = {rule["alert"] for rule in _rules() if "alert" in rule}
    assert set(re.findall(r"`(Querywise[A-Za-z]+)`", guide)) == alerts
