"""The supervisor's desk in a real browser: find, read, open a decision, judge it, and what lands in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from console_page import take
from playwright.sync_api import Page, expect
from visitor import Visitor

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]


def test_a_decision_is_opened_and_judged(demo: Demo, desk: Page) -> None:
    with Visitor(demo.url, customer="C1021") as customer:
        customer.say("The zebra kettle you sent leaks")
        customer.wait_for("message", "bot")
        conv = customer.conv
    desk.locator("#find").fill("zebra kettle")
    expect(desk.locator(".it")).to_have_count(1)
    desk.locator(".it").click()
    expect(desk.locator(".view .title")).to_have_text("Ben Ito")
    turn = desk.locator(".turn.contact", has_text="zebra kettle")
    expect(turn.locator(".v")).to_contain_text(re.compile(r"[●◆▲] 0\.\d\d"))
    head = turn.locator(".dec-head")
    if head.get_attribute("aria-expanded") == "true":
        head.click()
    head.click()
    opened = turn.locator(".dec-body")
    decision, eligible, probabilities = demo.rows(
        "SELECT id, eligible, probabilities FROM decision WHERE conversation_id = ? ORDER BY seq DESC", conv
    )[0]
    expect(opened.locator(".bars tbody tr")).to_have_count(len(json.loads(eligible)))
    expect(opened.locator(".bars tbody tr.on")).to_have_count(1)
    shown = [float(cell) for cell in opened.locator(".bars tbody td:nth-child(3)").all_text_contents()]
    assert shown == sorted((round(p, 2) for p in json.loads(probabilities)), reverse=True)
    expect(opened.locator(".found tbody tr").first).to_be_visible()
    expect(opened).to_contain_text("policy")
    # The review is about this decision.
    right = desk.locator(".col.right")
    expect(right).to_contain_text(re.compile(r"turn \d+"))
    right.get_by_role("radio", name="Wrong action").check()
    right.get_by_role("radio", name="Yes").check()
    right.get_by_role("button", name="Quality").click()
    right.get_by_label("Better").select_option("escalate")
    right.get_by_role("textbox", name="Comment", exact=True).fill("A second fault belongs with a person.")
    right.get_by_role("button", name="Save review").click()
    expect(right.locator(".given")).to_contain_text("A second fault belongs with a person.")
    stored = demo.rows("SELECT decision_id, verdict, label, comment FROM review WHERE conversation_id = ?", conv)
    assert [(row[0], row[1], json.loads(row[2]), row[3]) for row in stored] == [
        (
            decision,
            "wrong_action",
            {"will_leave": True, "reasons": ["quality"], "action": "escalate"},
            "A second fault belongs with a person.",
        )
    ]
    outcome = demo.rows("SELECT decision_id FROM outcome WHERE conversation_id = ? AND type = 'review'", conv)
    assert outcome == [(decision,)]
    expect(right.get_by_role("row", name=re.compile("Reviewed"))).to_be_visible()


def test_the_address_holds_search_and_transcript(desk: Page) -> None:
    total = desk.locator(".it").count()
    desk.get_by_role("button", name="中文").click()
    expect(desk).to_have_url(re.compile(r"locale=zh"))
    expect(desk.locator(".it").nth(total - 1)).to_have_count(0)  # fewer than before
    desk.locator(".it").first.click()
    expect(desk).to_have_url(re.compile(r"conv=[0-9A-Z]{26}"))
    first = desk.locator(".view .title").inner_text()
    desk.keyboard.press("j")
    expect(desk.locator(".it.on")).to_have_count(1)
    expect(desk.locator(".it").nth(1)).to_have_attribute("aria-current", "true")
    desk.go_back()
    expect(desk.locator(".it").first).to_have_attribute("aria-current", "true")
    expect(desk.locator(".view .title")).to_have_text(first)
    desk.reload()
    expect(desk.locator(".view .title")).to_have_text(first)
    expect(desk.get_by_role("button", name="中文")).to_have_attribute("aria-pressed", "true")
    desk.get_by_role("button", name="Clear").click()
    expect(desk.locator(".it").nth(total - 1)).to_be_visible()


def test_filters_and_empty_results(desk: Page) -> None:
    desk.locator(".filters summary").click()
    desk.get_by_label("Status").select_option("resolved")
    expect(desk.locator(".it").first).to_contain_text("resolved")
    for line in desk.locator(".it").all():
        expect(line).to_contain_text("resolved")
    desk.locator("#find").fill("no such words anywhere 没有")
    expect(desk.locator(".empty").first).to_contain_text("Nothing found")
    desk.get_by_role("button", name="Clear").click()
    expect(desk.locator(".it").first).to_be_visible()
    for chip in ("Uncertain first", "Not reviewed", "Escalated", "Low CSAT", "Offer declined"):
        desk.get_by_role("button", name=chip).click()
        expect(desk.locator(".failed")).to_have_count(0)
        desk.get_by_role("button", name=chip).click()


def test_csv_of_what_is_listed(desk: Page, tmp_path: Path) -> None:
    desk.get_by_role("button", name="English").click()
    expect(desk).to_have_url(re.compile("locale=en"))
    desk.wait_for_timeout(500)
    total = int(re.findall(r"\d+", desk.locator(".find-foot [role=status]").inner_text())[0])
    with desk.expect_download() as download:
        desk.get_by_role("link", name="CSV").click()
    path = tmp_path / "list.csv"
    download.value.save_as(path)
    lines = [line for line in path.read_text("utf-8-sig").splitlines() if line.startswith(("id,", "01"))]
    assert len(lines) == total + 1


def test_an_agent_is_told_that_the_desk_is_not_theirs(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/supervisor")
    log_in(page, "mara")
    expect(page.locator(".gate")).to_contain_text("This page is for supervisors")
    page.get_by_role("link", name="Open the console").click()
    expect(page).to_have_url(re.compile(r"/console"))
    expect(page.get_by_role("navigation", name="Queue")).to_be_visible()


def test_words_are_found_in_either_language_and_lead_to_their_message(demo: Demo, desk: Page) -> None:
    with Visitor(demo.url, customer="C1021") as customer:
        customer.say("Guten Tag")
        customer.wait_for("message", "bot")
        customer.say("The teapot arrived broken, 我想换货")
        customer.wait_for("message", "bot")
    find = desk.locator("#find")
    for words in ("换货", "换", "TEAPOT", "eapo broken"):
        find.fill(words)
        expect(desk.locator(".it")).to_have_count(1)
        expect(desk.locator(".it mark").first).to_have_text(re.compile(f"^({'|'.join(words.split())})$", re.IGNORECASE))
    desk.locator(".it").click()
    expect(desk).to_have_url(re.compile(r"at=\d+"))
    expect(desk.locator(".turn:focus")).to_contain_text("我想换货")
    desk.locator(".view-do button", has_text="All of this customer").click()
    expect(desk.get_by_role("button", name="One customer")).to_be_visible()
    for line in desk.locator(".it").all():
        expect(line).to_contain_text("Ben Ito")


def test_a_view_is_kept_shared_opened_renamed_and_deleted(
    demo: Demo, desk: Page, open_page: Open, log_in: LogIn
) -> None:
    views = desk.locator(".views .popover-btn")
    views.click()
    expect(desk.get_by_role("button", name="Save this search")).to_be_disabled()
    desk.keyboard.press("Escape")
    desk.get_by_role("button", name="Uncertain first").click()
    desk.get_by_role("button", name="中文").click()
    views.click()
    desk.get_by_role("button", name="Save this search").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_label("Name").fill("<b>Chinese</b>, unsure")
    dialog.get_by_label("Share with the other supervisors").check()
    dialog.get_by_role("button", name="Save").click()
    expect(views).to_contain_text("<b>Chinese</b>, unsure")
    desk.get_by_role("button", name="Clear").click()
    expect(views).to_have_text("Views")
    views.click()
    desk.locator(".view-open", has_text="Chinese").click()
    expect(desk).to_have_url(re.compile(r"(?=.*locale=zh)(?=.*sort=uncertain)"))
    expect(desk.get_by_role("button", name="中文")).to_have_attribute("aria-pressed", "true")
    # The same name again is refused in words.
    desk.get_by_role("button", name="Low CSAT").click()
    views.click()
    desk.get_by_role("button", name="Save this search").click()
    dialog.get_by_label("Name").fill("<b>Chinese</b>, unsure")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("You have a view of this name already.")
    desk.keyboard.press("Escape")
    views.click()
    desk.get_by_role("button", name="Change").click()
    dialog.get_by_label("Name").fill("Unsure")
    dialog.get_by_role("button", name="Save").click()
    views.click()
    desk.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("Your colleagues lose it too.")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_have_count(0)
    assert demo.rows("SELECT count(*) FROM saved_view") == [(0,)]


def test_a_scorecard_is_given_and_counts(demo: Demo, desk: Page) -> None:
    desk.locator(".it").first.click()
    card = desk.get_by_role("region", name="Scorecard")
    save = card.get_by_role("button", name="Save scorecard")
    expect(save).to_be_disabled()
    card.get_by_role("group", name="Friendly and clear").get_by_label("3", exact=True).check()
    card.get_by_role("group", name="Right and complete answer").get_by_label("1", exact=True).check()
    card.get_by_role("group", name="Kept to the shop's rules").get_by_label("does not apply").check()
    expect(card).to_contain_text("50%")
    card.get_by_label("Comment for the scorecard").fill("Kind, but wrong. 请先核对订单。")
    save.click()
    given = card.locator(".given li").first
    expect(given).to_contain_text("50% · Sam")
    expect(given).to_contain_text("Friendly and clear 3/3 · Right and complete answer 1/5")
    expect(given).to_contain_text("请先核对订单。")
    assert demo.rows("SELECT value FROM outcome WHERE type = 'scorecard'") == [(0.5,)]
    # The shop's own criteria.
    card.get_by_role("button", name="Criteria").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_role("button", name="Take criterion 5 out").click()
    dialog.get_by_role("button", name="Add a criterion").click()
    fresh = dialog.get_by_role("group", name="Criterion 5")
    expect(dialog.get_by_role("button", name="Save criteria")).to_be_disabled()
    fresh.get_by_label("English").fill("Quick")
    fresh.get_by_label("Points").select_option("2")
    dialog.get_by_role("button", name="Save criteria").click()
    expect(card.get_by_role("group", name="Quick")).to_be_visible()
    expect(given).to_contain_text("Friendly and clear 3/3")
    card.get_by_role("button", name="Criteria").click()
    dialog.get_by_role("button", name="Back to the usual ones").click()
    expect(card.get_by_role("group", name="Kept to the shop's rules")).to_be_visible()


def test_one_key_finds_any_transcript_and_any_place(demo: Demo, desk: Page) -> None:
    with Visitor(demo.url, customer="C1008") as customer:
        customer.say("A message about pelicans")
        customer.wait_for("message", "bot")
        conv = customer.conv
    desk.get_by_role("link", name="Reports").click()
    desk.keyboard.press("Control+k")
    palette = desk.get_by_role("dialog")
    desk.keyboard.type("pelicans")
    hit = palette.get_by_role("option").first
    expect(hit.locator("mark")).to_have_text("pelicans")
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(re.compile(conv))
    expect(desk.locator(".turn:focus")).to_contain_text("pelicans")
    desk.keyboard.press("Control+k")
    desk.keyboard.type("audi")
    expect(palette.get_by_role("option")).to_have_count(1)
    expect(palette.get_by_role("status")).to_contain_text("conversation")
    desk.keyboard.press("Enter")
    expect(desk.locator(".audit tbody tr").first).to_be_visible()
    desk.keyboard.press("Control+k")
    desk.keyboard.type("nobody ever said this")
    expect(palette.get_by_role("status")).to_have_text("0 conversations")
    desk.keyboard.press("Enter")
    expect(palette).to_be_visible()
    desk.keyboard.press("Escape")
    expect(palette).to_have_count(0)


def test_watched_silently_whispered_to_and_taken_over(demo: Demo, desk: Page, open_page: Open, log_in: LogIn) -> None:
    with Visitor(demo.url, customer="C1005") as customer:
        customer.say("My walrus lamp flickers")
        customer.wait_for("message", "bot")
        customer.ask_for_person()
        console = open_page(f"{demo.url}/console")
        log_in(console, "mara")
        take(console, customer.conv)
        desk.goto(f"{demo.url}/supervisor?conv={customer.conv}")
        expect(desk.locator(".view-do .tag")).to_have_text("goes on")
        customer.say("Is anybody there?")
        # It appears by itself, and the customer and the agent see nobody more than before.
        expect(desk.locator(".turn.contact", has_text="Is anybody there?")).to_be_visible(timeout=15_000)
        read = (
            "SELECT count(*) FROM audit JOIN agent ON actor = 'agent:' || agent.id WHERE login = 'sam' AND object = ?"
        )
        assert demo.rows(read, customer.conv) == [(1,)]
        # On a phone, where the page itself scrolls, it stands at the foot of the window, however long the transcript.
        desk.set_viewport_size({"width": 390, "height": 844})
        desk.evaluate("scrollTo(0, 0)")
        assert desk.evaluate("document.documentElement.scrollHeight") > 1000
        expect(desk.locator(".whisper")).to_be_in_viewport(ratio=1)
        desk.set_viewport_size({"width": 1440, "height": 900})
        desk.get_by_role("textbox", name=re.compile("the customer never sees it")).fill("Offer the courier")
        desk.get_by_role("button", name="Whisper", exact=True).click()
        expect(console.locator(".note", has_text="Offer the courier")).to_be_visible()
        expect(desk.locator(".turn .note", has_text="Offer the courier")).to_be_visible()
        desk.get_by_role("button", name="Take over").click()
        desk.get_by_role("dialog").get_by_role("button", name="Take over").click()
        expect(desk).to_have_url(re.compile(r"/console\?conv="))
        held = (
            "SELECT agent.login FROM conversation JOIN agent ON holder = 'agent:' || agent.id WHERE conversation.id = ?"
        )
        holder = demo.rows(held, customer.conv)
        assert holder == [("sam",)]
        assert not any("Offer the courier" in (event.get("body") or "") for event in customer.events)
