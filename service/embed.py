"""``/v1/embed``: texts as the student's vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter
from starlette.types import Receive, Scope

from release import EmbedKind, Release
from service.access.access import charge
from service.problems import Problem
from service.reply import PostRoute
from service.serving import Serving
from service.settings import Settings
from service.texts import Turns, half_a_pair, normalised_product, normalised_query
from service.wire import json_fields, read_json_body

__all__ = ["Embed"]

_DECIMALS: Final = 5

_rows: Final[TypeAdapter[list[list[float]]]] = TypeAdapter(list[list[float]])


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A request that is well formed; its texts are not looked at yet."""

    texts: Sequence[Any]
    kind: EmbedKind
    products: Sequence[str | None] | None


class Embed(PostRoute):
    """Texts of queries or products, embedded in order."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Embed the texts; each coordinate is rounded to five decimals, thus off by at most 0.000005."""
        body = await read_json_body(scope, receive, self._settings.max_batch_body)
        asked = _read(json_fields(body, ("texts", "kind"), ("products",)), self._settings.max_batch)
        charge(scope, len(asked.texts) - 1)
        with self._serving.hold() as release:
            return await self._embed(asked, release)

    async def _embed(self, asked: _Asked, release: Release) -> bytes:
        if release.dimension is None:
            raise Problem("no-student", "The release being served has no student: distil one, build and promote.")
        texts = await _normalised(asked)

        def work(part: slice) -> bytes:
            embeddings = release.embed(
                texts[part],
                kind=asked.kind,
                products=None if asked.products is None else asked.products[part],
                quality_weight=self._settings.quality_weight,
            )
            return _json(embeddings)

        rows = b",".join(await self._serving.in_slices(len(texts), work))
        about = b'],"dimension":%d,"release":%s}' % (release.dimension, json.dumps(release.id).encode())
        return b'{"embeddings":[' + rows + about


def _read(fields: dict[str, Any], most: int) -> _Asked:
    texts, kind, products = fields["texts"], fields["kind"], fields.get("products")
    if type(texts) is not list:
        raise Problem("invalid-field", "The texts must be a list.", field="texts")
    if len(texts) > most:
        raise Problem("too-many-texts", f"{most:,} texts may come at once; these are {len(texts):,}.", field="texts")
    if kind not in get_args(EmbedKind):
        raise Problem("invalid-field", "The kind must be 'query' or 'product'.", field="kind")
    if products is None:
        return _Asked(texts=texts, kind=kind, products=None)
    if kind != "product":
        raise Problem("invalid-field", "Only texts of products have products.", field="products")
    if type(products) is not list or len(products) != len(texts):
        raise Problem("invalid-field", "The products must be a list with one id, or null, a text.", field="products")
    for i, product in enumerate(products):
        if product is not None and type(product) is not str:
            raise Problem("invalid-field", "The id of a product must be a string or null.", field=f"products[{i}]")
    return _Asked(texts=texts, kind=kind, products=products)


async def _normalised(asked: _Asked) -> list[str]:
    normalised = normalised_query if asked.kind == "query" else normalised_product
    texts = []
    turns = Turns()
    for i, raw in enumerate(asked.texts):
        await turns.before(raw)
        field = f"texts[{i}]"
        texts.append(normalised(raw, field))
        try:
            raw.encode()
        except UnicodeEncodeError as error:
            raise half_a_pair(field) from error
    return texts


def _json(embeddings: npt.NDArray[np.float32]) -> bytes:
    """Return rows as JSON, without the brackets around all of them."""
    return _rows.dump_json(np.round(embeddings.astype(np.float64), _DECIMALS).tolist())[1:-1]
