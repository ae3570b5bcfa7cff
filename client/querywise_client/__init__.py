"""A typed client of Querywise: what shoppers of one shop mean by their queries.

`Client` waits for answers, `AsyncClient` is awaited. Both give the values of `querywise_client.answers` and raise the
tree of `querywise_client.errors`.
"""

from querywise_client.answers import (
    Annotation,
    Category,
    Discovered,
    Discovery,
    Embeddings,
    Gate,
    Lineage,
    OtherInfo,
    Override,
    Refused,
    ReleaseInfo,
    Rewrite,
    Suggested,
    Suggestion,
    Understanding,
)
from querywise_client.async_client import AsyncClient
from querywise_client.client import Client
from querywise_client.errors import (
    ApiError,
    BadAnswer,
    ClientClosed,
    ConnectionFailed,
    Forbidden,
    InvalidCall,
    Paused,
    QuerywiseError,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from querywise_client.settings import CallOptions

__all__ = [
    "Annotation",
    "ApiError",
    "AsyncClient",
    "BadAnswer",
    "CallOptions",
    "Category",
    "Client",
    "ClientClosed",
    "ConnectionFailed",
    "Discovered",
    "Discovery",
    "Embeddings",
    "Forbidden",
    "Gate",
    "InvalidCall",
    "Lineage",
    "OtherInfo",
    "Override",
    "Paused",
    "QuerywiseError",
    "Refused",
    "ReleaseInfo",
    "Rewrite",
    "ServiceUnavailable",
    "Suggested",
    "Suggestion",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Understanding",
]
