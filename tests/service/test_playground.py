"""The playground in a browser."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import uvicorn

from release import GateRecord, Override, Release, WordOverlap
from service import create_app

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def _serving(release: Release, **changes: Any) -> Iterator[str]:
    searching = Release(
        folder=release.folder,
        manifest=dataclasses.replace(release.manifest, **changes),
        taxonomy=release.taxonomy,
        head=release._head,
        retriever=WordOverlap(release.taxonomy),
        contents=release.contents,
    )
    server = uvicorn.Server(uvicorn.Config(create_app(searching), port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def address(release: Release) -> Iterator[str]:
    with _serving(release) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def stocked_address(stocked: Release) -> Iterator[str]:
    with _serving(stocked) as address:
        yield address


@pytest.fixture
def page(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    with _opened(browser, address) as page:
        yield page


@pytest.fixture
def stocked_page(browser: playwright.Browser, stocked_address: str) -> Iterator[playwright.Page]:
    with _opened(browser, stocked_address) as page:
        yield page


@contextmanager
def _opened(browser: playwright.Browser, address: str) -> Iterator[playwright.Page]:
    """Open the page on a telephone; whatever is done there, it asks nobody else and stays as narrow."""
    context = browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.on("request", lambda request: None if request.url.startswith(address) else errors.append(request.url))
    page.goto(address)
    yield page
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") == 400  # nothing is wider than a telephone
    context.close()


def _ask(page: playwright.Page, query: str) -> None:
    page.fill("#query", query)
    page.press("#query", "Enter")
    # Locators, because the page forbids the eval with which playwright waits for an expression.
    playwright.expect(page.locator("#raw")).to_contain_text(json.dumps(query, ensure_ascii=False))


def test_a_typed_query_is_drawn(page, release):
    _ask(page, "Vernors soda")
    assert page.locator("#spans mark").all_inner_texts() == ["vernors\nbrand", "soda\nproduct type: Soft drink"]
    assert page.locator("#legend li").all_inner_texts() == ["brand", "product type"]
    paths = [item.locator(".path span").all_inner_texts() for item in page.locator("#categories li").all()]
    assert paths == [["Beverages", "Soft Drinks", "Ginger Ale"], ["Beverages", "Soft Drinks"]]
    assert page.locator("#categories b").all_inner_texts() == ["97%", "41%"]
    bars = [(bar.bounding_box(), bar.locator("..").bounding_box()) for bar in page.locator(".track i").all()]
    assert [round(bar["width"] / track["width"], 2) for bar, track in bars] == [0.97, 0.41]
    assert page.locator("#rewrites button").all_inner_texts() == [
        "ginger ale\nbroader 93%",
        "canada dry\nsubstitute 71%",
    ]
    facts = page.locator("#facts dd").all_inner_texts()
    assert facts[:4] == ["head: precomputed", "precomputed", "specific", release.id]
    assert release.id in page.inner_text("#serving")
    assert page.locator(".verdict").all_inner_texts() == ["no verdict"] and page.is_hidden("#override")


_AT = datetime(2026, 11, 21, 13, tzinfo=UTC)
_DECIDED = {"decided": _AT, "gates": "a" * 64, "report": "b" * 64, "failed": (), "inconclusive": ()}
_LONG = "<b>the old one</b> is down " + "W" * 400
_OVER = Override(reason=_LONG, by="ana", at=_AT)


@pytest.mark.parametrize(
    ("gate", "shown", "alarm", "over"),
    [
        (GateRecord(verdict="PASS", look=1, **_DECIDED), "PASS", False, None),
        (GateRecord(verdict="FAIL", look=1, override=_OVER, **_DECIDED), "FAIL", True, "over a FAIL"),
        (
            GateRecord(verdict="INCONCLUSIVE", look=3, override=_OVER, **_DECIDED),
            "INCONCLUSIVE",
            True,
            "over an INCONCLUSIVE",
        ),
        (
            GateRecord(verdict="INCONCLUSIVE", look=0, override=_OVER, **_DECIDED),
            "no verdict",
            True,
            "without a verdict",
        ),
    ],
    ids=lambda value: "" if isinstance(value, GateRecord) else str(value),
)
def test_the_verdict_is_shown_and_an_override_plainly(browser, release, gate, shown, alarm, over):
    with _serving(release, gate=gate) as address:
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.goto(address)
        playwright.expect(page.locator(".verdict")).to_have_text(shown)
        assert ("shut" in (page.get_attribute(".verdict", "class") or "").split()) == alarm
        assert page.is_visible("#override") == (over is not None)
        if over is not None:
            assert page.inner_text("#override") == f"Promoted {over}: {_LONG}"
        assert page.locator("header b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        page.close()


def test_examples_and_rewrites_are_clicked_through(page):
    assert page.locator("#examples button").all_inner_texts()[:3] == ["protein", "1% milk", "vernors soda"]
    page.click("#examples button >> text=cofee")
    page.click("#rewrites button >> text=coffee")
    playwright.expect(page.locator("#facts dd").first).to_contain_text("fallback")
    assert page.input_value("#query") == "coffee" and page.url.endswith("?q=coffee")


def test_no_confidence_is_said_in_words_and_has_no_bar(page):
    _ask(page, "plant milk")
    assert page.locator("#categories .sure").all_inner_texts() == ["no confidence"] * 3
    assert page.locator(".track").count() == 0


def test_markup_in_a_query_stays_text(page):
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    _ask(page, "<script>alert(1)</script><img src=x onerror=alert(2)>")
    page.click("#toggle")
    assert "<script>alert(1)</script>" in page.inner_text("#raw")
    assert page.locator("main script, main img").count() == 0


def test_spans_after_an_astral_character_are_where_they_should_be(page):
    _ask(page, "🥤 to go")
    assert page.locator("#spans mark").all_inner_texts() == ["🥤\nproduct type: Soft drink", "to go\noccasion"]
    assert page.locator("#spans .plain").count() == 0


def test_a_problem_is_shown_and_goes_away(page):
    page.fill("#query", "x" * 257)
    page.wait_for_selector("#trouble:not([hidden])")
    assert "256 characters" in page.inner_text("#trouble") and "field: query" in page.inner_text("#trouble")
    assert page.get_attribute("#query", "aria-invalid") == "true"
    _ask(page, "protein")
    assert page.is_hidden("#trouble") and page.get_attribute("#query", "aria-invalid") is None


def test_keyboard_reaches_everything(page):
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.type("protein")
    page.keyboard.press("Enter")
    page.wait_for_selector("#result:not([hidden])")
    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert "Understand" in reached and "toggle" in reached and any("protein bars" in name for name in reached)
    page.focus("#toggle")
    page.keyboard.press("Enter")
    assert page.is_visible("#raw") and page.get_attribute("#toggle", "aria-expanded") == "true"


def _products(page: playwright.Page) -> list[str]:
    return page.locator(".panel:not([hidden]) .title").all_inner_texts()


def test_content_is_drawn_by_idea_and_the_list_that_leads_is_open(stocked_page):
    _ask(stocked_page, "vernors soda")
    playwright.expect(stocked_page.locator("#lead")).to_have_text(
        "Substitutes lead: the shop has little of what is asked."
    )
    assert stocked_page.get_attribute("#tab-substitutes", "aria-selected") == "true"
    assert stocked_page.is_hidden("#panel-complements")
    heads = stocked_page.locator("#panel-substitutes .idea-head").all_inner_texts()
    assert heads == ["Cola\nBeverages\nSoft Drinks\nCola", "Oat drinks\nDairy & Eggs\nMilk\nPlant Milk"]
    cards = stocked_page.locator("#panel-substitutes .product").all_inner_texts()
    assert cards[:3] == [
        "C\nCola, 2 l\nCoca-Cola\n$4.50\nalready shown",
        "Cola, 6 cans\nCoca-Cola\n$4.50\nalready shown",
        "D\nDiet Cola <b>2 l</b>\n$4.50\nalready shown",
    ]
    # Of the pictures only the one that the service has is loaded; beside it the others have a letter.
    assert [image.get_attribute("src") for image in stocked_page.locator(".panel img").all()] == [
        stocked_page.url.partition("?")[0] + "favicon.ico"
    ]
    playwright.expect(stocked_page.locator("#next button")).to_have_text(
        ["ginger beer searched next", "drinks for a mocktail evening to explore", "1% milk searched next"]
    )
    stocked_page.click("#tab-complements")
    assert [title[:18] for title in _products(stocked_page)] == ["Kentucky Bourbon", "Tennessee Whisky w", "Crisps"]


def test_what_is_ticked_goes_and_comes_back(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.wait_for_selector("#panel-substitutes .product")
    stocked_page.locator("#panel-substitutes label", has_text="Cola, 2 l").locator("input").click()
    playwright.expect(stocked_page.locator("#shown li")).to_have_text(["Cola, 2 l×"])
    assert _products(stocked_page) == ["Cola, 6 cans", "Diet Cola <b>2 l</b>", "Oat Drink"]
    # By keyboard: the next card has the focus, and goes too, until the list says that it is empty.
    for left in (2, 1, 0):
        assert stocked_page.evaluate("document.activeElement.type") == "checkbox"
        stocked_page.keyboard.press("Space")
        playwright.expect(stocked_page.locator("#panel-substitutes .product")).to_have_count(left)
    assert stocked_page.inner_text("#panel-substitutes") == "The page shows all of them already."
    assert stocked_page.evaluate("document.activeElement.id") == "tab-substitutes"
    stocked_page.click("#shown button >> text=Oat Drink")
    playwright.expect(stocked_page.locator("#panel-substitutes .title")).to_have_text(["Oat Drink"])
    _ask(stocked_page, "protein")
    playwright.expect(stocked_page.locator("#panel-complements .title")).to_have_text(["Blueberries"])
    assert stocked_page.is_hidden("#shown-box")


def test_how_many_results_there_are_decides_what_leads(stocked_page):
    _ask(stocked_page, "vernors soda")
    for count, lead in (("9", "complements"), ("8", "substitutes"), ("", "substitutes")):
        stocked_page.fill("#results", count)
        playwright.expect(stocked_page.locator(f"#tab-{lead} b")).to_have_text("leads")
        assert stocked_page.get_attribute(f"#tab-{lead}", "aria-selected") == "true"
    stocked_page.fill("#results", "-1")
    playwright.expect(stocked_page.locator("#discover-trouble")).to_contain_text("field: result_count")
    stocked_page.fill("#results", "30")
    playwright.expect(stocked_page.locator("#discover-trouble")).to_be_hidden()


def test_tabs_follow_the_arrow_keys(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.wait_for_selector("#panel-substitutes .product")
    stocked_page.focus("#tab-substitutes")
    for key, chosen in (("ArrowRight", "complements"), ("ArrowRight", "substitutes"), ("End", "complements")):
        stocked_page.keyboard.press(key)
        assert stocked_page.evaluate("document.activeElement.id") == f"tab-{chosen}"
        assert stocked_page.is_visible(f"#panel-{chosen}")
        assert stocked_page.locator('[role="tab"][tabindex="0"]').count() == 1


def test_a_suggestion_and_an_idea_are_clicked_through(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.click("#next button >> text=1% milk")
    assert stocked_page.input_value("#query") == "1% milk"
    # Its answer has an idea of its label's, and the release no content for it.
    playwright.expect(stocked_page.locator("#panel-substitutes .path")).to_have_text(["Dairy & EggsMilkPlant Milk"])
    stocked_page.click("#tab-substitutes")
    stocked_page.click("#panel-substitutes .chip")
    playwright.expect(stocked_page.locator("#raw")).to_contain_text('"plant milk"')
    playwright.expect(stocked_page.locator("#panel-complements")).to_contain_text("better than filler")


def test_reference_lists_every_operation_without_another_host(browser, address):
    page = browser.new_page()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{address}/docs")
    page.wait_for_selector("#operations section")
    assert page.locator("#operations h3").count() == 9
    assert page.locator("#Understanding td code").first.inner_text() == "query"
    assert hosts == {address.removeprefix("http://")}
    page.close()
