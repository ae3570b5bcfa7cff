"""`keys`: who may ask a service, and who may administer it."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from domain.errors import UserError
from querywise.options import JsonOption, WorkOption, console, results, shop_at, write_json
from service.access.keys import Key, MadeKey, Role, make_secret, read_keys, write_keys

__all__ = ["app", "keys_file"]

app = typer.Typer(no_args_is_help=True, help="API keys of a service, each with a name and a role.")

_Shop = Annotated[Path | None, typer.Argument(help="The shop folder; its keys are in its work folder.", metavar="SHOP")]
_File = Annotated[Path | None, typer.Option("--file", help="The file of keys, where there is no shop folder.")]
_Name = Annotated[str, typer.Option("--name", help="Whose key it is: letters, digits, '.', '_', '-'.")]
_Days = Annotated[float | None, typer.Option("--expires-days", min=0.001, max=36500, help="Until it is none any more.")]


def keys_file(work: Path) -> Path:
    """Return where the keys of a shop lie."""
    return work / "keys.json"


@app.command("add")
def add(
    name: _Name,
    shop: _Shop = None,
    file: _File = None,
    work: WorkOption = None,
    role: Annotated[Role, typer.Option("--role", help="read asks; admin also reloads and rolls back.")] = "read",
    expires_days: _Days = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once."""
    with _changing(_place(shop, file, work)) as path:
        keys = _read(path)
        if any(key.name == name for key in keys):
            raise UserError(f"there is a key named {name!r} already", hint="`keys rotate` gives it a new secret")
        made, now = make_secret(), _now()
        expires = None if expires_days is None else now + timedelta(days=expires_days)
        key = Key(name=name, role=role, prefix=made.prefix, digest=made.digest, created=now, expires=expires)
        write_keys(path, (*keys, key))
    _tell(key, made, path, as_json=as_json)


@app.command("rotate")
def rotate(
    name: _Name,
    shop: _Shop = None,
    file: _File = None,
    work: WorkOption = None,
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", min=0, max=8760, help="How long the old secret is still good.")
    ] = 24.0,
    expires_days: _Days = None,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret and print it, this once; the old one is good for a while, so that nobody is shut out."""
    with _changing(_place(shop, file, work)) as path:
        keys = _read(path)
        before, made, now = _named(keys, name), make_secret(), _now()
        key = replace(
            before,
            prefix=made.prefix,
            digest=made.digest,
            rotated=now,
            expires=before.expires if expires_days is None else now + timedelta(days=expires_days),
            previous=before.digest if grace_hours else None,
            previous_expires=now + timedelta(hours=grace_hours) if grace_hours else None,
        )
        write_keys(path, tuple(key if each is before else each for each in keys))
    _tell(key, made, path, as_json=as_json)


@app.command("list")
def list_(shop: _Shop = None, file: _File = None, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """List the keys: how each begins, what it opens, and since when and until when."""
    keys = _read(_place(shop, file, work))
    if as_json:
        hidden = ("digest", "previous")
        write_json({"keys": [{k: v for k, v in asdict(key).items() if k not in hidden} for key in keys]})
        return
    table = Table("name", "role", "begins with", "created", "rotated", "expires", box=None)
    for key in keys:
        table.add_row(key.name, key.role, f"{key.prefix}...", *map(_day, (key.created, key.rotated)), _until(key))
    results.print(table)


@app.command("revoke")
def revoke(
    name: _Name, shop: _Shop = None, file: _File = None, work: WorkOption = None, as_json: JsonOption = False
) -> None:
    """Take a key away; running services know within a second."""
    with _changing(_place(shop, file, work)) as path:
        keys = _read(path)
        gone = _named(keys, name)
        write_keys(path, tuple(key for key in keys if key is not gone))
    if as_json:
        write_json({"name": name, "prefix": gone.prefix})
    else:
        console.print(f"{name} ({gone.prefix}...) is no key any more")


def _place(shop: Path | None, file: Path | None, work: Path | None) -> Path:
    if (shop is None) == (file is None):
        raise UserError("whose keys?", hint="name the shop folder, or the file of keys with --file")
    if file is not None:
        return file
    assert shop is not None
    return keys_file(shop_at(shop, work).work)


@contextmanager
def _changing(path: Path) -> Iterator[Path]:
    """Let nobody else change the file meanwhile: of two keys that are added at once, both stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def _read(path: Path) -> tuple[Key, ...]:
    return read_keys(path) if path.exists() else ()


def _named(keys: tuple[Key, ...], name: str) -> Key:
    for key in keys:
        if key.name == name:
            return key
    raise UserError(f"there is no key named {name!r}", hint="`querywise keys list` shows them")


def _tell(key: Key, made: MadeKey, path: Path, *, as_json: bool) -> None:
    """Print a secret to standard output, where nothing else goes, and what it is to standard error."""
    if as_json:
        write_json({"name": key.name, "role": key.role, "key": made.secret, "expires": key.expires, "file": path})
        return
    console.print(f"{key.name}, {key.role}, {_until(key) or 'for good'}; kept as a digest in {path}, shown only now:")
    sys.stdout.write(f"{made.secret}\n")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


def _until(key: Key) -> str:
    if key.expires is None:
        return ""
    return f"{'expired' if key.expires <= datetime.now(UTC) else 'until'} {_day(key.expires)}"
