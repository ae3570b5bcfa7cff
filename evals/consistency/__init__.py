"""Whether answers fit together: within one answer, across ways to type a query, and from one release to the next."""

from evals.consistency.contradictions import (
    RULES,
    Contradiction,
    Example,
    Rule,
    RuleCount,
    contradictions,
    count_contradictions,
)
from evals.consistency.moved import Moved, MovedShare, Mover, Turnover, moved
from evals.consistency.robustness import STABILITY, KindRow, Robustness, Unstable, paraphrases_of, robustness
from evals.consistency.text import contradictions_text, moved_text, robustness_text
from evals.consistency.variants import FORMS, VARIANTS, Variant, VariantKind, variants_of

__all__ = [
    "FORMS",
    "RULES",
    "STABILITY",
    "VARIANTS",
    "Contradiction",
    "Example",
    "KindRow",
    "Moved",
    "MovedShare",
    "Mover",
    "Robustness",
    "Rule",
    "RuleCount",
    "Turnover",
    "Unstable",
    "Variant",
    "VariantKind",
    "contradictions",
    "contradictions_text",
    "count_contradictions",
    "moved",
    "moved_text",
    "paraphrases_of",
    "robustness",
    "robustness_text",
    "variants_of",
]
