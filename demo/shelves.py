"""Result pages prepared ahead: a few result lists a query, and how attractive each hit is to each need."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from demo.behaviour import Behaviour, Need
from demo.engine import HITS, Engine, Floats
from demo.products import Product

VARIANTS = 8
_NEEDS = 4
# How likely an examined hit is to be clicked: it serves the need, it is of the need's leaf, or it only caught the eye.
_SERVES, _NEAR, _NOISE = 0.42, 0.07, 0.003
_SOLD_OUT = 0.35


@dataclass(frozen=True, kw_only=True)
class Page:
    """One meaning of one query: a query whose meaning drifts has two pages, any other has one."""

    behaviour: Behaviour
    needs: tuple[Need, ...]


@dataclass(frozen=True, kw_only=True)
class Shelves:
    """`hits` over (page, variant, position), -1 pads; `attraction` and `serves` over (page, need, variant, position).

    `shares` are the cumulated shares of a page's needs, 1 from the last need on.
    """

    hits: npt.NDArray[np.int32]
    attraction: npt.NDArray[np.float32]
    serves: npt.NDArray[np.bool_]
    shares: Floats


def pages_of(behaviour: Sequence[Behaviour]) -> list[Page]:
    """First one page a query, in order; then the drifted pages, in order."""
    first = [Page(behaviour=row, needs=row.needs) for row in behaviour]
    return first + [Page(behaviour=row, needs=row.drift) for row in behaviour if row.drift]


def build_shelves(pages: Sequence[Page], engine: Engine, rng: np.random.Generator) -> Shelves:
    """Prepare `VARIANTS` result lists a page."""
    shape = (len(pages), VARIANTS, HITS)
    hits = np.full(shape, -1, dtype=np.int32)
    attraction = np.zeros((len(pages), _NEEDS, VARIANTS, HITS), dtype=np.float32)
    serves = np.zeros((len(pages), _NEEDS, VARIANTS, HITS), dtype=np.bool_)
    shares = np.ones((len(pages), _NEEDS))
    stock = np.array([1.0 if product.in_stock else 0.0 for product in engine.products])
    categories = np.array([product.category for product in engine.products])
    quality = np.array([product.quality for product in engine.products])
    noise = _NOISE * (1 + 3 * engine.popularity)
    leaves: dict[str, list[int]] = {}
    for index, product in enumerate(engine.products):
        leaves.setdefault(product.category, []).append(index)
    for number, page in enumerate(pages):
        matches = [_matches(need, engine.products, leaves[need.category]) for need in page.needs]
        if page.needs:
            shares[number, : len(page.needs)] = np.cumsum([need.share for need in page.needs])
            shares[number, len(page.needs) - 1 :] = 1.0
        kind = page.behaviour.kind
        scores = engine.scores(page.behaviour.query, strict=kind != "ordinary" and kind != "typo")
        serving = np.zeros(len(engine.products))
        for need, match in zip(page.needs, matches, strict=True):
            serving += need.share * match / max(1, match.sum()) * (0.2 + engine.popularity)
        for variant in range(VARIANTS):
            list_of = engine.hits(scores, serving if _recalls(page, variant) else np.zeros_like(serving), rng)
            hits[number, variant, : len(list_of)] = list_of
            shown = np.array(list_of, dtype=np.int64)
            for slot, (need, match) in enumerate(zip(page.needs, matches, strict=True)):
                taste = np.where(categories == need.category, _NEAR, noise)
                taste = np.where(match, _SERVES * (0.55 + 0.65 * quality), taste)
                taste = taste * np.where(stock > 0, 1.0, _SOLD_OUT)
                attraction[number, slot, variant, : len(list_of)] = taste[shown]
                serves[number, slot, variant, : len(list_of)] = (match & (stock > 0))[shown]
            if not page.needs:
                attraction[number, 0, variant, : len(list_of)] = noise[shown]
    return Shelves(hits=hits, attraction=attraction, serves=serves, shares=shares)


def _recalls(page: Page, variant: int) -> bool:
    """Misspelt and unsold queries are recalled in three result lists of eight: most of their searches stay empty."""
    return variant < 3 or page.behaviour.kind not in ("typo", "zero_result")


def _matches(need: Need, products: Sequence[Product], leaf: Sequence[int]) -> npt.NDArray[np.bool_]:
    wanted = set(need.words)
    matches = np.zeros(len(products), dtype=np.bool_)
    for index in leaf:
        product = products[index]
        matches[index] = (not need.brand or product.brand == need.brand) and wanted <= product.words
    return matches
