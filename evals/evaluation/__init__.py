"""All that was found out about one release: as a value and JSON, as a page, for a pull request, CI and a terminal."""

from evals.evaluation.evaluation import Evaluation, Spent, evaluation_json, read_evaluation, write_evaluation
from evals.evaluation.junit import to_junit
from evals.evaluation.markdown import to_markdown
from evals.evaluation.page import to_page, write_page
from evals.evaluation.text import to_text

__all__ = [
    "Evaluation",
    "Spent",
    "evaluation_json",
    "read_evaluation",
    "to_junit",
    "to_markdown",
    "to_page",
    "to_text",
    "write_evaluation",
    "write_page",
]
