from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import ReleaseError
from domain.understanding import Understanding, understanding_adapter
from service import Settings, create_app

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "service" / "static"


def test_release_says_what_is_served(ask, release):
    about = ask("GET", "/v1/release").json
    assert about["release"] == release.id and about["shop"] == "grocery"
    assert about["created"] == "2026-11-21T00:00:00Z"
    assert about["provider"] is None and about["gate"] is None
    assert about["lineage"]["counts"] == {"head": 5, "torso": 2, "tail": 3, "labelled": 10}
    assert about["examples"][:2] == ["protein", "1% milk"]


def test_health_and_readiness(ask):
    for method in ("GET", "HEAD"):
        assert ask(method, "/healthz").status == ask(method, "/readyz").status == 200


def test_without_a_release_it_lives_and_is_not_ready(ask_any, release):
    app = create_app(None)
    assert ask_any(app, "GET", "/healthz").json == {"status": "ok"}
    for method, path, body in (
        ("GET", "/readyz", b""),
        ("GET", "/v1/release", b""),
        ("POST", "/v1/understand", b'{"query":"milk"}'),
        ("POST", "/v1/understand/batch", b'{"queries":["milk"]}'),
        ("POST", "/v1/embed", b'{"texts":["milk"],"kind":"query"}'),
        ("POST", "/v1/discover", b'{"query":"milk"}'),
        ("POST", "/v1/suggest", b'{"query":"milk"}'),
        ("GET", "/playground/products", b""),
    ):
        assert ask_any(app, method, path, body=body).problem() == (503, "not-ready", None)
    app.serving.release = release
    assert ask_any(app, "GET", "/readyz").status == 200


def test_a_folder_is_opened_at_start_and_closed_at_stop(ask_any, folder):
    app = create_app(folder)
    assert ask_any(app, "GET", "/readyz").status == 503

    async def live() -> None:
        async with app.router.lifespan_context(app):
            opened = app.serving.release
            assert opened is not None and opened.id == folder.name
        assert app.serving.release is None
        with pytest.raises(ReleaseError, match="closed"):
            opened.head_bytes("protein")

    asyncio.run(live())


@pytest.mark.parametrize(
    "path", ["/nope", "/v1/understand/", "/v1", "//", "/static/", "/static/../app.py", "/v1/understand/b", "/redoc"]
)
def test_unknown_routes(ask, path):
    assert ask("GET", path).problem() == (404, "not-found", None)


@pytest.mark.parametrize("path", ["/v1/release", "/healthz", "/", "/openapi.json", "/static/base.css"])
def test_wrong_methods(ask, path):
    answer = ask("POST", path)
    assert answer.problem() == (405, "method-not-allowed", None)
    assert "GET" in answer.headers["allow"]


def test_limits_are_settings(ask_any, release):
    app = create_app(release, settings=Settings(max_body=20, max_batch=1, max_batch_body=40))
    assert ask_any(app, "POST", "/v1/understand", body=b'{"query":"plant milk"}').status == 413
    assert ask_any(app, "POST", "/v1/understand/batch", body=b'{"queries":["a","b"]}').status == 422


def test_mounted_under_a_prefix(ask_any, app, release):
    outer = FastAPI()
    outer.mount("/search", app)
    answer = ask_any(outer, "GET", "/search/v1/understand", query=b"q=protein")
    assert answer.body == release.answer_bytes("protein")


def test_an_error_of_the_service_is_a_problem_and_logs_no_query(ask_any, release, caplog):
    class Broken(type(release)):
        def head_answer(self, raw: str, normalised: str) -> bytes | None:
            raise RuntimeError(f"cannot answer {raw}")

    broken = Broken(
        folder=release.folder, manifest=release.manifest, taxonomy=release.taxonomy, head=None, retriever=None
    )
    app = create_app(broken)
    assert ask_any(app, "POST", "/v1/understand", body=b'{"query":"secret milk"}').problem() == (
        500,
        "internal-error",
        None,
    )
    assert "RuntimeError" in caplog.text and "secret" not in caplog.text


def test_openapi_describes_the_head_path(ask):
    api = ask("GET", "/openapi.json").json
    assert list(api["paths"]) == [
        *("/v1/understand", "/v1/understand/batch", "/v1/explain", "/v1/discover", "/v1/suggest", "/v1/embed"),
        *("/v1/release", "/healthz", "/readyz", "/v1/admin/reload", "/v1/admin/rollback"),
    ]
    post = api["paths"]["/v1/understand"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/UnderstandRequest"
    }
    assert post["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Understanding"
    }
    assert "application/problem+json" in post["responses"]["4XX"]["content"]
    schemas = api["components"]["schemas"]
    assert list(schemas["Understanding"]["properties"]) == [field.name for field in dataclasses.fields(Understanding)]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api)))
    assert references <= set(schemas)


def test_answers_are_of_the_described_type(ask):
    for query in ("protein", "nothing of the kind", ""):
        answer = ask("POST", "/v1/understand", body=json.dumps({"query": query}).encode())
        assert understanding_adapter.validate_json(answer.body).query == query


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/docs", "text/html"), ("/favicon.ico", "image/svg+xml")]
)
def test_pages(ask, path, kind):
    page = ask("GET", path)
    assert page.status == 200 and page.headers["content-type"].startswith(kind)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    again = ask("GET", path, headers=((b"if-none-match", page.headers["etag"].encode()),))
    assert (again.status, again.body) == (304, b"")


def test_a_page_that_the_client_has_is_not_sent_again(ask):
    tag = ask("GET", "/").headers["etag"]
    for held in (tag, f"W/{tag}", f'"a", W/{tag}', "*"):
        answer = ask("GET", "/", headers=((b"if-none-match", held.encode()),))
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert ask("GET", "/", headers=((b"if-none-match", b'"a"'),)).status == 200


@pytest.mark.parametrize("page", ["/", "/docs"])
def test_pages_load_only_what_the_service_has(ask, page):
    html = ask("GET", page).body.decode()
    for address in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert ask("GET", "/" + address.removeprefix("./")).status == 200, address
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", html)


def test_static_files_name_no_other_host_and_write_no_markup():
    for path in STATIC.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"(?m)^\s*//.*$|; //.*$", "", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path.name


def test_importing_the_service_loads_nothing_heavy():
    code = "import sys, service, release; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'(\w+)'", run.stdout))
    assert {"service", "release", "domain", "lmdb"} <= loaded
    assert not loaded & {"torch", "litellm", "duckdb", "polars", "prompts", "distill", "evals", "pandas", "pyarrow"}


_PATHS = st.sampled_from(
    [
        *("/v1/understand", "/v1/understand/batch", "/v1/embed", "/v1/discover", "/v1/suggest"),
        *("/playground/products", "/v1/release", "/", "/healthz"),
    ]
)
_METHODS = st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS"])
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from([b"content-type", b"content-length", b"content-encoding", b"expect", b"host"]),
        st.binary(max_size=30),
    ),
    max_size=3,
)
_BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["query", "queries", "shown", "result_count", "limit", "", "\ud800"]) | st.text(), inner
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40).map(lambda inner: b'{"query":"' + inner + b'"}'),
    st.text(max_size=400).map(lambda text: json.dumps({"queries": [text]}).encode()),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=_METHODS, path=_PATHS, query=st.binary(max_size=60) | st.binary(max_size=60).map(b"q=".__add__),
    body=_BODIES, headers=_HEADERS, json_type=st.booleans(), cut=st.integers(0, 50),
)  # fmt: skip
def test_nothing_a_client_sends_gives_a_5xx(ask, method, path, query, body, headers, json_type, cut):
    kind = ((b"content-type", b"application/json"),) if json_type else ()
    answer = ask(method, path, query=query, body=[body[:cut], body[cut:]], headers=(*headers, *kind))
    assert answer.status < 500
    if answer.status >= 400:
        answer.problem()
