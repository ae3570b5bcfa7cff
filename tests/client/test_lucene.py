"""What the page about Solr writes is read by Lucene's own query parser as it is meant."""

from __future__ import annotations

import base64
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client.pages import blocks_of

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "integrations" / "solr.md"
JARS = Path("/usr/share/java")
PARTS = ("core", "queryparser", "analyzers-common", "sandbox", "queries")

HOSTILE = [
    "a OR b", "NOT a", "a AND NOT (b)", "(a", "a)", "\"a", "a\"", "a:b", "f:*", "*", "*:*", "?", "a~2", "a^9", "a^",
    "[a TO b]", "{a TO b]", "/a.*/", "/", "\\", "a\\", "\\\\", "+a -b", "- a", "!a", "a && b", "a || b", "&", "|",
    "{!func}1", "_query_:x", "a'b", "$x", "1% milk", "c++", "h&m", "7-up", "50\" tv", "crème", "豆腐", "🥑",
    "\u202eab", "a\tb", "a\nb", "TO", "#", "a,b;c", "<a>", "=", "a=>b", "%00", "AND", "OR OR", "not",
]  # fmt: skip


@pytest.fixture(scope="module")
def lucene() -> Callable[[list[tuple[str, ...]]], list[str]]:
    """Reads many lines of queries in one virtual machine."""
    jars = [next(iter(sorted(JARS.glob(f"lucene-{part}-[89]*.jar"))), None) for part in PARTS]
    if shutil.which("java") is None or shutil.which("javac") is None or None in jars:
        pytest.skip("Java or Debian's liblucene8-java is not installed here")

    def read(lines: list[tuple[str, ...]]) -> list[str]:
        command = ["java", "-XX:TieredStopAtLevel=1", "-cp", ":".join(map(str, jars)), "ReadQueries.java"]
        encoded = [
            "\t".join([kind, *(base64.b64encode(text.encode()).decode() for text in texts)]) for kind, *texts in lines
        ]
        done = subprocess.run(
            command, cwd=HERE / "lucene", input="\n".join(encoded), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return read


@pytest.fixture(scope="module")
def solr(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The functions of the page that escape."""
    names: dict[str, Any] = {}
    exec(compile(blocks_of(PAGE, "python")[0], str(PAGE), "exec", dont_inherit=True), names)
    return names


def hostile_texts() -> list[str]:
    """The list, and texts thrown together from its pieces: the same in every run."""
    draw = random.Random(7)
    pieces = [*HOSTILE, *'+-&|!(){}[]^"~*?:\\/ ', "OR", "AND", "NOT", "a"]
    return HOSTILE + ["".join(draw.choices(pieces, k=draw.randint(2, 6))) for _ in range(600)]


def test_hostile_texts_are_words_and_values_and_nothing_else(lucene, solr):
    texts = [text for text in hostile_texts() if text.strip()]
    plain, quoted = solr["plain"], solr["quoted"]
    pairs = zip(texts, reversed(texts), strict=True)
    lines = [("words", f"({plain(a)})^1 OR ({plain(b)})^0.4", a.lower(), b.lower()) for a, b in pairs]
    lines += [("value", f"f:{quoted(text)}", text) for text in texts]
    # These are not escaped, and must not pass.
    lines += [("words", "(a OR b)^1 OR (c)^0.4", "a or b", "c"), ("value", 'f:"a\\b"', "a\\b")]
    verdicts = lucene(lines)
    assert [verdict == "ok" for verdict in verdicts[-2:]] == [False, False]
    assert [(line, v) for line, v in zip(lines[:-2], verdicts[:-2], strict=True) if v != "ok"] == []
