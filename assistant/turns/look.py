"""What may change until the reply: who holds the conversation, what was said, queue and wallet. Read inside the transaction that
decides, so the statements are built once and kept small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import BindParameter, Connection, String, bindparam, exists, func, select

from assistant.policy.abuse import Signals
from assistant.policy.priors import MARGIN
from assistant.policy.rules import LOOP_LIMIT
from assistant.policy.wallet import DAY_MS, Wallet, WalletEntry, WalletRules
from assistant.storage.tables import agent, conversation, decision, event, presence, score, task, wallet_entry
from assistant.turns.context import Turn, leading, setting, turnover
from assistant.turns.jobs import Job
from risk.types import History

log = structlog.get_logger()

RECENT: Final = 12  # answered turns that the loop guard looks back on
REMEMBERED: Final = 48  # decisions whose wording counts as said
STILL_UNHAPPY: Final = 0.5
HAPPIER: Final = 0.02  # a smaller fall of dissatisfaction is none
SAME_WORDS: Final = 2  # repetitions by the contact that make a loop
UNKNOWN: Final = Signals(None, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Look:
    """The conversation as it is at this moment."""

    status: str
    holder: str
    decided: bool  # this turn has its decision already
    later: bool  # the contact has written again
    sent: Mapping[str, int]  # script families said in this conversation, and how often
    last_family: str | None
    shown: frozenset[str]  # products that were shown last
    clarifies: int
    dissatisfaction: Sequence[float | None]  # after each earlier answered turn, the latest first
    agents_available: int
    queue_length: int
    wallet: Wallet | None  # None: not asked for, or closed
    signals: Signals


def look(connection: Connection, turn: Turn, *, now: int, offers: bool) -> Look:
    """Reads the moment. `offers`: whether an offer is thinkable at all, so that the wallet is worth opening."""
    here: dict[str, Any] = {"conversation": turn.job.conversation_id, "seq": turn.job.seq}
    there: dict[str, Any] = {"site": turn.site["id"], "now": now}
    state = connection.execute(_STATE, here).one()
    decided = connection.execute(_DECIDED, here).all()
    said = [row for row in decided if row.kind not in ("none", "escalate")]
    families = _families(connection, said, here)
    unhappy = {
        row.seq: row.dissatisfaction
        for row in connection.execute(_DISSATISFACTION, here | {"seqs": [row.seq for row in said[:RECENT]]})
    }
    purse = _wallet(connection, turn, now) if offers and turn.contact["verified"] else None
    return Look(
        status=state.status,
        holder=state.holder,
        decided=any(row.seq == turn.job.seq for row in decided),
        later=written_again(connection, turn.job),
        sent=Counter(families.values()),
        last_family=families.get(said[0].seq) if said else None,
        shown=_last_shown(connection, here) if any(row.kind == "recommend" for row in said) else frozenset(),
        clarifies=leading(said, lambda row: row.kind == "clarify"),
        dissatisfaction=[unhappy.get(row.seq) for row in said[:RECENT]],
        agents_available=int(connection.execute(_AGENTS, there).scalar_one()),
        queue_length=int(connection.execute(_QUEUE, there).scalar_one()),
        wallet=purse,
        signals=UNKNOWN if purse is None else _signals(connection, turn, purse, now),
    )


def written_again(connection: Connection, job: Job) -> bool:
    """Whether the contact has said more since the message of the job."""
    here = {"conversation": job.conversation_id, "seq": job.seq}
    return connection.execute(_LATER, here).first() is not None


def unhappy_replies(seen: Look, dissatisfaction: float | None, repeats: int) -> int:
    """Bot replies in a row after which the contact was no happier, and unhappy still.

    The contact saying the very same thing for the third time counts as the loop that it is.
    """
    if repeats >= SAME_WORDS:
        return LOOP_LIMIT
    count, after = 0, dissatisfaction
    for before in seen.dissatisfaction:
        if after is None or before is None or after < STILL_UNHAPPY or after < before - HAPPIER:
            break
        count, after = count + 1, before
    return count


# --- statements -----------------------------------------------------------------------------------------------------

_HERE: Final[BindParameter[str]] = bindparam("conversation")
_STATE = select(conversation.c.status, conversation.c.holder).where(conversation.c.id == _HERE)
_LATER = (
    select(event.c.seq)
    .where(
        event.c.conversation_id == _HERE,
        event.c.seq > bindparam("seq"),
        event.c.sender == "contact",
        event.c.kind == "message",
    )
    .limit(1)
)
_DECIDED = (
    select(decision.c.seq, decision.c.kind, decision.c.action)
    .where(decision.c.conversation_id == _HERE)
    .order_by(decision.c.seq.desc())
    .limit(REMEMBERED)
)
_OFFERED = select(decision.c.seq, decision.c.action, decision.c.candidates).where(
    decision.c.conversation_id == _HERE, decision.c.kind == "offer"
)
_SHOWN = (
    select(event.c.data)
    .where(event.c.conversation_id == _HERE, event.c.kind == "products")
    .order_by(event.c.seq.desc())
    .limit(1)
)
_DISSATISFACTION = select(score.c.seq, score.c.dissatisfaction).where(
    score.c.conversation_id == _HERE, score.c.seq.in_(bindparam("seqs", expanding=True))
)
_LOAD = (
    select(func.count())
    .select_from(task)
    .where(task.c.agent_id == agent.c.id, task.c.state == "assigned")
    .scalar_subquery()
)
# Agents who could take a conversation now.
_AGENTS = (
    select(func.count())
    .select_from(presence.join(agent, agent.c.id == presence.c.agent_id))
    .where(
        agent.c.site_id == bindparam("site"),
        agent.c.disabled.is_(False),
        presence.c.state == "available",
        presence.c.lease_until > bindparam("now"),
        agent.c.capacity > _LOAD,
    )
)
_QUEUE = (
    select(func.count())
    .select_from(task)
    .where(task.c.site_id == bindparam("site"), task.c.state.in_(("queued", "offered")))
)
_HOLD_PURSE = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("purse", type_=String), 0)))
_ENDED = wallet_entry.alias("ended")
# What the site's offers of the period have spoken for: shown, and neither declined nor expired since.
_COMMITTED = select(func.coalesce(func.sum(wallet_entry.c.amount), 0)).where(
    wallet_entry.c.site_id == bindparam("site"),
    wallet_entry.c.state == "shown",
    wallet_entry.c.at >= bindparam("since"),
    ~exists().where(
        _ENDED.c.decision_id == wallet_entry.c.decision_id,
        _ENDED.c.offer_id == wallet_entry.c.offer_id,
        _ENDED.c.state.in_(("declined", "expired")),
    ),
)
_ENTRIES = select(
    wallet_entry.c.decision_id, wallet_entry.c.offer_id, wallet_entry.c.state, wallet_entry.c.amount, wallet_entry.c.at
).where(
    wallet_entry.c.site_id == bindparam("site"),
    wallet_entry.c.contact_id == bindparam("contact"),
    wallet_entry.c.at >= bindparam("since"),
)
_CONVERSATIONS = (
    select(func.count())
    .select_from(conversation)
    .where(conversation.c.contact_id == bindparam("contact"), conversation.c.created_at > bindparam("since"))
)


def _families(connection: Connection, said: Sequence[Any], here: Mapping[str, Any]) -> dict[int, str]:
    """The script family behind each decision, by seq, as its key tells; for offers, as the candidates tell."""
    found = {
        row.seq: _family(row.action.partition(":")[2]) for row in said if ":" in row.action and row.kind != "offer"
    }
    if any(row.kind == "offer" for row in said):
        for row in connection.execute(_OFFERED, here):
            for candidate in row.candidates:
                if candidate.get("action") == row.action:
                    found[row.seq] = _family(str(candidate["id"]))
    return found


def _last_shown(connection: Connection, here: Mapping[str, Any]) -> frozenset[str]:
    data = connection.execute(_SHOWN, here).scalar_one_or_none() or {}
    return frozenset(str(card["id"]) for card in data.get("products", ()))


def _family(script_id: str) -> str:
    return script_id.partition("@")[0]


def hold_purse(connection: Connection, site_id: str) -> None:
    """Keeps other workers from spending the site's budget until this transaction ends; SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(_HOLD_PURSE, {"purse": f"purse of {site_id}"})


def _wallet(connection: Connection, turn: Turn, now: int) -> Wallet | None:
    """The wallet as it stands for this customer; None when the site's limits make no sense, since then nothing may be given."""
    try:
        rules = WalletRules.from_settings(turn.site["settings"].get("wallet", {}))
    except (TypeError, ValueError) as error:
        log.warning("wallet_closed", site=turn.site["id"], error=str(error)[:200])
        return None
    who = {"site": turn.site["id"], "contact": turn.contact["id"]}
    hold_purse(connection, who["site"])
    committed = connection.execute(
        _COMMITTED, {"site": who["site"], "since": now - rules.period_days * DAY_MS}
    ).scalar_one()
    lookback = max(rules.period_days, rules.cooldown_days) * DAY_MS
    own = connection.execute(_ENTRIES, who | {"since": now - lookback})
    return Wallet(
        rules=rules,
        committed=int(committed),
        entries=tuple(WalletEntry(row.decision_id, row.offer_id, row.state, row.amount, row.at) for row in own),
        orders=0 if turn.history is None else sum(not order.cancelled for order in turn.history.orders),
        turnover_year=turnover(turn.history, turn.at),
        margin=setting(turn.site, "margin", MARGIN),
    )


def _signals(connection: Connection, turn: Turn, purse: Wallet, now: int) -> Signals:
    """What the abuse gate asks about."""
    history = turn.history or History()
    recent = connection.execute(_CONVERSATIONS, {"contact": turn.contact["id"], "since": now - 7 * DAY_MS}).scalar_one()
    last_order = max((order.ts_event for order in history.orders if not order.cancelled), default=0)
    seen = [turn.contact["first_seen_at"], *(order.ts_event for order in history.orders)]
    return Signals(
        first_seen_at=min(seen),
        orders=sum(not order.cancelled for order in history.orders),
        returns=len({back.order_no for back in history.returns}),
        conversations_week=int(recent),
        accepted_unused=sum(entry.state == "accepted" and entry.at > last_order for entry in purse.entries),
    )
