"""Plays the demo's earlier conversations through the real pipeline, at the times when they happened.

The customers' words and the agents' answers come from the data; scores, decisions and the assistant's replies are made now, by the
same code that answers live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, select

from assistant.chat.actions import ContactActions
from assistant.chat.service import ChatDeps
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.demo.data import DemoConversation, load_conversations
from assistant.escalation import commands
from assistant.identity.agents import Agent, to_agent
from assistant.identity.keys import guest_key
from assistant.identity.widget import Access
from assistant.ids import new_id
from assistant.storage.tables import agent, contact, conversation
from assistant.turns import jobs
from assistant.turns.turn import Parts, handle_turn
from assistant.writers.rephrasing import Writers

ANSWER_MS: Final = 900  # how long the assistant took, then
RATED_AFTER_MS: Final = 30_000
OPEN_MS: Final = 3 * 3_600_000  # conversations younger than that may still be going on


@dataclass(slots=True)
class _Clock:
    now: int

    def __call__(self) -> int:
        return self.now


async def play(parts: Parts, chat: ChatDeps, *, site_id: str, now: int, step: Callable[[int], None]) -> int:
    """Plays all of them; how many. `step` moves a progress bar on."""
    clock = _Clock(now)
    then = replace(parts, now=clock, burst_pause_ms=0, writers=Writers())  # no model is called about the past
    actions = ContactActions(replace(chat, clock=clock))
    agents = await parts.storage.read(lambda connection: _agents(connection, site_id))
    told = load_conversations(now)
    for story in told:
        await _Scene(then, actions, clock, site_id, chat.secret, agents, now - OPEN_MS).play(story)
        step(1)
        await asyncio.sleep(0)
    return len(told)


class _Scene:
    def __init__(
        self,
        parts: Parts,
        actions: ContactActions,
        clock: _Clock,
        site_id: str,
        secret: bytes,
        agents: dict[str, Agent],
        today: int,
    ) -> None:
        self._parts = parts
        self._actions = actions
        self._clock = clock
        self._site_id = site_id
        self._secret = secret
        self._agents = agents
        self._today = today

    async def play(self, story: DemoConversation) -> None:
        storage = self._parts.storage
        self._clock.now = story.started_at
        conv = await storage.write(lambda connection: self._open(connection, story))
        turns = list(story.turns)
        for place, turn in enumerate(turns):
            self._clock.now = turn.at_ms
            if turn.role == "contact":
                follows = turns[place + 1].role if place + 1 < len(turns) else "bot"
                await self._contact_says(conv, turn.text, answered=follows != "contact")
            elif turn.role == "agent":
                await self._agent_says(conv, self._agents[story.agent or "Mara"], turn.text)
        self._clock.now = turns[-1].at_ms + 60_000
        if story.resolved or self._clock.now < self._today:  # nobody waits for days in a well-run shop
            await self._end(conv, story)

    def _open(self, connection: Connection, story: DemoConversation) -> str:
        at = story.started_at
        if story.external_customer_id is None:
            who = new_id()
            connection.execute(
                contact.insert().values(
                    id=who,
                    site_id=self._site_id,
                    customer_key=guest_key(self._secret, self._site_id, who),
                    locale=story.locale,
                    first_seen_at=at,
                )
            )
        else:
            known = contact.c.external_id == story.external_customer_id
            who = connection.execute(select(contact.c.id).where(contact.c.site_id == self._site_id, known)).scalar_one()
            connection.execute(contact.update().where(contact.c.id == who).values(verified=True))
        return open_conversation(connection, site_id=self._site_id, contact_id=who, locale=story.locale, now=at)

    async def _contact_says(self, conv: str, text: str, *, answered: bool) -> None:
        storage, now = self._parts.storage, self._clock.now

        def say(connection: Connection) -> int:
            said = append(connection, conv, NewEvent("contact", "message", text), now=now)
            jobs.enqueue(connection, conv, said.seq, now)
            return said.seq

        await storage.write(say)
        if answered:
            await self._work_off(conv)

    async def _work_off(self, conv: str) -> None:
        """Handles the jobs of the conversation, the oldest first; those that a later message overtook are superseded."""
        self._clock.now += ANSWER_MS
        owner = new_id()
        while True:
            now = self._clock.now
            leased = await self._parts.storage.write(
                lambda connection, now=now: jobs.lease(connection, owner=owner, now=now, lease_ms=60_000, limit=8)  # type: ignore[misc]
            )
            if not leased:
                return
            for job in leased:
                await handle_turn(job, self._parts)

    async def _agent_says(self, conv: str, who: Agent, text: str) -> None:
        now = self._clock.now

        def say(connection: Connection) -> None:
            head = connection.execute(select(conversation).where(conversation.c.id == conv)).mappings().one()
            if head["holder"] != f"agent:{who.id}":
                commands.take_over(connection, who, conv, now=now - 20_000)
                head = connection.execute(select(conversation).where(conversation.c.id == conv)).mappings().one()
            commands.send(connection, who, conv, cmid=new_id(), body=text, assign_epoch=head["assign_epoch"], now=now)

        await self._parts.storage.write(say)

    async def _end(self, conv: str, story: DemoConversation) -> None:
        """Ends it as it ended then: by the agent who held it, or by the contact; then the contact's rating."""
        storage = self._parts.storage
        head = await storage.read(
            lambda connection: (
                connection.execute(select(conversation).where(conversation.c.id == conv)).mappings().one()
            )
        )
        who = next((one for one in self._agents.values() if head["holder"] == f"agent:{one.id}"), None)
        access = Access(self._site_id, head["contact_id"], verified=True, expires_at=self._clock.now + 1)
        if who is None:
            await self._actions.resolve(access, conv)
        else:
            await storage.write(
                lambda connection: commands.resolve(
                    connection,
                    who,
                    conv,
                    assign_epoch=head["assign_epoch"],
                    disposition=story.disposition or "solved",
                    comment="",
                    now=self._clock.now,
                )
            )
        if story.csat is not None:
            self._clock.now += RATED_AFTER_MS
            await self._actions.rate(access, conv, score=story.csat, comment=None)


def _agents(connection: Connection, site_id: str) -> dict[str, Agent]:
    rows = connection.execute(select(agent).where(agent.c.site_id == site_id)).mappings()
    return {row["name"]: to_agent(row) for row in rows}


def is_empty(connection: Connection, site_id: str) -> bool:
    """Whether nobody has talked in this shop yet."""
    return (
        connection.execute(select(conversation.c.id).where(conversation.c.site_id == site_id).limit(1)).first() is None
    )
