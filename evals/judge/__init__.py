"""What judged figures are worth: agreement with people, panels, steadiness, bias, correction by people's labels."""

from evals.judge.agreement import Agreement, agree, alpha
from evals.judge.audit import Audit, Effect, audit
from evals.judge.ceiling import Ceiling, CeilingLine
from evals.judge.coefficients import Coefficient
from evals.judge.consistency import Consistency, self_consistency
from evals.judge.corrected import CorrectedMean, corrected_mean
from evals.judge.figure import JudgedFigure, judged_figure
from evals.judge.gate import Gate, Objection, may_gate
from evals.judge.judge_agreement import JudgeAgreement, judge_agreement
from evals.judge.page import to_markdown, to_text
from evals.judge.panel import Panel, panel
from evals.judge.people import PeopleAgreement, people_agreement, reference
from evals.judge.rating import Rating, category_ratings, human_categories, ratings_of
from evals.judge.saving import Saving, SavingCurve, saving_curve
from evals.judge.table import GradeTable, by_rater, tabulate
from evals.judge.tally import Judged, Tally, judged, tally

__all__ = [
    "Agreement",
    "Audit",
    "Ceiling",
    "CeilingLine",
    "Coefficient",
    "Consistency",
    "CorrectedMean",
    "Effect",
    "Gate",
    "GradeTable",
    "Judged",
    "JudgeAgreement",
    "JudgedFigure",
    "Objection",
    "Panel",
    "PeopleAgreement",
    "Rating",
    "Saving",
    "SavingCurve",
    "Tally",
    "agree",
    "alpha",
    "audit",
    "by_rater",
    "category_ratings",
    "corrected_mean",
    "human_categories",
    "judge_agreement",
    "judged",
    "judged_figure",
    "may_gate",
    "panel",
    "people_agreement",
    "ratings_of",
    "reference",
    "saving_curve",
    "self_consistency",
    "tabulate",
    "tally",
    "to_markdown",
    "to_text",
]
