"""The page of a comparison: what it holds, and in a browser what it does."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from domain.errors import QuerywiseError
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understanding
from evals import Asked, Case, Comparison, Exchange, Failed, Outcome, Side, Usage, compare_sides, to_page, write_page

Answer = Callable[..., Understanding]
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><!-- {{script}} \u202e"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def exchange(user: str, completion: str | None = '{"categories": []}') -> Exchange:
    messages = ({"role": "system", "content": "The same rules."}, {"role": "user", "content": user})
    return Exchange(title="understand", messages=messages, completion=completion)


@pytest.fixture(scope="module")
def shown(answer: Answer, tree: Taxonomy) -> tuple[Comparison, Side, Side]:
    """Four queries: B wins cola, loses bread, ties on the hostile one, and fails on water."""
    searches = {"cola": 900, "bread": 50, HOSTILE: 7, "water": 1000}
    gold = {"cola": "cola", "bread": "bread", HOSTILE: "ginger", "water": "water"}
    asked = [
        Asked(
            query=query,
            tier="head" if number > 100 else "tail",
            searches=number,
            case=Case(query=query, normalized=normalise(query), categories=(gold[query],)),
        )
        for query, number in searches.items()
    ]
    paid = Usage(requests=1, tokens_in=1000, tokens_out=50, usd=0.002, estimated=True)

    def outcome(query: str, ids: list[str], evidence: str) -> Outcome:
        given = replace(answer(query, ids), normalized=normalise(query))
        return Outcome(result=given, usage=paid, exchanges=(exchange(f"<query>{query}</query>\n{evidence}"),))

    a = Side(
        name="understand@1",
        outcomes=(
            outcome("cola", ["bread"], "no evidence"),
            outcome("bread", ["bread"], "no evidence"),
            outcome(HOSTILE, ["ginger"], HOSTILE),
            outcome("water", ["water"], "no evidence"),
        ),
    )
    joined = tuple(replace(one, title=title) for title in ("tags", "rewrites") for one in a.outcomes[2].exchanges)
    a = replace(a, outcomes=(*a.outcomes[:2], replace(a.outcomes[2], exchanges=joined), a.outcomes[3]))
    failed = Failed(kind="unparseable", detail=HOSTILE)
    b = Side(
        name=f"understand@2{HOSTILE}",
        outcomes=(
            outcome("cola", ["cola"], "much evidence"),
            outcome("bread", ["cola", "soda"], "no evidence"),
            outcome(HOSTILE, ["ginger"], HOSTILE),
            Outcome(result=failed, usage=Usage(requests=2), exchanges=(exchange("w", None),)),
        ),
    )
    return compare_sides(asked, a, b, tree, draws=200), a, b


class Scripts(HTMLParser):
    """Collects what a parser takes for elements and for the text of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.scripts:
            self.scripts[-1] += data


def test_strangers_text_ends_no_element_and_fills_no_place(shown: tuple[Comparison, Side, Side]) -> None:
    page = to_page(*shown)
    found = Scripts(page)
    assert found.tags.count("script") == 3 and "img" not in found.tags
    data = json.loads(found.scripts[0])
    assert data["comparison"]["compared"][2]["query"] == HOSTILE
    assert data["comparison"]["b"]["failed"] == {"unparseable": 1}
    assert page.count('"use strict";') == 1  # a place named in a query is not filled


def test_own_script_can_stand_in_a_page() -> None:
    static = Path(__file__).resolve().parents[2] / "evals" / "static"
    script, style = ((static / f"comparison.{kind}").read_text() for kind in ("js", "css"))
    assert not re.search(r"</script|<!--", script, re.IGNORECASE) and "</style" not in style.lower()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch("):
        assert forbidden not in script


def test_the_same_comparison_gives_the_same_page(shown: tuple[Comparison, Side, Side], tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "page.html", *shown)
    assert (tmp_path / "new" / "page.html").read_text("utf-8") == to_page(*shown)


def test_sides_of_another_comparison_are_refused(shown: tuple[Comparison, Side, Side]) -> None:
    comparison, a, b = shown
    with pytest.raises(QuerywiseError, match="not those of the comparison"):
        to_page(comparison, a, b.at([0]))


def test_text_that_is_no_unicode_is_written(answer: Answer, tree: Taxonomy, tmp_path: Path) -> None:
    given = replace(answer("\ud800x"), normalized="x")
    one = Side(
        name="\ud800", outcomes=(Outcome(result=given, usage=Usage(requests=1), exchanges=(exchange("\ud800"),)),)
    )
    write_page(tmp_path / "page.html", compare_sides([Asked(query="\ud800x")], one, one, tree, draws=5), one, one)
    assert "\\ud800x" in (tmp_path / "page.html").read_text("utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    quiet = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, shown: tuple[Comparison, Side, Side], tmp_path: Path):
    write_page(tmp_path / "page.html", *shown)
    address = (tmp_path / "page.html").as_uri()
    page = browser.new_page(viewport={"width": 400, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: problems.append(request.url) if request.url != address else None)
    page.goto(address)
    yield page
    assert problems == []
    assert page.title() != "owned"
    assert page.locator("main img, main script, header img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 400  # nothing is wider than a telephone
    page.close()


def queries(page) -> list[str]:
    return [text.split("<")[0] or "hostile" for text in page.locator("#queries .ask").all_inner_texts()]


def test_verdict_stands_on_top(page, shown) -> None:
    assert page.inner_text("#headline").startswith("No difference is shown: F1 0.750 for A, ")
    assert page.locator("#sides dd").all_inner_texts()[1].startswith("understand@2</script><img src=x")
    assert page.locator("#balance span").all_inner_texts() == ["1 won", "1 tied", "2 lost"]
    assert page.locator("#measures tbody tr").count() == 7
    # Precision is 3 of 4 for A and 2 of 4 for B, which gives two wrong ids and none for water.
    assert page.locator("#measures svg").first.get_attribute("aria-label").startswith("−0.250, from −")
    assert "≥ $0.0060 est." in page.inner_text("#cost")


def test_the_policy_stops_a_script_that_came_in_all_the_same(browser, shown, tmp_path: Path) -> None:
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></body>"
    (tmp_path / "evil.html").write_text(to_page(*shown).replace("</body>", evil), "utf-8")
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "evil.html").as_uri())
    assert page.title() != "owned" and page.locator("#queries .ask").count() == 4
    assert len([text for text in refused if "Content Security Policy" in text]) >= 2
    page.close()


def test_slices_are_chosen(page) -> None:
    page.select_option("#slice", label="tier: tail (2)")
    assert page.locator("#measures tbody tr").first.inner_text().split()[:4] == ["leaf", "precision", "2", "queries"]


def test_columns_sort_both_ways(page) -> None:
    assert queries(page) == ["water", "cola", "bread", "hostile"]  # most searched first
    page.click("#queries th button >> text=Searches")
    assert queries(page) == ["hostile", "bread", "cola", "water"]
    # F1 of B less A: bread and water -1, hostile 0, cola 1; a tie stays in the order asked.
    page.click("#queries th button >> text=B − A")
    assert queries(page) == ["bread", "water", "hostile", "cola"]
    assert page.locator("#queries th[aria-sort=ascending]").inner_text() == "B − A"
    page.click("#queries th button >> text=B − A")
    assert queries(page) == ["cola", "hostile", "bread", "water"]
    # What is not known comes last, whichever way.
    for _ in range(2):
        page.click("#queries th button >> text=Cost B")
        assert queries(page)[-1] == "water"


def test_filters_search_and_tiers(page) -> None:
    page.click("#filters button >> text=B lost 2")
    assert queries(page) == ["water", "bread"]
    page.click("#filters button >> text=Failed 1")
    assert queries(page) == ["water"]
    page.click("#filters button >> text=All 4")
    page.fill("#search", "  GINGER ale ")
    assert queries(page) == ["hostile"]
    page.fill("#search", "nothing like it")
    assert queries(page) == [] and page.inner_text("#shown").startswith("0 of 4 queries, 0 searches")
    page.fill("#search", "")
    page.select_option("#tier", "tail")
    assert queries(page) == ["bread", "hostile"]


def test_a_row_opens_by_keyboard_with_answers_gold_and_prompts(page) -> None:
    button = page.locator("#queries .ask >> text=cola")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    assert page.locator(".answer.a li.only").all_inner_texts() == ["bread 50% ✗ not expected"]
    assert page.locator(".answer.b li.only").all_inner_texts() == ["cola 50% ✓ expected"]
    assert page.locator(".answer.gold li").all_inner_texts() == ["Drinks › Soda › Cola A ✗ B ✓"]
    page.locator(".prompts summary").nth(1).focus()
    page.keyboard.press("Enter")
    page.locator(".prompts details.b pre").nth(2).wait_for()
    texts = page.locator(".prompts details.b pre").all_inner_texts()
    assert [text.strip() for text in texts] == [
        "The same rules.",
        "<query>cola</query>\nmuch evidence",
        '{"categories": []}',
    ]
    assert page.locator(".prompts details.b mark").all_inner_texts() == ["much evidence"]
    button.press("Enter")
    assert page.locator("tr.detail").count() == 0


def test_a_failure_and_hostile_text_are_shown_as_text(page) -> None:
    for name in ("water", "onerror"):
        page.locator("#queries .ask", has_text=name).click()
    for summary in page.locator("tr.open + tr.detail .prompts summary").all():
        summary.click()
    page.locator("details.a h3").nth(1).wait_for()
    assert page.locator("details.a h3").all_inner_texts() == ["tags", "rewrites"]
    page.locator("details.b pre").nth(4).wait_for()
    shown = page.inner_text("#queries")
    assert "Failed: unparseable" in shown and "none came" in page.locator("#queries").inner_text()
    assert shown.count("onerror=\"document.title='owned'\"") >= 3  # the query, the failure's detail, the prompt


def test_two_thousand_queries_are_listed_in_parts(browser, answer: Answer, tree: Taxonomy, tmp_path: Path) -> None:
    asked = [Asked(query=f"q{i}", tier="tail", searches=2000 - i) for i in range(2000)]
    outcomes = tuple(Outcome(result=answer(one.query, ["cola"]), usage=Usage(requests=1)) for one in asked)
    one = Side(name="a", outcomes=outcomes)
    write_page(tmp_path / "big.html", compare_sides(asked, one, one, tree, draws=20), one, one)
    page = browser.new_page()
    page.goto((tmp_path / "big.html").as_uri())
    assert page.is_hidden("#quality") and page.is_hidden("#outcome")
    assert page.locator("tr.row").count() == 200
    page.click("#more")
    assert page.locator("tr.row").count() == 400
    page.fill("#search", "q1999")
    assert queries(page) == ["q1999"] and page.is_hidden("#more")
    page.locator("#queries .ask").click()
    page.locator(".prompts summary").first.click()
    page.locator(".prompts p").first.wait_for()
    assert page.locator(".prompts p").first.inner_text() == "Prompt and completion were not kept."
    page.close()
