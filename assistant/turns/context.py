"""What a turn is: the message, what was said before, the customer. Read once; what may change until the reply is in `look.py`."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, RowMapping, or_, select

from assistant.escalation.store import expected_wait_s
from assistant.policy.fairness import Standing
from assistant.storage.tables import (
    contact,
    conversation,
    event,
    site,
    turn_vector,
)
from assistant.turns.inference import Heard
from assistant.turns.jobs import Job
from assistant.turns.ports import LoadHistory
from assistant.turns.shopping import Shopping, shopping
from retrieval.documents import Vector
from retrieval.text import detect_language
from risk.types import History, Message, Role

MESSAGES: Final = ("message", "products", "offer")  # events that say something
EARLIER: Final = 3  # earlier messages of the contact that a short one may lean on
DAY_MS: Final = 86_400_000


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
    before: tuple[str, ...]  # what the contact said before that, the latest last
    last_said: str | None  # the last word of bot or agent before the turn
    language: str  # en, zh
    heard: Sequence[Heard]
    turn_vector: Vector | None
    history: History | None
    shopping: Shopping
    repeats: int  # the same words in the messages right before
    wait_s: int | None = None  # how long a person takes to come, as far as that is known
    standing: Standing | None = None  # of the customer's group, where the shop wants offer rates alike

    @property
    def text(self) -> str:
        """The whole turn."""
        return "\n".join(self.texts)


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
    return Turn(
        job=job,
        conversation=head,
        site=of_site,
        contact=person,
        at=spoken[-1].at,
        texts=texts,
        before=_before(spoken, len(texts)),
        last_said=next((row.body for row in reversed(spoken) if row.sender != "contact"), None),
        language=_language(spoken, texts, head["locale"]),
        heard=[
            Heard(row.seq, Message(_role(row.sender), row.body, row.at), vectors.get(row.seq)) for row in new
        ],
        turn_vector=vectors.get(job.seq),
        history=load_history(connection, site_id=of_site["id"], contact_id=person["id"], as_of=spoken[-1].at),
        shopping=shopping(connection, of_site, person, texts),
        repeats=_repeats(spoken),
        wait_s=expected_wait_s(connection, of_site["id"], spoken[-1].at),
    )  # fmt: skip


# --- parts ----------------------------------------------------------------------------------------------------------


def heard_seqs(connection: Connection, conversation_id: str, upto: int) -> list[int]:
    """Events that the conversation model has heard up to `upto`, in order: what people and the assistant said, nothing else."""
    said = select(event.c.seq).where(
        event.c.conversation_id == conversation_id,
        event.c.seq <= upto,
        event.c.body.is_not(None),
        or_(event.c.kind.in_(MESSAGES), event.c.seq == upto),
        event.c.sender != "system",
    )
    return list(connection.execute(said.order_by(event.c.seq)).scalars())


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


def _before(spoken: Sequence[Any], unanswered: int) -> tuple[str, ...]:
    """The contact's last few messages that were answered."""
    own = [row.body for row in spoken if row.sender == "contact"]
    return tuple(own[: len(own) - unanswered][-EARLIER:])


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
    return leading(mine[-2::-1], lambda words: words == mine[-1])


def _same(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum()) or text.strip()


def leading(items: Sequence[Any], test: Callable[[Any], bool]) -> int:
    """How many items at the start pass the test."""
    count = 0
    for item in items:
        if not test(item):
            break
        count += 1
    return count


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


def setting(of_site: RowMapping, name: str, default: float) -> float:
    """A number from the site's settings; one that makes no sense counts as not set."""
    value = of_site["settings"].get(name, default)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else default


def turnover(history: History | None, now: int) -> int:
    """What the customer spent in the year before `now`, returns taken off, in minor units."""
    if history is None:
        return 0
    since = now - 365 * DAY_MS
    bought = sum(order.total for order in history.orders if since < order.ts_event <= now and not order.cancelled)
    return max(0, bought - sum(back.amount for back in history.returns if since < back.ts_event <= now))


def tenure_days(history: History | None, now: int) -> int | None:
    """Whole days since the shop first heard of the customer or sold to them; None for a guest whom it does not know."""
    if history is None:
        return None
    known = [order.ts_event for order in history.orders]
    known += [] if history.first_seen_ms is None else [history.first_seen_ms]
    return max(0, now - min(known)) // DAY_MS if known else 0
