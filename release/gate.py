"""The verdict on a release: what its evaluation decided, and who went over it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict

__all__ = ["GateRecord", "GateVerdict", "Override"]

GateVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

_LONGEST_REASON = 500
_LONGEST_NAME = 200
# Control characters, line and paragraph separators, what turns the direction of writing, and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DIGEST = re.compile(r"([0-9a-f]{64})?")


@dataclass(frozen=True, kw_only=True)
class Override:
    """Somebody's decision to promote a release that its gate did not let through.

    Attributes:
        reason: Why, in one line of at most 500 characters.
        by: Who: the name of an account.
        at: When, with its zone.

    Raises:
        ValueError: where the reason says nothing, is too long, or has characters that cannot be shown.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    reason: str
    by: str
    at: datetime

    def __post_init__(self) -> None:
        _check_line("the reason of an override", self.reason, _LONGEST_REASON)
        _check_line("the name of who overrides", self.by, _LONGEST_NAME)
        _check_zone("the time of an override", self.at)


@dataclass(frozen=True, kw_only=True)
class GateRecord:
    """What was decided on a release.

    Attributes:
        verdict: The decision. INCONCLUSIVE with ``look`` 0 where there was none to go over.
        decided: When, with its zone.
        base: The release that it was compared with, or None.
        gates: SHA-256 of the gates that were asked, hexadecimal; empty where none were.
        report: SHA-256 of the evaluation's JSON, hexadecimal; empty where there was none.
        look: Which evaluation of this release it is, from 1; 0 where there was none.
        failed: Names of the checks that failed; none of a PASS.
        inconclusive: Names of the checks that could not be decided.
        override: The decision to promote the release all the same, or None.
        signature: See `release.signature`; empty until the record is signed.

    Raises:
        ValueError: where a value is none of these.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    verdict: GateVerdict
    decided: datetime
    base: str | None = None
    gates: str
    report: str
    look: int
    failed: tuple[str, ...]
    inconclusive: tuple[str, ...]
    override: Override | None = None
    signature: str = ""

    def __post_init__(self) -> None:
        _check_zone("the time of a verdict", self.decided)
        for name in (*self.failed, *self.inconclusive, *([] if self.base is None else [self.base])):
            _check_line("a name in a verdict", name, _LONGEST_NAME)
        if not (_DIGEST.fullmatch(self.gates) and _DIGEST.fullmatch(self.report)):
            raise ValueError("gates and report of a verdict are SHA-256, in 64 hexadecimal digits")
        if self.look < 0:
            raise ValueError("the look of a verdict is 0 or more")
        if self.verdict == "PASS" and (self.failed or not self.look):
            raise ValueError("a PASS needs an evaluation, and no check that failed")


def _check_line(what: str, text: str, longest: int) -> None:
    if not any(character.isalnum() for character in text):
        raise ValueError(f"{what} is empty")
    if len(text) > longest:
        raise ValueError(f"{what} has {len(text):,} characters, and {longest} are the most")
    if _UNPRINTABLE.search(text):
        raise ValueError(f"{what} has control characters or line breaks")


def _check_zone(what: str, time: datetime) -> None:
    if time.utcoffset() is None:
        raise ValueError(f"{what} has no zone")
