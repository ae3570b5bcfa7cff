"""What a release is and how it answers: built, verified, promoted and opened here.

Nothing heavy is imported: no LLM client, no torch, no DuckDB, no Polars.
"""

from release.build import build_release
from release.cards import Card, CatalogueProduct
from release.current import current_release, list_releases, point_to, previous_release, rollback
from release.discover import Discovered, Suggested
from release.gate import GateRecord, GateVerdict, Override
from release.key import find_gate_key, gate_key
from release.manifest import Manifest
from release.opening import open_release, verify_release
from release.promotion import promote
from release.release import EmbedKind, Release
from release.retriever import Candidate, LoadRetriever, Retriever, WordOverlap, open_retriever
from release.signature import sign_gate, verify_gate

__all__ = [
    "Candidate",
    "Card",
    "CatalogueProduct",
    "Discovered",
    "EmbedKind",
    "GateRecord",
    "GateVerdict",
    "LoadRetriever",
    "Manifest",
    "Override",
    "Release",
    "Retriever",
    "Suggested",
    "WordOverlap",
    "build_release",
    "current_release",
    "find_gate_key",
    "gate_key",
    "list_releases",
    "open_release",
    "open_retriever",
    "point_to",
    "previous_release",
    "promote",
    "rollback",
    "sign_gate",
    "verify_gate",
    "verify_release",
]
