"""The semantic guardrail: a category that is like nothing the answer says and that no shopper went to is dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.encoder import Vectors
from prompts.departments import Departments

__all__ = ["DEFAULT_GUARDRAIL", "Guardrail", "Judged", "judge_categories"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What speaks for a category: its nearest cosine, its share of demand; and whether the log speaks against it."""

    similarity: float
    demand: float
    against: bool = False


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """Below both a similarity and a share of demand, a category is dropped; a similarity of -1 turns that off.

    Where the log is deep and leads to other departments alone, more similarity is asked. A category that is not the
    first has to have the model's own confidence besides. The defaults were chosen on labelled queries by
    `benchmarks/guardrail.py`: docs/checks.md has the curves.

    Attributes:
        similarity: Least cosine of the category with the query, or with what the answer says of it.
        demand: Share of demand that clears a category whatever its similarity.
        against: How much more similarity is asked where the log speaks against a category.
        confidence: Least confidence of a further category; 0 turns that off.
    """

    similarity: float = 0.4
    demand: float = 0.05
    against: float = 0.1
    confidence: float = 0.35

    def doubts(self, judged: Judged) -> bool:
        """Whether too little speaks for a category."""
        least = self.similarity + (self.against if judged.against else 0.0)
        return judged.similarity < least and judged.demand < self.demand


DEFAULT_GUARDRAIL = Guardrail()


def judge_categories(
    category_ids: Sequence[str], *, said: Sequence[Vectors], departments: Departments
) -> Mapping[str, Judged]:
    """Return what speaks for each category, and whether the log speaks against it.

    Args:
        category_ids: The categories of an answer.
        said: Embeddings of the query, of the words in it that the answer calls a type of product, and of its sentence
            of the need: the sentence is the note by which a model may explain a category that the words do not.
        departments: What the log says of the query, with tree and index. A category's demand includes that of the
            categories below it; it is as near as its name, its path or the nearest of its products.
    """
    context = departments.context
    demand = {c.category_id: c.share for c in context.categories} if context else {}
    nearest = [departments.index.category_similarity(vector, category_ids) for vector in said]
    return {
        i: Judged(
            similarity=round(max((n[i] for n in nearest), default=-1.0), 4),
            demand=demand.get(i, 0.0),
            against=departments.speak_against(i),
        )
        for i in category_ids
    }
