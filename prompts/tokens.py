"""How many tokens requests will take, before they are sent.

Exact for OpenAI's models, whose tokenizers litellm brings along. For every other model an interval from the bytes of
the text, measured by `benchmarks/tokens.py` on 1,209 rendered prompts of two shops with nine tokenizers (OpenAI's of
three generations, Anthropic's of 2023, Llama 2 and 3, Gemma 3, Qwen 3, DeepSeek 3): a prompt in English took 0.217 to
0.324 tokens a byte, and lines in other scripts 0.099 (Hindi, Gemma 3) to 0.993 (Amharic, Anthropic). The bounds are
these with a margin of a tenth or more. An accent breaks the word around it too, so that a byte beyond ASCII
counts up to 1.3 tokens; but no text has more tokens than bytes, which is the bound of every byte-level tokenizer.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prompts.request import CompletionRequest

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = ["TokenCount", "bundled_encoding", "count_tokens", "most_tokens"]

_ASCII = (0.19, 0.38)
_BEYOND = (0.09, 1.3)

# OpenAI Cookbook, "How to count tokens with tiktoken": each message has three tokens beside its role and its text, and
# three more begin the answer. Other templates are longer.
_MESSAGE = 3
_OPENING = 3
_LONGEST_MESSAGE = 16
# What stands around a schema at OpenAI, and the keys that are left out of it: measured by users, openai-cookbook #2140.
_SCHEMA_FRAME = 9
_SCHEMA_LEFT_OUT = ("required", "additionalProperties", "$schema")
# The instructions that a provider adds to make a model keep to a schema; Anthropic states up to 346 for its tools.
_INSTRUCTIONS = 350

# Distinct texts that are counted: above this many, a sample stands for the lighter ones.
_COUNTED = 2000
_SURELY_COUNTED = 500
_STANDARD_ERRORS = 4.0
# tiktoken overflows its stack on a million spaces.
_LONGEST_PIECE = 100_000


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """Input tokens of requests, between `low` and `high`.

    They are equal when every text was counted with the model's own tokenizer, whose name `tokenizer` is; they differ a
    little when it counted a sample, and by up to two times and more when it is not known and `tokenizer` is None.
    """

    low: int
    high: int
    tokenizer: str | None


@dataclass(frozen=True, kw_only=True)
class _Bytes:
    """Bytes of a text: those of ASCII characters and those of all others."""

    ascii: int
    beyond: int


def count_tokens(model: str, requests: Sequence[CompletionRequest]) -> TokenCount:
    """Count the input tokens that requests will take together.

    A text that many requests share is counted once. Of more than 2,000 distinct texts, the 500 that weigh most are
    counted, and of the others a random 1,500 with their tokens a byte (Cochran 1977, chapter 6); the interval is four
    standard errors to either side. The schema counts as OpenAI's models take it; an interval begins without it, as some
    servers keep to a schema and never show it to the model.

    Args:
        model: The name under which litellm knows the model.
        requests: What will be sent.
    """
    texts: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    schemas: Counter[int] = Counter()
    by_id: dict[int, Mapping[str, Any]] = {}
    for request in requests:
        for message in request.messages:
            texts[message["content"]] += 1
            roles[message["role"]] += 1
        # Prompts share one schema object: to compare them by value would take longer than all the rest.
        schemas[id(request.schema)] += 1
        by_id[id(request.schema)] = request.schema
    shown = Counter({_schema_text(by_id[key]): count for key, count in schemas.items() if by_id[key]})
    name = _encoding_name(model)
    encoding = bundled_encoding(name) if name else None
    if encoding is None:
        return _estimate(texts, shown, messages=roles.total(), requests=len(requests))
    frames = roles.total() * _MESSAGE + len(requests) * _OPENING + shown.total() * _SCHEMA_FRAME
    around = frames + sum(_counted(encoding, part) for part in (roles, shown))
    low, high = _counted_or_sampled(encoding, texts)
    return TokenCount(low=around + low, high=around + high, tokenizer=name)


def most_tokens(request: CompletionRequest) -> int:
    """Return what no byte-level tokenizer exceeds: a token for every byte, and room for what a provider adds.

    The schema counts twice, as it may be written out with indents.
    """
    said = sum(
        len(message["role"]) + len(message["content"].encode("utf-8", "surrogatepass")) + _LONGEST_MESSAGE
        for message in request.messages
    )
    return said + 2 * len(json.dumps(request.schema)) + _INSTRUCTIONS


def bundled_encoding(name: str) -> Encoding | None:
    """Return an encoding of tiktoken whose file is on this machine, or None; the network is never asked."""
    try:
        import tiktoken
    except ImportError:
        return None
    # tiktoken's name of a file is the hash of its address; it fetches what it does not find under that.
    address = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
    file = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    for folder in _folders():
        if (folder / file).is_file():
            # As litellm does itself when it is imported, which takes seconds.
            os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
            return tiktoken.get_encoding(name)
    return None


def _folders() -> list[Path]:
    litellm = find_spec("litellm")
    bundled = [Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"] if litellm and litellm.origin else []
    own = os.environ.get("TIKTOKEN_CACHE_DIR")
    return [*([Path(own)] if own else []), *bundled]


def _encoding_name(model: str) -> str | None:
    """Name the encoding of a model of OpenAI's, be it called by its bare name or through another provider."""
    *above, name = model.split("/")
    if above and above[-1] not in ("openai", "azure"):
        return None
    try:
        from tiktoken.model import encoding_name_for_model

        found = encoding_name_for_model(name)
    except (ImportError, KeyError):
        return None
    # The open models have another frame around their messages, the older ones a tokenizer that is not bundled.
    return found if found in ("o200k_base", "cl100k_base") else None


def _schema_text(schema: Mapping[str, Any]) -> str:
    def kept(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: kept(inner) for key, inner in value.items() if key not in _SCHEMA_LEFT_OUT}
        return [kept(inner) for inner in value] if isinstance(value, list | tuple) else value

    return json.dumps(kept(schema), ensure_ascii=False, separators=(",", ":"))


def _counts(encoding: Encoding, texts: Sequence[str]) -> list[int]:
    """Count the tokens of each text; what looks like a control token in it is plain text."""
    counts = [0] * len(texts)
    pieces = [
        (at, text[begin : begin + _LONGEST_PIECE])
        for at, text in enumerate(texts)
        for begin in range(0, len(text), _LONGEST_PIECE)
    ]
    encoded = encoding.encode_ordinary_batch([piece for _, piece in pieces], num_threads=os.cpu_count() or 1)
    for (at, _), tokens in zip(pieces, encoded, strict=True):
        counts[at] += len(tokens)
    return counts


def _counted(encoding: Encoding, texts: Counter[str]) -> int:
    return sum(count * times for count, times in zip(_counts(encoding, list(texts)), texts.values(), strict=True))


def _counted_or_sampled(encoding: Encoding, texts: Counter[str]) -> tuple[int, int]:
    if len(texts) <= _COUNTED:
        exact = _counted(encoding, texts)
        return exact, exact
    weights = {text: times * _length(text) for text, times in texts.items()}
    ranked = sorted(texts, key=weights.__getitem__, reverse=True)
    sure = _counted(encoding, Counter({text: texts[text] for text in ranked[:_SURELY_COUNTED]}))
    rest = ranked[_SURELY_COUNTED:]
    drawn = np.random.default_rng(0).choice(len(rest), size=_COUNTED - _SURELY_COUNTED, replace=False)
    sample = [rest[i] for i in drawn]
    tokens = np.array(_counts(encoding, sample)) * [texts[text] for text in sample]
    sizes = np.array([weights[text] for text in sample])
    ratio = tokens.sum() / max(sizes.sum(), 1)
    estimate = sure + ratio * sum(weights[text] for text in rest)
    spread = np.std(tokens - ratio * sizes, ddof=1) * math.sqrt((1 - len(sample) / len(rest)) / len(sample))
    margin = _STANDARD_ERRORS * len(rest) * spread
    return math.floor(max(estimate - margin, sure)), math.ceil(estimate + margin)


def _estimate(texts: Counter[str], shown: Counter[str], *, messages: int, requests: int) -> TokenCount:
    said, schema = _bytes(texts), _bytes(shown)
    low = said.ascii * _ASCII[0] + said.beyond * _BEYOND[0] + messages * _MESSAGE + requests * _OPENING
    high = _at_most(said) + _at_most(schema) + messages * _LONGEST_MESSAGE + requests * _INSTRUCTIONS
    return TokenCount(low=math.floor(low), high=math.ceil(high), tokenizer=None)


def _at_most(count: _Bytes) -> float:
    return min(count.ascii * _ASCII[1] + count.beyond * _BEYOND[1], count.ascii + count.beyond)


def _bytes(texts: Counter[str]) -> _Bytes:
    # `isascii` is a flag of the string: most texts are not read at all.
    plain = sum(times * (len(t) if t.isascii() else len(t.encode("ascii", "ignore"))) for t, times in texts.items())
    return _Bytes(ascii=plain, beyond=sum(times * _length(text) for text, times in texts.items()) - plain)


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
