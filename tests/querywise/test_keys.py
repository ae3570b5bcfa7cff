"""`querywise keys`: each command says the same to people and to programs, and tells a secret once."""

from __future__ import annotations

from service.access.keys import read_keys


def test_a_key_is_added_listed_exchanged_and_taken_away(tools, tmp_path):
    at = ("--file", tmp_path / "keys.json")
    added = tools.run("keys", "add", "--name", "search", *at, "--json")
    assert added.code == 0 and added.json["name"] == "search" and added.json["role"] == "read"
    [key] = read_keys(tmp_path / "keys.json")
    secret = added.json["key"]
    assert secret.startswith(key.prefix) and secret not in (tmp_path / "keys.json").read_text()
    rotated = tools.run("keys", "rotate", "--name", "search", *at, "--json")
    assert rotated.code == 0 and secret not in rotated.out
    listed = tools.run("keys", "list", *at, "--json")
    assert listed.code == 0 and {one["name"] for one in listed.json["keys"]} == {"search"} and "qw_" in listed.out
    assert secret not in listed.out and rotated.json["key"] not in listed.out
    gone = tools.run("keys", "revoke", "--name", "search", *at, "--json")
    assert gone.code == 0 and gone.json["name"] == "search" and read_keys(tmp_path / "keys.json") == ()


def test_people_get_text_and_mistakes_a_hint(tools, tmp_path):
    at = ("--file", tmp_path / "keys.json")
    assert "qw_" in tools.run("keys", "add", "--name", "ops", "--role", "admin", *at).out
    assert "ops" in tools.run("keys", "list", *at).out
    assert "ops" in tools.run("keys", "add", "--name", "ops", *at).mistake()
    assert "is no key any more" in (told := tools.run("keys", "revoke", "--name", "ops", *at)).out + told.err
    assert "ops" in tools.run("keys", "revoke", "--name", "ops", *at).mistake()
    assert "whose keys?" in tools.run("keys", "list").mistake()
