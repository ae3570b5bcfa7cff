"""The judge: a model with a rubric, a shop's items, and the requests that put them to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from domain.text import MAX_QUERY_LENGTH
from domain.verdict import Item
from prompts.completion import Completion
from prompts.evidence import quote
from prompts.judge.answer import Answered, read_verdicts_of
from prompts.judge.exhibit import Exhibit, render_exhibits
from prompts.judge.grading import facets_of, task_of
from prompts.judge.perturbation import Perturbation, perturb
from prompts.prompt_file import PromptFile
from prompts.request import CompletionRequest
from prompts.teacher import Part

__all__ = ["ITEMS_A_REQUEST", "Judge", "Sheet", "SheetTurn"]

ITEMS_A_REQUEST: Final = 10


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Items of one query that are judged together, in the order shown, and the request that does it."""

    exhibits: tuple[Exhibit, ...]
    part: Part

    @property
    def ids(self) -> tuple[str, ...]:
        """The short ids under which the items are shown."""
        return tuple(f"i{number}" for number in range(1, len(self.exhibits) + 1))


@dataclass(frozen=True, kw_only=True)
class SheetTurn:
    """A request of a sheet, its completion, as far as there is one, and what was read of that."""

    part: Part
    completion: Completion | None
    answered: Answered


class Judge:
    """Puts items to a model; the call itself is the provider's.

    Args:
        shop: The shop's name.
        locale: Its locale.
        model: Name of the model, part of every request.
        rubric: What to go by; it decides the task.
        api_base: Address of the model's server, where it is not the provider's own.
        repeat: The nonce of an independent repeat.
        perturbation: What to change about the items, to see whether the verdict stays; None for nothing.
        brands: Normal forms of the shop's brands, for the perturbation that masks them.
        most: Items of one request.

    Raises:
        PromptError: when the prompt is no rubric.
    """

    def __init__(
        self,
        *,
        shop: str,
        locale: str,
        model: str,
        rubric: PromptFile,
        api_base: str = "",
        repeat: str = "",
        perturbation: Perturbation | None = None,
        brands: Collection[str] = frozenset(),
        most: int = ITEMS_A_REQUEST,
    ) -> None:
        self.task = task_of(rubric)
        self.facets = facets_of(rubric)
        self.model = model
        self.rubric = rubric
        self.repeat = repeat
        self.perturbation = perturbation
        self._shop = quote(f"{shop} ({locale})")
        self._api_base = api_base
        self._brands = brands
        self._most = most

    @property
    def name(self) -> str:
        """Model and rubric, as verdicts name them; of a perturbed judge with what was changed."""
        return ", ".join([self.model, self.rubric.id, *([self.perturbation] if self.perturbation else [])])

    def sheets(self, exhibits: Iterable[Exhibit]) -> Iterator[Sheet]:
        """Yield the requests for items; those of one query go together, as many as a request holds, in their order.

        An item that is given twice is asked about once.
        """
        by_query: dict[str, dict[Item, Exhibit]] = {}
        for exhibit in exhibits:
            by_query.setdefault(exhibit.item.query, {}).setdefault(exhibit.item, exhibit)
        for query, items in by_query.items():
            group = list(items.values())
            for start in range(0, len(group), self._most):
                yield self._sheet(query, tuple(group[start : start + self._most]))

    def _sheet(self, query: str, exhibits: tuple[Exhibit, ...]) -> Sheet:
        if self.perturbation:
            exhibits = perturb(exhibits, self.perturbation, brands=self._brands)
        values = {
            "shop": self._shop,
            "query": quote(query, longest=MAX_QUERY_LENGTH),
            "items": render_exhibits(exhibits),
        }
        request = CompletionRequest(
            model=self.model,
            messages=self.rubric.messages(values),
            schema=self.rubric.schema,
            parameters=self.rubric.parameters,
            api_base=self._api_base,
            nonce=self.repeat,
        )
        return Sheet(exhibits=exhibits, part=Part(prompt=self.rubric, request=request))

    def read(self, sheet: Sheet, completion: Completion) -> Answered:
        """Return what a completion says of the items of a sheet."""
        return read_verdicts_of(completion, ids=sheet.ids, facets=self.facets)

    def turns(self, sheet: Sheet, kept: Callable[[str], Completion | None]) -> Iterator[SheetTurn]:
        """Yield the request of a sheet with what is kept of it; also the one that asks for what was left out."""
        first = kept(sheet.part.request.key)
        answered = self.read(sheet, first) if first and first.finish != "refused" else Answered()
        yield SheetTurn(part=sheet.part, completion=first, answered=answered)
        if first and answered.complaint:
            again = Part(prompt=sheet.part.prompt, request=sheet.part.request.repair(first.content, answered.complaint))
            second = kept(again.request.key)
            read = self.read(sheet, second) if second and second.finish != "refused" else Answered()
            yield SheetTurn(part=again, completion=second, answered=read)
