"""`release`: what can be served, and what is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from domain.errors import UserError
from querywise.options import JsonOption, ShopArgument, WorkOption, console, results, shop_at, work_on, write_json
from querywise.pipeline import make_release
from release import current_release, list_releases, previous_release, promote, rollback, verify_release
from release.manifest import read_manifest

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Releases of a shop.")

_Release = Annotated[str | None, typer.Argument(help="The release's id; the current one unless given.")]


@app.command("build")
def build(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Build a release of the labels and make it the current one."""
    with work_on(shop, work) as opened:
        path = make_release(opened, force=True)
    write_json({"release": path.name, "path": path}) if as_json else console.print(f"release {path.name} at {path}")


@app.command("list")
def list_(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """List the releases, oldest first; the current one has a star."""
    releases = shop_at(shop, work).releases
    current, found = current_release(releases), list_releases(releases)
    if as_json:
        write_json([{"release": name, "current": name == current} for name in found])
    else:
        for name in found:
            sys.stdout.write(f"{'*' if name == current else ' '} {name}\n")


@app.command("show")
def show(shop: ShopArgument, release: _Release = None, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Show the manifest of a release: what it was built from, and how."""
    releases = shop_at(shop, work).releases
    manifest = read_manifest(releases / _chosen(releases, release))
    if as_json:
        write_json(manifest)
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("release", manifest.release)
    table.add_row("shop", manifest.shop)
    table.add_row("created", f"{manifest.created:%Y-%m-%d %H:%M:%S %Z}")
    table.add_row("queries", ", ".join(f"{count:,} {tier}" for tier, count in manifest.counts.items()))
    table.add_row("models", ", ".join(manifest.models))
    table.add_row("prompts", ", ".join(manifest.prompts))
    for name, fingerprint in manifest.fingerprints.items():
        table.add_row(name, fingerprint)
    size = sum(file.bytes for file in manifest.files.values())
    table.add_row("files", f"{len(manifest.files)}, {size / 1e6:,.1f} MB")
    results.print(table)


@app.command("verify")
def verify(shop: ShopArgument, release: _Release = None, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Check every digest of a release. Exit 1 with the file named when one does not hold."""
    releases = shop_at(shop, work).releases
    manifest = verify_release(releases / _chosen(releases, release))
    if as_json:
        write_json({"release": manifest.release, "whole": True, "files": len(manifest.files)})
    else:
        console.print(f"release {manifest.release} is whole: {len(manifest.files)} files")


@app.command("promote")
def promote_(
    shop: ShopArgument,
    release: Annotated[str, typer.Argument(help="The release's id.")],
    work: WorkOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a release the current one."""
    releases = shop_at(shop, work).releases
    promote(releases, _chosen(releases, release))
    _say_current(releases, as_json)


@app.command("rollback")
def rollback_(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Make the release before the current one current again."""
    releases = shop_at(shop, work).releases
    rollback(releases)
    _say_current(releases, as_json)


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
