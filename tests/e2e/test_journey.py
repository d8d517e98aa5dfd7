"""One escalated conversation, seen from three chairs: the customer's, the agent's, the supervisor's.

With STAYWELL_IMAGES=DIR the pictures of the README are written there (`make screenshots`).
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import FrameLocator, Page, expect

pytestmark = pytest.mark.e2e

SHOTS = os.environ.get("STAYWELL_IMAGES")
CUSTOMER = "C1001"  # Jonas Weber: two broken kettles
OPENING = "Hi, the kettle you sent as a replacement leaks at the base too."
COMPLAINT = "That is the second broken kettle. I'm done, I'd rather cancel everything."
LAST_WORDS = "Then do. Thank you, Mara."


def picture(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(600)  # let transitions end
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def open_chat(page: Page, customer: str) -> FrameLocator:
    page.locator("#customer").select_option(customer)
    page.wait_for_function("window.Staywell !== undefined")
    page.evaluate("window.Staywell.open()")
    chat = page.frame_locator("iframe")
    expect(chat.locator("textarea")).to_be_visible()
    return chat


def say(chat: FrameLocator, text: str) -> None:
    box = chat.locator("textarea")
    box.fill(text)
    box.press("Enter")
    # The last one: a second try of this test goes on in the first one's conversation.
    expect(chat.get_by_role("log").get_by_text(text, exact=True).last).to_be_visible()


def test_customer_agent_and_supervisor(
    demo: object, open_page: Callable[..., Page], log_in: Callable[[Page, str], None]
) -> None:
    url = demo.url  # type: ignore[attr-defined]
    shop = open_page(url)
    chat = open_chat(shop, CUSTOMER)
    log = chat.get_by_role("log")

    # The customer is answered by the assistant, and says so when it is too much.
    say(chat, OPENING)
    expect(log).to_contain_text(re.compile("Delivered|Seen"))
    await_answer(demo.database, shop)  # type: ignore[attr-defined]
    say(chat, COMPLAINT)
    say(chat, "I want to talk to a human please")
    expect(log).to_contain_text(re.compile("A person|colleague"))

    # The agent is offered it, sees why, and takes it.
    console = open_page(f"{url}/console")
    log_in(console, "mara")
    expect(console.get_by_text("Jonas Weber").first).to_be_visible(timeout=30_000)
    take(console, url, conversation_of(demo.database, COMPLAINT))  # type: ignore[attr-defined]
    expect(console.get_by_role("heading", name="Jonas Weber")).to_be_visible()
    messages = console.get_by_role("log")
    expect(messages).to_contain_text("second broken kettle")
    expect(console.get_by_text("Why at risk")).to_be_visible()
    expect(console.get_by_text("Summary for you")).to_be_visible()

    # From here the assistant is quiet, and both talk.
    expect(log).to_contain_text("Mara joined", timeout=15_000)
    reply = console.get_by_placeholder(re.compile("Write to Jonas"))
    reply.fill(
        "Jonas, I'm Mara, a person. I've looked at both kettles; a different model can leave with the next courier."
    )
    reply.press("Enter")
    expect(log).to_contain_text("a person. I've looked at both kettles")
    say(chat, LAST_WORDS)
    expect(messages).to_contain_text(LAST_WORDS)
    console.get_by_role("button", name="Note", exact=True).click()
    note = console.get_by_placeholder(re.compile("A note"))
    note.fill("Second defect of the same model: send P102 instead.")
    console.get_by_role("button", name="Save note").click()
    expect(messages).to_contain_text("send P102 instead")
    picture(console, "console")
    picture(shop, "widget")
    assert "P102" not in (log.text_content() or ""), "a private note reached the customer"

    console.get_by_role("button", name=re.compile("^Resolve")).click()
    dialog = console.get_by_role("dialog")
    dialog.get_by_role("radio", name=re.compile("^Saved")).check()
    dialog.get_by_role("button", name=re.compile("^Resolve")).click()
    expect(dialog).to_be_hidden()

    # The supervisor finds it by what was said, opens the decision behind a reply, and judges it.
    desk = open_page(f"{url}/supervisor", color_scheme="dark")
    log_in(desk, "sam")
    desk.get_by_label("Search transcripts").fill("second broken kettle cancel everything")
    desk.get_by_text("Jonas Weber").first.click()
    expect(desk.get_by_text(LAST_WORDS, exact=True)).to_be_visible()
    decision = desk.get_by_text(re.compile("Decision: (Reply|Ask back|Recommend|Offer)")).first
    decision.click()
    expect(desk.get_by_text(re.compile("taken with p")).first).to_be_visible()
    desk.get_by_role("radio", name="Right call").check()
    desk.get_by_label("Comment", exact=True).fill("Handed over at the right moment.")
    desk.get_by_role("button", name="Save review").click()
    expect(desk.get_by_role("row", name=re.compile("Reviewed"))).to_be_visible()
    picture(desk, "supervisor")

    check_log(demo.database)  # type: ignore[attr-defined]


def take(console: Page, url: str, conv: str) -> None:
    """Makes the agent the holder: accepts the offer when it stands, else claims it from the queue."""
    console.goto(f"{url}/console?conv={conv}")
    holds = console.get_by_role("button", name=re.compile("^Resolve"))
    free = console.get_by_role("button", name=re.compile("^(Take it|Take over)"))
    offered = console.locator(".offer", has_text="Jonas Weber").get_by_role("button", name=re.compile("^Accept"))
    holds.or_(free).or_(offered).first.wait_for()
    if not holds.count():
        (offered if offered.count() else free).first.click()
    holds.wait_for()


def await_answer(database: Path, page: Page) -> None:
    """Waits until the assistant has answered what was said first."""
    conv = conversation_of(database, OPENING)
    for _ in range(150):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM event WHERE conversation_id = ? AND sender = 'bot'"
            if connection.execute(query, (conv,)).fetchone()[0]:
                return
        page.wait_for_timeout(100)
    pytest.fail("the assistant did not answer within 15 s")


def conversation_of(database: Path, body: str) -> str:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (conv,) = connection.execute("SELECT conversation_id FROM event WHERE body = ?", (body,)).fetchone()
    return str(conv)


def check_log(database: Path) -> None:
    """Exactly one score and one decision a turn; disposition and review are in the outcome log."""
    conv = conversation_of(database, LAST_WORDS)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        turns = [
            seq
            for (seq,) in connection.execute(
                "SELECT seq FROM event WHERE conversation_id = ? AND sender = 'contact' AND kind = 'message' ORDER BY seq",
                (conv,),
            )
        ]
        for table in ("score", "decision"):
            found = [
                seq
                for (seq,) in connection.execute(
                    f"SELECT seq FROM {table} WHERE conversation_id = ? ORDER BY seq",  # noqa: S608 - our own names
                    (conv,),
                )
            ]
            assert found == turns, table
        kinds = {kind for (kind,) in connection.execute("SELECT type FROM outcome WHERE conversation_id = ?", (conv,))}
        assert {"disposition", "review"} <= kinds
        (silent,) = connection.execute(
            "SELECT count(*) FROM event b JOIN event j ON j.conversation_id = b.conversation_id AND j.kind = 'joined' "
            "WHERE b.conversation_id = ? AND b.sender = 'bot' AND b.seq > j.seq",
            (conv,),
        ).fetchone()
        assert silent == 0, "the assistant spoke while a person held the conversation"
