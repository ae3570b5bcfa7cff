"""What is personal in a text: by examples, on real queries, and under texts made to be slow."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.privacy import MOST_READ, personal_data, redact, region_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

# The card numbers are those that the issuers publish for tests; the IBANs are the examples of their standards.
PERSONAL = {
    "anna.b+c@example.co.uk oat milk": "[email] oat milk",
    "mail <ann@example.com>, please": "mail <[email]>, please",
    "ｊoe＠ｅxample．com": "[email]",
    "call +49 30 901820 now": "call [phone] now",
    "+1 (212) 555 0187": "[phone]",
    "(212) 555-0187": "[phone]",
    "212-555-0187 case": "[phone] case",
    "２１２-５５５-０１８７": "[phone]",
    "4111 1111 1111 1111 card 12 pack": "[card] card 12 pack",
    "4111111111111111": "[card]",
    "5555-5555-5555-4444": "[card]",
    "378282246310005": "[card]",
    "de89 3704 0044 0532 0130 00 case": "[iban] case",
    "GB82WEST12345698765432": "[iban]",
    "ann@example.com or 212-555-0187": "[email] or [phone]",
}


@pytest.mark.parametrize("text", PERSONAL)
def test_what_is_personal_is_replaced_by_its_kind(text: str) -> None:
    assert redact(text) == PERSONAL[text]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "iphone 15 256gb",
            "4006381333931",
            "036000291452",
            "10012345678902",
            "195-65-15 91h tyre",
            "1920x1080 144hz",
        ),
        *("0445-110-183", "10 000 mah 20 000 mah", "2125550187", "192.168.178.100", "b07xjz5lqd", "242/252/260 2000"),
        # Sixteen digits with a card's prefix and without its check digit; with it, and without an issuer's prefix.
        *("4111111111111112", "1234567812345670", "@home speaker", "m@x", "a@b.c", "50+ spf 100+", "", "@", "１２３"),
    ],
)
def test_what_shoppers_type_is_not_personal(text: str) -> None:
    assert personal_data(text) == () and redact(text) == text


def test_where_it_stands() -> None:
    [found] = personal_data("x  ann@example.com y")
    assert (found.kind, found.start, found.end) == ("email", 3, 18)


def test_a_number_without_a_country_code_is_one_of_the_shop_s_country() -> None:
    assert redact("030 901820 kabel", region="DE") == "[phone] kabel"
    assert redact("030 901820 kabel") == "030 901820 kabel"
    assert redact("212-555-0187", region="DE") == "212-555-0187"


def test_the_region_of_a_locale() -> None:
    assert list(map(region_of, ("en-US", "de_at", "fr", "zh-Hans-CN", ""))) == ["US", "AT", None, "CN", None]


def test_what_was_not_looked_at_is_not_handed_on() -> None:
    assert redact("a" * MOST_READ + " ann@example.com") == "a" * MOST_READ
    assert redact("ann@example.com " + "b" * 5000) == "[email] " + "b" * (MOST_READ - 16)


@pytest.mark.parametrize(
    "text",
    [
        *("a" * 65_536 + "@", "@" * 65_536, "a@" * 30_000, "a." * 30_000 + "@" + "a." * 1000, "1 " * 30_000),
        *("+1" * 30_000, "DE12 " * 10_000, "4" * 65_536, "(212) 555-0187 " * 3000, "+49 30 901820 " * 3000),
    ],
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    redact(text)
    assert time.process_time() - started < 1


@given(st.text(alphabet=st.sampled_from("0123456789+-.() @＠aZ\ud800é[]x١"), max_size=60))
def test_any_text_is_redacted_once_and_for_all(text: str) -> None:
    places = [(one.start, one.end) for one in personal_data(text)]
    assert all(start < end <= len(text) for start, end in places)
    assert all(end <= start for (_, end), (start, _) in zip(places, places[1:], strict=False))
    assert len(personal_data(redact(text))) <= len(places)


def test_no_real_query_is_taken_for_personal() -> None:
    if not (DATA / "queryner").is_dir():
        pytest.skip("the shared data is not here")
    duckdb = pytest.importorskip("duckdb")
    files = [DATA / "queryner" / f"{name}.jsonl" for name in ("train", "validation")]
    queries = [json.loads(line)["query"] for file in files for line in file.read_bytes().splitlines()]
    log = str(DATA / "electronics" / "ubi_queries.parquet")
    queries += [row[0] for row in duckdb.sql(f"SELECT DISTINCT user_query FROM '{log}'").fetchall() if row[0]]
    assert len(queries) > 13_000
    for region in ("US", "DE"):
        assert [found for query in queries for found in personal_data(query, region=region)] == []
