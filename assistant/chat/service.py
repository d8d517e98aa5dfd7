"""What the chat does with the database. Each method is one transaction; hints are published after its commit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection, RowMapping
from ulid import ULID

from assistant.bus.hints import Bus
from assistant.chat.frames import Hello
from assistant.chat.metrics import ChatMetrics
from assistant.conversations import contacts, store
from assistant.conversations.status import BOT, Mode, may_speak, mode
from assistant.conversations.store import Appended, NewEvent
from assistant.conversations.view import agent_names, to_contact_ev
from assistant.errors import Conflict, Forbidden, NotFound
from assistant.escalation.store import escalate
from assistant.identity import widget
from assistant.identity.keys import derive
from assistant.identity.sites import Site, SiteDirectory, find_site_by_key
from assistant.identity.trust import Identities
from assistant.identity.widget import Access, Opened
from assistant.settings import Settings
from assistant.storage.engine import Storage
from assistant.turns import jobs
from assistant.wire import MAX_GAP, Ev

_REASON: Final = re.compile(r"[a-z][a-z_]{0,63}")  # a code of the client's, not prose
PAGE: Final = 64  # events read at once: at most a mebibyte of them is held for a connection


@dataclass(frozen=True, slots=True)
class ChatDeps:
    """What the chat needs from outside. `clock`: UTC milliseconds. `secret`: the installation's."""

    storage: Storage
    bus: Bus
    clock: Callable[[], int]
    settings: Settings
    sites: SiteDirectory
    secret: bytes
    metrics: ChatMetrics = field(default_factory=ChatMetrics)
    identities: Identities = field(default_factory=Identities)


@dataclass(frozen=True, slots=True)
class Standing:
    """The conversation that a connection speaks in. Not `born`: its ids are promised, its row comes with the first message."""

    conv: str
    epoch: str
    head: int
    status: str
    holder: str
    born: bool

    @property
    def mode(self) -> Mode:
        """Who answers."""
        return mode(self.status, self.holder)


@dataclass(frozen=True, slots=True)
class Greeting:
    """An accepted hello. `after`: the cursor to go on from; `reset`: the client's own cannot be served."""

    access: Access
    standing: Standing
    after: int
    reset: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A durable frame of the contact. `standing` is another conversation than before when one was open meanwhile."""

    appended: Appended
    standing: Standing


@dataclass(frozen=True, slots=True)
class Page:
    """Events that follow a cursor, and the conversation as it stood when they were read."""

    standing: Standing
    events: list[Ev]


class ChatService:
    """The contact's side of conversations."""

    def __init__(self, deps: ChatDeps) -> None:
        self._deps = deps
        self._epoch_key = derive(deps.secret, "epoch of a promised conversation")

    # --- access ---

    async def open_session(
        self, site: Site, identity: str | None, resume: str | None, locale: str | None
    ) -> tuple[Opened, RowMapping | None]:
        """A widget token, and the contact's open conversation if there is one. Raises NotAllowed for a bad identity, Unavailable
        when the keys to check it with cannot be fetched."""
        now = self._deps.clock()
        said = None
        if identity is not None:
            said = await self._deps.identities.read(site, identity, now)

        def work(connection: Connection) -> tuple[Opened, RowMapping | None]:
            if find_site_by_key(connection, site.key) is None:  # withdrawn since the directory looked
                raise NotFound("no such site", code="unknown_site")
            opened = widget.open_session(
                connection,
                site,
                secret=self._deps.secret,
                now=now,
                token_ms=self._deps.settings.token_minutes * 60_000,
                identity=said,
                resume=resume,
                locale=locale,
            )
            return opened, store.latest_open(connection, site_id=site.id, contact_id=opened.contact["id"])

        return await self._deps.storage.write(work)

    async def access(self, token: str) -> Access:
        """What a token allows. Raises NotAllowed."""
        now = self._deps.clock()
        return await self._deps.storage.read(lambda connection: widget.check_token(connection, token, now=now))

    async def greet(self, hello: Hello) -> Greeting:
        """Checks the token and finds the conversation. Raises NotAllowed, and Forbidden for one that is foreign or absent."""
        now = self._deps.clock()

        def work(connection: Connection) -> Greeting:
            access = widget.check_token(connection, hello.token, now=now)
            asked = None if hello.conv is None else store.find(connection, hello.conv)
            if asked is not None:
                if (asked["site_id"], asked["contact_id"]) != (access.site_id, access.contact_id):
                    raise Forbidden("no such conversation")
                return _at_cursor(access, _standing(asked), hello)
            promise = hello.conv or str(ULID())
            if hello.conv is not None and hello.epoch != self._promised_epoch(access, hello.conv):
                raise Forbidden("no such conversation")
            current = store.latest_open(connection, site_id=access.site_id, contact_id=access.contact_id)
            if current is None:
                return Greeting(access, self._promise(access, promise), 0, reset=False)
            return _at_cursor(access, _standing(current), Hello(t="hello", v=hello.v, token=hello.token))

        return await self._deps.storage.read(work)

    def life_left(self, access: Access) -> int:
        """Milliseconds until the token ends."""
        return access.expires_at - self._deps.clock()

    async def belongs(self, access: Access, standing: Standing) -> bool:
        """Whether a connection may go on in `standing` with a new token."""
        if not standing.born:
            return True
        row = await self._deps.storage.read(lambda connection: store.find(connection, standing.conv))
        return row is not None and (row["site_id"], row["contact_id"]) == (access.site_id, access.contact_id)

    # --- the log ---

    async def send(self, access: Access, standing: Standing, *, cmid: str, body: str) -> Stored:
        """Stores a message and its turn job. Raises Conflict: `cmid_conflict`, `closed`; Forbidden; Unavailable."""

        def append(connection: Connection, row: RowMapping, now: int) -> Appended:
            new = NewEvent("contact", "message", body, cmid=cmid)
            appended = store.append(connection, row["id"], new, now=now, held=standing.born)
            if not appended.dup:
                if not may_speak("contact", status=row["status"], holder=row["holder"]):
                    raise Conflict("the conversation is over", code="closed")
                jobs.enqueue(connection, row["id"], appended.seq, now)
            return appended

        stored = await self._store(access, standing, append)
        if not stored.appended.dup:
            self._deps.bus.publish("turns")
        return stored

    async def escalate(self, access: Access, standing: Standing, *, cmid: str, reason: str) -> Stored:
        """Stores the contact's request for a person. Raises as `send`."""

        why = reason if _REASON.fullmatch(reason) else "asked_for_human"

        def append(connection: Connection, row: RowMapping, now: int) -> Appended:
            return escalate(connection, row["id"], by="contact", reason=why, now=now, cmid=cmid)

        stored = await self._store(access, standing, append)
        self._deps.bus.publish(f"desk:{access.site_id}")
        return stored

    async def _store(
        self, access: Access, standing: Standing, append: Callable[[Connection, RowMapping, int], Appended]
    ) -> Stored:
        now = self._deps.clock()
        site = await self._deps.sites.by_id(access.site_id)

        def work(connection: Connection) -> Stored:
            row = self._bear(connection, access, standing, site, now)
            appended = append(connection, row, now)
            return Stored(appended, replace(_standing(row), head=max(row["head"], appended.seq)))

        stored = await self._deps.storage.write(work)
        self._deps.bus.publish(f"conv:{stored.standing.conv}")
        if not standing.born:
            self._deps.bus.publish(f"contact:{access.contact_id}")
        return stored

    def _bear(self, connection: Connection, access: Access, standing: Standing, site: Site, now: int) -> RowMapping:
        """The row to write to: the connection's own, one that another tab has opened meanwhile, or the promised one, made now."""
        site_id, contact_id = access.site_id, access.contact_id
        if standing.born:
            return store.get(connection, standing.conv, site_id=site_id, contact_id=contact_id, for_update=True)
        who = contacts.get(connection, contact_id, site_id=site_id, for_update=True)
        if who is None:
            raise Forbidden("no such contact")
        row = store.latest_open(connection, site_id=site_id, contact_id=contact_id)
        if row is None and store.find(connection, standing.conv) is None:
            store.open_conversation(
                connection,
                site_id=site_id,
                contact_id=contact_id,
                locale=who["locale"] or site.locale,
                now=now,
                conversation_id=standing.conv,
                epoch=standing.epoch,
            )
        return row or store.get(connection, standing.conv, site_id=site_id, contact_id=contact_id)

    async def read(self, access: Access, conversation_id: str, after: int) -> Page | None:
        """Events after a cursor, a page at most; None when the conversation is gone. Raises Forbidden when it is another's now."""

        def work(connection: Connection) -> Page | None:
            row = store.find(connection, conversation_id)
            if row is None:
                return None
            if (row["site_id"], row["contact_id"]) != (access.site_id, access.contact_id):
                raise Forbidden("no such conversation")
            rows = [] if row["head"] <= after else store.read(connection, conversation_id, after=after, limit=PAGE)
            names = agent_names(connection, rows)
            return Page(_standing(row), [to_contact_ev(event, names) for event in rows])

        return await self._deps.storage.read(work)

    async def current(self, access: Access) -> Standing | None:
        """The contact's open conversation."""
        row = await self._deps.storage.read(
            lambda connection: store.latest_open(connection, site_id=access.site_id, contact_id=access.contact_id)
        )
        return None if row is None else _standing(row)

    async def mark_seen(self, conversation_id: str, seq: int) -> None:
        """Notes how far the contact has read, and passes it on."""
        self._deps.bus.signal(f"conv:{conversation_id}", {"t": "seen", "by": "contact", "seq": seq})
        await self._deps.storage.write(lambda connection: store.mark_seen(connection, conversation_id, seq))

    def show_typing(self, conversation_id: str, on: bool) -> None:
        """Passes on that the contact types."""
        self._deps.bus.signal(f"conv:{conversation_id}", {"t": "typing", "from": "contact", "on": on})

    async def history(
        self, access: Access, conversation_id: str, *, before: int | None, limit: int
    ) -> tuple[str, list[Ev], bool]:
        """A page of history: (epoch, events ascending, whether there are older ones). Raises Forbidden."""

        def work(connection: Connection) -> tuple[str, list[Ev], bool]:
            row = own(connection, access, conversation_id)
            rows, more = store.read_before(connection, conversation_id, before=before, limit=limit)
            names = agent_names(connection, rows)
            return row["epoch"], [to_contact_ev(event, names) for event in rows], more

        return await self._deps.storage.read(work)

    # --- promised conversations ---

    def _promise(self, access: Access, conversation_id: str) -> Standing:
        epoch = self._promised_epoch(access, conversation_id)
        return Standing(conversation_id, epoch, 0, "open", BOT, born=False)

    def _promised_epoch(self, access: Access, conversation_id: str) -> str:
        """The epoch of a conversation that has no row yet. It shows, without being stored, that these ids were promised to this
        contact: so a client whose connection broke before its first message comes back to the same conversation."""
        return promised_epoch(self._epoch_key, access.contact_id, conversation_id)


def own(connection: Connection, access: Access, conversation_id: str, *, for_update: bool = False) -> RowMapping:
    """The contact's conversation. Raises Forbidden for any other."""
    return store.get(
        connection,
        conversation_id,
        site_id=access.site_id,
        contact_id=access.contact_id,
        for_update=for_update,
    )


def promised_epoch(key: bytes, contact_id: str, conversation_id: str) -> str:
    """A ULID that only this installation can make of a contact and a conversation."""
    digest = derive(key, f"{contact_id}/{conversation_id}")
    return str(ULID.from_bytes(digest[:16]))


def _standing(row: RowMapping) -> Standing:
    return Standing(row["id"], row["epoch"], row["head"], row["status"], row["holder"], born=True)


def _at_cursor(access: Access, standing: Standing, hello: Hello) -> Greeting:
    """Goes on from the client's cursor, unless its log is another one, is ahead of ours, or is too far behind."""
    other = hello.epoch is not None and hello.epoch != standing.epoch
    gap = standing.head - hello.after
    if other or not 0 <= gap <= MAX_GAP:
        return Greeting(access, standing, standing.head, reset=True)
    return Greeting(access, standing, hello.after, reset=False)
