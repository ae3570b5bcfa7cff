"""A replay as Markdown: harm first, then the table."""

from __future__ import annotations

from collections.abc import Iterable

from evals.cells import cell, difference, interval, number, table
from evals.replay.backend import FIELDS
from evals.replay.report import HarmedQuery, Listed, PartHarm, Replay, ReplayRow, unjudged_pairs

__all__ = ["replay_table", "to_markdown"]

_WHY = {
    "withhold": "withhold",
    "slight": "slight: not withheld",
    "unjudged": "ratings of the unjudged products could undo it: judge them; not withheld",
    "none": "no loss",
}
_JUDGED = (
    "- (judge): nobody rated the product, and the grade is the judge's",
    "- a judge that was asked about harmed queries alone can undo a loss and never a gain: quote no table below, but "
    "those of a replay without it",
)


def to_markdown(replay: Replay, *, harmed: int = 10) -> str:
    """Render the queries harmed, `harmed` of them with both lists, and then every row with its 95% intervals."""
    lines = ["# Replay", "", *_how(replay), "", "## Queries harmed, by searches times loss", "", *_summary(replay), ""]
    for query in replay.harmed[:harmed]:
        lines += [*_harm(query), ""]
    if len(replay.harmed) > harmed:
        lines += [f"{len(replay.harmed) - harmed} more are in the JSON document.", ""]
    for name in dict.fromkeys(row.queries_of for row in replay.rows):
        remark = "" if name.startswith("held back") else " (half of them chose the boost factors)"
        lines += [f"## With and without, queries: {name}{remark}", "", *replay_table(replay.rows, name), ""]
    return "\n".join(lines)


def replay_table(rows: Iterable[ReplayRow], queries_of: str) -> list[str]:
    """Return the table of one set of queries; gains are paired with the search that understands nothing."""
    head = ["system", "way", "factor", "queries", "nDCG@10", "gain", "improved / harmed / unchanged"]
    head += ["condensed nDCG@10", "gain", "judged@10", "recall@100", "zero results"]
    return table(
        head,
        (
            [
                cell(row.system),
                row.way or "–",
                "–" if row.factor is None else f"{row.factor:g}",
                str(row.queries),
                interval(row.measures.get("ndcg")),
                difference(row.gains.get("ndcg")),
                f"{row.improved} / {row.harmed} / {row.unchanged}" if row.way else "–",
                number(row.measures.get("condensed")),
                difference(row.gains.get("condensed")),
                number(row.measures.get("judged")),
                number(row.measures.get("recall")),
                number(row.measures.get("zero")),
            ]
            for row in rows
            if row.queries_of == queries_of
        ),
    )


def _how(replay: Replay) -> list[str]:
    judged = replay.judged
    by_judge = f", {judged.by_judge} of them by a judge alone" if judged.by_judge else ""
    fields = ", ".join(f"{field} {weight:g}" for field, weight in FIELDS.items())
    return [
        *(f"- {cell(name)}: `{cell(value)}`" for name, value in replay.made.items()),
        f"- judged: {judged.queries} queries, {judged.products} products{by_judge}; {judged.barren} queries "
        "without a product rated above 0 have no nDCG",
        f"- search: BM25, field weights {fields}",
        f"- brackets: 95% percentile bootstrap over queries, {replay.draws} resamples, seed {replay.seed}; gain: "
        "paired, bold where the interval leaves out 0",
        "- an unjudged product counts as rated 0, but in the condensed list, from which it is taken out",
        *(_JUDGED if judged.by_judge else []),
    ]


def _summary(replay: Replay) -> list[str]:
    factor = f", factor {replay.harm_factor:g}" if "boost" in replay.harm_way else ""
    parts = [part for query in replay.harmed for part in query.parts]
    counts = {verdict: sum(part.verdict == verdict for part in parts) for verdict in _WHY}
    return [
        f"{cell(replay.harm_of)} used as {replay.harm_way}{factor}: {len(replay.harmed)} queries do worse with it; "
        f"{counts['withhold']} parts to withhold, {counts['slight']} slight losses, "
        f"{counts['unjudged']} losses that ratings of unjudged products could undo "
        f"({len(unjudged_pairs(replay))} pairs to judge)."
    ]


def _harm(query: HarmedQuery) -> list[str]:
    return [
        f"### {cell(query.query)}",
        "",
        f"{query.searches:,} searches, nDCG@10 {query.before:.3f} -> {query.after:.3f}",
        "",
        *(f"- {_part(part)}" for part in query.parts),
        "",
        *table(
            ["place", "without", "rated", "with", "rated"],
            (
                [str(place), *_listed(query.list_before, place), *_listed(query.list_after, place)]
                for place in range(1, max(len(query.list_before), len(query.list_after)) + 1)
            ),
        ),
    ]


def _part(part: PartHarm) -> str:
    alone, condensed = (f"{round(-loss, 3) + 0.0:+.3f}" for loss in (part.loss, part.condensed_loss))
    sure = f", surely lost {part.sure_loss:.3f}" if part.verdict == "withhold" else ""
    return f"{part.part} alone {alone} (condensed {condensed}{sure}): {_WHY[part.verdict]}"


def _listed(listed: tuple[Listed, ...], place: int) -> list[str]:
    if place > len(listed):
        return ["", ""]
    one = listed[place - 1]
    title = one.title if len(one.title) <= 60 else one.title[:59] + "…"
    rated = "?" if one.rating is None else f"{one.rating:g}{' (judge)' if one.by_judge else ''}"
    return [cell(f"{one.product_id} {title}"), rated]
