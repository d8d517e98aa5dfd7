"""The training set of a site, read from the database as it was known at one moment; what was said is redacted.

Point in time, twice over: what happened after a conversation is no part of its history, and what the shop told us after the moment
is no part of the set, so that building it again later gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from assistant.conversations.redaction import redact
from assistant.conversations.transcripts import spoken
from assistant.outcomes.export import rows_of
from assistant.shop.history import load_history
from assistant.storage.tables import contact, conversation, outcome, site
from risk.conversation.data import Conversation
from risk.dataset import files, treated
from risk.dataset.files import Case
from risk.types import ContactRecord, History, Message, Role


@dataclass(slots=True)
class _Log:
    """The decisions of a site, by conversation, and why a conversation is no case."""

    by_conversation: dict[str, list[dict[str, Any]]]
    left_out: Counter[str]


def build(connection: Connection, parent: Path, *, site_id: str, as_of: int, horizon_days: int) -> Path:
    """Write the training set of a site as of `as_of` (UTC ms) under `parent`; its folder."""
    key = connection.execute(select(site.c.key).where(site.c.id == site_id)).scalar_one()
    decisions = [_known(row, as_of) for row in rows_of(connection, what="both", site_id=site_id, until=as_of + 1)]
    log = _Log({}, Counter())
    for row in decisions:
        log.by_conversation.setdefault(row["conversation_id"], []).append(row)
    cases = list(_cases(connection, log, site_id=site_id, as_of=as_of, label=f"inactive_{horizon_days}"))
    return files.write(
        parent,
        site=key,
        as_of=as_of,
        horizon_days=horizon_days,
        decisions=decisions,
        cases=cases,
        left_out=log.left_out,
    )


def _known(row: dict[str, Any], as_of: int) -> dict[str, Any]:
    """A decision with the outcomes that were known by then; corrections that came later have not happened yet."""
    return row | {"outcomes": [found for found in row["outcomes"] if found["ts_ingested"] <= as_of]}


def _cases(connection: Connection, log: _Log, *, site_id: str, as_of: int, label: str) -> Iterator[Case]:
    for conversation_id, decisions in sorted(log.by_conversation.items()):
        left = _label(decisions, label)
        if left is None:
            log.left_out[f"conversations without a known {label}"] += 1
            continue
        talk, seqs = _talk(connection, conversation_id, as_of)
        if not any(message.role == "contact" for message in talk.messages):
            log.left_out["conversations that were erased"] += 1
            continue
        ended = next(m.at_ms for m in reversed(talk.messages) if m.role == "contact") or 0
        found = treated.of(decisions)
        yield Case(
            conversation=talk,
            seqs=seqs,
            history=_history(connection, conversation_id, site_id=site_id, ended=ended, as_of=as_of),
            left=left,
            treated=found.treated,
            weight=found.weight,
            holdout=any(row["holdout"] for row in decisions),
        )


def _label(decisions: Sequence[Mapping[str, Any]], label: str) -> float | None:
    """The label as it stood, after corrections."""
    found = [row for decision in decisions for row in decision["outcomes"]]
    replaced = {row["supersedes"] for row in found if row["supersedes"]}
    values = [row["value"] for row in found if row["type"] == label and row["id"] not in replaced]
    return float(values[-1]) if values and values[-1] in (0.0, 1.0) else None


def _talk(connection: Connection, conversation_id: str, as_of: int) -> tuple[Conversation, tuple[int, ...]]:
    head = connection.execute(
        select(conversation.c.locale, contact.c.customer_key)
        .join(contact, contact.c.id == conversation.c.contact_id)
        .where(conversation.c.id == conversation_id)
    ).one()
    said = spoken(connection, conversation_id, until=as_of)
    messages = tuple(Message(_role(row["sender"]), redact(row["body"]), row["at"]) for row in said)
    talk = Conversation(
        conversation_id,
        "zh" if head.locale.lower().startswith("zh") else "en",
        messages,
        (None,) * len(messages),
        customer=head.customer_key,
    )
    return talk, tuple(row["seq"] for row in said)


def _role(sender: str) -> Role:
    return "agent" if sender.startswith("agent:") else "bot" if sender == "bot" else "contact"


def _history(connection: Connection, conversation_id: str, *, site_id: str, ended: int, as_of: int) -> History:
    """What was known of the customer when the conversation ended, without what became known after `as_of`."""
    contact_id, key = connection.execute(
        select(contact.c.id, contact.c.customer_key)
        .join(conversation, conversation.c.contact_id == contact.c.id)
        .where(conversation.c.id == conversation_id)
    ).one()
    past = load_history(connection, site_id=site_id, contact_id=contact_id, as_of=min(ended, as_of))
    if past is None:
        return History()
    # A rating may come long after its conversation: it counts from when the log learnt it.
    rated = set(
        connection.execute(
            select(conversation.c.created_at)
            .join(outcome, outcome.c.conversation_id == conversation.c.id)
            .where(
                outcome.c.customer_key == key,
                outcome.c.type == "csat",
                outcome.c.ts_ingested <= min(ended, as_of),
            )
        ).scalars()
    )
    contacts = tuple(
        one if one.ts_event in rated else ContactRecord(one.ts_event, one.ts_ingested, None, one.escalated)
        for one in past.contacts
    )
    return replace(past, contacts=contacts)
