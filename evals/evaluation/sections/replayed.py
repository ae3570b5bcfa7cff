"""The answers put to work in a search: what becomes of judged result lists, and which queries are harmed."""

from __future__ import annotations

from collections.abc import Sequence

from domain.text import normalise
from evals.evaluation.changes import withheld
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Child, Column, Html, coded, element, joined, note, section, table, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import around_zero, axis_of, interval_bar, tone_of
from evals.evaluation.sections.answers import evidence_box, query_text
from evals.evaluation.words import counted, number, plain
from evals.replay import HarmedQuery, PartHarm, Replay, ReplayRow
from evals.replay.report import Listed

__all__ = ["replay_section"]

_HARMED = 20
_TITLE = "In a search"
_LEAD = (
    "A lexical search over the catalogue runs once without any understanding and once with it; people's ratings of the "
    "products say which list is better."
)
_ONE_SIDED = (
    "Where it was asked about harmed queries alone it can undo a loss and never a gain: the gains are too high."
)
_SETS = {
    "held back": "On queries held back from tuning",
    "all": "On all judged queries, half of which chose the boost factors",
    "held back and labelled": "On labelled queries held back from tuning",
    "all labelled": "On all labelled queries",
}
_SAYS = {
    "withhold": "withhold it",
    "slight": "a slight loss: served all the same",
    "unjudged": "not sure, ratings of unrated products could undo the loss",
    "none": "does no harm alone",
}


def replay_section(evaluation: Evaluation) -> Html:
    """Return nDCG by system and the queries harmed, or why there are none."""
    replay = evaluation.replay
    if replay is None:
        return section("replay", _TITLE, _LEAD, absent("replay"))
    judge, rated = replay.made.get("judge"), replay.judged.products - replay.judged.by_judge
    sets = list(dict.fromkeys(row.queries_of for row in replay.rows))
    return section(
        "replay",
        _TITLE,
        _LEAD,
        *([_systems(replay, sets[0])] if sets else []),
        *(
            element(
                "details",
                element("summary", f"The same: {_SETS.get(name, plain(name)).lower()}"),
                _systems(replay, name),
            )
            for name in sets[1:]
        ),
        note(
            f"{replay.judged.queries:,} queries and {rated:,} rated products; a product that nobody rated counts as "
            f"useless. Intervals: paired bootstrap over queries, {replay.draws:,} resamples."
        ),
        *([note(f"In place of people a judge graded {plain(judge)}. {_ONE_SIDED}")] if judge else []),
        *_harmed(evaluation, replay),
    )


def _systems(replay: Replay, queries_of: str) -> Html:
    rows = [row for row in replay.rows if row.queries_of == queries_of]
    axis = around_zero(row.gains["ndcg"] for row in rows if "ndcg" in row.gains)
    columns = (
        Column(title="System"),
        Column(title="nDCG@10", head=term("ndcg", "nDCG@10"), numeric=True),
        Column(title="Gain", numeric=True),
        Column(title="95% interval around 0", head=joined([term("interval", "95% interval"), axis_of(axis)])),
        Column(title="Better / worse / same", numeric=True),
    )

    def cells(row: ReplayRow) -> tuple[Child, ...]:
        ndcg, gain = row.measures.get("ndcg"), row.gains.get("ndcg")
        how = "nothing is used" if row.way is None else row.way.replace("+", " and ")
        named = joined([plain(row.system), element("small", f"{how}; {counted(row.queries, 'query', 'queries')}")])
        value = (
            None
            if ndcg is None
            else joined([number(ndcg.value), element("small", f"{ndcg.low:.3f} to {ndcg.high:.3f}")])
        )
        told, bar = None, None
        if gain is not None:
            ends = f"{number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
            told = joined(
                [element("span", number(gain.value, signed=True), class_=tone_of(gain)), element("small", ends)]
            )
            bar = interval_bar(gain, axis, tone_of(gain))
        counts = f"{row.improved:,} / {row.harmed:,} / {row.unchanged:,}" if row.way else None
        return named, value, told, bar, counts

    return joined([element("h3", _SETS.get(queries_of, plain(queries_of))), table(columns, map(cells, rows))])


def _harmed(evaluation: Evaluation, replay: Replay) -> list[Html]:
    parts = withheld(replay)
    wanted = f"{counted(len(parts), 'part')} of answers should be withheld" if parts else "nothing has to be withheld"
    shown = f": {'; '.join(parts[:5])}{' …' if len(parts) > 5 else ''}" if parts else ""
    obey = " `querywise evaluate --replay --withhold` puts them on the list that builds obey." if parts else ""
    left = len(replay.harmed) - _HARMED
    return [
        element("h3", f"{counted(len(replay.harmed), 'query', 'queries')} harmed by {plain(replay.harm_of)}"),
        element("p", f"Used as {replay.harm_way.replace('+', ' and ')}: {wanted}{shown}.", coded(obey)),
        *(_query(evaluation, query) for query in replay.harmed[:_HARMED]),
        *([note(f"{counted(left, 'more is', 'more are')} in the JSON.")] if left > 0 else []),
    ]


def _query(evaluation: Evaluation, query: HarmedQuery) -> Html:
    says = "; ".join(f"{part.part}: {_SAYS[part.verdict]}" for part in query.parts if part.verdict != "none")
    lists = element(
        "div",
        _ranked("Without", "a", query.list_before),
        _ranked("With", "b", query.list_after),
        class_="answers",
    )
    return element(
        "details",
        element(
            "summary",
            query_text(query.query),
            element("span", f"nDCG {number(query.before)} → {number(query.after)}", class_="score bad"),
            element("span", counted(query.searches, "search", "searches"), class_="traffic"),
            element("span", says, class_="line"),
        ),
        element("ul", *(element("li", _part(part)) for part in query.parts), class_="remarks"),
        lists,
        evidence_box(evaluation.evidence.get(normalise(query.query), ())),
        class_="one",
    )


def _part(part: PartHarm) -> str:
    sure = f", at least {number(part.sure_loss)} however the unjudged are rated" if part.verdict == "withhold" else ""
    return f"{part.part} alone: nDCG {number(-part.loss, signed=True)}{sure}: {_SAYS[part.verdict]}"


def _rated(listed: Listed) -> str:
    if listed.rating is None:
        return "unrated"
    return f"{'judged' if listed.by_judge else 'rated'} {listed.rating:g}"


def _ranked(title: str, tone: str, listed: Sequence[Listed]) -> Html:
    items = [
        element(
            "li",
            element("span", _rated(one), class_="rating"),
            " ",
            plain(one.title or one.product_id, 80),
            dir="auto",
        )
        for one in listed
    ]
    return element(
        "div", element("h4", title), element("ol", *items) if items else note("nothing"), class_=f"answer {tone}"
    )
