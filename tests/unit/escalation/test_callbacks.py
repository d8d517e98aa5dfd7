"""Call-backs on a real database: asked for where nobody is, taken, made, given up, and gone with the person."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from assistant.conversations import store as conversations
from assistant.erasure import dossier, erase
from assistant.errors import Conflict
from assistant.escalation import callbacks, commands, view
from assistant.escalation.callbacks import HOLD_MS, MOST_ATTEMPTS, Wish
from assistant.identity.agents import Agent
from assistant.storage.tables import callback

WISH = Wish(phone="+49 30 123456", suits="tomorrow after 3 pm", timezone="Europe/Berlin")


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(Conflict) as error:
        call(*args, **kwargs)
    return str(error.value.reason)


def ask(shop: Any, conv: str, wish: Wish = WISH) -> int:
    def work(connection: Any) -> int:
        row = conversations.get(connection, conv, site_id=shop.site_id, for_update=True)
        return callbacks.ask(connection, row, wish, now=shop.now)

    return shop.write(work)


def unattended(shop: Any, **values: Any) -> str:
    """A conversation whose contact was told that nobody is free."""
    conv = shop.talk("Is anybody there?", **values)
    shop.escalate(conv)
    shop.now += shop.rules.nobody_ms
    shop.sweep()
    assert shop.kinds(conv)[-1] == "waiting"
    return conv


def listed(shop: Any, who: Agent) -> list[Any]:
    return list(shop.read(view.desk, who, now=shop.now, seen={}).callbacks)


def report(shop: Any, who: Agent, callback_id: str, result: str) -> None:
    shop.write(callbacks.report, who, callback_id, result, now=shop.now)


def test_an_address_is_kept_apart_from_what_was_said_and_shown_to_agents(shop: Any) -> None:
    conv = unattended(shop)
    ask(shop, conv)
    last = shop.events(conv)[-1]
    assert (last["sender"], last["kind"], last["body"], last["data"]) == ("contact", "callback", None, {})
    mara = shop.hire("Mara", here=False)
    [card] = listed(shop, mara)
    assert (card.conv, card.name, card.phone, card.email) == (conv, "Jonas", "+49 30 123456", None)
    assert (card.suits, card.timezone, card.attempts, card.taken) == ("tomorrow after 3 pm", "Europe/Berlin", 0, False)
    assert shop.read(view.desk, mara, now=shop.now, seen={}).callbacks_total == 1


def test_asking_again_corrects_and_writes_no_second_line(shop: Any) -> None:
    conv = unattended(shop)
    first = ask(shop, conv)
    assert ask(shop, conv, Wish(email="jonas@example.com")) == first
    [kept] = shop.rows(select(callback))
    assert (kept["email"], kept["phone"], kept["suits"]) == ("jonas@example.com", None, None)


def test_only_where_it_was_offered_and_the_conversation_goes_on(shop: Any) -> None:
    assert code(ask, shop, shop.talk("hello")) == "not_offered"
    conv = unattended(shop)
    mara = shop.hire()
    epoch = shop.write(commands.take_over, mara, conv, now=shop.now).task.assign_epoch
    shop.write(commands.resolve, mara, conv, assign_epoch=epoch, disposition="solved", comment="", now=shop.now)
    assert code(ask, shop, conv) == "closed"


def test_it_outlives_the_conversation(shop: Any) -> None:
    conv = unattended(shop)
    ask(shop, conv)
    shop.write(commands.contact_ended, conv, now=shop.now)
    assert len(listed(shop, shop.hire())) == 1


def test_who_takes_it_has_it_for_half_an_hour(shop: Any) -> None:
    ask(shop, unattended(shop))
    mara, lin = shop.hire("Mara"), shop.hire("Lin")
    [card] = listed(shop, mara)
    report(shop, mara, card.id, "take")
    [shown] = listed(shop, lin)
    assert (shown.taken, shown.agent, shown.agent_id) == (True, "Mara", mara.id)
    assert code(report, shop, lin, card.id, "done") == "taken"
    shop.now += HOLD_MS
    assert not listed(shop, lin)[0].taken
    report(shop, lin, card.id, "done")
    assert listed(shop, lin) == []
    assert code(report, shop, mara, card.id, "done") == "gone"


def test_not_reached_it_is_tried_again_after_the_others_and_then_given_up(shop: Any) -> None:
    first, second = unattended(shop), unattended(shop)
    for conv in (first, second):
        ask(shop, conv)
        shop.now += 1000
    mara = shop.hire()
    tried = listed(shop, mara)[0]
    assert tried.conv == first
    report(shop, mara, tried.id, "not_reached")
    assert [(card.conv, card.attempts) for card in listed(shop, mara)] == [(second, 0), (first, 1)]
    for _ in range(MOST_ATTEMPTS - 1):
        report(shop, mara, tried.id, "not_reached")
    assert [card.conv for card in listed(shop, mara)] == [second]
    [kept] = shop.rows(select(callback).where(callback.c.id == tried.id))
    assert (kept["state"], kept["attempts"], kept["done_at"]) == ("not_reached", MOST_ATTEMPTS, shop.now)


def test_another_shops_agent_sees_and_does_nothing(shop: Any) -> None:
    ask(shop, unattended(shop))
    [card] = listed(shop, shop.hire())
    stranger = Agent("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW", "Eve", "supervisor")
    assert code(report, shop, stranger, card.id, "done") == "gone"
    assert shop.read(callbacks.waiting, stranger.site_id, now=shop.now) == []


def test_the_person_can_be_found_by_the_address_and_dossier_and_erasure_reach_it(shop: Any) -> None:
    who = shop.customer("Guest")
    ask(shop, unattended(shop, contact_id=who), Wish(email="guest@example.com", phone="+1 555 0100"))
    for address in ("guest@example.com", "+1 555 0100"):
        assert shop.read(erase.find_contact, shop.site_id, address) == who
    talk = shop.read(dossier.build, who, site_id=shop.site_id, now=shop.now)["conversations"][0]
    assert [(one["email"], one["phone"], one["state"]) for one in talk["callbacks"]] == [
        ("guest@example.com", "+1 555 0100", "open")
    ]
    shop.write(erase.erase_contact, who, site_id=shop.site_id, actor="test", now=shop.now)
    assert shop.rows(select(callback)) == []
    assert listed(shop, shop.hire()) == []
