"""What a release is and how it answers: built, verified, promoted and opened here.

Nothing heavy is imported: no LLM client, no torch, no DuckDB, no Polars.
"""

from release.build import build_release
from release.current import current_release, list_releases, previous_release, promote, rollback
from release.manifest import Manifest
from release.release import Release, open_release, verify_release
from release.retriever import Candidate, LoadRetriever, Retriever, WordOverlap, open_retriever

__all__ = [
    "Candidate",
    "LoadRetriever",
    "Manifest",
    "Release",
    "Retriever",
    "WordOverlap",
    "build_release",
    "current_release",
    "list_releases",
    "open_release",
    "open_retriever",
    "previous_release",
    "promote",
    "rollback",
    "verify_release",
]
