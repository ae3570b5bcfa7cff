"""Releases of a few hand-made answers, and real Lucene to read exports back with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain import Taxonomy
from domain.label import Label, Provenance
from domain.taxonomy import Node
from domain.understanding import Annotation, AnnotationType, Category, Rewrite, RewriteType, Understanding
from release import build_release
from release.exports import ExportSettings, Policy, Selection, select_rules
from release.exports.written import File

TREE = {
    "drinks": (None, "Beverages"),
    "soft": ("drinks", "Soft Drinks"),
    "ginger": ("soft", "Ginger Ale"),
    "cola": ("soft", "Cola"),
    "juice": ("drinks", "Juice"),
    "dairy": (None, "Dairy"),
    "milk": ("dairy", "Milk"),
    "frozen": (None, "Frozen"),
    "ice": ("frozen", "Bagged Ice"),
    "cream": ("frozen", "Ice Cream"),
    "fruit": (None, "Fruit"),
    "apples": ("fruit", "Apples"),
}
CREATED = datetime(2026, 11, 21, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
JAVA = Path(__file__).parent / "java" / "ReadBack.java"


def said(
    query: str,
    *rewrites: tuple[RewriteType, str, float],
    shelf: str | None = "ginger",
    sure: float = 0.97,
    mark: AnnotationType | None = "product_type",
    value: str | None = None,
    model: str = "by-hand",
) -> Label:
    """A label: rewrites as type, text and confidence; the whole query marked as `mark`, with `value`."""
    tree = taxonomy()
    marked = Annotation(text=query, start=0, end=len(query), type=mark, value=value or query) if mark else None
    return Label(
        query=query,
        tier="head",
        searches=10,
        understanding=Understanding(
            query=query,
            normalized=query,
            source="head",
            reason="precomputed",
            release="",
            categories=(Category(id=shelf, path=tree.path(shelf), confidence=sure),) if shelf else (),
            annotations=(marked,) if marked else (),
            rewrites=tuple(Rewrite(type=type_, query=text, confidence=c) for type_, text, c in rewrites),
        ),
        provenance=Provenance(model=model, prompt="understand@1#0", key="k", context="c", dropped={}),
    )


def taxonomy() -> Taxonomy:
    return Taxonomy(Node(category_id=i, parent_id=parent, name=name) for i, (parent, name) in TREE.items())


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What tests call; modules of tests do not import each other."""

    said: Callable[..., Label]
    release: Callable[..., Path]
    select: Callable[..., Selection]
    contents: Callable[[Iterable[File]], dict[str, bytes]]
    boosted: Callable[[str], Boosted]
    settings: ExportSettings
    today: date


@dataclass(frozen=True, kw_only=True)
class Boosted:
    """What a boost in Solr's syntax holds for, and what it counts."""

    field: str
    ids: tuple[str, ...]
    weight: float


_TERMS = re.compile(
    r"\(\{!terms f=(?P<field>[\w.\-]+)( separator='(?P<separator>[^'\\])')? v='(?P<ids>([^'\\]|\\[^ntrbfu])*)'\}\)"
    r"\^=(?P<weight>\d+(\.\d+)?)"
)


def boosted(clause: str) -> Boosted:
    """Read a clause as Solr does, in the one form that is written: its terms parser, for the same score each.

    Strictly, after Solr's QueryParser.jj, StrParser and TermsQParserPlugin, which no machine of these tests has.
    """
    match = _TERMS.fullmatch(clause)
    assert match, clause
    ids = re.sub(r"\\(.)", r"\1", match["ids"]).split(match["separator"] or ",")
    return Boosted(field=match["field"], ids=tuple(ids), weight=float(match["weight"]))


def contents(files: Iterable[File]) -> dict[str, bytes]:
    """Read files as they will be on the disk, by name."""
    return {file.name: "".join(f"{line}\n" for line in file.lines).encode() for file in files}


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    count, open_ones = 0, ExitStack()

    def release(
        labels: Iterable[Label],
        *,
        folder: Path | None = None,
        created: datetime = CREATED,
        tree: Taxonomy | None = None,
    ) -> Path:
        nonlocal count
        count += 1
        return build_release(
            shop="grocery",
            taxonomy=tree or taxonomy(),
            product_ids=(),
            labels=labels,
            fingerprints={},
            index=None,
            releases=folder or tmp_path / f"releases{count}",
            created=created,
        )

    def select(*labels: Label, today: date = TODAY, policy: Policy | None = None) -> Selection:
        return open_ones.enter_context(select_rules(release(labels), policy=policy or Policy(), today=today))

    with open_ones:
        yield Tools(
            said=said,
            release=release,
            select=select,
            contents=contents,
            boosted=boosted,
            settings=ExportSettings(),
            today=TODAY,
        )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Lucene makes of a query: every reading of it, and the titles that have all words of one."""

    readings: frozenset[str]
    titles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Lucene:
    """A process that reads synonyms files; see ReadBack.java for the modes."""

    process: subprocess.Popen[bytes]
    folder: Path

    def ask(self, mode: str, synonyms: bytes, queries: Sequence[str], titles: Sequence[str] = ()) -> list[Answer]:
        """Return the answer for each query; raises ValueError with Lucene's reason where it takes not the synonyms."""
        files = {"synonyms.txt": synonyms, "titles": "\n".join(titles).encode(), "queries": "\n".join(queries).encode()}
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\t".join([mode, *(str(self.folder / name) for name in files)]).encode() + b"\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.process.stdout.readline()) != b".\n":
            assert line, "the reader ended"
            lines.append(line.decode().removesuffix("\n"))
        if lines and lines[-1].startswith("!"):
            raise ValueError(lines[-1])
        assert len(lines) == len(queries)
        split = [line.split("\t") for line in lines]
        return [
            Answer(readings=frozenset(readings.split("|")), titles=tuple(t for t in found.split("|") if t))
            for readings, found in split
        ]


def class_path() -> str | None:
    """The jars of Lucene: those of QUERYWISE_LUCENE, or Debian's."""
    given = os.environ.get("QUERYWISE_LUCENE")
    jars = [
        *Path("/usr/share/java").glob("lucene-core-*.jar"),
        *Path("/usr/share/java").glob("lucene-analyzers-common-*.jar"),
    ]
    return given or (os.pathsep.join(map(str, jars)) if len(jars) >= 2 else None)


@pytest.fixture(scope="session")
def lucene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lucene]:
    jars = class_path()
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler (default-jdk-headless)")
    if jars is None:
        pytest.skip("no Lucene (liblucene8-java, or its jars in QUERYWISE_LUCENE)")
    folder = tmp_path_factory.mktemp("lucene")
    subprocess.run(
        ["javac", "-nowarn", "-proc:none", "-cp", jars, "-d", folder, JAVA],
        check=True,
        capture_output=True,
        timeout=120,
    )
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}{os.pathsep}{jars}", "ReadBack"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes) as process:
        yield Lucene(process=process, folder=folder)
        process.stdin.close()
        process.wait(timeout=30)
