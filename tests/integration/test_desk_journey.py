"""An escalated conversation from the agent's side, over a real server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from assistant.storage.tables import audit, conversation, event, outcome, suggestion_use, task

pytestmark = pytest.mark.integration


def holder(server: Any, conv: str) -> str:
    query = select(conversation.c.holder).where(conversation.c.id == conv)
    return str(server.run(lambda connection: connection.execute(query).scalar_one()))


def kinds(server: Any, conv: str) -> list[str]:
    query = select(event.c.kind).where(event.c.conversation_id == conv).order_by(event.c.seq)
    return list(server.run(lambda connection: connection.execute(query).scalars().all()))


async def test_from_the_offer_to_the_disposition(desk_server: Any) -> None:
    desk_server.hire("anna")
    conv = desk_server.talk("The second kettle leaks as well", "I want a person")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        assert console.ready["presence"] == "available"
        await console.desk(lambda desk: not desk["offered"])
        desk_server.escalate(conv)
        desk = await console.desk(lambda desk: desk["offered"])
        card = desk["offered"][0]
        assert (card["conv"], card["name"], card["preview"]) == (conv, "Jonas", "I want a person")

        await console.send(t="watch", conv=conv)
        assert (await console.next("caught"))["head"] == 3
        assert [frame["ev"]["kind"] for frame in console.frames if frame["t"] == "ev"] == [
            "message",
            "message",
            "escalated",
        ]

        await console.send(t="accept", task=card["task"], offer=card["offer"])
        done = await console.next("done", command="accept")
        assert holder(desk_server, conv) == f"agent:{desk_server.agents['anna']}"
        desk = await console.desk(lambda desk: desk["mine"])
        assert (desk["load"], desk["mine"][0]["unread"]) == (1, 2)

        bundle = (await browser.get(f"/api/desk/conversations/{conv}")).json()
        assert bundle["conversation"]["mode"] == "agent"
        assert bundle["summary"]["problem"] == "The second kettle leaks as well … I want a person"
        assert bundle["task"]["assign_epoch"] == done["assign_epoch"] == 1

        key = str(uuid4())
        message = {"t": "msg", "conv": conv, "cmid": key, "body": "I'm Anna, a person.", "assign_epoch": 1}
        await console.send(**message, suggestion={"id": "replace@en", "edited": True})
        acked = await console.next("ack", cmid=key)
        await console.send(**message)
        again = await console.next("ack", cmid=key)
        assert (again["seq"], again["dup"]) == (acked["seq"], True)
        desk_server.say(conv, "Thank you!")
        assert (await console.until(lambda f: f["t"] == "ev" and f["ev"]["seq"] == acked["seq"] + 1))["ev"]["body"]

        await console.send(t="note", conv=conv, cmid=str(uuid4()), body="Send a courier")
        assert (await console.next("note"))["body"] == "Send a courier"

        resolve = {"t": "resolve", "conv": conv, "assign_epoch": 1, "disposition": "saved", "comment": "courier"}
        await console.send(**resolve)
        await console.next("done", command="resolve")
        await console.desk(lambda desk: not desk["mine"])
        await console.send(**resolve)
        assert (await console.next("refused", command="resolve"))["code"] == "closed"

    assert kinds(desk_server, conv) == ["message", "message", "escalated", "joined", "message", "message", "resolved"]
    assert holder(desk_server, conv) == "bot"
    outcomes = desk_server.run(
        lambda c: c.execute(select(outcome.c.type, outcome.c.label).order_by(outcome.c.id)).all()
    )
    assert [row.type for row in outcomes] == ["handoff", "disposition"]
    assert outcomes[1].label["disposition"] == "saved"
    assert desk_server.run(lambda c: c.execute(select(suggestion_use.c.use)).scalar_one()) == "edited"


async def test_reading_what_one_does_not_hold_is_written_down(desk_server: Any) -> None:
    desk_server.hire("anna")
    other = desk_server.talk("private")
    async with desk_server.browser("anna") as browser:
        own = desk_server.hold("anna", "hello")
        for conv in (own, other):
            assert (await browser.get(f"/api/desk/conversations/{conv}")).status_code == 200
    read = select(audit.c.object).where(audit.c.action == "transcript_read")
    assert desk_server.run(lambda c: c.execute(read).scalars().all()) == [other]


async def test_transfer_and_snooze_over_the_socket(desk_server: Any) -> None:
    desk_server.hire("anna")
    ben_id = desk_server.hire("ben")
    async with (
        desk_server.browser("anna") as a,
        desk_server.browser("ben") as b,
        a.console() as anna,
        b.console() as ben,
    ):
        conv = desk_server.hold("anna", "about my order")
        desk = await anna.desk(lambda desk: desk["mine"] and desk["team"][0]["presence"] == "available")
        assert [(one["id"], one["name"]) for one in desk["team"]] == [(ben_id, "Ben")]
        until = desk_server.clock() + 60_000
        await anna.send(t="snooze", conv=conv, assign_epoch=1, until=until)
        await anna.next("done", command="snooze")
        await anna.desk(lambda desk: desk["mine"] and desk["mine"][0]["snoozed_until"] == until)
        passed = {"assign_epoch": 1, "cmid": str(uuid4()), "to": ben_id, "note": "Knows the courier"}
        await anna.send(t="transfer", conv=conv, **passed)
        await anna.next("done", command="transfer")
        card = (await ben.desk(lambda desk: desk["offered"]))["offered"][0]
        assert card["conv"] == conv
        await ben.send(t="accept", task=card["task"], offer=card["offer"])
        assert (await ben.next("done", command="accept"))["assign_epoch"] == 2
        await ben.send(t="watch", conv=conv)
        assert (await ben.next("note"))["body"] == "Knows the courier"
        await ben.next("caught")


async def test_a_supervisor_looks_on_unseen(desk_server: Any) -> None:
    desk_server.hire("anna")
    desk_server.hire("boss", "supervisor")
    async with (
        desk_server.browser("anna") as a,
        desk_server.browser("boss") as b,
        a.console() as anna,
        b.console() as boss,
    ):
        conv = desk_server.hold("anna", "hello")
        await anna.send(t="watch", conv=conv)
        await anna.next("caught")
        await boss.send(t="watch", conv=conv, silent=True)
        await boss.next("caught")
        assert (await boss.next("watching"))["agents"] == ["Anna"]
        desk_server.bus.signal(f"conv:{conv}", {"t": "seen", "by": "contact", "seq": 2})
        assert (await anna.next("seen", seq=2))["conv"] == conv
        assert not [frame for frame in anna.frames if frame["t"] == "watching"]


async def test_back_to_the_assistant_and_taken_over_again(desk_server: Any) -> None:
    desk_server.hire("anna")
    conv = desk_server.talk("hello")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        await console.send(t="takeover", conv=conv)
        assert (await console.next("done", command="takeover"))["assign_epoch"] == 1
        await console.send(t="return", conv=conv, assign_epoch=1)
        await console.next("done", command="return")
        assert holder(desk_server, conv) == "bot"
        await console.send(t="msg", conv=conv, cmid=str(uuid4()), body="still here?", assign_epoch=1)
        assert (await console.next("refused", command="msg"))["code"] == "not_holder"
        await console.send(t="takeover", conv=conv)
        assert (await console.next("done", command="takeover"))["assign_epoch"] == 2
        await console.send(t="msg", conv=conv, cmid=str(uuid4()), body="old tab", assign_epoch=1)
        assert (await console.next("refused", command="msg"))["code"] == "stale"
    assert kinds(desk_server, conv) == ["message", "joined", "returned", "joined"]


async def test_an_agent_whose_line_breaks_is_replaced_by_another(desk_server: Any) -> None:
    desk_server.hire("anna")
    desk_server.hire("ben")
    conv = desk_server.talk("help")
    async with desk_server.browser("anna") as anna, anna.console() as console:
        await console.send(t="takeover", conv=conv)
        await console.next("done", command="takeover")
        desk_server.say(conv, "are you there?")
    desk_server.offset_ms += 90_000  # lease and grace have passed
    async with desk_server.browser("ben") as ben, ben.console() as console:
        card = (await console.desk(lambda desk: desk["offered"]))["offered"][0]
        assert card["conv"] == conv
        await console.send(t="accept", task=card["task"], offer=card["offer"])
        assert (await console.next("done", command="accept"))["assign_epoch"] == 2
        await console.send(t="watch", conv=conv)
        head = (await console.next("caught"))["head"]
        seqs = [frame["ev"]["seq"] for frame in console.frames if frame["t"] == "ev"]
        assert seqs == list(range(1, head + 1)), "a new agent sees everything"
    assert kinds(desk_server, conv) == ["message", "joined", "message", "left", "joined"]


async def test_one_offer_two_agents_who_claim_at_once(desk_server: Any) -> None:
    for login in ("anna", "ben", "cleo"):
        desk_server.hire(login, capacity=20)
    async with (
        desk_server.browser("anna") as a,
        desk_server.browser("ben") as b,
        a.console() as first,
        b.console() as second,
    ):
        for console in (first, second):
            await console.send(t="presence", state="away")
            await console.next("done", command="presence")
        for _ in range(10):
            conv = desk_server.talk("x")
            desk_server.escalate(conv)
            query = select(task.c.id).where(task.c.conversation_id == conv)
            task_id = desk_server.run(lambda connection, query=query: connection.execute(query).scalar_one())
            await asyncio.gather(*(console.send(t="accept", task=task_id) for console in (first, second)))
            answers = await asyncio.gather(
                *(console.until(lambda f: f["t"] in ("done", "refused")) for console in (first, second))
            )
            assert sorted(answer["t"] for answer in answers) == ["done", "refused"]
            assert [answer["code"] for answer in answers if answer["t"] == "refused"] == ["taken"]
    joined = select(func.count()).where(event.c.kind == "joined")
    assert desk_server.run(lambda connection: connection.execute(joined).scalar_one()) == 10


async def test_who_looks_and_who_types_is_shown(desk_server: Any) -> None:
    desk_server.hire("anna")
    desk_server.hire("ben")
    conv = desk_server.talk("hello")
    async with (
        desk_server.browser("anna") as a,
        desk_server.browser("ben") as b,
        a.console() as first,
        b.console() as second,
    ):
        await first.send(t="takeover", conv=conv)
        await first.next("done", command="takeover")
        await first.desk(lambda desk: desk["mine"])
        await first.send(t="watch", conv=conv)
        await second.send(t="watch", conv=conv)
        assert (await first.next("watching"))["agents"] == ["Ben"]
        assert (await second.next("watching"))["agents"] == ["Anna"]
        await first.send(t="typing", conv=conv, on=True)
        assert (await second.next("watching"))["typing"] == ["Anna"]
        desk_server.bus.signal(f"conv:{conv}", {"t": "typing", "from": "contact", "on": True})
        assert (await first.next("watching"))["typing"] == ["contact"]
        await second.send(t="typing", conv=conv, on=True)  # not the holder: nobody is told
        await second.send(t="unwatch", conv=conv)
        assert (await first.until(lambda f: f["t"] == "watching" and f["agents"] == []))["typing"] in ([], ["contact"])
