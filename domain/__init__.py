"""What a shop knows: taxonomy, catalogue, logs, domain context, and the type of an answer.

Only light names are exported here, because the service imports them; the loaders, which need DuckDB and Polars, are
imported by module: `domain.ingest`, `domain.context`, `domain.retrieval`.
"""

import domain.telemetry  # noqa: F401
from domain.errors import QuerywiseError, UserError
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understander, Understanding

__all__ = ["QuerywiseError", "Taxonomy", "Understander", "Understanding", "UserError", "normalise"]
