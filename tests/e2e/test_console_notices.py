"""An agent who looks elsewhere: a sound, a notification of the desktop, and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from console_page import take
from playwright.sync_api import Page, expect
from visitor import Visitor

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]

# A desktop that keeps its notifications, a loudspeaker that counts, a window behind others.
ELSEWHERE = """() => {
  window.notices = []; window.tones = 0; window.hidden = false;
  class Notice {
    constructor(title, options) { Object.assign(this, { title }, options); window.notices.push(this) }
    close() { this.closed = true }
  }
  Notice.permission = "granted"; Notice.requestPermission = async () => "granted";
  window.Notification = Notice;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) { window.tones += 1; return start.apply(this, when) };
  Object.defineProperty(document, "hidden", { get: () => window.hidden });
}"""


def test_who_looks_elsewhere_is_told_and_led_back(demo: Demo, open_page: Open, log_in: LogIn) -> None:
    page = open_page("about:blank")
    page.add_init_script(f"({ELSEWHERE})()")
    page.goto(f"{demo.url}/console")
    log_in(page, "lin")
    page.get_by_role("button", name=re.compile("Settings and log-out")).click()
    page.get_by_role("switch", name="Desktop notifications").click()
    page.keyboard.press("Escape")
    page.evaluate("window.hidden = true")
    with Visitor(demo.url, customer="C1022") as customer:
        customer.say("The lamp came with a crack")
        customer.wait_for("message", "bot")
        customer.ask_for_person()
        take(page, customer.conv)
        page.goto(f"{demo.url}/console")
        page.locator(".q").first.wait_for()
        page.evaluate("window.hidden = true")
        customer.say("Are you still there?")
        said = "window.notices.find((one) => one.body === 'Are you still there?')"
        page.wait_for_function(f"() => {said}")
        assert page.evaluate("window.tones") > 0
        page.evaluate(f"{said}.onclick()")
        expect(page).to_have_url(re.compile(customer.conv))
        expect(page.locator(".m.contact").last).to_contain_text("Are you still there?")
        assert page.evaluate(f"{said}.closed")
