"""What the answers to a GET say to caches, over real HTTP where it is about bytes."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast
from zlib import crc32

from release import Release, open_release
from release.current import move
from service import create_app
from service.access.keys import Key, make_secret, write_keys
from service.caching import tag_of
from service.seen.series import request_at
from service.settings import Settings
from tests.service.conftest import JSON

ONE = "/v1/understand"
MILK = "/v1/understand?q=1%25+milk"


@dataclass(frozen=True, kw_only=True)
class Got:
    status: int
    headers: dict[str, str]
    body: bytes


def get(port: int, address: str = MILK, method: str = "GET", **headers: str) -> Got:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, address, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Got(status=answer.status, headers={k.lower(): v for k, v in answer.getheaders()}, body=answer.read())
    finally:
        connection.close()


def test_the_tag_is_of_release_and_normalised_query(port, release):
    got = get(port)
    assert got.headers["etag"] == f'"{release.id}-{crc32(b"1% milk"):08x}"'
    assert got.headers["cache-control"] == "no-cache"
    assert get(port, f"{ONE}?q=1%25%20MILK").headers["etag"] == got.headers["etag"]
    assert get(port, f"{ONE}?q=protein").headers["etag"] != got.headers["etag"]


def test_who_has_the_answer_is_sent_nothing(port):
    tag = get(port).headers["etag"]
    for held in (tag, f"W/{tag}", f'"a,b", {tag}', f'W/"x" , W/{tag},"y"', "*", " * "):
        got = get(port, if_none_match=held)
        assert (got.status, got.body) == (304, b""), held
        assert got.headers["etag"] == tag and got.headers["cache-control"] == "no-cache"
        assert "content-length" not in got.headers and "transfer-encoding" not in got.headers
    for other in ('"a"', tag.strip('"'), tag[:-2] + '"', "", '"*"', f'{tag[:-1]}x"', "a, *"):
        assert get(port, if_none_match=other).status == 200, other


def test_a_tail_answer_has_a_tag_too_and_a_head_request_gets_the_same_headers(port, release):
    address = f"{ONE}?q=never+seen+5"
    # Without a student and an index it is degraded, and the next one may be better.
    got = get(port, address)
    assert json.loads(got.body)["reason"] == "degraded"
    assert got.headers["cache-control"] == "no-store" and "etag" not in got.headers
    headers = [get(port, MILK, method).headers for method in ("GET", "HEAD")]
    for each in headers:
        each.pop("date")
    assert headers[0] == headers[1] and headers[0]["content-length"] == str(len(release.answer_bytes("1% milk")))
    assert get(port, MILK, "HEAD", if_none_match=headers[0]["etag"]).status == 304


def test_the_student_answers_with_a_tag(taught, ask_any):
    app = create_app(taught)
    got = ask_any(app, "GET", ONE, query=b"q=sure")
    assert got.json["source"] == "tail" and got.headers["cache-control"] == "no-cache"
    held = (*JSON, (b"if-none-match", got.headers["etag"].encode()))
    again = ask_any(app, "GET", ONE, query=b"q=Sure", headers=held)
    assert (again.status, again.body) == (304, b"")


def test_an_address_that_is_refused_is_refused_with_any_tag(ask):
    held = (*JSON, (b"if-none-match", b"*"))
    assert ask("GET", ONE, query=b"q=a&q=b", headers=held).problem()[0] == 422
    assert ask("GET", ONE, query=b"", headers=held).problem()[0] == 422
    assert ask("POST", ONE, body=b'{"query":"1% milk"}', headers=held).status == 200


def test_a_post_says_nothing_to_caches(ask):
    headers = ask("POST", ONE, body=b'{"query":"1% milk"}').headers
    assert "etag" not in headers and "cache-control" not in headers


def test_the_setting_says_how_long(release, ask_any, tmp_path):
    app = create_app(release, settings=Settings(cache_seconds=60))
    assert ask_any(app, "GET", ONE, query=b"q=protein").headers["cache-control"] == "max-age=60"
    secret = make_secret()
    key = Key(name="web", role="read", prefix=secret.prefix, digest=secret.digest, created=datetime.now(UTC))
    write_keys(tmp_path / "keys.json", [key])
    bearer = (*JSON, (b"authorization", b"Bearer " + secret.secret.encode()))
    for seconds, control in ((60, "private, max-age=60"), (0, "private, no-cache")):
        app = create_app(release, settings=Settings(cache_seconds=seconds, keys=tmp_path / "keys.json"))
        got = ask_any(app, "GET", ONE, query=b"q=protein", headers=bearer)
        assert got.headers["cache-control"] == control
        held = (*JSON, (b"if-none-match", got.headers["etag"].encode()))
        assert ask_any(app, "GET", ONE, query=b"q=protein", headers=held).status == 401


def test_after_a_reload_the_old_tag_is_none(two_plain, tmp_path, run_service):
    releases = tmp_path / "releases"
    shutil.copytree(two_plain.releases, releases)
    first, second = two_plain.names
    move(releases, first)
    with run_service(releases, "--follow-seconds", "0.05") as port:
        tag = get(port).headers["etag"]
        assert first in tag and get(port, if_none_match=tag).status == 304
        move(releases, second)
        until = time.monotonic() + 10
        while (got := get(port, if_none_match=tag)).status == 304 and time.monotonic() < until:
            time.sleep(0.02)
        assert got.status == 200 and got.body == two_plain.answers[second]["1% milk"]
        assert second in got.headers["etag"]
        with open_release(releases / second) as opened:
            assert opened.id in got.headers["etag"]


def test_a_split_is_told_to_caches(two_plain, ask_any):
    first, second = two_plain.names
    settings = Settings(other=str(two_plain.releases / second), share=0.5)
    app = create_app(two_plain.releases / first, settings=settings)
    with open_release(two_plain.releases / first) as opened:
        app.serving.release = opened
        seen = {}
        for number in range(16):
            client = (*JSON, (b"x-client-id", b"%d" % number))
            got = ask_any(app, "GET", ONE, query=b"q=protein", headers=client)
            assert got.headers["vary"] == "x-client-id"
            seen[got.json["release"]] = got.headers["etag"]
            held = (*client, (b"if-none-match", got.headers["etag"].encode()))
            unchanged = ask_any(app, "GET", ONE, query=b"q=protein", headers=held)
            assert unchanged.status == 304 and unchanged.headers["vary"] == "x-client-id"
    assert set(seen) == {first, second} and all(name in tag for name, tag in seen.items())
    app.other.close()


def test_304s_are_counted_by_themselves(release, ask_any):
    app = create_app(release)
    tag = ask_any(app, "GET", ONE, query=b"q=protein").headers["etag"]
    for _ in range(3):
        ask_any(app, "GET", ONE, query=b"q=protein", headers=(*JSON, (b"if-none-match", tag.encode())))
    assert app.instruments.slot.counters[request_at("understand", 304)] == 3


def test_the_openapi_document_says_so(app):
    responses = app.openapi()["paths"][ONE]["get"]["responses"]
    assert set(responses["200"]["headers"]) == {"ETag", "Cache-Control"} and "304" in responses
    assert "304" not in app.openapi()["paths"][ONE]["post"]["responses"]


def test_an_id_that_may_not_stand_in_a_header_does_not():
    hostile = cast(Release, SimpleNamespace(id='2026-1"\r\nset-cookie: a=b\u00e9-0a1b2c'))
    assert tag_of(hostile, "") == b'"2026-1___set-cookie:_a=b_-0a1b2c-00000000"'
