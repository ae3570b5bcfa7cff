"""Personal data in what people type: e-mail addresses, phone numbers, payment cards and bank accounts.

A shop's queries are full of numbers that are none of these: prices, sizes, models, barcodes. So a phone number counts
only as it is written, with its country code or in the groups of its country, and a card only with an issuer's prefix
and its check digit. Names and street addresses cannot be told from products and are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

__all__ = ["MOST_READ", "Personal", "PersonalKind", "personal_data", "redact", "region_of"]

PersonalKind = Literal["email", "phone", "card", "iban"]
"""What can be found."""

MOST_READ: Final = 2048
"""Characters of a text that are looked at; what comes after them is never handed on."""

_NEVER_IN_A_NAME: Final = r"\s@＠<>()\[\]{},;:\"\\"
_EMAIL: Final = re.compile(
    # Tried only where a word begins, and bounded: a long text costs no more than its length.
    rf"(?<![^{_NEVER_IN_A_NAME}])[^{_NEVER_IN_A_NAME}]{{1,255}}[@＠](?:[\w-]{{1,63}}[.．]){{1,8}}[^\W\d_]{{2,24}}"
)
_MANY_DIGITS: Final = re.compile(r"\d(?:\D{0,3}\d){8}|[+＋]\D{0,2}\d(?:\D{0,3}\d){6}")
_CARD: Final = re.compile(r"(?<![\d.,])\d(?:[ .-]?\d){12,}")
_IBAN: Final = re.compile(r"\b[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,40}")
_NORTH_AMERICAN_TRUNK: Final = "1"
_NORTH_AMERICAN: Final = re.compile(r"(?:1[ .-])?\(?\d{3}\)?[ .-]{0,2}\d{3}[ .-]\d{4}")
_SHORTEST_IBAN, _LONGEST_IBAN = 15, 34

# Prefixes and lengths of ISO/IEC 7812 numbers that are cards, as the issuers publish them. Visa's of 13 digits are
# long gone, and would take one barcode in ten that begins with a 4.
_ISSUERS: Final = (
    (re.compile(r"4"), (16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16,)),
    (re.compile(r"3(?:0[0-5]|[689])"), (14,)),
    (re.compile(r"6(?:011|4[4-9]|5)"), (16, 19)),
    (re.compile(r"62"), (16, 17, 18, 19)),
    (re.compile(r"5[068]|6[37]"), (16,)),
)


@dataclass(frozen=True, kw_only=True)
class Personal:
    """Something personal in a text, from the character at ``start`` to the one before ``end``."""

    kind: PersonalKind
    start: int
    end: int


def personal_data(text: str, *, region: str | None = None) -> tuple[Personal, ...]:
    """Return what of a text is personal data, in order and without overlaps.

    Give the text as it was typed: the normal form of a query has lost the ``@`` and the ``+`` that tell.

    Args:
        text: Of which the first `MOST_READ` characters are looked at.
        region: The country, as in ISO 3166, whose way of writing phone numbers without a country code counts; None:
            that of North America, three digits, three and four. A number written without any sign between its digits
            is no phone number, wherever.
    """
    text = text[:MOST_READ]
    has_at = "@" in text or "＠" in text
    if not has_at and _MANY_DIGITS.search(text) is None:
        return ()  # almost every query ends here, after a microsecond
    found: list[Personal] = []
    taken = bytearray(len(text))
    for one in _all(text, region or "US"):
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(one)
    return tuple(sorted(found, key=lambda one: one.start))


def redact(text: str, *, region: str | None = None) -> str:
    """Return a text with what is personal in it replaced by its kind, as in ``[email]``; the rest stays as typed.

    Args:
        text: As it was typed; what comes after `MOST_READ` characters is cut off.
        region: As `personal_data` takes it.
    """
    found = personal_data(text, region=region)
    if not found:
        return text[:MOST_READ]
    parts = [text[: found[0].start]]
    for one, following in pairwise((*found, None)):
        assert one is not None
        parts += [f"[{one.kind}]", text[one.end : MOST_READ if following is None else following.start]]
    return "".join(parts)


def region_of(locale: str) -> str | None:
    """Return the country of a BCP 47 tag such as ``en-US``, or None where it names none."""
    parts = re.split("[-_]", locale)[1:]
    return next((part.upper() for part in parts if len(part) == 2 and part.isalpha()), None)


def _all(text: str, region: str) -> Iterator[Personal]:
    # The longest and surest first: a part of an account number may look like a phone number.
    for match in _EMAIL.finditer(text):
        yield Personal(kind="email", start=match.start(), end=match.end())
    yield from _ibans(text)
    yield from _cards(text)
    yield from _phones(text, region)


def _ibans(text: str) -> Iterator[Personal]:
    for match in _IBAN.finditer(text):
        from stdnum import iban

        places = [i for i in range(match.start(), match.end()) if text[i].isalnum()]
        for length in range(min(len(places), _LONGEST_IBAN), _SHORTEST_IBAN - 1, -1):
            end = places[length - 1] + 1
            if iban.is_valid("".join(text[i] for i in places[:length]), check_country=False):
                yield Personal(kind="iban", start=match.start(), end=end)
                break


def _cards(text: str) -> Iterator[Personal]:
    for match in _CARD.finditer(text):
        places = [i for i in range(match.start(), match.end()) if text[i].isdecimal()]
        digits = "".join(str(int(text[i])) for i in places)
        for length in range(min(len(digits), 19), 13, -1):
            end = places[length - 1] + 1
            if not text[end : end + 1].isdecimal() and _is_card(digits[:length]):
                yield Personal(kind="card", start=match.start(), end=end)
                break


def _is_card(digits: str) -> bool:
    from stdnum import ean, luhn

    if not any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS):
        return False
    # Fourteen digits may also be the barcode of a carton.
    return bool(luhn.is_valid(digits)) and not (len(digits) == 14 and ean.is_valid(digits))


def _phones(text: str, region: str) -> Iterator[Personal]:
    if _MANY_DIGITS.search(text) is None:
        return
    from phonenumbers import Leniency, PhoneNumberMatcher, ndd_prefix_for_region

    trunk = ndd_prefix_for_region(region, True) or ""
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.STRICT_GROUPING, max_tries=100):
        if match.raw_string[0] in "+＋" or _is_written_as_a_phone_number(match.raw_string, trunk):
            yield Personal(kind="phone", start=match.start, end=match.end)


def _is_written_as_a_phone_number(written: str, trunk: str) -> bool:
    if trunk == _NORTH_AMERICAN_TRUNK:
        return _NORTH_AMERICAN.fullmatch(written) is not None and re.search(r"[(.-]", written) is not None
    # Sizes and models come in groups too, and do not begin with the 0 of a trunk call.
    return re.search(r"\d\D+\d", written) is not None and written.lstrip("(").startswith(trunk)
