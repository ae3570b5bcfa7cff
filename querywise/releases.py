"""`release`: what can be served, and what is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from domain.errors import ReleaseError, UserError
from querywise.options import JsonOption, ShopArgument, WorkOption, console, results, shop_at, work_on, write_json
from querywise.release_diff import diff
from querywise.shipping import ship
from querywise.show import show_verdict
from release import (
    GateRecord,
    current_release,
    find_gate_key,
    gate_key,
    list_releases,
    previous_release,
    promote,
    rollback,
    verify_gate,
    verify_release,
)
from release.elsewhere import is_url
from release.key import GATE_KEY, GATE_KEY_VARIABLE
from release.manifest import read_manifest
from release.remote import push

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Releases of a shop.")
app.command("diff")(diff)

_Release = Annotated[str | None, typer.Argument(help="The release's id; the current one unless given.")]


@app.command("build")
def build(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Build a release of the labels, and make it the current one if its gate says PASS. Exit 1 if it does not."""
    with work_on(shop, work) as opened:
        shipped = ship(opened, force=True)
    path = shipped.folder
    if as_json:
        write_json({"release": path.name, "path": path, "verdict": shipped.verdict})
    else:
        console.print(f"release {path.name} at {path}")
        show_verdict(shipped)
    if shipped.verdict != "PASS":
        raise typer.Exit(1)


@app.command("list")
def list_(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """List the releases with their verdicts, oldest first; the current one has a star."""
    releases = shop_at(shop, work).releases
    current, found = current_release(releases), list_releases(releases)
    rows = [{"release": name, "current": name == current} | _gate_of(releases / name) for name in found]
    if as_json:
        write_json(rows)
        return
    for row in rows:
        said = row["problem"] or f"{row['verdict'] or 'no verdict'}{', overridden' if row['override'] else ''}"
        sys.stdout.write(f"{'*' if row['current'] else ' '} {row['release']}  {said}\n")


def _gate_of(folder: Path) -> dict[str, Any]:
    """Return what the list says of a release; one that cannot be read does not hide the others."""
    try:
        gate = read_manifest(folder).gate
    except ReleaseError as error:
        return {"verdict": None, "override": None, "problem": str(error)}
    reason = gate.override.reason if gate and gate.override else None
    return {"verdict": _verdict(gate), "override": reason, "problem": None}


def _verdict(gate: GateRecord | None) -> str | None:
    """Return the verdict of an evaluation; that of an override where there was none is no verdict."""
    return gate.verdict if gate and gate.look else None


@app.command("show")
def show(shop: ShopArgument, release: _Release = None, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Show the manifest of a release: what it was built from, how, and what its evaluation decided."""
    releases = shop_at(shop, work).releases
    manifest = read_manifest(releases / _chosen(releases, release))
    if as_json:
        write_json(manifest)
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("release", manifest.release)
    table.add_row("shop", manifest.shop)
    table.add_row("created", f"{manifest.created:%Y-%m-%d %H:%M:%S %Z}")
    for name, value in _gate_rows(manifest.gate):
        table.add_row(name, value)
    table.add_row("queries", ", ".join(f"{count:,} {tier}" for tier, count in manifest.counts.items()))
    table.add_row("models", ", ".join(manifest.models))
    table.add_row("prompts", ", ".join(manifest.prompts))
    for name, fingerprint in manifest.fingerprints.items():
        table.add_row(name, fingerprint)
    size = sum(file.bytes for file in manifest.files.values())
    table.add_row("files", f"{len(manifest.files)}, {size / 1e6:,.1f} MB")
    results.print(table)


def _gate_rows(gate: GateRecord | None) -> Iterator[tuple[str, str]]:
    if gate is None or not gate.look:
        yield "verdict", "none"
    else:
        yield "verdict", f"{gate.verdict}, decided {gate.decided:%Y-%m-%d %H:%M:%S %Z}, look {gate.look}"
        yield "compared with", gate.base or "no other release"
        if gate.failed:
            yield "failed", ", ".join(gate.failed)
        if gate.inconclusive:
            yield "inconclusive", ", ".join(gate.inconclusive)
    if gate and gate.override:
        yield "override", f"{gate.override.reason} ({gate.override.by}, {gate.override.at:%Y-%m-%d %H:%M:%S %Z})"


@app.command("verify")
def verify(shop: ShopArgument, release: _Release = None, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Check every digest of a release, and the signature of its verdict where the key is at hand.

    Exit 1 with the file named when one does not hold, or when the verdict is not what this key signed.
    """
    opened = shop_at(shop, work)
    manifest = verify_release(opened.releases / _chosen(opened.releases, release))
    key = find_gate_key(opened.work)
    if manifest.gate is not None and key is not None:
        verify_gate(manifest, key)
    signature = None if manifest.gate is None else "not checked" if key is None else "valid"
    if as_json:
        found = {"release": manifest.release, "whole": True, "files": len(manifest.files)}
        write_json(found | {"verdict": _verdict(manifest.gate), "signature": signature})
        return
    console.print(f"release {manifest.release} is whole: {len(manifest.files)} files")
    said = f"its verdict is {_verdict(manifest.gate) or 'none'}"
    if manifest.gate is None:
        console.print(said)
    elif key is None:
        where = f"{opened.work / GATE_KEY} is not there and {GATE_KEY_VARIABLE} is not set"
        console.print(f"{said}; its signature was not checked: {where}")
    else:
        console.print(f"{said}; its signature is that of the key at hand")


@app.command("promote")
def promote_(
    shop: ShopArgument,
    release: Annotated[str, typer.Argument(help="The release's id.")],
    override: Annotated[
        str | None, typer.Option("--override", help="Why to promote it without a PASS; kept and shown with it.")
    ] = None,
    work: WorkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a release the current one. Exit 1 when its verdict is no PASS, unless that is overridden."""
    opened = shop_at(shop, work)
    promote(opened.releases, _chosen(opened.releases, release), key=gate_key(opened.work), override=override)
    _say_current(opened.releases, as_json)
    gate = read_manifest(opened.releases / release).gate
    if not as_json and gate and gate.override and override is not None:
        over = f"over {gate.verdict}" if gate.look else "without a verdict"
        console.print(f"promoted {over}: {gate.override.reason}")


@app.command("rollback")
def rollback_(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Make the release before the current one current again."""
    releases = shop_at(shop, work).releases
    rollback(releases)
    _say_current(releases, as_json)


@app.command("push")
def push_(
    shop: ShopArgument,
    url: Annotated[
        str, typer.Argument(help="Of a folder of releases elsewhere, as fsspec takes it: s3://, gs://, ...")
    ],
    work: WorkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the current release to a folder elsewhere and let it be current there: services follow it by that URL."""
    if not is_url(url):
        raise UserError(f"{url} is no URL", hint="a folder of this machine is file:///path")
    name = push(shop_at(shop, work).releases, url)
    if as_json:
        write_json({"release": name})
    else:
        console.print(f"{name} is current there")


def _say_current(releases: Path, as_json: bool) -> None:
    current, previous = current_release(releases), previous_release(releases)
    if as_json:
        write_json({"current": current, "previous": previous})
    else:
        console.print(f"current is {current}, before it {previous or 'none'}")


def _chosen(releases: Path, release: str | None) -> str:
    """Return the id that was asked for, or the current one.

    Raises:
        UserError: when there is none. A folder that is there counts, so that one that is damaged is called so.
    """
    chosen = release or current_release(releases)
    if chosen is None:
        raise UserError("there is no release", hint="`querywise run` or `querywise release build` makes one")
    if "/" in chosen or chosen.startswith(".") or not (releases / chosen).is_dir():
        raise UserError(f"there is no release {chosen}", hint="`querywise release list` names them all")
    return chosen
