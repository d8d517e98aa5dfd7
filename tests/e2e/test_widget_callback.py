"""Nobody is there: the customer leaves an address, agents call back. Both sides, in a real browser.

With STAYWELL_IMAGES=<folder> the screens are kept there as pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe import check_axe
from chat_page import ChatPage
from playwright.sync_api import Page, expect
from screen_checks import keep

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]
PAYLOAD = '<img src=x onerror="alert(1)">"onmouseover=alert(2) x="'


@pytest.fixture
def quiet(demo_of: Callable[..., Demo], tmp_path: Path) -> Demo:
    """A demo in which it takes a second to see that nobody is there."""
    return demo_of(tmp_path, "--no-past", STAYWELL_NOBODY_SECONDS="1", STAYWELL_MESSAGES_PER_10S="100")


def wait_in_vain(page: Page, text: str) -> ChatPage:
    """Asks for a person, and is told that nobody is free."""
    chat = ChatPage(page)
    chat.open()
    chat.say(text)
    chat.wait_for_reply()
    chat.frame.locator(".human").click()
    expect(chat.frame.locator("form.ending")).to_be_visible(timeout=20_000)
    return chat


def test_an_address_is_left_and_agents_call_back(quiet: Demo, open_page: Open, log_in: LogIn) -> None:
    chat = wait_in_vain(open_page(quiet.url, timezone_id="Asia/Shanghai"), "My order has not arrived")
    form = chat.frame.get_by_role("form", name="May we call you back?")
    phone, email = form.get_by_label("Phone"), form.get_by_label("E-mail")
    send = form.get_by_role("button", name="Call me back")
    send.click()  # neither address
    assert not email.evaluate("(field) => field.validity.valid")
    phone.fill("call me")
    send.click()
    assert not phone.evaluate("(field) => field.validity.valid")
    expect(form).to_be_visible()
    # By keyboard from field to field, and sent with Enter.
    phone.fill("+49 (30) 123-456")
    phone.press("Tab")
    suits = form.get_by_label("When does it suit you?")
    expect(suits).to_be_focused()
    suits.press_sequentially(PAYLOAD)
    check_axe(chat.document(), "call-back")
    suits.press("Enter")
    expect(chat.log).to_contain_text("You will be called back.")
    expect(form).to_have_count(0)
    chat.page.reload()
    expect(chat.log).to_contain_text("You will be called back.")
    expect(form).to_have_count(0)

    mara, lin = open_page(f"{quiet.url}/console", timezone_id="UTC"), open_page(f"{quiet.url}/console", locale="zh-CN")
    log_in(mara, "mara")
    row = mara.get_by_role("region", name="Call-backs").get_by_role("button")
    expect(row).to_contain_text("+49 (30) 123-456")
    expect(row).to_contain_text('<img src=x onerror="alert(1)">')
    row.click()
    card = mara.get_by_role("region", name="Call-back wanted")
    expect(card.get_by_role("link")).to_have_attribute("href", "tel:+4930123456")
    expect(card).to_contain_text(re.compile(r"\d\d:\d\d · Asia/Shanghai"))
    expect(mara.locator(".msgs")).to_contain_text("The customer left an address to be called back")
    check_axe(mara, "console with a call-back")
    keep(mara, "callback-console")
    log_in(lin, "lin")
    lin.get_by_role("region", name="回电").get_by_role("button").click()
    theirs = lin.get_by_role("region", name="请求回电")
    expect(theirs.get_by_role("button", name="已联系上")).to_be_enabled()
    card.get_by_role("button", name="I’ll do it").click()
    expect(theirs).to_contain_text("Mara 正在处理")
    expect(theirs.get_by_role("button", name="已联系上")).to_be_disabled()
    card.get_by_role("button", name="Not reached").click()
    expect(card).to_contain_text(re.compile("tried"))
    expect(theirs.get_by_role("button", name="已联系上")).to_be_enabled()
    theirs.get_by_role("button", name="已联系上").click()
    for page in (mara, lin):
        expect(page.locator(".callback")).to_have_count(0)
    expect(mara.get_by_role("region", name="Call-backs")).to_have_count(0)


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_the_form_in_both_themes_and_languages(quiet: Demo, open_page: Open, size: str) -> None:
    width, height = (390, 844) if size == "phone" else (1280, 800)
    for theme in ("light", "dark"):
        for locale, text in (("en-GB", "Where is it?"), ("zh-CN", "我的订单在哪里？")):
            page = open_page(quiet.url, width=width, height=height, color_scheme=theme, locale=locale)
            chat = wait_in_vain(page, text)
            form = chat.frame.locator("form.ending")
            form.scroll_into_view_if_needed()
            where = f"{size}-{theme}-{locale[:2]}"
            check_axe(chat.document(), f"call-back {where}")
            box, panel = form.bounding_box(), chat.panel.bounding_box()
            assert box is not None
            assert panel is not None
            assert panel["x"] <= box["x"] < box["x"] + box["width"] <= panel["x"] + panel["width"]
            keep(page, f"callback-{where}")
