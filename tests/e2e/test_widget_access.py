"""The widget for everybody: axe in both themes and languages over every state, by keyboard alone, and read aloud.

With STAYWELL_IMAGES=<folder> the screens are kept there as pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe import check_axe
from chat_page import ChatPage
from chat_rows import hand_to, write_agents, write_events
from playwright.sync_api import Page, expect
from screen_checks import keep

from assistant.conversations.store import NewEvent
from assistant.ids import new_id

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenfabrik" * 3 + " 这是一段没有任何空格的很长很长的中文文字" * 4


def check_layout(chat: ChatPage, where: str) -> None:
    """Nothing sticks out of the chat sideways."""
    outside = chat.document().evaluate(
        """() => [...document.querySelectorAll("header *, .log > *, .bubble, .foot *")]
        .filter((element) => !element.closest(".cards, .quiet") && !element.matches(".quiet, .cards"))
        .map((element) => [element.outerHTML.slice(0, 120), element.getBoundingClientRect()])
        .filter(([, box]) => box.width && (box.right > innerWidth + 1 || box.left < -1)).map(([html]) => html)"""
    )
    assert outside == [], where
    assert chat.document().evaluate("document.documentElement.scrollWidth <= innerWidth"), where


WORDS = {
    "en-GB": {
        "contact": "That is the second broken kettle. I'm done.",
        "cards": "These hold more, and have no joint at the base.",
        "offer": "I am sorry for the trouble.",
        "title": "€10 off your next order",
        "agent": "Jonas, I'm Mara, a person. I've looked at both kettles; that is on us.",
        "reply": "Where is my order?",
        "replies": ["Track it", "Send another if it is late"],
    },
    "zh-CN": {
        "contact": "这已经是第二个坏掉的水壶了，我不想再买了。",
        "cards": "这几款容量更大，壶底没有接缝。",
        "offer": "给您添麻烦了，非常抱歉。",
        "title": "下单立减 10 欧元",
        "agent": "您好，我是人工客服 Mara。两个水壶我都看过了，责任在我们。",
        "reply": "我的快递怎么还没到？",
        "replies": ["查看物流", "今天没到就补发"],
    },
}


@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_state(demo: Demo, open_page: Open, locale: str, theme: str, size: str) -> None:
    phone = size == "phone"
    width, height = (390, 844) if phone else (1280, 800)
    page = open_page(
        demo.url, width=width, height=height, color_scheme=theme, locale=locale, is_mobile=phone, has_touch=phone
    )
    said, where = WORDS[locale], f"{size}-{theme}-{locale[:2]}"
    chat = ChatPage(page)
    expect(chat.launcher).to_be_visible()
    page.locator(".product").first.wait_for()
    check_axe(page, f"{where} shop")
    chat.open()
    keep(page, f"widget-empty-{where}")
    check_axe(chat.document(), f"{where} empty")

    chat.say(said["reply"])
    chat.wait_for_reply()
    products = page.evaluate(f"fetch('/demo/products?locale={locale}').then((answer) => answer.json())")["products"]
    shown = [products[0], products[1] | {"stock": 2}, products[2] | {"stock": 0, "title": LONG}]
    offer = {
        "id": "o1",
        "decision": new_id(),
        "kind": "voucher",
        "amount": 1000,
        "currency": "EUR",
        "title": said["title"],
    }
    conversation = chat.conversation
    [mara] = write_agents(demo.database, ["Mara"])
    write_events(
        demo.database,
        conversation,
        [
            NewEvent("contact", "message", body=said["contact"]),
            NewEvent("bot", "products", body=said["cards"], data={"products": shown}),
            NewEvent("bot", "offer", body=said["offer"], data={"offer": offer, "quick_replies": said["replies"]}),
        ],
    )
    expect(chat.frame.locator(".offer")).to_be_visible(timeout=20_000)
    for picture in chat.frame.locator(".card img").all():
        picture.evaluate("(img) => img.decode()")
    keep(page, f"widget-cards-{where}")
    check_axe(chat.document(), f"{where} cards")
    check_layout(chat, f"{where} cards")

    hand_to(demo.database, conversation, mara)
    write_events(
        demo.database,
        conversation,
        [
            NewEvent("system", "escalated", data={"reason": "asked_for_human", "position": 1, "estimate_s": 60}),
            NewEvent("system", "joined", data={"agent": "Mara"}),
            NewEvent(mara, "message", body=said["agent"]),
        ],
    )
    expect(chat.bubbles("agent")).to_be_visible(timeout=20_000)
    page.context.set_offline(True)
    expect(chat.frame.locator(".banner")).not_to_be_empty()
    chat.say("OK")
    keep(page, f"widget-person-{where}")
    check_axe(chat.document(), f"{where} person, offline")
    chat.say(LONG)
    check_layout(chat, f"{where} long words")
    page.context.set_offline(False)
    expect(chat.frame.locator(".pending")).to_have_count(0, timeout=40_000)

    write_events(demo.database, conversation, [NewEvent("system", "resolved", data={"by": "agent"})])
    expect(chat.frame.locator("fieldset")).to_be_visible(timeout=20_000)
    chat.frame.locator("fieldset input").nth(3).check(force=True)
    keep(page, f"widget-rating-{where}")
    check_axe(chat.document(), f"{where} rating")
    check_layout(chat, f"{where} rating")
    check_axe(page, f"{where} page with the chat open")


def test_by_keyboard_alone(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    expect(chat.launcher).to_be_visible()
    page.locator(".foot a").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.localName") == "staywell-chat"
    page.keyboard.press("Enter")
    expect(chat.field).to_be_focused()
    page.keyboard.type("Where is my order?")
    page.keyboard.press("Enter")
    chat.wait_for_reply()
    expect(chat.field).to_be_focused()
    # Everything can be reached, in the order of the screen, and the focus is seen.
    reached: list[str] = []
    page.keyboard.press("Shift+Tab")
    for _ in range(12):
        name = chat.document().evaluate(
            "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent"
        )
        outline = chat.document().evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or name == "Your message", name
        reached.insert(0, name)
        if name == "Minimise the chat":
            break
        page.keyboard.press("Shift+Tab")
    assert reached[:2] == ["Minimise the chat", "Messages"]
    for _ in range(len(reached)):
        page.keyboard.press("Tab")
    expect(chat.field).to_be_focused()
    # The send button has nothing to send and is passed over.
    page.keyboard.press("Tab")
    expect(chat.frame.locator(".human")).to_be_focused()
    page.keyboard.press("Enter")
    expect(chat.log).to_contain_text("A person is coming")
    page.keyboard.press("Escape")
    expect(chat.panel).to_be_hidden()
    assert page.evaluate("document.querySelector('staywell-chat').shadowRoot.activeElement.className").startswith(
        "launch"
    )
    page.keyboard.press("Space")
    expect(chat.panel).to_be_visible()
    expect(chat.field).to_be_focused()


def test_what_a_screen_reader_is_told(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    expect(chat.launcher).to_have_accessible_name("Chat with us")
    expect(chat.launcher).to_have_attribute("aria-expanded", "false")
    chat.open()
    expect(chat.launcher).to_have_accessible_name("Close the chat")
    expect(chat.launcher).to_have_attribute("aria-expanded", "true")
    expect(page.locator("staywell-chat iframe")).to_have_attribute("title", "Chat")
    expect(chat.log).to_have_accessible_name("Messages")
    expect(chat.field).to_have_accessible_name("Your message")
    chat.say("hello")
    chat.wait_for_reply()
    # Each message says whose it is before what it says.
    assert chat.frame.locator(".message").first.inner_text().split() == ["You", "hello", "Seen"]
    expect(chat.frame.locator(".message.bot").first).to_contain_text("Assistant")
    expect(chat.frame.locator("html")).to_have_attribute("lang", "en")


def test_nothing_moves_for_those_who_asked(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url, reduced_motion="reduce")
    chat = ChatPage(page)
    chat.open()
    assert chat.panel.evaluate("(panel) => getComputedStyle(panel).animationName") == "none"
    running = chat.document().evaluate("document.getAnimations().length")
    assert running == 0


def test_at_four_times_the_size_everything_is_in_reach(demo: Demo, open_page: Open) -> None:
    """1280 × 1024 at 400 % zoom is a page of 320 × 256."""
    page = open_page(demo.url, width=320, height=256)
    chat = ChatPage(page)
    chat.open()
    expect(chat.field).to_be_in_viewport()
    expect(chat.frame.locator(".human")).to_be_in_viewport()
    chat.say("hello")
    check_layout(chat, "zoomed")
