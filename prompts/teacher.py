"""The teacher: an LLM with its prompt, the shop's context, candidates and checks."""

from __future__ import annotations

from dataclasses import dataclass

from domain.context import ContextStore, DomainContext
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Taxonomy
from domain.text import MAX_QUERY_LENGTH
from domain.understanding import Understanding
from prompts.answer import Answer
from prompts.candidates import CandidateFinder, Offer
from prompts.checks import Checked, check_answer
from prompts.evidence import quote, render_evidence
from prompts.prompt_file import PromptFile
from prompts.request import CompletionRequest

__all__ = ["Catalogue", "Question", "Teacher"]

# Below this normalised mutual information, two searches follow each other hardly more often than chance would have it.
_RELATED = 0.3


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the teacher reads of the catalogue: titles by product id, number of products in or below each category."""

    titles: dict[str, str]
    products: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query as it is put to the model: the request, and what the short ids in it stand for."""

    query: str
    context: DomainContext | None
    offer: Offer
    request: CompletionRequest


class Teacher:
    """Asks about queries and reads the answers; the call itself is the provider's.

    Args:
        shop: The shop's name.
        locale: Its locale; the model is told which language to expect.
        model: Name of the model, part of every request.
        prompt: The prompt file.
        taxonomy: The tree.
        catalogue: Titles and counts.
        index: Retrieval.
        contexts: The log's evidence, or None for a model that is shown none of it.
    """

    def __init__(
        self,
        *,
        shop: str,
        locale: str,
        model: str,
        prompt: PromptFile,
        taxonomy: Taxonomy,
        catalogue: Catalogue,
        index: RetrievalIndex,
        contexts: ContextStore | None,
    ) -> None:
        self.model = model
        self.prompt = prompt
        self._taxonomy = taxonomy
        self._titles = catalogue.titles
        self._contexts = contexts
        self._index = index
        self._finder = CandidateFinder(taxonomy=taxonomy, index=index, products=catalogue.products, contexts=contexts)
        self._shop = _describe(f"{shop} ({locale})", taxonomy, catalogue)

    def ask(self, query: str) -> Question:
        """Return the question for a normalised query."""
        context = self._contexts.get(query) if self._contexts else None
        offer = self._finder.offer(query, context)
        values = {
            "shop": self._shop,
            "query": quote(query, longest=MAX_QUERY_LENGTH),
            "evidence": render_evidence(context, taxonomy=self._taxonomy, titles=self._titles),
            "candidates": offer.text,
        }
        request = CompletionRequest(
            model=self.model,
            messages=self.prompt.messages(values),
            schema=self.prompt.schema,
            parameters=self.prompt.parameters,
        )
        return Question(query=query, context=context, offer=offer, request=request)

    def check(self, question: Question, answer: Answer) -> Checked:
        """Hold an answer against the shop."""
        return check_answer(
            answer,
            query=question.query,
            offered=question.offer.ids,
            taxonomy=self._taxonomy,
            matches=self._index.matches,
        )

    def understanding(self, question: Question, checked: Checked) -> Understanding:
        """Return the understanding that a checked answer amounts to, as it is served for a head query."""
        related = question.context.next_queries if question.context else ()
        return Understanding(
            query=question.query,
            normalized=question.query,
            source="head",
            reason="precomputed",
            release="",
            categories=checked.categories,
            annotations=checked.annotations,
            rewrites=checked.rewrites,
            next_queries=tuple(n.query for n in related if n.npmi >= _RELATED)[:5],
            specificity=checked.specificity,
        )


def _describe(shop: str, taxonomy: Taxonomy, catalogue: Catalogue) -> str:
    """Name the shop and its departments by size: the same text for every query, so that it can be cached."""
    roots = [(catalogue.products.get(root, 0), taxonomy[root].name) for root in taxonomy.children.get(None, ())]
    sold = sorted((pair for pair in roots if pair[0]), key=lambda pair: (-pair[0], pair[1]))[:20]
    departments = "; ".join(f"{quote(name)} ({count} products)" for count, name in sold)
    return f"{quote(shop)}. Departments with products: {departments or 'none'}."
