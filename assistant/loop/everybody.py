"""Scores of all of a site's customers as of one moment, in shards: who is about to leave, by whom, and why.

Point in time: orders, returns, visits and messages count that had happened and were known then. A customer's last conversation
speaks for as long as the model's label window; one that is older says nothing about today. Guests, whom the shop could not name,
are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, select

from assistant.conversations.transcripts import spoken
from assistant.conversations.view import sender_kind
from assistant.shop.history import load_history
from assistant.storage.connections import connect
from assistant.storage.tables import contact, conversation, event, turn_vector
from retrieval.documents import Encoder
from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk.scale.shards import Place, run
from risk.scorer import ChampionScorer, ServedState
from risk.types import Message, RiskScore, Role, Vector

SHARD: Final = 250  # customers
DAY_MS: Final = 86_400_000
REMEMBERED: Final = 4096  # texts whose vectors a worker keeps: the bot says the same things often
_ROLES: Final[Mapping[str, Role]] = {"contact": "contact", "bot": "bot", "agent": "agent"}


@dataclass(frozen=True, slots=True)
class Census:
    """What a worker needs to know: the database, the site, the moment (UTC ms), the model's folder, the encoder's name."""

    url: str
    site_id: str
    as_of: int
    model: Path
    encoder: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One customer: the shop's own number, the score, and the conversation that speaks in it, if one does."""

    customer: str
    score: RiskScore
    conversation: str | None


def customers(connection: Connection, site_id: str, as_of: int) -> list[tuple[str, ...]]:
    """Ids of the customers whom the shop knew by then, in shards. Those of people who were erased are not among them."""
    found = connection.execute(
        select(contact.c.id)
        .where(
            contact.c.site_id == site_id,
            contact.c.external_id.is_not(None),
            contact.c.first_seen_at <= as_of,
        )
        .order_by(contact.c.id)
    ).scalars()
    ids = list(found)
    return [tuple(ids[start : start + SHARD]) for start in range(0, len(ids), SHARD)]


def score(
    place: Place,
    census: Census,
    shards: Sequence[tuple[str, ...]],
    progress: Callable[[int, int], None] | None = None,
) -> list[Standing]:
    """All of them, by id. Raises `ShardFailed`."""
    found = run(place, shard, census, shards, progress, name=lambda ids: f"customers {ids[0]} to {ids[-1]}")
    return [standing for part in found for standing in part]


def shard(census: Census, ids: tuple[str, ...]) -> list[Standing]:
    """The work on one shard, in whatever process."""
    engine = connect(census.url, read_only=True)
    try:
        with engine.connect() as connection:
            return [
                standing for contact_id in ids if (standing := _standing(connection, census, contact_id)) is not None
            ]
    finally:
        engine.dispose()


def _standing(connection: Connection, census: Census, contact_id: str) -> Standing | None:
    past = load_history(connection, site_id=census.site_id, contact_id=contact_id, as_of=census.as_of, imported=True)
    name = connection.execute(select(contact.c.external_id).where(contact.c.id == contact_id)).scalar_one_or_none()
    if past is None or name is None:  # erased since the list was made
        return None
    scorer, window, texts = _tools(census.model, census.encoder)
    last = _last(connection, contact_id, census.as_of - window * DAY_MS, census.as_of)
    state = scorer.initial() if last is None else _heard(connection, last, census.as_of, scorer, texts)
    return Standing(name, scorer.score(state, past, census.as_of), last)


def _last(connection: Connection, contact_id: str, after: int, until: int) -> str | None:
    """The conversation in which the customer spoke last, if that was after `after`."""
    return connection.execute(
        select(event.c.conversation_id)
        .join(conversation, conversation.c.id == event.c.conversation_id)
        .where(
            conversation.c.contact_id == contact_id,
            event.c.sender == "contact",
            event.c.kind == "message",
            event.c.body.is_not(None),
            event.c.at > after,
            event.c.at <= until,
        )
        .order_by(event.c.at.desc(), event.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()


def _heard(
    connection: Connection, conversation_id: str, until: int, scorer: ChampionScorer, texts: Texts
) -> ServedState:
    """The model's state after what was said, with the vectors that were served, where they are kept."""
    kept = {
        row.seq: np.frombuffer(row.vector, dtype="<f4").astype(np.float32)
        for row in connection.execute(
            select(turn_vector.c.seq, turn_vector.c.vector).where(
                turn_vector.c.conversation_id == conversation_id,
                turn_vector.c.fingerprint == scorer.encoder_fingerprint,
            )
        )
    }
    state = scorer.initial()
    for row in spoken(connection, conversation_id, until=until):
        vector = kept[row["seq"]] if row["seq"] in kept else texts.vector(row["body"])
        state = scorer.advance(state, vector, Message(_ROLES[sender_kind(row["sender"])], row["body"], row["at"]))
    return state


class Texts:
    """Vectors of texts, one at a time, so that a text's vector never depends on who else is scored."""

    def __init__(self, encoder: Encoder) -> None:
        self.vector = lru_cache(maxsize=REMEMBERED)(self._vector)
        self._encoder = encoder

    def _vector(self, text: str) -> Vector:
        return np.asarray(self._encoder.encode([text])[0], np.float32)


@lru_cache(maxsize=1)
def _tools(model: Path, encoder: str) -> tuple[ChampionScorer, int, Texts]:
    """The model, its label window in days, and the encoder: loaded once a process."""
    loaded = load_encoder(encoder)
    scorer = registry.load(model, encoder_fingerprint=loaded.fingerprint)
    return scorer, int(artefact.load(model).data["history"]["horizon_days"]), Texts(loaded)


def row(standing: Standing, as_of: int) -> dict[str, Any]:
    """One line of the file."""
    score = standing.score
    return {
        "customer": standing.customer,
        "churn": round(score.churn, 6),
        "low": round(score.low, 6),
        "high": round(score.high, 6),
        "band": score.band,
        "cold_start": score.cold_start,
        "conversation": standing.conversation,
        "reasons": [name for name, _ in score.reasons],
        "drivers": [
            {"kind": d.kind, "code": d.code, "effect": round(d.effect, 6), "value": d.value, "seq": d.seq}
            for d in score.drivers
        ],
        "as_of": as_of,
        "model": score.versions["model"],
    }
