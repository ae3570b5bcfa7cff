"""An HTTP server in place of a search engine: finds the same products for everybody, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Engine", "running_engine"]


@dataclass(kw_only=True)
class Engine:
    """Where it is, what it was asked, and what it finds."""

    address: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    finds: list[str] = field(default_factory=list)


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Run a server on a free port of this machine."""
    engine = Engine()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            form = self.headers["content-type"].startswith("application/x-www-form-urlencoded")
            document = parse_qs(raw.decode(), keep_blank_values=True) if form else json.loads(raw)
            engine.asked.append((self.command, self.path.partition("?")[0], document))
            answer = _solr(engine) if form else _elastic(engine)
            self.send_response(200)
            self.send_header("x-elastic-product", "Elasticsearch")
            kind = (
                "application/vnd.elasticsearch+json;compatible-with=9"
                if "elastic" in self.headers.get("accept", "")
                else "application/json"
            )
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        engine.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()


def _elastic(engine: Engine) -> bytes:
    hits = [{"_id": i, "_source": {"product_id": i}} for i in engine.finds]
    return json.dumps({"hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits}}).encode()


def _solr(engine: Engine) -> bytes:
    documents = [{"id": i} for i in engine.finds]
    return json.dumps({"response": {"numFound": len(documents), "docs": documents}}).encode()
