"""Keeps the queue moving: offers, expiries, lost agents, and the word to those who wait.

`sweep` is one transaction's work over the whole database, with `now` as an argument; `Sweeper` runs it every half second.
All deadlines live in the database, so a restart forgets nothing, and several workers may sweep at once: each move is a
compare-and-set, the loser of a race just goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Column, Connection, RowMapping, func, select, update

from assistant.bus.hints import Bus
from assistant.errors import Conflict, StaywellError
from assistant.escalation import commands, store
from assistant.escalation.commands import Moved
from assistant.escalation.presence import GRACE_MS, LEASE_MS
from assistant.escalation.routing import Colleague, Pair, Waiting, base_language, route
from assistant.settings import Settings
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, event, presence, task, task_event

INTERVAL_S: Final = 0.5
SETTLE_S: Final = (
    30.0  # after a start or a jump of the clock, consoles get this long to come back before anyone counts as lost
)
JUMP_S: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in ms. `judge_leases` False: nobody is counted as lost for now."""

    offer_ms: int
    nobody_ms: int
    judge_leases: bool = True


def has_work(connection: Connection) -> bool:
    """Whether any task is live; without one a sweep has nothing to do."""
    return connection.execute(select(task.c.id).where(task.c.state != "done").limit(1)).first() is not None


def sweep(connection: Connection, now: int, rules: Rules) -> list[Moved]:
    """Does what is due at `now`, in this order: clocks, expired offers, lost agents, alarms, the word to those who wait, offers."""
    _clamp_leases(connection, now)
    moved: list[Moved] = []
    for row in _live(connection, "offered"):
        # A deadline further off than any offer lasts comes from a clock that has since been set back.
        set_back = row["deadline"] > now + rules.offer_ms
        if row["deadline"] <= now or set_back:
            _try(connection, moved, partial(commands.expire, connection, row, set_back=set_back, now=now))
    if rules.judge_leases:
        for row in _lost(connection, now):
            _try(connection, moved, partial(commands.lose, connection, row, row["agent_id"], now=now))
    for row in _due_alarms(connection, now):
        _try(connection, moved, partial(commands.wake, connection, row, now=now))
    untold = [row for row in _live(connection, "queued", "offered") if row["told_waiting_at"] is None]
    closed = {
        site_id: store.closed_until(connection, site_id, now) is not None
        for site_id in {row["site_id"] for row in untold}
    }
    for row in untold:
        if row["queued_at"] + rules.nobody_ms <= now or (row["state"] == "queued" and closed[row["site_id"]]):
            _try(connection, moved, partial(commands.tell_waiting, connection, row, now=now))
    for row, pair in _pairs(connection, now):
        deadline = now + rules.offer_ms
        _try(connection, moved, partial(commands.offer, connection, row, pair.agent, deadline=deadline, now=now))
    return moved


def colleagues(connection: Connection, site_id: str) -> list[Colleague]:
    """The shop's agents as routing sees them."""
    held = _counts(connection, task.c.agent_id, ("assigned", "wrap_up"))
    offers = _counts(connection, task.c.offered_to, ("offered",))
    last_taken = (
        select(task.c.agent_id, func.max(task.c.assigned_at)).where(task.c.site_id == site_id).group_by(task.c.agent_id)
    )
    last = {row[0]: row[1] for row in connection.execute(last_taken)}
    rows = connection.execute(
        select(agent, presence.c.state.label("presence"), presence.c.lease_until)
        .join(presence, presence.c.agent_id == agent.c.id)
        .where(agent.c.site_id == site_id, agent.c.disabled.is_(False))
    ).mappings()
    return [
        Colleague(
            id=row["id"],
            presence=row["presence"],
            lease_until=row["lease_until"],
            capacity=row["capacity"],
            load=held.get(row["id"], 0),
            offers=offers.get(row["id"], 0),
            languages=frozenset(row["languages"]),
            skills=frozenset(row["skills"]),
            idle_since=last.get(row["id"]) or 0,
        )
        for row in rows
    ]


def spoken_languages(connection: Connection, site_id: str) -> frozenset[str]:
    """Languages that somebody of the shop speaks, here or not."""
    lists = connection.execute(
        select(agent.c.languages).where(agent.c.site_id == site_id, agent.c.disabled.is_(False))
    ).scalars()
    return frozenset(base_language(tag) for languages in lists for tag in languages)


def to_waiting(row: RowMapping) -> Waiting:
    """A queued task as routing sees it."""
    return Waiting(
        id=row["id"],
        queued_at=row["queued_at"],
        value_at_stake=row["value_at_stake"],
        priority=row["priority"],
        language=row["language"],
        skills=frozenset(row["skills"]),
        declined=tuple((who, at) for who, at in row["declined_by"]),
        wanted_agent=row["wanted_agent"],
        wanted_until=row["wanted_until"],
    )


class Sweeper:
    """The loop. `run` until cancelled; publishes `conv:<id>` and `desk:<site>` after each commit."""

    def __init__(self, storage: Storage, bus: Bus, clock: Callable[[], int], settings: Settings) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._rules = Rules(settings.offer_seconds * 1000, settings.nobody_seconds * 1000)

    async def run(self) -> None:
        """Sweeps until cancelled. A database that cannot answer is tried again with the next sweep."""
        loop = asyncio.get_running_loop()
        settled_at = loop.time() + SETTLE_S
        wall, steady = self._clock(), loop.time()
        while True:
            now, monotonic = self._clock(), loop.time()
            if abs((now - wall) / 1000 - (monotonic - steady)) > JUMP_S:
                log.warning("clock_jumped", by_s=round((now - wall) / 1000 - (monotonic - steady)))
                settled_at = monotonic + SETTLE_S
            wall, steady = now, monotonic
            try:
                await self.once(now, judge_leases=monotonic >= settled_at)
            except StaywellError as error:
                log.warning("sweep_failed", code=error.reason)
            await asyncio.sleep(INTERVAL_S)

    async def once(self, now: int, *, judge_leases: bool = True) -> list[Moved]:
        """One sweep at `now`; tells everybody concerned."""
        if not await self._storage.read(has_work):
            return []
        rules = Rules(self._rules.offer_ms, self._rules.nobody_ms, judge_leases)
        moved = await self._storage.write(lambda connection: sweep(connection, now, rules))
        for topic in {f"desk:{one.site_id}" for one in moved} | {f"conv:{one.conversation_id}" for one in moved}:
            self._bus.publish(topic)
        return moved


def _try(connection: Connection, moved: list[Moved], step: Callable[[], Moved]) -> None:
    """One step in its own SAVEPOINT: a task that another worker has moved meanwhile is left alone."""
    try:
        with connection.begin_nested():
            moved.append(step())
    except Conflict as conflict:
        log.debug("sweep_step_lost_race", code=conflict.reason)


def _live(connection: Connection, *states: str) -> Sequence[RowMapping]:
    return (
        connection.execute(select(task).where(task.c.state.in_(states)).order_by(task.c.queued_at, task.c.id))
        .mappings()
        .all()
    )


def _lost(connection: Connection, now: int) -> Sequence[RowMapping]:
    """Held tasks whose agent's lease and grace are over. An agent who was never here has had both since the assignment."""
    lease_until = func.coalesce(presence.c.lease_until, task.c.assigned_at + LEASE_MS)
    return (
        connection.execute(
            select(task)
            .join(presence, presence.c.agent_id == task.c.agent_id, isouter=True)
            .where(task.c.state.in_(("assigned", "wrap_up")), lease_until + GRACE_MS <= now)
            .order_by(task.c.queued_at, task.c.id)
        )
        .mappings()
        .all()
    )


def _due_alarms(connection: Connection, now: int) -> Sequence[RowMapping]:
    """Held tasks that were set aside and whose time is over, or to which the contact has written since."""
    set_aside = task.c.snoozed_until.is_not(None)
    set_aside_at = (
        select(func.max(task_event.c.at))
        .where(task_event.c.task_id == task.c.id, task_event.c.transition == "snooze")
        .scalar_subquery()
    )
    wrote = (
        select(event.c.seq)
        .where(
            event.c.conversation_id == task.c.conversation_id,
            event.c.sender == "contact",
            event.c.at > set_aside_at,
        )
        .exists()
    )
    return (
        connection.execute(
            select(task).where(task.c.state == "assigned", set_aside, (task.c.snoozed_until <= now) | wrote)
        )
        .mappings()
        .all()
    )


def _pairs(connection: Connection, now: int) -> Iterator[tuple[RowMapping, Pair]]:
    """Offers to make, site by site."""
    queued = _live(connection, "queued")
    for site_id in sorted({row["site_id"] for row in queued}):
        rows = {row["id"]: row for row in queued if row["site_id"] == site_id}
        tasks = [to_waiting(row) for row in rows.values()]
        for pair in route(tasks, colleagues(connection, site_id), now, spoken_languages(connection, site_id)):
            yield rows[pair.task], pair


def _counts(connection: Connection, column: Column[Any], states: tuple[str, ...]) -> dict[str, int]:
    counted = select(column, func.count()).where(task.c.state.in_(states)).group_by(column)
    return {row[0]: row[1] for row in connection.execute(counted)}


def _clamp_leases(connection: Connection, now: int) -> None:
    """A lease longer than any lease lasts comes from a clock that has since been set back."""
    connection.execute(
        update(presence).where(presence.c.lease_until > now + LEASE_MS).values(lease_until=now + LEASE_MS)
    )
