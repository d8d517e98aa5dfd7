"""Whatever is said in a chat stays text: each payload in each place where the widget shows text, and nothing runs or is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from chat_page import ChatPage
from chat_rows import write_agents, write_events
from payloads import FOREIGN, PAYLOADS
from playwright.sync_api import Browser, Page, Request, expect

from assistant.conversations.store import NewEvent
from assistant.ids import new_id

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
BATCH = 30  # payloads at once; each comes in five events, and more than 500 new events would be a reset

WATCH = """() => {
  window.hits = []; window.hit = (what) => { window.hits.push(String(what)) };
  document.addEventListener("securitypolicyviolation",
    (event) => window.hits.push(`csp ${event.violatedDirective} ${event.blockedURI}`));
}"""


class Watched:
    """A page that notes scripts that ran, dialogs, policy reports, and requests to anywhere but the demo."""

    def __init__(self, page: Page, port: int) -> None:
        self.page = page
        self.faults: list[str] = []
        page.add_init_script(f"({WATCH})()")
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

        def asked(request: Request) -> None:
            url = urlsplit(request.url)
            if url.scheme not in ("data", "blob") and url.netloc not in (f"localhost:{port}", f"127.0.0.1:{port}"):
                self.faults.append(f"request {request.url}")

        page.on("request", asked)
        page.on("popup", lambda popup: self.faults.append(f"popup {popup.url}"))

    def all_faults(self) -> list[str]:
        hits = [hit for frame in self.page.frames for hit in frame.evaluate("window.hits ?? ['no watch']")]
        return self.faults + hits


@pytest.fixture
def watched(demo: Demo, browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(20_000)
    watch = Watched(page, demo.port)
    page.goto(demo.url)
    yield watch
    context.close()


def events_with(payload: str, agent: str) -> list[NewEvent]:
    """The payload in every field that is shown, of every kind of event."""
    product = {
        "id": payload,
        "title": payload,
        "price": 100,
        "currency": payload,
        "stock": 3,
        "image": payload,
        "url": payload,
    }
    good = {"id": "P1", "title": payload, "price": 100, "currency": "EUR", "stock": 3, "image": payload, "url": payload}
    offer = {"id": payload, "decision": new_id(), "title": payload, "kind": payload, "amount": 1, "currency": payload}
    return [
        NewEvent("contact", "message", body=payload),
        NewEvent("bot", "products", body=payload, data={"products": [product, good]}),
        NewEvent("bot", "offer", body=payload, data={"offer": offer}),
        NewEvent("system", "joined", data={"agent": payload}),
        NewEvent(agent, "message", body=payload, data={"quick_replies": [payload]}),
    ]


def in_every_place(demo: Demo, payloads: Sequence[str]) -> list[NewEvent]:
    agents = write_agents(demo.database, payloads)
    return [event for payload, agent in zip(payloads, agents, strict=True) for event in events_with(payload, agent)]


def test_no_payload_runs_in_any_place(demo: Demo, watched: Watched) -> None:
    assert len(PAYLOADS) >= 200
    chat = ChatPage(watched.page)
    chat.open()
    # The customer's own words, through the field, while pending and once stored.
    for payload in PAYLOADS[::30]:
        chat.field.fill(payload)
        chat.field.press("Enter")
        expect(chat.field).to_have_value("")
    expect(chat.frame.locator(".pending")).to_have_count(0, timeout=30_000)
    conversation = chat.conversation
    shown = len(PAYLOADS[::30])
    for start in range(0, len(PAYLOADS), BATCH):
        batch = PAYLOADS[start : start + BATCH]
        write_events(demo.database, conversation, in_every_place(demo, batch))
        shown += len(batch)
        expect(chat.bubbles("mine")).to_have_count(shown, timeout=60_000)
    # Bot answers that the payloads of the field drew, and quick replies of the newest event.
    write_events(
        demo.database,
        conversation,
        [NewEvent("bot", "message", body="Choose", data={"quick_replies": list(PAYLOADS[:6])})],
    )
    expect(chat.frame.locator(".replies button")).to_have_count(6)
    watched.page.wait_for_timeout(1500)

    document = chat.document()
    markup = document.evaluate(
        """() => [...document.querySelectorAll("script, iframe, object, embed, svg, form[action], meta[http-equiv], base, marquee")]
        .map((element) => element.outerHTML.slice(0, 200)).filter((html) => !html.includes("/static/chat"))"""
    )
    assert markup == []
    attributes = document.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap((element) => [...element.attributes])
        .filter(({name, value}) => name.startsWith("on") || name === "style" && value.includes("url")
            || ["href", "src", "srcset", "action"].includes(name) && !/^(http:\\/\\/(localhost|127)|\\/static\\/)/.test(value))
        .map(({name, value}) => `${name}=${value}`)"""
    )
    assert attributes == []
    assert watched.all_faults() == []


def test_the_same_from_history_after_a_reload(demo: Demo, watched: Watched) -> None:
    chat = ChatPage(watched.page)
    chat.open()
    chat.say("first")
    chat.wait_for_reply()
    batch = PAYLOADS[:BATCH]
    write_events(demo.database, chat.conversation, in_every_place(demo, batch))
    expect(chat.bubbles("mine")).to_have_count(1 + len(batch), timeout=30_000)
    watched.page.reload()
    expect(chat.bubbles("mine").last).to_have_text(batch[-1])
    # Whoever scrolls up gets the earlier pages.
    for _ in range(20):
        if not chat.frame.get_by_role("button", name="Show earlier messages").count():
            break
        chat.log.evaluate("(log) => { log.scrollTop = 1; log.scrollTop = 0 }")
        watched.page.wait_for_timeout(500)
    expect(chat.bubbles("mine")).to_have_count(1 + len(batch))
    assert watched.all_faults() == []


def test_text_that_lies_is_shown_plainly(demo: Demo, watched: Watched) -> None:
    chat = ChatPage(watched.page)
    chat.open()
    chat.say("hello")
    chat.wait_for_reply()
    tower = "Z" + "\u0301" * 1000 + "algo"
    tricks = ["pay \u202e09$\u202c now", "invisible\u200b\U000e0041\U000e0042", tower]
    [mara] = write_agents(demo.database, ["Mara\u202e"])
    events = [NewEvent(mara, "message", body=body) for body in tricks]
    write_events(demo.database, chat.conversation, events)
    expect(chat.bubbles("agent")).to_have_count(3, timeout=20_000)
    texts = chat.bubbles("agent").all_text_contents()
    assert texts[:2] == ["pay 09$ now", "invisible"]
    box = chat.bubbles("agent").nth(2).bounding_box()
    assert box is not None
    assert box["height"] < 60
    expect(chat.frame.locator(".message.agent .who").first).to_have_text("Mara · a person")


def test_only_the_shops_own_addresses_are_links(demo: Demo, watched: Watched) -> None:
    chat = ChatPage(watched.page)
    chat.open()
    chat.say("hello")
    chat.wait_for_reply()
    body = f"{demo.url}/?product=P101 and {FOREIGN}/x and javascript:hit(1) and {demo.url}.evil.example/"
    write_events(demo.database, chat.conversation, [NewEvent("bot", "message", body=body)])
    links = chat.frame.locator(".bubble a")
    expect(links).to_have_count(1, timeout=20_000)
    expect(links).to_have_attribute("href", f"{demo.url}/?product=P101")
    expect(chat.bubbles("bot").last).to_have_text(body)
    assert watched.all_faults() == []
