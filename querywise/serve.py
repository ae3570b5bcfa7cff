"""`serve`: the current release over HTTP."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Annotated, Any

import typer

from domain.errors import StageMissing
from querywise.keys import keys_file
from querywise.options import ShopArgument, WorkOption, console, shop_at
from release import current_release
from service.options import as_command_line, setting_options

__all__ = ["serve"]


def serve(
    shop: ShopArgument,
    work: WorkOption = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 1,
    **settings: Any,
) -> None:
    """Serve the current release, and the next ones as they are promoted, with the playground at /."""
    opened = shop_at(shop, work)
    release = current_release(opened.releases)
    if release is None:
        raise StageMissing("there is no release to serve", hint=f"run `querywise run {shop}` first")
    if settings["keys"] is None and keys_file(opened.work).exists():
        settings["keys"] = keys_file(opened.work)
        console.print(f"asks for the keys of {settings['keys']}")
    console.print(f"release {release} of {opened.config.name} at http://{host}:{port}  (Ctrl-C stops)")
    # The service takes the place of this process, so that it runs without all that the other commands have loaded.
    options = ["--host", host, "--port", str(port), "--workers", str(workers), *as_command_line(settings)]
    # -P: a folder named service where the user stands is none of ours.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "service", str(opened.releases / "current"), *options])


def _take_settings() -> None:
    """Give `serve` a parameter for each setting of the service, for Typer to read."""
    signature = inspect.signature(serve, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for each in setting_options():
        option = typer.Option(help=each.option.help, min=each.option.least, max=each.option.most)
        annotation = Annotated[each.type, option]  # type: ignore[name-defined]
        parameters.append(
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=annotation)
        )
    serve.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    serve.__annotations__ = {p.name: p.annotation for p in parameters}


_take_settings()
