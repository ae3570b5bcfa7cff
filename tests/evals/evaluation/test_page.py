"""The page of an evaluation: what it holds, and in a browser what it does."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evals.evaluation import Evaluation, to_page, write_page
from evals.evaluation.missing import MISSING

Evaluate = Callable[..., Evaluation]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ORDER = [
    "checks",
    "differences",
    "changed",
    "replay",
    "consistency",
    "judges",
    "calibration",
    "systems",
    "lineage",
    "words",
]


class Page(HTMLParser):
    """Collects what a parser takes for elements, attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.sections: dict[str, list[str]] = {"": []}
        self._at = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "section":
            self._at = dict(attrs)["id"] or ""
            self.sections[self._at] = []

    def handle_data(self, data: str) -> None:
        self.sections[self._at].append(data)

    def text(self, section: str = "") -> str:
        return " ".join(" ".join(self.sections[section]).split())

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


def test_the_verdict_stands_on_top_and_the_parts_in_order(passed: Evaluation) -> None:
    page = Page(to_page(passed))
    assert list(page.sections)[1:] == ORDER
    top = page.text()
    assert "PASS Ship it, all 6 checks hold; F1 of all queries is 0.200 higher" in top
    assert "Base, compared with 2026-11-20-539335" in top and "22 November 2026, 06:40 UTC" in top
    assert page.tags.count("h1") == 1


def test_checks_that_failed_come_first_and_passed_ones_are_folded(failed: Evaluation) -> None:
    checks = Page(to_page(failed)).text("checks")
    places = [
        checks.index(word) for word in ("F1 of all queries", "Share of searches", "F1 of head", "5 checks passed")
    ]
    assert places == sorted(places)
    assert "at most 0.05 lower −0.550 [" in checks and "83%" in checks


def test_better_and_worse_by_slice_and_query(failed: Evaluation) -> None:
    page = Page(to_page(failed))
    assert "Worse: head queries; tail queries; queries of kind drink" in page.text("differences")
    changed = page.text("changed")
    assert "22 queries got worse" in changed and "0 queries got better" in changed
    first = changed[changed.index("q10") :]
    assert first.startswith("q10 F1 1.00 → 0.00 300 searches, head Cola → Bread Expected by people")
    assert "Base F1 1.00 Drinks › Soda › Cola 90% ✓" in first and "Release F1 0.00 Food › Bread 90% ✗" in first
    assert "What the log says 100% of the demand of q10 is in Cola" in first


def test_the_replay_shows_both_lists_and_what_to_withhold(failed: Evaluation) -> None:
    replay = Page(to_page(failed)).text("replay")
    assert "30 queries harmed by release" in replay
    assert "30 parts of answers should be withheld: q10: categories;" in replay
    # Colas first is the best order; with bread first they stand at 6 to 10.
    assert "nDCG 1.000 →" in replay and "rated 3" in replay and "10 more are in the JSON." in replay


def test_consistency_cost_and_words(failed: Evaluation) -> None:
    page = Page(to_page(failed))
    assert "A rewrite is the query 40 100% 8,200 100%" in page.text("consistency")
    assert "Differs in" in page.text("consistency")
    assert "at least $8.41" in page.text("lineage") and "tokens out not known" in page.text("lineage")
    links = {value for value in page.values("href") if value.startswith("#")}
    assert links and {link[1:] for link in links} <= set(page.values("id"))


def test_no_judged_number_stands_without_its_agreement(judged: Evaluation) -> None:
    text = Page(to_page(judged)).text("judges")
    figures = text[text.index("What the judges say of this release") :]
    agreement = judged.agreements[0].with_people.quadratic_kappa.estimate
    assert agreement and f"{agreement.value:.3f}" in figures and "Mean relevance" in figures
    assert "a person" in text and "Corrected by people" in figures


def test_what_is_missing_says_why_and_how_to_get_it(evaluate: Evaluate) -> None:
    page = Page(to_page(replace(evaluate(base=False, further=False), report=None)))
    for section, name in (
        ("differences", "base"),
        ("changed", "base"),
        ("replay", "replay"),
        ("consistency", "robustness"),
        ("judges", "agreements"),
        ("calibration", "calibration"),
        ("systems", "report"),
        ("lineage", "spent"),
    ):
        said = re.sub(r" ([.,])", r"\1", page.text(section))  # commands are elements of their own
        assert MISSING[name].replace("`", "") in said  # type: ignore[index]
    assert "nothing: there is no other release" in page.text() and page.tags.count("code") == 7


def test_what_had_nothing_to_compare_with_is_counted_apart(evaluate: Evaluate) -> None:
    page = Page(to_page(evaluate(base=False, further=False)))
    top, checks = page.text(), page.text("checks")
    assert "1 had nothing to compare with" in top and "0 not settled, 5 passed, 1 not compared" in top
    assert "5 checks passed, 1 not compared" in checks
    row = checks[checks.index("F1 of all queries, against the base release") :]
    assert row.startswith("F1 of all queries, against the base release not compared at most 0.05 lower")


def test_f1_stands_on_top_with_its_interval(failed: Evaluation) -> None:
    # Right on 10 of 40, each with one category given and one expected.
    assert re.search(r"F1 against the labels 0\.250 95% interval 0\.\d{3} to 0\.\d{3}", Page(to_page(failed)).text())


def test_strangers_texts_become_no_markup(judged: Evaluation, hostile: str) -> None:
    slice_ = f"kind:{hostile}"
    checks = tuple(replace(check, slice=slice_, reason=hostile, name=hostile) for check in judged.decision.checks)
    evil = replace(
        judged,
        shop=hostile,
        candidate=hostile,
        base=hostile,
        lineage={hostile: hostile},
        evidence={key: (hostile,) for key in judged.evidence},
        decision=replace(judged.decision, checks=checks, remarks=(hostile,)),
    )
    source = to_page(evil)
    page = Page(source)
    assert "img" not in page.tags and page.tags.count("script") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "style"]
    assert not re.search("[\x00\x1b\u202e]", source)
    assert source.count('"use strict";') == 1  # a place named in a text is not filled
    assert source.count("onerror=") > 10


def test_the_policy_names_the_pages_own_style_and_script(passed: Evaluation) -> None:
    source = to_page(passed)
    [style], [script] = (re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL) for tag in ("style", "script"))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', source)
    assert policy and policy[1].startswith("default-src 'none'; ")
    for text in (style, script):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy[1]
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\(", source)


def test_the_same_evaluation_gives_the_same_page(failed: Evaluation, tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "page.html", failed)
    assert (tmp_path / "new" / "page.html").read_text("utf-8") == to_page(failed)


def test_text_that_is_no_unicode_is_written(passed: Evaluation, tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", replace(passed, shop="\ud800 shop", lineage={"a": "\udfff"}))
    assert "\ufffd shop" in (tmp_path / "page.html").read_text("utf-8")


def test_ten_thousand_queries_make_no_large_page(failed: Evaluation) -> None:
    comparison = failed.comparison
    assert comparison
    lost = next(query for query in comparison.compared if query.result == "lost")
    crowd = tuple(replace(lost, query=f"{i} {'x' * 10_000}", searches=i) for i in range(10_000))
    page = to_page(replace(failed, comparison=replace(comparison, compared=crowd)))
    assert len(page) < 500_000
    assert "10,000 queries got worse" in page and "9,960 more are in the JSON." in page


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
def opened(browser, failed: Evaluation, tmp_path: Path):
    write_page(tmp_path / "page.html", failed)
    address = (tmp_path / "page.html").as_uri()
    page = browser.new_page(viewport={"width": 400, "height": 900})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: problems.append(request.url) if request.url != address else None)
    page.goto(address)
    yield page
    assert problems == []
    assert page.title() == "FAIL: release 2026-11-22-bda35b"
    page.close()


def test_nothing_is_wider_than_the_window(opened) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") == 400
    for details in opened.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert opened.evaluate("document.documentElement.scrollWidth") == 400
    opened.set_viewport_size({"width": 1280, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") == 1280


def test_the_verdict_and_its_reason_are_seen_first(opened) -> None:
    box = opened.locator("h1").bounding_box()
    assert box["y"] < 120
    assert opened.inner_text("h1").split()[:4] == ["FAIL", "Do", "not", "ship"]
    opened.set_viewport_size({"width": 1280, "height": 900})
    assert opened.locator("#checks tbody tr").first.bounding_box()["y"] < 800


def test_queries_are_found(opened) -> None:
    listed = opened.locator("#changed details.one:visible")
    assert listed.count() == 22
    opened.fill("#find", " Q11 ")
    assert listed.count() == 1
    opened.fill("#find", "onerror")
    assert listed.count() == 1 and "<img src=x" in listed.inner_text()
    opened.fill("#find", "")
    assert listed.count() == 22


def test_a_query_opens_by_keyboard(opened) -> None:
    third = opened.locator("#changed details.one").nth(3)
    assert third.locator(".answer").first.is_hidden()
    third.locator("summary").focus()
    opened.keyboard.press("Enter")
    assert third.locator(".answer.b").is_visible()


def test_all_is_there_without_a_script(browser, failed: Evaluation, tmp_path: Path) -> None:
    write_page(tmp_path / "page.html", failed)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert page.locator("#changed details.one").count() == 22 and page.locator("#find").is_hidden()
    page.locator("#changed details.one summary").nth(3).click()
    assert page.locator("#changed details.one").nth(3).locator(".answer.b").is_visible()
    context.close()


def test_the_policy_stops_a_script_that_came_in_all_the_same(browser, passed: Evaluation, tmp_path: Path) -> None:
    evil = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"></body>"
    (tmp_path / "evil.html").write_text(to_page(passed).replace("</body>", evil), "utf-8")
    page = browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto((tmp_path / "evil.html").as_uri())
    assert page.title() != "owned"
    assert len([text for text in refused if "Content Security Policy" in text]) >= 2
    page.close()
