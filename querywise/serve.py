"""`serve`: the current release over HTTP."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from domain.errors import StageMissing
from querywise.options import ShopArgument, WorkOption, console, shop_at
from release import current_release
from release.discover import EXPLORATORY_SHARE, FEW_RESULTS
from release.student import Provider

__all__ = ["serve"]


def serve(
    shop: ShopArgument,
    work: WorkOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    provider: Annotated[Provider, typer.Option(help="Where the student runs; nowhere else.")] = "cpu",
    quality_weight: Annotated[
        float, typer.Option(min=0, max=10, help="Of the quality of products beside the cosine, in embeddings.")
    ] = 0.0,
    few_results: Annotated[
        int, typer.Option(min=0, max=1000, help="Results up to which substitutes lead on a page; then complements do.")
    ] = FEW_RESULTS,
    exploratory_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of the suggestions, the share that may be exploratory.")
    ] = EXPLORATORY_SHARE,
    batch_max: Annotated[
        int, typer.Option(min=1, max=1024, help="Queries that go through the student in one pass; 1: each by itself.")
    ] = 64,
    batch_wait_us: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100_000,
            help="Microseconds a query waits for others. By default 200 on CUDA; on the CPU each goes by itself.",
        ),
    ] = None,
) -> None:
    """Serve the current release, with the playground at /."""
    opened = shop_at(shop, work)
    release = current_release(opened.releases)
    if release is None:
        raise StageMissing("there is no release to serve", hint=f"run `querywise run {shop}` first")
    console.print(f"release {release} of {opened.config.name} at http://{host}:{port}  (Ctrl-C stops)")
    # The service takes the place of this process, so that it runs without all that the other commands have loaded.
    options = ["--host", host, "--port", str(port), "--workers", str(workers), "--provider", provider]
    options += ["--quality-weight", str(quality_weight), "--batch-max", str(batch_max)]
    options += ["--few-results", str(few_results), "--exploratory-share", str(exploratory_share)]
    if batch_wait_us is not None:
        options += ["--batch-wait-us", str(batch_wait_us)]
    # -P: a folder named service where the user stands is none of ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service", str(opened.releases / release), *options])
