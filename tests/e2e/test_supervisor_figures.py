"""The supervisor's desk in a real browser: what goes on now, the reports, the models, and who did what."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from screen_checks import PICTURED, SIZES, check_axe, check_layout, keep
from visitor import Visitor

from assistant.loop import gating
from risk import registry
from tests.tools.another_model import another

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]


def test_the_live_view_shows_who_waits_and_who_is_here(demo: Demo, desk: Page, open_page: Open, log_in: LogIn) -> None:
    with Visitor(demo.url, customer="C1002", locale="zh") as customer:
        customer.say("转人工")
        customer.wait_for("escalated", "system")
        log_in(open_page(f"{demo.url}/console"), "lin")
        desk.get_by_role("link", name="Live").click()
        agents = desk.get_by_role("region", name="Agents")
        expect(agents.get_by_role("listitem").filter(has_text="林")).to_contain_text("Available", timeout=10_000)
        card = desk.locator(".live .it", has_text="王丽")
        expect(card.first).to_be_visible(timeout=10_000)
        card.first.click()
        expect(desk.locator(".view .title")).to_have_text("王丽")


def test_reports_open_to_the_transcripts_that_they_count(desk: Page, tmp_path: Path) -> None:
    desk.get_by_role("link", name="Reports").click()
    desk.get_by_role("link", name="Churn by language").click()
    desk.get_by_role("radio", name="90 days").check()
    expect(desk).to_have_url(re.compile(r"report=churn-by-locale|report=churn-by-language"))
    line = desk.locator(".report tbody tr").first
    desk.get_by_role("button", name="Churn", exact=True).click()
    expect(desk.locator(".report .bar-head")).to_have_text("Churn")
    with desk.expect_download() as download:
        desk.get_by_role("link", name="CSV").click()
    path = tmp_path / "report.csv"
    download.value.save_as(path)
    count = int(path.read_text("utf-8-sig").splitlines()[1].split(",")[1])
    assert count > 0
    expect(line.locator("td").first).to_have_text(str(count))  # once the longer period is there
    line.get_by_role("link").click()
    expect(desk.locator(".find-foot [role=status]")).to_contain_text(str(count))
    desk.go_back()
    expect(desk.locator(".report tbody tr").first).to_be_visible()
    for name in ("Volume", "Response times", "Escalations", "Offers", "Agents", "Calibration", "Drift"):
        desk.get_by_role("link", name=name, exact=True).click()
        expect(desk.locator(".report .title")).to_have_text(name)
        expect(desk.locator(".report table, .report .empty").first).to_be_visible()


def test_a_report_never_stands_under_another_periods_heading(desk: Page) -> None:
    desk.get_by_role("link", name="Reports").click()
    desk.get_by_role("radio", name="90 days").check()
    days = desk.locator(".report tbody tr")
    expect(days).to_have_count(90)
    # From here on, whatever is drawn is held against the period that is chosen.
    desk.evaluate(
        """() => {
          window.drawn = [];
          const look = () => window.drawn.push([
            document.querySelector('.report-head input:checked')?.value,
            document.querySelectorAll('.report tbody tr').length,
          ]);
          const all = { childList: true, subtree: true, attributes: true };
          new MutationObserver(look).observe(document.querySelector('.reports'), all);
        }"""
    )
    held: list[Any] = []
    desk.route("**/api/review/reports/**", lambda route: held.append(route))
    desk.get_by_role("radio", name="7 days", exact=True).check()
    expect(desk.locator(".report [role=status]")).to_have_text("Loading")
    expect(days).to_have_count(0)
    # The page says that it loads as soon as it asks; the question itself reaches the test a moment later.
    until = time.monotonic() + 10
    while not held and time.monotonic() < until:
        desk.wait_for_timeout(20)
    held.pop().continue_()
    expect(days).to_have_count(7)
    assert {tuple(seen) for seen in desk.evaluate("window.drawn")} <= {("7", 0), ("7", 7)}


def test_the_audit_trail_tells_who_read_what(desk: Page) -> None:
    desk.locator(".it").first.click()
    name = desk.locator(".view .title").inner_text()
    desk.get_by_role("link", name="Audit").click()
    expect(desk.locator(".audit .tag")).to_have_text("Chain intact")
    read = desk.locator(".audit tbody tr", has_text="Read a transcript").first
    expect(read).to_contain_text("Sam")
    read.get_by_role("link").click()
    expect(desk.locator(".view .title")).to_have_text(name)


def test_figures_and_transcripts_that_cannot_be_read_say_so(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page("about:blank")
    broken = '{"code": "unavailable", "message": "down", "retryable": true}'
    page.route(
        re.compile(r"/api/review/"),
        lambda route: route.fulfill(status=503, content_type="application/json", body=broken),
    )
    page.goto(f"{demo.url}/supervisor")
    log_in(page, "sam")
    expect(page.locator(".tiles .failed")).to_contain_text("cannot answer right now")
    expect(page.locator(".col.list .failed")).to_be_visible()
    page.unroute(re.compile(r"/api/review/"))
    page.locator(".col.list .failed").get_by_role("button", name="Try again").click()
    expect(page.locator(".it").first).to_be_visible()


def passed_the_gate(demo: Demo, **settings: Any) -> str:
    """Another model in the demo's registry, with a verdict that lets it serve; its version."""
    folder = demo.folder / "models"
    registry.adopt(folder)
    version = another(folder, elevated=0.3, **settings)
    check = {"name": "ap", "passed": True, "limit": -0.005, "figure": {"value": 0.01, "low": -0.001, "high": 0.02}}
    verdict = {"champion": registry.pointer(folder).champion, "passed": True, "checks": [check]}
    gating.verdict_path(folder, version).write_text(json.dumps(verdict), encoding="utf-8")
    return version


def test_a_model_is_promoted_and_rolled_back_with_reasons(demo: Demo, desk: Page) -> None:
    old = registry.pointer(registry.SHIPPED).champion
    new = passed_the_gate(demo)
    desk.get_by_role("link", name="Models").click()
    cards = desk.locator(".model-cards")
    card = cards.get_by_role("article", name=new)
    expect(card).to_contain_text("passed the gate")
    expect(cards.get_by_role("article", name=old)).to_contain_text("champion")
    expect(desk.get_by_role("group", name="Figures side by side").locator("thead")).to_contain_text(new)
    card.locator("summary", has_text="Passed the gate").click()
    expect(card.locator(".checks")).to_contain_text("0.010 (-0.001 … 0.020)")
    card.locator("summary", has_text="Model card").click()
    expect(card.locator(".card-text h4").first).to_have_text("staywell")
    card.get_by_role("button", name="Promote").click()
    dialog = desk.get_by_role("dialog", name="Promote this model?")
    confirm = dialog.get_by_role("button", name="Promote")
    expect(confirm).to_be_disabled()  # nothing is moved without a reason
    dialog.get_by_label("Why?").fill("Better on Chinese conversations")
    confirm.click()
    expect(card).to_contain_text("champion")
    expect(desk.get_by_role("status").filter(has_text="Promoted.")).to_be_visible()
    journal = desk.get_by_role("group", name="Journal").locator("tbody tr").first
    for words in ("Promoted", new, "Better on Chinese conversations", "Sam"):
        expect(journal).to_contain_text(words)
    assert registry.pointer(demo.folder / "models").champion == new
    # The server has followed already: the next turn names it.
    with Visitor(demo.url, customer="C1003") as customer:
        customer.say("Who answers me now?")
        customer.wait_for("message", "bot")
        versions = demo.rows("SELECT versions FROM decision WHERE conversation_id = ?", customer.conv)
    assert json.loads(versions[-1][0])["model"] == new
    cards.get_by_role("article", name=new).get_by_role("button", name="Roll back").click()
    back = desk.get_by_role("dialog")
    back.get_by_label("Why?").fill("Tried out only")
    back.get_by_role("button", name="Roll back").click()
    expect(cards.get_by_role("article", name=old)).to_contain_text("champion")
    desk.get_by_role("link", name="Audit").click()
    expect(desk.locator(".audit tbody tr").first).to_contain_text("Rolled a model back")
    expect(desk.locator(".audit tbody tr").first).to_contain_text("Tried out only")


def test_a_move_on_an_old_page_is_refused_in_words(demo: Demo, desk: Page) -> None:
    new = passed_the_gate(demo, other=1)
    desk.get_by_role("link", name="Models").click()
    card = desk.get_by_role("article", name=new)
    card.get_by_role("button", name="Let it serve a share").click()
    folder = demo.folder / "models"
    before = registry.pointer(folder).champion
    registry.promote(folder, new, reason="meanwhile")
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Why?").fill("a twentieth first")
    dialog.get_by_role("button", name="Let it serve").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Somebody else has moved the models")
    registry.promote(folder, before, reason="and back")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_new_screens_in_every_theme_and_language(
    demo: Demo, open_page: Open, log_in: LogIn, theme: str, language: str
) -> None:
    locale = "zh-CN" if language == "zh" else "en-GB"
    page = open_page(f"{demo.url}/supervisor?tab=models", color_scheme=theme, locale=locale, reduced_motion="reduce")
    where = f"{theme} {language}"
    passed_the_gate(demo, look=1)
    log_in(page, "sam")
    page.locator(".model").first.wait_for()
    page.locator(".report-table tbody tr").first.wait_for()
    for summary in page.locator(".model summary").all():
        summary.click()
    check_axe(page, f"{where} models")
    page.locator(".models").evaluate("(page) => { page.scrollTop = 0 }")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(200)
        check_layout(page, f"{where} models {size}")
        if size in PICTURED:
            keep(page, f"models-{size}-{theme}-{language}")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator(".model-moves button").first.click()
    check_axe(page, f"{where} move")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.locator(".palette [role=option]").first.wait_for()
    check_axe(page, f"{where} palette")
    page.keyboard.press("Escape")
    page.goto(f"{demo.url}/supervisor?locale={language}")
    page.locator(".it").first.click()
    page.locator(".points").first.wait_for()
    page.locator(".views .popover-btn").click()
    check_axe(page, f"{where} views")
    page.locator(".views .popover-in .btn").last.click()
    check_axe(page, f"{where} save a view")
    page.keyboard.press("Escape")
    page.locator(".card-head .icon-btn").first.click()
    page.locator(".criteria").wait_for()
    check_axe(page, f"{where} criteria")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".pane-tab").last.click()
    page.locator(".card-head .icon-btn").first.click()
    page.locator(".criteria").wait_for()
    check_layout(page, f"{where} criteria on a phone")
    keep(page, f"criteria-phone-{theme}-{language}")
