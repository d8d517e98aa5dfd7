"""The widget as a guest on a shop's page: what it loads, what it lets the page see, and what the page can say to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe import check_axe
from chat_page import ChatPage
from chat_rows import write_events
from playwright.sync_api import Browser, Page, Route, expect

from assistant.conversations.store import NewEvent

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]

# Another page of the shop's origin, without anything of the demo's; the loader comes from the chat's origin.
PLAIN = """<!doctype html><html lang="{lang}"><meta name="viewport" content="width=device-width"><title>Shop</title>
<style>body{{min-height:200vh}}</style><h1>A shop</h1><button id="before">before</button>{body}</html>"""
NAMES = """() => { window.heard = []; for (const name of ["load", "open", "close", "ready", "message", "mode", "unread",
"escalated", "add-to-cart", "locale", "nudge", "identity-needed", "error"]) document.addEventListener(`staywell:${name}`,
(event) => window.heard.push([name, event.detail])); }"""

# The contrast of what is written on the avatar and on the customer's own bubble, WCAG 2.2.
CONTRASTS = """() => {
  const rgb = (color) => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = color;
    c.fillRect(0, 0, 1, 1); return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3) };
  const linear = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (color) => rgb(color).reduce((sum, v, i) => sum + linear(v / 255) * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) };
  return [".avatar", ".message.mine .bubble"].map((name) => getComputedStyle(document.querySelector(name)))
    .map((style) => ratio(style.color, style.backgroundColor)) }"""


def chat_origin(demo: Demo) -> str:
    return str(demo.url).replace("localhost", "127.0.0.1")


@pytest.fixture
def plain(demo: Demo, open_page: Open) -> Callable[..., ChatPage]:
    """Opens a page of the shop with `body` in it; SCRIPT stands for the loader's address."""

    def show(body: str, *, lang: str = "en", **options: Any) -> ChatPage:
        page = open_page("about:blank", **options)
        page.add_init_script(f"({NAMES})()")
        html = PLAIN.format(lang=lang, body=body.replace("SCRIPT", f"{chat_origin(demo)}/widget.js"))

        def answer(route: Route) -> None:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

        page.route("**/plain*", answer)
        page.goto(f"{demo.url}/plain")
        chat = ChatPage(page)
        chat.page.locator("staywell-chat").wait_for(state="attached")
        return chat

    return show


ELEMENT = '<script type="module" src="SCRIPT"></script><staywell-chat site="demo"{}></staywell-chat>'
SCRIPT_TAG = '<script type="module" src="SCRIPT" data-site="demo" data-theme="dark"></script>'


def heard(chat: ChatPage, name: str) -> list[dict[str, Any]]:
    events: list[list[Any]] = chat.page.evaluate("window.heard")
    return [detail for other, detail in events if other == name]


def test_nothing_but_the_loader_is_fetched_before_the_chat_is_opened(demo: Demo, open_page: Open) -> None:
    asked: list[str] = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(demo.url)
    chat = ChatPage(page)
    expect(chat.launcher).to_be_visible()
    page.wait_for_timeout(1000)
    assert [url for url in asked if url.startswith(chat_origin(demo))] == [f"{chat_origin(demo)}/widget.js"]
    assert len(page.frames) == 1
    chat.launcher.click()
    expect(chat.field).to_be_focused()
    expect(chat.frame.locator(".replies button").first).to_be_visible()
    # What the printed report counts is all there is until the chat is touched.
    paths = {
        url.removeprefix(chat_origin(demo)).partition("?")[0] for url in asked if url.startswith(chat_origin(demo))
    }
    assert paths - {"/api/widget/session"} == {"/widget.js", "/chat", "/static/chat.js", "/static/chat.css"}
    expect(chat.frame.locator(".footer select")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(chat.frame.locator(".footer select")).to_be_visible()


def test_the_page_cannot_look_into_the_chat(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("This is between us")
    reached = page.evaluate(
        """() => { const frame = document.querySelector("staywell-chat").shadowRoot.querySelector("iframe");
        const tries = [() => frame.contentDocument.body.textContent, () => frame.contentWindow.document.cookie,
            () => frame.contentWindow.localStorage.length, () => window.frames[0].document.title];
        return tries.map((one) => { try { return String(one()) } catch { return null } }) }"""
    )
    assert reached == [None] * 4
    everything = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "between us" not in everything
    assert "token" not in everything


def test_a_script_tag_alone_is_enough(plain: Callable[..., ChatPage]) -> None:
    chat = plain(SCRIPT_TAG)
    expect(chat.page.locator("staywell-chat")).to_have_attribute("theme", "dark")
    chat.open()
    expect(chat.title).to_have_text("Wei · assistant")
    assert chat.document().evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 27, 33)"


def test_loading_it_twice_gives_one_chat(plain: Callable[..., ChatPage]) -> None:
    chat = plain(
        SCRIPT_TAG + ELEMENT.format("") + '<script type="module" src="SCRIPT?again" data-site="demo"></script>'
    )
    chat.page.wait_for_timeout(500)
    expect(chat.page.locator("staywell-chat")).to_have_count(1)
    chat.open()
    expect(chat.title).to_be_visible()


def test_a_strict_policy_of_the_shop_is_kept(demo: Demo, open_page: Open) -> None:
    page = open_page("about:blank")
    origin = chat_origin(demo)
    policy = (
        f"default-src 'none'; script-src {origin}; frame-src {origin}; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    html = PLAIN.format(lang="en", body=SCRIPT_TAG.replace("SCRIPT", f"{origin}/widget.js")).replace(
        "<style>body{min-height:200vh}</style>", ""
    )
    page.route(
        "**/plain",
        lambda route: route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": policy}),
    )
    page.goto(f"{demo.url}/plain")
    chat = ChatPage(page)
    chat.open()
    box = chat.panel.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (384, 640), "its styles apply without inline styles"


def test_a_page_that_is_not_the_shops_is_refused(demo: Demo, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    html = PLAIN.format(lang="en", body=SCRIPT_TAG.replace("SCRIPT", f"{chat_origin(demo)}/widget.js"))
    page.route("http://thief.localhost/**", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto("http://thief.localhost/")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.locator("staywell-chat .launch").click()
    page.wait_for_timeout(2000)
    assert any("frame-ancestors" in text for text in said)
    assert page.locator("staywell-chat iframe").is_hidden()
    session = page.evaluate(
        """(url) => fetch(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"site": "demo"}'})
        .then((answer) => answer.status, () => "refused")""",
        f"{chat_origin(demo)}/api/widget/session",
    )
    assert session == "refused"
    context.close()


def test_the_api_and_its_events(plain: Callable[..., ChatPage]) -> None:
    queued = "<script>(window.staywellQueue ||= []).push((s) => s.on('open', () => { window.opened = true }))</script>"
    chat = plain(queued + ELEMENT.format(""))
    page = chat.page
    page.evaluate("Staywell.open({ text: 'About order 48213' })")
    expect(chat.field).to_have_value("About order 48213")
    assert page.evaluate("window.opened") is True
    chat.field.press("Enter")
    expect(chat.bubbles("mine")).to_have_text("About order 48213")
    chat.wait_for_reply()
    page.wait_for_function("window.heard.some(([name, detail]) => name === 'message' && detail.from === 'bot')")
    assert heard(chat, "message")[0] == {"from": "contact"}
    assert {"from": "bot", "kind": "message"} in heard(chat, "message")
    page.evaluate("Staywell.close()")
    expect(chat.panel).to_be_hidden()
    chat.launcher.click()
    chat.frame.locator(".human").click()
    expect(chat.log).to_contain_text("A person is coming")
    assert heard(chat, "escalated") == [{}]
    assert heard(chat, "mode")[-1] == {"mode": "waiting", "agent": None}
    page.evaluate("Staywell.setLocale('zh-CN')")
    expect(chat.title).to_have_text("小维 · 智能助手")
    page.evaluate("document.querySelector('staywell-chat').setAttribute('theme', 'dark')")
    expect(chat.frame.locator("html")).to_have_attribute("data-theme", "dark")
    ended = page.evaluate("(() => { const end = Staywell.on('close', () => { window.twice = true }); end(); })()")
    assert ended is None
    page.evaluate("Staywell.close()")
    assert page.evaluate("window.twice") is None
    assert [name for name, _ in page.evaluate("window.heard") if name in ("open", "close")] == ["open", "close"] * 2


def test_forged_messages_are_not_heard(plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(""))
    chat.open()
    page = chat.page
    # The page itself pretends to be the chat, and a foreign frame pretends to be either.
    page.evaluate(
        """() => { window.postMessage({t: "cart", product: {id: "x", title: "x", price: 1, currency: "EUR"}, quantity: 1}, "*");
        window.postMessage({t: "close"}, "*");
        const foreign = document.createElement("iframe");
        foreign.srcdoc = `<script>parent.postMessage({t: "close"}, "*");
          parent[0].postMessage({t: "compose", body: "forged"}, "*")</scr` + `ipt>`;
        document.body.append(foreign); }"""
    )
    # What is malformed is passed over, wherever it comes from.
    for message in ("{t: 'words', words: 5}", "{t: 'init'}", "'compose'", "{t: 'look', look: {theme: 1}}", "null"):
        page.evaluate(f"window.frames[0].postMessage({message}, '*')")
    page.wait_for_timeout(700)
    expect(chat.panel).to_be_visible()
    expect(chat.field).to_have_value("")
    assert heard(chat, "add-to-cart") == []
    chat.say("still here")


def test_products_go_into_the_shops_cart(demo: Demo, open_page: Open) -> None:
    page = open_page(demo.url)
    chat = ChatPage(page)
    chat.open()
    chat.say("Hello")
    chat.wait_for_reply()
    known = page.evaluate("fetch('/demo/products').then((answer) => answer.json())")["products"]
    keys = ("id", "title", "price", "currency", "image", "url")
    first, second, third = ({key: one[key] for key in keys} | {"stock": 12} for one in known[:3])
    foreign = {"image": "https://evil.example/x.png", "url": "https://evil.example/"}
    shown = [first, second | {"stock": 2} | foreign, third | {"stock": 0}]
    event = NewEvent("bot", "products", body="These three.", data={"products": shown})
    write_events(demo.database, chat.conversation, [event])
    cards = chat.frame.locator(".card")
    expect(cards).to_have_count(3, timeout=20_000)
    expect(cards.locator("small")).to_have_text(["In stock", "Only 2 left", "Sold out"])
    assert re.search(r"€\d", cards.first.locator(".price").inner_text())
    expect(cards.first.get_by_role("link")).to_have_attribute("href", f"{demo.url}{first['url']}")
    cards.first.locator("img").evaluate("(img) => img.decode()")
    expect(cards.nth(1).locator("img, a")).to_have_count(0)
    expect(cards.nth(2).get_by_role("button")).to_be_disabled()
    with page.expect_response("**/api/widget/click") as clicked:
        cards.first.get_by_role("button").click()
    assert clicked.value.status == 200
    expect(cards.first.get_by_role("button")).to_contain_text("Added")
    expect(page.locator("#count")).to_have_text("1")
    page.locator("#cart-open").click()
    expect(page.locator("#lines")).to_contain_text(first["title"])


def test_who_the_customer_is_comes_from_the_page_when_it_is_asked(demo: Demo, plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(""))
    page = chat.page
    page.evaluate(
        """() => { window.asked = 0; Staywell.identify(async () => { window.asked += 1;
        return (await (await fetch("/demo/identity?customer=C1018")).json()).jwt }) }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.asked") == 0, "not before there is a chat that needs it"
    with page.expect_response("**/api/widget/session") as answer:
        chat.open()
    assert answer.value.json()["contact"] == {"name": "Dr. Annegret Schulze-Boysen", "verified": True}
    assert page.evaluate("window.asked") == 1
    chat.say("My invoice, please")
    # A token that is no good: the page is told, and a good one mends it.
    page.evaluate("Staywell.identify('forged.token.here')")
    page.wait_for_function("window.heard.some(([name]) => name === 'identity-needed')")
    expect(chat.log).not_to_contain_text("My invoice")
    page.evaluate(
        "fetch('/demo/identity?customer=C1018').then((r) => r.json()).then(({jwt}) => Staywell.identify(jwt))"
    )
    expect(chat.log).to_contain_text("My invoice, please")


def test_consent_and_details_come_before_anything_is_sent(demo: Demo, plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(' privacy="/privacy" ask="name email"'))
    calls: list[str] = []
    chat.page.on("request", lambda request: calls.append(request.url) if "/api/" in request.url else None)
    sockets: list[str] = []
    chat.page.on("websocket", lambda socket: sockets.append(socket.url))
    chat.launcher.click()
    go = chat.frame.get_by_role("button", name="Start the chat")
    expect(go).to_be_visible()
    check_axe(chat.document(), "consent")
    expect(chat.frame.get_by_role("link", name="Privacy notice")).to_have_attribute("href", f"{demo.url}/privacy")
    go.click()
    chat.page.wait_for_timeout(500)
    assert (calls, sockets) == ([], []), "not without consent"
    assert chat.document().evaluate("document.cookie") == ""
    chat.frame.get_by_label("Name (optional)").fill("Ana <b>Lima</b>")
    chat.frame.get_by_label("E-mail (optional)").fill("ana@example.com")
    chat.frame.get_by_label("I agree").check()
    with chat.page.expect_response("**/api/widget/details") as answer:
        go.click()
    assert answer.value.status == 200
    expect(chat.field).to_be_visible()
    chat.page.reload()
    expect(chat.field).to_be_visible()
    expect(go).to_have_count(0)


def test_it_speaks_first_where_rules_say_so_and_once_a_visit(plain: Callable[..., ChatPage]) -> None:
    text = '{"en": "Anything unclear?", "zh": "需要帮忙吗？"}'
    rules = f'[{{"page": "/other", "text": {{"en": "no"}}}}, {{"page": "/pla*", "text": {text}}}]'
    chat = plain(ELEMENT.format(f" proactive='{rules}'"), lang="zh-CN")
    line = chat.page.locator("staywell-chat .nudge")
    expect(line).to_contain_text("需要帮忙吗？")
    assert len(chat.page.frames) == 1, "the chat itself is not loaded for it"
    line.get_by_role("button", name="关闭提示").click()
    expect(line).to_have_count(0)
    chat.page.reload()
    chat.page.wait_for_timeout(700)
    expect(line).to_have_count(0)
    chat.page.evaluate("Staywell.nudge('您的包裹晚到了')")
    line.get_by_role("button", name="您的包裹晚到了").click()
    expect(chat.title).to_be_visible()
    expect(line).to_have_count(0)


def test_a_language_of_the_shops_own_from_right_to_left(plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(' locale="ar"'), lang="ar")
    words = {"write": "اكتب رسالة…", "bot": "المساعد", "launcher.open": "تحدث معنا"}
    chat.page.evaluate("(strings) => Staywell.words({ locale: 'ar', strings })", words)
    expect(chat.launcher).to_have_accessible_name("تحدث معنا")
    chat.open()
    expect(chat.title).to_have_text("المساعد")
    expect(chat.frame.locator("html")).to_have_attribute("dir", "rtl")
    expect(chat.field).to_have_attribute("placeholder", "اكتب رسالة…")
    expect(chat.frame.locator(".human")).to_have_text("Talk to a person")
    send = chat.frame.locator(".send").bounding_box()
    field = chat.field.bounding_box()
    assert send is not None
    assert field is not None
    assert send["x"] < field["x"], "the send button is at the end of the line, which is on the left"


def test_the_shops_colour_is_used_and_what_is_written_on_it_is_readable(plain: Callable[..., ChatPage]) -> None:
    for accent in ("#ffe14d", "#111111", "#7a2e52", "rgb(0 200 255)"):
        chat = plain(f"<style>staywell-chat {{ --staywell-accent: {accent} }}</style>" + ELEMENT.format(""))
        chat.open()
        chat.say("hello")
        expect(chat.frame.locator(".pending")).to_have_count(0)
        shown = chat.document().evaluate(CONTRASTS)
        assert min(shown) >= 4.5, (accent, shown)


def test_on_a_phone_it_fills_the_screen_and_the_page_behind_stands_still(plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(""), width=390, height=844, has_touch=True, is_mobile=True)
    chat.open()
    box = chat.panel.bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    expect(chat.launcher).to_be_hidden()
    assert chat.page.evaluate("document.documentElement.style.overflow") == "hidden"
    assert chat.field.evaluate("(field) => parseFloat(getComputedStyle(field).fontSize)") >= 16, "iOS zooms in below"
    chat.frame.get_by_role("button", name="Minimise the chat").click()
    expect(chat.launcher).to_be_visible()
    assert chat.page.evaluate("document.documentElement.style.overflow") == ""


def test_a_chat_that_cannot_be_reached_says_so_and_tries_again(plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(""))
    chat.page.clock.install()
    chat.page.route("**/chat?**", lambda route: route.abort())
    chat.launcher.click()
    chat.page.clock.run_for(16_000)
    expect(chat.panel).to_contain_text("The chat cannot be reached just now.")
    chat.page.unroute("**/chat?**")
    chat.panel.get_by_role("button", name="Try again").click()
    expect(chat.title).to_be_visible(timeout=15_000)


def test_the_element_can_come_and_go(plain: Callable[..., ChatPage]) -> None:
    chat = plain(ELEMENT.format(""))
    chat.open()
    chat.say("hello")
    chat.page.evaluate("window.kept = document.querySelector('staywell-chat'); window.kept.remove()")
    expect(chat.page.locator("iframe")).to_have_count(0)
    chat.page.evaluate("document.body.append(window.kept)")
    chat.launcher.click()
    expect(chat.bubbles("mine")).to_have_text(["hello"])
