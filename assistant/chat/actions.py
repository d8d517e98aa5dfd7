"""What a contact does beside talking: rates, answers an offer, opens a product, ends the conversation. One transaction each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from assistant.chat.service import ChatDeps, own
from assistant.conversations import cards, contacts, store
from assistant.conversations.store import NewEvent
from assistant.errors import Conflict
from assistant.escalation import callbacks
from assistant.escalation import commands as escalation
from assistant.identity.widget import Access
from assistant.outcomes.store import record


class ContactActions:
    """Each lands in the log of the conversation, where both sides see it, and in the outcome log."""

    def __init__(self, deps: ChatDeps) -> None:
        self._deps = deps

    async def rate(self, access: Access, conversation_id: str, *, score: int, comment: str | None) -> int:
        """Stores the contact's rating and returns its seq. The same score again changes nothing, another one corrects it."""
        now = self._deps.clock()

        def work(connection: Connection) -> int:
            row = own(connection, access, conversation_id, for_update=True)
            last = store.last_of_kind(connection, conversation_id, "csat")
            if (
                last is not None
                and last["data"]["score"] == score
                and (comment is None or last["data"].get("comment") == comment)
            ):
                return int(last["seq"])
            data: dict[str, Any] = {"score": score} | ({"comment": comment} if comment else {})
            appended = store.append(connection, row["id"], NewEvent("contact", "csat", data=data), now=now)
            store.rate(connection, conversation_id, score)
            about = {"site_id": row["site_id"], "type": "csat", "source": "widget", "now": now}
            corrected = None
            if last is not None:  # the key gives back the outcome that was recorded then
                corrected = record(
                    connection,
                    **about,
                    idempotency_key=f"csat:{conversation_id}:{last['seq']}",
                    conversation_id=conversation_id,
                    ts_event=last["at"],
                    value=float(last["data"]["score"]),
                )
            record(
                connection,
                **about,
                idempotency_key=f"csat:{conversation_id}:{appended.seq}",
                conversation_id=conversation_id,
                ts_event=now,
                value=float(score),
                supersedes=corrected,
            )
            return appended.seq

        return await self._published(conversation_id, work)

    async def answer_offer(
        self, access: Access, conversation_id: str, *, decision: str, offer: str, accepted: bool
    ) -> int:
        """Stores the answer to an offer that was shown here, with its wallet entry and outcome; returns its seq.

        Raises NotFound for an offer that was not shown, Conflict(`answered`, `expired`), and Forbidden.
        """
        now = self._deps.clock()

        def work(connection: Connection) -> int:
            row = own(connection, access, conversation_id, for_update=True)
            shown = cards.shown_offer(connection, conversation_id, decision_id=decision, offer_id=offer)
            appended = cards.answer_offer(connection, row, shown, accepted=accepted, now=now)
            if not appended.dup:
                record(
                    connection,
                    site_id=row["site_id"],
                    idempotency_key=f"offer:{decision}",  # a decision makes one offer
                    type="accept" if accepted else "decline",
                    source="widget",
                    ts_event=now,
                    now=now,
                    decision_id=decision,
                    conversation_id=conversation_id,
                    value=float(shown.amount),
                    currency=shown.currency,
                )
            return appended.seq

        return await self._published(conversation_id, work)

    async def introduce(self, access: Access, *, name: str | None, email: str | None) -> None:
        """Notes what a guest says of themselves. Raises Conflict(`verified`): the shop has said who this is."""

        def work(connection: Connection) -> None:
            if not contacts.introduce(connection, access.contact_id, site_id=access.site_id, name=name, email=email):
                raise Conflict("the shop has said who this is", code="verified")

        await self._deps.storage.write(work)

    async def click(self, access: Access, conversation_id: str, *, product: str, decision: str | None) -> None:
        """Records that a product card was opened; once a card. Raises NotFound for a product that was not shown here."""
        now = self._deps.clock()

        def work(connection: Connection) -> None:
            row = own(connection, access, conversation_id)
            behind = cards.decision_behind(connection, conversation_id, product, decision)
            card = hashlib.sha256(f"{conversation_id}/{behind}/{product}".encode()).hexdigest()
            record(
                connection,
                site_id=row["site_id"],
                idempotency_key=f"click:{card}",
                type="click",
                source="widget",
                ts_event=now,
                now=now,
                decision_id=behind,
                conversation_id=conversation_id,
                label={"product": product},
            )

        await self._deps.storage.write(work)

    async def ask_callback(self, access: Access, conversation_id: str, wish: callbacks.Wish) -> int:
        """Keeps where the contact wants to be called back; returns its seq. Raises Conflict `closed`, `not_offered`."""
        now = self._deps.clock()

        def work(connection: Connection) -> int:
            row = own(connection, access, conversation_id, for_update=True)
            return callbacks.ask(connection, row, wish, now=now)

        seq = await self._published(conversation_id, work)
        self._deps.bus.publish(f"desk:{access.site_id}")
        return seq

    async def resolve(self, access: Access, conversation_id: str) -> int:
        """The contact ends the conversation; returns the seq of the event. Ending it twice is ending it once."""
        now = self._deps.clock()

        def work(connection: Connection) -> int:
            row = own(connection, access, conversation_id, for_update=True)
            if row["status"] == "resolved":
                last = store.last_of_kind(connection, conversation_id, "resolved")
                return int(row["head"] if last is None else last["seq"])
            appended = store.append(
                connection, conversation_id, NewEvent("system", "resolved", data={"by": "contact"}), now=now
            )
            escalation.contact_ended(connection, conversation_id, now=now)
            store.resolve(connection, conversation_id, now=now)
            record(
                connection,
                site_id=row["site_id"],
                idempotency_key=f"resolved:{conversation_id}",
                type="resolved",
                source="widget",
                ts_event=now,
                now=now,
                conversation_id=conversation_id,
            )
            return appended.seq

        seq = await self._published(conversation_id, work)
        self._deps.bus.publish(f"desk:{access.site_id}")
        return seq

    async def _published(self, conversation_id: str, work: Callable[[Connection], int]) -> int:
        seq = await self._deps.storage.write(work)
        self._deps.bus.publish(f"conv:{conversation_id}")
        return seq
