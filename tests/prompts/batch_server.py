"""A provider on 127.0.0.1 that speaks OpenAI's Files and Batches API, checks what it is given, and fails as asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-of-a-test"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}
FINAL = ("completed", "failed", "expired", "cancelled")


class Refused(Exception):
    """What the server does not take: a status and what it says."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def answered(content: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": None}
    body = {
        "id": "c",
        "model": "local-2026",
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    return {"error": None, "response": {"status_code": 200, "request_id": "r", "body": body}}


def failed(code: str, message: str = "no") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}, "response": None}


@dataclass
class BatchServer:
    """The provider.

    Attributes:
        answer: What becomes of a request, by its body and number: see `answered` and `failed`.
        ends: The status in which a batch ends.
        polls: How often a batch is asked about before it has ended.
        troubles: Statuses with which the next requests of a route are refused, by the route's name.
        handled: Called with the route's name when a request was carried out, before it is replied to.
    """

    url: str = ""
    answer: Callable[[dict[str, Any], int], dict[str, Any]] = lambda body, number: answered("{}")
    ends: str = "completed"
    polls: int = 0
    troubles: dict[str, list[int]] = field(default_factory=dict)
    handled: Callable[[str], None] = lambda route: None
    calls: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: dict[str, int] = field(default_factory=dict)

    answered = staticmethod(answered)
    failed = staticmethod(failed)

    @property
    def asked(self) -> list[str]:
        """The custom_ids of all batches, in the order in which they were made."""
        files = (self.files[batch["input_file_id"]] for batch in self.batches.values())
        return [json.loads(line)["custom_id"] for file in files for line in file.splitlines()]

    def handle(self, method: str, path: str, headers: Any, body: bytes) -> Any:
        """Carry out a request; returns JSON, or the bytes of a file."""
        parts = urlsplit(path)
        route, *ids = [part for part in parts.path.removeprefix("/v1/").split("/") if part]
        name = {("POST", "files", 0): "upload", ("POST", "batches", 0): "create", ("GET", "batches", 0): "list"}.get(
            (method, route, len(ids)), {"batches": "retrieve", "files": "content"}.get(route, "unknown")
        )
        with self._lock:
            self.calls.append(name)
            if self.troubles.get(name):
                raise Refused(self.troubles[name].pop(0), "trouble")
            if headers["Authorization"] != f"Bearer {KEY}":
                raise Refused(401, "wrong key")
            match name:
                case "upload":
                    return self._upload(headers["Content-Type"], body)
                case "create":
                    return self._create(json.loads(body))
                case "list":
                    query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                    return self._list(int(query.get("limit", 20)), query.get("after"))
                case "retrieve":
                    return self._retrieve(ids[0])
                case "content" if ids[1:] == ["content"] and ids[0] in self.files:
                    return self.files[ids[0]]
        raise Refused(404, f"nothing at {method} {path}")

    def _upload(self, kind: str, body: bytes) -> dict[str, Any]:
        boundary = kind.partition("boundary=")[2].encode()
        fields = {}
        for part in body.split(b"--" + boundary)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            fields[head.partition(b'name="')[2].partition(b'"')[0].decode()] = content.removesuffix(b"\r\n")
            if b"filename=" in head:
                filename = head.partition(b'filename="')[2].partition(b'"')[0].decode()
        if fields.get("purpose") != b"batch" or not filename.endswith(".jsonl"):
            raise Refused(400, "purpose has to be batch, and the file .jsonl")
        made = self._keep(fields["file"])
        self.names[made] = filename
        about = {"id": made, "object": "file", "purpose": "batch", "filename": filename, "status": "processed"}
        return about | {"bytes": len(fields["file"]), "created_at": int(time.time())}

    def _keep(self, content: bytes) -> str:
        made = f"file-{len(self.files)}"
        self.files[made] = content
        return made

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["input_file_id"] not in self.files:
            raise Refused(400, "no such file")
        if body["completion_window"] != "24h" or body["endpoint"] != "/v1/chat/completions":
            raise Refused(400, "window or endpoint")
        metadata = body.get("metadata") or {}
        short = all(
            isinstance(value, str) and len(name) <= 64 and len(value) <= 512 for name, value in metadata.items()
        )
        if len(metadata) > 16 or not short:
            raise Refused(400, "metadata")
        made = {
            "id": f"batch_{len(self.batches)}",
            "object": "batch",
            "created_at": int(time.time()),
            "status": "validating",
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            **body,
        }
        self.batches[made["id"]] = made
        return made

    def _list(self, limit: int, after: str | None) -> dict[str, Any]:
        newest = list(self.batches.values())[::-1]
        if after:
            newest = newest[1 + [batch["id"] for batch in newest].index(after) :]
        return {"object": "list", "data": newest[:limit], "has_more": len(newest) > limit}

    def _retrieve(self, batch_id: str) -> dict[str, Any]:
        if batch_id not in self.batches:
            raise Refused(404, "no such batch")
        batch = self.batches[batch_id]
        self._asked[batch_id] = self._asked.get(batch_id, 0) + 1
        if batch["status"] in FINAL:
            return batch
        if self._asked[batch_id] <= self.polls:
            batch["status"] = "in_progress"
            return batch
        lines = self.files[batch["input_file_id"]].splitlines()
        if wrong := wrong_with(lines):
            batch["status"] = "failed"
            batch["errors"] = {"object": "list", "data": [{"code": "invalid", "message": wrong, "line": 1}]}
            return batch
        batch["status"] = self.ends
        results = [
            {
                "id": f"r{number}",
                "custom_id": json.loads(line)["custom_id"],
                **self.answer(json.loads(line)["body"], number),
            }
            for number, line in enumerate(lines)
        ]
        # A batch comes back in any order.
        good = [result for result in results if result["error"] is None][::-1]
        bad = [result for result in results if result["error"] is not None]
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                batch[name] = self._keep("".join(json.dumps(result) + "\n" for result in found).encode())
        batch["request_counts"] = {"total": len(results), "completed": len(good), "failed": len(bad)}
        return batch


def wrong_with(lines: list[bytes]) -> str:
    """Return what a provider would find wrong with a batch file, or nothing."""
    seen: set[str] = set()
    models: set[str] = set()
    for number, text in enumerate(lines, start=1):
        try:
            line = json.loads(text)
        except ValueError:
            return f"line {number} is not JSON"
        if set(line) != {"custom_id", "method", "url", "body"}:
            return f"line {number} holds {sorted(line)}"
        if line["custom_id"] in seen or len(line["custom_id"]) > 64:
            return f"line {number} has a custom_id that was used, or is too long"
        if (line["method"], line["url"]) != ("POST", "/v1/chat/completions"):
            return f"line {number} is for {line['url']}"
        if not {"model", "messages"} <= set(line["body"]) or {"api_base", "nonce"} & set(line["body"]):
            return f"line {number} has a body of {sorted(line['body'])}"
        seen.add(line["custom_id"])
        models.add(line["body"]["model"])
    return "" if len(models) == 1 else f"the file is for {len(models)} models"


@contextmanager
def run_batch_server() -> Iterator[BatchServer]:
    """Run the server until the block ends."""
    batches = BatchServer()

    class Handler(BaseHTTPRequestHandler):
        def _reply(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                found = batches.handle(method, self.path, self.headers, body)
                status, data = 200, found if isinstance(found, bytes) else json.dumps(found).encode()
                batches.handled(batches.calls[-1])
            except Refused as refused:
                status, data = refused.status, json.dumps({"error": {"message": str(refused)}}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            # So that a client which asks again does it at once.
            self.send_header("Retry-After-Ms", "1")
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._reply("GET")

        def do_POST(self) -> None:
            self._reply("POST")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    batches.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield batches
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
