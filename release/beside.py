"""What a release shows beside a page of results, and what it suggests to search next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from release.borrow_content import ContentBorrower, is_wider
from release.contents import Contents
from release.discover import Discovered, Kept, Suggested, discovered, suggested

__all__ = ["Beside"]


class Beside:
    """Answers from the content of a query, or of one near enough to lend its own. Use it from any thread.

    Args:
        release: Id of the release.
        contents: Of the release; without them nothing is known of any query.
        borrower: Finds lenders; without it only queries with content of their own have any.
    """

    def __init__(self, release: str, contents: Contents | None, borrower: ContentBorrower | None) -> None:
        self.contents = contents
        self._release = release
        self._borrower = borrower

    def borrows(self, normalised: str) -> bool:
        """Whether the content of a query would be another one's, for which the student has to be asked."""
        return self._borrower is not None and self.contents is not None and normalised not in self.contents

    def discover(
        self, normalised: str, shown: Collection[str], result_count: int | None, limit: int, *, few_results: int
    ) -> Discovered:
        """Do what `Release.discover` says."""
        kept, page = self._kept(normalised), frozenset(shown)
        contents = self.contents
        fill = None if kept is None or contents is None else contents.fill(page)

        def shows(category_id: str) -> bool:
            return fill is not None and contents is not None and contents.covers(fill, category_id)

        return discovered(
            normalised,
            kept,
            shown=page,
            shows=shows,
            result_count=result_count,
            limit=limit,
            few_results=few_results,
            release=self._release,
        )

    def suggest(self, normalised: str, limit: int, *, exploratory_share: float) -> Suggested:
        """Do what `Release.suggest` says."""
        kept = self._kept(normalised)
        return suggested(normalised, kept, limit=limit, exploratory_share=exploratory_share, release=self._release)

    def close(self) -> None:
        """Give the files back."""
        if self.contents is not None:
            self.contents.close()

    def _kept(self, normalised: str) -> Kept | None:
        if not normalised or self.contents is None:
            return None
        content = self.contents.get(normalised)
        if content is not None:
            return Kept(content=content)
        lender = self._borrower.lender(normalised) if self._borrower else None
        lent = None if lender is None else self.contents.get(lender)
        if lender is None or lent is None:
            return None
        if is_wider(lender, normalised):
            lent = replace(lent, substitutes=())
        return Kept(content=lent, borrowed_from=lender)
