"""Searches for a better system part of a prompt with GEPA (Agrawal et al. 2025), a library that is an extra.

A model is told how the prompt did on a few queries and proposes another; one that does better on these queries is
scored on the whole validation part, and goes on being changed while it is the best on any query of that part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Literal

from domain.context import DomainContext
from domain.errors import CompletionError, ModelError
from domain.label import Label
from prompts.answer import Unparseable
from prompts.bench import Bench, Scorer
from prompts.labelling import Failure
from prompts.prompt_file import PromptFile
from prompts.reflection import Trial
from prompts.revision import revise
from prompts.split import Split

__all__ = ["Ended", "Improvement", "improve_prompt", "optimiser"]

Ended = Literal["rounds", "budget", "perfect", "provider"]
"""Why a search ended: all rounds done, no money left, nothing left to improve, or a model that answers nothing."""

_PART = "system"
_BATCH = 5
_TOLD = 3
_PERFECT = 1 - 1e-9
# Failures that no wording of a prompt is to blame for.
_PROVIDERS_FAULT = frozenset({"rate_limited", "timeout", "provider_error"})
_MORE = "raise --budget and run again: what is done is kept"


@dataclass(frozen=True, kw_only=True)
class Improvement:
    """The end of a search: the best prompt by its mean score over the validation part, which may be the one it was.

    `rounds` were begun, `turned_away` proposals could not be used, `tried` were scored on the whole validation part.
    `detail` is the error of a model that answered nothing.
    """

    best: PromptFile
    score: float
    before: float
    rounds: int
    tried: int
    turned_away: int
    ended: Ended
    detail: str = ""

    @property
    def improved(self) -> bool:
        """Whether the best is another prompt than before."""
        return self.score > self.before


def optimiser() -> Any:
    """Return the library.

    Raises:
        ModelError: when it is not installed.
    """
    try:
        return import_module("gepa")
    except ImportError as error:
        raise ModelError("gepa is not installed", hint="pip install 'querywise[improve]'") from error


def improve_prompt(
    original: PromptFile,
    split: Split,
    *,
    bench: Bench,
    score: Scorer,
    rounds: int,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Improvement:
    """Search for a better system part; what costs money is the bench's, whose budget ends the search when it is spent.

    Args:
        original: The prompt to begin with.
        split: The queries; those held back are not asked.
        bench: Asks.
        score: Says what an answer is worth.
        rounds: The most proposals.
        seed: Of every choice: with the same completions the search is the same.
        progress: Called with what is being done.

    Raises:
        ModelError: when the library is not installed.
        CompletionError: when not even the prompt as it is can be scored.
    """
    gepa = optimiser()
    search = _Search(original, bench=bench, score=score, rounds=rounds, seed=seed, progress=progress)
    ended: Ended = "rounds"
    detail = ""
    try:
        gepa.optimize(
            seed_candidate={_PART: original.system},
            trainset=list(split.training),
            valset=list(split.validation),
            adapter=search,
            reflection_minibatch_size=_BATCH,
            stop_callbacks=search.is_over,
            callbacks=[search],
            logger=search,
            seed=seed,
        )
    except _Stopped as stop:
        if not isinstance(stop.error, CompletionError) or not search.scores:
            raise stop.error from None
        ended = "budget" if stop.error.kind == "over_budget" else "provider"
        detail = str(stop.error)
    best = max(search.scores, key=lambda system: search.scores[system])
    return Improvement(
        best=revise(original, best),
        score=search.scores[best],
        before=search.scores[original.system],
        rounds=search.round,
        tried=len(search.scores) - 1,
        turned_away=len(search.turned_away),
        ended="perfect" if ended == "rounds" and search.is_perfect else ended,
        detail=detail,
    )


class _Stopped(BaseException):
    """Ends a search from within: the library goes on after any Exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _Search:
    """What the library calls: it scores prompts, proposes others, and notes what came of them."""

    def __init__(
        self,
        original: PromptFile,
        *,
        bench: Bench,
        score: Scorer,
        rounds: int,
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        self.scores: dict[str, float] = {}
        self.turned_away: list[str] = []
        self.round = 0
        self._original = original
        self._bench = bench
        self._score = score
        self._rounds = rounds
        self._seed = seed
        self._progress = progress

    @property
    def is_perfect(self) -> bool:
        return max(self.scores.values(), default=0.0) >= _PERFECT

    def is_over(self, _: object) -> bool:
        return self.round >= self._rounds or self.is_perfect

    def evaluate(
        self, batch: Sequence[DomainContext], candidate: Mapping[str, str], capture_traces: bool = False
    ) -> object:
        with _escaping():
            prompt = revise(self._original, candidate[_PART])
            self._progress(f"{self._standing()}, {len(batch)} queries")
            results = self._bench.answer(prompt, batch)
            _check(results)
            scores = [self._score(result.query, result) for result in results]
            trials = [self._bench.trial(prompt, *pair) for pair in zip(results, scores, strict=True) if capture_traces]
        return optimiser().EvaluationBatch(
            outputs=[None] * len(batch),
            scores=[score.value for score in scores],
            trajectories=trials if capture_traces else None,
        )

    def make_reflective_dataset(
        self, _: Mapping[str, str], eval_batch: Any, __: Sequence[str]
    ) -> dict[str, list[dict[str, Any]]]:
        return {_PART: [asdict(trial) for trial in eval_batch.trajectories]}

    def propose_new_texts(
        self,
        candidate: Mapping[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: Sequence[str],
    ) -> dict[str, str]:
        """Return another text, or none: a proposal that cannot be used is not scored at all."""
        with _escaping():
            self._progress(f"{self._standing()}, a proposal")
            try:
                proposal = self._bench.propose(
                    revise(self._original, candidate[_PART]),
                    [Trial(**trial) for trial in reflective_dataset[_PART]],
                    original=self._original,
                    told=self.turned_away[-_TOLD:],
                    nonce=f"{self._seed}.{self.round}",
                )
            except CompletionError as error:
                if error.kind not in ("refused", "too_long"):
                    raise
                proposal = Unparseable(complaint=str(error))
        if isinstance(proposal, Unparseable):
            self.turned_away.append(proposal.complaint)
            return {}
        return {_PART: proposal}

    def on_iteration_start(self, event: Mapping[str, Any]) -> None:
        self.round = event["iteration"]

    def on_valset_evaluated(self, event: Mapping[str, Any]) -> None:
        self.scores.setdefault(event["candidate"][_PART], event["average_score"])

    def log(self, message: str) -> None:
        """Take no note of the library's own words."""

    def _standing(self) -> str:
        best = f", best {max(self.scores.values()):.3f}" if self.scores else ""
        return f"round {self.round} of {self._rounds}{best}"


@contextmanager
def _escaping() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise _Stopped(error) from error


def _check(results: Sequence[Label | Failure]) -> None:
    """Raise what is no fault of the prompt: a score of it would be wrong."""
    failures = [result for result in results if isinstance(result, Failure)]
    for failure in failures:
        if failure.kind == "over_budget":
            raise CompletionError(failure.detail, kind="over_budget", hint=_MORE)
    if len(failures) == len(results) and all(failure.kind in _PROVIDERS_FAULT for failure in failures):
        raise CompletionError(failures[0].detail)
