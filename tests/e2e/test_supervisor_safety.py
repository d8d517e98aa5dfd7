"""What supervisors, models and their journal say is shown as text on the desk: more than 200 payloads in each of those places."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from payloads import PAYLOADS
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, insert, select, update

from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.identity import audit
from assistant.ids import new_id
from assistant.loop import gating
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, contact, saved_view, scorecard, site
from risk import artefact, registry
from tests.tools.another_model import another

pytestmark = pytest.mark.e2e

Demo = Any  # what the fixtures of conftest.py give
FORBIDDEN = (
    "script:not([src^='/static/']), iframe, object, embed, base, link:not([href^='/static/']), img:not([src^='/'])"
)


def poison(connection: Connection) -> str:
    """A conversation that holds a word, with cards and views in which every text is a payload; returns its id."""
    now = time.time_ns() // 1_000_000
    shop = connection.execute(select(site)).mappings().one()
    sam = connection.execute(select(agent.c.id).where(agent.c.login == "sam")).scalar_one()
    bad = cycle(PAYLOADS)
    person = new_id()
    guest = {"id": person, "site_id": shop["id"], "customer_key": person, "verified": True, "first_seen_at": now}
    connection.execute(insert(contact).values(guest | {"name": next(bad)[:200]}))
    conv = open_conversation(connection, site_id=shop["id"], contact_id=person, locale="en", now=now)
    append(connection, conv, NewEvent("contact", "message", body="pelican"), now=now)
    for text in PAYLOADS:  # each is found, by a word that stands in it, in a conversation of its own
        other = open_conversation(connection, site_id=shop["id"], contact_id=person, locale="en", now=now)
        append(connection, other, NewEvent("contact", "message", body=f"{text} heron"), now=now)
        mark = {"id": text[:32], "title": {"en": text, "zh": next(bad)}, "points": 1, "most": 2}
        card = {"id": new_id(), "site_id": shop["id"], "conversation_id": conv, "reviewer_id": sam, "marks": [mark]}
        connection.execute(insert(scorecard).values(card | {"share": 0.5, "comment": text, "at": now}))
        view = {"id": new_id(), "site_id": shop["id"], "agent_id": sam, "name": f"{text[:70]}{new_id()[-6:]}"}
        times = {"created_at": now, "updated_at": now}
        connection.execute(
            insert(saved_view).values(view | times | {"filters": {"q": next(bad)[:200]}, "shared": True})
        )
        data = {"reason": text, text: text}
        audit.record(
            connection, actor=f"agent:{sam}", action=f"model_{text[:20]}", object=text[:100], data=data, now=now
        )
    criteria = [{"id": f"c{n}", "title": {"en": next(bad)[:80], "zh": next(bad)[:80]}, "most": 3} for n in range(12)]
    settings = shop["settings"] | {"scorecard": criteria}
    connection.execute(update(site).where(site.c.id == shop["id"]).values(settings=settings))
    return conv


def poison_models(folder: Path) -> None:
    """A model whose card, figures and verdict are payloads, and a journal of them."""
    registry.adopt(folder)
    version = another(folder, elevated=0.3)
    for text in PAYLOADS[-60:]:
        registry.challenge(folder, version, reason=text, by=text)
    registry.challenge(folder, None, reason=PAYLOADS[3], by=PAYLOADS[4])
    manifest = json.loads((folder / version / artefact.MANIFEST).read_text("utf-8"))
    manifest["metrics"] = {text: {text: {"value": 0.5, "low": 0.4, "high": 0.6}} for text in PAYLOADS}
    manifest["encoder"]["name"] = PAYLOADS[0]
    (folder / version / artefact.MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    lines = [
        f"# {text}\n\n- {text}\n\n| {text} | `{text}` |\n|---|---|\n| **{text}** | {text} |\n\n{text}\n"
        for text in PAYLOADS
    ]
    (folder / version / artefact.CARD).write_text("\n".join(lines), encoding="utf-8", errors="replace")
    checks = [{"name": text, "passed": False, "limit": 0.1, "figure": None, "detail": text} for text in PAYLOADS]
    verdict = {"champion": PAYLOADS[1], "passed": False, "training_set": PAYLOADS[2], "checks": checks}
    gating.verdict_path(folder, version).write_text(json.dumps(verdict), encoding="utf-8")


@pytest.mark.timeout(900)
def test_nothing_runs(
    tmp_path: Path,
    demo_of: Callable[[Path], Demo],
    open_page: Callable[..., Page],
    log_in: Callable[[Page, str], None],
) -> None:
    assert len(PAYLOADS) >= 200
    demo = demo_of(tmp_path)
    storage = Storage(f"sqlite:///{demo.database.as_posix()}")
    conv = storage.write_sync(poison)
    storage.close()
    poison_models(demo.folder / "models")
    asked: list[str] = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.add_init_script("window.hits = []; window.hit = (what) => { window.hits.push(what); }")

    def check(where: str) -> None:
        page.wait_for_timeout(300)
        assert page.evaluate("window.hits") == [], where
        assert page.locator(FORBIDDEN).evaluate_all("(all) => all.map((el) => el.outerHTML.slice(0, 200))") == [], where
        assert "evil.example" not in page.evaluate("document.title + location.href"), where

    page.goto(f"{demo.url}/supervisor?conv={conv}")
    log_in(page, "sam")
    cards = page.locator(".given li", has_text="50%")
    expect(cards).to_have_count(len(PAYLOADS), timeout=60_000)
    expect(page.locator(".points")).to_have_count(12)
    check("scorecards")
    page.locator(".views .popover-btn").click()
    expect(page.locator(".view-open")).to_have_count(len(PAYLOADS))
    check("views")
    page.locator(".view-open").first.click()
    check("a view opened")
    page.goto(f"{demo.url}/supervisor?q=heron")
    page.locator(".it mark").first.wait_for()
    for _ in range(len(PAYLOADS)):
        if not page.locator(".more button").count():
            break
        page.locator(".more button").click()
        page.wait_for_timeout(300)
    assert page.locator(".it").count() >= len(PAYLOADS)
    check("found")
    page.keyboard.press("Control+k")
    for words in ("heron", "<img", "javascript:", "\"'`"):
        page.locator(".palette input").fill(words)
        page.locator(".palette [role=status]", has_text="conversation").wait_for()
        check(f"palette {words}")
    page.keyboard.press("Escape")
    page.goto(f"{demo.url}/supervisor?tab=models")
    page.locator(".journal tbody tr").first.wait_for()
    for summary in page.locator(".model summary").all():
        summary.click()
    expect(page.locator(".checks tbody tr")).to_have_count(len(PAYLOADS))
    assert page.locator(".figures tbody td").count() > len(PAYLOADS)
    check("models")
    page.goto(f"{demo.url}/supervisor?tab=audit")
    page.locator(".audit tbody tr").first.wait_for()
    check("audit")
    foreign = [url for url in asked if not url.startswith((demo.url, "about:", "data:"))]
    assert foreign == []
