"""The playground in a browser."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from domain import Taxonomy
from domain.label import read_labels
from domain.understanding import Category
from release import GateRecord, Override, Release, WordOverlap, build_release, open_release
from release.why import ActedOn, Chosen, Demand, Evidence, Followed, Origin, Why
from service import Settings, create_app
from service.problems import Problem, send_problem

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

GROCERY = Path(__file__).resolve().parents[1] / "release" / "grocery"

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
def _serving(
    release: Release, *, wrap: Callable[[Any], Any] = lambda app: app, settings: Settings | None = None, **changes: Any
) -> Iterator[str]:
    searching = Release(
        folder=release.folder,
        manifest=dataclasses.replace(release.manifest, **changes),
        taxonomy=release.taxonomy,
        head=release._head,
        retriever=WordOverlap(release.taxonomy),
        tail=release._tail,
        contents=release.contents,
    )
    app = wrap(create_app(searching, settings=settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
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
    try:
        yield page
        assert errors == []
        assert page.evaluate("document.documentElement.scrollWidth") == 400  # nothing is wider than a telephone
    finally:
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
    assert page.locator("#rewrites h3").all_inner_texts() == ["Broader", "Would do instead"]
    assert page.locator("#rewrites button").all_inner_texts() == ["ginger ale\n93%", "canada dry\n71%"]
    facts = page.locator("#facts dd").all_inner_texts()
    assert facts[:2] == ["Precomputed\na model answered it offline", "specific"]
    assert page.locator(".dots .on").count() == 3
    assert release.id in page.inner_text("#serving")
    assert page.locator(".verdict").all_inner_texts() == ["–\nno verdict"] and page.is_hidden("#override")
    playwright.expect(page.locator("#said")).to_have_text("vernors soda: Ginger Ale, 97%. 2 rewrites, 2 annotations.")


def test_an_answer_is_told_once_the_typing_has_stopped(page):
    page.clock.install(time=0)
    page.reload()
    page.clock.pause_at(10_000)
    for query in ("cofe", "cofee"):
        page.fill("#query", query)
        page.clock.run_for(150)
        playwright.expect(page.locator("#raw")).to_contain_text(json.dumps(query))
        page.clock.run_for(500)
        assert page.inner_text("#said") == ""
    page.clock.run_for(250)
    assert page.inner_text("#said").startswith("cofee: ") and " 1 rewrite, " in page.inner_text("#said")


_AT = datetime(2026, 11, 21, 13, tzinfo=UTC)
_DECIDED = {"decided": _AT, "gates": "a" * 64, "report": "b" * 64, "failed": (), "inconclusive": ()}
_LONG = "<b>the old one</b> is down " + "W" * 400
_OVER = Override(reason=_LONG, by="ana", at=_AT)


@pytest.mark.parametrize(
    ("gate", "shown", "looks", "over"),
    [
        (GateRecord(verdict="PASS", look=1, **_DECIDED), "✓PASS", "v-PASS", None),
        (GateRecord(verdict="FAIL", look=1, override=_OVER, **_DECIDED), "✕FAIL", "v-FAIL", "over a FAIL"),
        (
            GateRecord(verdict="INCONCLUSIVE", look=3, override=_OVER, **_DECIDED),
            "?INCONCLUSIVE",
            "v-INCONCLUSIVE",
            "over an INCONCLUSIVE",
        ),
        (
            GateRecord(verdict="INCONCLUSIVE", look=0, override=_OVER, **_DECIDED),
            "–no verdict",
            "v-FAIL",
            "without a verdict",
        ),
    ],
    ids=lambda value: "" if isinstance(value, GateRecord) else str(value),
)
def test_the_verdict_is_shown_and_an_override_plainly(browser, release, gate, shown, looks, over):
    with _serving(release, gate=gate) as address:
        page = browser.new_page(viewport={"width": 400, "height": 800})
        page.goto(address)
        playwright.expect(page.locator(".verdict")).to_have_text(shown)
        assert (page.get_attribute(".verdict", "class") or "").split() == ["verdict", looks]
        assert page.is_visible("#override") == (over is not None)
        if over is not None:
            assert page.inner_text("#override") == f"Promoted {over}: {_LONG} (ana, 2026-11-21 13:00 UTC)"
        assert page.locator("header b, #override b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        page.close()


def test_a_release_that_was_refused_and_one_that_gets_a_share_are_told(browser, address):
    page = browser.new_page(viewport={"width": 400, "height": 800})
    told = json.loads(page.request.get(f"{address}/v1/release").body())
    told["refused"] = {
        "release": "2026-11-22-bad",
        "reason": "head.lmdb is <b>missing</b>",
        "at": "2026-11-22T13:00:00Z",
    }
    told["other"] = {"release": "2026-11-22-two", "share": 0.05, "shadow": False}
    told["lineage"]["prompts"] = ["understand@1#aa", "understand@1#aa+discover@1#bb"]
    told["lineage"]["counts"] = {"head": 2, "torso": 1, "tail": 0, "labelled": 1003, "contents": 4}
    page.route("**/v1/release", lambda route: route.fulfill(json=told))
    page.goto(address)
    playwright.expect(page.locator("#refused")).to_have_text(
        "2026-11-22-bad is not served: head.lmdb is <b>missing</b> (2026-11-22 13:00 UTC)"
    )
    page.click("#release-toggle")
    playwright.expect(page.locator("#release")).to_contain_text("2026-11-22-two, answering 5% of the requests")
    assert page.locator("#release code").all_inner_texts()[:2] == ["understand@1#aa", "discover@1#bb"]
    assert "1,003 queries (2 head, 1 torso, 0 tail); content for 4" in page.inner_text("#release")
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.close()


def test_examples_and_rewrites_are_clicked_through(page):
    assert page.locator("#examples button").all_inner_texts()[:3] == ["protein", "1% milk", "vernors soda"]
    page.click("#examples button >> text=cofee")
    # Whoever clicked by keyboard goes on from the answer, and a telephone shows no keyboard.
    playwright.expect(page.locator("#h-query")).to_be_focused()
    page.click("#rewrites button >> text=coffee")
    playwright.expect(page.locator("#facts dd").first).to_contain_text("Nearest by name")
    assert page.input_value("#query") == "coffee" and page.url.endswith("/#q=coffee")
    playwright.expect(page.locator("#h-query")).to_be_focused()


def test_no_answer_says_why(page):
    _ask(page, "!!!")
    nothing = "No category: nothing is left of the query after normalisation."
    assert page.inner_text("#facts dd .source") == "No answer" and page.inner_text("#categories") == nothing
    for view in ("compare", "why"):
        page.click(f"#tab-{view}")
        playwright.expect(page.locator(f"#panel-{view}")).to_have_text(
            "Nothing is left of this query after normalisation."
        )
    page.click("#tab-answer")
    busy = {
        **page.request.get(f"{page.url.partition('#')[0]}v1/understand?q=zzz").json(),
        "reason": "degraded",
        "categories": [],
    }
    page.route("**/v1/understand", lambda route: route.fulfill(json=busy))
    _ask(page, "zzz")
    playwright.expect(page.locator("#categories")).to_have_text(
        "No category: part of the service is missing or busy; ask again."
    )
    assert page.inner_text("#facts dd .source") == "No answer"


def test_no_confidence_is_said_in_words_and_has_no_bar(page):
    _ask(page, "plant milk")
    assert page.locator("#categories .sure").all_inner_texts() == ["no confidence"] * 3
    assert page.locator(".track").count() == 0


def test_markup_in_a_query_stays_text(page):
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    _ask(page, "<script>alert(1)</script><img src=x onerror=alert(2)>")
    for view in ("compare", "why", "raw"):
        page.click(f"#tab-{view}")
        playwright.expect(page.locator(f"#panel-{view}")).not_to_be_empty()
    assert "<script>alert(1)</script>" in page.inner_text("#raw")
    assert "<script>alert(1)</script>" in page.inner_text("#curl")
    assert page.locator("#recent button").all_inner_texts() == ["<script>alert(1)</script><img src=x onerror=alert(2)>"]
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
    for _ in range(34):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert "Understand" in reached and "forget" in reached and any("protein bars" in name for name in reached)
    # One tab of the views is in the order; the arrows reach the others.
    assert [name for name in reached if name.startswith("tab-")] == ["tab-answer", "tab-complements"]
    page.focus("#tab-answer")
    page.keyboard.press("End")
    assert page.is_visible("#raw") and page.get_attribute("#tab-raw", "aria-selected") == "true"
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#categories") and page.is_hidden("#raw")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_an_answer_takes_the_focus_from_nobody_who_went_on(page):
    _ask(page, "protein")
    held = []
    page.route("**/v1/understand**", lambda route: held.append(route))
    page.click("#rewrites button")
    page.keyboard.press("/")
    with page.expect_response("**/v1/understand**"):
        page.wait_for_timeout(50)
        held[0].continue_()
    page.wait_for_function("document.getElementById('said').textContent.startsWith('protein bars')")
    assert page.evaluate("document.activeElement.id") == "query"


def test_slash_goes_to_the_box_and_escape_empties_it(page):
    _ask(page, "protein")
    page.click("#rewrites button")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "query" and page.input_value("#query") == "protein bars"
    page.keyboard.press("End")
    page.keyboard.type("/2")
    assert page.input_value("#query") == "protein bars/2"
    composing = "new KeyboardEvent('keydown', {key: 'Escape', bubbles: true, isComposing: true})"
    page.evaluate(f"document.activeElement.dispatchEvent({composing})")
    assert page.input_value("#query") == "protein bars/2"
    page.click("#release-toggle")
    page.focus("#query")
    page.keyboard.press("Escape")
    assert page.input_value("#query") == "" and page.is_hidden("#result") and page.is_visible("#idle")
    assert page.is_visible("#release") and page.evaluate("document.activeElement.id") == "query"
    page.click("#release-toggle")
    page.focus("#release-toggle")
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#release")).to_contain_text("understand@1")
    assert page.get_attribute("#release-toggle", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert page.is_hidden("#release") and page.evaluate("document.activeElement.id") == "release-toggle"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "query"


def test_recent_queries_are_kept_in_this_browser_and_forgotten_on_demand(page):
    for query in ("protein", "1% milk", "protein", "x" * 257, "  ", "vernors soda"):
        page.fill("#query", query)
        page.press("#query", "Enter")
    playwright.expect(page.locator("#recent button")).to_have_text(["vernors soda", "protein", "1% milk"])
    page.reload()
    playwright.expect(page.locator("#recent button")).to_have_text(["vernors soda", "protein", "1% milk"])
    page.locator("#recent button", has_text="1% milk").focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator("#raw")).to_contain_text('"query": "1% milk"')
    for i in range(9):
        page.fill("#query", f"protein {i}")
        page.press("#query", "Enter")
    playwright.expect(page.locator("#recent button")).to_have_count(8)
    playwright.expect(page.locator("#recent button:visible")).to_have_count(3)  # the answer is what a telephone is for
    page.fill("#query", "protein " * 20)
    page.press("#query", "Enter")
    first, second = page.locator("#recent button").first, page.locator("#recent button").nth(1)
    playwright.expect(first).to_have_attribute("title", "protein " * 20)
    assert first.bounding_box()["height"] == second.bounding_box()["height"]
    page.click("#forget")
    assert page.is_hidden("#recent-row") and page.evaluate("localStorage.length") == 0
    page.reload()
    assert page.is_hidden("#recent-row")


@pytest.mark.parametrize("kept", ["{", "7", '["a", 3, {"b": 1}, "   "]', "[" * 9000])
def test_what_else_stands_in_the_storage_does_no_harm(page, kept):
    page.evaluate("kept => localStorage.setItem('querywise.recent', kept)", kept)
    page.reload()
    _ask(page, "protein")
    assert page.locator("#recent button").first.inner_text() == "protein"


def test_a_link_says_what_is_looked_at_and_back_works(page, address):
    page.goto(f"{address}/#q=1%25%20milk&view=raw")
    playwright.expect(page.locator("#raw")).to_contain_text('"query": "1% milk"')
    assert page.is_visible("#raw") and page.input_value("#query") == "1% milk"
    page.click("#tab-answer")
    assert page.url == f"{address}/#q=1%25%20milk"
    # A query that is typed is one entry of the history, however many answers it had on the way.
    page.fill("#query", "")
    page.locator("#query").press_sequentially("protein", delay=150)
    page.press("#query", "Enter")
    page.click("#rewrites button >> text=protein bars")
    playwright.expect(page.locator("#raw")).to_contain_text('"query": "protein bars"')
    for query in ("protein", "1% milk"):
        page.go_back()
        playwright.expect(page.locator("#raw")).to_contain_text(json.dumps(query))
        assert page.input_value("#query") == query
    page.go_forward()
    playwright.expect(page.locator("#raw")).to_contain_text('"query": "protein"')
    page.goto(f"{address}/?q=cofee")
    playwright.expect(page.locator("#raw")).to_contain_text('"query": "cofee"')
    page.goto(f"{address}/#q=%ff%&view=nothing&x")
    playwright.expect(page.locator("#tab-answer")).to_have_attribute("aria-selected", "true")


def test_the_raw_answer_and_the_call_can_be_copied(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _ask(page, "it's 1% milk")
    page.click("#tab-raw")
    assert page.inner_text("#curl") == f"curl -G '{address}/v1/understand' --data-urlencode 'q=it'\\''s 1% milk'"
    page.click("#copy-curl")
    playwright.expect(page.locator("#copy-curl")).to_have_text("Copied")
    done = subprocess.run(
        ["sh", "-c", page.evaluate("navigator.clipboard.readText()")], capture_output=True, check=True
    )
    page.click("#copy-raw")
    playwright.expect(page.locator("#copy-raw")).to_have_text("Copied")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == json.loads(done.stdout)
    page.locator("#calls button", has_text="/v1/explain").click()
    playwright.expect(page.locator("#raw")).to_contain_text('"served": "fallback"')
    assert "/v1/explain'" in page.inner_text("#curl")
    page.locator("#calls button", has_text="/v1/discover").click()
    assert "-d '{" in page.inner_text("#curl") and page.locator("#calls [aria-pressed=true]").count() == 1


@pytest.fixture(scope="module")
def explained(tmp_path_factory, teach) -> Iterator[Release]:
    """A release whose student knows "sure" and "halfway", and which says of "sure" why."""
    folder = tmp_path_factory.mktemp("explained")
    taxonomy = Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes())
    student = teach(folder / "student", taxonomy)
    label = next(read_labels(GROCERY / "labels.jsonl"))
    leaf = Category(id=student.leaf, path=taxonomy.path(student.leaf), confidence=0.75)
    elsewhere = Category(id="c301", path=taxonomy.path("c301"), confidence=0.6)
    answers = {"sure": (leaf,), "halfway": (leaf,), "lost": (leaf,), "sure enough": (elsewhere,)}
    why = Why(
        query="sure",
        tier="head",
        origin=Origin(
            model="<i>hand</i>", prompt="understand@1#aa", key="k1", labelled=date(2026, 11, 3), dropped={"too_wide": 2}
        ),
        evidence=Evidence(
            searches=2400,
            clients=1,
            acted_share=0.004,
            zero_share=0.25,
            categories=(
                Demand(id=student.leaf, share=0.9, shown=0.8, clicks=1, carts=2, purchases=1234),
                Demand(id="c301", share=0.1),
            ),
            chosen=(Chosen(name="made_of", value="<b>oats</b>", share=0.5, lift=12.4),),
            products=(ActedOn(id="p1", title="<img src=x> Oat", share=0.3),),
            next_queries=(Followed(query="halfway", count=4),),
        ),
    )
    built = build_release(
        shop="grocery",
        taxonomy=taxonomy,
        product_ids=(GROCERY / "products.txt").read_text().split(),
        labels=[
            replace(
                label,
                query=query,
                understanding=replace(label.understanding, normalized=query, categories=found, annotations=()),
            )
            for query, found in answers.items()
        ],
        fingerprints={},
        index=None,
        student=student.folder,
        releases=folder / "releases",
        created=datetime(2026, 11, 21, tzinfo=UTC),
        whys=[why],
    )
    with open_release(built) as release:
        yield release


@pytest.fixture(scope="module")
def explained_address(explained: Release) -> Iterator[str]:
    with _serving(explained) as address:
        yield address


@pytest.fixture
def explained_page(browser: playwright.Browser, explained_address: str) -> Iterator[playwright.Page]:
    with _opened(browser, explained_address) as page:
        yield page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sure", "They agree."),
        ("halfway", "The student says less."),
        ("lost", "The student abstains."),
        ("sure enough", "They differ."),
        ("sure sure halfway", "The student answers this query."),
        ("lost lost", "Nobody answers this query."),
    ],
)
def test_head_and_student_stand_side_by_side(explained_page, query, said):
    _ask(explained_page, query)
    explained_page.click("#tab-compare")
    playwright.expect(explained_page.locator("#panel-compare strong")).to_have_text(said)
    assert explained_page.locator("#panel-compare .card h2").all_inner_texts() == ["Precomputed", "The student alone"]
    precomputed = explained_page.locator("#panel-compare .card").first
    if "answers" in said:
        assert "one for each of 4 queries" in precomputed.inner_text()
    else:
        assert precomputed.locator(".path").count() == 1


def test_why_shows_the_log_the_prompt_and_the_steps(explained_page):
    _ask(explained_page, "sure")
    explained_page.click("#tab-why")
    why = explained_page.locator("#panel-why")
    playwright.expect(why.locator("strong")).to_have_text(
        "<i>hand</i> answered this offline, shown what the log says of this query."
    )
    assert why.locator(".tiles dd").all_inner_texts() == ["2,400", "1", "under 1%", "25%"]
    first, second = why.locator(".demand li").all()
    assert first.locator("small").inner_text() == "1 click, 2 carts, 1,234 purchases; the model was shown 80%"
    assert first.locator(".tag").inner_text() == "in the answer" and second.locator(".tag").count() == 0
    assert second.locator("small").inner_text() == "0 clicks, 0 carts, 0 purchases"
    assert why.locator(".ranked li").all_inner_texts() == [
        "made of: <b>oats</b>\n50%\n12× usual",
        "<img src=x> Oat\n30%",
    ]
    rows = dict(zip(why.locator(".rows dt").all_inner_texts(), why.locator(".rows dd").all_inner_texts(), strict=True))
    assert rows["Categories, annotations, rewrites, specificity"] == "understand@1#aa"
    assert (rows["Labelled"], rows["Taken out by the checks"]) == ("2026-11-03", "too wide (2)")
    assert why.locator("img, i i, b b").count() == 0
    assert why.locator(".card").last.locator(".tag").inner_text() == "sure enough"
    # What was searched next can be asked, and the view stays.
    why.locator("button >> text=halfway").click()
    playwright.expect(why.locator(".card").first.locator("small")).to_have_text(["needs 90%", "needs 90%"])
    assert explained_page.url.endswith("#q=halfway&view=why")


def test_a_depth_that_is_never_answered_has_no_chance(explained_page):
    def never(route: Any) -> None:
        told = route.fetch().json()
        told["why"]["steps"][1]["threshold"] = 2.0
        route.fulfill(json=told)

    explained_page.route("**/v1/explain?*", never)
    _ask(explained_page, "halfway")
    explained_page.click("#tab-why")
    steps = explained_page.locator("#panel-why .card").last
    playwright.expect(steps.locator("small").last).to_have_text("never answered at this depth")
    assert steps.locator(".sure").count() == 1
    assert "Chances are calibrated for each depth" in steps.inner_text()


def test_an_abstention_leads_to_its_reason(explained_page):
    _ask(explained_page, "lost lost")
    explained_page.click("text=See how close it came")
    playwright.expect(explained_page.locator("#panel-why")).to_contain_text("None is, so the student abstains.")
    assert explained_page.evaluate("document.activeElement.id") == "tab-why"


def test_explanations_that_are_switched_off_say_so(browser, explained):
    with _serving(explained, settings=Settings(explain=False)) as address, _opened(browser, address) as page:
        _ask(page, "sure")
        for view in ("why", "compare"):
            page.click(f"#tab-{view}")
            playwright.expect(page.locator(f"#panel-{view}")).to_have_text(
                "Explanations are switched off on this service."
            )


def _locked(app: Any) -> Any:
    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"].startswith(("/v1/", "/playground/")):
            given = dict(scope["headers"]).get(b"authorization", b"")
            if given != b"Bearer open-sesame":
                return await send_problem(send, Problem("forbidden" if given else "unauthorized", "No such key."))
        await app(scope, receive, send)

    return guarded


def test_a_key_is_asked_for_and_kept_for_the_tab_alone(browser, stocked):
    with _serving(stocked, wrap=_locked) as address, _opened(browser, address) as page:
        playwright.expect(page.locator("#trouble")).to_contain_text("asks for an API key")
        page.fill("#key-field", "wrong")
        page.press("#key-field", "Enter")
        playwright.expect(page.locator("#trouble")).to_contain_text("No such key.")
        page.fill("#key-field", "open-sesame")
        page.press("#key-field", "Enter")
        playwright.expect(page.locator("#serving")).to_contain_text("grocery, release")
        assert page.is_hidden("#trouble") and page.is_hidden("#key") and page.input_value("#key-field") == ""
        _ask(page, "vernors soda")
        playwright.expect(page.locator("#panel-substitutes .product").first).to_be_visible()
        assert "open-sesame" not in page.inner_text("#curl") + page.url + page.evaluate("JSON.stringify(localStorage)")
        page.reload()
        playwright.expect(page.locator("#raw")).to_contain_text('"vernors soda"')


class _Busy:
    """Refuses so many calls of ``/v1/understand``, in a given way, before it lets them through."""

    def __init__(self) -> None:
        self.refusals: list[tuple[int, bytes, dict[bytes, bytes]]] = []

    def wrap(self, app: Any) -> Any:
        async def guarded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or scope["path"] != "/v1/understand" or not self.refusals:
                return await app(scope, receive, send)
            status, body, headers = self.refusals.pop(0)
            await send({"type": "http.response.start", "status": status, "headers": [*headers.items()]})
            await send({"type": "http.response.body", "body": body})

        return guarded


def test_what_may_pass_is_waited_for_and_tried_again(browser, release):
    busy = _Busy()
    told = json.dumps({"title": "Too many requests", "detail": "Wait <b>a</b> second.", "field": None}).encode()
    with _serving(release, wrap=busy.wrap) as address, _opened(browser, address) as page:
        busy.refusals = [(429, told, {b"retry-after": b"1"})]
        page.fill("#query", "protein")
        retry = page.locator("#trouble button")
        playwright.expect(retry).to_have_text("Try again in 1 s")
        assert page.inner_text("#trouble strong") == "Too many requests" and retry.is_disabled()
        assert page.get_attribute("#query", "aria-invalid") is None  # nothing is wrong with the query
        playwright.expect(retry).to_be_enabled()
        retry.click()
        playwright.expect(page.locator("#raw")).to_contain_text('"protein"')
        assert page.is_hidden("#trouble")
        # A proxy in between says what it likes.
        busy.refusals = [(502, b"<html>bad gateway</html>", {b"content-type": b"text/html"})]
        page.fill("#query", "1% milk")
        playwright.expect(page.locator("#trouble")).to_contain_text("It answered with status 502.")
        assert "stale" in page.get_attribute("#result", "class") and page.get_attribute("#result", "inert") is not None
        page.press("#trouble button", "Enter")
        playwright.expect(page.locator("#raw")).to_contain_text('"1% milk"')
        assert page.evaluate("document.activeElement.id") == "query"  # and not lost with the button
        assert "stale" not in page.get_attribute("#result", "class") and page.get_attribute("#result", "inert") is None


def test_offline_is_said_and_ends_by_itself(page):
    page.context.set_offline(True)
    page.fill("#query", "protein")
    playwright.expect(page.locator("#trouble")).to_contain_text("The service did not answer")
    page.context.set_offline(False)
    playwright.expect(page.locator("#raw")).to_contain_text('"protein"')
    assert page.is_hidden("#trouble")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_schemes(browser, explained_address, scheme):
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(f"{explained_address}/#q=sure&view=why")
    page.wait_for_selector("#panel-why .tiles")
    assert page.evaluate(_CONTRASTS + " return Math.min(...texts());}") >= 4.5  # WCAG 2.2, 1.4.3
    assert page.evaluate(_CONTRASTS + " return placeholder(query);}") >= 4.5
    assert page.evaluate(_CONTRASTS + " return border(query);}") >= 3  # 1.4.11
    page.close()


# Contrasts of texts and borders with what is behind them, as WCAG defines them; a canvas reads colours of any form.
_CONTRASTS = """() => {
  const query = document.getElementById("query");
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b];
  const linear = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => light(colour.slice(0, 3).map(linear)).reduce((sum, part) => sum + part);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgb(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const contrast = (colour, other) => {
    const [high, low] = [luminance(colour), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const text = (element, pseudo) => contrast(rgb(getComputedStyle(element, pseudo).color), behind(element));
  const texts = () => [...document.querySelectorAll("body *")].filter((element) => {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    return own && element.checkVisibility() && !element.closest(".unseen");
  }).map((element) => text(element));
  const placeholder = (element) => text(element, "::placeholder");
  const border = (element) => {
    element.blur();
    const line = rgb(getComputedStyle(element).borderTopColor);
    return Math.min(contrast(line, behind(element)), contrast(line, behind(element.parentElement)));
  };
"""


def test_everything_that_can_be_used_has_a_name(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.wait_for_selector("#panel-substitutes .product")
    nameless = """() => [...document.querySelectorAll("button, input, a, [role=tabpanel], section")].filter(
      (element) => {
        const named = element.getAttribute("aria-labelledby");
        const label = element.labels?.[0]?.textContent ?? (named && document.getElementById(named)?.textContent);
        return !(element.ariaLabel || label || element.textContent).trim();
      }).map((element) => element.outerHTML)"""
    assert stocked_page.evaluate(nameless) == []


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
        stocked_page.url.partition("#")[0] + "favicon.ico"
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


def test_products_of_one_query_never_stand_under_another(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.fill("#results", "9")
    playwright.expect(stocked_page.locator("#lead")).to_contain_text("Complements lead")
    busy = {"title": "Busy", "detail": "There is more to do than can be done in time.", "field": None}
    stocked_page.route("**/v1/discover", lambda route: route.fulfill(status=503, json=busy))
    _ask(stocked_page, "protein")
    trouble = stocked_page.locator("#discover-trouble")
    playwright.expect(trouble).to_contain_text(busy["detail"])
    assert stocked_page.locator(".product").count() == 0 and stocked_page.is_hidden("#lead")
    assert stocked_page.input_value("#results") == ""
    assert stocked_page.locator("#discover [role=tab]").all_inner_texts() == ["Substitutes", "Complements"]
    stocked_page.unroute("**/v1/discover")
    trouble.locator("button", has_text="Try again").click()
    playwright.expect(stocked_page.locator("#panel-complements .title")).to_have_text(["Blueberries"])
    assert trouble.is_hidden()


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
        assert stocked_page.locator('#discover [role="tab"][tabindex="0"]').count() == 1


def test_a_suggestion_and_an_idea_are_clicked_through(stocked_page):
    _ask(stocked_page, "vernors soda")
    stocked_page.click("#next button >> text=1% milk")
    assert stocked_page.input_value("#query") == "1% milk"
    # Its answer has an idea of its label's, and the release no content for it.
    playwright.expect(stocked_page.locator("#panel-substitutes .path")).to_have_text(["Dairy & EggsMilkPlant Milk"])
    # Complements lead here, and there are none.
    playwright.expect(stocked_page.locator("#tab-substitutes")).to_have_attribute("aria-selected", "true")
    assert stocked_page.is_hidden("#lead")
    stocked_page.click("#panel-substitutes .chip")
    playwright.expect(stocked_page.locator("#raw")).to_contain_text('"plant milk"')
    playwright.expect(stocked_page.locator("#panel-complements")).to_contain_text("better than filler")


def test_reference_lists_every_operation_without_another_host(browser, address):
    page = browser.new_page()
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.goto(f"{address}/docs")
    page.wait_for_selector("#operations section")
    described = json.loads(page.request.get(f"{address}/openapi.json").body())["paths"]
    assert page.locator("#operations h3").count() == sum(len(methods) for methods in described.values()) > 9
    assert page.locator("#Understanding th[scope=row] code").first.inner_text() == "query"
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => +heading.tagName[1])")
    assert all(below - above <= 1 for above, below in zip(levels, levels[1:], strict=False))
    links = page.locator("#contents a")
    assert links.count() == page.locator("section").count()
    for link in links.all():
        assert page.locator(f"[id='{(link.get_attribute('href') or '')[1:]}']").count() == 1
    assert hosts == {address.removeprefix("http://")}
    page.close()


def test_reference_has_what_a_field_is_beside_it(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/docs#Discovered")
    about = page.locator("#Discovered > p")
    playwright.expect(about).to_have_text("Discovery content for one page.")
    playwright.expect(about).to_be_in_viewport()  # though it is drawn later than the browser looks for it
    row = page.locator("#Discovered tr", has=page.locator("th", has_text="borrowed_from"))
    playwright.expect(row.locator("p")).to_have_text(
        "The normalised query whose content it is, where it is another one's."
    )
    limit = page.locator("#DiscoverRequest tr", has=page.locator("th", has_text="limit"))
    playwright.expect(limit.locator("small")).to_have_text("optional, at least 1, at most 50")
    assert (
        "``" not in page.inner_text("main") and page.locator("#DiscoverRequest > p code").first.inner_text() == "shown"
    )
    schemas = json.loads(page.request.get(f"{address}/openapi.json").body())["components"]["schemas"]
    assert not re.search("Attributes:|Raises:|None", json.dumps(schemas))
    assert schemas["Override"]["properties"]["by"]["description"] == "Who: the name of an account."
    page.close()
