"""Domain context as a model reads it. Whatever strangers wrote is made harmless here."""

from __future__ import annotations

from collections.abc import Mapping

from domain.context import DomainContext
from domain.taxonomy import Taxonomy

__all__ = ["quote", "quote_path", "render_evidence"]

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
        return "none is given."
    lines = [
        f"- searched {context.searches} times by {context.clients} shoppers; "
        f"{_percent(context.acted_share)} of the searches led to a click, a cart or a purchase{_empty(context)}"
    ]
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
    if context.reformulations:
        lines.append("- retyped as: " + "; ".join(f"{quote(r.query)} ({r.count})" for r in context.reformulations))
    if context.next_queries:
        lines.append("- searched next: " + "; ".join(f"{quote(n.query)} ({n.count})" for n in context.next_queries[:6]))
    return "\n".join(lines)


def _percent(share: float) -> str:
    # A hair is added so that an exact half rounds one way whatever order the sums were taken in.
    percent = int(share * 100 + 0.5 + 1e-6)
    return f"{percent}%" if percent or not share else "under 1%"


def _empty(context: DomainContext) -> str:
    return f"; {_percent(context.zero_share)} found nothing" if context.zero_share else ""
