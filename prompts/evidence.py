"""Domain context as a model reads it. Whatever strangers wrote is made harmless here."""

from __future__ import annotations

from collections.abc import Mapping

from domain.context import DomainContext
from domain.taxonomy import Taxonomy

__all__ = ["quote", "quote_path", "render_demand", "render_evidence", "render_followed", "render_stock"]

_NOTHING_GIVEN = "none is given."
_SHELVES = 4

# Printable to Python, and shown as nothing or as a blank: selectors of variants, joiners, fillers.
_NOTHING = (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x16FE4, 0x1D159)
_SELECTORS = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_BLANKS = (0x2800, 0x3164, 0xFFA0)
_UNSEEN = dict.fromkeys((*_NOTHING, *_SELECTORS), "") | dict.fromkeys(_BLANKS, " ")


def quote(text: str, longest: int = 100) -> str:
    """Return a stranger's text on one line, at most `longest` characters, without the signs that frame a prompt.

    What cannot be seen goes: it would hide words from whoever reads the prompt, and not from the model.
    """
    printable = "".join(char if char.isprintable() else " " for char in text.translate(_UNSEEN))
    line = " ".join(printable.replace("<", "‹").replace(">", "›").split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def quote_path(taxonomy: Taxonomy, category_id: str) -> str:
    """Return the names from the root to a category on one line."""
    return " > ".join(quote(name) for name in taxonomy.path(category_id))


def render_evidence(context: DomainContext | None, *, taxonomy: Taxonomy, titles: Mapping[str, str]) -> str:
    """Return what the log says of a query, a line a fact, or that it says nothing.

    Args:
        context: The query's context, or None.
        taxonomy: For the names of categories.
        titles: Product titles by id; products without one are left out.
    """
    if context is None:
        return _NOTHING_GIVEN
    return "\n".join([*_demand(context, taxonomy, titles), *_followed(context)])


def render_demand(context: DomainContext | None, *, taxonomy: Taxonomy, titles: Mapping[str, str]) -> str:
    """Return the part of the evidence that says what shoppers of a query took; arguments as of `render_evidence`."""
    return _NOTHING_GIVEN if context is None else "\n".join(_demand(context, taxonomy, titles))


def render_followed(context: DomainContext | None) -> str:
    """Return the part of the evidence that says what shoppers searched after a query."""
    if context is None:
        return _NOTHING_GIVEN
    return "\n".join([_traffic(context), *(_followed(context) or ["- nothing was searched next often enough to tell"])])


def _demand(context: DomainContext, taxonomy: Taxonomy, titles: Mapping[str, str]) -> list[str]:
    lines = [_traffic(context)]
    own = [c for c in context.categories if c.is_own][:6]
    if own:
        lines.append("- where the demand goes, corrected for position:")
        lines += [
            f"  - {quote_path(taxonomy, c.category_id)}: {_percent(c.share)} "
            f"({c.clicks} clicks, {c.carts} carts, {c.purchases} purchases)"
            for c in own
        ]
    else:
        lines.append("- too few actions to tell where the demand goes")
    shown = [f"{quote(titles[p.product_id])} ({_percent(p.share)})" for p in context.products if p.product_id in titles]
    if shown:
        lines.append("- products most acted on: " + "; ".join(shown[:4]))
    facets = [f"{quote(f.name)} {quote(f.value)} {_percent(f.share)}" for f in context.annotations]
    if facets:
        lines.append("- what they chose has: " + "; ".join(facets[:6]))
    return lines


def _followed(context: DomainContext) -> list[str]:
    lines = []
    if context.reformulations:
        lines.append("- retyped as: " + "; ".join(f"{quote(r.query)} ({r.count})" for r in context.reformulations))
    if context.next_queries:
        lines.append("- searched next: " + "; ".join(f"{quote(n.query)} ({n.count})" for n in context.next_queries[:6]))
    return lines


def _traffic(context: DomainContext) -> str:
    return (
        f"- searched {context.searches} times by {context.clients} shoppers; "
        f"{_percent(context.acted_share)} of the searches led to a click, a cart or a purchase{_empty(context)}"
    )


def render_stock(found: Mapping[str, int], taxonomy: Taxonomy) -> str:
    """Return how many products hold every word of a query and where most of them lie, from their number by category."""
    if not found:
        return "no product holds all words of the query."
    most = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHELVES]
    shelves = "; ".join(f"{quote_path(taxonomy, category_id)} ({count})" for category_id, count in most)
    total = sum(found.values())
    return (
        f"{total} product{'s' if total > 1 else ''} hold{'' if total > 1 else 's'} all words of the query: {shelves}."
    )


def _percent(share: float) -> str:
    # A hair is added so that an exact half rounds one way whatever order the sums were taken in.
    percent = int(share * 100 + 0.5 + 1e-6)
    return f"{percent}%" if percent or not share else "under 1%"


def _empty(context: DomainContext) -> str:
    return f"; {_percent(context.zero_share)} found nothing" if context.zero_share else ""
