"""What shoppers do with a result page: look from the top, click, fill the cart, buy.

Examination falls with the position as ``1 / position ** 0.75``; a click needs examination and attraction, independently
(the position-based model: Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from demo.engine import HITS, Floats, Ints
from demo.shelves import VARIANTS, Shelves

_DECAY = 0.75
_ENGAGES = {"high": 0.85, "mid": 0.8, "low": 0.5}
_CARTS = {"high": 0.42, "mid": 0.34, "low": 0.2}
_CARTS_OTHERWISE = 0.03
_BUYS = 0.5
_CHUNK = 20_000


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """One row a click: the search's row, the position from 1, and whether it went on to cart and purchase."""

    search: Ints
    position: Ints
    product: Ints
    cart: npt.NDArray[np.bool_]
    purchase: npt.NDArray[np.bool_]


def examination(positions: int = HITS) -> Floats:
    """The chance that position 1, 2, ... is looked at."""
    chances: Floats = np.arange(1, positions + 1, dtype=np.float64) ** -_DECAY
    return chances


def draw_variants(count: int, rng: np.random.Generator) -> Ints:
    """Which of the prepared result lists each search saw."""
    return rng.integers(0, VARIANTS, count)


def draw_clicks(
    page: Ints, variant: Ints, session: Ints, levels: npt.NDArray[np.str_], shelves: Shelves, rng: np.random.Generator
) -> Clicks:
    """Clicks for the searches given by aligned arrays; `levels` is each page's conversion level."""
    engages = np.array([_ENGAGES[level] for level in levels])
    carts = np.array([_CARTS[level] for level in levels])
    buys = rng.random(int(session.max()) + 1) < _BUYS
    parts: list[tuple[npt.NDArray[np.generic], ...]] = []
    for start in range(0, len(page), _CHUNK):
        rows = slice(start, start + _CHUNK)
        pages, variants = page[rows], variant[rows]
        slot = (rng.random(len(pages))[:, None] > shelves.shares[pages]).sum(axis=1)
        chance = examination() * shelves.attraction[pages, slot, variants]
        engaged = rng.random(len(pages)) < engages[pages]
        clicked = (rng.random(chance.shape) < chance) & engaged[:, None]
        search, position = np.nonzero(clicked)
        serves = shelves.serves[pages, slot, variants][search, position]
        cart = rng.random(len(search)) < np.where(serves, carts[pages[search]], _CARTS_OTHERWISE)
        product = shelves.hits[pages[search], variants[search], position]
        purchase = cart & buys[session[rows][search]]
        parts.append((search + start, position + 1, product, cart, purchase))
    search, position, product, cart, purchase = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Clicks(
        search=search.astype(np.int64),
        position=position.astype(np.int64),
        product=product.astype(np.int64),
        cart=cart.astype(np.bool_),
        purchase=purchase.astype(np.bool_),
    )
