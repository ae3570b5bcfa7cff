"""`export`: what a release knows, as files for a search engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from domain.errors import StageMissing, UserError
from querywise.options import JsonOption, ShopArgument, WorkOption, console, results, shop_at, write_json
from release import current_release
from release.exports import (
    RULES_PER_SET,
    About,
    Changed,
    Difference,
    Engine,
    Export,
    ExportSettings,
    Policy,
    RawQueries,
    Rule,
    compare_with,
    save_export,
)

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="A release as files for a search engine.")

OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="The folder; exports/<engine> in the work folder unless given. It is replaced."),
]
ReleaseOption = Annotated[str | None, typer.Option("--release", help="A release's id; the current one unless given.")]
DiffOption = Annotated[bool, typer.Option("--diff", help="Show what would change of the last export; write nothing.")]
ExpiresOption = Annotated[
    int | None, typer.Option("--expires-days", help="Days after its release that a rule lasts; by kind unless given.")
]
LeastOption = Annotated[
    float | None, typer.Option("--least-confidence", help="Leave out rules less sure than this; by kind unless given.")
]
CategoryFieldOption = Annotated[
    str, typer.Option("--category-field", help="The field of the index with the id of a product's category.")
]
TextFieldOption = Annotated[
    list[str] | None,
    typer.Option("--text-field", help="A field that is searched, as title or title^2; title unless given."),
]
BoostOption = Annotated[
    float | None, typer.Option("--boost", help="What a certain category is worth: see docs/exports.md; 1, or 5 added.")
]
NameOption = Annotated[str, typer.Option("--name", help="What sets, filters and analyzers are called.")]


@app.command("querqy")
def querqy(
    shop: ShopArgument,
    work: WorkOption = None,
    output: OutputOption = None,
    release: ReleaseOption = None,
    diff: DiffOption = False,
    expires_days: ExpiresOption = None,
    least_confidence: LeastOption = None,
    category_field: CategoryFieldOption = "category_id",
    boost: BoostOption = None,
    raw_queries: Annotated[
        RawQueries, typer.Option("--raw-queries", help="Boosts for Querqy in Solr, or (json) in the other engines.")
    ] = "solr",
    as_json: JsonOption = False,
) -> None:
    """Write rules for Querqy: spellings, weighted synonyms, category boosts, and what to offer instead."""
    settings = ExportSettings(category_field=category_field, boost=boost, raw_queries=raw_queries)
    policy = Policy.of(least_confidence=least_confidence, expires_days=expires_days)
    _export("querqy", settings, policy, shop, work, output, release, diff, as_json)


@app.command("elasticsearch")
def elasticsearch(
    shop: ShopArgument,
    work: WorkOption = None,
    output: OutputOption = None,
    release: ReleaseOption = None,
    diff: DiffOption = False,
    expires_days: ExpiresOption = None,
    least_confidence: LeastOption = None,
    category_field: CategoryFieldOption = "category_id",
    text_field: TextFieldOption = None,
    boost: BoostOption = None,
    name: NameOption = "querywise",
    rules_per_set: Annotated[
        int, typer.Option("--rules-per-set", help="The most rules of one synonyms set.")
    ] = RULES_PER_SET,
    as_json: JsonOption = False,
) -> None:
    """Write synonyms sets, index settings and queries with category boosts for Elasticsearch."""
    settings = ExportSettings(
        name=name,
        text_fields=tuple(text_field or ("title",)),
        category_field=category_field,
        boost=boost,
        rules_per_set=rules_per_set,
    )
    policy = Policy.of(least_confidence=least_confidence, expires_days=expires_days)
    _export("elasticsearch", settings, policy, shop, work, output, release, diff, as_json)


@app.command("opensearch")
def opensearch(
    shop: ShopArgument,
    work: WorkOption = None,
    output: OutputOption = None,
    release: ReleaseOption = None,
    diff: DiffOption = False,
    expires_days: ExpiresOption = None,
    least_confidence: LeastOption = None,
    category_field: CategoryFieldOption = "category_id",
    text_field: TextFieldOption = None,
    boost: BoostOption = None,
    name: NameOption = "querywise",
    as_json: JsonOption = False,
) -> None:
    """Write a synonyms file, index settings and queries with category boosts for OpenSearch."""
    settings = ExportSettings(
        name=name, text_fields=tuple(text_field or ("title",)), category_field=category_field, boost=boost
    )
    policy = Policy.of(least_confidence=least_confidence, expires_days=expires_days)
    _export("opensearch", settings, policy, shop, work, output, release, diff, as_json)


@app.command("solr")
def solr(
    shop: ShopArgument,
    work: WorkOption = None,
    output: OutputOption = None,
    release: ReleaseOption = None,
    diff: DiffOption = False,
    expires_days: ExpiresOption = None,
    least_confidence: LeastOption = None,
    category_field: CategoryFieldOption = "category_id",
    boost: BoostOption = None,
    name: NameOption = "querywise",
    as_json: JsonOption = False,
) -> None:
    """Write a synonyms file, a field type for it and queries with category boosts for Solr."""
    settings = ExportSettings(name=name, category_field=category_field, boost=boost)
    policy = Policy.of(least_confidence=least_confidence, expires_days=expires_days)
    _export("solr", settings, policy, shop, work, output, release, diff, as_json)


def _export(
    engine: Engine,
    settings: ExportSettings,
    policy: Policy,
    folder: Path,
    work: Path | None,
    output: Path | None,
    release: str | None,
    diff: bool,
    as_json: bool,
) -> None:
    shop = shop_at(folder, work)
    target = output or shop.work / "exports" / engine
    if target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{target} lies in the shop folder, which is only read", hint="give another --output")
    export = Export(
        release=_release(shop.releases, release),
        engine=engine,
        today=datetime.now(UTC).date(),
        settings=settings,
        policy=policy,
    )
    if diff:
        difference = compare_with(target, export)
        if as_json:
            write_json(difference)
        else:
            _show_difference(difference)
        return
    about = save_export(export, target)
    if as_json:
        write_json({"output": target, "export": about})
    else:
        _show(about, target)


def _release(releases: Path, release: str | None) -> Path:
    chosen = release or current_release(releases)
    if chosen is None:
        raise StageMissing("there is no release", hint="`querywise run` makes one; --release names one not promoted")
    if "/" in chosen or chosen.startswith(".") or not (releases / chosen).is_dir():
        raise UserError(f"there is no release {chosen}", hint="`querywise release list` names them all")
    return releases / chosen


def _show(about: About, target: Path) -> None:
    console.print(f"release {about.origin.release} exported for {about.engine} to {target}")
    if about.origin.verdict != "PASS":
        console.print(f"  its gate says {about.origin.verdict or 'nothing'}: look before you load it", style="yellow")
    _counts("rules", about.rules.items())
    console.print(f"  for words anywhere: {about.words:,}")
    _counts("for the whole query alone", about.held.items())
    _counts("left out", about.left_out.items())
    _counts("contradictions of labels", about.conflicts.items())
    if about.unwritable:
        console.print(f"  no way to write in this format: {len(about.unwritable):,}, named in export.json")


def _counts(name: str, counts: Iterable[tuple[str, int]]) -> None:
    said = ", ".join(f"{count:,} {key.replace('_', ' ')}" for key, count in counts)
    if said:
        console.print(f"  {name}: {said}")


def _show_difference(difference: Difference) -> None:
    if difference.before is None:
        console.print("there is no last export: everything is added")
    if difference.settings:
        console.print("the last export was made with other settings", style="yellow")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("", "kind", "query", "target", "confidence", "holds for"):
        table.add_column(column)
    for mark, style, rules in (("+", "green", difference.added), ("-", "red", difference.removed)):
        for rule in rules:
            _row(table, mark, style, rule, f"{rule.confidence:.2f}", rule.reach)
    for one in difference.changed:
        _row(
            table,
            "~",
            "yellow",
            one.after,
            _both(one.before, one.after, lambda rule: f"{rule.confidence:.2f}"),
            _both(one.before, one.after, lambda rule: rule.reach) + _categories(one),
        )
    if table.row_count:
        results.print(table)
    console.print(
        f"{len(difference.added):,} added, {len(difference.removed):,} removed, {len(difference.changed):,} changed, "
        f"{difference.same:,} as they were; nothing was written"
    )


def _row(table: Table, mark: str, style: str, rule: Rule, confidence: str, reach: str) -> None:
    table.add_row(*(Text(cell, style=style) for cell in (mark, rule.kind, rule.query, rule.target, confidence, reach)))


def _categories(one: Changed) -> str:
    """Say how many categories a boost holds for now and did not, and the other way round."""
    said = [f"{sign}{len(ids):,}" for sign, ids in (("+", one.gained), ("-", one.lost)) if ids]
    return f", {' '.join(said)} below" if said else ""


def _both(before: Rule, after: Rule, said: Callable[[Rule], str]) -> str:
    old, new = said(before), said(after)
    return new if old == new else f"{old} -> {new}"
