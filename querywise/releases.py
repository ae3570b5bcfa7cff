"""`release`: what can be served, and what is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import UserError
from querywise.options import JsonOption, ShopArgument, WorkOption, console, shop_at, write_json
from querywise.pipeline import make_release
from release import current_release, list_releases, promote, rollback, verify_release
from release.manifest import read_manifest

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Releases of a shop.")

_Release = Annotated[str | None, typer.Argument(help="The release's id; the current one unless given.")]


@app.command("build")
def build(shop: ShopArgument, work: WorkOption = None, as_json: JsonOption = False) -> None:
    """Build a release of the labels and make it the current one."""
    path = make_release(shop_at(shop, work))
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
def show(shop: ShopArgument, release: _Release = None, work: WorkOption = None) -> None:
    """Show a release's manifest as JSON."""
    opened = shop_at(shop, work)
    write_json(read_manifest(opened.releases / _chosen(opened.releases, release)))


@app.command("verify")
def verify(shop: ShopArgument, release: _Release = None, work: WorkOption = None) -> None:
    """Check every digest of a release. Exit 1 with the file named when one does not hold."""
    opened = shop_at(shop, work)
    manifest = verify_release(opened.releases / _chosen(opened.releases, release))
    console.print(f"release {manifest.release} is whole: {len(manifest.files)} files")


@app.command("promote")
def promote_(
    shop: ShopArgument, release: Annotated[str, typer.Argument(help="The release's id.")], work: WorkOption = None
) -> None:
    """Make a release the current one."""
    releases = shop_at(shop, work).releases
    promote(releases, release)
    console.print(f"current is {release}")


@app.command("rollback")
def rollback_(shop: ShopArgument, work: WorkOption = None) -> None:
    """Make the release before the current one current again."""
    console.print(f"current is {rollback(shop_at(shop, work).releases)}")


def _chosen(releases: Path, release: str | None) -> str:
    chosen = release or current_release(releases)
    if chosen is None:
        raise UserError("there is no release", hint="`querywise run` or `querywise release build` makes one")
    return chosen
