"""The catalogue behind a lexical search, as a shop's backend would have it; held in memory.

BM25 (Robertson, Zaragoza 2009; tantivy's k1 = 1.2, b = 0.75) over each field, the fields' scores added up with the
weights below. They were set once, by custom, and are tuned on nothing: what is compared is the same search with and
without an understanding.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from domain.catalogue import Product
from domain.errors import UserError
from domain.lexical import Stems
from domain.taxonomy import Taxonomy
from evals.replay.clauses import Clauses

if TYPE_CHECKING:
    import tantivy

__all__ = ["FIELDS", "Backend", "ProductSearch"]

FIELDS: Final[Mapping[str, float]] = {"title": 3.0, "brand": 2.0, "attributes": 1.0, "description": 0.5}
"""Weight of each field's BM25 score."""

_MEMORY = 256_000_000  # bytes of the writer's buffer: what fits is one segment
_PLACES = 4  # decimals that scores are compared to: sums of single precision differ below


class Backend(Protocol):
    """A search engine that a replay can ask."""

    def search(self, clauses: Clauses, *, limit: int) -> Sequence[str]:
        """Return the ids of at most `limit` products, the best first, always in the same order."""
        ...


class ProductSearch:
    """A `Backend` over a catalogue in memory; products of equal score come by id."""

    def __init__(self, index: tantivy.Index, product_ids: Sequence[str], stems: Stems) -> None:
        self._searcher = index.searcher()
        self._schema = index.schema
        self._ids = product_ids
        self._stems = stems

    @classmethod
    def build(cls, products: Iterable[Product], taxonomy: Taxonomy, *, locale: str) -> ProductSearch:
        """Index a catalogue: words stemmed by the locale's language, and the ids of each product's category lineage.

        Raises:
            UserError: the search library is not installed.
        """
        try:
            import tantivy as library
        except ImportError as error:
            raise UserError(
                f"a replay needs {error.name}, which is not installed", hint="pip install 'querywise[replay]'"
            ) from error
        stems = Stems(locale)
        builder = library.SchemaBuilder()
        for field in FIELDS:
            builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field("lineage", tokenizer_name="raw", index_option="basic")
        builder.add_unsigned_field("number", fast=True)
        index = library.Index(builder.build())
        ordered = sorted(products, key=lambda product: product.product_id)
        # With more threads it would be chance which products share a segment.
        writer = index.writer(heap_size=_MEMORY, num_threads=1)
        for number, product in enumerate(ordered):
            document = library.Document()
            for field, text in _texts(product):
                document.add_text(field, " ".join(stems(text)))
            for category_id in taxonomy.lineage(product.category_id):
                document.add_text("lineage", category_id)
            document.add_unsigned("number", number)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return cls(index, [product.product_id for product in ordered], stems)

    def search(self, clauses: Clauses, *, limit: int) -> list[str]:
        """Return the ids of at most `limit` products, the best first."""
        query = self._query(clauses)
        if query is None or not self._ids:
            return []
        asked = limit
        while True:
            hits = self._searcher.search(query, asked + 1, count=False).hits
            # The library breaks ties by its own numbering, so that a tie across the limit is fetched whole.
            if len(hits) <= asked or round(hits[asked][0], _PLACES) < round(hits[limit - 1][0], _PLACES):
                break
            asked *= 2
        numbers = self._searcher.fast_field_values("number", [address for _, address in hits])
        ranked = sorted((-round(hit[0], _PLACES), int(number or 0)) for hit, number in zip(hits, numbers, strict=True))
        return [self._ids[number] for _, number in ranked[:limit]]

    def _query(self, clauses: Clauses) -> tantivy.Query | None:
        import tantivy as library

        query, must, should = library.Query, library.Occur.Must, library.Occur.Should
        bags = [query.boost_query(bag, w.weight) for w in clauses.words if (bag := self._bag(w.text)) is not None]
        if not bags:
            return None
        parts = [(must, query.disjunction_max_query(bags))]
        if clauses.favoured:
            favoured = [query.const_score_query(self._in(f.category_id), f.weight) for f in clauses.favoured]
            parts.append((should, query.disjunction_max_query(favoured)))
        if clauses.within:
            within = query.boolean_query([(should, self._in(category_id)) for category_id in clauses.within])
            parts.append((must, query.const_score_query(within, 0.0)))
        return query.boolean_query(parts)

    def _bag(self, text: str) -> tantivy.Query | None:
        import tantivy as library

        query, should = library.Query, library.Occur.Should
        terms = [
            (should, query.boost_query(query.term_query(self._schema, field, stem, index_option="freq"), weight))
            for stem in self._stems(text)
            for field, weight in FIELDS.items()
        ]
        return query.boolean_query(terms) if terms else None

    def _in(self, category_id: str) -> tantivy.Query:
        import tantivy as library

        return library.Query.term_query(self._schema, "lineage", category_id, index_option="basic")


def _texts(product: Product) -> Iterator[tuple[str, str]]:
    yield "title", product.title
    yield "brand", product.brand or ""
    yield "description", product.description or ""
    values: dict[str, Any] = json.loads(product.attributes)
    yield "attributes", " ".join(str(value) for value in values.values() if not isinstance(value, bool))
