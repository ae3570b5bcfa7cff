"""Keys, rates and origins, in process."""

from __future__ import annotations

import json
import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from domain.errors import UserError
from querywise.cli import app as program
from querywise.keys import add
from release import Release
from service import Settings, create_app
from service.access.access import Access
from service.access.front import check_front, origins_of
from service.access.keys import Key, MadeKey, digest_of, make_secret, read_keys, write_keys
from service.access.rate import AddressBuckets, Bucket, Rate
from service.access.ring import KeyRing

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def key_of(made: MadeKey, name: str, **more: Any) -> Key:
    given: dict[str, Any] = {"role": "read", "prefix": made.prefix, "digest": made.digest, "created": NOW}
    return Key(name=name, **(given | more))


@dataclass(frozen=True, kw_only=True)
class Keys:
    path: Path
    read: str
    admin: str


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    read, admin = make_secret(), make_secret()
    write_keys(tmp_path / "keys.json", [key_of(read, "web"), key_of(admin, "ops", role="admin")])
    return Keys(path=tmp_path / "keys.json", read=read.secret, admin=admin.secret)


def bearer(secret: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"content-type", b"application/json"), (b"authorization", f"Bearer {secret}".encode()))


QUERY = b'{"query":"protein"}'


def test_what_needs_which_key(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path))
    for path in ("/", "/docs", "/healthz", "/readyz", "/openapi.json", "/favicon.ico", "/static/base.css"):
        assert ask_any(app, "GET", path).status == 200, path
    posts = ("/v1/understand", "/v1/understand/batch", "/v1/discover", "/v1/suggest", "/v1/embed")
    closed = [*(("POST", path) for path in posts), ("GET", "/v1/release"), ("GET", "/metrics"), ("GET", "/v1/explain")]
    closed += [("GET", "/playground/products"), ("GET", "/nothing/here"), ("GET", "/v1"), ("GET", "/STATIC/base.css")]
    for method, path in closed:
        answer = ask_any(app, method, path)
        assert answer.problem() == (401, "unauthorized", "authorization"), path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert ask_any(app, method, path, headers=bearer("qw_wrong")).problem()[:2] == (403, "forbidden"), path
        assert ask_any(app, method, path, headers=bearer(keys.read)).status not in (401, 403), path
    for path in ("/v1/admin/reload", "/v1/admin", "/v1/admin/anything"):
        refused = ask_any(app, "POST", path, headers=bearer(keys.read))
        assert refused.problem()[:2] == (403, "forbidden") and "admin" in refused.json["detail"]
        assert ask_any(app, "POST", path, headers=bearer(keys.admin)).status not in (401, 403)
    assert ask_any(app, "POST", "/v1/understand", body=QUERY, headers=bearer(keys.admin)).status == 200
    assert app.access.outcomes == {
        "no_key": len(closed), "wrong_key": len(closed), "wrong_role": 3, "key_rate": 0, "address_rate": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer {}x", "Bearer x{}", "Token {}", "Bearer " * 999],
)
def test_what_is_no_key(ask_any: Any, release: Release, keys: Keys, authorization: str) -> None:
    app = create_app(release, settings=Settings(keys=keys.path))
    headers = ((b"authorization", authorization.replace("{}", keys.read).encode()),)
    assert ask_any(app, "GET", "/v1/release", headers=headers).problem()[:2] == (403, "forbidden")


def test_the_scheme_has_no_case_and_may_stand_apart(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path))
    for form in (f"bearer {keys.read}", f"BEARER   {keys.read} "):
        assert ask_any(app, "GET", "/v1/release", headers=((b"authorization", form.encode()),)).status == 200


def test_without_keys_all_is_open_but_administration(ask_any: Any, release: Release) -> None:
    app = create_app(release)
    assert app._front is None  # nothing stands before the head path
    assert ask_any(app, "GET", "/v1/release").status == 200
    assert ask_any(app, "POST", "/v1/admin/reload").problem()[:2] == (403, "forbidden")


def test_metrics_may_be_open(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path, open_metrics=True))
    assert ask_any(app, "GET", "/metrics").status == 200


def test_a_mounted_service_asks_for_keys_too(ask_any: Any, release: Release, keys: Keys) -> None:
    from fastapi import FastAPI

    outer = FastAPI()
    outer.mount("/search", create_app(release, settings=Settings(keys=keys.path)))
    assert ask_any(outer, "GET", "/search/v1/understand", query=b"q=protein").status == 401
    assert ask_any(outer, "GET", "/search/v1/understand", query=b"q=protein", headers=bearer(keys.read)).status == 200
    assert ask_any(outer, "POST", "/search/v1/admin/reload", headers=bearer(keys.read)).status == 403


def test_keys_are_kept_as_digests_that_the_owner_alone_reads(keys: Keys) -> None:
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    text = keys.path.read_text()
    assert keys.read not in text and keys.read[3:] not in text and digest_of(keys.read.encode()) in text
    assert [key.prefix for key in read_keys(keys.path)] == [keys.read[:9], keys.admin[:9]]


def test_a_key_is_256_random_bits() -> None:
    made = {make_secret().secret for _ in range(100)}
    assert len(made) == 100 and {len(secret) for secret in made} == {3 + 43}  # 43 characters of 6 bits hold 256


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}", "[]", '{"keys":1}', '{"keys":[{}]}', "\x00", '{"keys":[],"more":1}'),
        '{"keys":[{"name":"a","role":"root","prefix":"q","digest":"%s","created":"2026-01-01T00:00:00Z"}]}'
        % ("0" * 64),
        '{"keys":[{"name":"a","role":"read","prefix":"q","digest":"zz","created":"2026-01-01T00:00:00Z"}]}',
    ],
)
def test_a_file_that_is_none_is_refused_without_its_content(tmp_path: Path, content: str) -> None:
    (tmp_path / "k").write_text(content)
    with pytest.raises(UserError, match="k: "):
        read_keys(tmp_path / "k")


def test_a_file_that_others_may_write_or_that_has_a_key_twice_is_refused(keys: Keys) -> None:
    found = read_keys(keys.path)
    with pytest.raises(UserError, match="twice"):
        write_keys(keys.path, [*found, replace(found[0], digest="0" * 64)])
    with pytest.raises(UserError, match="twice"):
        write_keys(keys.path, [*found, replace(found[0], name="other")])
    assert read_keys(keys.path) == found
    keys.path.chmod(0o620)
    with pytest.raises(UserError, match="others may write"):
        read_keys(keys.path)


def test_keys_change_without_a_restart(ask_any: Any, release: Release, keys: Keys, caplog: Any) -> None:
    app = create_app(release, settings=Settings(keys=keys.path, rate=1, rate_burst=3))
    ring = app.access._ring
    assert ring is not None

    def status(secret: str) -> int:
        return ask_any(app, "POST", "/v1/understand", body=QUERY, headers=bearer(secret)).status

    assert status(keys.read) == 200
    more = make_secret()
    write_keys(keys.path, [*read_keys(keys.path), key_of(more, "app")])
    assert status(more.secret) == 403  # the file is looked at once a second
    ring.look()
    assert (status(more.secret), status(keys.read), status(keys.read), status(keys.read)) == (200, 200, 200, 429)
    write_keys(keys.path, [key_of(more, "app")])
    ring.look()
    assert (status(keys.read), status(keys.admin), status(more.secret)) == (403, 403, 200)
    for broken in (b"{", b"", None):
        keys.path.unlink(missing_ok=True)
        if broken is not None:
            keys.path.write_bytes(broken)
        caplog.clear()
        ring.look()
        ring.look()
        assert caplog.text.count("stay as they were") == 1
        assert ring.holder(f"Bearer {more.secret}".encode(), 0.0) is not None
    write_keys(keys.path, [])
    ring.look()
    assert status(more.secret) == 403  # no key at all is not the same as none asked for


def test_a_key_that_was_revoked_is_none_once_the_file_can_be_read_again(keys: Keys, caplog: Any) -> None:
    ring = KeyRing(keys.path)
    web, ops = read_keys(keys.path)
    write_keys(keys.path, [ops])
    keys.path.chmod(0o660)  # as an editor leaves it that writes a new file
    ring.look()
    assert "others may write" in caplog.text and ring.holder(f"Bearer {keys.read}".encode(), 0.0) is not None
    keys.path.chmod(0o600)
    ring.look()
    assert ring.holder(f"Bearer {keys.read}".encode(), 0.0) is None


def test_a_failure_that_leaves_no_trace_at_the_file_is_tried_again(keys: Keys, caplog: Any, monkeypatch: Any) -> None:
    def fail(_: Path) -> Any:
        raise UserError("the keys cannot be read: Too many open files")

    ring = KeyRing(keys.path)
    write_keys(keys.path, [key for key in read_keys(keys.path) if key.name == "ops"])
    with monkeypatch.context() as broken:
        broken.setattr("service.access.ring.read_keys", fail)
        ring.look()
        ring.look()
    assert caplog.text.count("Too many open files") == 1
    ring.look()
    assert ring.holder(f"Bearer {keys.read}".encode(), 0.0) is None


def test_a_file_that_is_given_its_old_time_and_size_is_read_again(keys: Keys) -> None:
    ring = KeyRing(keys.path)
    before = keys.path.stat()
    text = keys.path.read_text().replace(digest_of(keys.read.encode()), "0" * 64)
    while keys.path.stat().st_ctime_ns == before.st_ctime_ns:  # that clock goes in steps
        keys.path.write_text(text)
        os.utime(keys.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ring.look()
    assert ring.holder(f"Bearer {keys.read}".encode(), 0.0) is None


def test_what_was_found_right_is_found_again_in_one_spelling_only(keys: Keys) -> None:
    ring = KeyRing(keys.path)
    for form in (f"Bearer {keys.read}", f"bearer {keys.read}", f"Bearer  {keys.read}", "Bearer wrong"):
        ring.holder(form.encode(), 0.0)
        ring.holder(form.encode(), 0.0)
    assert list(ring._known) == [f"Bearer {keys.read}".encode()]


def test_a_rotated_key_is_good_for_its_grace_and_both_share_a_rate(tmp_path: Path) -> None:
    old, new = make_secret(), make_secret()
    clock = [NOW]
    hour = timedelta(hours=1)
    path = tmp_path / "keys.json"
    write_keys(
        path,
        [key_of(new, "web", rotated=NOW, previous=old.digest, previous_expires=NOW + hour, expires=NOW + 2 * hour)],
    )
    ring = KeyRing(path, now=lambda: clock[0])

    def found(made: MadeKey) -> Any:
        return ring.holder(f"Bearer {made.secret}".encode(), 0.0)

    assert found(old).bucket is found(new).bucket
    clock[0] = NOW + hour
    ring.look(0.0)
    assert found(old) is None and found(new).name == "web"
    clock[0] = NOW + 2 * hour
    ring.look(0.0)
    assert found(new) is None
    clock[0] = NOW  # a clock that is set back: what has expired was let go of until the file is read again
    ring.look(0.0)
    assert found(new) is None


def test_the_rate_by_hand() -> None:
    # 2 a second, 3 at once: at 0 three pass and the fourth waits until the first half second is over.
    rate, bucket = Rate(2, 3), Bucket()
    assert [rate.take(bucket, 100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert rate.take(bucket, 100.25) == 0.25
    assert [rate.take(bucket, 100.5) for _ in range(2)] == [0, 0.5]
    # After two seconds of rest there are three again, and no more.
    assert [rate.take(bucket, 110.0) for _ in range(4)] == [0, 0, 0, 0.5]
    # A batch of eleven: ten more, five seconds of debt on top of the one and a half that are used.
    rate.charge(bucket, 110.0, 10)
    assert rate.take(bucket, 110.0) == 5.5
    assert (rate.burst, rate.window) == (3, 2)


@given(
    per_second=st.floats(0.1, 1e5), burst=st.integers(1, 100), gaps=st.lists(st.floats(0, 3), min_size=1, max_size=60)
)
def test_no_pattern_beats_the_rate(per_second: float, burst: int, gaps: list[float]) -> None:
    rate, bucket, now, passed = Rate(per_second, burst), Bucket(), 1000.0, 0
    for gap in gaps:
        now += gap
        passed += rate.take(bucket, now) == 0
    assert passed <= burst + (now - 1000.0) * per_second + 1e-3


def test_too_many_requests_say_when_to_come_again(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path, rate=0.1, rate_burst=2))
    clock = [50.0]
    app.access._clock = lambda: clock[0]

    def ask(secret: str, path: str = "/v1/understand", body: bytes = QUERY) -> Any:
        return ask_any(app, "POST", path, body=body, headers=bearer(secret))

    assert [ask(keys.read).status for _ in range(3)] == [200, 200, 429]
    answer = ask(keys.read)
    assert answer.problem() == (429, "too-many-requests", None)
    # One in ten seconds and two at once: the next is due in ten; the two make a window of twenty.
    assert (answer.headers["retry-after"], answer.headers["ratelimit"]) == ("10", '"default";r=0;t=10')
    assert answer.headers["ratelimit-policy"] == '"default";q=2;w=20'
    assert ask(keys.admin).status == 200  # a rate of its own
    clock[0] += 10
    assert ask(keys.read).status == 200
    clock[0] += 20
    batch = json.dumps({"queries": ["protein"] * 5}).encode()
    assert ask(keys.read, "/v1/understand/batch", batch).status == 200  # admitted as one, and pays for five
    assert ask(keys.read).headers["retry-after"] == "40"
    assert ask_any(app, "GET", "/healthz").status == 200


def test_a_clock_that_jumps_changes_no_rate(ask_any: Any, release: Release, keys: Keys, monkeypatch: Any) -> None:
    app = create_app(release, settings=Settings(keys=keys.path, rate=0.001, rate_burst=1))
    statuses = []
    for wall in (0.0, 4e9, 1e9):
        monkeypatch.setattr("time.time", lambda wall=wall: wall)
        statuses.append(ask_any(app, "POST", "/v1/understand", body=QUERY, headers=bearer(keys.read)).status)
    assert statuses == [200, 429, 429]


def test_without_keys_the_rate_may_count_by_address(ask_any: Any, release: Release) -> None:
    assert create_app(release, settings=Settings(rate=1))._front is None
    app = create_app(release, settings=Settings(rate=0.01, rate_burst=1, rate_by_address=True))
    statuses = [ask_any(app, "POST", "/v1/understand", body=QUERY).status for _ in range(2)]
    assert statuses == [200, 429]


def test_metrics_tell_who_was_turned_away_and_why_without_a_word_of_a_key(
    ask_any: Any, release: Release, keys: Keys
) -> None:
    def told(settings: Settings, *tried: tuple[str, str]) -> tuple[dict[str, float], bytes]:
        app = create_app(release, settings=replace(settings, open_metrics=True))
        with app.instruments.running():
            for path, secret in tried:
                ask_any(app, "POST", path, body=QUERY, headers=bearer(secret) if secret else bearer("")[:1])
            page = ask_any(app, "GET", "/metrics", headers=((b"accept", b"text/plain"),)).body
        [family] = [f for f in text_string_to_metric_families(page.decode()) if f.name == "querywise_refused"]
        return {s.labels["reason"]: s.value for s in family.samples if s.value and s.name.endswith("_total")}, page

    ask, move = "/v1/understand", "/v1/admin/reload"
    tried = [(ask, ""), (ask, "qw_guessed"), (ask, "qw_guessed"), (move, keys.read), *[(ask, keys.read)] * 4]
    found, page = told(Settings(keys=keys.path, rate=0.01, rate_burst=1), *tried)
    assert found == {"no_key": 1, "wrong_key": 2, "wrong_role": 1, "key_rate": 3}
    assert b"qw_" not in page and b"guessed" not in page and keys.read[:12].encode() not in page
    found, _ = told(Settings(rate=0.01, rate_burst=1, rate_by_address=True), (ask, ""), (ask, ""))
    assert found == {"address_rate": 1}


def test_addresses_are_counted_by_site_and_are_not_without_end(monkeypatch: Any) -> None:
    buckets = AddressBuckets()
    assert buckets.of("2001:db8::1", 0) is buckets.of("2001:db8::ffff:2", 0)
    assert buckets.of("2001:db8:0:1::1", 0) is not buckets.of("2001:db8::1", 0)
    assert buckets.of("10.0.0.1", 0) is not buckets.of("10.0.0.2", 0)
    assert buckets.of("fe80::1%eth0", 0) is buckets.of("fe80::2", 0) and buckets.of("no:address", 0) is not None
    assert buckets.of("::ffff:10.0.0.1", 0) is buckets.of("10.0.0.1", 0)  # as a socket for both families has it
    assert buckets.of("::ffff:10.0.0.1", 0) is not buckets.of("::ffff:10.0.0.2", 0)
    buckets = AddressBuckets()
    monkeypatch.setattr("service.access.rate._MOST_ADDRESSES", 8)
    for i in range(100):
        buckets.of(f"10.0.1.{i}", 1.0).due = 5.0
    assert len(buckets) <= 8
    assert buckets.of("10.0.2.1", 1.0) is buckets.of("10.0.2.2", 1.0)  # what all others share
    buckets.of("10.0.3.1", 6.0)
    assert len(buckets) == 1  # by then the others have used up nothing


def test_the_first_header_counts_and_the_query_string_never(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path))
    twice = ((b"authorization", b"Bearer no"), (b"authorization", f"Bearer {keys.read}".encode()))
    assert ask_any(app, "GET", "/v1/release", headers=twice).status == 403
    assert ask_any(app, "GET", "/v1/release", query=f"key={keys.read}".encode()).status == 401


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.binary(max_size=80), path=st.text(max_size=20).map("/".__add__))
def test_no_header_and_no_path_opens_anything(keys: Keys, header: bytes, path: str) -> None:
    access = Access(Settings(keys=keys.path))
    problem = access.admit({"path": path, "headers": [(b"authorization", header)], "root_path": ""})
    assert problem is not None or path in access._open or path.startswith("/static/")


PREFLIGHT = ((b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"authorization"))


def test_other_origins_are_let_in_by_name_also_on_the_short_cut(ask_any: Any, release: Release, keys: Keys) -> None:
    app = create_app(release, settings=Settings(keys=keys.path, cors_origin="https://a.example, http://b.example:8080"))
    ours, theirs = (b"origin", b"https://a.example"), (b"origin", b"https://c.example")
    asked = ask_any(app, "OPTIONS", "/v1/understand", headers=(ours, *PREFLIGHT))
    assert asked.status == 200 and asked.headers["access-control-allow-origin"] == "https://a.example"
    assert ask_any(app, "OPTIONS", "/v1/understand", headers=(theirs, *PREFLIGHT)).status == 400
    answer = ask_any(app, "POST", "/v1/understand", body=QUERY, headers=(*bearer(keys.read), ours))
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://a.example")
    assert answer.headers["vary"] == "Origin" and "access-control-allow-credentials" not in answer.headers
    refused = ask_any(app, "POST", "/v1/understand", body=QUERY, headers=(ours,))
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")
    strange = ask_any(app, "POST", "/v1/understand", body=QUERY, headers=(*bearer(keys.read), theirs))
    assert "access-control-allow-origin" not in strange.headers


def test_by_default_no_other_origin_is_let_in(ask_any: Any, release: Release) -> None:
    app = create_app(release)
    origin = (b"origin", b"https://a.example")
    answer = ask_any(app, "GET", "/v1/understand", query=b"q=protein", headers=(origin,))
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert ask_any(app, "OPTIONS", "/v1/understand", headers=(origin, *PREFLIGHT)).status == 405


def test_what_is_no_origin_is_refused() -> None:
    assert origins_of(None) == origins_of(" , ") == []
    assert origins_of("https://A.example/,*") == ["https://a.example", "*"]
    for text in ("a.example", "https://a.example/path", "null", "ftp://a", "https://a.example:port"):
        with pytest.raises(UserError, match="no origin"):
            origins_of(text)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"rate": 5.0}, "pass --keys or --rate-by-address too, or leave --rate out"),
        ({"rate": 5.0, "rate_burst": 9}, "pass --keys or --rate-by-address too, or leave --rate out"),
        ({"rate_by_address": True}, "pass --rate too, or leave --rate-by-address out"),
        ({"keys": Path("k"), "rate_burst": 9}, "pass --rate too, or leave --rate-burst out"),
        ({"shadow": True}, "pass --other too, or leave --shadow out"),
        ({"share": 0.0}, "pass --other too, or leave --share out"),
    ],
)
def test_a_setting_that_would_do_nothing_is_refused(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(UserError, match="does nothing without") as refused:
        check_front(Settings(**given))
    assert refused.value.hint == hint


def test_settings_that_go_together_are_not(keys: Keys) -> None:
    check_front(Settings())
    check_front(Settings(keys=keys.path, rate=5, rate_burst=9, rate_by_address=True))
    check_front(Settings(rate=5, rate_by_address=True))
    check_front(Settings(other="2026-11-22-77be01", share=0.5, shadow=True))


@pytest.mark.parametrize(
    "path", ["/v1/understand", "/v1/release", "/", "/healthz", "/nothing", "/v1/admin/x", "/metrics"]
)
def test_no_answer_is_taken_for_something_else(ask_any: Any, release: Release, path: str) -> None:
    app = create_app(release)
    for method in ("GET", "POST", "PUT"):
        assert ask_any(app, method, path).headers["x-content-type-options"] == "nosniff"


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(program, ["keys", *map(str, arguments)], catch_exceptions=True)


def test_keys_on_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "keys.json"
    added = run("add", "--file", file, "--name", "web")
    secret = added.stdout.strip()
    assert added.exit_code == 0 and secret.startswith("qw_") and secret not in added.stderr
    ring = KeyRing(file)
    assert ring.holder(f"Bearer {secret}".encode(), 0.0).role == "read"
    twice = run("add", "--file", file, "--name", "web")
    assert isinstance(twice.exception, UserError) and "already" in str(twice.exception)
    ops = json.loads(
        run("add", "--file", file, "--name", "ops", "--role", "admin", "--expires-days", "30", "--json").stdout
    )
    assert ops["role"] == "admin" and ops["expires"] > ops["key"][:0]
    listed = run("list", "--file", file)
    assert "web" in listed.stdout and secret[:9] in listed.stdout and secret not in listed.stdout
    told = json.loads(run("list", "--file", file, "--json").stdout)["keys"]
    assert [key["name"] for key in told] == ["web", "ops"] and "digest" not in told[0]
    fresh = run("rotate", "--file", file, "--name", "web").stdout.strip()
    ring.look()
    assert {ring.holder(f"Bearer {each}".encode(), 0.0).name for each in (secret, fresh)} == {"web"}
    assert run("rotate", "--file", file, "--name", "web", "--grace-hours", "0").exit_code == 0
    assert run("revoke", "--file", file, "--name", "ops").exit_code == 0
    ring.look()
    gone = [f"Bearer {each}".encode() for each in (secret, fresh, ops["key"])]
    assert [ring.holder(each, 0.0) for each in gone] == [None, None, None]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "arguments",
    [
        *(("add", "--name", "a"), ("list",), ("revoke", "--file", "{}", "--name", "nobody")),
        *(("rotate", "--file", "{}", "--name", "nobody"), ("add", "--file", "{}", "--name", "no spaces please")),
        ("add", "--file", "{}", "--name", "../x"),
    ],
)
def test_what_cannot_be_done_is_said_and_writes_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "keys.json"
    ended = run(*(each.replace("{}", str(file)) for each in arguments))
    assert isinstance(ended.exception, UserError) and not file.exists()


def test_keys_added_at_once_all_stay(tmp_path: Path) -> None:
    file, names = tmp_path / "keys.json", [f"k{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: add(name=name, file=file), names))
    assert sorted(key.name for key in read_keys(file)) == names


def test_a_full_disk_leaves_the_keys_that_there_were(keys: Keys) -> None:
    before, limit = keys.path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses the first byte of a file, as it does where a disk is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_keys(keys.path, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert keys.path.read_bytes() == before and [each.name for each in keys.path.parent.iterdir()] == ["keys.json"]
