"""Other words for the reply that a turn is about to get, sought before the transaction that decides.

A model takes seconds, and the transaction that decides may take none of them. So the decision is made once ahead, by reading alone,
to know what there is to say; the words are sought; then `settle` decides again on what is true by then, and the words go out only
if it says the very same. Nothing is stored before: a crash in between leaves a job that is tried again, and one reply.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from sqlalchemy import Connection, select

from assistant.bus.hints import Bus
from assistant.storage.engine import Storage
from assistant.storage.tables import conversation
from assistant.turns import formats
from assistant.turns.context import Turn
from assistant.turns.jobs import Job
from assistant.turns.look import written_again
from assistant.turns.ports import Clock
from assistant.turns.records import Evidence
from assistant.turns.replies import Reply
from assistant.turns.settle import Rules, Words, make
from assistant.writers.ports import Draft
from assistant.writers.rephrasing import Worded, Writers

# What is said when a person is called stays as it was approved: it may be about a life.
REWORDED: Final = frozenset({"reply", "clarify", "recommend", "offer"})
REREAD_S: Final = 2.0  # hints may be lost


async def reword(
    turn: Turn, evidence: Evidence, *, storage: Storage, bus: Bus, rules: Rules, writers: Writers, now: Clock
) -> Words | None:
    """The words, or why there are none; None where the template speaks anyway, or where the turn was overtaken meanwhile."""
    settings = turn.site["settings"]
    if not writers.of(settings).rephrases:
        return None
    made = await storage.read(lambda connection: make(connection, turn, evidence, rules, now=now()))
    if made is None or made.reply is None or made.decision.action.kind not in REWORDED:
        return None
    topic, job = f"conv:{turn.job.conversation_id}", turn.job

    def show(number: int, sentences: str) -> None:
        bus.signal(topic, {"t": "part", "reply_to": job.seq, "n": number, "body": sentences})

    bus.signal(topic, {"t": "typing", "from": "bot", "on": True})
    draft = _draft(turn, made.reply)
    # A benefit is nothing that may be seen and then not be: it counts from the transaction that pays for it.
    seen = None if made.decision.action.kind == "offer" else show
    writing = asyncio.ensure_future(
        writers.rephrase(draft, site_id=turn.site["id"], site_settings=settings, show=seen)
    )  # fmt: skip
    worded = await _unless_overtaken(writing, topic, job, storage, bus)
    if worded is None:
        bus.signal(topic, {"t": "typing", "from": "bot", "on": False})
        return None
    return Words(made.decision.action.key, made.reply.body, worded)


def _draft(turn: Turn, reply: Reply) -> Draft:
    """What is said and what is shown beside it."""
    offer = reply.data.get("offer")
    return Draft(
        language=turn.language,
        text=reply.body,
        products=tuple(
            f"{card['title']}, {formats.money(card['price'], card['currency'])}"
            for card in reply.data.get("products", ())
        ),
        offer=None if offer is None else str(offer["title"]),
        contact=turn.texts,
    )


async def _unless_overtaken(
    writing: asyncio.Future[Worded], topic: str, job: Job, storage: Storage, bus: Bus
) -> Worded | None:
    """Waits for the words; gives them up when the contact writes again or somebody else takes the conversation."""
    try:
        with bus.subscribe(topic) as hints:
            while not writing.done():
                news = asyncio.ensure_future(hints.wait(REREAD_S))
                both: set[asyncio.Future[Any]] = {writing, news}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                hints.drain()  # pieces of this very reply, and others' typing
                if not news.done():
                    news.cancel()
                elif not writing.done() and await storage.read(lambda connection: _overtaken(connection, job)):
                    return None
        return writing.result()
    finally:
        if not writing.done():
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


def _overtaken(connection: Connection, job: Job) -> bool:
    holder = select(conversation.c.holder).where(conversation.c.id == job.conversation_id)
    return connection.execute(holder).scalar() != "bot" or written_again(connection, job)
