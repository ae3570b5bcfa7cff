"""The LLM judge: rubrics of true or false facets, put to a model through the same runner, cache and ledger."""

from prompts.judge.exhibit import Exhibit, Goods
from prompts.judge.grading import facets_of, grade, task_of
from prompts.judge.judge import ITEMS_A_REQUEST, Judge, Sheet, SheetTurn
from prompts.judge.judging import judge_sheets
from prompts.judge.perturbation import PERTURBATIONS, Perturbation, perturb

__all__ = [
    "ITEMS_A_REQUEST",
    "PERTURBATIONS",
    "Exhibit",
    "Goods",
    "Judge",
    "Perturbation",
    "Sheet",
    "SheetTurn",
    "facets_of",
    "grade",
    "judge_sheets",
    "perturb",
    "task_of",
]
