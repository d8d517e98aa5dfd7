"""Whatever a stranger, a shop or a colleague may write is shown as text on the console and the supervisor's desk.

More than 200 payloads in every place where text is shown: names, messages, cards, notes, orders, decisions, outcomes, reviews.
0 executions, 0 requests to anywhere else, 0 reports of the Content-Security-Policy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from payloads import PAYLOADS
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, insert, update

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.escalation import store
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import (
    agent,
    callback,
    contact,
    conversation,
    decision,
    mention,
    note,
    order_return,
    orders,
    outcome,
    review,
)
from assistant.storage.tables import site as sites

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
Open = Callable[..., Page]
LogIn = Callable[[Page, str], None]
HOUR_MS = 3_600_000
HREFS = "(all) => all.map((link) => link.href)"
FORBIDDEN = (
    "script:not([src^='/static/']), iframe, object, embed, base, link:not([href^='/static/']), img:not([src^='/'])"
)


def poison(connection: Connection) -> str:
    """Conversations in which every text is a payload; returns the fullest one."""
    now = time.time_ns() // 1_000_000
    site = connection.execute(sites.select()).mappings().one()
    supervisor = connection.execute(agent.select().where(agent.c.login == "sam")).mappings().one()["id"]
    bad = cycle(PAYLOADS)
    conv = ""
    for number, name in enumerate(PAYLOADS):  # a queue in which every name and every last word is one
        person = new_id()
        external = f"X{person}"
        connection.execute(
            insert(contact).values(
                id=person,
                site_id=site["id"],
                external_id=external,
                customer_key=person,
                name=name[:200],
                email=next(bad)[:320],
                verified=True,
                first_seen_at=now,
            )
        )
        conv = open_conversation(connection, site_id=site["id"], contact_id=person, locale="en", now=now)
        append(connection, conv, NewEvent("contact", "message", body=next(bad)), now=now)
        connection.execute(update(conversation).where(conversation.c.id == conv).values(reasons=[next(bad)]))
        store.escalate(connection, conv, by="bot", reason=next(bad)[:60], now=now)
        address = {"email": next(bad)[:320], "phone": next(bad)[:40], "suits": name[:200], "timezone": next(bad)[:64]}
        asked = {"id": new_id(), "site_id": site["id"], "conversation_id": conv, "consent_at": now}
        connection.execute(insert(callback).values(address | asked | {"created_at": now - number}))
    for text in PAYLOADS:
        append(connection, conv, NewEvent("contact", "message", body=text), now=now)
    card = {"id": next(bad), "title": next(bad), "price": 1, "currency": "EUR", "stock": 1, "url": next(bad)}
    events = [
        NewEvent("bot", "products", body=next(bad), data={"products": [card | {"image": text} for text in PAYLOADS]}),
        NewEvent("bot", "message", body=next(bad), data={"script": next(bad)}),
        NewEvent("system", "joined", data={"agent": next(bad)}),
        NewEvent("system", next(bad)[:30], body=next(bad)),
        NewEvent("contact", "csat", data={"score": 1, "comment": next(bad)}),
    ]
    events += [NewEvent("bot", "offer", body=next(bad), data={"offer": card | {"kind": text}}) for text in PAYLOADS]
    for event in events:
        append(connection, conv, event, now=now)
    for text in PAYLOADS:
        cmid = new_id()
        row = {"id": cmid, "conversation_id": conv, "agent_id": supervisor, "cmid": cmid, "body": text, "at": now}
        connection.execute(insert(note).values(row | {"after_seq": 3}))
        told = {"note_id": cmid, "agent_id": supervisor, "conversation_id": conv, "at": now}
        connection.execute(insert(mention).values(told))
    for seq, text in enumerate(PAYLOADS, start=1):
        connection.execute(insert(decision).values(decision_row(site["id"], conv, seq, text, bad, now)))
    about = {
        "site_id": site["id"],
        "conversation_id": conv,
        "customer_key": person,
        "ts_event": now,
        "ts_ingested": now,
    }
    for text in PAYLOADS:
        key = new_id()
        row = {
            "id": key,
            "idempotency_key": key,
            "type": text[:32],
            "source": text[:32],
            "label": {"disposition": text},
        }
        connection.execute(insert(outcome).values(about | row))
        row = {
            "id": key,
            "conversation_id": conv,
            "agent_id": supervisor,
            "verdict": "right",
            "comment": text,
            "at": now,
        }
        connection.execute(insert(review).values(row | {"label": {"reasons": [text], "action": text}}))
    shop = {"site_id": site["id"], "external_customer_id": external, "ts_event": now - HOUR_MS, "ts_ingested": now}
    for text in PAYLOADS[:20]:
        key = new_id()
        line = {"product_id": text, "title": text, "quantity": 1, "unit_price": 1}
        row = {"id": key, "order_no": f"{text}{key}"[:100], "status": text[:32], "total": 1, "currency": "EUR"}
        connection.execute(insert(orders).values(shop | row | {"lines": [line]}))
        row = {"id": key, "return_no": key, "order_no": text[:100], "reason": text[:32], "amount": 1}
        connection.execute(insert(order_return).values(shop | row))
    return conv


def decision_row(site_id: str, conv: str, seq: int, text: str, bad: Iterator[str], now: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "site_id": site_id,
        "conversation_id": conv,
        "seq": seq,
        "customer_key": "x",
        "ts_decision": now,
        "channel": "web",
        "locale": "en",
        "as_of": now,
        "versions": {text: next(bad), "model": next(bad)},
        "score": 0.5,
        "shadow": [{"version": next(bad), "score": 0.1, "action": next(bad)}],
        "eligible": [text[:120]],
        "probabilities": [1.0],
        "values": [1.0],
        "ineligible": [{"action": next(bad), "why": next(bad)}],
        "action": text[:120],
        "kind": "reply",
        "propensity": 1.0,
        "floor": 0.02,
        "seed": next(bad)[:64],
        "overrides": [next(bad)],
        "candidates": [{"id": next(bad), "kind": "script", "rank": 0, "score": 1, "sources": {text: 1}, "why": [text]}],
        "not_delivered": next(bad)[:80],
        "latency_ms": 1.0,
        "degraded": [next(bad)],
    }


@pytest.fixture
def poisoned(tmp_path: Path, demo_of: Callable[[Path], Demo]) -> tuple[Demo, str]:
    demo = demo_of(tmp_path)
    storage = Storage(f"sqlite:///{demo.database.as_posix()}")
    conv = storage.write_sync(poison)
    storage.close()
    return demo, conv


@pytest.mark.timeout(600)
def test_nothing_runs(poisoned: tuple[Demo, str], open_page: Open, log_in: LogIn) -> None:
    assert len(PAYLOADS) >= 200
    demo, conv = poisoned
    asked: list[str] = []

    def watched(path: str, login: str) -> Page:
        page = open_page("about:blank")
        page.on("request", lambda request: asked.append(request.url))
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
        page.add_init_script("window.hits = []; window.hit = (what) => { window.hits.push(what); }")
        page.goto(f"{demo.url}{path}")
        log_in(page, login)
        return page

    def check(page: Page, where: str) -> None:
        page.wait_for_timeout(300)
        assert page.evaluate("window.hits") == [], where
        assert page.locator(FORBIDDEN).evaluate_all("(all) => all.map((el) => el.outerHTML.slice(0, 200))") == [], where
        assert "evil.example" not in page.evaluate("document.title + location.href"), where

    console = watched(f"/console?conv={conv}", "sam")
    console.locator(".m.contact").nth(len(PAYLOADS)).wait_for(state="attached", timeout=60_000)
    expect(console.locator(".msgs > .note")).not_to_have_count(0)
    check(console, "console")
    shown = console.locator(".m.contact .said").all_text_contents()
    # What is shown is what was written, but for what hides or reorders.
    assert sum(any(text.split("\n")[0] in one for one in shown) for text in PAYLOADS) > 0.9 * len(PAYLOADS)
    console.keyboard.press("Control+k")
    console.keyboard.type("img")
    console.get_by_role("option").first.wait_for()
    check(console, "search")
    console.keyboard.press("Escape")
    console.locator("body").click(position={"x": 5, "y": 5})
    console.keyboard.press("m")
    console.locator(".mention").nth(20).wait_for()
    check(console, "mentions")
    console.keyboard.press("Escape")
    expect(console.locator(".callback a")).to_have_count(2)
    assert {link.split(":")[0] for link in console.locator(".callback a").evaluate_all(HREFS)} == {"tel", "mailto"}
    check(console, "call-backs")
    console.locator("body").click(position={"x": 5, "y": 5})
    console.keyboard.press("t")
    console.locator("[aria-keyshortcuts=e]").wait_for()
    console.keyboard.press("e")
    check(console, "resolve")

    desk = watched(f"/supervisor?conv={conv}", "sam")
    desk.locator(".turn.contact").nth(len(PAYLOADS) - 1).wait_for(state="attached", timeout=60_000)
    desk.evaluate("document.querySelectorAll('.dec-head[aria-expanded=false]').forEach((head) => head.click())")
    desk.locator(".dec-body").nth(len(PAYLOADS) - 2).wait_for(state="attached", timeout=60_000)
    check(desk, "transcript")
    desk.get_by_role("link", name="Live").click()
    desk.locator(".live .it").first.wait_for()
    check(desk, "live")
    foreign = [url for url in asked if not url.startswith((demo.url, "about:", "data:"))]
    assert foreign == []
