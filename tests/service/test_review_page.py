"""The review page in a browser, by keyboard alone, with a server that is killed in between."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

ROOT = Path(__file__).resolve().parents[2]
KEY = "a-key-of-a-test-0123456789"
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]

SERVER = """
import sys
from pathlib import Path
from domain import Taxonomy
from domain.lexical import Stems
from domain.reviews import Journal
from domain.taxonomy import Node
from service import create_app
from service.review import Bought, CategoryDemand, Evidence, Followed, Item, Proposal, Review
from service.review.run import listen, serve_review

journal, port, key = sys.argv[1:]
tree = [("c4", None, "Snacks"), ("c410", "c4", "Protein Bars"), ("c5", None, "Meat"), ("c510", "c5", "Chicken Breast")]
tree += [("c6", None, "Frozen"), ("c61", "c6", "Ice Cream"), ("c7", None, "<img src=x onerror=alert(1)>")]
seen = Evidence(
    categories=(CategoryDemand(path=("Snacks", "Protein Bars"), share=0.8, actions=90, purchases=9, shoppers=40),),
    products=(Bought(title="Crunchy <b>Bar</b>", actions=12),),
    next_queries=(Followed(query="protein bars", count=7),),
    zero_share=0.25,
)

def item(query, searches, evidence=Evidence(), **said):
    proposals = tuple(Proposal(source=name.replace("_", " "), categories=ids) for name, ids in said.items())
    return Item(query=query, searches=searches, tier="head", disagreement=0.5, evidence=evidence, proposals=proposals)

items = [
    item("protein", 1234, seen, behaviour=("c410",), LLM_without_context=("c510",), LLM_with_context=("c410",)),
    item("soda", 10, behaviour=("c7",), student=()),
    item("ice", 5, behaviour=("c61",), student=("c6",)),
]
review = Review(
    shop="grocery", items=items, journal=Journal(Path(journal)), key=key, stems=Stems("en-US"), rater="ann", asks=False,
    taxonomy=Taxonomy(Node(category_id=i, parent_id=p, name=n) for i, p, n in tree),
)
serve_review(create_app(None, review=review), listen(int(port)))
"""


class Server:
    """A review in a process of its own, which can be killed and started again."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", SERVER, str(self.journal), str(self.port), KEY]
        self._process = subprocess.Popen(command, cwd=ROOT)
        for _ in range(400):
            assert self._process.poll() is None, "the server stopped"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("review") / "reviews.jsonl")
    yield made
    made.kill()


@pytest.fixture
def server(running: Server) -> Server:
    running.journal.unlink(missing_ok=True)
    return running


@pytest.fixture
def page(browser: playwright.Browser, server: Server) -> Iterator[playwright.Page]:
    context = browser.new_context(viewport={"width": 400, "height": 800})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    page.on("request", lambda r: None if r.url.startswith(f"http://127.0.0.1:{server.port}/") else errors.append(r.url))
    page.goto(f"http://127.0.0.1:{server.port}/review#key={KEY}")
    _shows(page, "protein")
    yield page
    assert errors == []
    assert page.evaluate("document.documentElement.scrollWidth") == 400  # nothing is wider than a telephone
    context.close()


def _shows(page: playwright.Page, query: str) -> None:
    playwright.expect(page.locator("#query")).to_have_text(query)


def _press(page: playwright.Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def _chosen(page: playwright.Page) -> list[str]:
    return [box.get_attribute("value") or "" for box in page.locator("#choices input[name=expected]:checked").all()]


def test_two_queries_are_labelled_and_one_undone_by_keyboard_with_a_server_killed_in_between(page, server):
    # Choices are in the order of their paths: 1 is Meat, Chicken Breast; 2 is Snacks, Protein Bars.
    _press(page, "2", "1", "Shift+Digit1", "c", "c", "r")
    page.keyboard.type("Bars, not meat; 1 u s")
    _press(page, "Enter")
    _shows(page, "soda")
    first = server.lines[0]
    assert (first["query"], first["categories"], first["acceptable"]) == ("protein", ["c410"], ["c510"])
    assert (first["rater"], first["specificity"], first["blind"]) == ("ann", "category", True)
    assert first["reason"] == "Bars, not meat; 1 u s" and len(first["shown"]) == 16
    assert "behaviour" in page.inner_text("#before") and "LLM with context" in page.inner_text("#before")

    server.kill()
    _press(page, "0", "Enter")
    playwright.expect(page.locator("#trouble")).to_contain_text("your answer is still here")
    _shows(page, "soda")
    assert page.is_checked("#abstain") and len(server.lines) == 1

    server.start()
    _press(page, "Enter")
    _shows(page, "ice")
    assert page.is_hidden("#trouble") and [line["categories"] for line in server.lines] == [["c410"], []]

    _press(page, "u")
    _shows(page, "soda")
    assert page.is_checked("#abstain")  # what was said is there to be mended
    assert [line["action"] for line in server.lines] == ["decide", "decide", "undo"]
    assert server.lines[2]["withdraws"] == server.lines[1]["id"]
    assert page.inner_text("#count") == "1 answered, 0 skipped, 2 open"
    _press(page, "1", "Enter")
    _shows(page, "ice")
    assert (server.lines[3]["categories"], server.lines[3]["blind"]) == (["c7"], False)  # the names had been shown


def test_an_answer_half_given_outlives_a_killed_server_and_a_closed_page(page, server, browser):
    _press(page, "1", "n")
    playwright.expect(page.locator("#sources")).to_contain_text("LLM without context")
    server.kill()
    server.start()
    page.goto("about:blank")
    page.goto(f"http://127.0.0.1:{server.port}/review#key={KEY}")
    _shows(page, "protein")
    assert _chosen(page) == ["c510"]
    playwright.expect(page.locator("#sources")).to_contain_text("LLM without context")  # it was seen, and stays so
    _press(page, "Enter")
    _shows(page, "soda")
    assert server.lines[0]["blind"] is False


def test_a_category_is_searched_for_and_skipped_queries_come_back(page, server):
    _press(page, "/")
    page.keyboard.type("ice cr")
    option = page.locator("#found li[aria-selected=true]")
    playwright.expect(option).to_contain_text("Ice Cream")
    assert page.get_attribute("#find", "aria-activedescendant") == option.get_attribute("id")
    _press(page, "Enter", "2")  # chosen, and the search is left; then a second category
    assert _chosen(page) == ["c410", "c61"] and page.locator(".rank").all_inner_texts() == ["", "2nd", "1st"]
    _press(page, "Enter")
    _shows(page, "soda")
    assert server.lines[0]["categories"] == ["c61", "c410"]
    _press(page, "s")
    _shows(page, "ice")
    _press(page, "1", "Enter")
    playwright.expect(page.locator("#h-done")).to_have_text("Only what you skipped is left.")
    _press(page, "Enter")
    _shows(page, "soda")
    _press(page, "1", "Enter")
    playwright.expect(page.locator("#h-done")).to_have_text("Every query is decided.")
    assert [line["action"] for line in server.lines] == ["decide", "skip", "decide", "decide"]


def test_nothing_chosen_is_not_saved(page, server):
    _press(page, "Enter")
    playwright.expect(page.locator("#trouble")).to_contain_text("Nothing is chosen")
    assert not server.journal.exists()
    _press(page, "1", "0")  # none is right, so the first is not either
    assert _chosen(page) == [] and page.is_checked("#abstain")
    _press(page, "2")
    assert _chosen(page) == ["c410"] and not page.is_checked("#abstain")


def test_sources_have_letters_until_their_names_are_asked_for(page):
    assert page.locator("#sources h4").all_inner_texts() == ["A", "B", "C"]
    assert "LLM" not in page.content() and "behaviour" not in page.content()
    _press(page, "n")
    playwright.expect(page.locator("#sources")).to_contain_text("LLM with context")


def test_text_of_shoppers_and_sellers_stays_text(page):
    assert "Crunchy <b>Bar</b>" in page.inner_text("#log") and page.locator("main b >> text=Bar</b>").count() == 0
    assert "1,234 searches" in page.inner_text("#traffic") and "25% find nothing" in page.inner_text("#traffic")
    _press(page, "2", "Enter")
    _shows(page, "soda")
    assert "<img src=x onerror=alert(1)>" in page.inner_text("#choices")
    assert page.locator("main script, main img").count() == 0


def test_tab_reaches_everything_and_space_ticks(page, server):
    page.focus("#query")
    reached = []
    for _ in range(14):
        _press(page, "Tab")
        reached.append(page.evaluate("document.activeElement.ariaLabel || document.activeElement.id"))
    assert reached[:2] == ["expected: Meat › Chicken Breast", "acceptable: Meat › Chicken Breast"]
    for name in ("abstain", "find", "reason", "skip", "names"):
        assert name in reached
    page.focus("#query")
    _press(page, "Tab", "Space")
    assert _chosen(page) == ["c510"]
    _press(page, "Enter")  # in a form this saves, wherever the focus is
    _shows(page, "soda")
    assert server.lines[0]["categories"] == ["c510"]
    assert page.evaluate("document.activeElement.id") == "query"  # which is what a screen reader reads next


def test_the_question_comes_before_what_the_log_says(page):
    assert page.locator("#answer").bounding_box()["y"] < page.locator(".log").bounding_box()["y"]


def test_keys_and_agreement_are_shown_and_left(page):
    _press(page, "?")
    assert page.is_visible("#help")
    _press(page, "1", "Escape")
    assert page.is_hidden("#help") and _chosen(page) == []
    _press(page, "a")
    playwright.expect(page.locator("#agreement-said")).to_contain_text("Nobody has decided anything yet.")


def test_the_page_without_its_key_or_with_another_shows_nothing(browser, server):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/review")
    playwright.expect(page.locator("#trouble")).to_contain_text("This page needs its key")
    page.goto(f"http://127.0.0.1:{server.port}/review#key=another")
    playwright.expect(page.locator("#trouble")).to_contain_text("is not that of the service")
    assert page.is_hidden("#work") and "protein" not in page.content() and "#" not in page.url
    page.goto(f"http://127.0.0.1:{server.port}/review#key={KEY}")  # as after a restart, in the tab that is open
    _shows(page, "protein")
    context.close()
