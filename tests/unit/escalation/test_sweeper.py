"""Deadlines, lost agents, and those who wait."""

from __future__ import annotations

from typing import Any

from assistant.bus.hints import LocalBus
from assistant.escalation import commands, presence, store
from assistant.escalation.presence import GRACE_MS, LEASE_MS
from assistant.escalation.sweeper import Rules, Sweeper, sweep
from assistant.settings import Settings


def test_an_offer_that_runs_out_goes_to_the_next_agent(shop: Any) -> None:
    anna, ben = shop.hire("Anna"), shop.hire("Ben")
    task_id = shop.escalate()
    shop.sweep()
    first = shop.task(task_id)["offered_to"]
    shop.now += 19_999
    shop.beat(anna, ben)
    shop.sweep()
    assert shop.task(task_id)["offered_to"] == first
    shop.now += 1
    shop.sweep()
    assert {first, shop.task(task_id)["offered_to"]} == {anna.id, ben.id}
    assert shop.task(task_id)["state"] == "offered"


def test_a_silent_agent_is_lost_after_lease_and_grace_and_the_contact_told_once(shop: Any) -> None:
    anna = shop.hire("Anna")
    queued_at = shop.now
    conv, _ = shop.assigned(anna)
    shop.now += LEASE_MS + GRACE_MS - 1
    shop.sweep()
    assert shop.conversation(conv)["holder"] == anna.sender
    shop.now += 1
    shop.sweep()
    shop.sweep()
    held, queued = shop.conversation(conv), shop.task_of(conv)
    assert (held["holder"], held["status"]) == ("bot", "escalated")
    assert (queued["state"], queued["queued_at"], queued["priority"]) == ("queued", queued_at, 1.0)
    assert shop.kinds(conv).count("left") == 1
    ben = shop.hire("Ben")
    shop.escalate()
    shop.sweep()
    assert shop.task_of(conv)["offered_to"] == ben.id, "at the front"
    assert shop.read(store.replayed, queued["id"]) == store.to_task(shop.task_of(conv))


def test_an_agent_who_comes_back_within_the_grace_keeps_the_conversation(shop: Any) -> None:
    anna = shop.hire()
    conv, _ = shop.assigned(anna)
    shop.now += LEASE_MS + GRACE_MS - 1
    shop.beat(anna)
    shop.now += GRACE_MS
    shop.sweep()
    assert shop.conversation(conv)["holder"] == anna.sender


def test_leases_can_be_left_unjudged(shop: Any) -> None:
    anna = shop.hire()
    conv, _ = shop.assigned(anna)
    shop.write(sweep, shop.now + 10_000_000, Rules(20_000, 120_000, judge_leases=False))
    assert shop.conversation(conv)["holder"] == anna.sender


def test_an_agent_lost_in_wrap_up_leaves_nothing_to_do(shop: Any) -> None:
    anna = shop.hire()
    conv, _ = shop.assigned(anna)
    shop.write(commands.contact_ended, conv, now=shop.now)
    shop.now += LEASE_MS + GRACE_MS
    shop.sweep()
    assert (shop.task_of(conv)["state"], shop.task_of(conv)["disposition"]) == ("done", None)
    assert "left" not in shop.kinds(conv)


def test_an_agent_who_never_opened_a_console_is_lost_like_any_other(shop: Any) -> None:
    ghost = shop.hire(here=False)
    conv, _ = shop.assigned(ghost)
    shop.sweep()
    assert shop.conversation(conv)["holder"] == ghost.sender
    shop.now += LEASE_MS + GRACE_MS
    shop.sweep()
    assert shop.conversation(conv)["holder"] == "bot"


def test_logging_out_starts_the_grace_at_once_and_frees_offers(shop: Any) -> None:
    anna = shop.hire()
    conv, _ = shop.assigned(anna)
    offered = shop.escalate()
    shop.sweep()
    shop.write(commands.sign_off, anna, now=shop.now)
    assert shop.task(offered)["state"] == "queued"
    assert "left" not in shop.kinds(shop.task(offered)["conversation_id"]), "nobody had come yet"
    shop.sweep()
    assert shop.task(offered)["state"] == "queued", "not to somebody who has gone"
    shop.now += GRACE_MS
    shop.sweep()
    assert shop.conversation(conv)["holder"] == "bot"


def test_nobody_free_is_said_once_and_the_task_stays(shop: Any) -> None:
    conv = shop.talk("anybody?")
    task_id = shop.escalate(conv)
    shop.now += 119_999
    shop.sweep()
    assert "waiting" not in shop.kinds(conv)
    shop.now += 1
    shop.sweep()
    shop.sweep()
    assert shop.kinds(conv).count("waiting") == 1
    assert shop.events(conv)[-1]["data"] == {"callback": True}
    assert shop.task(task_id)["state"] == "queued"


def test_a_clock_set_back_by_an_hour_freezes_nothing(shop: Any) -> None:
    anna = shop.hire()
    task_id = shop.escalate()
    shop.sweep()
    shop.now -= 3_600_000
    shop.sweep()
    assert shop.task(task_id)["state"] == "queued"
    assert shop.read(presence.here, anna.id).lease_until == shop.now + LEASE_MS


def test_sweeps_of_one_shop_offer_nothing_to_another(shop: Any, other_shop: Any) -> None:
    other_shop.hire("Eve")
    task_id = shop.escalate()
    shop.sweep()
    assert shop.task(task_id)["state"] == "queued"


def test_no_offer_is_lost_over_a_restart(shop: Any) -> None:
    """Deadlines stand in the database: a sweep by another process sees the same ones."""
    shop.hire()
    task_id = shop.escalate()
    shop.sweep()
    other = type(shop.storage)(shop.storage.url)
    try:
        other.write_sync(lambda connection: sweep(connection, shop.now + 20_000, shop.rules))
    finally:
        other.close()
    assert shop.task(task_id)["state"] == "queued"


async def test_the_loop_tells_everybody_concerned(shop: Any) -> None:
    bus = LocalBus()
    sweeper = Sweeper(shop.storage, bus, lambda: shop.now, Settings(_env_file=None))
    shop.hire()
    assert await sweeper.once(shop.now) == []
    conv = shop.talk("x")
    shop.escalate(conv)
    with bus.subscribe(f"conv:{conv}", f"desk:{shop.site_id}") as subscription:
        assert len(await sweeper.once(shop.now)) == 1
        assert await subscription.wait(1) == {f"conv:{conv}", f"desk:{shop.site_id}"}
