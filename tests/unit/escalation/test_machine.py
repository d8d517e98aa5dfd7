"""Every state × every command: what the table says, and Conflict with the right code where it says nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from assistant.errors import Conflict
from assistant.escalation import machine
from assistant.escalation.machine import TABLE, Task, Transition, decide, evolve, replay

NOW = 1_000_000
QUEUED = Task("T", "queued", 1, queued_at=NOW - 60_000)
OFFERED = replace(QUEUED, state="offered", version=2, offer_id="O1", offered_to="anna", deadline=NOW + 20_000)
ASSIGNED = replace(QUEUED, state="assigned", version=3, agent_id="anna", assign_epoch=7)
SNOOZED = replace(ASSIGNED, version=4, snoozed_until=NOW + 1000)
WRAP_UP = replace(ASSIGNED, state="wrap_up", version=4)
DONE = replace(ASSIGNED, state="done", version=5)
TASKS = {
    "queued": QUEUED,
    "offered": OFFERED,
    "assigned": ASSIGNED,
    "snoozed": SNOOZED,
    "wrap_up": WRAP_UP,
    "done": DONE,
}

COMMANDS = {
    "offer": machine.Offer("ben", "O2", NOW + 20_000),
    "accept": machine.Accept("anna", "O1", 8),
    "accept_other_offer": machine.Accept("anna", "O9", 8),
    "accept_other_agent": machine.Accept("ben", "O1", 8),
    "claim": machine.Claim("ben", 8),
    "takeover": machine.TakeOver("ben", 8),
    "takeover_supervisor": machine.TakeOver("ben", 8, may_displace=True),
    "takeover_own": machine.TakeOver("anna", 8, may_displace=True),
    "decline": machine.Decline("anna", "O1"),
    "decline_other": machine.Decline("ben", "O1"),
    "expire": machine.Expire(),
    "lose": machine.Lose("anna"),
    "lose_other": machine.Lose("ben"),
    "transfer": machine.Transfer("anna", 7, "ben", NOW + 60_000),
    "transfer_other": machine.Transfer("ben", 7),
    "transfer_stale": machine.Transfer("anna", 6),
    "snooze": machine.Snooze("anna", 7, NOW + 5000),
    "wake": machine.Wake(),
    "return": machine.Return("anna", 7),
    "return_stale": machine.Return("anna", 6),
    "end": machine.End(),
    "resolve": machine.Resolve("anna", 7, "solved"),
    "resolve_other": machine.Resolve("ben", 7, "solved"),
    "resolve_stale": machine.Resolve("anna", 6, "solved"),
    "forget": machine.Forget("anna"),
}

# What each command does: a state where it is legal, else the code of the conflict. Columns: TASKS, in order.
EXPECTED = {
    #                       queued        offered       assigned      snoozed       wrap_up       done
    "offer":               ("offered",    "!gone",      "!gone",      "!gone",      "!gone",      "!closed"),
    "accept":              ("!gone",      "assigned",   "!gone",      "!gone",      "!gone",      "!closed"),
    "accept_other_offer":  ("!gone",      "!gone",      "!gone",      "!gone",      "!gone",      "!closed"),
    "accept_other_agent":  ("!gone",      "!gone",      "!taken",     "!taken",     "!gone",      "!closed"),
    "claim":               ("assigned",   "!taken",     "!taken",     "!taken",     "!taken",     "!closed"),
    "takeover":            ("assigned",   "assigned",   "!taken",     "!taken",     "!gone",      "!closed"),
    "takeover_supervisor": ("assigned",   "assigned",   "assigned",   "assigned",   "!gone",      "!closed"),
    "takeover_own":        ("assigned",   "assigned",   "!taken",     "!taken",     "!gone",      "!closed"),
    "decline":             ("!gone",      "queued",     "!gone",      "!gone",      "!gone",      "!closed"),
    "decline_other":       ("!gone",      "!gone",      "!taken",     "!taken",     "!gone",      "!closed"),
    "expire":              ("!gone",      "!early",     "!gone",      "!gone",      "!gone",      "!closed"),
    "lose":                ("!gone",      "queued",     "queued",     "queued",     "!gone",      "!closed"),
    "lose_other":          ("!gone",      "!gone",      "!gone",      "!gone",      "!gone",      "!gone"),
    "transfer":            ("!not_holder", "!not_holder", "queued",   "queued",     "!gone",      "!closed"),
    "transfer_other":      ("!not_holder", "!not_holder", "!not_holder", "!not_holder", "!not_holder", "!closed"),
    "transfer_stale":      ("!not_holder", "!not_holder", "!stale",   "!stale",     "!stale",     "!closed"),
    "snooze":              ("!not_holder", "!not_holder", "assigned", "assigned",   "!gone",      "!closed"),
    "wake":                ("!gone",      "!gone",      "!gone",      "assigned",   "!gone",      "!gone"),
    "return":              ("!not_holder", "!not_holder", "done",     "done",       "!gone",      "!closed"),
    "return_stale":        ("!not_holder", "!not_holder", "!stale",   "!stale",     "!stale",     "!closed"),
    "end":                 ("done",       "done",       "wrap_up",    "wrap_up",    "!gone",      "!closed"),
    "resolve":             ("!not_holder", "!not_holder", "done",     "done",       "done",       "!closed"),
    "resolve_other":       ("!not_holder", "!not_holder", "!not_holder", "!not_holder", "!not_holder", "!closed"),
    "resolve_stale":       ("!not_holder", "!not_holder", "!stale",   "!stale",     "!stale",     "!closed"),
    "forget":              ("!gone",      "!gone",      "!gone",      "!gone",      "done",       "!closed"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", TASKS)
def test_every_state_and_command(state: str, command: str) -> None:
    expected = EXPECTED[command][list(TASKS).index(state)]
    task = TASKS[state]
    if expected.startswith("!"):
        with pytest.raises(Conflict) as conflict:
            decide(task, COMMANDS[command], NOW)
        assert conflict.value.reason == expected[1:]
    else:
        transition = decide(task, COMMANDS[command], NOW)
        after = evolve(task, transition)
        assert after.state == expected == TABLE[(task.state, transition.name)]
        assert after.version == task.version + 1
        assert after.queued_at == task.queued_at


def test_every_step_of_the_table_is_reached() -> None:
    reached = {
        (task.state, decide(task, command, NOW).name)
        for state, task in TASKS.items()
        for name, command in COMMANDS.items()
        if not EXPECTED[name][list(TASKS).index(state)].startswith("!")
    }
    due = replace(OFFERED, deadline=NOW)
    reached.add((due.state, decide(due, machine.Expire(), NOW).name))
    assert reached == {step for step in TABLE if step[0] is not None}


def test_done_stays_done() -> None:
    assert not [step for step in TABLE if step[0] == "done"]


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_at_the_deadline_exactly_one_of_accept_and_expire_is_possible(offset: int) -> None:
    now = NOW + 20_000 + offset
    possible = []
    for command in (machine.Accept("anna", "O1", 8), machine.Expire()):
        try:
            possible.append(decide(OFFERED, command, now).name)
        except Conflict:
            continue
    assert possible == (["accept"] if offset < 0 else ["expire"])


def test_an_offer_of_a_clock_that_was_set_back_can_be_ended() -> None:
    assert decide(OFFERED, machine.Expire(set_back=True), NOW - 3_600_000).name == "expire"


def test_a_decline_remembers_who_and_when_once() -> None:
    task = replace(OFFERED, declined=(("ben", 5), ("anna", 6)))
    after = evolve(task, decide(task, machine.Decline("anna", "O1"), NOW))
    assert after.declined == (("ben", 5), ("anna", NOW))
    assert (after.offer_id, after.offered_to, after.deadline) == (None, None, None)


def test_a_lost_task_goes_to_the_front_with_its_original_time() -> None:
    after = evolve(ASSIGNED, decide(ASSIGNED, machine.Lose("anna"), NOW))
    assert (after.state, after.priority, after.queued_at, after.agent_id) == (
        "queued",
        machine.FRONT,
        NOW - 60_000,
        None,
    )


def test_losing_never_lowers_a_priority() -> None:
    urgent = replace(ASSIGNED, priority=2.0)
    assert evolve(urgent, decide(urgent, machine.Lose("anna"), NOW)).priority == 2.0


def test_a_transfer_names_the_colleague_and_leaves_the_holder_out() -> None:
    after = evolve(ASSIGNED, decide(ASSIGNED, machine.Transfer("anna", 7, "ben", NOW + 9), NOW))
    assert (after.wanted_agent, after.wanted_until, after.declined) == ("ben", NOW + 9, (("anna", NOW),))


def test_replay_leads_to_the_same_task() -> None:
    first = Transition("queue", 1, "contact", NOW, {"reason": "asked_for_human", "priority": 2.0})
    task = evolve(None, first, task_id="T")
    history = [first]
    for command in (
        machine.Offer("anna", "O1", NOW + 20_000),
        machine.Decline("anna", "O1"),
        machine.Offer("ben", "O2", NOW + 20_000),
        machine.Accept("ben", "O2", 1),
        machine.Snooze("ben", 1, NOW + 9_000),
        machine.Wake(),
        machine.Transfer("ben", 1, "anna", NOW + 60_000),
        machine.Claim("anna", 2),
        machine.End(),
        machine.Resolve("anna", 2, "saved"),
    ):
        transition = decide(task, command, NOW)
        history.append(transition)
        task = evolve(task, transition)
    assert replay("T", history) == task
    assert (task.state, task.version, task.disposition, task.priority) == ("done", 11, "saved", 2.0)


def test_an_impossible_history_is_refused() -> None:
    with pytest.raises(Conflict):
        replay("T", [Transition("accept", 1, "anna", NOW, {"agent": "anna", "epoch": 1})])
