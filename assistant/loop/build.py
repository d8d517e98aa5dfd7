"""The training set of a site, read from the database as it was known at one moment, in shards; what was said is redacted.

Point in time, twice over: what happened after a conversation is no part of its history, and what the shop told us after the moment
is no part of the set, so that building it again later gives the same bytes. So does building it in more processes: a shard is a
number of conversations, cut without knowing who will work on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from assistant.conversations.redaction import redact
from assistant.conversations.transcripts import spoken
from assistant.outcomes.attribution import outcomes_of, plain
from assistant.outcomes.corrections import DAY_MS
from assistant.outcomes.maturity import LAG_DAYS
from assistant.shop.history import load_history
from assistant.storage.connections import connect
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, conversation, decision, outcome, site
from risk.conversation.data import Conversation
from risk.dataset import files, rows, treated
from risk.dataset.rows import Case, Part
from risk.scale.shards import HERE, Place, Progress, stream
from risk.types import ContactRecord, History, Message, Role

SHARD: Final = 250  # conversations


@dataclass(frozen=True, slots=True)
class Reading:
    """What a worker needs to know: the database, the site, the moment (UTC ms), the label."""

    url: str
    site_id: str
    as_of: int
    horizon_days: int

    @property
    def label(self) -> str:
        """The outcome that is the label."""
        return f"inactive_{self.horizon_days}"


def build(
    storage: Storage,
    parent: Path,
    *,
    site_id: str,
    as_of: int,
    horizon_days: int,
    place: Place = HERE,
    progress: Progress | None = None,
) -> Path:
    """Write the training set of a site as of `as_of` (UTC ms) under `parent`; its folder. Raises `ShardFailed`, `DataRefused`."""
    key, shards = storage.read_sync(lambda connection: _shards(connection, site_id, as_of))
    reading = Reading(storage.url, site_id, as_of, horizon_days)
    parts = stream(place, shard, reading, shards, progress, name=lambda ids: f"conversations {ids[0]} to {ids[-1]}")
    return files.write(parent, site=key, as_of=as_of, horizon_days=horizon_days, parts=parts)


def _shards(connection: Connection, site_id: str, as_of: int) -> tuple[str, list[tuple[str, ...]]]:
    """The site's key, and the ids of its conversations, oldest first."""
    key = connection.execute(select(site.c.key).where(site.c.id == site_id)).scalar_one()
    begun = select(conversation.c.id).where(conversation.c.site_id == site_id, conversation.c.created_at <= as_of)
    ids = list(connection.execute(begun.order_by(conversation.c.id)).scalars())
    return str(key), [tuple(ids[start : start + SHARD]) for start in range(0, len(ids), SHARD)]


def shard(reading: Reading, ids: tuple[str, ...]) -> Part:
    """The work on one shard, in whatever process."""
    engine = connect(reading.url, read_only=True)
    try:
        with engine.connect() as connection:
            return _part(connection, reading, ids)
    finally:
        engine.dispose()


def _part(connection: Connection, reading: Reading, ids: Sequence[str]) -> Part:
    log = _log(connection, reading, ids)
    heads = _heads(connection, ids)
    cases: list[Case] = []
    still_open: list[Case] = []
    left_out: Counter[str] = Counter()
    for conversation_id, decisions in log.items():
        head = heads[conversation_id]
        left = _label(decisions, reading.label)
        if left is None:
            left_out[f"conversations without a known {reading.label}"] += 1
            if not _is_open(head, decisions, reading):
                continue
        talk, seqs = _talk(connection, head, reading.as_of)
        ended = max((m.at_ms or 0 for m in talk.messages if m.role == "contact"), default=None)
        if ended is None:
            if left is not None:
                left_out["conversations that were erased"] += 1
            continue
        found = treated.of(decisions)
        (cases if left is not None else still_open).append(
            Case(
                conversation=talk,
                seqs=seqs,
                history=_history(connection, head, reading, ended),
                left=nan if left is None else left,
                treated=found.treated,
                weight=found.weight,
                holdout=any(row["holdout"] for row in decisions),
            )
        )
    logged = [row for decisions in log.values() for row in decisions]
    return rows.part(logged, cases, still_open=still_open, left_out=left_out)


def _log(connection: Connection, reading: Reading, ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Decisions by conversation, with the outcomes that were known; corrections that came later have not happened yet."""
    made = connection.execute(
        select(decision)
        .where(decision.c.conversation_id.in_(ids), decision.c.ts_decision <= reading.as_of)
        .order_by(decision.c.conversation_id, decision.c.seq)
    ).mappings()
    found = [plain(row) for row in made]
    outcomes = outcomes_of(connection, [row["id"] for row in found]) if found else {}
    log: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        known = [one for one in outcomes[row["id"]] if one["ts_ingested"] <= reading.as_of]
        log.setdefault(row["conversation_id"], []).append(row | {"outcomes": known})
    return log


def _heads(connection: Connection, ids: Sequence[str]) -> dict[str, RowMapping]:
    """Of each conversation: language, and who the contact is."""
    found = connection.execute(
        select(
            conversation.c.id,
            conversation.c.locale,
            conversation.c.contact_id,
            contact.c.customer_key,
            contact.c.external_id,
            contact.c.verified,
        )
        .join(contact, contact.c.id == conversation.c.contact_id)
        .where(conversation.c.id.in_(ids))
    ).mappings()
    return {row["id"]: row for row in found}


def _label(decisions: Sequence[Mapping[str, Any]], label: str) -> float | None:
    """The label as it stood, after corrections."""
    found = [row for decision in decisions for row in decision["outcomes"]]
    replaced = {row["supersedes"] for row in found if row["supersedes"]}
    values = [row["value"] for row in found if row["type"] == label and row["id"] not in replaced]
    return float(values[-1]) if values and values[-1] in (0.0, 1.0) else None


def _is_open(head: RowMapping, decisions: Sequence[Mapping[str, Any]], reading: Reading) -> bool:
    """Whether the label is still to come: of a customer whom the shop knew by then, within window and lag."""
    last = decisions[-1]
    known = head["external_id"] and head["verified"] and last["customer_key"] == head["customer_key"]
    return bool(known) and last["ts_decision"] + (reading.horizon_days + LAG_DAYS) * DAY_MS > reading.as_of


def _talk(connection: Connection, head: RowMapping, as_of: int) -> tuple[Conversation, tuple[int, ...]]:
    said = spoken(connection, head["id"], until=as_of)
    messages = tuple(Message(_role(row["sender"]), redact(row["body"]), row["at"]) for row in said)
    talk = Conversation(
        head["id"],
        "zh" if head["locale"].lower().startswith("zh") else "en",
        messages,
        (None,) * len(messages),
        customer=head["customer_key"],
    )
    return talk, tuple(row["seq"] for row in said)


def _role(sender: str) -> Role:
    return "agent" if sender.startswith("agent:") else "bot" if sender == "bot" else "contact"


def _history(connection: Connection, head: RowMapping, reading: Reading, ended: int) -> History:
    """What was known of the customer when the conversation ended, without what became known after the moment."""
    until = min(ended, reading.as_of)
    past = load_history(connection, site_id=reading.site_id, contact_id=head["contact_id"], as_of=until)
    if past is None:
        return History()
    # A rating may come long after its conversation: it counts from when the log learnt it.
    rated = set(
        connection.execute(
            select(conversation.c.created_at)
            .join(outcome, outcome.c.conversation_id == conversation.c.id)
            .where(
                outcome.c.customer_key == head["customer_key"],
                outcome.c.type == "csat",
                outcome.c.ts_ingested <= until,
            )
        ).scalars()
    )
    contacts = tuple(
        one if one.ts_event in rated else ContactRecord(one.ts_event, one.ts_ingested, None, one.escalated)
        for one in past.contacts
    )
    return replace(past, contacts=contacts)
