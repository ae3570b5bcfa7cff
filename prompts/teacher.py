"""The teacher: an LLM with its prompt, the shop's context, candidates and checks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from domain.context import ContextStore, DomainContext
from domain.errors import PromptError
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Taxonomy
from domain.text import MAX_QUERY_LENGTH
from domain.understanding import Understanding
from prompts.answer import Answer, Unparseable, read_completion
from prompts.candidates import CandidateFinder, Offer
from prompts.checks import Checked, check_answer
from prompts.completion import Completion
from prompts.departments import related_queries
from prompts.evidence import quote, render_demand, render_evidence, render_followed, render_stock
from prompts.examples import ExampleBank, render_examples
from prompts.prompt_file import PromptFile
from prompts.request import CompletionRequest

__all__ = ["Catalogue", "Part", "Question", "Teacher", "Turn", "turns_of"]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What the teacher reads of the catalogue: titles by product id, number of products in or below each category."""

    titles: dict[str, str]
    products: dict[str, int]


_TRIMS = 4
"""How often a question that is too long can be cut; `Teacher.ask` says what goes when."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One request of a question: all of an understanding, or what one prompt asks of it."""

    prompt: PromptFile
    request: CompletionRequest


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query as it is put to the model: its requests, and what the short ids in them stand for."""

    query: str
    context: DomainContext | None
    offer: Offer
    parts: tuple[Part, ...]
    trimmed: int

    @property
    def key(self) -> str:
        """The hashes of its requests, with ``+`` between."""
        return "+".join(part.request.key for part in self.parts)

    @property
    def prompt_id(self) -> str:
        """The ids of its prompts, as a label's provenance names them."""
        return "+".join(part.prompt.id for part in self.parts)


class Teacher:
    """Asks about queries and reads the answers; the call itself is the provider's.

    Args:
        shop: The shop's name.
        locale: Its locale; the model is told which language to expect.
        model: Name of the model, part of every request.
        prompts: One prompt that asks for everything, or several that each ask for a part.
        taxonomy: The tree.
        catalogue: Titles and counts.
        index: Retrieval.
        contexts: The log's evidence, or None for a model that is shown none of it.
        examples: Answered queries for prompts that show examples.
        api_base: Address of the model's server, where it is not the provider's own.
        nonce: Tells independent repeats of a run apart.

    Raises:
        PromptError: when two prompts ask for the same.
    """

    def __init__(
        self,
        *,
        shop: str,
        locale: str,
        model: str,
        prompts: Sequence[PromptFile],
        taxonomy: Taxonomy,
        catalogue: Catalogue,
        index: RetrievalIndex,
        contexts: ContextStore | None,
        examples: ExampleBank | None = None,
        api_base: str = "",
        nonce: str = "",
    ) -> None:
        self.model = model
        self.prompts = _distinct(prompts)
        self._taxonomy = taxonomy
        self._titles = catalogue.titles
        self._contexts = contexts
        self._index = index
        self._finder = CandidateFinder(taxonomy=taxonomy, index=index, products=catalogue.products, contexts=contexts)
        self._shop = _describe(f"{shop} ({locale})", taxonomy, catalogue)
        self._examples = examples
        self._api_base = api_base
        self._nonce = nonce

    @property
    def prompt_id(self) -> str:
        """The ids of all its prompts."""
        return "+".join(prompt.id for prompt in self.prompts)

    def prompts_of(self, context: DomainContext | None) -> tuple[PromptFile, ...]:
        """Return the prompts that ask about a query.

        Discovery content is asked for where the log has evidence for it, in head and torso; a tail query borrows it.
        A teacher that asks for nothing else asks for it of every query.

        Args:
            context: What the log says of the query, or None.
        """
        if self._contexts is not None and context is not None and context.tier != "tail":
            return self.prompts
        return tuple(prompt for prompt in self.prompts if prompt.task != "discover") or self.prompts

    @property
    def examples_id(self) -> str:
        """Fingerprint of the examples to choose from; empty where there are none, or no prompt shows any."""
        shown = any("examples" in prompt.placeholders for prompt in self.prompts)
        return self._examples.fingerprint if self._examples and shown else ""

    def with_prompts(self, prompts: Sequence[PromptFile]) -> Teacher:
        """Return a teacher that asks other prompts of the same shop; all else is shared, for it takes long to load.

        Raises:
            PromptError: when two prompts ask for the same.
        """
        other = copy.copy(self)
        other.prompts = _distinct(prompts)
        return other

    def ask(self, query: str, *, trim: int = 0) -> Question:
        """Return the question for a normalised query.

        Args:
            query: The query; it is never cut.
            trim: How much to leave out of a question that was too long for the model. From 1: the examples. From 2:
                the products, next and retyped queries of the evidence. From 3: the worse half of the candidates.
                From 4: all evidence, and all but ten candidates.
        """
        context = self._contexts.get(query) if self._contexts else None
        shown = None if trim >= 4 else context
        if shown is not None and trim >= 2:
            shown = replace(shown, products=(), next_queries=(), reformulations=())
        offer = self._finder.offer(query, context, limit=30 if trim < 3 else 15 if trim < 4 else 10)
        examples = self._examples.nearest(query) if self._examples and not trim else []
        prompts = self.prompts_of(context)
        values = {
            "shop": self._shop,
            "query": quote(query, longest=MAX_QUERY_LENGTH),
            "evidence": render_evidence(shown, taxonomy=self._taxonomy, titles=self._titles),
            "demand": render_demand(shown, taxonomy=self._taxonomy, titles=self._titles),
            "followed": render_followed(shown),
            "candidates": offer.text,
        }
        if any("stock" in prompt.placeholders for prompt in prompts):
            values["stock"] = render_stock(self._index.finds(query, self._taxonomy), self._taxonomy)
        parts = [
            Part(
                prompt=prompt,
                request=CompletionRequest(
                    model=self.model,
                    messages=prompt.messages(values | {"examples": render_examples(examples, prompt.task)}),
                    schema=prompt.schema,
                    parameters=prompt.parameters,
                    api_base=self._api_base,
                    nonce=self._nonce,
                ),
            )
            for prompt in prompts
        ]
        return Question(query=query, context=context, offer=offer, parts=tuple(parts), trimmed=trim)

    def shorter(self, question: Question) -> Question | None:
        """Return a question that leaves more out, or None where nothing more can be."""
        return self.ask(question.query, trim=question.trimmed + 1) if question.trimmed < _TRIMS else None

    def check(self, question: Question, answer: Answer) -> Checked:
        """Hold an answer against the shop."""
        return check_answer(
            answer,
            query=question.query,
            offered=question.offer.ids,
            taxonomy=self._taxonomy,
            index=self._index,
            context=question.context,
        )

    def understanding(self, question: Question, checked: Checked) -> Understanding:
        """Return the understanding that a checked answer amounts to, as it is served for a head query."""
        return Understanding(
            query=question.query,
            normalized=question.query,
            source="head",
            reason="precomputed",
            release="",
            categories=checked.categories,
            annotations=checked.annotations,
            rewrites=checked.rewrites,
            next_queries=self.next_queries(question.context),
            specificity=checked.specificity,
        )

    @property
    def has_context(self) -> bool:
        """Whether the model is shown what the log says."""
        return self._contexts is not None

    def next_queries(self, context: DomainContext | None) -> tuple[str, ...]:
        """Return what shoppers search next, as it is served: of the log alone, no model is asked."""
        return related_queries(context)[:5] if self.has_context else ()


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A request of a question and its completion, as far as there is one."""

    part: Part
    request: CompletionRequest
    completion: Completion | None


def turns_of(question: Question, kept: Callable[[str], Completion | None]) -> Iterator[Turn]:
    """Yield the requests of a question with what is kept of them; also those that ask for an unusable answer again."""
    for part in question.parts:
        first = kept(part.request.key)
        yield Turn(part=part, request=part.request, completion=first)
        answer = read_completion(first, part.prompt.task) if first and first.finish != "refused" else None
        if first and isinstance(answer, Unparseable):
            repair = part.request.repair(first.content, answer.complaint)
            yield Turn(part=part, request=repair, completion=kept(repair.key))


def _distinct(prompts: Sequence[PromptFile]) -> tuple[PromptFile, ...]:
    tasks = [prompt.task for prompt in prompts]
    meaning = [task for task in tasks if task != "discover"]
    if len(set(tasks)) < len(tasks) or ("understand" in meaning and len(meaning) > 1):
        raise PromptError(
            f"{', '.join(prompt.id for prompt in prompts)} ask for the same",
            hint="name one prompt for everything, or one each of categories, rewrites and annotations; "
            "and one for discovery content besides",
        )
    return tuple(prompts)


def _describe(shop: str, taxonomy: Taxonomy, catalogue: Catalogue) -> str:
    """Name the shop and its departments by size: the same text for every query, so that it can be cached."""
    roots = [(catalogue.products.get(root, 0), taxonomy[root].name) for root in taxonomy.children.get(None, ())]
    sold = sorted((pair for pair in roots if pair[0]), key=lambda pair: (-pair[0], pair[1]))[:20]
    departments = "; ".join(f"{quote(name)} ({count} products)" for count, name in sold)
    return f"{quote(shop)}. Departments with products: {departments or 'none'}."
