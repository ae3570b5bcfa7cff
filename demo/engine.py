"""The shop's search engine as the log saw it: lexical over title and brand, helped by popularity and a weak recall.

It knows no synonyms, no brand's product and no spelling, which is why the log and not the titles holds the meaning. The
recall stands for the "shoppers also bought" slot real shops mix in: a few products that serve the query's needs, never
above the third position when the words themselves find anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from demo.products import Product, words_of

HITS = 24
_LEXICAL = 18
_RECALL = 8
_RECALL_FROM = 2
_LEAST_MATCH = 0.6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Products with their inverted index and the rarity of each word."""

    products: Sequence[Product]
    postings: dict[str, Ints]
    popularity: Floats
    lengths: Floats

    def scores(self, query: str, *, strict: bool) -> Floats:
        """One score a product, 0 where it does not match; `strict` asks for every word of the query."""
        words = list(dict.fromkeys(words_of(query)))
        if not words:
            return np.zeros(len(self.products))
        size = len(self.products)
        # A word no title has weighs as much as the rarest one: "swordfish steak" is not answered by steak alone.
        rarity = {word: np.log(1 + size / max(1, len(self.postings.get(word, ())))) for word in words}
        total = sum(rarity.values())
        mass, matched = np.zeros(size), np.zeros(size)
        for word in words:
            found = self.postings.get(word)
            if found is not None:
                mass[found] += rarity[word]
                matched[found] += 1
        keep = matched == len(words)
        if not keep.any() and not strict:
            keep = mass >= _LEAST_MATCH * total
        return np.where(keep, mass / total + 0.5 * matched / self.lengths + 0.55 * self.popularity, 0.0)

    def hits(self, scores: Floats, serving: Floats, rng: np.random.Generator) -> list[int]:
        """Up to `HITS` product indexes: the best scores of the moment, with a few products drawn from `serving`.

        `serving` is one weight a product (how much it serves the query's needs); all zero means no recall.
        """
        noisy = scores * rng.uniform(0.92, 1.08, len(scores))
        best = [int(index) for index in np.argsort(-noisy, kind="stable")[:_LEXICAL] if scores[index] > 0]
        pool = np.flatnonzero(serving)
        if not len(pool):
            return best
        # Short lexical lists leave room for more recall; an empty one shows recall alone.
        wanted = min(len(pool), _RECALL + max(0, 8 - len(best)) // 2)
        weights = serving[pool] / serving[pool].sum()
        drawn = [int(one) for one in rng.choice(pool, size=wanted, replace=False, p=weights) if int(one) not in best]
        for offset, product in enumerate(drawn):
            best.insert(min(len(best), _RECALL_FROM + 2 * offset), product)
        return best[:HITS]


def build_engine(products: Sequence[Product]) -> Engine:
    """Index `products`."""
    postings: dict[str, list[int]] = {}
    for index, product in enumerate(products):
        for word in sorted(product.title_words):
            postings.setdefault(word, []).append(index)
    return Engine(
        products=products,
        postings={word: np.array(found, dtype=np.int64) for word, found in postings.items()},
        popularity=np.array([product.popularity for product in products]),
        lengths=np.array([len(product.title_words) for product in products], dtype=np.float64),
    )
