"""The one transaction of a turn: decide on what is true now, and write score, vectors, decision, reply and escalation together.

Deciding inside the transaction that acts makes a decision and what it was based on one thing: nobody can take the conversation
over, write another message or spend the wallet between the two. It is a millisecond of arithmetic on the writer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog
from sqlalchemy import Connection, insert

from assistant.conversations.store import NewEvent, append
from assistant.escalation.store import escalate
from assistant.ids import new_id
from assistant.outcomes import log as decision_log
from assistant.policy import priors, unusual
from assistant.policy.abuse import why_no_benefit
from assistant.policy.answers import agrees, offers_person
from assistant.policy.decide import decide, version
from assistant.policy.draws import draw_from, seed_for
from assistant.policy.holdout import in_holdout
from assistant.policy.requests import asks_for_human
from assistant.policy.safety import safety_concern
from assistant.policy.types import Decision, DecisionContext, Option
from assistant.storage.tables import wallet_entry
from assistant.turns import context, jobs, options, records, replies, wording
from assistant.turns.context import Turn
from assistant.turns.look import Look, look, unhappy_replies
from assistant.turns.options import Found, Situation
from assistant.turns.ports import Uplift
from assistant.turns.records import Evidence
from assistant.turns.replies import Facts, Reply, ReplyFault
from assistant.writers.rephrasing import Worded
from retrieval.documents import Script
from risk.anomaly.detector import Detector

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another worker has the turn now; nothing was written."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the installation sets about decisions."""

    secret: bytes
    floor: float
    temperature: int  # minor units
    uplift: Uplift | None = None  # None: the prior table
    detector: Detector | None = None  # of unusual behaviour; None: nobody is found unusual

    @property
    def version(self) -> str:
        """The policy in force."""
        return version(None if self.uplift is None else self.uplift.version)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was written, for hints, metrics and logs."""

    kind: str
    rule: str
    degraded: tuple[str, ...] = ()
    reply_seq: int | None = None
    escalated: bool = False
    already: bool = False  # the turn had been settled before


@dataclass(frozen=True, slots=True)
class Made:
    """A decision with all that it was made of, ready to be written."""

    decision_id: str
    seed: str
    weighed: DecisionContext
    decision: Decision
    reply: Reply | None
    features: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Words:
    """A reply in other words than its template's. They go out only where the decision still says what they were made from."""

    action: str
    template: str
    worded: Worded


def settle(
    connection: Connection, turn: Turn, evidence: Evidence, law: Rules, *, now: int, words: Words | None = None
) -> Settled:
    """Decides and writes. Raises LeaseLost when the job is no longer this worker's."""
    if not jobs.holds(connection, turn.job):
        raise LeaseLost
    made = make(connection, turn, evidence, law, now=now)
    if made is None:
        jobs.finish(connection, turn.job, now=now)
        return Settled("none", "", already=True)
    writer = evidence.writer
    if words is not None and made.reply is not None:
        if words.worded.text is None:
            evidence = replace(evidence, unworded=f"writer_{words.worded.reason}")
        elif (words.action, words.template) == (made.decision.action.key, made.reply.body):
            made = replace(made, reply=replace(made.reply, body=words.worded.text))
            writer = words.worded.writer
    return _write(connection, turn, replace(evidence, writer=writer), law, made, now)


def make(connection: Connection, turn: Turn, evidence: Evidence, law: Rules, *, now: int) -> Made | None:
    """The decision on what is true now, worded by the template; None when the turn has one already. Only reads."""
    holdout = is_holdout(turn)
    seen = look(connection, turn, now=now, offers=not holdout and evidence.band != "low")
    if seen.decided:
        return None
    seed = seed_for(law.secret, turn.job.conversation_id, turn.job.seq, law.version)
    customer_value = _customer_value(turn)
    judged = None if law.detector is None else law.detector.judge(turn.history, turn.at)
    features = records.features(turn, evidence, seen, customer_value=customer_value, judged=judged)
    nudge = _nudge(turn, law, holdout)
    features |= records.fairness(turn, nudge)
    suspect = why_no_benefit(seen.signals, turn.text, now)
    if suspect is None and judged is not None and judged.unusual:
        suspect = unusual.RULE
    situation = _situation(turn, evidence, seen, _learned(law, evidence, features), suspect, now)
    table = options.build(evidence.found, situation)
    decision_id = new_id()
    facts = facts_of(turn)
    while True:
        weighed = replace(_weighed(turn, evidence, seen, table, law, holdout, customer_value), offer_nudge=nudge)
        decision = decide(weighed, draw_from(seed))
        try:
            reply = _word(decision, turn, evidence, situation, facts, decision_id, now)
        except ReplyFault as fault:  # a defect of the playbook: take the option away and decide again
            log.warning(
                "script_refused", conversation=turn.job.conversation_id, seq=turn.job.seq, fault=str(fault)[:200]
            )
            table = tuple(_without(option, decision.action.key) for option in table)
            continue
        break
    return Made(decision_id, seed, weighed, decision, reply, features)


def is_holdout(turn: Turn) -> bool:
    """Whether the customer of the turn is never treated."""
    return in_holdout(turn.contact["customer_key"], turn.site["holdout_salt"], turn.site["holdout_rate"])


def facts_of(turn: Turn) -> Facts:
    """What may be said about the customer of the turn."""
    return Facts(
        language=turn.language,
        site_name=turn.site["name"],
        currency=turn.site["currency"],
        timezone=str(turn.site["settings"].get("timezone", "UTC")),
        name=turn.contact["name"] if turn.contact["verified"] else None,
        order=turn.shopping.order,
        return_no=turn.shopping.return_no,
        wait_s=turn.wait_s,
    )


def _situation(
    turn: Turn, evidence: Evidence, seen: Look, learned: Mapping[str, float], suspect: str | None, now: int
) -> Situation:
    return Situation(
        band=evidence.band,
        prices=priors.PRICES.scaled(priors.SCALE.get(turn.site["currency"], 1.0)),
        sent=seen.sent,
        last_family=seen.last_family,
        shown=seen.shown,
        clarifies=seen.clarifies,
        agents_available=seen.agents_available,
        queue_length=seen.queue_length,
        wallet=seen.wallet,
        verified=turn.contact["verified"],
        waiting=_waiting(seen),
        suspect=suspect,
        now=now,
        learned=learned,
    )


def _learned(law: Rules, evidence: Evidence, features: Mapping[str, float | None]) -> Mapping[str, float]:
    """Effects for this customer; without a score the learned model would guess, so the prior stands."""
    if law.uplift is None or evidence.score is None:
        return {}
    return law.uplift.effects({**features, "score": evidence.score.churn})


def _customer_value(turn: Turn) -> int:
    """Expected margin of the year ahead, minor units."""
    least = priors.DEFAULT_VALUE * priors.SCALE.get(turn.site["currency"], 1.0)
    margin = context.setting(turn.site, "margin", priors.MARGIN)
    return max(round(least), round(margin * context.turnover(turn.history, turn.at)))


def _temperature(turn: Turn, law: Rules) -> float:
    """In minor units of the site's currency."""
    return law.temperature * priors.SCALE.get(turn.site["currency"], 1.0)


def _nudge(turn: Turn, law: Rules, holdout: bool) -> float:
    """What the shop's wish for like offer rates adds to an offer's worth; the holdout gets none, whatever the rates."""
    return 0.0 if turn.standing is None or holdout else turn.standing.nudge(_temperature(turn, law))


def _weighed(
    turn: Turn,
    evidence: Evidence,
    seen: Look,
    table: tuple[Option, ...],
    law: Rules,
    holdout: bool,
    customer_value: int,
) -> DecisionContext:
    found = evidence.score
    return DecisionContext(
        options=table,
        risk=None if found is None else found.churn,
        band=evidence.band,
        dissatisfaction=None if found is None else found.dissatisfaction,
        need_human=None if found is None else found.need_human,
        asks_for_human=asks_for_human(turn.text) or (offers_person(turn.last_said) and agrees(turn.text)),
        safety=safety_concern(turn.text) or options.concern(evidence.found),
        customer_value=customer_value,
        holdout=holdout,
        holder=seen.holder,
        superseded=seen.later,
        bot_replies_in_a_row=unhappy_replies(seen, None if found is None else found.dissatisfaction, turn.repeats),
        agents_available=seen.agents_available,
        queue_length=seen.queue_length,
        floor=law.floor,
        temperature=_temperature(turn, law),
        verified=turn.contact["verified"],
        waiting=_waiting(seen),
        resolved=seen.status == "resolved",
        clarifies_in_a_row=seen.clarifies,
        needs_person=options.needs_person(evidence.found),
        uplift_version=None if law.uplift is None else law.uplift.version,
    )


def _waiting(seen: Look) -> bool:
    return seen.status == "escalated" and seen.holder == "bot"


def _without(option: Option, key: str) -> Option:
    return replace(option, why_not="wording") if option.key == key else option


def _word(
    decision: Decision,
    turn: Turn,
    evidence: Evidence,
    situation: Situation,
    facts: Facts,
    decision_id: str,
    now: int,
) -> Reply | None:
    """The bot event of a decision; None for silence. Raises ReplyFault when the chosen script cannot be worded."""
    action = decision.action
    known = replies.slots(facts)
    if action.kind == "none":
        return None
    if action.kind == "escalate":
        return _handoff(decision.escalation_reason or "", situation, evidence.found, turn.language, known)
    if action.kind == "clarify":
        asked = options.clarifying_script(evidence.found, situation)
        if asked is None:
            quick = {"quick_replies": [wording.PERSON[turn.language]]}
            return Reply("message", wording.CLARIFY[turn.language], quick)
        return _with_guesses(replies.message(asked, known), evidence.found, turn.language)
    script = _script(evidence.found, action)
    if script.offer is not None:
        known |= replies.offer_slots(script.offer, facts, now)
    shown = options.shown_products(evidence.found)
    known |= replies.product_slots(shown, turn.language)
    if action.kind == "offer":
        return replies.offer(script, known, decision_id=decision_id, currency=facts.currency, now=now)
    if action.kind == "recommend":
        return replies.products(script, known, shown)
    return replies.message(script, known)


def _with_guesses(asked: Reply, found: Found, language: str) -> Reply:
    """A clarifying question whose buttons are what the customer may have meant, where anything is likely at all."""
    guesses = [text for text in options.guesses(found) if len(text) <= replies.QUICK_REPLY]
    if not guesses:
        return asked
    return replace(asked, data={**asked.data, "quick_replies": [*guesses, wording.PERSON[language]]})


def _script(found: Found, action: Option) -> Script:
    for candidate in found.scripts:
        if candidate.id == action.document_id and isinstance(candidate.document, Script):
            return candidate.document
    for script in found.onward:
        if script.id == action.document_id:
            return script
    raise ReplyFault(f"{action.key}: its script is gone")


def _handoff(reason: str, situation: Situation, found: Found, language: str, known: Mapping[str, str]) -> Reply:
    """A short word before a person comes; when the playbook's cannot be used, the built-in one."""
    intent = wording.HANDOFF_INTENTS.get(reason, reason)
    script = found.handoff.get(intent)
    if situation.agents_available == 0 and intent in ("asks_human", "going_in_circles"):
        script = found.handoff.get("no_agent", script)
    if script is None:
        script = next(
            (c.document for c in found.scripts if isinstance(c.document, Script) and c.document.intent == intent), None
        )
    if script is not None:
        try:
            return replies.message(script, known)
        except ReplyFault as fault:
            log.warning("script_refused", fault=str(fault)[:200])
    return Reply("message", wording.handoff(reason, language))


# --- writing --------------------------------------------------------------------------------------------------------


def _write(connection: Connection, turn: Turn, evidence: Evidence, law: Rules, made: Made, now: int) -> Settled:
    decision, reply = made.decision, made.reply
    job = turn.job
    records.write_score(connection, turn, evidence, now)
    records.write_vectors(connection, turn, evidence)
    reply_seq = None
    if reply is not None:
        said = NewEvent("bot", reply.kind, body=reply.body, data=reply.data, reply_to=job.seq)
        reply_seq = append(connection, job.conversation_id, said, now=now).seq
    if decision.action.kind == "escalate":
        escalate(connection, job.conversation_id, by="bot", reason=decision.escalation_reason or "loop", now=now)
    cost = _spend(connection, turn, decision, evidence.found, made.decision_id, now)
    decision_log.write(
        connection,
        {
            **records.decision_columns(turn, evidence, now),
            "id": made.decision_id,
            "features": dict(made.features),
            "versions": records.versions(evidence, decision.policy_version, made.weighed, law.detector)
            | records.group(turn),
            "eligible": [option.key for option in decision.eligible],
            "probabilities": list(decision.probabilities),
            "values": list(decision.values),
            "ineligible": [{"action": key, "why": why} for key, why in decision.ineligible],
            "action": decision.action.key,
            "kind": decision.action.kind,
            "propensity": decision.propensity,
            "explored": decision.explored,
            "floor": law.floor,
            "seed": made.seed,
            "holdout": made.weighed.holdout,
            "overrides": list(decision.overrides),
            "candidates": records.candidates(evidence.found, made.weighed.options),
            "cost": cost,
            "reply_seq": reply_seq,
            "delivered_at": now if reply_seq is not None else None,
            "not_delivered": None if reply_seq is not None else ",".join(decision.overrides)[:80],
        },
    )
    if not jobs.finish(connection, job, now=now):
        raise LeaseLost
    return Settled(
        kind=decision.action.kind,
        rule=decision.overrides[0] if decision.forced else "",
        degraded=evidence.degraded,
        reply_seq=reply_seq,
        escalated=decision.action.kind == "escalate",
    )


def _spend(connection: Connection, turn: Turn, decision: Decision, found: Found, decision_id: str, now: int) -> int:
    """Takes a shown offer out of the wallet and returns what it may cost."""
    if decision.action.kind != "offer":
        return 0
    offer = _script(found, decision.action).offer
    if offer is None:
        return 0
    connection.execute(
        insert(wallet_entry).values(
            id=new_id(),
            site_id=turn.site["id"],
            contact_id=turn.contact["id"],
            decision_id=decision_id,
            offer_id=offer.id,
            state="shown",
            amount=offer.cost,
            at=now,
        )
    )
    return offer.cost
