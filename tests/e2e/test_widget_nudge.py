"""The chat speaks first by rules that the server keeps: to customers at risk, once, never to the holdout; nothing else is told."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe import check_axe
from playwright.sync_api import Page, Route, expect
from visitor import Visitor

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
PAYLOAD = "<img src=x onerror=alert(1)>"
PAGE = """<!doctype html><html lang="{lang}"><title>Shop</title><main><h1>A shop</h1></main>
<script>(window.staywellQueue ||= []).push((staywell) => staywell.identify(async () =>
  (await (await fetch("/demo/identity?customer={customer}")).json()).jwt))</script>
<script type="module" src="{origin}/widget.js"></script>
<staywell-chat site="demo" proactive="site"{more}></staywell-chat></html>"""


@pytest.fixture
def shop(demo_of: Callable[..., Demo], tmp_path: Path) -> Demo:
    """A demo with a rule by risk, and nobody in the holdout."""
    demo = demo_of(tmp_path, "--no-past")
    said = {"en": f"Shall we help? {PAYLOAD}", "zh": "需要帮您看看吗？"}
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": [{"page": "/plain*", "after": 1, "risk": "elevated", "text": said}]}))
    command = [sys.executable, "-m", "assistant.cli", "site", "proactive", "demo", str(rules)]
    subprocess.run([*command, "--data-dir", str(demo.folder)], check=True, capture_output=True)
    change(demo, "UPDATE site SET holdout_rate = 0")
    return demo


def change(demo: Demo, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(demo.database, timeout=20)) as database, database:
        database.execute(statement, values)


def customer(demo: Demo, number: str, band: str) -> None:
    """A customer whose last conversation was in a band."""
    with Visitor(demo.url, customer=number) as visitor:
        visitor.say("Hello")
        visitor.wait_for("message", "bot", timeout_s=30)
        conv = visitor.conv
    change(demo, "UPDATE conversation SET band = ? WHERE id = ?", band, conv)


def visit(demo: Demo, open_page: Open, number: str, *, lang: str = "en", more: str = "") -> tuple[Page, list[Any]]:
    """Opens a page of the shop as a customer; what the server has answered, once it has said all."""
    origin = str(demo.url).replace("localhost", "127.0.0.1")
    page = open_page("about:blank")
    html = PAGE.format(lang=lang, customer=number, origin=origin, more=more)

    def answer(route: Route) -> None:
        route.fulfill(body=html, content_type="text/html; charset=utf-8")

    answers: list[Any] = []
    page.route("**/plain", answer)
    with page.expect_response("**/api/widget/nudge") as first:
        page.goto(f"{demo.url}/plain")
    answers.append(first.value.json())
    if "after" in answers[0]:
        with page.expect_response("**/api/widget/nudge") as second:
            pass
        answers.append(second.value.json())
    return page, answers


def test_a_customer_at_risk_is_spoken_to_once_in_days(shop: Demo, open_page: Open) -> None:
    customer(shop, "C1005", "high")
    customer(shop, "C1006", "low")
    page, answers = visit(shop, open_page, "C1005")
    line = page.locator("staywell-chat .nudge")
    expect(line).to_contain_text(PAYLOAD)
    assert answers == [{"after": 1}, {"text": f"Shall we help? {PAYLOAD}"}]
    assert len(page.frames) == 1, "the chat itself is not loaded for it"
    check_axe(page, "a line beside the launcher")
    _, answers = visit(shop, open_page, "C1005", lang="zh")  # another browser
    assert answers == [{"after": 1}, {}]
    _, answers = visit(shop, open_page, "C1006")
    assert answers == [{"after": 1}, {}]
    with closing(sqlite3.connect(shop.database)) as database:
        assert database.execute("SELECT kind FROM exposure").fetchall() == [("nudge",)]


def test_the_holdout_is_not_spoken_to_and_nobody_is_named_before_they_agreed(shop: Demo, open_page: Open) -> None:
    customer(shop, "C1007", "high")
    change(shop, "UPDATE site SET holdout_rate = 1")
    assert visit(shop, open_page, "C1007")[1] == [{"after": 1}, {}]
    change(shop, "UPDATE site SET holdout_rate = 0")
    assert visit(shop, open_page, "C1007", more=' privacy="/privacy"')[1] == [{"after": 1}, {}]
    page, answers = visit(shop, open_page, "C1007", lang="zh-CN")
    assert answers == [{"after": 1}, {"text": "需要帮您看看吗？"}]
    line = page.locator("staywell-chat .nudge")
    line.get_by_role("button", name="需要帮您看看吗？").click()
    expect(page.frame_locator("staywell-chat iframe").locator("h1")).to_be_visible()


def test_another_shops_page_is_not_answered(shop: Demo) -> None:
    body = {"site": "demo", "page": "/plain", "waited": 1}
    url = f"{shop.url}/api/widget/nudge"
    foreign = httpx.post(url, json=body, headers={"Origin": "https://elsewhere.example"})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "origin")
    assert "access-control-allow-origin" not in foreign.headers
    ours = httpx.post(url, content=json.dumps(body), headers={"Origin": shop.url, "Content-Type": "text/plain"})
    assert ours.headers["access-control-allow-origin"] == shop.url
    assert ours.json() == {}
    for bad in (b"", b"{}", b"[1]", b'{"site":"demo","page":"/","waited":-1}', b"x" * 9000, b'{"site":"demo\\u0000"}'):
        answer = httpx.post(url, content=bad)
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_input"), bad
    outlived = httpx.post(url, json=body | {"identity": "x.y.z"})
    assert (outlived.status_code, outlived.json()["code"]) == (401, "identity")
