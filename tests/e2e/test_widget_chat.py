"""A customer chats on the shop's page: with the assistant, with a person, over reloads, cuts and tabs, to the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from chat_page import ChatPage
from console_page import take
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]


def test_a_guest_is_greeted_asks_and_is_answered(demo: Demo, open_page: Open) -> None:
    chat = ChatPage(open_page(demo.url))
    chat.open()
    expect(chat.title).to_have_text("Wei · assistant")
    expect(chat.log).to_contain_text("Hello, I’m Wei, the assistant")
    expect(chat.field).to_be_focused()
    chat.frame.get_by_role("button", name="Where is my order?").click()
    expect(chat.bubbles("mine")).to_have_text("Where is my order?")
    chat.wait_for_reply()
    expect(chat.frame.locator(".mine .meta")).to_have_text("Seen")
    expect(chat.frame.locator(".message.bot .quiet").first).to_have_text("Assistant")


def test_chinese_from_the_first_word(demo: Demo, open_page: Open) -> None:
    chat = ChatPage(open_page(demo.url, locale="zh-CN"))
    expect(chat.launcher).to_have_accessible_name("联系客服")
    chat.open()
    expect(chat.title).to_have_text("小维 · 智能助手")
    chat.say("我的快递怎么还没到，都五天了")
    chat.wait_for_reply()
    assert re.search(r"[\u4e00-\u9fff]{4}", chat.bubbles("bot").first.inner_text())
    expect(chat.frame.locator(".mine .meta")).to_have_text("已读")


def test_the_language_can_be_changed_on_both_sides(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.frame.get_by_label("Language").select_option("zh-CN")
    expect(chat.title).to_have_text("小维 · 智能助手")
    expect(page.locator("h1")).to_have_text("居家与户外，经久耐用之物")
    page.get_by_role("button", name="English").click()
    expect(chat.title).to_have_text("Wei · assistant")
    page.reload()
    expect(chat.title).to_have_text("Wei · assistant")


def test_the_conversation_goes_on_after_a_reload_and_in_a_second_tab(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("Do you ship to Austria?")
    chat.wait_for_reply()
    said = chat.frame.locator(".bubble").all_inner_texts()
    page.reload()
    # It was open, so that it opens again; the draft of the page before is not lost either.
    expect(chat.frame.locator(".bubble")).to_have_text(said)
    chat.field.fill("half a sent")
    page.reload()
    expect(chat.field).to_have_value("half a sent")
    chat.field.fill("")
    other = ChatPage(page.context.new_page())
    other.page.goto(demo.url)
    other.open()
    expect(other.frame.locator(".bubble")).to_have_text(said)
    other.say("And to Italy?")
    expect(chat.bubbles("mine").last).to_have_text("And to Italy?")
    chat.wait_for_reply(2)
    other.wait_for_reply(2)
    assert chat.frame.locator(".bubble").all_inner_texts() == other.frame.locator(".bubble").all_inner_texts()


def test_what_is_written_without_a_connection_is_sent_once_when_it_is_back(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("Hello")
    chat.wait_for_reply()
    page.context.set_offline(True)
    expect(chat.frame.locator(".banner")).to_have_text("You are offline. Messages go out when you are back.")
    chat.say("Friday works")
    chat.say("thank you")
    expect(chat.frame.locator(".mine .meta").last).to_have_text("Sending… no connection, will retry")
    expect(chat.frame.locator(".bubble.pending")).to_have_count(2)
    page.context.set_offline(False)
    expect(chat.frame.locator(".bubble.pending")).to_have_count(0, timeout=40_000)
    expect(chat.bubbles("mine")).to_have_text(["Hello", "Friday works", "thank you"])
    page.reload()
    expect(chat.bubbles("mine")).to_have_text(["Hello", "Friday works", "thank you"])


def test_a_person_takes_over_and_the_customer_always_knows_who_speaks(
    demo: Demo, open_page: Open, log_in: LogIn
) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("Hello")
    chat.frame.locator(".human").click()
    expect(chat.log).to_contain_text("A person is coming")
    expect(chat.frame.locator(".human")).to_be_disabled()

    desk = open_page(f"{demo.url}/console")
    log_in(desk, "mara")
    take(desk, chat.conversation)
    expect(chat.title).to_have_text("Mara · a person", timeout=20_000)
    expect(chat.log).to_contain_text("Mara joined. The assistant is quiet now.")
    expect(chat.frame.locator(".human")).to_have_count(0)

    # While the panel is closed an answer is counted on the launcher.
    chat.launcher.click()
    field = desk.locator("#composer")
    field.fill("Hello, this is Mara. I am reading your file.")
    field.press("Enter")
    expect(desk.get_by_role("log")).to_contain_text("I am reading your file.")
    expect(page.locator("staywell-chat .badge")).to_have_text("1", timeout=15_000)
    expect(chat.launcher).to_have_accessible_name("Chat, 1 unread")
    chat.launcher.click()
    expect(chat.bubbles("agent")).to_have_text("Hello, this is Mara. I am reading your file.")
    expect(chat.frame.locator(".message.agent .who")).to_have_text("Mara · a person")
    expect(page.locator("staywell-chat .badge")).to_be_hidden()


def test_the_end_a_rating_a_transcript_and_a_new_beginning(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("Thanks, that was all")
    chat.wait_for_reply()
    with page.expect_download() as download:
        chat.frame.get_by_role("button", name="Transcript").click()
    text = download.value.path().read_text("utf-8")
    assert "You: Thanks, that was all" in text
    assert "Assistant: " in text
    chat.frame.get_by_role("button", name="End chat").click()
    chat.frame.get_by_role("button", name="Keep chatting").click()
    chat.frame.get_by_role("button", name="End chat").click()
    chat.frame.get_by_role("button", name="End it").click()
    expect(chat.log).to_contain_text("This conversation is closed")
    expect(chat.field).to_have_count(0)
    chat.frame.get_by_role("radio", name="Good", exact=True).check(force=True)
    chat.frame.get_by_label("Anything to add?").fill("Quick, and right")
    chat.frame.get_by_role("button", name="Send rating").click()
    expect(chat.log).to_contain_text("Thank you for your rating.")
    chat.frame.get_by_role("button", name="Start a new chat").click()
    expect(chat.log).to_contain_text("Hello, I’m Wei")
    chat.say("One more thing")
    chat.wait_for_reply()
    expect(chat.bubbles("mine")).to_have_text(["One more thing"])


def test_another_customer_sees_nothing_of_the_last_one(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    page.select_option("#customer", "C1029")
    chat = ChatPage(page)
    chat.open()
    chat.say("A secret between the shop and me")
    chat.wait_for_reply()
    page.select_option("#customer", "C1030")
    expect(chat.log).not_to_contain_text("secret")
    page.select_option("#customer", "C1029")
    expect(chat.log).to_contain_text("A secret between the shop and me")
    page.select_option("#customer", "")
    expect(chat.log).not_to_contain_text("secret")
    kept = chat.document().evaluate("document.cookie")
    assert "secret" not in kept
    assert page.evaluate("JSON.stringify(localStorage) + document.cookie").find("resume") == -1


def test_long_messages_are_counted_and_input_methods_left_alone(demo: Demo, open_page: Open) -> None:
    chat = ChatPage(open_page(demo.url))
    chat.open()
    chat.field.fill("长" * 3990)
    expect(chat.frame.locator(".left")).to_have_text("10 characters left")
    chat.field.fill("长" * 4001)
    expect(chat.frame.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    chat.field.fill("zhe ge")
    chat.field.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "keyCode": 229})
    expect(chat.field).to_have_value("zhe ge")
    chat.field.press("Shift+Enter")
    expect(chat.field).to_have_value("zhe ge\n")
    expect(chat.bubbles("mine")).to_have_count(0)
