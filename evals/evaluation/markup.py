"""HTML and SVG as values: whatever is not markup already is escaped, so no text of a stranger becomes an element."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Child", "Column", "Html", "coded", "element", "joined", "note", "section", "table", "term"]


class Html(str):
    """Text that is markup."""

    __slots__ = ()


Child = str | None
"""What can stand in an element: markup, or text that is escaped; None is left out."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table: its title as plain text, and what is shown in its head if that is more."""

    title: str
    head: Html | None = None
    numeric: bool = False


def element(tag: str, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Return an element; ``class_`` gives the attribute class, ``data_label`` data-label; None and False give none."""
    given = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in ("input", "br"):
        return Html(f"<{tag}{given}>")
    return Html(f"<{tag}{given}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child], between: str = "") -> Html:
    """Return markup and escaped texts one after the other."""
    parts = (child if isinstance(child, Html) else html.escape(child) for child in children if child is not None)
    return Html(html.escape(between).join(parts))


def coded(text: str) -> Html:
    """Return words of ours, with what stands between backticks as code."""
    return joined(element("code", part) if at % 2 else part for at, part in enumerate(text.split("`")))


def note(*children: Child) -> Html:
    """Return a paragraph of small print."""
    return element("p", *children, class_="note")


def section(name: str, title: str, explained: Child, *children: Child) -> Html:
    """Return a section with its heading and a sentence on what it shows."""
    heading = element("h2", title, id=f"h-{name}")
    lead = element("p", explained, class_="lead") if explained else None
    return element("section", heading, lead, *children, id=name, class_="card", aria_labelledby=f"h-{name}")


def table(columns: Sequence[Column], rows: Iterable[Sequence[Child]], *, class_: str = "") -> Html:
    """Return a table whose rows become blocks with labelled lines where it is narrow; the first cell heads its row."""
    head = element(
        "tr",
        *(element("th", c.head or c.title, scope="col", class_="n" if c.numeric else None) for c in columns),
    )
    body = (
        element(
            "tr",
            *(_cell(column, cell, first=not at) for at, (column, cell) in enumerate(zip(columns, row, strict=True))),
        )
        for row in rows
    )
    return element(
        "div",
        element("table", element("thead", head), element("tbody", *body), class_=f"folding {class_}".strip()),
        class_="scroll",
    )


def term(name: str, text: str, tip: str = "") -> Html:
    """Return a word that leads to its explanation at the end of the page, and shows it where there is a pointer."""
    return element("a", text, href=f"#word-{name}", class_="term", title=tip or None)


def _cell(column: Column, cell: Child, *, first: bool) -> Html:
    if first:
        return element("th", cell, scope="row")
    empty = cell is None or not cell
    classes = " ".join(name for name, on in (("n", column.numeric), ("empty", empty)) if on)
    return element("td", element("div", cell), data_label=column.title, class_=classes or None)


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    named = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {named}"
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return f' {named}="{html.escape(text)}"'
