"""staywell.chat.v1 on a real socket: delivery, resumption, convergence."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, func, select, update

from assistant.conversations import store
from assistant.conversations.store import NewEvent
from assistant.storage.tables import conversation, event, turn_job
from tests.tools.chat_client import Contact

pytestmark = pytest.mark.integration


def count(server: Any, table: Any) -> int:
    query = select(func.count()).select_from(table)
    return int(server.chat.storage.read_sync(lambda connection: connection.execute(query).scalar_one()))


async def run(server: Any, statement: Any) -> None:
    await server.chat.storage.write(lambda connection: connection.execute(statement).rowcount)


async def test_a_message_is_acked_after_its_commit_and_comes_back_as_an_event(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        ready = await contact.hello()
        assert (ready["head"], ready["resumed"], ready["mode"]) == (0, False, "bot")
        assert ready["limits"] == {"frame_bytes": 16384, "body": 4000, "ping_seconds": 25}
        cmid = str(uuid4())
        assert await contact.message("Wo bleibt mein Paket? 我的包裹呢？", cmid) == {
            "t": "ack",
            "cmid": cmid,
            "seq": 1,
            "dup": False,
        }
        assert count(chat_server, event) == count(chat_server, turn_job) == 1
        got = await contact.expect("ev")
        assert {name: got[name] for name in ("seq", "from", "kind", "cmid", "body")} == {
            "seq": 1,
            "from": "contact",
            "kind": "message",
            "cmid": cmid,
            "body": "Wo bleibt mein Paket? 我的包裹呢？",
        }


async def test_opening_the_widget_leaves_no_conversation_behind(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.say({"t": "typing", "on": True})
        await contact.say({"t": "seen", "seq": 5})
        await contact.say({"t": "ping", "n": 7})
        assert await contact.expect("pong") == {"t": "pong", "n": 7}
    assert count(chat_server, conversation) == 0


async def test_a_promised_conversation_is_kept_over_a_broken_connection(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
    async with contact:
        again = await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=0)
        assert (again["conv"], again["epoch"]) == (ready["conv"], ready["epoch"])
        assert (await contact.message("hello"))["seq"] == 1
    assert count(chat_server, conversation) == 1
    async with contact:
        third = await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=1)
        assert (third["conv"], third["epoch"], third["head"]) == (ready["conv"], ready["epoch"], 1)
        assert third["resumed"]


async def test_a_promise_is_made_to_one_contact_only(chat_server: Any) -> None:
    async with await chat_server.contact() as first:
        ready = await first.hello()
        async with await chat_server.contact() as second:
            await second.say(
                {
                    "t": "hello",
                    "v": "staywell.chat.v1",
                    "token": second.token,
                    "conv": ready["conv"],
                    "epoch": ready["epoch"],
                }
            )
            assert await second.closed() == (4403, "forbidden")


async def test_resuming_gives_what_was_missed_in_order_and_nothing_twice(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
        for n in range(5):
            await contact.message(f"message {n}")
    async with contact:
        contact.frames.clear()
        again = await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=2)
        assert again["resumed"]
        assert [event["seq"] for event in await contact.events(5)] == [3, 4, 5]
        await contact.message("one more")
        assert (await contact.events(6))[0]["seq"] == 6
        assert contact.frames == []


async def test_a_hello_without_conversation_resumes_the_open_one(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
        await contact.message("hello")
    async with contact:
        contact.frames.clear()
        again = await contact.hello()
        assert (again["conv"], again["resumed"]) == (ready["conv"], True)
        assert (await contact.events(1))[0]["body"] == "hello"


async def test_the_same_cmid_is_stored_once(chat_server: Any) -> None:
    contact = await chat_server.contact()
    cmid = str(uuid4())
    async with contact:
        await contact.hello()
        first = await contact.message("once", cmid)
        second = await contact.message("once", cmid)
        assert (first["dup"], second["dup"], first["seq"], second["seq"]) == (False, True, 1, 1)
        conflict = await contact.message("another text", cmid)
        assert conflict == {"t": "nack", "cmid": cmid, "code": "cmid_conflict", "retry": False}
    async with contact:
        await contact.hello()
        assert (await contact.message("once", cmid))["dup"]
    assert count(chat_server, event) == count(chat_server, turn_job) == 1


async def test_somebody_elses_cmid_is_just_a_cmid(chat_server: Any) -> None:
    cmid = str(uuid4())
    for _ in range(2):
        async with await chat_server.contact() as contact:
            await contact.hello()
            assert await contact.message("mine", cmid) == {"t": "ack", "cmid": cmid, "seq": 1, "dup": False}


async def test_two_tabs_converge_on_one_log(chat_server: Any) -> None:
    left = await chat_server.contact()
    right = await chat_server.contact(left.token)
    async with left, right:
        await left.hello()
        await right.hello()
        await left.message("first")  # right was promised another conversation, and is turned to this one
        reset = await right.expect("reset")
        assert reset["conv"] == left.ready["conv"]

        async def talk(tab: Contact, name: str) -> None:
            for n in range(10):
                await tab.message(f"{name} {n}")

        await asyncio.gather(talk(left, "left"), talk(right, "right"))
        seen = {}
        for name, tab in (("left", left), ("right", right)):
            events = await tab.events(21)
            seen[name] = {event["seq"]: event["body"] for event in events if event["seq"] > 1}
            assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})
        assert seen["left"] == seen["right"]
        assert len(seen["left"]) == 20


async def test_a_tab_that_speaks_first_in_another_conversation_lands_in_the_open_one(chat_server: Any) -> None:
    """Both tabs are promised conversations; both send at once."""
    left = await chat_server.contact()
    right = await chat_server.contact(left.token)
    async with left, right:
        await asyncio.gather(left.hello(), right.hello())
        assert left.ready["conv"] != right.ready["conv"]
        acks = await asyncio.gather(left.message("from left"), right.message("from right"))
        assert sorted(ack["seq"] for ack in acks) == [1, 2]
    assert count(chat_server, conversation) == 1


async def test_events_of_others_arrive_live(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.message("hello")
        chat, conv = chat_server.chat, contact.ready["conv"]
        chat.deps.bus.signal(f"conv:{conv}", {"t": "typing", "from": "agent", "on": True, "name": "Ana"})
        chat.deps.bus.signal(f"conv:{conv}", {"t": "seen", "by": "agent", "seq": 1})
        chat.deps.bus.signal(f"conv:{conv}", {"t": "part", "reply_to": 1, "n": 0, "body": "Let"})
        chat.deps.bus.signal(f"conv:{conv}", {"t": "typing", "from": "contact", "on": True})
        assert await contact.expect("typing") == {"t": "typing", "from": "agent", "on": True, "name": "Ana"}
        assert await contact.expect("seen") == {"t": "seen", "seq": 1}
        assert await contact.expect("part") == {"t": "part", "reply_to": 1, "n": 0, "body": "Let"}
        reply = NewEvent("bot", "message", "Let me look.", reply_to=1, data={"script": "s"})
        await chat.storage.write(lambda connection: store.append(connection, conv, reply, now=1))
        chat.deps.bus.publish(f"conv:{conv}")
        got = (await contact.events(2))[-1]
        assert (got["from"], got["body"], got["reply_to"], got["data"]) == ("bot", "Let me look.", 1, {"script": "s"})


async def test_a_lost_hint_is_made_up_for_within_two_seconds(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.message("hello")
        conv = contact.ready["conv"]
        await asyncio.sleep(2.2)  # the watcher has seen the conversation once
        await chat_server.chat.storage.write(
            lambda connection: store.append(connection, conv, NewEvent("bot", "message", "late"), now=1)
        )
        await contact.events(
            2, timeout_s=15
        )  # by the watcher, which looks every 2 s: the connection alone would after 30


async def test_a_cursor_that_cannot_be_served_is_reset(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
        await contact.message("hello")
    other_epoch = "0" * 26
    for epoch, after in ((ready["epoch"], 2), (other_epoch, 1)):
        async with contact:
            contact.frames.clear()
            again = await contact.hello(conv=ready["conv"], epoch=epoch, after=after)
            assert not again["resumed"]
            assert await contact.expect("reset") == {
                "t": "reset",
                "conv": ready["conv"],
                "epoch": ready["epoch"],
                "head": 1,
            }
            ack = await contact.message(f"after {epoch} {after}", None)
            live = await contact.expect("ev")
            assert live["seq"] == ack["seq"]  # what is before the reset comes over HTTP, not here
        await run(chat_server, delete(event).where(event.c.seq > 1))
        await run(chat_server, update(conversation).values(head=1))


async def test_a_gap_of_more_than_500_is_reset(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
        await contact.message("hello")
    conv = ready["conv"]

    def fill(connection: Any) -> None:
        for n in range(501):
            store.append(connection, conv, NewEvent("system", "left", data={"n": n}), now=1)

    await chat_server.chat.storage.write(fill)
    for after, resets in ((1, True), (2, False)):
        async with contact:
            contact.frames.clear()
            await contact.hello(conv=conv, epoch=ready["epoch"], after=after)
            if resets:
                assert (await contact.expect("reset"))["head"] == 502
            else:
                assert [event["seq"] for event in await contact.events(502)] == list(range(3, 503))


async def test_an_epoch_that_changes_under_a_live_client_resets_it(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.message("hello")
        await contact.events(1)
        new = "7" * 26
        await run(chat_server, update(conversation).values(epoch=new))
        chat_server.chat.deps.bus.publish(f"conv:{contact.ready['conv']}")
        assert (await contact.expect("reset"))["epoch"] == new


async def test_a_conversation_that_is_erased_closes_with_4410(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.message("hello")
        for table in (turn_job, event, conversation):
            await run(chat_server, delete(table))
        chat_server.chat.deps.bus.publish(f"conv:{contact.ready['conv']}")
        assert (await contact.closed())[0] == 4410


async def test_a_message_into_a_resolved_conversation_is_refused_and_the_next_hello_starts_anew(
    chat_server: Any,
) -> None:
    contact = await chat_server.contact()
    async with contact:
        ready = await contact.hello()
        await contact.message("hello")
        await chat_server.chat.storage.write(
            lambda connection: store.resolve(connection, ready["conv"], now=chat_server.chat.deps.clock())
        )
        cmid = str(uuid4())
        assert await contact.message("are you there?", cmid) == {
            "t": "nack",
            "cmid": cmid,
            "code": "closed",
            "retry": False,
        }
    async with contact:
        assert (await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=1))["mode"] == "resolved"
    async with contact:
        again = await contact.hello()
        assert again["conv"] != ready["conv"]
        assert (await contact.message("are you there?", cmid))["seq"] == 1


async def test_asking_for_a_person_is_durable_and_shown(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        cmid = str(uuid4())
        for dup in (False, True):
            await contact.say({"t": "escalate", "cmid": cmid, "reason": ""})
            assert await contact.answer(cmid) == {"t": "ack", "cmid": cmid, "seq": 1, "dup": dup}
        got = await contact.expect("ev")
        assert (got["kind"], got["from"], got["data"]["reason"]) == ("escalated", "contact", "asked_for_human")
    async with contact:
        assert (await contact.hello())["mode"] == "waiting"


async def test_seen_is_kept_and_never_goes_back(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        for n in range(3):
            await contact.message(f"{n}")
        await contact.events(3)
        for seq in (2, 1, 99):
            await contact.say({"t": "seen", "seq": seq})
        await contact.say({"t": "ping", "n": 1})
        await contact.expect("pong")
    query = select(conversation.c.seen_seq)
    assert chat_server.chat.storage.read_sync(lambda connection: connection.execute(query).scalar_one()) == 2


async def test_draining_tells_clients_and_closes_with_1012(chat_server: Any) -> None:
    contact = await chat_server.contact()
    async with contact:
        await contact.hello()
        draining = asyncio.create_task(chat_server.chat.live.drain(0.2))
        assert await contact.expect("drain") == {"t": "drain", "after_ms": 1000}
        assert (await contact.closed())[0] == 1012
        await draining
    async with contact:
        assert (await contact.closed())[0] == 1012  # nobody comes in any more
