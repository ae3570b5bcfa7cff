"""The HTTP service over one loaded release. No LLM, no torch, no DuckDB."""

from service.app import Service, create_app
from service.run import serve
from service.settings import Settings

__all__ = ["Service", "Settings", "create_app", "serve"]
