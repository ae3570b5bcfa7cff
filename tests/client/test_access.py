"""Keys and rates of the real service, as a client meets them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from querywise_client import Client, ConnectionFailed, Forbidden, TooManyRequests, Unauthorized
from service.access.keys import Key, make_secret, write_keys
from tests.service import conftest as service_conftest


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A service that asks for keys and answers each so many times a second, and one of its keys."""

    address: str
    key: str


@pytest.fixture(scope="module")
def guarded(release_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    made = make_secret()
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    created = datetime(2026, 11, 22, tzinfo=UTC)
    write_keys(file, [Key(name="web", role="read", prefix=made.prefix, digest=made.digest, created=created)])
    with service_conftest.running(release_folder, "--keys", str(file), "--rate", "1") as port:
        yield Guarded(address=f"http://127.0.0.1:{port}", key=made.secret)


def test_keys(ask, guarded):
    with pytest.raises(Unauthorized) as caught:
        ask(guarded.address, "understand", "protein")
    assert (caught.value.kind, caught.value.field) == ("unauthorized", "authorization")
    with pytest.raises(Forbidden) as refused:
        ask(guarded.address, "understand", "protein", client={"api_key": "qw_wrong"})
    assert "qw_wrong" not in f"{refused.value} {refused.value.detail}"
    assert ask(guarded.address, "understand", "protein", on_error="empty").reason == "degraded"
    assert ask(guarded.address, "ready") is True


def test_a_key_asks_as_often_as_it_may(guarded):
    with Client(guarded.address, api_key=guarded.key, timeout=10, connect_timeout=5, retries=0) as client:
        assert client.understand("protein").source == "head"
        with pytest.raises(TooManyRequests) as caught:
            for _ in range(300):
                client.understand("protein")
    assert caught.value.kind == "too-many-requests" and caught.value.retry_after >= 1
    with Client(guarded.address, api_key=guarded.key, timeout=30, connect_timeout=5) as patient:
        assert patient.understand("protein").source == "head"


def test_tls_where_there_is_none(ask, guarded):
    address = guarded.address.replace("http:", "https:")
    for verify in (True, False, ssl.create_default_context()):
        with pytest.raises(ConnectionFailed):
            ask(address, "understand", "protein", client={"verify": verify, "retries": 0})
