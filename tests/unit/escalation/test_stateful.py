"""Anything agents, contacts, clocks and sweeps can do in any order, on the real code and a real database with a fake clock.

After every step the twelve invariants of the design are checked on the rows. The same machine is then run against code with a fault
put in, one at a time: each must be found, or the test could not tell.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, create_engine, insert, select
from sqlalchemy.pool import StaticPool

from assistant.conversations.status import may_speak
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.conversations.store import resolve as resolve_conversation
from assistant.errors import Conflict
from assistant.escalation import commands, machine, presence, routing, store, sweeper
from assistant.escalation.sweeper import Rules
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.tables import agent, contact, conversation, event, metadata, site, task, task_event

START = 1_800_000_000_000
RULES = Rules(offer_ms=20_000, nobody_ms=120_000)
SITE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
STAFF = (("Anna", 1, ["en"]), ("Ben", 1, ["en", "zh"]), ("Cleo", 2, ["zh"]))
BOSS = "Rui"

agents = st.integers(0, 3)
anyone = st.integers(-6, 3)  # below zero: whoever is concerned, so that right moves are as frequent as wrong ones
talks = st.integers(0, 7)
epochs = st.sampled_from(["current", "current", "current", "earlier"])


def template() -> bytes:
    """A database with a shop and its staff, made once."""
    raw = sqlite3.connect(":memory:")
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.execute(insert(site).values(id=SITE, key="s", name="S", origins=[], holdout_salt="x", created_at=1))
        connection.execute(
            insert(contact).values(id=SITE, site_id=SITE, customer_key="k", name="Jonas", first_seen_at=START)
        )
        for number, (name, capacity, languages) in enumerate((*STAFF, (BOSS, 1, []))):
            connection.execute(
                insert(agent).values(
                    id=f"agent-{number}",
                    site_id=SITE,
                    login=name,
                    name=name,
                    password_hash="-",
                    role="supervisor" if name == BOSS else "agent",
                    languages=languages,
                    capacity=capacity,
                    created_at=1,
                )
            )
    data = raw.serialize()
    raw.close()
    return data


TEMPLATE = template()
PEOPLE = [
    Agent(f"agent-{number}", SITE, name, "supervisor" if name == BOSS else "agent", tuple(languages), (), capacity)
    for number, (name, capacity, languages) in enumerate((*STAFF, (BOSS, 1, [])))
]


class DeskMachine(RuleBasedStateMachine):
    """What may happen at a desk."""

    def __init__(self) -> None:
        super().__init__()
        self.raw = sqlite3.connect(":memory:", check_same_thread=False)
        self.raw.deserialize(TEMPLATE)
        engine = create_engine("sqlite://", creator=lambda: self.raw, poolclass=StaticPool)
        self.connection: Connection = engine.connect()
        self.now = START
        self.talks: list[str] = []
        self.done: dict[str, dict[str, Any]] = {}
        self.queued_at: dict[str, int] = {}
        self.histories: dict[str, tuple[int, dict[str, Any] | None, list[machine.Transition]]] = {}
        self.checked: dict[str, tuple[Any, ...]] = {}

    def teardown(self) -> None:
        self.connection.close()
        self.raw.close()

    # --- helpers ---

    def do(self, command: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs a command in its own transaction; gives what it gives, or the code of its refusal."""
        try:
            with self.connection.begin():
                return command(self.connection, *args, **kwargs)
        except Conflict as conflict:
            return conflict.reason

    def rows(self, query: Any) -> list[dict[str, Any]]:
        with self.connection.begin():
            return [dict(row) for row in self.connection.execute(query).mappings()]

    def row(self, conv: str) -> dict[str, Any]:
        return self.rows(select(conversation).where(conversation.c.id == conv))[0]

    def live(self) -> list[dict[str, Any]]:
        return self.rows(select(task).where(task.c.state != "done"))

    def task_of(self, conv: str) -> dict[str, Any] | None:
        found = self.rows(
            select(task).where(task.c.conversation_id == conv).order_by(task.c.created_at.desc(), task.c.id.desc())
        )
        return found[0] if found else None

    def conv(self, number: int) -> str:
        return self.talks[number % len(self.talks)]

    def full(self) -> list[Agent]:
        """Agents who hold as many conversations as they can."""
        load = Counter(row["agent_id"] for row in self.live() if row["state"] in ("assigned", "wrap_up"))
        return [person for person in PEOPLE if load[person.id] >= person.capacity]

    def in_state(self, state: str, number: int, who: int) -> str:
        """For `who` below zero a conversation whose task is in `state`, if there is one; else any."""
        found = [row["conversation_id"] for row in self.live() if row["state"] == state] if who < 0 else []
        return found[number % len(found)] if found else self.conv(number)

    def person(self, who: int, conv: str) -> Agent:
        """One of the staff; for `who` below zero the one who holds the conversation or to whom it is offered."""
        if who >= 0:
            return PEOPLE[who]
        found = self.task_of(conv)
        concerned = None if found is None else found["agent_id"] or found["offered_to"]
        return next((person for person in PEOPLE if person.id == concerned), PEOPLE[who % 4])

    def epoch(self, conv: str, which: str) -> int:
        return int(self.row(conv)["assign_epoch"]) - (which == "earlier")

    # --- contacts ---

    @initialize(who=st.sampled_from([0, 1, 2]), waiting=st.integers(1, 4), language=st.sampled_from(["en", "zh-CN"]))
    def one_agent_is_here_and_some_wait(self, who: int, waiting: int, language: str) -> None:
        self.do(presence.beat, PEOPLE[who].id, now=self.now)
        for _ in range(waiting):
            self.a_contact_asks_for_a_person(language, 100, "asked_for_human")

    @precondition(lambda self: len(self.talks) < 8)
    @rule(
        language=st.sampled_from(["en", "zh-CN"]),
        value=st.sampled_from([0, 100, 5_000_000]),
        reason=st.sampled_from(["asked_for_human", "legal"]),
    )
    def a_contact_asks_for_a_person(self, language: str, value: int, reason: str) -> None:
        conv = self.do(open_conversation, site_id=SITE, contact_id=SITE, locale=language, now=self.now)
        self.do(append, conv, NewEvent("contact", "message", body="hello"), now=self.now)
        self.talks.append(conv)
        self.do(store.escalate, conv, by="rule", reason=reason, now=self.now, value_at_stake=value)

    @precondition(lambda self: self.talks)
    @rule(number=talks)
    def the_same_contact_asks_again(self, number: int) -> None:
        conv = self.conv(number)
        over = self.row(conv)["status"] == "resolved"
        answer = self.do(store.escalate, conv, by="contact", reason="asked_for_human", now=self.now, cmid=str(uuid4()))
        assert (answer == "closed") == over

    @precondition(lambda self: self.talks)
    @rule(number=talks, sender=st.sampled_from(["contact", "bot"]))
    def contact_or_assistant_says_something(self, number: int, sender: str) -> None:
        conv = self.conv(number)
        held = self.row(conv)
        if may_speak(sender, status=held["status"], holder=held["holder"]):
            self.do(append, conv, NewEvent(sender, "message", body="and?"), now=self.now)

    @precondition(lambda self: self.talks)
    @rule(number=talks, seldom=st.sampled_from([True, False, False, False]))
    def the_contact_ends_it(self, number: int, seldom: bool) -> None:
        conv = self.conv(number)
        if self.row(conv)["status"] == "resolved" or not seldom:
            return

        def end(connection: Connection) -> None:
            commands.contact_ended(connection, conv, now=self.now)
            append(connection, conv, NewEvent("contact", "resolved", data={"by": "contact"}), now=self.now)
            resolve_conversation(connection, conv, now=self.now)

        assert self.do(end) is None

    # --- time ---

    @rule(seconds=st.sampled_from([0.001, 1, 5, 20, 31, 91]))
    def time_passes(self, seconds: float) -> None:
        self.now += int(seconds * 1000)

    @rule(seconds=st.sampled_from([0, 1, 5, 10, 20]))
    def everybody_works_on(self, seconds: int) -> None:
        """A stretch without absences: heartbeats and a sweep."""
        self.now += seconds * 1000
        for person in PEOPLE[: len(STAFF)]:
            self.do(presence.beat, person.id, now=self.now, state="available")
        self.a_sweep()

    @rule(who=agents, state=st.sampled_from([None, None, "available", "away"]))
    def a_heartbeat(self, who: int, state: Any) -> None:
        self.do(presence.beat, PEOPLE[who].id, now=self.now, state=state)

    @precondition(lambda self: any(row["state"] == "assigned" for row in self.live()))
    @rule(seldom=st.sampled_from([True, False]))
    def nobody_is_heard_of(self, seldom: bool) -> None:
        """Lease and grace of everybody run out."""
        if seldom:
            self.now += presence.LEASE_MS + presence.GRACE_MS
            self.a_sweep()

    @rule(who=agents)
    def a_log_out(self, who: int) -> None:
        self.do(presence.sign_off, PEOPLE[who].id, now=self.now)

    @rule()
    def a_sweep_comes(self) -> None:
        self.a_sweep()

    def a_sweep(self) -> None:
        before = {row["id"]: row for row in self.live()}
        self.do(sweeper.sweep, self.now, RULES)
        self.check_after_sweep(before)

    # --- agents ---

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks, with_offer=st.sampled_from([True, True, True, False]))
    def an_agent_accepts(self, who: int, number: int, with_offer: bool) -> None:
        conv = self.in_state("offered", number, who)
        found, person = self.task_of(conv), self.person(who, conv)
        if found is None:
            return
        offer = (found["offer_id"] or new_id()) if with_offer else None
        answer = self.do(commands.accept, person, found["id"], offer, now=self.now)
        if not isinstance(answer, str):
            mine = found["state"] == "offered" and found["offered_to"] == person.id and self.now < found["deadline"]
            assert mine or (found["state"] == "queued" and offer is None), "only what is offered in time, or queued"

    @precondition(lambda self: any(row["state"] == "offered" and row["deadline"] > self.now for row in self.live()))
    @rule(number=talks, around=st.sampled_from([-1, 0, 1]))
    def an_offer_is_accepted_around_its_deadline(self, number: int, around: int) -> None:
        found = [row for row in self.live() if row["state"] == "offered" and row["deadline"] > self.now]
        chosen = found[number % len(found)]
        self.now = max(self.now, chosen["deadline"] + around)
        person = next(one for one in PEOPLE if one.id == chosen["offered_to"])
        answer = self.do(commands.accept, person, chosen["id"], chosen["offer_id"], now=self.now)
        assert around < 0 or answer == "gone", "at its deadline an offer is over"

    @precondition(lambda self: self.full() and any(row["state"] == "queued" for row in self.live()))
    @rule(number=talks)
    def a_full_agent_wants_one_more(self, number: int) -> None:
        full = self.full()
        queued = [row for row in self.live() if row["state"] == "queued"]
        person = full[number % len(full)]
        assert self.do(commands.accept, person, queued[number % len(queued)]["id"], None, now=self.now) == "full"

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks)
    def an_agent_declines(self, who: int, number: int) -> None:
        found = self.task_of(self.conv(number))
        if found is not None:
            self.do(
                commands.decline,
                self.person(who, self.conv(number)),
                found["id"],
                found["offer_id"] or new_id(),
                now=self.now,
            )

    @precondition(lambda self: self.talks)
    @rule(who=agents, number=talks, seldom=st.sampled_from([True, False, False]))
    def an_agent_takes_over(self, who: int, number: int, seldom: bool) -> None:
        conv = self.conv(number)
        if not seldom:
            return
        before, held_by = self.row(conv), self.task_of(conv)
        answer = self.do(commands.take_over, PEOPLE[who], conv, now=self.now)
        if not isinstance(answer, str) and held_by is not None and held_by["state"] == "assigned":
            assert PEOPLE[who].supervises
            assert before["holder"] != PEOPLE[who].sender

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks, which=epochs)
    def an_agent_says_something(self, who: int, number: int, which: str) -> None:
        conv = self.in_state("assigned", number, who)
        person = self.person(who, conv)
        held = self.row(conv)
        epoch = self.epoch(conv, which)
        answer = self.do(commands.send, person, conv, cmid=str(uuid4()), body="hm", assign_epoch=epoch, now=self.now)
        allowed = held["holder"] == person.sender and which == "current" and held["status"] != "resolved"
        assert isinstance(answer, str) != allowed, answer

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks, which=epochs, resolved=st.booleans())
    def an_agent_lets_go(self, who: int, number: int, which: str, resolved: bool) -> None:
        conv = self.in_state("assigned", number, who)
        person = self.person(who, conv)
        common = {"assign_epoch": self.epoch(conv, which), "now": self.now}
        if resolved:
            self.do(commands.resolve, person, conv, disposition="solved", comment="", **common)
        else:
            self.do(commands.hand_back, person, conv, **common)

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks, which=epochs, to=agents, named=st.booleans())
    def an_agent_passes_it_on(self, who: int, number: int, which: str, to: int, named: bool) -> None:
        conv = self.in_state("assigned", number, who)
        person = self.person(who, conv)
        target = PEOPLE[to].id if named and PEOPLE[to] != person else None
        common = {"assign_epoch": self.epoch(conv, which), "now": self.now}
        self.do(commands.transfer, person, conv, to=target, cmid=str(uuid4()), text="", **common)

    @precondition(lambda self: self.talks)
    @rule(who=anyone, number=talks, which=epochs)
    def an_agent_sets_it_aside(self, who: int, number: int, which: str) -> None:
        conv = self.in_state("assigned", number, who)
        common = {"assign_epoch": self.epoch(conv, which), "now": self.now}
        self.do(commands.snooze, self.person(who, conv), conv, until=self.now + 30_000, **common)

    @precondition(lambda self: any(row["state"] == "wrap_up" for row in self.live()))
    @rule(who=anyone, number=talks)
    def a_wrap_up_is_finished(self, who: int, number: int) -> None:
        conv = self.in_state("wrap_up", number, -1)
        common = {"assign_epoch": self.epoch(conv, "current"), "now": self.now}
        self.do(commands.resolve, self.person(who, conv), conv, disposition="lost", comment="", **common)

    # --- invariants ---

    @invariant()
    def rows_agree(self) -> None:
        tasks = self.rows(select(task).order_by(task.c.created_at, task.c.id))
        convs = {row["id"]: row for row in self.rows(select(conversation))}
        logs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in self.rows(select(event).order_by(event.c.conversation_id, event.c.seq)):
            logs[one["conversation_id"]].append(one)
        moves = Counter(one["task_id"] for one in self.rows(select(task_event.c.task_id)))
        histories: defaultdict[str, list[str]] = defaultdict(list)
        live: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        load: Counter[str] = Counter()
        for row in tasks:
            history = self.check_task(row, convs[row["conversation_id"]], moves[row["id"]])
            histories[row["conversation_id"]] += [one.name for one in history]
            if row["state"] != "done":
                live[row["conversation_id"]].append(row)
            if row["state"] in ("assigned", "wrap_up"):
                load[row["agent_id"]] += 1
        for person in PEOPLE:
            assert load[person.id] <= person.capacity, "load exceeds capacity"
        for conv, row in convs.items():
            states = [one["state"] for one in live[conv]]
            match row["status"]:
                case "escalated":
                    assert len(states) == 1, "an escalated conversation is in exactly one state"
                    assert states[0] in ("queued", "offered", "assigned")
                case "resolved":
                    assert states in ([], ["wrap_up"])
                    assert row["holder"] == "bot"
                case _:
                    assert states == []
            holders = [f"agent:{one['agent_id']}" for one in live[conv] if one["state"] == "assigned"]
            assert row["holder"] == (holders[0] if holders else "bot"), "who may speak is who is assigned"
            now = (row["head"], len(logs[conv]), tuple(histories[conv]))
            if self.checked.get(conv) != now:
                self.check_transcript(
                    row, logs[conv], histories[conv], sum(one["conversation_id"] == conv for one in tasks)
                )
                self.checked[conv] = now

    def check_task(self, row: dict[str, Any], conv: dict[str, Any], moves: int) -> list[machine.Transition]:
        """What has happened to the task. It is read and replayed again only when something has."""
        task_id = row["id"]
        known, then, history = self.histories.get(task_id, (0, None, []))
        if (known, then) != (moves, row):
            history = self.do(store.transitions, task_id)
            replayed = machine.replay(task_id, history)
            assert replayed == store.to_task(row), "the row is what its transitions replay to"  # type: ignore[arg-type]
            self.histories[task_id] = (moves, row, history)
        assert self.queued_at.setdefault(task_id, row["queued_at"]) == row["queued_at"], "the original time is kept"
        if row["state"] == "offered":
            assert row["offered_to"]
            assert row["agent_id"] is None
        if row["state"] == "assigned":
            assert row["assign_epoch"] == conv["assign_epoch"]
            assert row["offer_id"] is None
        if row["state"] == "done":
            assert self.done.setdefault(task_id, row) == row, "what is done stays done"
        return history

    def check_transcript(
        self, row: dict[str, Any], events: list[dict[str, Any]], history: list[str], tasks: int
    ) -> None:
        assert [one["seq"] for one in events] == list(range(1, row["head"] + 1)), "no gap, no double"
        kinds = Counter(one["kind"] for one in events)
        taken = sum(name in ("accept", "claim", "takeover") for name in history)
        assert kinds["joined"] == taken, "one accept, one joined"
        assert kinds["waiting"] <= tasks, "told once"
        assert kinds["left"] <= history.count("lose") + history.count("transfer"), "told once"
        holder: str | None = None
        for one in events:
            if one["kind"] == "joined":
                holder = one["data"]["agent"]
            elif one["kind"] in ("left", "returned", "resolved"):
                holder = None
            elif one["kind"] == "message" and one["sender"] == "bot":
                assert holder is None, "the assistant is quiet while a person holds the conversation"
            elif one["kind"] == "message" and one["sender"].startswith("agent:"):
                name = next(person.name for person in PEOPLE if person.sender == one["sender"])
                assert name == holder, "agents speak only inside their own assignment"

    def check_after_sweep(self, before: dict[str, dict[str, Any]]) -> None:
        tasks = self.live()
        spoken = frozenset({"en", "zh"})
        with self.connection.begin():
            people = sweeper.colleagues(self.connection, SITE)
        queued = [sweeper.to_waiting(row) for row in tasks if row["state"] == "queued"]  # type: ignore[arg-type]
        for row in tasks:
            if row["state"] == "offered":
                assert row["deadline"] > self.now, "no offer outlives its deadline and a sweep"
            if row["state"] in ("assigned", "wrap_up"):
                here = self.rows(select(presence.presence).where(presence.presence.c.agent_id == row["agent_id"]))
                lease = here[0]["lease_until"] if here else row["assigned_at"] + presence.LEASE_MS
                assert lease + presence.GRACE_MS > self.now, "nobody stays with an agent who is gone"
            waited = self.now - row["queued_at"] >= RULES.nobody_ms
            if row["state"] in ("queued", "offered") and waited:
                assert row["told_waiting_at"] is not None, "nobody waits without a word"
        for one in queued:
            for person in people:
                assert not (
                    routing.is_free(person, self.now) and routing.suits(one, person, self.now, spoken=spoken)
                ), "no task waits beside a free agent"
        for row in tasks:
            if row["state"] != "offered" or (before.get(row["id"]) or {}).get("version") == row["version"]:
                continue
            offered = sweeper.to_waiting(row)  # type: ignore[arg-type]
            chosen = next(person for person in people if person.id == row["offered_to"])
            for one in queued:
                if routing.suits(one, chosen, self.now, spoken=spoken):
                    assert routing.order_key(offered) < routing.order_key(one), "first served is who is first"


def quick(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_the_invariants_hold_whatever_happens() -> None:
    run_state_machine_as_test(DeskMachine, settings=quick(60, 40))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_the_invariants_hold_in_the_long_run() -> None:
    run_state_machine_as_test(DeskMachine, settings=quick(2000, 50))


# --- faults put in on purpose ---------------------------------------------------------------------------------------


def late_accept(patch: pytest.MonkeyPatch) -> None:
    """An offer can be accepted after its deadline."""
    right = machine.decide

    def wrong(one: machine.Task, command: machine.Command, now: int) -> machine.Transition:
        return right(one, command, now - 60_000 if isinstance(command, machine.Accept) else now)

    patch.setattr(machine, "decide", wrong)


def no_capacity(patch: pytest.MonkeyPatch) -> None:
    """Nobody counts what an agent holds."""
    patch.setattr(commands, "_must_have_room", lambda connection, who: None)


def no_fence(patch: pytest.MonkeyPatch) -> None:
    """The epoch of a message is not looked at."""
    right = commands._must_speak
    patch.setattr(commands, "_must_speak", lambda held, who, epoch: right(held, who, held["assign_epoch"]))


def holder_kept(patch: pytest.MonkeyPatch) -> None:
    """A lost agent keeps the word."""
    patch.setattr(commands, "_give_to_bot", lambda connection, conversation_id, **values: None)


def new_queueing_time(patch: pytest.MonkeyPatch) -> None:
    """A task that comes back stands at the end."""
    right = store._columns

    def wrong(after: machine.Task, transition: machine.Transition) -> dict[str, object]:
        columns = right(after, transition)
        return columns | ({"queued_at": transition.at} if transition.name in ("decline", "expire", "lose") else {})

    patch.setattr(store, "_columns", wrong)


def last_come_first_served(patch: pytest.MonkeyPatch) -> None:
    """The queue is read from its end."""
    right = routing.in_order
    patch.setattr(routing, "in_order", lambda tasks: list(reversed(right(tasks))))


def offers_for_ever(patch: pytest.MonkeyPatch) -> None:
    """No offer ever runs out."""

    def wrong(*_: Any, **__: Any) -> commands.Moved:
        raise Conflict("not now", code="gone")

    patch.setattr(commands, "expire", wrong)


def unwritten_transition(patch: pytest.MonkeyPatch) -> None:
    """Snoozing leaves no trace."""
    right = store._write_down

    def wrong(connection: Connection, task_id: str, transition: machine.Transition) -> None:
        if transition.name != "snooze":
            right(connection, task_id, transition)

    patch.setattr(store, "_write_down", wrong)


def said_twice(patch: pytest.MonkeyPatch) -> None:
    """The contact is told twice that somebody joined."""
    right = commands._tell

    def wrong(connection: Connection, conversation_id: str, kind: str, data: dict[str, object], now: int) -> Any:
        if kind == "joined":
            right(connection, conversation_id, kind, data, now)
        return right(connection, conversation_id, kind, data, now)

    patch.setattr(commands, "_tell", wrong)


def picky_router(patch: pytest.MonkeyPatch) -> None:
    """One offer a sweep, however many agents are free."""
    right = sweeper.route
    patch.setattr(sweeper, "route", lambda *args: right(*args)[:1])


def anybody_displaces(patch: pytest.MonkeyPatch) -> None:
    """Every agent may take a conversation from a colleague."""
    right = machine.decide

    def wrong(one: machine.Task, command: machine.Command, now: int) -> machine.Transition:
        if isinstance(command, machine.TakeOver):
            command = dataclasses.replace(command, may_displace=True)
        return right(one, command, now)

    patch.setattr(machine, "decide", wrong)


FAULTS = [
    late_accept,
    no_capacity,
    no_fence,
    holder_kept,
    new_queueing_time,
    last_come_first_served,
    offers_for_ever,
    unwritten_transition,
    said_twice,
    picky_router,
    anybody_displaces,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_put_in_is_found(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(DeskMachine, settings=quick(400, 50))
