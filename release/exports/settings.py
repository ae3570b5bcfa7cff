"""What a shop's index is like, as far as exported files name it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

from domain.errors import UserError

__all__ = ["RULES_PER_SET", "Engine", "ExportSettings", "RawQueries"]

Engine = Literal["querqy", "elasticsearch", "opensearch", "solr"]
RawQueries = Literal["solr", "json"]
"""What Querqy's boosts are written in: Solr's query syntax, or the query DSL of Elasticsearch and OpenSearch."""

RULES_PER_SET: Final = 10_000
"""What Elasticsearch allows in one synonyms set; before mid-2024 it took more, and lost some without a word."""

_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_WEIGHTED = re.compile(rf"({_FIELD.pattern})(\^\d+(\.\d+)?)?")
_NAME = re.compile(r"[a-z0-9][a-z0-9_\-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Names and numbers of the index.

    Attributes:
        name: What synonyms sets, filters and analyzers are called.
        text_fields: Searched for the words of a query; each may have a weight, as in ``title^2``.
        category_field: Holds the id of a product's category, as one term.
        boost: What a certain category is worth. Elasticsearch and OpenSearch multiply a score by 1 + this x confidence;
            Solr and Querqy add this x confidence to it. None for 1, and for 5 where it is added.
        rules_per_set: The most rules of one synonyms set.
        raw_queries: What Querqy's boosts are written in.

    Raises:
        UserError: where one of them is none.
    """

    name: str = "querywise"
    text_fields: tuple[str, ...] = ("title",)
    category_field: str = "category_id"
    boost: float | None = None
    rules_per_set: int = RULES_PER_SET
    raw_queries: RawQueries = "solr"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(f"{self.name!r} is no name for a set", hint="small letters, digits, - and _, 64 at most")
        if not self.text_fields or not all(map(_WEIGHTED.fullmatch, self.text_fields)):
            raise UserError(
                f"{', '.join(self.text_fields) or 'nothing'!r} names no field",
                hint="--text-field title^2, once a field",
            )
        if not _FIELD.fullmatch(self.category_field):
            raise UserError(f"{self.category_field!r} is no field", hint="--category-field category_id")
        if self.boost is not None and not (math.isfinite(self.boost) and 0 < self.boost <= 1000):
            raise UserError(f"{self.boost} is no boost", hint="--boost takes a number above 0, 1,000 at most")
        if not 1 <= self.rules_per_set <= RULES_PER_SET:
            raise UserError(
                f"a set cannot have {self.rules_per_set:,} rules", hint=f"--rules-per-set takes 1 to {RULES_PER_SET:,}"
            )

    @property
    def multiplied(self) -> float:
        """The boost where scores are multiplied."""
        return 1.0 if self.boost is None else self.boost

    @property
    def added(self) -> float:
        """The boost where it is added to a score."""
        return 5.0 if self.boost is None else self.boost

    @property
    def plain_fields(self) -> tuple[str, ...]:
        """The text fields without their weights."""
        return tuple(field.partition("^")[0] for field in self.text_fields)
