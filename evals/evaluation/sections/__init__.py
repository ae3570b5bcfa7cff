"""The sections of the page, one a module, each a function from an evaluation to markup."""

from evals.evaluation.sections.calibration import calibration_section
from evals.evaluation.sections.checks import checks_section
from evals.evaluation.sections.consistency import consistency_section
from evals.evaluation.sections.differences import differences_section
from evals.evaluation.sections.judges import judges_section
from evals.evaluation.sections.lineage import lineage_section
from evals.evaluation.sections.queries import queries_section
from evals.evaluation.sections.replayed import replay_section
from evals.evaluation.sections.summary import summary
from evals.evaluation.sections.systems import systems_section
from evals.evaluation.sections.terms import terms_section

__all__ = [
    "calibration_section",
    "checks_section",
    "consistency_section",
    "differences_section",
    "judges_section",
    "lineage_section",
    "queries_section",
    "replay_section",
    "summary",
    "systems_section",
    "terms_section",
]
