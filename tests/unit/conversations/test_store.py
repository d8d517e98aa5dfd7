"""The event store: gapless order, idempotent appends, pages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.conversations import store
from assistant.conversations.store import Appended, NewEvent
from assistant.conversations.view import to_contact_ev, to_ev
from assistant.errors import Conflict, Forbidden
from assistant.storage.engine import Storage

A, B = "1b4e28ba-2fa1-4d2f-883f-0016d3cca427", "2b4e28ba-2fa1-4d2f-883f-0016d3cca427"


def append(storage: Storage, conv: str, sender: str = "contact", kind: str = "message", **fields: Any) -> Appended:
    return storage.write_sync(
        lambda connection: store.append(connection, conv, NewEvent(sender, kind, **fields), now=5)
    )


def test_seq_counts_from_one(storage: Storage, conv: str) -> None:
    assert [append(storage, conv, body=f"{n}").seq for n in range(3)] == [1, 2, 3]
    row = storage.read_sync(lambda connection: store.find(connection, conv))
    assert row is not None
    assert (row["head"], row["updated_at"]) == (3, 5)


def test_a_failed_transaction_leaves_no_gap(storage: Storage, conv: str) -> None:
    append(storage, conv, body="one")

    def fail(connection: Any) -> None:
        store.append(connection, conv, NewEvent("contact", "message", "gone"), now=5)
        raise ValueError("later in the transaction")

    with pytest.raises(ValueError, match="later"):
        storage.write_sync(fail)
    assert append(storage, conv, body="two").seq == 2


def test_a_known_cmid_gives_the_old_event(storage: Storage, conv: str) -> None:
    first = append(storage, conv, body="once", cmid=A)
    append(storage, conv, body="between")
    again = append(storage, conv, body="once", cmid=A)
    assert again == Appended(first.seq, first.id, dup=True)
    for other in ({"body": "twice"}, {"kind": "escalated", "body": "once"}):
        with pytest.raises(Conflict) as caught:
            append(storage, conv, **{"cmid": A, **other})
        assert caught.value.reason == "cmid_conflict"
    assert append(storage, conv, sender="bot", body="mine", cmid=A).dup is False  # a cmid is its sender's


def test_an_absent_conversation_takes_nothing(storage: Storage) -> None:
    with pytest.raises(Forbidden):
        append(storage, "0" * 26, body="hello")


def test_foreign_and_absent_conversations_are_refused_alike(storage: Storage, conv: str, site_id: str) -> None:
    def get(**where: Any) -> str:
        with pytest.raises(Forbidden) as caught:
            storage.read_sync(lambda connection: store.get(connection, where.pop("conv", conv), **where))
        return str(caught.value)

    refusals = {
        get(site_id=site_id, contact_id="0" * 26),
        get(site_id="0" * 26),
        get(conv="0" * 26, site_id=site_id),
    }
    assert len(refusals) == 1


def test_the_newest_open_conversation_counts(storage: Storage, site_id: str, contact_id: str, conv: str) -> None:
    def latest() -> str | None:
        row = storage.read_sync(
            lambda connection: store.latest_open(connection, site_id=site_id, contact_id=contact_id)
        )
        return None if row is None else row["id"]

    def opened(now: int) -> str:
        return storage.write_sync(
            lambda connection: store.open_conversation(
                connection, site_id=site_id, contact_id=contact_id, locale="en", now=now
            )
        )

    assert latest() == conv
    newer = opened(2)
    assert latest() == newer
    storage.write_sync(lambda connection: store.resolve(connection, newer, now=3))
    assert latest() == conv
    storage.write_sync(lambda connection: store.resolve(connection, conv, now=3))
    assert latest() is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(1, 25))
def test_pages_put_together_are_the_log(
    storage: Storage, site_id: str, contact_id: str, limit: int, events: int
) -> None:
    conv = storage.write_sync(
        lambda connection: store.open_conversation(
            connection, site_id=site_id, contact_id=contact_id, locale="en", now=1
        )
    )
    for n in range(events):
        append(storage, conv, body=f"{n}")
    seqs: list[int] = []
    more, before = True, None
    while more:
        rows, more = storage.read_sync(
            lambda connection, before=before: store.read_before(connection, conv, before=before, limit=limit)
        )
        seqs = [row["seq"] for row in rows] + seqs
        before = seqs[0]
    assert seqs == list(range(1, events + 1))
    after = storage.read_sync(lambda connection: store.read(connection, conv, after=2, limit=limit))
    assert [row["seq"] for row in after] == list(range(3, events + 1))[:limit]


def test_heads_name_those_that_exist(storage: Storage, conv: str) -> None:
    append(storage, conv, body="hello")
    found = storage.read_sync(lambda connection: store.heads(connection, [conv, "0" * 26]))
    assert list(found) == [conv]
    assert found[conv][1] == 1


def test_the_contact_sees_neither_foreign_message_ids_nor_the_disposition(storage: Storage, conv: str) -> None:
    append(storage, conv, body="mine", cmid=A)
    append(storage, conv, sender="agent:x", body="theirs", cmid=B)
    append(storage, conv, sender="system", kind="resolved", data={"by": "agent", "disposition": "lost"})
    rows = storage.read_sync(lambda connection: store.read(connection, conv))
    seen = [to_contact_ev(row, {"agent:x": "Ana"}) for row in rows]
    assert [event.cmid for event in seen] == [A, None, None]
    assert [event.sender for event in seen] == ["contact", "agent", "system"]
    assert [event.name for event in seen] == [None, "Ana", None]
    assert seen[2].data == {"by": "agent"}
    assert to_ev(rows[2], {}).data == {"by": "agent", "disposition": "lost"}
    assert to_ev(rows[1], {}).cmid == B
