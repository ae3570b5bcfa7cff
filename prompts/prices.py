"""What a model's tokens cost: from the shop's own table, else from the price list that litellm brings along.

Unknown stays None and is never nought: a run that knows no price can say so, one that reckons with nought overspends.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from domain.errors import ModelError

__all__ = ["Price", "Route", "price_of"]

Route = Literal["sync", "batch"]
"""How a request was made: one at a time, or in a provider's batch, which costs less."""

# Programs that serve a model on one's own machine. litellm asks some of them for the model's size, so it is not asked.
_OWN_MACHINE = ("lemonade", "llamafile", "lm_studio", "ollama", "ollama_chat")
# litellm looks these up on the network, and has no price for any.
_NOT_LISTED = ("huggingface",)
_TALKING = ("chat", "completion", "responses")

_REQUIRED = ("input", "output")
_OPTIONAL = ("cached", "cache_write", "batch_input", "batch_output", "batch_cached")


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per token; None is not known. `source` says where it is from: ``litellm 1.106.2``, ``shop.toml``.

    Prices that a provider raises for prompts beyond 100,000 tokens are left out: a request of ours is a few thousand.
    """

    input: float
    output: float
    cached: float | None
    cache_write: float | None
    batch_input: float | None
    batch_output: float | None
    batch_cached: float | None
    source: str

    def of(self, usage: Mapping[str, Any], route: Route = "sync") -> float | None:
        """Return what a completion cost in US dollars, or None when its tokens or the route's price are not known.

        Tokens read from a cache or written to it cost the full input price where theirs is not known, so that the sum
        is not less than the truth. A write in a batch keeps its proportion to the input price.

        Args:
            usage: `prompt_tokens`, all that went in, and `completion_tokens`; of the former, where known,
                `cached_tokens` and `cache_write_tokens`. A count that is not a whole number is not known.
            route: How the request was made.
        """
        asked, answered = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
        batch = route == "batch"
        full, out = (self.batch_input, self.batch_output) if batch else (self.input, self.output)
        if asked is None or answered is None or full is None or out is None:
            return None
        read = min(_count(usage, "cached_tokens") or 0, asked)
        written = min(_count(usage, "cache_write_tokens") or 0, asked - read)
        cached = self.batch_cached if batch else self.cached
        dearer = self.cache_write / self.input if self.cache_write is not None and self.input else 1.0
        return (
            (asked - read - written) * full
            + read * (full if cached is None else cached)
            + written * full * dearer
            + answered * out
        )

    def most(self, tokens_in: int, tokens_out: int) -> float:
        """Return the most that so many tokens can cost when asked one at a time, in US dollars."""
        return tokens_in * max(self.input, self.cached or 0.0, self.cache_write or 0.0) + tokens_out * self.output


def price_of(model: str, *, override: Mapping[str, float] | None = None) -> Price | None:
    """Return the price of a model by its litellm name, or None when it is not known.

    A model that litellm lists at nought has no known price, unless the program that serves it runs on one's own
    machine, like Ollama. A deployment that is named like a listed model is taken for that model.

    Args:
        model: The name, such as ``gpt-4o-mini``, ``anthropic/claude-haiku-4-5`` or ``ollama/llama3``.
        override: The table ``[llm.price]`` of shop.toml, in US dollars per million tokens: `input` and `output`, and
            optionally `cached`, `cache_write`, `batch_input`, `batch_output`, `batch_cached`. It stands alone: what it
            leaves out is not known. An empty one says nothing.

    Raises:
        ModelError: when the table holds an unknown key, lacks one, or holds what is not a price.
    """
    if override:
        return _of_table(override)
    provider, _, name = model.partition("/")
    if provider in _OWN_MACHINE and not name.endswith("cloud"):  # Ollama's own servers go by such names.
        free = dict.fromkeys((*_REQUIRED, "cached", "cache_write"), 0.0)
        return Price(**free, batch_input=None, batch_output=None, batch_cached=None, source="own machine")
    return None if provider in _NOT_LISTED else _listed(model)


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    found = usage.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def _of_table(table: Mapping[str, float]) -> Price:
    hint = "[llm.price] takes input and output, and may have " + ", ".join(_OPTIONAL) + ", in US dollars per million"
    for key, value in table.items():
        if key not in (*_REQUIRED, *_OPTIONAL):
            raise ModelError(f"[llm.price] has an unknown key {key!r}", hint=hint)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value < 0:
            raise ModelError(f"[llm.price] {key} is {value!r}, which is no price", hint=hint)
    missing = [key for key in _REQUIRED if key not in table]
    if ("batch_input" in table) != ("batch_output" in table):
        missing += {"batch_input", "batch_output"} - set(table)
    if missing:
        raise ModelError(f"[llm.price] lacks {' and '.join(missing)}", hint=hint)
    return Price(
        input=table["input"] / 1e6,
        output=table["output"] / 1e6,
        **{key: table[key] / 1e6 if key in table else None for key in _OPTIONAL},
        source="shop.toml",
    )


def _listed(model: str) -> Price | None:
    # Without this litellm fetches a price list from the network when it is imported.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    try:
        import litellm
    except ImportError:
        return None
    # It prints to standard output about names that it does not know.
    litellm.suppress_debug_info = True
    try:
        listed: Mapping[str, Any] = litellm.get_model_info(model)
    except Exception:  # what litellm raises for an unlisted model is in no public module, and differs by version
        return None
    if listed.get("mode") not in _TALKING:
        return None

    def rate(name: str) -> float | None:
        value = listed.get(name)
        # For a model that it knows by its family alone, litellm writes nought where it has no price.
        return float(value) if isinstance(value, int | float) and 0 < value < math.inf else None

    full, out = rate("input_cost_per_token"), rate("output_cost_per_token")
    if full is None or out is None:
        return None
    return Price(
        input=full,
        # Tokens of reasoning are counted among those of the answer, whichever of the two is dearer.
        output=max(out, rate("output_cost_per_reasoning_token") or 0.0),
        cached=rate("cache_read_input_token_cost"),
        cache_write=rate("cache_creation_input_token_cost"),
        batch_input=rate("input_cost_per_token_batches"),
        batch_output=rate("output_cost_per_token_batches"),
        batch_cached=rate("cache_read_input_token_cost_batches"),
        source=f"litellm {version('litellm')}",
    )
