"""Hints and signals: coalesced, bounded, from any thread."""

from __future__ import annotations

import asyncio

from assistant.bus.hints import MAX_SIGNALS, LocalBus


async def test_a_hint_wakes_its_subscribers_and_no_others() -> None:
    bus = LocalBus()
    with bus.subscribe("conv:a") as a, bus.subscribe("conv:b") as b:
        bus.publish("conv:a")
        bus.publish("conv:a")
        assert await a.wait(1) == {"conv:a"}
        assert await a.wait(0.01) == set()
        assert await b.wait(0.01) == set()


async def test_a_hint_before_the_wait_is_not_lost() -> None:
    bus = LocalBus()
    with bus.subscribe("x", "y") as subscription:
        bus.publish("y")
        bus.publish("x")
        assert await subscription.wait(1) == {"x", "y"}


async def test_a_signal_wakes_and_is_drained_once_in_order() -> None:
    bus = LocalBus()
    with bus.subscribe("conv:a") as subscription:
        bus.signal("conv:a", {"t": "typing", "from": "bot", "on": True})
        bus.signal("conv:a", {"t": "typing", "from": "bot", "on": False})
        assert await subscription.wait(1) == set()
        assert [signal["on"] for signal in subscription.drain()] == [True, False]
        assert subscription.drain() == []


async def test_signals_name_their_topic_and_leave_the_payload_alone() -> None:
    bus = LocalBus()
    payload = {"t": "seen", "by": "agent", "seq": 3}
    with bus.subscribe("conv:a", "conv:b") as subscription:
        bus.signal("conv:b", payload)
        await subscription.wait(1)
        assert subscription.drain() == [{**payload, "topic": "conv:b"}]
    assert "topic" not in payload


async def test_the_oldest_signals_are_dropped() -> None:
    bus = LocalBus()
    with bus.subscribe("conv:a") as subscription:
        for n in range(MAX_SIGNALS + 10):
            bus.signal("conv:a", {"t": "part", "n": n})
        await subscription.wait(1)
        kept = subscription.drain()
        assert len(kept) == MAX_SIGNALS
        assert kept[0]["n"] == 10


async def test_hints_and_signals_come_from_other_threads() -> None:
    bus = LocalBus()
    with bus.subscribe("conv:a") as subscription:
        await asyncio.to_thread(bus.publish, "conv:a")
        assert await subscription.wait(1) == {"conv:a"}
        await asyncio.to_thread(bus.signal, "conv:a", {"t": "typing"})
        await subscription.wait(1)
        assert len(subscription.drain()) == 1


async def test_a_closed_subscription_leaves_no_listener() -> None:
    bus = LocalBus()
    with bus.subscribe("conv:a"):
        pass
    assert not bus.listeners


def test_telling_a_subscriber_whose_loop_has_ended_does_not_fail() -> None:
    bus = LocalBus()

    async def subscribe() -> None:
        bus.subscribe("conv:a")

    asyncio.run(subscribe())
    bus.publish("conv:a")
    bus.signal("conv:a", {"t": "typing"})
