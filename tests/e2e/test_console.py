"""The agent's console in a real browser: one conversation from offer to wrap-up by keyboard, colleagues, cuts, hostile texts."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from console_page import take
from playwright.sync_api import Page, WebSocketRoute, expect
from visitor import Visitor

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]
OFFER_MS = 30_000


def rows(demo: Demo, query: str, *values: Any) -> list[Any]:
    with closing(sqlite3.connect(demo.database)) as database:
        return database.execute(query, values).fetchall()


def wait_for(found: Callable[[], bool], what: str, timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_conversation_by_keyboard_from_offer_to_wrap_up(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/console")
    log_in(page, "mara")
    while page.locator(".offer").count():  # those of the demo's past are not ours
        page.keyboard.press("d")
        page.wait_for_timeout(400)
    with Visitor(demo.url, customer="C1003") as customer:
        customer.say("My refund has not arrived and it has been three weeks")
        customer.wait_for("message", "bot")
        customer.say("I want to talk to a human please")
        customer.wait_for("escalated", "system")
        name = page.locator(".offer .name", has_text="Amira Haddad")
        name.wait_for(timeout=OFFER_MS)
        expect(page).to_have_title(re.compile(r"^\(\d+\) "))
        # Accept, then use the first suggestion, edit it, send it: no mouse.
        page.keyboard.press("a")
        expect(page.locator(".head .title")).to_have_text("Amira Haddad")
        customer.wait_for("joined", "system")
        expect(page.locator(".curve-row svg[role=img]")).to_have_attribute("aria-label", re.compile("Risk by turn"))
        expect(page.locator(".m.contact").last).to_contain_text("talk to a human")
        expect(page.locator(".driver").first).to_be_visible()
        page.locator(
            ".sug-main:enabled kbd", has_text="1"
        ).wait_for()  # the console has heard that it holds the conversation
        page.keyboard.press("1")
        box = page.locator("#composer")
        expect(box).to_be_focused()
        suggestion = box.input_value()
        assert suggestion.strip()
        page.keyboard.press("End")
        page.keyboard.type(" I'm Mara, a person.")
        page.keyboard.press("Enter")
        sent = customer.wait_for("message", "agent")
        assert sent["body"] == f"{suggestion.strip()} I'm Mara, a person."
        assert sent["name"] == "Mara"
        expect(page.locator(".m.agent:not(.pending)").last).to_contain_text("I'm Mara, a person.")
        expect(box).to_have_value("")
        # A private note, which the customer never sees.
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.keyboard.type("Note 8812: refund is stuck")
        page.keyboard.press("Enter")
        expect(page.locator(".note", has_text="Note 8812: refund is stuck")).to_be_visible()
        page.keyboard.press("Escape")
        # Resolve with a disposition.
        page.keyboard.press("e")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Amira Haddad")
        page.keyboard.press("Space")  # the first choice has the focus
        page.keyboard.press("ArrowRight")
        expect(dialog.get_by_role("radio", name="Solved")).to_be_checked()
        page.keyboard.press("Enter")
        customer.wait_for("resolved", "system")
        expect(dialog).to_have_count(0)
        assert not any("8812" in (event.get("body") or "") for event in customer.events)
        conv = customer.conv
    task = rows(demo, "SELECT state, disposition FROM task WHERE conversation_id = ?", conv)
    assert task == [("done", "solved")]
    used = rows(demo, """SELECT "use" FROM suggestion_use WHERE conversation_id = ? AND "use" != 'ignored'""", conv)
    assert used == [("edited",)]
    assert rows(demo, "SELECT value FROM outcome WHERE conversation_id = ? AND type = 'disposition'", conv)


def test_only_the_holder_can_send_and_colleagues_see_each_other(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    mara, lin = open_page(f"{demo.url}/console"), open_page(f"{demo.url}/console", locale="zh-CN")
    with Visitor(demo.url) as customer:
        customer.say("The lamp arrived broken")
        customer.ask_for_person()
        log_in(mara, "mara")
        take(mara, customer.conv)
        log_in(lin, "lin")
        lin.goto(f"{demo.url}/console?conv={customer.conv}")
        expect(lin.locator(".compose")).to_contain_text("Mara 接待中：仅可备注")
        expect(lin.locator(".mode").first).to_be_disabled()
        expect(mara.locator(".compose")).to_contain_text("林")
        # Lin's note reaches Mara; Lin's keys insert nothing.
        lin.locator("#composer").fill("我之前处理过这位顾客")
        lin.keyboard.press("Enter")
        expect(mara.locator(".note", has_text="我之前处理过这位顾客")).to_be_visible()
        # Typing of the customer's side and unread counts elsewhere are told by the desk; the answer reaches both.
        mara.locator("#composer").fill("I will replace it.")
        mara.locator("#composer").press("Enter")
        expect(lin.locator(".m.agent", has_text="I will replace it.")).to_be_visible()
        mara.locator(".head").get_by_role("button", name="Return to assistant").click()
        customer.wait_for("returned", "system")
        expect(lin.locator(".compose")).to_contain_text("接待后方可回复")


def test_a_conversation_is_passed_on_with_a_note(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    mara, lin = open_page(f"{demo.url}/console"), open_page(f"{demo.url}/console")
    log_in(lin, "lin")
    with Visitor(demo.url) as customer:
        customer.say("我的订单在哪里")
        log_in(mara, "mara")
        take(mara, customer.conv)
        mara.keyboard.press("p")
        dialog = mara.get_by_role("dialog")
        expect(dialog.get_by_role("radio", name=re.compile("林"))).to_be_visible()
        dialog.get_by_role("radio", name=re.compile("林")).check()
        dialog.get_by_label("A note for them (optional)").fill("Speaks Chinese")
        dialog.get_by_role("button", name="Transfer").click()
        # Lin is asked first, and finds the note.
        expect(lin.locator(".offer").first).to_be_visible(timeout=OFFER_MS)
        take(lin, customer.conv)
        expect(lin.locator(".note", has_text="Speaks Chinese")).to_be_visible()
        expect(lin.locator(".msgs")).to_contain_text("Mara passed it on")
        expect(mara.locator(".compose")).to_contain_text("林 holds it: notes only")


def test_a_colleague_who_is_mentioned_in_a_note_is_told(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    mara, lin = open_page(f"{demo.url}/console"), open_page(f"{demo.url}/console", locale="zh-CN")
    log_in(lin, "lin")
    lin.locator(".mentions-btn").wait_for()
    with Visitor(demo.url, customer="C1004") as customer:
        customer.say("The blanket lost its colour")
        log_in(mara, "mara")
        take(mara, customer.conv)
        mara.locator("#composer").wait_for()
        mara.locator("#thread").focus()
        mara.keyboard.press("n")
        box = mara.locator("#composer")
        expect(box).to_be_focused()
        box.press_sequentially("Known fault? <img src=x onerror=alert(1)> @")
        offered = mara.get_by_role("listbox", name="Colleagues").get_by_role("option")
        expect(offered.filter(has_text="林")).to_be_visible()
        expect(offered.filter(has_text="Mara")).to_have_count(0)
        box.press_sequentially("林")
        expect(offered).to_have_count(1)
        box.press("Enter")
        expect(box).to_have_value(re.compile("@林 $"))
        box.press_sequentially("please look")
        box.press("Enter")
        note = mara.locator(".note", has_text="Known fault?")
        expect(note.locator("b").nth(1)).to_have_text(re.compile("^@林"))
        # Lin is told, wherever she is, and goes to the note by keyboard alone.
        badge = lin.locator(".mentions-btn .count")
        expect(badge).to_have_text("1")
        expect(lin).to_have_title(re.compile(r"^\(\d+\) "))
        lin.keyboard.press("m")
        entry = lin.get_by_role("dialog").locator(".mention").first
        expect(entry).to_contain_text("Mara：Known fault? <img src=x onerror=alert(1)>")
        expect(entry).to_contain_text("新")
        expect(entry).to_be_focused()
        lin.keyboard.press("Enter")
        expect(lin.locator(".note", has_text="Known fault?")).to_be_focused()
        expect(badge).to_have_count(0)
        lin.keyboard.press("m")
        expect(lin.get_by_role("dialog").locator(".mention").first).not_to_contain_text("新")
        lin.keyboard.press("Escape")
        customer.say("Hello?")
        assert not any("Known fault" in (event.get("body") or "") for event in customer.events)


def test_the_search_reaches_every_conversation_and_goes_to_what_was_said(
    demo: Demo, open_page: Open, log_in: LogIn
) -> None:
    with Visitor(demo.url, customer="C1009") as customer:
        customer.say("My zirconium teapot 4711 sings <img src=x onerror=alert(1)>")
        customer.wait_for("message", "bot", timeout_s=30)
        customer.say("青花瓷茶壶上的裂纹")
        customer.wait_for("message", "bot", timeout_s=30)
        customer.leave()  # now it is on nobody's desk
        conv = customer.conv
    page = open_page(f"{demo.url}/console")
    log_in(page, "mara")
    page.locator(".pane.queue").wait_for()
    for words, found in (("ZIRCONIUM sings", "zirconium teapot 4711"), ("茶壶", "青花瓷茶壶上的裂纹")):
        page.keyboard.press("Control+k")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("combobox").press_sequentially(words)
        hit = dialog.get_by_role("option").filter(has_text=found)
        expect(hit).to_have_count(1)
        expect(dialog.get_by_role("option")).to_have_count(1)
        expect(dialog.get_by_role("status")).to_have_text("")  # the server has answered
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(f"conv={conv}"))
        expect(page.locator(".m.contact", has_text=found)).to_be_focused()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").press_sequentially("nothing-that-anybody-said")
    expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("Nothing found.")


def test_set_aside_until_the_customer_writes(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/console")
    log_in(page, "mara")
    with Visitor(demo.url) as customer:
        customer.say("I will look for the receipt")
        take(page, customer.conv)
        page.keyboard.press("z")
        page.get_by_role("dialog").get_by_role("button", name=re.compile("In two hours")).click()
        expect(page.locator(".q.on .q-clock")).to_contain_text("until")
        customer.say("Found it: 4711")
        expect(page.locator(".q.on .q-clock")).to_contain_text("reply due")
        page.locator("#composer").fill("Thank you, I'll check 4711.")
        page.locator("#composer").press("Enter")
        sent = customer.wait_for("message", "agent", containing="4711")
        customer.see(sent["seq"])
        expect(page.locator(".m.agent", has_text="4711").locator(".who")).to_contain_text("seen")


def test_a_supervisor_watches_unseen_whispers_and_steps_in(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    mara, sam = open_page(f"{demo.url}/console"), open_page(f"{demo.url}/console")
    log_in(mara, "mara")
    log_in(sam, "sam")
    sam.get_by_role("button", name=re.compile("Settings and log-out")).click()
    sam.get_by_role("switch", name="Watch unseen").check()
    sam.keyboard.press("Escape")
    with Visitor(demo.url) as customer:
        customer.say("The blanket lost its colour")
        take(mara, customer.conv)
        sam.goto(f"{demo.url}/console?conv={customer.conv}")
        expect(sam.locator(".compose")).to_contain_text("Mara holds it: notes only")
        sam.locator("#composer").fill("Offer the exchange, it is a known fault")
        sam.locator("#composer").press("Enter")
        expect(mara.locator(".note", has_text="a known fault")).to_be_visible()
        expect(mara.locator(".compose")).not_to_contain_text("Sam")
        sam.locator("#composer").press("Escape")
        sam.keyboard.press("t")
        expect(sam.locator("[aria-keyshortcuts=e]")).to_be_visible()
        expect(mara.locator(".compose")).to_contain_text("Sam holds it: notes only")


def test_after_the_customer_has_left_the_agent_wraps_up(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/console")
    log_in(page, "mara")
    with Visitor(demo.url) as customer:
        customer.say("Thanks, I found it myself")
        take(page, customer.conv)
        customer.leave()
        expect(page.locator(".q.on .q-clock")).to_contain_text("wrap-up")
        expect(page.locator(".compose")).to_contain_text("Ended: notes only")
        page.keyboard.press("e")
        page.get_by_role("radio", name="Saved").check()
        page.get_by_role("dialog").get_by_role("button", name="Resolve").click()
        expect(page.locator(".head .tag")).to_have_text("resolved")
    assert rows(demo, "SELECT state, disposition FROM task WHERE conversation_id = ?", customer.conv) == [
        ("done", "saved")
    ]


def test_a_second_window_takes_the_desk_over(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    first = open_page(f"{demo.url}/console")
    log_in(first, "mara")
    expect(first.get_by_role("button", name=re.compile("^Presence: A"))).to_be_visible()
    second = first.context.new_page()
    second.goto(f"{demo.url}/console")
    expect(first.locator(".banner")).to_contain_text("opened in another window")
    first.get_by_role("button", name="Use it here").click()
    expect(first.locator(".banner")).to_have_count(0)
    expect(second.locator(".banner")).to_contain_text("opened in another window")


def test_what_was_written_during_a_cut_is_sent_once_afterwards(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page("about:blank")
    live: list[WebSocketRoute] = []
    closed_for_now = False

    def through(route: WebSocketRoute) -> None:
        if closed_for_now:
            route.close(code=1012)
            return
        route.connect_to_server()
        live.append(route)

    page.route_web_socket(re.compile(r"/ws/desk$"), through)
    page.goto(f"{demo.url}/console")
    log_in(page, "mara")
    with Visitor(demo.url) as customer:
        customer.say("Which strap fits the 42 mm model?")
        take(page, customer.conv)
        closed_for_now = True
        live[-1].close(code=1012)
        expect(page.locator(".banner")).to_contain_text("No connection")
        page.locator("#composer").fill("The wide one.")
        page.locator("#composer").press("Enter")
        expect(page.locator(".m.pending")).to_contain_text("The wide one.")
        closed_for_now = False
        page.get_by_role("button", name="Try now").click()
        expect(page.locator(".m.agent:not(.pending)", has_text="The wide one.")).to_have_count(1)
        expect(page.locator(".banner")).to_have_count(0)
        customer.wait_for("message", "agent", containing="The wide one.")
        page.wait_for_timeout(1000)
        assert sum(event.get("body") == "The wide one." for event in customer.events) == 1
        page.context.set_offline(True)  # the browser says so before the connection notices
        expect(page.locator(".banner")).to_contain_text("You are offline")
        page.context.set_offline(False)
        expect(page.locator(".banner")).to_have_count(0)


HOSTILE = [
    "<script>window.hit=1</script>",
    '<img src=x onerror="window.hit=1">',
    "<svg/onload=window.hit=1>",
    "javascript:window.hit=1",
    "[click](javascript:window.hit=1) ![x](https://evil.example/x.png)",
    "\"><iframe srcdoc='<script>parent.hit=1</script>'>",
    "{{constructor.constructor('window.hit=1')()}}",
    "<style>@import 'https://evil.example/x.css'</style><link rel=stylesheet href=https://evil.example>",
]


def test_texts_of_strangers_are_text(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    asked: list[str] = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.goto(f"{demo.url}/console")
    log_in(page, "mara")
    with Visitor(demo.url) as customer:
        for text in HOSTILE:
            customer.say(text)
        customer.say("invoice\u202egpj.exe Z" + "\u0301" * 1000)
        take(page, customer.conv)
        said = page.locator(".m.contact .said")
        expect(said).to_have_count(len(HOSTILE) + 1)
        for index, text in enumerate(HOSTILE):
            expect(said.nth(index)).to_have_text(text)
        expect(said.last).to_contain_text("invoicegpj.exe")
        expect(said.last.locator(".hidden-mark")).to_be_visible()
        assert said.last.bounding_box()["height"] < 60  # type: ignore[index]
        assert page.locator(".msgs :is(script, img, iframe, svg, style, link, a)").count() == 0
        assert page.evaluate("window.hit") is None
    assert all(url.startswith((demo.url, demo.url.replace("http", "ws", 1), "about:")) for url in asked), asked


def test_search_keys_and_presence(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/console")
    log_in(page, "mara")
    with Visitor(demo.url, customer="C1013") as customer:
        customer.say("My kettle again")
        customer.ask_for_person()
        page.locator(".name", has_text="Priya Raghunathan").first.wait_for(timeout=OFFER_MS)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("Insert a suggestion")
        page.keyboard.press("Escape")
        page.keyboard.press("Control+k")
        page.keyboard.type("priya")
        hit = page.get_by_role("option", selected=True)
        expect(hit).to_contain_text("Priya Raghunathan")
        page.keyboard.press("Enter")
        expect(page.locator(".head .title")).to_have_text("Priya Raghunathan")
        page.get_by_role("button", name=re.compile("^Presence")).click()
        page.get_by_role("radio", name="Away").click()
        expect(page.get_by_role("button", name=re.compile("^Presence: Away"))).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name=re.compile("^Presence: Away"))).to_be_visible()
        expect(page.locator(".head .title")).to_have_text("Priya Raghunathan")  # the address remembers what was open
        page.get_by_role("button", name=re.compile("^Presence")).click()
        page.get_by_role("radio", name="Available").click()
        expect(page.get_by_role("button", name=re.compile("^Presence: Available"))).to_be_visible()


def test_a_wrong_password_is_told_and_a_session_survives_a_reload(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page(f"{demo.url}/console")
    page.locator("input[name=login]").fill("mara")
    page.locator("input[name=password]").fill("nonsense")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Login or password is wrong.")
    log_in(page, "mara")
    page.reload()
    expect(page.get_by_role("navigation", name="Queue")).to_be_visible()
    page.get_by_role("button", name=re.compile("Settings and log-out")).click()
    page.get_by_role("radio", name="中文").check()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("radio", name="深色").check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_role("button", name="退出登录").click()
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
