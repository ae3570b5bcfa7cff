"""Hard constraints of a query: what a shopper cannot do without, found in its words and in what a model said of them.

Found by patterns in any language: a number with a unit, a model number. Found by a small English lexicon: diets,
allergens, "free", "without", devices whose accessories fit nothing else. Everything else needs an annotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Literal, Protocol

from domain.constraint_words import ACCESSORIES, ALLERGENS, DEVICES, DIETS, IMPLIES, SIZES, UNITS, WITHOUT
from domain.text import normalise
from domain.understanding import AnnotationType

__all__ = ["Constraint", "ConstraintKind", "Tag", "constraints_of", "keeps"]

ConstraintKind = Literal["allergen", "dietary", "exclusion", "size", "model", "compatibility"]

_DIETS = {spelling: meaning for meaning, spellings in DIETS.items() for spelling in (meaning, *spellings)}
_ALLERGENS = {spelling: meaning for meaning, spellings in ALLERGENS.items() for spelling in (meaning, *spellings)}
_SIZES = {spelling: size for size, spellings in SIZES.items() for spelling in (size, *spellings)}
_UNITS = {spelling: unit for unit, spellings in UNITS.items() for spelling in (unit, *spellings)}


def _any_of(words: Sequence[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_ALLERGEN = _any_of(list(_ALLERGENS))
_FREE = re.compile(
    rf"(?<!\w)(?:({_ALLERGEN})[ -]?(?:free|less)|(?:free (?:of|from)|without|no|non)[ -]?({_ALLERGEN}))(?!\w)"
)
_OTHERWISE_FREE = re.compile(rf"(?<!\w)(?:(\w+)[ -]free|(?:{_any_of(WITHOUT)}) (?:any |added )?(?!\d)(\w+))(?!\w)")
_DIET = re.compile(rf"(?<!\w)({_any_of(list(_DIETS))})(?!\w)")
_SIZE = re.compile(rf"(?<!\w)({_any_of(list(_SIZES))})(?!\w)")
_NUMBER = r"\d+(?:[.,/]\d+)*"
_DIMENSIONS = re.compile(rf"(?<!\w)({_NUMBER}(?: ?x ?{_NUMBER})+)(?![\w])")
_MEASURE = re.compile(rf"(?<![\w.])({_NUMBER}|half|quarter)[ -]?({_any_of(list(_UNITS))})(?!\w|[ -]\d)")
_COUNTED = re.compile(rf"(?<!\w)(?:(pack|box|case|set) of|size) ({_NUMBER})(?!\w)")
_ALONE = re.compile(r"(?<!\w)(gallon|gal|dozen|pint|quart)(?!\w)")
_MODEL = re.compile(r"(?<![\w.-])(?=[\w-]*\d)[\w-]+(?![\w.])")
_MANY_IN_ONE = re.compile(r"\d[ -]?in[ -]?\d")
_LONGEST_VALUE = 100
_REMEMBERED = 1 << 12
_PLAIN_WORDS = frozenset(("mp3", "mp4", "mp3s", "h2o", "7up", "7-up", "v8"))
_FOR = re.compile(r"(?<!\w)(?:for|fits?|compatible with)(?: an?| the| my)? (\w.*)$")
_DEVICE = re.compile(rf"(?<!\w)({_any_of(DEVICES)})s?(?!\w)")
_ACCESSORY = re.compile(rf"(?<!\w)({_any_of(ACCESSORIES)})(?:s|es)?(?!\w)")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Words of a text that pin down what will do, as ``text[start:end]``; any one of ``meanings`` says the same."""

    kind: ConstraintKind
    text: str
    start: int
    end: int
    meanings: frozenset[str]


class Tag(Protocol):
    """An annotation, as answered or as served: words of a text, what they are, and another form of them."""

    @property
    def text(self) -> str:
        """The words."""
        ...

    @property
    def type(self) -> AnnotationType:
        """What they are."""
        ...

    @property
    def value(self) -> str:
        """Another form of them, or an empty string."""
        ...


def constraints_of(text: str, annotations: Sequence[Tag] = ()) -> tuple[Constraint, ...]:
    """Return the hard constraints of a normalised text, in order.

    Args:
        text: The text.
        annotations: What was said of it: dietary words and sizes are constraints whatever they are, and a value
            is a further way to say what the lexicon or a pattern found.
    """
    found = _written(text)
    if not annotations:
        return found
    return tuple(sorted(_annotated(list(found), text, annotations), key=lambda c: c.start))


def keeps(text: str, constraint: Constraint) -> bool:
    """Whether a normalised text holds a constraint of another, in whatever words."""
    said = {meaning for other in _written(text) for meaning in other.meanings}
    said |= {implied for meaning in said for implied in IMPLIES.get(meaning, ())}
    return any(meaning in said or _says(text, meaning) for meaning in constraint.meanings)


@lru_cache(maxsize=_REMEMBERED)
def _written(text: str) -> tuple[Constraint, ...]:
    """Return what the lexicon and the patterns find, in order; the same texts are asked about again and again."""
    found: list[Constraint] = []
    for constraint in chain(_worded(text), _measured(text), _numbered(text)):
        if all(constraint.end <= other.start or constraint.start >= other.end for other in found):
            found.append(constraint)
    return tuple(sorted(found, key=lambda c: c.start))


def _says(text: str, meaning: str) -> bool:
    """Whether a text has the words of a model number (``#``), a device (``=``) or an annotation (``~``)."""
    if meaning.startswith("#"):
        number = meaning[1:]
        if number.isdecimal():
            return number in re.findall(r"\d+", text)
        return number in _glued(text) or _spelt_out(number, text)
    words = {_singular(word) for word in _WORD.findall(text)}
    return meaning[0] in "=~" and all(_singular(word) in words for word in _WORD.findall(meaning))


def _spelt_out(number: str, text: str) -> bool:
    """Whether a text names a model by the word that its letters stand for: "ps4" is "playstation 4"."""
    parts = re.fullmatch(r"([a-z]+)(\d+)", number)
    if parts is None:
        return False
    words = re.findall(rf"(?<!\w)({parts[1][0]}[a-z]+)[ -]?{parts[2]}(?!\w)", text)
    letters = ".*".join(parts[1])
    return any(re.match(letters, word) for word in words)


def _worded(text: str) -> Iterator[Constraint]:
    """Yield what the lexicon finds: what a shopper must not have, and what it must be."""
    for match in _FREE.finditer(text):
        yield _found("allergen", match, f"{_ALLERGENS[match[1] or match[2]]} free")
    for match in _DIET.finditer(text):
        yield _found("dietary", match, _DIETS[match[1]])
    for match in _OTHERWISE_FREE.finditer(text):
        yield _found("exclusion", match, f"{match[1] or match[2]} free")
    for match in _SIZE.finditer(text):
        yield _found("size", match, f"{_SIZES[match[1]]} size")


def _measured(text: str) -> Iterator[Constraint]:
    """Yield numbers with a unit, and units that stand for one."""
    for match in _DIMENSIONS.finditer(text):
        yield _found("size", match, match[1].replace(" ", ""))
    for match in _MEASURE.finditer(text):
        if match[0].endswith(" in") and match.end() < len(text):
            continue  # "iphone 7 in red" is no inch
        yield _found("size", match, f"{_number(match[1])} {_UNITS[match[2]]}")
    for match in _COUNTED.finditer(text):
        yield _found("size", match, f"{_number(match[2])} {'count' if match[1] else 'size'}")
    for match in _ALONE.finditer(text):
        yield _found("size", match, f"1 {_UNITS[match[1]]}")


def _numbered(text: str) -> Iterator[Constraint]:
    """Yield model numbers, and the devices that something must fit."""
    for match in _MODEL.finditer(_MANY_IN_ONE.sub(lambda found: "-" * len(found[0]), text)):
        if match[0] not in _PLAIN_WORDS:
            yield _found("model", match, f"#{_glued(match[0])}")
    for match in _devices(text):
        yield _found("compatibility", match, f"={match[1]}")


def _found(kind: ConstraintKind, match: re.Match[str], meaning: str) -> Constraint:
    return Constraint(kind=kind, text=match[0], start=match.start(), end=match.end(), meanings=frozenset((meaning,)))


def _annotated(found: list[Constraint], text: str, annotations: Sequence[Tag]) -> list[Constraint]:
    """Join what the annotations say with what was found in the text."""
    for annotation in annotations:
        words, value = normalise(annotation.text), normalise(annotation.value[:_LONGEST_VALUE])
        start = _whole(words, text)
        if start < 0:
            continue
        end = start + len(words)
        meanings = (
            {m for c in constraints_of(value) if c.kind != "compatibility" for m in c.meanings} if value else set()
        )
        inside = [c for c in found if c.start < end and c.end > start]
        if annotation.type == "brand":
            # A maker's name is no model number, whatever is in it; a model number in a line's name stays one.
            whole = [c for c in inside if c.kind == "model" and c.text == words]
            found = [c for c in found if c not in whole]
        elif len(inside) == 1:
            [one] = inside
            more = meanings if one.kind in ("dietary", "allergen", "size") else set()
            more |= {f"~{value}"} if value and words != value and one.kind in ("model", "size", "dietary") else set()
            found[found.index(one)] = replace(one, meanings=one.meanings | more)
        elif not inside and annotation.type in ("dietary", "size"):
            meanings |= {f"~{words}", *([f"~{value}"] if value else [])}
            kind: ConstraintKind = "dietary" if annotation.type == "dietary" else "size"
            found = [*found, Constraint(kind=kind, text=words, start=start, end=end, meanings=frozenset(meanings))]
    return found


def _whole(words: str, text: str) -> int:
    """Return where words first stand in a text as whole words, or -1; a pattern would have to be compiled for each."""
    start = text.find(words) if words else -1
    while start >= 0:
        around = text[max(0, start - 1) : start] + text[start + len(words) : start + len(words) + 1]
        if not any(sign.isalnum() or sign == "_" for sign in around):
            return start
        start = text.find(words, start + 1)
    return -1


def _devices(text: str) -> list[re.Match[str]]:
    """Return the devices that something must fit: named beside an accessory, or behind "for"."""
    behind = _FOR.search(text)
    if _ACCESSORY.search(text):
        return list(_DEVICE.finditer(text))
    return [match for match in _DEVICE.finditer(text) if behind and match.start() >= behind.start(1)]


def _number(text: str) -> str:
    """Return one form of a number: ``1.50`` and ``1,5`` are ``1.5``."""
    if text in ("half", "quarter"):
        return {"half": "0.5", "quarter": "0.25"}[text]
    text = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text.replace(",", "")
    return {"1/2": "0.5", "1/4": "0.25", "3/4": "0.75"}.get(text, text.rstrip("0").rstrip(".") if "." in text else text)


def _glued(text: str) -> str:
    return "".join(_WORD.findall(text)).replace("_", "")


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
