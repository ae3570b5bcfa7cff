"""Rules in the Solr synonym format, which Elasticsearch, OpenSearch and Solr read with Lucene's parser.

Every line is an explicit mapping, ``a => a, b``, with the query on its right side where it stays: two-way and one-way
differ then in the number of lines and not in the setting ``expand``, which only concerns lines without an arrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from release.exports.rule import Rule
from release.exports.selection import Selection
from release.exports.words import words_of
from release.exports.written import File

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


def replacements(selection: Selection) -> Iterator[Replacement]:
    """Yield one mapping for each rule that holds wherever its words stand, in the order of queries.

    A filter does not look at its own output again, so what mends a query brings the synonyms of the mended one along.
    """
    for rule in selection.rules():
        if rule.reach != "words":
            continue
        if rule.kind == "spelling":
            mended = (one for one in selection.of(rule.target) if one.kind == "synonym" and one.reach == "words")
            yield Replacement(rule=rule, targets=(rule.target, *(one.target for one in mended)))
        else:
            yield Replacement(rule=rule, targets=(rule.query, rule.target))


def synonym_file(selection: Selection) -> File:
    """Return a synonyms file: each mapping below a comment with its rule's id, confidence and expiry."""
    return File(name="synonyms.txt", lines=_lines(selection))


def _lines(selection: Selection) -> Iterator[str]:
    origin = selection.origin
    yield f"# release {_line(origin.release)} of {_line(origin.shop)}, made {origin.created:%Y-%m-%d}"
    yield f"# models {_line(', '.join(origin.models))}; prompts {_line(', '.join(origin.prompts))}"
    yield "# for a filter at search time, behind a tokenizer that drops punctuation and a lower-case filter"
    for mapping in replacements(selection):
        rule = mapping.rule
        yield f"# {rule.id} {rule.kind}, confidence {rule.confidence:.2f}, until {rule.expires}"
        yield mapping.line


def shards(found: Iterable[Replacement], limit: int) -> Iterator[list[Replacement]]:
    """Split mappings into sets of at most `limit`, in the order of queries; there is always one set.

    Mappings of queries that begin with the same word stay together as long as they fit, so that the longest still wins.
    """
    members: list[Replacement] = []
    for _, group in groupby(found, key=lambda mapping: _beginning(mapping.rule.query)):
        together = list(group)
        if members and len(members) + len(together) > limit:
            yield members
            members = []
        for mapping in together:
            if len(members) == limit:
                yield members
                members = []
            members.append(mapping)
    yield members


def _beginning(query: str) -> str:
    """Return what the first word of a query begins with; all queries with the same stand in a row.

    Whole words would not do: ``t's`` stands between ``t shirt`` and ``t-shirt``.
    """
    return re.split("[',.]", words_of(query)[0])[0]


def _line(text: str) -> str:
    return " ".join(text.split())
