"""`batch`: requests out as a provider's batch file, its output back in."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import ModelError, UserError
from domain.files import replace_atomically
from prompts import Completion, CompletionRequest, open_provider
from prompts.answer import Unparseable, parse_answer
from prompts.batch import export_batch, import_batch
from prompts.cache import CompletionCache
from prompts.providers import completion_adapter
from querywise.label import TierOption, requests_of
from querywise.options import (
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    WithoutContextOption,
    WorkOption,
    console,
    model_name,
    shop_at,
    write_json,
)
from querywise.pipeline import open_teacher

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Batch files in the OpenAI format.")


@app.command("export")
def export(
    shop: ShopArgument,
    output: Annotated[Path, typer.Option("--output", help="The batch input file to write (JSON Lines).")],
    work: WorkOption = None,
    model: ModelOption = None,
    prompt: PromptOption = "understand",
    tiers: TierOption = "head,torso",
    without_context: WithoutContextOption = False,
    all_requests: Annotated[bool, typer.Option("--all", help="Also what the cache holds already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the requests that have no completion yet as a batch input file.

    A query whose completion cannot be read is asked once more, with what was wrong, as `label` would.
    """
    opened = shop_at(shop, work)
    name = _name(model_name(opened, model))
    teacher = open_teacher(opened, model=name, prompt=prompt, with_context=not without_context)
    requests = requests_of(opened, teacher, tiers)
    wanted = requests if all_requests else list(_unanswered(requests, CompletionCache(opened.cache)))
    count = export_batch(output, wanted)
    if as_json:
        write_json({"requests": count, "in_cache": len(requests) - count, "output": output})
    else:
        console.print(f"{count:,} requests written to {output}; {len(requests) - count:,} are answered already")


@app.command("import")
def import_(
    shop: ShopArgument,
    input_: Annotated[Path, typer.Option("--input", help="The batch output file.")],
    work: WorkOption = None,
    model: ModelOption = None,
    prompt: PromptOption = "understand",
    tiers: TierOption = "head,torso",
    without_context: WithoutContextOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take the completions of a batch output file into the cache. Exit 1 while any request is still unanswered."""
    if not input_.is_file():
        raise UserError(f"there is no file {input_}", hint="--input takes the provider's output file")
    opened = shop_at(shop, work)
    name = _name(model_name(opened, model))
    teacher = open_teacher(opened, model=name, prompt=prompt, with_context=not without_context)
    cache = CompletionCache(opened.cache)
    requests = requests_of(opened, teacher, tiers)
    asked = {request.key: request for request in [*requests, *_unanswered(requests, cache)]}
    report = import_batch(input_, wanted=asked, model=name, cache=cache)
    again = sum(request.key not in asked for request in _unanswered(requests, cache))
    if as_json:
        write_json(asdict(report) | {"unreadable": again})
    else:
        console.print(
            f"{report.imported:,} completions taken in, {report.known:,} known already, "
            f"{report.unasked:,} that nothing asks for; {report.missing:,} requests still without an answer"
        )
        for reason, count in report.rejected.items():
            console.print(f"  {count:,} lines passed over: {reason}")
        if again:
            console.print(f"  {again:,} completions cannot be read; `querywise batch export` asks for them again")
    if report.missing or again:
        raise typer.Exit(1)


@app.command("record")
def record(
    shop: ShopArgument,
    output: Annotated[Path, typer.Option("--output", help="The recording to write: .jsonl or .jsonl.gz.")],
    work: WorkOption = None,
    model: ModelOption = None,
    prompt: PromptOption = "understand",
    tiers: TierOption = "head,torso",
    as_json: JsonOption = False,
) -> None:
    """Write the completions that the shop's requests have, with context and without, as a recording to replay."""
    opened = shop_at(shop, work)
    name = _name(model_name(opened, model))
    cache = CompletionCache(opened.cache)
    kept: list[Completion] = []
    for with_context in (True, False):
        teacher = open_teacher(opened, model=name, prompt=prompt, with_context=with_context)
        for request in requests_of(opened, teacher, tiers):
            kept += (turn.completion for turn in _turns(request, cache) if turn.completion is not None)
    if not kept:
        raise UserError(f"no completion of {name} is kept", hint="`querywise label` or `batch import` first")
    with replace_atomically(output) as file:
        # No time stamp in the gzip header: the same completions give the same file.
        packed = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if output.suffix == ".gz" else file
        for completion in kept:
            packed.write(completion_adapter.dump_json(completion) + b"\n")
        if packed is not file:
            packed.close()
    if as_json:
        write_json({"completions": len(kept), "output": output})
    else:
        console.print(f"{len(kept):,} completions written to {output}")


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """A request and its completion, as far as there is one."""

    request: CompletionRequest
    completion: Completion | None


def _turns(request: CompletionRequest, cache: CompletionCache) -> Iterator[_Turn]:
    """Yield a request and, where its completion cannot be read, the one that asks for it again."""
    first = _kept(request, cache)
    yield _Turn(request=request, completion=first)
    answer = parse_answer(first.content) if first else None
    if first and isinstance(answer, Unparseable):
        repair = request.repair(first.content, answer.complaint)
        yield _Turn(request=repair, completion=_kept(repair, cache))


def _kept(request: CompletionRequest, cache: CompletionCache) -> Completion | None:
    found = cache.get(request.key)
    return None if found is None else completion_adapter.validate_python(found)


def _unanswered(requests: Iterable[CompletionRequest], cache: CompletionCache) -> Iterator[CompletionRequest]:
    for request in requests:
        yield from (turn.request for turn in _turns(request, cache) if turn.completion is None)


def _name(model: str | None) -> str:
    if not model:
        raise ModelError("no model is named", hint="pass --model with the name under which completions are kept")
    return open_provider(model).model if model.startswith("recorded:") else model
