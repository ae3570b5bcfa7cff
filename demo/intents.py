"""Compiles the behaviour sheets in ``sources/behaviour`` into ``behaviour.jsonl``: ``python -m demo.intents``.

Two forms. Blocks: ``= Leaf: query weight; query~corrected weight; query weight +Leaf:share #title words``, the weight
from 9 (head) to 1 (rare). Single lines in ``special.txt``: ``!`` departs, ``-`` drifts, and lists of queries without a
leaf after ``= zero``, ``= out_of_domain`` and ``= navigational``.
"""

import csv
import random
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from demo import SOURCES
from demo.behaviour import Behaviour, Conversion, Kind, Need, Next, write_behaviour
from demo.catalogue import categories_of
from demo.products import Product, read_products, words_of
from demo.specs import read_leaves

_DRIFT_DAYS = 21
# Words that titles of a leaf carry or not by chance: "vegan cheese" does not ask for the one title that says cheese.
_GENERIC = frozenset({"cheese", "bread", "snack", "food", "coffee", "tea"})
_KINDS: dict[str, Kind] = {"zero": "zero_result", "out_of_domain": "out_of_domain", "navigational": "navigational"}
_ENTRY = re.compile(
    r"^(?P<query>[^~]+?)(?:~(?P<corrects>.+?))? (?P<weight>[1-9])"
    r"(?P<others>(?: \+[^+#@]+:[\d.]+)*)(?: @(?P<brand>[^#]+?))?(?: #(?P<words>.+))?$"
)
_PART = re.compile(
    r"^(?P<leaf>.+?)(?: @(?P<brand>[^#{]+?))?(?: #(?P<words>[^{]+?))?(?: \{(?P<flags>[^}]+)\})? (?P<share>[\d.]+)$"
)


@dataclass(frozen=True, kw_only=True)
class _Draft:
    weight: int
    behaviour: Behaviour
    leaf: str = ""
    corrects: str = ""
    explicit_next: tuple[str, ...] = field(default=())


class _Shop:
    """Leaf names to ids, and the products of each leaf."""

    def __init__(self) -> None:
        leaves = read_leaves(SOURCES / "catalogue")
        known = {leaf.name for leaf in leaves}
        self.ids = {row.name: row.category_id for row in categories_of(leaves) if row.name in known}
        self.stock: dict[str, list[Product]] = {category: [] for category in self.ids.values()}
        for product in read_products():
            self.stock[product.category].append(product)

    def words_that_narrow(self, category: str, query: str) -> tuple[str, ...]:
        """The words of `query` that split the leaf's products, taken in order while some product still has them all."""
        left, chosen = self.stock[category], []
        for word in words_of(query):
            kept = [product for product in left if word in product.words]
            if kept and len(kept) < len(left) and word not in _GENERIC:
                chosen.append(word)
                left = kept
        return tuple(chosen)


def compile_behaviour() -> list[Behaviour]:
    """Every query of the sheets, most frequent first, ranked by weight and, within a weight, by a seeded shuffle.

    Raises:
        ValueError: A line does not parse, or a query is there twice, or a next or corrected query is unknown.
    """
    shop = _Shop()
    drafts: list[_Draft] = []
    for sheet in sorted((SOURCES / "behaviour").glob("*.txt")):
        lines = sheet.read_text(encoding="utf-8").splitlines()
        drafts.extend(_specials(lines, shop) if sheet.stem == "special" else _blocks(lines, shop))
    queries = [draft.behaviour.query for draft in drafts]
    if repeated := sorted({query for query in queries if queries.count(query) > 1}):
        raise ValueError(f"queries are there twice: {repeated}")
    random.Random(11).shuffle(drafts)
    drafts.sort(key=lambda draft: -draft.weight)
    by_query = {draft.behaviour.query: draft for draft in drafts}
    complements = _complements(SOURCES / "complements.csv")
    rows = []
    for rank, draft in enumerate(drafts, start=1):
        row = replace(draft.behaviour, rank=rank, next=_next_of(draft, drafts, complements))
        if draft.corrects:
            row = replace(row, needs=by_query[draft.corrects].behaviour.needs)
        if unknown := [one.query for one in row.next if one.query not in by_query]:
            raise ValueError(f"{row.query!r} is followed by queries nobody makes: {unknown}")
        rows.append(row)
    return rows


def _blocks(lines: list[str], shop: _Shop) -> list[_Draft]:
    drafts: list[_Draft] = []
    for line in filter(str.strip, lines):
        leaf, _, entries = line.removeprefix("= ").partition(": ")
        drafts.extend(_entry(entry.strip(), leaf, shop) for entry in entries.split(";"))
    return drafts


def _entry(text: str, leaf: str, shop: _Shop) -> _Draft:
    found = _ENTRY.match(text)
    if not found:
        raise ValueError(f"not an entry of {leaf!r}: {text!r}")
    others = [part.rpartition(":") for part in found["others"].split(" +")[1:]]
    needs = [Need(category=shop.ids[name], share=float(share)) for name, _, share in others]
    category, query, weight = shop.ids[leaf], found["query"], int(found["weight"])
    words = tuple(words_of(found["words"])) if found["words"] else shop.words_that_narrow(category, query)
    main = Need(
        category=category,
        share=round(1 - sum(need.share for need in needs), 3),
        brand=found["brand"] or "",
        # A query with several needs is a broad one: its words do not narrow any of them.
        words=() if needs else words,
    )
    level: Conversion = "high" if weight >= 6 and not needs else "mid"
    behaviour = Behaviour(
        query=query,
        rank=0,
        kind="typo" if found["corrects"] else "ordinary",
        conversion=level,
        sold=True,
        needs=(main, *needs),
    )
    return _Draft(weight=weight, behaviour=behaviour, leaf=leaf, corrects=found["corrects"] or "")


def _specials(lines: list[str], shop: _Shop) -> list[_Draft]:
    drafts: list[_Draft] = []
    kind: Kind = "ordinary"
    for line in lines:
        if line.startswith("= "):
            kind = _KINDS[line[2:]]
        elif line.startswith(("! ", "- ")):
            drafts.append(_special(line, shop))
        elif line.strip() and not line.startswith("#"):
            drafts.extend(_unsold(entry, kind) for entry in line.split(";"))
    return drafts


def _special(line: str, shop: _Shop) -> _Draft:
    weight, query, needs, level, sold, following, why = (cell.strip() for cell in line[2:].split(" | "))
    drift = why.removeprefix("drift: ") if why.startswith("drift: ") else ""
    behaviour = Behaviour(
        query=query,
        rank=0,
        kind="ordinary" if sold == "yes" else "zero_result",
        conversion="high" if level == "high" else "mid" if level == "mid" else "low",
        sold=sold == "yes",
        needs=_parts(needs, shop),
        departs=line.startswith("!"),
        why="" if drift else why,
        drift=_parts(drift, shop) if drift else (),
        drift_days=_DRIFT_DAYS if drift else 0,
    )
    return _Draft(
        weight=int(weight), behaviour=behaviour, explicit_next=tuple(one.strip() for one in following.split(","))
    )


def _parts(text: str, shop: _Shop) -> tuple[Need, ...]:
    needs = []
    for part in text.split("; "):
        found = _PART.match(part)
        if not found:
            raise ValueError(f"not a need: {part!r}")
        needs.append(
            Need(
                category=shop.ids[found["leaf"]],
                share=float(found["share"]),
                brand=found["brand"] or "",
                words=tuple(words_of(f"{found['words'] or ''} {found['flags'] or ''}")),
            )
        )
    return tuple(needs)


def _unsold(entry: str, kind: Kind) -> _Draft:
    weight, _, query = entry.partition("|")
    query, _, following = query.partition(" > ")
    behaviour = Behaviour(query=query.strip(), rank=0, kind=kind, conversion="low", sold=False)
    return _Draft(
        weight=int(weight), behaviour=behaviour, explicit_next=(following.strip(),) if following.strip() else ()
    )


def _next_of(draft: _Draft, drafts: list[_Draft], complements: dict[str, str]) -> tuple[Next, ...]:
    """What follows: the corrected query, the written list, or the leaf's two most frequent queries and a complement."""
    if draft.corrects:
        return (Next(query=draft.corrects, probability=0.65),)
    if draft.explicit_next:
        steps = (0.5,) if len(draft.explicit_next) == 1 else (0.26, 0.16, 0.1, 0.08)
        return tuple(Next(query=one, probability=p) for one, p in zip(draft.explicit_next, steps, strict=False))
    siblings = [
        other.behaviour.query for other in drafts if draft.leaf and other.leaf == draft.leaf and not other.corrects
    ]
    chosen = [query for query in siblings if query != draft.behaviour.query][:2]
    following = [Next(query=query, probability=p) for query, p in zip(chosen, (0.14, 0.08), strict=False)]
    if complement := complements.get(draft.leaf):
        following.append(Next(query=complement, probability=0.14))
    return tuple(following)


def _complements(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as lines:
        return {row["leaf"]: row["query"] for row in csv.DictReader(lines)}


if __name__ == "__main__":
    compiled = compile_behaviour()
    write_behaviour(compiled)
    sys.stdout.write(f"{len(compiled)} queries\n")
