"""What a console follows: the desk as a whole, and the conversations that it watches.

A hint says only that something changed; what is sent comes from the database, from the cursor on. Watched conversations get events
in order of seq, notes, and scores; the desk comes as whole snapshots, at most five a second, and only when they differ.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sqlalchemy import Connection

from assistant.bus.hints import Signal, Subscription
from assistant.conversations import store as conversations
from assistant.conversations.view import agent_names, to_ev
from assistant.errors import Conflict
from assistant.escalation import frames, view
from assistant.escalation.service import DeskDeps
from assistant.identity import sessions
from assistant.identity.agents import Agent
from assistant.identity.sessions import Session
from assistant.wire import Frame

RE_READ_S: Final = 2.0  # hints may be lost
SNAPSHOT_S: Final = 0.2  # least time between two snapshots of the desk …
SNAPSHOT_SHARE: Final = (
    0.2  # … and most of a console's time that goes into reading them: a large desk changes less often
)
PAGE: Final = 200
MOST_WATCHED: Final = 50
WATCHER_S: Final = 25.0  # a watcher that has not been heard of for so long is gone
TYPING_S: Final = 6.0
SCORE_LATE: Final = 20  # turns back from the last score that may still get one


class Replaced(Conflict):
    """A newer console of the same agent is open."""


@dataclass(slots=True)
class Watched:
    """One watched conversation: its cursor, what was sent, who else looks. Times in seconds of the loop's clock."""

    conv: str
    after: int
    silent: bool = False
    read_at: float = 0.0
    notes: set[str] = field(default_factory=set)
    scores: dict[int, frames.DeskScore] = field(default_factory=dict)
    watchers: dict[str, tuple[str, float]] = field(default_factory=dict)  # console → (agent's name, until)
    typing: dict[str, float] = field(default_factory=dict)  # an agent's name, or "contact" → until
    told: tuple[list[str], list[str]] = ([], [])


class Follower:
    """Follows for one console. `put` queues a frame to it."""

    def __init__(
        self,
        deps: DeskDeps,
        session: Session,
        console: str,
        subscription: Subscription,
        put: Callable[[Frame], Awaitable[None]],
    ) -> None:
        self._deps = deps
        self._session = session
        self._console = console
        self._subscription = subscription
        self._put = put
        self._now_s = asyncio.get_running_loop().time
        self._one_reader = asyncio.Lock()  # cursors move under it
        self._watched: dict[str, Watched] = {}
        self._held: dict[str, bool] = {}  # conversation → may speak
        self._seen: dict[str, int] = {}
        self._last: frames.Desk | None = None
        self._last_at = self._now_s() - RE_READ_S
        self._pause_s = SNAPSHOT_S
        self._due = True  # a snapshot is to be made

    @property
    def _who(self) -> Agent:
        return self._session.agent

    # --- commands of the console ---

    async def watch(self, conv: str, after: int, *, silent: bool = False) -> None:
        """Follows a conversation of the agent's site: replays what comes after `after`, says `caught`, then sends what is new.

        `silent`: others are not told. Raises Forbidden for a conversation that is not there or not the site's, Conflict `too_many`.
        """
        held = await self._deps.storage.read(
            lambda connection: conversations.get(connection, conv, site_id=self._who.site_id)
        )
        if conv not in self._watched and len(self._watched) >= MOST_WATCHED:
            raise Conflict("that is more than one person can watch", code="too_many")
        async with self._one_reader:
            watched = Watched(conv, after, silent)
            self._subscription.add(f"conv:{conv}")
            self._watched[conv] = watched
            await self._catch_up(watched)
            await self._put(frames.Caught(conv=conv, head=watched.after))
            await self._put(frames.ContactSeen(conv=conv, seq=held["seen_seq"]))
        self._say_watching(watched, ask=True)

    def unwatch(self, conv: str) -> None:
        """Stops following."""
        watched = self._watched.pop(conv, None)
        if watched is not None:
            self._say_watching(watched, on=False)
            if conv not in self._held:
                self._subscription.discard(f"conv:{conv}")

    def typing(self, conv: str, on: bool) -> None:
        """The agent types; shown only for a conversation that the agent holds."""
        if self._held.get(conv):
            payload = {"t": "typing", "from": "agent", "on": on, "name": self._who.name, "console": self._console}
            self._deps.bus.signal(f"conv:{conv}", payload)

    def saw(self, conv: str, seq: int) -> None:
        """The agent has read up to `seq`; the contact is told so by whoever holds the conversation."""
        if seq > self._seen.get(conv, 0):
            self._seen[conv] = seq
            self._due = True
        if self._held.get(conv):
            self._deps.bus.signal(f"conv:{conv}", {"t": "seen", "by": "agent", "seq": seq})

    def beat(self, session: Session) -> None:
        """The console is alive: so are its places among the watchers. `session`: as the database has it now."""
        self._session = session
        for watched in self._watched.values():
            self._say_watching(watched)

    def recheck(self) -> None:
        """Makes the loop look whether the session still holds."""
        self._subscription.hint(f"agent:{self._who.id}")

    def leave(self) -> None:
        """The console is gone."""
        for conv in tuple(self._watched):
            self.unwatch(conv)

    # --- the loop ---

    async def run(self) -> None:
        """Sends what is new until cancelled. Raises Replaced when a newer console opens, NotAllowed when the session ends."""
        own, desk = f"agent:{self._who.id}", f"desk:{self._who.site_id}"
        await self._snapshot()
        while True:
            changed = await self._subscription.wait(SNAPSHOT_S if self._due else RE_READ_S)
            for signal in self._subscription.drain():
                await self._take(signal)
            if own in changed:
                await self._check_session()
            for watched in tuple(self._watched.values()):
                if f"conv:{watched.conv}" in changed or self._now_s() - watched.read_at >= RE_READ_S:
                    async with self._one_reader:
                        await self._catch_up(watched)
                await self._show_watching(watched)
            if desk in changed or any(f"conv:{conv}" in changed for conv in self._held):
                self._due = True
            if self._due or self._now_s() - self._last_at >= RE_READ_S:
                await self._snapshot()

    async def _check_session(self) -> None:
        now, token_hash = self._deps.clock(), self._session.token_hash
        self._session = await self._deps.storage.read(lambda connection: sessions.find(connection, token_hash, now=now))

    async def _snapshot(self) -> None:
        """Sends the desk if it differs from the last one; puts it off when that was too short a while ago."""
        self._due = self._now_s() - self._last_at < self._pause_s
        if self._due:
            return
        self._last_at = self._now_s()
        now, seen = self._deps.clock(), dict(self._seen)
        desk = await self._deps.storage.read(lambda connection: view.desk(connection, self._who, now=now, seen=seen))
        self._pause_s = min(RE_READ_S, max(SNAPSHOT_S, (self._now_s() - self._last_at) / SNAPSHOT_SHARE))
        held = {card.conv: card.state == "assigned" for card in desk.mine}
        for conv in held.keys() - self._held.keys():
            self._subscription.add(f"conv:{conv}")
        for conv in self._held.keys() - held.keys() - self._watched.keys():
            self._subscription.discard(f"conv:{conv}")
        self._held = held
        if self._last is None or self._last.model_copy(update={"now": now}) != desk:
            await self._put(desk)
            self._last = desk

    async def _catch_up(self, watched: Watched) -> None:
        """Sends what is new in a watched conversation, page by page."""
        while True:
            watched.read_at = self._now_s()
            events, notes, scores = await self._deps.storage.read(partial(self._read, watched=watched))
            for frame in (*events, *notes, *scores):
                await self._put(frame)
            watched.notes.update(note.id for note in notes)
            watched.scores.update((score.seq, score) for score in scores)
            if events:
                watched.after = events[-1].ev.seq
            if len(events) < PAGE:
                return

    def _read(
        self, connection: Connection, watched: Watched
    ) -> tuple[list[frames.DeskEv], list[frames.DeskNote], list[frames.DeskScore]]:
        rows = conversations.read(connection, watched.conv, after=watched.after, limit=PAGE)
        names = agent_names(connection, rows)
        late = max(watched.scores, default=0) - SCORE_LATE
        return (
            [frames.DeskEv(conv=watched.conv, ev=to_ev(row, names)) for row in rows],
            view.notes_of(connection, watched.conv, known=watched.notes),
            [
                score
                for score in view.scores_of(connection, watched.conv, after=late)
                if watched.scores.get(score.seq) != score
            ],
        )

    def say_open(self) -> None:
        """Tells the agent's other consoles about this one; the oldest ones leave."""
        self._deps.bus.signal(f"agent:{self._who.id}", {"t": "console", "console": self._console})

    # --- who looks, who types: signals, stored nowhere ---

    async def _take(self, signal: Signal) -> None:
        kind, topic, console = signal.get("t"), str(signal["topic"]), signal.get("console")
        if kind == "console" and str(console) > self._console:
            raise Replaced("a newer console is open")
        if kind == "console" and str(console) < self._console:
            self.say_open()  # the older one may have started to listen after this one spoke
        watched = self._watched.get(topic.removeprefix("conv:"))
        if watched is None or console == self._console:
            return
        now_s = self._now_s()
        if kind == "watching":
            if signal["on"]:
                watched.watchers[str(console)] = (str(signal["agent"]), now_s + WATCHER_S)
            else:
                watched.watchers.pop(str(console), None)
            if signal["ask"]:
                self._say_watching(watched)
        elif kind == "typing" and signal["from"] in ("contact", "agent"):
            who = "contact" if signal["from"] == "contact" else str(signal.get("name", ""))
            if signal["on"]:
                watched.typing[who] = now_s + TYPING_S
            else:
                watched.typing.pop(who, None)
        elif kind == "seen" and signal["by"] == "contact":
            await self._put(frames.ContactSeen(conv=watched.conv, seq=int(signal["seq"])))

    async def _show_watching(self, watched: Watched) -> None:
        now_s = self._now_s()
        watched.watchers = {key: value for key, value in watched.watchers.items() if value[1] > now_s}
        watched.typing = {who: until for who, until in watched.typing.items() if until > now_s}
        told = (sorted({name for name, _ in watched.watchers.values()}), sorted(watched.typing))
        if told != watched.told:
            watched.told = told
            await self._put(frames.Watching(conv=watched.conv, agents=told[0], typing=told[1]))

    def _say_watching(self, watched: Watched, *, on: bool = True, ask: bool = False) -> None:
        """Tells other consoles that this one looks on, unless it does so silently; `ask`: and asks them to say so too."""
        payload = {
            "t": "watching",
            "agent": self._who.name,
            "console": self._console,
            "on": on and not watched.silent,
            "ask": ask,
        }
        self._deps.bus.signal(f"conv:{watched.conv}", payload)
