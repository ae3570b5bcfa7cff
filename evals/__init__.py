"""Measures any `Understander` against human labels. Knows no model, and reaches a release only by that protocol."""

from evals.case import Case
from evals.compare import ask, compare
from evals.compare_sides import compare_sides
from evals.comparison import Comparison, comparison_json, read_comparison, write_comparison
from evals.comparison_page import to_page, write_page
from evals.comparison_text import to_text
from evals.engagement import EngagementBaseline
from evals.estimates import Estimate
from evals.failures import QueryLine, by_query, write_queries
from evals.gold import GoldSet, Problem, read_gold
from evals.markdown import to_markdown
from evals.measures import MEASURES
from evals.report import Report, Row, read_report, write_report
from evals.sides import Asked, Exchange, Failed, Outcome, Side, Usage

__all__ = [
    "MEASURES",
    "Asked",
    "Case",
    "Comparison",
    "EngagementBaseline",
    "Estimate",
    "Exchange",
    "Failed",
    "GoldSet",
    "Outcome",
    "Problem",
    "QueryLine",
    "Report",
    "Row",
    "Side",
    "Usage",
    "ask",
    "by_query",
    "compare",
    "compare_sides",
    "comparison_json",
    "read_comparison",
    "read_gold",
    "read_report",
    "to_markdown",
    "to_page",
    "to_text",
    "write_comparison",
    "write_page",
    "write_queries",
    "write_report",
]
