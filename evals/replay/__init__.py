"""Puts answers to work in a lexical search over the catalogue, and finds the queries that they harm."""

from evals.replay.backend import Backend, ProductSearch
from evals.replay.clauses import Clauses, Favoured, Way, Words, clauses_of
from evals.replay.judged import JudgedQuery, judged_queries
from evals.replay.oracle import Oracle
from evals.replay.replaying import Suspect, replay
from evals.replay.report import (
    HarmedQuery,
    PartHarm,
    Replay,
    ReplayRow,
    Unjudged,
    read_replay,
    unjudged_pairs,
    write_replay,
)
from evals.replay.text import replay_table, to_markdown

__all__ = [
    "Backend",
    "Clauses",
    "Favoured",
    "HarmedQuery",
    "JudgedQuery",
    "Oracle",
    "PartHarm",
    "ProductSearch",
    "Replay",
    "ReplayRow",
    "Suspect",
    "Unjudged",
    "Way",
    "Words",
    "clauses_of",
    "judged_queries",
    "read_replay",
    "replay",
    "replay_table",
    "to_markdown",
    "unjudged_pairs",
    "write_replay",
]
