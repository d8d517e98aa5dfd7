"""The desk: what agents can do, each as one transaction followed by the word to everybody concerned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from assistant.bus.hints import Bus
from assistant.escalation import callbacks, commands, mentions, presence
from assistant.escalation.commands import Moved, Said
from assistant.escalation.frames import Presence
from assistant.escalation.presence import Here
from assistant.escalation.rendering import Renderer, as_written
from assistant.identity import sessions
from assistant.identity.agents import Agent
from assistant.identity.sessions import Session
from assistant.settings import Settings
from assistant.storage.engine import Storage

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeskDeps:
    """What the desk needs. `clock` gives UTC ms; `render` words a script for a contact (see `rendering`).

    `thresholds` tells where the risk bands begin, {elevated, high}, for the curve; None without a model.
    """

    storage: Storage
    bus: Bus
    clock: Callable[[], int]
    settings: Settings
    render: Renderer = field(default=as_written)
    thresholds: Callable[[], Mapping[str, float] | None] = lambda: None


class Desk:
    """Commands of agents. Each raises what the function of the same name in `commands` raises, and stores nothing then."""

    def __init__(self, deps: DeskDeps) -> None:
        self._deps = deps

    async def accept(self, who: Agent, task_id: str, offer_id: str | None) -> Moved:
        """Takes an offered task, or claims a queued one."""
        return await self._move(partial(commands.accept, who=who, task_id=task_id, offer_id=offer_id))

    async def decline(self, who: Agent, task_id: str, offer_id: str) -> Moved:
        """Passes on an offer."""
        return await self._move(partial(commands.decline, who=who, task_id=task_id, offer_id=offer_id))

    async def take_over(self, who: Agent, conversation_id: str) -> Moved:
        """Steps in unasked."""
        return await self._move(partial(commands.take_over, who=who, conversation_id=conversation_id))

    async def hand_back(self, who: Agent, conversation_id: str, assign_epoch: int) -> Moved:
        """Back to the assistant."""
        return await self._move(
            partial(commands.hand_back, who=who, conversation_id=conversation_id, assign_epoch=assign_epoch)
        )

    async def transfer(
        self, who: Agent, conversation_id: str, assign_epoch: int, *, to: str | None, cmid: str, text: str
    ) -> Moved:
        """On to a colleague, with a note."""
        return await self._move(
            partial(
                commands.transfer,
                who=who,
                conversation_id=conversation_id,
                assign_epoch=assign_epoch,
                to=to,
                cmid=cmid,
                text=text,
            )
        )

    async def snooze(self, who: Agent, conversation_id: str, assign_epoch: int, until: int) -> Moved:
        """Set aside until then, or until the contact writes."""
        return await self._move(
            partial(commands.snooze, who=who, conversation_id=conversation_id, assign_epoch=assign_epoch, until=until)
        )

    async def resolve(
        self, who: Agent, conversation_id: str, assign_epoch: int, disposition: str, comment: str
    ) -> Moved:
        """The end, with a coded result."""
        return await self._move(
            partial(
                commands.resolve,
                who=who,
                conversation_id=conversation_id,
                assign_epoch=assign_epoch,
                disposition=disposition,
                comment=comment,
            )
        )

    async def send(
        self,
        who: Agent,
        conversation_id: str,
        *,
        cmid: str,
        body: str,
        assign_epoch: int,
        suggestion: tuple[str, bool] | None = None,
    ) -> Said:
        """A message to the contact."""
        now = self._deps.clock()
        said = await self._deps.storage.write(
            lambda connection: commands.send(
                connection,
                who,
                conversation_id,
                cmid=cmid,
                body=body,
                assign_epoch=assign_epoch,
                suggestion=suggestion,
                now=now,
            )
        )
        self._tell(conversation_id, who.site_id)
        return said

    async def write_note(
        self, who: Agent, conversation_id: str, *, cmid: str, body: str, whom: Sequence[str] = ()
    ) -> Said:
        """A note for colleagues; those in `whom` (ids) are told of it."""
        now = self._deps.clock()
        said = await self._deps.storage.write(
            lambda connection: commands.write_note(
                connection, who, conversation_id, cmid=cmid, body=body, whom=whom, now=now
            )
        )
        if whom:
            self._tell(conversation_id, who.site_id)
        else:
            self._deps.bus.publish(f"conv:{conversation_id}")
        return said

    async def read_mentions(self, who: Agent, conversation_id: str) -> None:
        """The agent has seen the notes of a conversation."""
        now = self._deps.clock()
        if await self._deps.storage.write(
            lambda connection: mentions.mark_read(connection, who, conversation_id, now=now)
        ):
            self._deps.bus.publish(f"desk:{who.site_id}")

    async def call_back(self, who: Agent, callback_id: str, result: callbacks.Result) -> None:
        """A call-back is taken, or was made."""
        now = self._deps.clock()
        await self._deps.storage.write(
            lambda connection: callbacks.report(connection, who, callback_id, result, now=now)
        )
        self._deps.bus.publish(f"desk:{who.site_id}")

    async def arrive(self, who: Agent) -> Here:
        """The agent opened a console."""
        return await self._present(who, presence.arrive)

    async def set_presence(self, who: Agent, state: Presence) -> Here:
        """Available, away or offline."""
        return await self._present(who, partial(presence.beat, state=state))

    async def sign_off(self, who: Agent) -> None:
        """The agent logged out: offers go on to somebody else at once, held conversations after the grace time."""
        now = self._deps.clock()
        moved = await self._deps.storage.write(lambda connection: commands.sign_off(connection, who, now=now))
        for one in moved:
            self._tell(one.conversation_id, one.site_id)
        self._deps.bus.publish(f"desk:{who.site_id}")

    async def heartbeat(self, session: Session) -> Session:
        """Renews the agent's lease, and gives the session as it is now. Raises NotAllowed when it has ended."""
        now = self._deps.clock()

        def work(connection: Connection) -> Session:
            current = sessions.find(connection, session.token_hash, now=now)
            presence.beat(connection, current.agent.id, now=now)
            return current

        return await self._deps.storage.write(work)

    async def _present(self, who: Agent, change: Callable[..., Here]) -> Here:
        now = self._deps.clock()
        here: Here = await self._deps.storage.write(lambda connection: change(connection, who.id, now=now))
        self._deps.bus.publish(f"desk:{who.site_id}")
        return here

    async def _move(self, command: Callable[..., Moved]) -> Moved:
        now = self._deps.clock()
        moved = await self._deps.storage.write(lambda connection: command(connection, now=now))
        self._tell(moved.conversation_id, moved.site_id)
        return moved

    def _tell(self, conversation_id: str, site_id: str) -> None:
        self._deps.bus.publish(f"conv:{conversation_id}")
        self._deps.bus.publish(f"desk:{site_id}")
