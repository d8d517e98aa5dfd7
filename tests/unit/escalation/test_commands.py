"""What agents do to a conversation, on a real database."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from assistant.errors import BadInput, Conflict, Forbidden
from assistant.escalation import commands, store
from assistant.storage.tables import note, outcome, site, suggestion_use


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises((Conflict, BadInput, Forbidden)) as error:
        call(*args, **kwargs)
    return str(error.value.reason)


def cmid() -> str:
    return str(uuid4())


# --- escalate -------------------------------------------------------------------------------------------------------


def test_asking_for_a_person_opens_one_task_and_says_the_place_in_the_queue(shop: Any) -> None:
    shop.escalate()
    conv = shop.talk("I want a human")
    key = cmid()
    first = shop.write(store.escalate, conv, by="contact", reason="asked_for_human", now=shop.now, cmid=key)
    again = shop.write(store.escalate, conv, by="contact", reason="asked_for_human", now=shop.now, cmid=key)
    other = shop.write(store.escalate, conv, by="contact", reason="asked_for_human", now=shop.now, cmid=cmid())
    assert (again.seq, again.dup) == (first.seq, True)
    assert (other.seq, other.dup) == (first.seq + 1, False)
    assert shop.kinds(conv) == ["message", "escalated", "escalated"]
    assert shop.events(conv)[1]["data"] == {"reason": "asked_for_human", "position": 2}
    assert shop.conversation(conv)["status"] == "escalated"
    assert shop.read(store.live_task, conv).state == "queued"


def test_the_system_escalates_once_while_a_task_is_live(shop: Any) -> None:
    conv = shop.talk("!")
    one = shop.write(store.escalate, conv, by="rule", reason="loop", now=shop.now)
    two = shop.write(store.escalate, conv, by="rule", reason="loop", now=shop.now + 5)
    assert (two.seq, two.dup) == (one.seq, True)
    assert shop.kinds(conv) == ["message", "escalated"]
    assert shop.events(conv)[1]["sender"] == "system"


def test_an_escalation_of_a_finished_or_foreign_conversation_is_refused(shop: Any) -> None:
    agent = shop.hire()
    conv, epoch = shop.assigned(agent)
    shop.write(commands.resolve, agent, conv, assign_epoch=epoch, disposition="solved", comment="", now=shop.now)
    assert code(shop.write, store.escalate, conv, by="rule", reason="loop", now=shop.now) == "closed"
    assert code(shop.write, store.escalate, "01ARZ3NDEKTSV4RRFFQ69G5FAV", by="rule", reason="x", now=1) == "forbidden"


def test_value_at_stake_is_a_years_orders_times_the_risk_of_a_verified_customer(shop: Any) -> None:
    contact = shop.customer(external_id="C1")
    shop.order("C1", 30_000)
    shop.order("C1", 5_000, status="cancelled")
    shop.order("C1", 99_000, days_ago=400)
    assert shop.task(shop.escalate(shop.talk("hm", contact_id=contact)))["value_at_stake"] == 15_000
    assert shop.task(shop.escalate(shop.talk("hm")))["value_at_stake"] == 0
    assert shop.task(shop.escalate(shop.talk("hm"), value_at_stake=77))["value_at_stake"] == 77


def test_a_waiting_time_is_promised_only_when_enough_is_known(shop: Any) -> None:
    agent = shop.hire(capacity=50)
    for wait_s in (10, 20, 30, 40):
        queued = shop.escalate()
        shop.now += wait_s * 1000
        shop.write(commands.accept, agent, queued, None, now=shop.now)
    assert "estimate_s" not in shop.events(shop.task(shop.escalate())["conversation_id"])[-1]["data"]
    queued = shop.escalate()
    shop.now += 50_000
    shop.write(commands.accept, agent, queued, None, now=shop.now)
    conv = shop.task(shop.escalate())["conversation_id"]
    assert shop.events(conv)[-1]["data"]["estimate_s"] == 30
    assert shop.read(store.expected_wait_s, shop.site_id, shop.now) == 30
    closed = {"hours": {"mon": [["00:00", "00:01"]]}}
    shop.write(lambda connection: connection.execute(update(site).values(settings=closed)))
    assert shop.read(store.expected_wait_s, shop.site_id, shop.now) is None


def test_who_asks_again_while_a_person_is_there_is_promised_nothing(shop: Any) -> None:
    conv, _ = shop.assigned(shop.hire())
    shop.write(store.escalate, conv, by="contact", reason="asked_for_human", now=shop.now, cmid=cmid())
    assert shop.events(conv)[-1]["data"] == {"reason": "asked_for_human"}


def test_stepping_in_unasked_says_nothing_about_waiting(shop: Any) -> None:
    agent = shop.hire(capacity=50)
    for _ in range(9):
        shop.write(commands.take_over, agent, shop.talk("x"), now=shop.now)
    assert "estimate_s" not in shop.events(shop.task(shop.escalate())["conversation_id"])[-1]["data"]


def test_matters_of_safety_come_first(shop: Any) -> None:
    assert shop.task(shop.escalate(reason="legal"))["priority"] > shop.task(shop.escalate())["priority"]


# --- accept, decline, take over -------------------------------------------------------------------------------------


def test_accepting_hands_the_conversation_over_in_one_step(shop: Any) -> None:
    agent = shop.hire("Mara")
    task_id = shop.escalate()
    shop.sweep()
    offered = shop.task(task_id)
    assert (offered["state"], offered["offered_to"], offered["deadline"]) == ("offered", agent.id, shop.now + 20_000)
    moved = shop.write(commands.accept, agent, task_id, offered["offer_id"], now=shop.now + 1)
    held = shop.conversation(moved.conversation_id)
    assert (held["holder"], held["assign_epoch"], held["status"]) == (f"agent:{agent.id}", 1, "escalated")
    joined = shop.events(moved.conversation_id)[-1]
    assert (joined["kind"], joined["sender"], joined["data"]) == ("joined", "system", {"agent": "Mara"})
    assert shop.read(store.replayed, task_id) == store.to_task(shop.task(task_id))
    assert [row["type"] for row in shop.rows(select(outcome))] == ["handoff"]


def test_an_offer_can_be_accepted_once_and_not_after_its_deadline(shop: Any) -> None:
    agent = shop.hire()
    task_id = shop.escalate()
    shop.sweep()
    offer = shop.task(task_id)["offer_id"]
    assert code(shop.write, commands.accept, agent, task_id, offer, now=shop.now + 20_000) == "gone"
    shop.write(commands.accept, agent, task_id, offer, now=shop.now + 19_999)
    assert code(shop.write, commands.accept, agent, task_id, offer, now=shop.now + 19_999) == "gone"
    assert shop.kinds(shop.task(task_id)["conversation_id"]).count("joined") == 1


def test_an_agent_claims_a_queued_task_and_what_is_offered_to_it_but_not_what_is_offered_to_others(shop: Any) -> None:
    anna, ben = shop.hire("Anna"), shop.hire("Ben", here=False)
    task_id = shop.escalate()
    shop.sweep()
    assert code(shop.write, commands.accept, ben, task_id, None, now=shop.now) == "taken"
    shop.write(commands.accept, anna, task_id, None, now=shop.now)
    assert shop.task(task_id)["agent_id"] == anna.id
    other = shop.escalate()
    shop.write(commands.accept, ben, other, None, now=shop.now)
    assert shop.task(other)["agent_id"] == ben.id


def test_nobody_holds_more_than_fits(shop: Any) -> None:
    agent = shop.hire(capacity=1)
    conv, epoch = shop.assigned(agent)
    waiting = shop.escalate()
    assert code(shop.write, commands.accept, agent, waiting, None, now=shop.now) == "full"
    assert code(shop.write, commands.take_over, agent, shop.talk("x"), now=shop.now) == "full"
    shop.write(commands.hand_back, agent, conv, assign_epoch=epoch, now=shop.now)
    shop.write(commands.accept, agent, waiting, None, now=shop.now)


def test_a_declined_task_keeps_its_time_and_goes_to_somebody_else(shop: Any) -> None:
    anna = shop.hire("Anna")
    task_id = shop.escalate()
    queued_at = shop.now
    shop.sweep()
    shop.now += 5000
    shop.write(commands.decline, anna, task_id, shop.task(task_id)["offer_id"], now=shop.now)
    assert (shop.task(task_id)["state"], shop.task(task_id)["queued_at"]) == ("queued", queued_at)
    shop.sweep()
    assert shop.task(task_id)["state"] == "queued"
    ben = shop.hire("Ben")
    shop.sweep()
    assert shop.task(task_id)["offered_to"] == ben.id


def test_taking_over_from_the_assistant_the_queue_and_a_colleague(shop: Any) -> None:
    anna, boss = shop.hire("Anna"), shop.hire("Rui", role="supervisor")
    conv = shop.talk("hello")
    moved = shop.write(commands.take_over, anna, conv, now=shop.now)
    assert (moved.task.state, moved.task.agent_id, shop.conversation(conv)["holder"]) == (
        "assigned",
        anna.id,
        anna.sender,
    )
    assert shop.kinds(conv) == ["message", "joined"]
    assert shop.read(store.replayed, moved.task.id) == store.to_task(shop.task(moved.task.id))
    assert code(shop.write, commands.take_over, shop.hire("Ben"), conv, now=shop.now) == "taken"
    shop.write(commands.take_over, boss, conv, now=shop.now)
    assert shop.conversation(conv)["holder"] == boss.sender
    said = {"cmid": cmid(), "body": "hi", "assign_epoch": 1, "now": shop.now}
    assert code(shop.write, commands.send, anna, conv, **said) == "not_holder"
    queued = shop.task(shop.escalate())["conversation_id"]
    shop.write(commands.take_over, anna, queued, now=shop.now)
    assert shop.conversation(queued)["holder"] == anna.sender


# --- holding --------------------------------------------------------------------------------------------------------


def test_only_the_holder_sends_and_the_first_reply_is_stamped(shop: Any) -> None:
    anna, ben = shop.hire("Anna"), shop.hire("Ben")
    conv, epoch = shop.assigned(anna)
    key = cmid()
    said = shop.write(commands.send, anna, conv, cmid=key, body="Hello", assign_epoch=epoch, now=shop.now + 9)
    again = shop.write(commands.send, anna, conv, cmid=key, body="Hello", assign_epoch=epoch, now=shop.now + 99)
    assert (again.seq, again.dup, said.dup) == (said.seq, True, False)
    assert shop.task_of(conv)["first_reply_at"] == shop.now + 9
    new = {"cmid": cmid(), "body": "x", "now": shop.now}
    assert code(shop.write, commands.send, ben, conv, assign_epoch=epoch, **new) == "not_holder"
    assert code(shop.write, commands.send, anna, conv, assign_epoch=epoch - 1, **new) == "stale"
    assert code(shop.write, commands.send, anna, conv, assign_epoch=epoch, cmid=key, body="?", now=1) == "cmid_conflict"
    assert code(shop.write, commands.send, anna, conv, assign_epoch=epoch, cmid=cmid(), body=" \n", now=1) == "empty"
    assert (
        code(shop.write, commands.send, anna, conv, assign_epoch=epoch, cmid=cmid(), body="x" * 4001, now=1)
        == "too_long"
    )
    assert shop.kinds(conv).count("message") == 2


def test_a_resent_message_is_acknowledged_even_after_the_conversation_moved_on(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    message = {"cmid": cmid(), "body": "Bye", "assign_epoch": epoch, "now": shop.now}
    said = shop.write(commands.send, anna, conv, **message)
    shop.write(commands.hand_back, anna, conv, assign_epoch=epoch, now=shop.now)
    again = shop.write(commands.send, anna, conv, **message)
    assert (again.seq, again.dup) == (said.seq, True)
    assert code(shop.write, commands.send, anna, conv, **(message | {"cmid": cmid()})) == "not_holder"


def test_a_stale_console_cannot_send_into_a_later_assignment(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    shop.write(commands.hand_back, anna, conv, assign_epoch=epoch, now=shop.now)
    shop.write(commands.accept, anna, shop.escalate(conv), None, now=shop.now)
    old = {"cmid": cmid(), "body": "x", "assign_epoch": epoch, "now": shop.now}
    assert code(shop.write, commands.send, anna, conv, **old) == "stale"
    assert code(shop.write, commands.hand_back, anna, conv, assign_epoch=epoch, now=shop.now) == "stale"


def test_what_became_of_suggestions_is_written_down_once(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    shop.decide(conv, 1, "reply:ack@en", ["replace@en", "voucher@en", "sorry@en", "late@en"])
    for suggestion in (("replace@en", True), None, ("replace@en", False)):
        said = {"cmid": cmid(), "body": "We replace it", "assign_epoch": epoch, "now": shop.now}
        shop.write(commands.send, anna, conv, suggestion=suggestion, **said)
    assert [(row["seq"], row["document_id"], row["use"]) for row in shop.rows(select(suggestion_use))] == [
        (4, "replace@en", "edited"),
        (4, "voucher@en", "ignored"),
        (4, "sorry@en", "ignored"),
        (6, "replace@en", "accepted"),
    ]


def test_notes_are_stored_once_and_are_no_events(shop: Any) -> None:
    anna, ben = shop.hire("Anna"), shop.hire("Ben")
    conv, _ = shop.assigned(anna)
    before = shop.kinds(conv)
    key = cmid()
    one = shop.write(commands.write_note, ben, conv, cmid=key, body="Knows the boss", now=shop.now)
    two = shop.write(commands.write_note, ben, conv, cmid=key, body="Knows the boss", now=shop.now)
    assert (one.id, one.dup, two.dup) == (two.id, False, True)
    assert code(shop.write, commands.write_note, ben, conv, cmid=key, body="else", now=shop.now) == "cmid_conflict"
    assert [row["after_seq"] for row in shop.rows(select(note))] == [len(before)]
    assert shop.kinds(conv) == before


def test_a_snoozed_conversation_wakes_by_time_and_by_the_contact(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    shop.write(commands.snooze, anna, conv, assign_epoch=epoch, until=shop.now + 60_000, now=shop.now)
    assert shop.sweep() == []
    shop.now += 10
    shop.say(conv, "Hello?")
    shop.sweep()
    assert shop.task_of(conv)["snoozed_until"] is None
    shop.write(commands.snooze, anna, conv, assign_epoch=epoch, until=shop.now + 20_000, now=shop.now)
    shop.now += 20_000
    shop.sweep()
    assert shop.task_of(conv)["snoozed_until"] is None
    late = {"assign_epoch": epoch, "until": shop.now, "now": shop.now}
    assert code(shop.write, commands.snooze, anna, conv, **late) == "bad_time"


# --- letting go -----------------------------------------------------------------------------------------------------


def test_handing_back_gives_the_word_to_the_assistant(shop: Any) -> None:
    anna = shop.hire("Anna")
    conv, epoch = shop.assigned(anna)
    shop.write(commands.hand_back, anna, conv, assign_epoch=epoch, now=shop.now)
    held = shop.conversation(conv)
    assert (held["holder"], held["status"], shop.task_of(conv)["state"]) == ("bot", "open", "done")
    assert shop.events(conv)[-1]["kind"] == "returned"
    assert shop.escalate(conv) != shop.rows(select(store.task).where(store.task.c.state == "done"))[0]["id"]


def test_resolving_writes_a_disposition_that_the_contact_never_sees(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    resolve = {"assign_epoch": epoch, "comment": "sent a courier", "now": shop.now}
    assert code(shop.write, commands.resolve, anna, conv, disposition="meh", **resolve) == "unknown_disposition"
    shop.write(commands.resolve, anna, conv, disposition="saved", **resolve)
    held = shop.conversation(conv)
    assert (held["status"], held["holder"], held["resolved_at"]) == ("resolved", "bot", shop.now)
    last = shop.events(conv)[-1]
    assert (last["kind"], last["data"]) == ("resolved", {"by": "agent"})
    written = shop.rows(select(outcome).where(outcome.c.type == "disposition"))
    assert [(row["label"]["disposition"], row["source"], row["conversation_id"]) for row in written] == [
        ("saved", "agent", conv)
    ]
    assert code(shop.write, commands.resolve, anna, conv, disposition="saved", **resolve) == "closed"
    assert code(shop.write, commands.take_over, anna, conv, now=shop.now) == "closed"


def test_a_contact_who_leaves_ends_the_wait_or_starts_the_wrap_up(shop: Any) -> None:
    anna = shop.hire()
    waiting = shop.talk("x")
    shop.escalate(waiting)
    assert shop.write(commands.contact_ended, waiting, now=shop.now).task.state == "done"
    conv, epoch = shop.assigned(anna)
    assert shop.write(commands.contact_ended, conv, now=shop.now).task.state == "wrap_up"
    assert shop.write(commands.contact_ended, conv, now=shop.now) is None
    assert shop.conversation(conv)["holder"] == "bot"
    assert shop.read(store.load_of, anna.id) == 1, "wrap-up is work too"
    shop.write(commands.resolve, anna, conv, assign_epoch=epoch, disposition="lost", comment="", now=shop.now)
    assert (shop.task_of(conv)["state"], shop.task_of(conv)["disposition"]) == ("done", "lost")
    assert "resolved" not in shop.kinds(conv), "the contact's own end is the only one"
    assert shop.write(commands.contact_ended, shop.talk("y"), now=shop.now) is None


def test_a_transfer_asks_the_named_colleague_first_and_carries_a_note(shop: Any) -> None:
    anna, ben, cleo = shop.hire("Anna"), shop.hire("Ben"), shop.hire("Cleo")
    conv, epoch = shop.assigned(anna)
    handover = {"assign_epoch": epoch, "cmid": cmid(), "text": "Speaks about order 4711", "now": shop.now}
    assert code(shop.write, commands.transfer, anna, conv, to=anna.id, **handover) == "no_such_agent"
    shop.write(commands.transfer, anna, conv, to=cleo.id, **handover)
    assert shop.conversation(conv)["holder"] == "bot"
    assert shop.events(conv)[-1]["data"] == {"agent": "Anna", "transferred": True}
    assert [row["body"] for row in shop.rows(select(note))] == ["Speaks about order 4711"]
    shop.sweep()
    assert shop.task_of(conv)["offered_to"] == cleo.id
    shop.write(commands.decline, cleo, shop.task_of(conv)["id"], shop.task_of(conv)["offer_id"], now=shop.now)
    shop.sweep()
    assert shop.task_of(conv)["offered_to"] == ben.id, "not back to the one who passed it on"


# --- other shops ----------------------------------------------------------------------------------------------------


def test_nothing_of_another_shop_can_be_touched(shop: Any, other_shop: Any) -> None:
    mine = shop.hire()
    stranger = other_shop.hire("Eve", role="admin")
    conv, epoch = shop.assigned(mine)
    queued = shop.escalate()
    now = {"now": shop.now}
    assert code(shop.write, commands.accept, stranger, queued, None, **now) == "gone"
    assert code(shop.write, commands.decline, stranger, queued, "x", **now) == "gone"
    assert code(shop.write, commands.take_over, stranger, conv, **now) == "forbidden"
    assert code(shop.write, commands.hand_back, stranger, conv, assign_epoch=epoch, **now) == "forbidden"
    assert code(shop.write, commands.write_note, stranger, conv, cmid=cmid(), body="x", **now) == "forbidden"
    assert (
        code(shop.write, commands.send, stranger, conv, cmid=cmid(), body="x", assign_epoch=epoch, **now) == "forbidden"
    )
    assert shop.conversation(conv)["holder"] == mine.sender
