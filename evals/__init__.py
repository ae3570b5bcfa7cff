"""Measures any `Understander` against human labels. Knows no model, and reaches a release only by that protocol."""

from evals.case import Case
from evals.compare import ask, compare
from evals.engagement import EngagementBaseline
from evals.estimates import Estimate
from evals.failures import QueryLine, by_query, write_queries
from evals.gold import GoldSet, Problem, read_gold
from evals.markdown import to_markdown
from evals.measures import MEASURES
from evals.report import Report, Row, read_report, write_report

__all__ = [
    "MEASURES",
    "Case",
    "EngagementBaseline",
    "Estimate",
    "GoldSet",
    "Problem",
    "QueryLine",
    "Report",
    "Row",
    "ask",
    "by_query",
    "compare",
    "read_gold",
    "read_report",
    "to_markdown",
    "write_queries",
    "write_report",
]
