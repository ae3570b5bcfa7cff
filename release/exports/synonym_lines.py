"""Rules in the Solr synonym format, which Elasticsearch, OpenSearch and Solr read with Lucene's parser.

Every line is an explicit mapping, ``a => a, b``, with the query on its right side where it stays: two-way and one-way
differ then in the number of lines and not in the setting ``expand``, which only concerns lines without an arrow.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from release.exports.rule import Rule
from release.exports.selection import Selection

__all__ = ["Replacement", "escape", "replacements", "shards", "synonym_file"]

_SPECIAL = re.compile(r"[\\,#=>]")


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """What becomes of the words of a query.

    Attributes:
        rule: The rule that says so.
        targets: What takes their place, the words themselves included where they stay.
    """

    rule: Rule
    targets: tuple[str, ...]

    @property
    def line(self) -> str:
        """The mapping in the Solr synonym format."""
        return f"{escape(self.rule.query)} => {', '.join(map(escape, self.targets))}"


def escape(text: str) -> str:
    """Return a text without white space at its ends as Lucene's parser reads it back."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def replacements(selection: Selection) -> list[Replacement]:
    """Return one mapping for each rule that holds wherever its words stand, in the order of queries.

    A filter does not look at its own output again, so what mends a query brings the synonyms of the mended one along.
    """
    rules = [rule for rule in selection.rules if rule.reach == "words"]
    synonyms: dict[str, list[str]] = {}
    for rule in rules:
        if rule.kind == "synonym":
            synonyms.setdefault(rule.query, []).append(rule.target)
    return [
        Replacement(
            rule=rule,
            targets=(rule.target, *synonyms.get(rule.target, ()))
            if rule.kind == "spelling"
            else (rule.query, rule.target),
        )
        for rule in rules
    ]


def synonym_file(selection: Selection) -> bytes:
    """Return a synonyms file: each mapping below a comment with its rule's id, confidence and expiry."""
    origin = selection.origin
    lines = [
        f"# release {_line(origin.release)} of {_line(origin.shop)}, made {origin.created:%Y-%m-%d}",
        f"# models {_line(', '.join(origin.models))}; prompts {_line(', '.join(origin.prompts))}",
        "# for a filter at search time, behind a tokenizer that drops punctuation and a lower-case filter",
    ]
    for mapping in replacements(selection):
        rule = mapping.rule
        lines += [f"# {rule.id} {rule.kind}, confidence {rule.confidence:.2f}, until {rule.expires}", mapping.line]
    return ("\n".join(lines) + "\n").encode()


def shards(found: Sequence[Replacement], limit: int) -> list[list[Replacement]]:
    """Split mappings into sets of at most `limit`, in the order of queries; there is always one set.

    Mappings of queries that begin with the same word stay together as long as they fit, so that the longest still wins.
    """
    sets: list[list[Replacement]] = [[]]
    for _, group in groupby(found, key=lambda mapping: mapping.rule.query.split()[0]):
        together = list(group)
        if sets[-1] and len(sets[-1]) + len(together) > limit:
            sets.append([])
        for mapping in together:
            if len(sets[-1]) == limit:
                sets.append([])
            sets[-1].append(mapping)
    return sets


def _line(text: str) -> str:
    return " ".join(text.split())
