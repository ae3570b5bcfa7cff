"""A page of which programs write parts: each between two marks of its own, the words around them by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from domain.errors import UserError

__all__ = ["put"]


def put(page: Path | None, mark: str, lines: list[str]) -> None:
    """Put lines into a page in the place of what stands between the marks, or print them where there is no page.

    Raises:
        UserError: when the page does not have both marks, once each and in order; it is left as it was.
    """
    text = "\n".join(lines)
    if page is None:
        sys.stdout.write(text + "\n")
        return
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    old = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, found, rest = old.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended or begin in rest or end in before + after:
        raise UserError(f"{page} does not have {begin} and {end} once each", hint="put the marks where the part goes")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
