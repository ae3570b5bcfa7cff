"""Why an idea is not shown: a closed set, so that what was dropped can be counted."""

from __future__ import annotations

from typing import Literal

__all__ = ["DropReason"]

DropReason = Literal[
    "unsafe",
    "is_query",
    "no_product",
    "unlike",
    "scattered",
    "out_of_stock",
    "own_products",
    "same_category",
    "too_far",
    "accessory",
    "bought_together",
    "no_lift",
    "another_idea",
    "below_threshold",
    "beyond_limit",
]
"""Why an idea or a suggestion is not shown.

- ``unsafe``: its words are not fit to be shown, or are no words.
- ``is_query``: it is the shopper's own query.
- ``no_product``: no product holds any of its words.
- ``unlike``: products hold some of its words, and none is what it says.
- ``scattered``: what fits lies all over the tree.
- ``out_of_stock``: what fits is not in stock.
- ``own_products``: it shows what the query itself finds.
- ``same_category``: a complement from the query's own category.
- ``too_far``: a substitute from another part of the tree that is not near in meaning either.
- ``accessory``: a substitute that is made for what is asked, and does not replace it.
- ``bought_together``: a substitute that shoppers buy along with what is asked.
- ``no_lift``: a complement that shoppers want along with it less often than chance has it.
- ``another_idea``: it shows what an earlier idea shows.
- ``below_threshold``: a model takes all that it would show for bad matches of what it says.
- ``beyond_limit``: better ideas take up the room.
"""
