"""One customer turn from start to finish.

    load → embed once → score → pause for a burst → retrieve → seek words → decide, word and write in one transaction → tell

A turn always ends with one score row and one decision row, and with a reply, a person, or a stated reason for silence.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog
from sqlalchemy import Connection

from assistant.bus.hints import Bus
from assistant.conversations.store import NewEvent, append
from assistant.escalation.store import escalate
from assistant.ids import new_id
from assistant.outcomes import log as decision_log
from assistant.policy.decide import ESCALATE, NONE, VERSION
from assistant.policy.draws import seed_for
from assistant.policy.requests import asks_for_human
from assistant.policy.safety import safety_concern
from assistant.storage.engine import Storage
from assistant.turns import context, jobs, records, replies, wording
from assistant.turns.context import Turn
from assistant.turns.finder import Finder
from assistant.turns.groups import Groups
from assistant.turns.inference import Inference, Reading, Request
from assistant.turns.jobs import Job
from assistant.turns.look import look, written_again
from assistant.turns.metrics import TurnMetrics
from assistant.turns.options import Found
from assistant.turns.ports import Clock, LoadHistory, Unavailable
from assistant.turns.records import Evidence
from assistant.turns.rewording import reword
from assistant.turns.settle import LeaseLost, Rules, Settled, facts_of, is_holdout, settle
from assistant.turns.states import Kept, StateCache
from assistant.turns.wanted import Wanted
from assistant.writers.rephrasing import Writers

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """All that a turn works with, put together by the composition root."""

    storage: Storage
    bus: Bus
    inference: Inference
    finder: Finder
    states: StateCache
    metrics: TurnMetrics
    load_history: LoadHistory
    now: Clock
    rules: Rules
    burst_pause_ms: int
    attempts: int
    writers: Writers = field(default_factory=Writers)
    groups: Groups = field(default_factory=Groups)


async def handle_turn(job: Job, parts: Parts) -> Settled:
    """Handles a leased job.

    Raises LeaseLost when somebody else has it, and MessageGone when there is nothing to answer any more; anything else raised
    means: try again later.
    """
    started = time.perf_counter()
    parts.metrics.waited.observe(max(0, parts.now() - job.created_at) / 1000)
    served = parts.inference.served  # a swap meanwhile leaves this turn with the models that it began with
    kept = parts.states.before(job.conversation_id, job.seq, served.name)
    turn = await _load(job, parts, after=0 if kept is None else kept.seq)
    if kept is not None and kept.epoch != turn.conversation["epoch"]:  # restored or erased meanwhile
        kept, turn = None, await _load(job, parts, after=0)

    asked_at = time.perf_counter()
    parts.metrics.waiting.set(parts.inference.length)
    reading = await parts.inference.read(
        Request(
            None if kept is None else kept.state,
            turn.heard,
            turn.history,
            as_of=turn.at,
            served=served,
            customer=turn.contact["customer_key"],
        )
    )
    model_s = time.perf_counter() - asked_at
    parts.metrics.model.observe(model_s)
    if kept is not None and kept.unsaved:
        reading = replace(reading, embedded={**kept.unsaved, **reading.embedded})

    paused_s = await _pause(turn, parts)
    turn = replace(turn, standing=await parts.groups.standing(turn, parts.storage, parts.now()))
    evidence = Evidence(
        reading=reading,
        found=Found(),
        model=reading.model or parts.inference.model,
        fingerprint=parts.inference.fingerprint,
        model_ms=model_s * 1000,
        worked_ms=0.0,
    )
    evidence = replace(evidence, found=await parts.finder.find(_wanted(turn, evidence)))
    worked_s = time.perf_counter() - started - paused_s
    evidence = replace(evidence, worked_ms=worked_s * 1000)
    written_at = time.perf_counter()
    words = await reword(
        turn,
        evidence,
        storage=parts.storage,
        bus=parts.bus,
        rules=parts.rules,
        writers=parts.writers,
        now=parts.now,
    )
    paused_s += time.perf_counter() - written_at
    now = parts.now()
    settled = await parts.storage.write(
        lambda connection: settle(connection, turn, evidence, parts.rules, now=now, words=words)
    )

    _keep(turn, reading, parts, served.name, saved=True)
    _tell(turn, settled, parts, seconds=time.perf_counter() - started - paused_s)
    return settled


async def fall_back(job: Job, parts: Parts) -> Settled:
    """After the last try: says honestly that something went wrong, and calls a person. Needs the database and nothing else."""
    turn = await _load(job, parts, after=job.seq - 1)
    now = parts.now()
    settled = await parts.storage.write(lambda connection: _settle_without(connection, turn, parts, now))
    _tell(turn, settled, parts, seconds=0.0)
    return settled


def _keep(turn: Turn, reading: Reading, parts: Parts, model: str, *, saved: bool) -> None:
    """Remembers the model's state for the next turn; what is late is remembered when it comes."""
    if reading.late is not None:
        asyncio.wrap_future(reading.late).add_done_callback(
            lambda late: None if late.cancelled() else _keep(turn, late.result(), parts, model, saved=False)
        )
    if reading.state is not None:
        unsaved = {} if saved else reading.embedded
        epoch = turn.conversation["epoch"]
        parts.states.put(turn.job.conversation_id, Kept(turn.job.seq, epoch, model, reading.state, unsaved))


async def _load(job: Job, parts: Parts, *, after: int) -> Turn:
    return await parts.storage.read(
        lambda connection: context.load(
            connection, job, after=after, fingerprint=parts.inference.fingerprint, load_history=parts.load_history
        )
    )


async def _pause(turn: Turn, parts: Parts) -> float:
    """Waits until the contact has been quiet for the pause, or has written again. Returns the seconds waited.

    There is no waiting for what will not be answered by the burst: a call for a person, or a conversation that an agent holds.
    """
    if turn.conversation["holder"] != "bot" or asks_for_human(turn.text) or safety_concern(turn.text):
        return 0.0
    started = time.perf_counter()
    until = turn.at + parts.burst_pause_ms
    with parts.bus.subscribe(f"conv:{turn.job.conversation_id}") as hints:
        while (left := until - parts.now()) > 0:
            if await parts.storage.read(lambda connection: written_again(connection, turn.job)):
                break
            await hints.wait(min(left / 1000, 2.0))
    return time.perf_counter() - started


def _wanted(turn: Turn, evidence: Evidence) -> Wanted:
    known = set(replies.slots(facts_of(turn)))
    if turn.contact["verified"] and not is_holdout(turn):
        known |= replies.OFFER_SLOTS
    vector = evidence.reading.turn_vector
    return Wanted(
        site_id=turn.site["id"],
        text=turn.text,
        vector=None if isinstance(vector, Unavailable) else vector,
        language=turn.language,
        region=turn.contact["region"],
        band=evidence.band,
        reasons=() if evidence.score is None else tuple(reason for reason, _ in evidence.score.reasons),
        known=frozenset(known),
        product_slots=replies.PRODUCT_SLOTS,
        verified=turn.contact["verified"],
        has_order=turn.shopping.order is not None,
        shopping=turn.shopping,
        at=turn.at,
        before=turn.before,
        last_said=turn.last_said,
        tenure_days=context.tenure_days(turn.history, turn.at),
        value_year=None if turn.history is None else context.turnover(turn.history, turn.at),
    )


def _settle_without(connection: Connection, turn: Turn, parts: Parts, now: int) -> Settled:
    """The fallback's transaction: no model, no retrieval, no policy but the rule `failed`."""
    job = turn.job
    if not jobs.holds(connection, job):
        raise LeaseLost
    seen = look(connection, turn, now=now, offers=False)
    if seen.decided:
        jobs.finish(connection, job, now=now)
        return Settled("none", "", already=True)
    failed = Unavailable("turn_failed")
    evidence = Evidence(Reading(failed, failed), Found(), parts.inference.model, parts.inference.fingerprint, 0.0, 0.0)
    silent = seen.holder != "bot" or seen.later or seen.status == "resolved"
    action, rule = (NONE, "unanswered") if silent else (ESCALATE, "failed")
    records.write_score(connection, turn, evidence, now)
    reply_seq = None
    if not silent:
        said = NewEvent("bot", "message", body=wording.handoff("failed", turn.language), reply_to=job.seq)
        reply_seq = append(connection, job.conversation_id, said, now=now).seq
        escalate(connection, job.conversation_id, by="bot", reason="failed", now=now)
    decision_log.write(
        connection,
        {
            **records.decision_columns(turn, evidence, now),
            "id": new_id(),
            "features": {},
            "versions": {"policy": VERSION, "model": evidence.model, "encoder": evidence.fingerprint},
            "eligible": [action.key],
            "probabilities": [1.0],
            "values": [0.0],
            "ineligible": [],
            "action": action.key,
            "kind": action.kind,
            "propensity": 1.0,
            "explored": False,
            "floor": parts.rules.floor,
            "seed": seed_for(parts.rules.secret, job.conversation_id, job.seq, VERSION),
            "holdout": is_holdout(turn),
            "overrides": [rule],
            "candidates": [],
            "cost": 0,
            "reply_seq": reply_seq,
            "delivered_at": None if silent else now,
            "not_delivered": rule if silent else None,
        },
    )
    if not jobs.finish(connection, job, now=now):
        raise LeaseLost
    return Settled(action.kind, rule, evidence.degraded, reply_seq, escalated=not silent)


def _tell(turn: Turn, settled: Settled, parts: Parts, *, seconds: float) -> None:
    """Hints, counters and one line, after the commit."""
    parts.bus.publish(f"conv:{turn.job.conversation_id}")
    parts.bus.publish(f"desk:{turn.site['id']}")
    if settled.already:
        return
    parts.metrics.turns.labels(settled.kind, settled.rule).inc()
    parts.metrics.latency.observe(seconds)
    for reason in settled.degraded:
        parts.metrics.degraded.labels(reason).inc()
    log.info(
        "turn_settled",
        conversation=turn.job.conversation_id,
        seq=turn.job.seq,
        kind=settled.kind,
        rule=settled.rule,
        degraded=list(settled.degraded),
        ms=round(seconds * 1000, 1),
    )
