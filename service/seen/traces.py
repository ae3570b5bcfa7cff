"""Spans of requests by OpenTelemetry, behind the extra ``otel``: nothing of it is imported until it is asked for.

They follow the semantic conventions for HTTP servers. A span has no query text, no address and no header in it, but for
the query where that is asked for.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Scope

from domain.errors import UserError

__all__ = ["Traces", "check_traces", "is_asked_by_environment", "open_traces"]

_ASKING: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_CARRIED: Final = (b"traceparent", b"tracestate")
_PATIENCE: Final = 3.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})


@dataclass(frozen=True, kw_only=True)
class _Otel:
    """The parts of OpenTelemetry that a request needs."""

    tracer: Any
    propagator: Any
    server: Any
    error: Any


class Traces:
    """Makes a span of each request. Get one from `open_traces`, or give it a provider of your own.

    Args:
        provider: A tracer provider of the OpenTelemetry SDK, which is shut down with this.
    """

    def __init__(self, provider: Any) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._otel = _Otel(
            tracer=provider.get_tracer("querywise"),
            propagator=TraceContextTextMapPropagator(),
            server=SpanKind.SERVER,
            error=Status(StatusCode.ERROR),
        )

    def begin(self, scope: Scope, route: str) -> Any:
        """Begin the span of a request, as a child of the one that its ``traceparent`` names."""
        carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}
        context = self._otel.propagator.extract(carried) if carried else None
        # A method is any word of the client's own.
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        return self._otel.tracer.start_span(
            f"{method} {route}",
            context=context,
            kind=self._otel.server,
            attributes={"http.request.method": method, "http.route": route},
        )

    def end(self, span: Any, status: int, told: dict[str, Any]) -> None:
        """End a span with what became of its request; None is left out of what is told."""
        span.set_attribute("http.response.status_code", status)
        for name, value in told.items():
            if value is not None:
                span.set_attribute(f"querywise.{name}", value)
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(self._otel.error)
        span.end()

    def close(self) -> None:
        """Send what is not sent yet, for three seconds at most: a collector that is away must not hold up a stop."""
        thread = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        thread.start()
        thread.join(_PATIENCE)


def is_asked_by_environment() -> bool:
    """Whether the variables of OpenTelemetry name a place to send traces to, and do not switch it off."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() != "otlp":
        return False
    return any(os.environ.get(name, "").strip() for name in _ASKING)


def check_traces() -> None:
    """Make sure that traces can be made.

    Raises:
        UserError: where the extra is not installed.
    """
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as error:
        hint = "pip install 'querywise[otel]', or leave --otel out"
        raise UserError("traces need OpenTelemetry", hint=hint) from error


def open_traces() -> Traces:
    """Return traces that go over OTLP/HTTP to where the variables of OpenTelemetry say, by default 127.0.0.1:4318.

    Sampling, headers, timeouts and the size of batches are set by those variables too.

    Raises:
        UserError: where the extra is not installed.
    """
    check_traces()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": "querywise"})
    # Closed with the service, and not by a hook at the end of the process, which could hold that up.
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Traces(provider)
