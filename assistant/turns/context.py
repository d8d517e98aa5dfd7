"""Everything a turn needs from the database: what stays as it is (`load`) and what may change until the reply (`look`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, RowMapping, func, or_, select

from assistant.policy.abuse import Signals
from assistant.policy.wallet import DAY_MS, Wallet, WalletEntry, WalletRules
from assistant.storage.tables import (
    agent,
    contact,
    conversation,
    decision,
    event,
    order_return,
    orders,
    presence,
    score,
    site,
    task,
    turn_vector,
    wallet_entry,
)
from assistant.turns.inference import Heard
from assistant.turns.jobs import Job
from assistant.turns.ports import LoadHistory
from retrieval.documents import Vector
from retrieval.text import detect_language
from risk.types import History, Message, Role

MESSAGES: Final = ("message", "products", "offer")  # events that say something
RECENT: Final = 12  # decisions and scores that the loop guard looks back on
ORDERS_LOOKED_AT: Final = 20


class MessageGone(Exception):
    """The message of a job is not there: the conversation was erased."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A contact turn as it was when it came. `heard`: messages the model state has not heard yet, the turn being the last."""

    job: Job
    conversation: RowMapping
    site: RowMapping
    contact: RowMapping
    at: int
    texts: tuple[str, ...]  # the contact's messages since anybody answered, the turn being the last
    language: str  # en, zh
    heard: Sequence[Heard]
    turn_vector: Vector | None
    history: History | None
    order: Mapping[str, Any] | None  # the one named in the turn, else the latest
    return_no: str | None
    owned: frozenset[str]  # products bought or returned
    repeats: int  # the same words in the messages right before

    @property
    def text(self) -> str:
        """The whole turn."""
        return "\n".join(self.texts)


@dataclass(frozen=True, slots=True)
class Look:
    """The conversation as it is at this moment."""

    status: str
    holder: str
    decided: bool  # this turn has its decision already
    later: bool  # the contact has written again
    sent: Mapping[str, int]  # script families said in this conversation, and how often
    last_family: str | None
    clarifies: int
    dissatisfaction: Sequence[float | None]  # after each earlier answered turn, the latest first
    agents_available: int
    queue_length: int
    wallet: Wallet | None
    signals: Signals


def load(connection: Connection, job: Job, *, after: int, fingerprint: str, load_history: LoadHistory) -> Turn:
    """Reads a turn. `after`: the last seq that the model's state has heard. Raises MessageGone."""
    head = (
        connection.execute(select(conversation).where(conversation.c.id == job.conversation_id))
        .mappings()
        .one_or_none()
    )
    spoken = connection.execute(
        select(event.c.seq, event.c.sender, event.c.body, event.c.at)
        .where(
            event.c.conversation_id == job.conversation_id,
            event.c.seq <= job.seq,
            event.c.body.is_not(None),
            or_(event.c.kind.in_(MESSAGES), event.c.seq == job.seq),
            event.c.sender != "system",
        )
        .order_by(event.c.seq.desc())
        .limit(None if after == 0 else max(40, job.seq - after))
    ).all()[::-1]  # fmt: skip
    if head is None or not spoken or spoken[-1].seq != job.seq:
        raise MessageGone
    of_site = connection.execute(select(site).where(site.c.id == head["site_id"])).mappings().one()
    person = connection.execute(select(contact).where(contact.c.id == head["contact_id"])).mappings().one()
    new = [row for row in spoken if row.seq > after]
    vectors = _vectors(connection, job, after=min(after, job.seq - 1), fingerprint=fingerprint)
    texts = _texts(spoken)
    found = shopping(connection, of_site, person, texts)
    return Turn(
        job=job,
        conversation=head,
        site=of_site,
        contact=person,
        at=spoken[-1].at,
        texts=texts,
        language=_language(spoken, texts, head["locale"]),
        heard=[
            Heard(row.seq, Message(_role(row.sender), row.body, row.at), vectors.get(row.seq)) for row in new
        ],
        turn_vector=vectors.get(job.seq),
        history=load_history(connection, site_id=of_site["id"], contact_id=person["id"], as_of=spoken[-1].at),
        order=found[0],
        return_no=found[1],
        owned=found[2],
        repeats=_repeats(spoken),
    )  # fmt: skip


def look(connection: Connection, turn: Turn, *, now: int, holdout: bool) -> Look:
    """Reads what may have changed. Cheap: it runs inside the transaction that decides."""
    conversation_id, site_id = turn.job.conversation_id, turn.site["id"]
    state = connection.execute(
        select(conversation.c.status, conversation.c.holder).where(conversation.c.id == conversation_id)
    ).one()
    later = connection.execute(
        select(event.c.seq)
        .where(
            event.c.conversation_id == conversation_id,
            event.c.seq > turn.job.seq,
            event.c.sender == "contact",
            event.c.kind == "message",
        )
        .limit(1)
    ).first()
    answered = connection.execute(
        select(decision.c.seq, decision.c.kind, decision.c.candidates, decision.c.action)
        .where(decision.c.conversation_id == conversation_id)
        .order_by(decision.c.seq.desc())
        .limit(4 * RECENT)
    ).all()
    said = [row for row in answered if row.kind not in ("none", "escalate")]
    families = [family for row in said if (family := _family(row)) is not None]
    purse = None if holdout or not turn.contact["verified"] else _wallet(connection, turn, now)
    return Look(
        status=state.status,
        holder=state.holder,
        decided=any(row.seq == turn.job.seq for row in answered),
        later=later is not None,
        sent={family: families.count(family) for family in families},
        last_family=families[0] if families else None,
        clarifies=_leading(said, lambda row: row.kind == "clarify"),
        dissatisfaction=_dissatisfaction(connection, conversation_id, [row.seq for row in said[:RECENT]]),
        agents_available=_agents(connection, site_id, now),
        queue_length=_queue(connection, site_id),
        wallet=purse,
        signals=_signals(connection, turn, purse, now),
    )


def unhappy_replies(look: Look, dissatisfaction: float | None, repeats: int) -> int:
    """Bot replies in a row after which the contact was no happier, and unhappy still.

    The contact saying the very same thing for the third time counts as the loop that it is.
    """
    if repeats >= 2:
        return 3
    count, after = 0, dissatisfaction
    for before in look.dissatisfaction:
        if after is None or before is None or after < 0.5 or after < before - 0.02:
            break
        count, after = count + 1, before
    return count


# --- parts ----------------------------------------------------------------------------------------------------------


def _role(sender: str) -> Role:
    return "agent" if sender.startswith("agent:") else ("bot" if sender == "bot" else "contact")


def _texts(spoken: Sequence[Any]) -> tuple[str, ...]:
    """The contact's messages at the end, unanswered."""
    texts: list[str] = []
    for row in reversed(spoken):
        if row.sender != "contact":
            break
        texts.append(row.body)
    return tuple(reversed(texts[:10]))


def _language(spoken: Sequence[Any], texts: tuple[str, ...], locale: str) -> str:
    """The language of the turn; where it says too little ("ok", "123"), that of what was said before, then the locale."""
    turn = "\n".join(texts)
    if _telling(turn):
        return detect_language(turn)
    earlier = "\n".join(row.body for row in spoken[-12:] if row.sender == "contact")
    if _telling(earlier):
        return detect_language(earlier)
    return "zh" if locale.lower().startswith("zh") else "en"


def _telling(text: str) -> bool:
    if any("\u3400" <= character <= "\u9fff" for character in text):
        return True
    return sum(any(character.isalpha() for character in word) for word in text.split()) >= 3


def _repeats(spoken: Sequence[Any]) -> int:
    mine = [_same(row.body) for row in spoken if row.sender == "contact"]
    return _leading(mine[-2::-1], lambda words: words == mine[-1])


def _same(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum()) or text.strip()


def _leading(items: Sequence[Any], test: Any) -> int:
    count = 0
    for item in items:
        if not test(item):
            break
        count += 1
    return count


def _family(row: Any) -> str | None:
    """The family of the script behind a decision."""
    for candidate in row.candidates:
        if candidate.get("action") == row.action:
            return str(candidate["id"]).partition("@")[0]
    return None


def _vectors(connection: Connection, job: Job, *, after: int, fingerprint: str) -> dict[int, Vector]:
    rows = connection.execute(
        select(turn_vector.c.seq, turn_vector.c.vector).where(
            turn_vector.c.conversation_id == job.conversation_id,
            turn_vector.c.seq > after,
            turn_vector.c.seq <= job.seq,
            turn_vector.c.fingerprint == fingerprint,
        )
    )
    return {row.seq: np.frombuffer(row.vector, dtype="<f4").astype(np.float32) for row in rows}


def shopping(
    connection: Connection, of_site: RowMapping, person: RowMapping, texts: tuple[str, ...]
) -> tuple[Mapping[str, Any] | None, str | None, frozenset[str]]:
    """The order and return to speak of, and the products the customer has had. Only a verified customer's own."""
    if not person["verified"] or person["external_id"] is None:
        return None, None, frozenset()
    mine = (orders.c.site_id == of_site["id"], orders.c.external_customer_id == person["external_id"])
    bought = (
        connection.execute(select(orders).where(*mine).order_by(orders.c.ts_event.desc()).limit(ORDERS_LOOKED_AT))
        .mappings()
        .all()
    )
    returned = connection.execute(
        select(order_return.c.return_no, order_return.c.product_id)
        .where(
            order_return.c.site_id == of_site["id"],
            order_return.c.external_customer_id == person["external_id"],
        )
        .order_by(order_return.c.ts_event.desc())
        .limit(ORDERS_LOOKED_AT)
    ).all()
    words = "\n".join(texts).casefold()
    named = next((row for row in bought if row["order_no"].casefold() in words), None)
    owned = {str(line["product_id"]) for row in bought for line in row["lines"] if line.get("product_id")}
    owned |= {row.product_id for row in returned if row.product_id}
    order = named or (bought[0] if bought else None)
    return None if order is None else dict(order), returned[0].return_no if returned else None, frozenset(owned)


def _dissatisfaction(connection: Connection, conversation_id: str, seqs: Sequence[int]) -> list[float | None]:
    rows = connection.execute(
        select(score.c.seq, score.c.dissatisfaction).where(
            score.c.conversation_id == conversation_id, score.c.seq.in_(seqs)
        )
    )
    by_seq = {row.seq: row.dissatisfaction for row in rows}
    return [by_seq.get(seq) for seq in seqs]


def _agents(connection: Connection, site_id: str, now: int) -> int:
    """Agents who could take a conversation now."""
    load = (
        select(func.count())
        .select_from(task)
        .where(task.c.agent_id == agent.c.id, task.c.state == "assigned")
        .scalar_subquery()
    )
    free = (
        select(func.count())
        .select_from(presence.join(agent, agent.c.id == presence.c.agent_id))
        .where(
            agent.c.site_id == site_id,
            agent.c.disabled.is_(False),
            presence.c.state == "available",
            presence.c.lease_until > now,
            load < agent.c.capacity,
        )
    )
    return int(connection.execute(free).scalar_one())


def _queue(connection: Connection, site_id: str) -> int:
    waiting = select(func.count()).select_from(task).where(
        task.c.site_id == site_id, task.c.state.in_(("queued", "offered"))
    )  # fmt: skip
    return int(connection.execute(waiting).scalar_one())


def _wallet(connection: Connection, turn: Turn, now: int) -> Wallet:
    settings = turn.site["settings"]
    rules = WalletRules.from_settings(settings.get("wallet", {}))
    since = now - rules.period_days * DAY_MS
    ended = wallet_entry.alias("ended")
    in_force = ~(
        select(ended.c.id)
        .where(
            ended.c.decision_id == wallet_entry.c.decision_id,
            ended.c.offer_id == wallet_entry.c.offer_id,
            ended.c.state.in_(("declined", "expired")),
        )
        .exists()
    )
    spoken_for = connection.execute(
        select(func.coalesce(func.sum(wallet_entry.c.amount), 0)).where(
            wallet_entry.c.site_id == turn.site["id"],
            wallet_entry.c.state == "shown",
            wallet_entry.c.at >= since,
            in_force,
        )
    ).scalar_one()
    own = connection.execute(
        select(wallet_entry).where(
            wallet_entry.c.site_id == turn.site["id"],
            wallet_entry.c.contact_id == turn.contact["id"],
            wallet_entry.c.at >= now - max(rules.period_days, rules.cooldown_days) * DAY_MS,
        )
    ).mappings()
    return Wallet(
        rules=rules,
        committed=int(spoken_for),
        entries=tuple(
            WalletEntry(row["decision_id"], row["offer_id"], row["state"], row["amount"], row["at"]) for row in own
        ),
        orders=0 if turn.history is None else sum(not order.cancelled for order in turn.history.orders),
        turnover_year=turnover(turn.history, turn.at),
        margin=float(settings.get("margin", 0.3)),
    )


def _signals(connection: Connection, turn: Turn, purse: Wallet | None, now: int) -> Signals:
    """What the abuse gate asks about; only worth reading where an offer is possible at all."""
    if purse is None:
        return Signals(None, 0, 0, 0, 0)
    history = turn.history or History()
    recent = connection.execute(
        select(func.count())
        .select_from(conversation)
        .where(conversation.c.contact_id == turn.contact["id"], conversation.c.created_at > now - 7 * DAY_MS)
    ).scalar_one()
    last_order = max((order.ts_event for order in history.orders if not order.cancelled), default=0)
    seen = [turn.contact["first_seen_at"], *(order.ts_event for order in history.orders)]
    return Signals(
        first_seen_at=min(seen),
        orders=sum(not order.cancelled for order in history.orders),
        returns=len({back.order_no for back in history.returns}),
        conversations_week=int(recent),
        accepted_unused=sum(entry.state == "accepted" and entry.at > last_order for entry in purse.entries),
    )


def turnover(history: History | None, now: int) -> int:
    """What the customer spent in the year before `now`, returns taken off, in minor units."""
    if history is None:
        return 0
    since = now - 365 * DAY_MS
    bought = sum(order.total for order in history.orders if since < order.ts_event <= now and not order.cancelled)
    return max(0, bought - sum(back.amount for back in history.returns if since < back.ts_event <= now))
