"""The examples of docs/embed.md, run as they stand there: only the chat's address and the site key are put in."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_page import ChatPage
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
# Preact's compatibility layer stands in for React: the component's own code is what is tried.
REACT = {
    "react": "preact/compat",
    "react-dom/client": "preact/compat/client",
    "react/jsx-runtime": "preact/compat/jsx-runtime",
}
MOUNT = """
import { createRoot } from "react-dom/client";
const root = createRoot(document.getElementById("app"));
window.show = (customer) => root.render(customer === undefined ? null : <Chat customer={customer} />);
window.show(null);
"""
CART = """() => document.dispatchEvent(new CustomEvent("staywell:add-to-cart", {
    detail: { product: { id: "41", title: "Kettle", price: 3900, currency: "EUR" }, quantity: 2 } }))"""


def example(section: str, language: str, demo: Demo) -> str:
    """The first block of code in a language under a heading."""
    text = (ROOT / "docs" / "embed.md").read_text("utf-8")
    under = text.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(rf"^ *```{language}\n(.*?)^ *```", under, re.MULTILINE | re.DOTALL)
    assert found, f"no {language} under {section}"
    chat = str(demo.url).replace("localhost", "127.0.0.1")
    return found[1].replace("https://chat.example.com", chat).replace("SITE_KEY", "demo")


@pytest.fixture
def shop(demo: Demo, open_page: Open) -> Callable[[str], Page]:
    """Opens a page of the shop with this HTML."""

    def show(html: str) -> Page:
        page = open_page("about:blank")
        page.route("**/example", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
        page.goto(f"{demo.url}/example")
        return page

    return show


def test_plain_html(demo: Demo, shop: Callable[[str], Page]) -> None:
    page = shop(example("Plain HTML", "html", demo))
    chat = ChatPage(page)
    page.get_by_role("button", name="Ask us").click()
    chat.frame.locator("main").hover()
    chat.say("Hello")
    chat.wait_for_reply()
    expect(chat.launcher).to_be_hidden()
    page.evaluate("document.querySelector('staywell-chat').emit('unread', { count: 3 })")
    expect(page).to_have_title("(3) Shop")


def test_react(demo: Demo, shop: Callable[[str], Page]) -> None:
    built = subprocess.run(
        [
            WEB / "node_modules" / ".bin" / "esbuild",
            *("--bundle", "--format=esm", "--loader=jsx", "--jsx=automatic"),
            *(f"--alias:{name}={other}" for name, other in REACT.items()),
        ],
        input=example("React", "jsx", demo) + MOUNT,
        cwd=WEB,
        capture_output=True,
        text=True,
        check=True,
    )
    page = shop(f'<!doctype html><title>Shop</title><div id="app"></div><script type="module">{built.stdout}</script>')
    jwt = httpx.get(f"{demo.url}/demo/identity?customer=C1001").json()["jwt"]
    page.route("**/account/chat-identity", lambda route: route.fulfill(body=jwt))
    chat = ChatPage(page)
    chat.open()
    chat.say("Hello, I am a guest")
    chat.wait_for_reply()
    with page.expect_request("**/account/chat-identity"):
        page.evaluate("window.show({ id: 'C1001' })")
    expect(chat.log).to_contain_text("Hello, I am a guest")
    page.evaluate("window.show(undefined)")
    expect(page.locator("staywell-chat")).to_have_count(0)
    # Mounted again, the conversation goes on where it was.
    page.evaluate("window.show({ id: 'C1001' })")
    expect(chat.log).to_contain_text("Hello, I am a guest")


def test_shopify_cart(demo: Demo, shop: Callable[[str], Page]) -> None:
    page = shop("<!doctype html><title>Shop</title>" + example("Shopify themes", "html", demo))
    page.evaluate("window.Shopify = { routes: { root: '/en/' } }")
    page.route("**/cart/add.js", lambda route: route.fulfill(body="{}"))
    with page.expect_request("**/en/cart/add.js") as asked:
        page.evaluate(CART)
    assert json.loads(asked.value.post_data or "") == {"items": [{"id": "41", "quantity": 2}]}


def test_woocommerce_cart(demo: Demo, shop: Callable[[str], Page]) -> None:
    page = shop("<!doctype html><title>Shop</title>" + example("WooCommerce themes", "html", demo))
    page.route("**/?wc-ajax=add_to_cart", lambda route: route.fulfill(body="{}"))
    with page.expect_request("**/?wc-ajax=add_to_cart") as asked:
        page.evaluate(CART)
    assert asked.value.post_data == "product_id=41&quantity=2"
