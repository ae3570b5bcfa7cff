"""One human label of one query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.understanding import RewriteType, Specificity
from evals.spans import Span

__all__ = ["Case", "ExpectedRewrite"]


@dataclass(frozen=True, kw_only=True)
class ExpectedRewrite:
    """A rewrite that a person would accept, in normal form; ``type`` is None where the file names none."""

    query: str
    type: RewriteType | None


@dataclass(frozen=True, kw_only=True)
class Case:
    """What one rater expects for one query. None means not labelled, and is not judged.

    ``categories`` empty means that the right answer is to abstain. ``acceptable`` are further ids that are not wrong:
    right for precision, not asked for by recall. ``labels`` are the shop's own attributes of the query, by name.
    """

    query: str
    normalized: str
    categories: tuple[str, ...] | None = None
    acceptable: tuple[str, ...] = ()
    specificity: Specificity | None = None
    annotations: tuple[Span, ...] | None = None
    rewrites: tuple[ExpectedRewrite, ...] | None = None
    kind: str | None = None
    rater: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
