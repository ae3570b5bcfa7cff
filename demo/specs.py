"""Reads the hand-written catalogue sheets in ``sources/catalogue``.

One sheet covers a few departments. ``#``, ``##`` and ``###`` open a department, an aisle and a shelf (``### -`` closes
the shelf); every other line is a leaf::

    Leaf name | brand; brand | variety {attrs} @sizes; ... | size=price; ... | attrs | phrase | how many

``+`` as the leaf name adds another line to the leaf above. ``~brand`` is a brand that titles do not show (loose fruit).
``@1,2`` limits a variety to the first and second size of the line. ``-`` instead of brands: the shop lists the leaf and
stocks nothing in it.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

Attribute = str | bool
"""What a product attribute may be in these sheets: a word, or a flag that holds."""

_FLAGS = {
    "vg": "vegan",
    "df": "dairy_free",
    "gf": "gluten_free",
    "ko": "kosher",
    "sf": "sugar_free",
    "ns": "no_sugar_added",
    "ls": "low_sodium",
    "unsw": "unsweetened",
    "keto": "keto",
}
_VARIETY = re.compile(r"^(?P<name>[^{@]+?)\s*(?:\{(?P<attributes>[^}]*)\})?\s*(?:@(?P<sizes>[\d,]+))?$")


@dataclass(frozen=True, kw_only=True)
class Size:
    """One pack size and its price in US dollars at a brand of tier 1."""

    text: str
    price: float


@dataclass(frozen=True, kw_only=True)
class Variety:
    """One kind of a product: what the title says after the brand; `sizes` are the indexes of the sizes it comes in."""

    name: str
    attributes: dict[str, Attribute]
    sizes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Brands, varieties and sizes that go together, and how many products to make of them."""

    brands: tuple[str, ...]
    varieties: tuple[Variety, ...]
    sizes: tuple[Size, ...]
    attributes: dict[str, Attribute]
    phrase: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A leaf category with its path from the root and the lines stocked in it (none: listed, not stocked)."""

    path: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The leaf's own name, unique in the shop."""
        return self.path[-1]


def read_leaves(folder: Path) -> list[Leaf]:
    """Every leaf of the sheets in `folder`, in sheet order.

    Raises:
        ValueError: A line does not parse, or two leaves share a name.
    """
    leaves: list[Leaf] = []
    for sheet in sorted(folder.glob("*.txt")):
        leaves.extend(_read_sheet(sheet.read_text(encoding="utf-8").splitlines()))
    names = [leaf.name for leaf in leaves]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"leaf names are not unique: {sorted(repeated)}")
    return leaves


def _read_sheet(lines: list[str]) -> list[Leaf]:
    leaves: list[Leaf] = []
    open_at = ["", "", ""]
    for text in filter(str.strip, lines):
        marks, _, name = text.partition(" ")
        if set(marks) == {"#"}:
            level = len(marks) - 1
            open_at[level:] = ["" if name == "-" else name.strip(), *[""] * (2 - level)]
            continue
        cells = [cell.strip() for cell in text.split("|")]
        if cells[0] != "+":
            leaves.append(Leaf(path=tuple(part for part in (*open_at, cells[0]) if part)))
        if cells[1] != "-":
            leaves[-1].lines.append(_read_line(cells))
    return leaves


def _read_line(cells: list[str]) -> Line:
    if len(cells) != 7:
        raise ValueError(f"{len(cells)} cells instead of 7 in the line of {cells[0]!r}")
    sizes = tuple(_read_size(item) for item in _items(cells[3]))
    return Line(
        brands=tuple(_items(cells[1])),
        varieties=tuple(_read_variety(item, len(sizes)) for item in _items(cells[2])),
        sizes=sizes,
        attributes=_read_attributes(_items(cells[4])),
        phrase=cells[5],
        count=int(cells[6]),
    )


def _items(cell: str) -> list[str]:
    return [item.strip() for item in cell.split(";") if item.strip()]


def _read_size(item: str) -> Size:
    text, _, price = item.rpartition("=")
    return Size(text=text, price=float(price))


def _read_variety(item: str, size_count: int) -> Variety:
    found = _VARIETY.match(item)
    if not found:
        raise ValueError(f"not a variety: {item!r}")
    chosen = found["sizes"]
    sizes = tuple(int(one) - 1 for one in chosen.split(",")) if chosen else tuple(range(size_count))
    return Variety(name=found["name"], attributes=_read_attributes((found["attributes"] or "").split(",")), sizes=sizes)


def _read_attributes(items: list[str]) -> dict[str, Attribute]:
    attributes: dict[str, Attribute] = {}
    for item in items:
        name, equals, value = item.strip().partition("=")
        if equals:
            attributes[name] = value
        elif name == "dc":
            attributes["caffeine"] = "decaf"
        elif name:
            attributes[_FLAGS.get(name, name)] = True
    return attributes
