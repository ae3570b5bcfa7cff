"""The products and categories that the playground draws; no part of the API, for a shop's own page knows its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from release import Card
from service.problems import Problem
from service.serving import Serving

__all__ = ["card_route"]

_MOST: Final = 100
_ADDRESS: Final = "/playground/products"


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Cards of the products that are known, and the path of each category that is."""

    products: tuple[Card, ...]
    categories: dict[str, tuple[str, ...]]


_drawn: Final[TypeAdapter[_Drawn]] = TypeAdapter(_Drawn)


def card_route(serving: Serving) -> BaseRoute:
    """Return the route that takes ids of products as ``id`` and of categories as ``category``, a hundred in all."""

    async def cards(request: Request) -> Response:
        asked = request.query_params.multi_items()
        if len(asked) > _MOST:
            raise Problem("invalid-field", f"{_MOST} ids may be asked for; these are {len(asked):,}.", field="id")
        release = serving.get()
        products = [value for name, value in asked if name == "id"]
        categories = [value for name, value in asked if name == "category" and value in release.taxonomy]
        drawn = _Drawn(
            products=() if release.contents is None else release.contents.cards.of(products),
            categories={category: release.taxonomy.path(category) for category in categories},
        )
        return Response(_drawn.dump_json(drawn), media_type="application/json", headers={"cache-control": "no-store"})

    return Route(_ADDRESS, cards)
