"""Notes that speak to a colleague, on a real database."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from assistant.erasure import dossier, erase
from assistant.errors import BadInput
from assistant.escalation import commands, mentions, view
from assistant.identity.agents import Agent
from assistant.storage.tables import mention, note


def write(shop: Any, who: Agent, conv: str, body: str, *whom: Agent, cmid: str | None = None) -> commands.Said:
    return shop.write(
        commands.write_note,
        who,
        conv,
        cmid=cmid or str(uuid4()),
        body=body,
        whom=[one.id for one in whom],
        now=shop.now,
    )


def listed(shop: Any, who: Agent) -> list[tuple[str, str, bool]]:
    return [(one.agent, one.body, one.read) for one in shop.read(view.desk, who, now=shop.now, seen={}).mentions]


def test_a_mention_is_told_to_the_one_it_names_until_it_is_read(shop: Any) -> None:
    mara, lin = shop.hire("Mara"), shop.hire("林")
    conv = shop.talk("Where is it?")
    write(shop, mara, conv, "请看一下 @林", lin)
    desk = shop.read(view.desk, lin, now=shop.now, seen={})
    assert desk.mentions_unread == 1
    told = desk.mentions[0]
    assert (told.conv, told.name, told.agent, told.body, told.read) == (conv, "Jonas", "Mara", "请看一下 @林", False)
    assert shop.read(view.desk, mara, now=shop.now, seen={}).mentions == []
    assert shop.write(mentions.mark_read, lin, conv, now=shop.now) == 1
    assert shop.write(mentions.mark_read, lin, conv, now=shop.now) == 0
    assert listed(shop, lin) == [("Mara", "请看一下 @林", True)]
    assert [entry.mentions for entry in shop.read(view.notes_of, conv)] == [["林"]]


def test_unread_ones_come_first_then_the_newest(shop: Any) -> None:
    mara, lin = shop.hire("Mara"), shop.hire("Lin")
    first, second = shop.talk("a"), shop.talk("b")
    for conv, body in ((first, "old"), (second, "read"), (first, "new")):
        write(shop, mara, conv, body, lin)
        shop.now += 1000
    shop.write(mentions.mark_read, lin, second, now=shop.now)
    assert [body for _, body, _ in listed(shop, lin)] == ["new", "old", "read"]


def test_who_mentions_themselves_is_not_told(shop: Any) -> None:
    mara = shop.hire()
    write(shop, mara, shop.talk("a"), "@Mara remember", mara)
    assert listed(shop, mara) == []


def test_only_colleagues_of_the_same_shop_can_be_mentioned_and_nothing_is_stored_otherwise(shop: Any) -> None:
    mara, conv = shop.hire(), shop.talk("a")
    stranger = Agent("01ARZ3NDEKTSV4RRFFQ69G5FAV", shop.site_id, "Nobody", "agent")
    with pytest.raises(BadInput) as refused:
        write(shop, mara, conv, "@Nobody", stranger)
    assert refused.value.reason == "no_such_agent"
    assert shop.rows(select(note)) == []


def test_the_same_note_again_tells_once(shop: Any) -> None:
    mara, lin, conv, key = shop.hire(), shop.hire("Lin"), shop.talk("a"), str(uuid4())
    assert not write(shop, mara, conv, "@Lin", lin, cmid=key).dup
    assert write(shop, mara, conv, "@Lin", lin, cmid=key).dup
    assert len(shop.rows(select(mention))) == 1


def test_a_mention_is_in_the_dossier_without_names_and_goes_with_its_note(shop: Any) -> None:
    mara, lin, who = shop.hire("Mara"), shop.hire("Lin"), shop.customer(external_id="C1")
    conv = shop.talk("a", contact_id=who)
    said = write(shop, mara, conv, "see this", lin)
    talk = shop.read(dossier.build, who, site_id=shop.site_id, now=shop.now)["conversations"][0]
    assert talk["mentions"] == [{"note_id": said.id, "conversation_id": conv, "at": shop.now, "read_at": None}]
    shop.write(erase.erase_contact, who, site_id=shop.site_id, actor="test", now=shop.now)
    assert shop.rows(select(mention)) == []
    assert listed(shop, lin) == []
