"""What passes between litellm and a server, read on its way: the ledger is held against the usage that is in it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Exchange", "Tap", "tapped"]

ANSWERS_WITHIN = 600.0


@dataclass(kw_only=True)
class Exchange:
    """A request and, once there is one, its answer; `status` is 0 until then."""

    request: dict[str, Any]
    status: int = 0
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def user_message(self) -> str:
        text: str = self.request["messages"][1]["content"]
        return text

    def is_about(self, query: str) -> bool:
        return f"<query>{query}</query>" in self.user_message

    @property
    def was_cut_off(self) -> bool:
        return bool(self.answer["choices"][0]["finish_reason"] == "length")

    @property
    def usage(self) -> dict[str, int]:
        usage: dict[str, int] = self.answer["usage"]
        return usage

    @property
    def content(self) -> str:
        content: str = self.answer["choices"][0]["message"]["content"]
        return content


@dataclass(kw_only=True)
class Tap:
    """Where to send requests, and what has come by, in the order of the requests."""

    api_base: str
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def tapped(api_base: str) -> Iterator[Tap]:
    """Stand before a server for as long as the block lasts."""
    server_at = urlsplit(api_base)
    exchanges: list[Exchange] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            exchange = Exchange(request=json.loads(body))
            exchanges.append(exchange)
            connection = http.client.HTTPConnection(server_at.netloc, timeout=ANSWERS_WITHIN)
            try:
                connection.request("POST", self.path, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                data = response.read()
            finally:
                connection.close()
            exchange.answer, exchange.status = json.loads(data), response.status
            try:
                self.send_response(response.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except ConnectionError:
                pass  # Who asked was killed.

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Tap(api_base=f"http://127.0.0.1:{server.server_port}{server_at.path}", exchanges=exchanges)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
