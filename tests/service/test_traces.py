"""Spans of requests, as a collector receives them over OTLP/HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from domain.errors import UserError
from service import Settings, create_app
from service.seen.instruments import Instruments
from service.seen.traces import is_asked_by_environment, open_traces

otlp = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason="the extra otel")

ROOT = Path(__file__).resolve().parents[2]
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class _Collector:
    def __init__(self) -> None:
        collected = self.spans = []
        self.resources: list[dict[str, str]] = []
        resources = self.resources

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                request = otlp.ExportTraceServiceRequest.FromString(body)
                for one in request.resource_spans:
                    resources.append({each.key: each.value.string_value for each in one.resource.attributes})
                    collected.extend(span for scope in one.scope_spans for span in scope.spans)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector(monkeypatch) -> Iterator[_Collector]:
    one = _Collector()
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", one.address)
    yield one
    one.close()


def _attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def _ask(app: Any, ask_any: Any) -> None:
    with app.instruments.running():
        ask_any(app, "GET", "/v1/understand", query=b"q=anna@example.org", headers=((b"traceparent", PARENT),))
        ask_any(app, "POST", "/v1/understand", body=b'{"query": "protein"}')
        ask_any(app, "GET", "/v1/understand", query=b"q=%ff", headers=((b"traceparent", b"00-zz-\xff-01"),))
        ask_any(app, "BREW\r\n", "/secret/q", headers=((b"traceparent", PARENT[:-1] + b"0"),))


def test_a_request_is_a_span_with_what_became_of_it_and_no_query(collector, release, ask_any):
    _ask(create_app(release), ask_any)  # asked for by the environment alone
    # The last one's parent was not sampled, and neither is it.
    first, second, third = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert (first.name, first.kind, first.trace_id.hex(), first.parent_span_id.hex()) == (
        "GET understand", 2, "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331",
    )  # fmt: skip
    told = _attributes(first)
    assert len(told.pop("querywise.request_id")) == 32
    assert told == {
        "http.request.method": "GET", "http.route": "understand", "http.response.status_code": 200,
        "querywise.source": "fallback", "querywise.reason": "degraded", "querywise.release": release.id,
    }  # fmt: skip
    assert (second.name, _attributes(second)["querywise.source"], second.parent_span_id) == (
        "POST understand", "head", b"",
    )  # fmt: skip
    assert _attributes(third)["http.response.status_code"] == 400 and third.parent_span_id == b""
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in collector.spans)
    assert {resource["service.name"] for resource in collector.resources} == {"querywise"}
    assert not [word for word in ("anna", "secret", "BREW") if any(word in str(span) for span in collector.spans)]


def test_the_query_is_there_when_asked_for_without_what_is_personal(collector, release, ask_any):
    _ask(create_app(release, settings=Settings(log_queries=True)), ask_any)
    queries = [_attributes(span).get("querywise.query") for span in collector.spans]
    assert sorted(filter(None, queries)) == ["[email]", "protein"]


def test_the_head_path_is_wrapped_only_then(collector, release, monkeypatch):
    def path(app: Any) -> str:
        return type(app._direct["/v1/understand"]).__name__

    traced = create_app(release)
    assert path(traced) == "Watch"
    traced.instruments._close()
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert path(create_app(release)) == "UnderstandOne"


@pytest.mark.parametrize(
    ("variables", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_environment_asks(monkeypatch, variables, asked):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_asked_by_environment() is asked


def test_nothing_of_it_is_imported_until_it_is_asked_for():
    code = "import sys, service.run; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_without_the_extra_it_is_an_error_to_ask_for_it_and_a_warning_that_the_environment_does(
    release, monkeypatch, caplog
):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(UserError) as error:
        open_traces()
    assert "querywise[otel]" in error.value.hint
    with pytest.raises(UserError):
        create_app(release, settings=Settings(otel=True))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert create_app(release).instruments._traces is None
    assert "querywise[otel]" in caplog.text


def test_a_collector_that_is_away_holds_nobody_up(release, ask_any, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    app = create_app(release)
    began = time.perf_counter()
    _ask(app, ask_any)
    assert time.perf_counter() - began < 8
    assert isinstance(app.instruments, Instruments)
