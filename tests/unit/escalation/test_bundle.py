"""The bundle and the desk, as an agent gets them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, insert, update

from assistant.conversations.store import NewEvent, append
from assistant.errors import Forbidden
from assistant.escalation import bundle, commands, view
from assistant.escalation.rendering import as_written
from assistant.ids import new_id
from assistant.shop.catalogue import put_documents
from assistant.storage.tables import conversation, order_return, score, site, wallet_entry
from retrieval.documents import Offer, Product, Script

SCRIPTS = [
    Script("replace@en", "replace", "en", "Replace it", "I'm sending a new one today.", "defect", "compensate"),
    Script(
        "voucher@en",
        "voucher",
        "en",
        "A voucher",
        "Take 10 off.",
        "price",
        "compensate",
        offer=Offer("v10", "voucher", 1000, 900),
    ),
    Script("named@en", "named", "en", "By name", "Dear {{ name }}", "x", "acknowledge", slots=("name",)),
]
PRODUCTS = [
    Product("kettle", "zh", "水壶", price=3900, stock=4),
    Product("kettle", "en", "Kettle", price=3900, stock=4),
]


def build(shop: Any, conv: str, site_id: str | None = None) -> dict[str, Any]:
    return shop.read(bundle.build, conv, site_id=site_id or shop.site_id, now=shop.now, render=as_written)


def add_score(shop: Any, conv: str, seq: int, churn: float | None, **values: Any) -> None:
    shop.write(
        lambda connection: connection.execute(
            insert(score).values(
                **{
                    "id": new_id(),
                    "conversation_id": conv,
                    "seq": seq,
                    "model_version": "m1",
                    "churn": churn,
                    "as_of": shop.now,
                    "created_at": shop.now,
                    **values,
                }
            )
        )
    )


@pytest.fixture
def stocked(shop: Any) -> Any:
    shop.write(put_documents, [*SCRIPTS, *PRODUCTS], site_id=shop.site_id, now=shop.now)
    return shop


def test_everything_about_a_known_customer_is_in_one_place(stocked: Any) -> None:
    shop = stocked
    contact = shop.customer("Jonas Weber", external_id="C1")
    shop.order("C1", 40_000, order_no="48213", days_ago=12)
    shop.order("C1", 9_000, order_no="1", days_ago=500)

    def returned(connection: Connection) -> None:
        connection.execute(
            insert(order_return).values(
                id=new_id(),
                site_id=shop.site_id,
                return_no="R1",
                order_no="48213",
                external_customer_id="C1",
                product_id="kettle",
                reason="quality",
                amount=4_000,
                ts_event=shop.now - 1,
                ts_ingested=shop.now,
            )
        )
        connection.execute(update(site).values(settings={"wallet": {"customer_cap": 5_000, "budget": 6_000}}))

    shop.write(returned)
    conv = shop.talk("The kettle leaks", "That is the second one, I'm done", contact_id=contact)
    add_score(shop, conv, 1, 0.31, low=0.2, high=0.4, band="low")
    add_score(
        shop,
        conv,
        2,
        0.76,
        low=0.69,
        high=0.82,
        band="high",
        reasons=[{"reason": "quality", "probability": 0.71}],
        drivers=[{"kind": "turn", "code": "turn", "effect": 0.28, "seq": 2}],
    )
    shop.decide(conv, 1, "reply:ack@en", ["ack@en"])
    made = shop.decide(conv, 2, "offer:v10", ["replace@en", "named@en", "voucher@en", "kettle", "gone@en"])
    shop.write(
        lambda connection: connection.execute(
            insert(wallet_entry).values(
                id=new_id(),
                site_id=shop.site_id,
                contact_id=contact,
                decision_id=made,
                offer_id="v10",
                state="shown",
                amount=900,
                at=shop.now,
            )
        )
    )
    shop.say(conv, "We are sorry.", "bot", data={"script": "ack@en"}, reply_to=1)
    shop.escalate(conv, reason="high_risk")
    agent = shop.hire("Mara")
    shop.write(commands.write_note, agent, conv, cmid=str(uuid4()), body="VIP", now=shop.now)

    found = build(shop, conv)
    assert found["conversation"]["mode"] == "waiting"
    assert found["task"]["reason"] == "high_risk"
    assert found["contact"] | {"id": ""} == {
        "id": "",
        "name": "Jonas Weber",
        "email": None,
        "locale": None,
        "verified": True,
        "since": shop.now,
        "external_id": "C1",
        "value_year": 36_000,
        "currency": "EUR",
        "orders": 2,
        "returns": 1,
        "last_order_at": shop.now - 12 * 86_400_000,
        "csat_last": [],
        "group": found["contact"]["group"],
    }
    assert [(one["seq"], one["churn"]) for one in found["scores"]] == [(1, 0.31), (2, 0.76)]
    assert found["reasons"] == [{"reason": "quality", "probability": 0.71}]
    assert found["drivers"][0]["seq"] == 2
    assert [one["action"] for one in found["tried"]] == ["reply:ack@en", "offer:v10"]
    assert [one["id"] for one in found["suggestions"]["scripts"]] == ["replace@en", "voucher@en"]
    assert found["suggestions"]["scripts"][1]["offer"] == {"id": "v10", "kind": "voucher", "amount": 1000, "cost": 900}
    assert [one["title"] for one in found["suggestions"]["products"]] == ["Kettle"], "in the conversation's language"
    assert found["wallet"] == {"left": 4_100, "cap": 5_000, "currency": "EUR"}
    assert [one["order_no"] for one in found["orders"]] == ["48213", "1"]
    assert [one["reason"] for one in found["returns"]] == ["quality"]
    assert [one["body"] for one in found["notes"]] == ["VIP"]
    assert [one["from"] for one in found["events"]] == ["contact", "contact", "bot", "system"]
    assert found["summary"]["problem"].endswith("I'm done")
    assert "saved" in found["dispositions"]


def test_a_guest_shows_no_orders_even_under_a_known_number(shop: Any) -> None:
    """An external id that nobody vouched for proves nothing."""
    contact = shop.customer("Mallory", external_id="C1")
    shop.order("C1", 40_000)
    shop.write(lambda connection: connection.execute(update(view.contact).values(verified=False)))
    found = build(shop, shop.talk("hi", contact_id=contact))
    assert (found["orders"], found["wallet"], found["contact"]["value_year"]) == ([], None, None)


def test_what_was_sent_already_is_not_suggested_again(stocked: Any) -> None:
    conv = stocked.talk("broken")
    stocked.decide(conv, 1, "reply:replace@en", ["replace@en", "voucher@en"])
    stocked.say(conv, "I'm sending a new one today.", "bot", data={"script": "replace@en"})
    assert [one["id"] for one in build(stocked, conv)["suggestions"]["scripts"]] == ["voucher@en"]


def test_a_conversation_of_another_shop_is_as_good_as_absent(shop: Any, other_shop: Any) -> None:
    conv = shop.talk("hi")
    with pytest.raises(Forbidden) as foreign:
        build(shop, conv, other_shop.site_id)
    with pytest.raises(Forbidden) as absent:
        build(shop, new_id())
    assert str(foreign.value) == str(absent.value)


def test_earlier_conversations_with_their_ends(shop: Any) -> None:
    agent = shop.hire()
    contact = shop.customer()
    conv, epoch = shop.assigned(agent, shop.talk("first", contact_id=contact))
    shop.write(commands.resolve, agent, conv, assign_epoch=epoch, disposition="refunded", comment="", now=shop.now)
    shop.now += 1000
    second = shop.talk("second", contact_id=contact)
    found = shop.read(bundle.earlier, contact, site_id=shop.site_id)
    assert [(one["id"], one["disposition"], one["preview"]) for one in found] == [
        (second, None, "second"),
        (conv, "refunded", "first"),
    ]


def test_the_desk_sorts_tasks_into_what_concerns_the_agent(shop: Any) -> None:
    anna, ben = shop.hire("Anna", capacity=9), shop.hire("Ben", capacity=9, here=False)
    held, _ = shop.assigned(anna)
    others, _ = shop.assigned(ben)
    offered = shop.talk("offer me")
    shop.escalate(offered)
    shop.sweep()
    waiting = shop.talk("still waiting")
    shop.escalate(waiting)
    shop.say(held, "one")
    seq = shop.say(held, "two")
    desk = shop.read(view.desk, anna, now=shop.now, seen={})
    lists = {name: [card.conv for card in getattr(desk, name)] for name in ("offered", "mine", "waiting", "others")}
    assert lists == {"offered": [offered], "mine": [held], "waiting": [waiting], "others": [others]}
    assert (desk.load, desk.capacity, desk.presence) == (1, 9, "available")
    assert (desk.mine[0].unread, desk.mine[0].preview, desk.mine[0].due_at) == (3, "two", shop.now + 120_000)
    assert desk.others[0].agent == "Ben"
    assert shop.read(view.desk, anna, now=shop.now, seen={held: seq}).mine[0].unread == 0
    assert shop.read(view.desk, anna, now=shop.now + 30_000, seen={}).presence == "offline"
    assert [card.conv for card in shop.read(view.desk, ben, now=shop.now, seen={}).waiting] == [offered, waiting]


def test_an_answer_ends_what_is_unread_and_due(shop: Any) -> None:
    anna = shop.hire()
    conv, epoch = shop.assigned(anna)
    shop.write(commands.send, anna, conv, cmid=str(uuid4()), body="Hi", assign_epoch=epoch, now=shop.now)
    card = shop.read(view.card_of, shop.site_id, conv)
    assert (card.unread, card.due_at, card.preview_from) == (0, None, "agent")


def test_who_waits_is_shown_by_their_own_words(shop: Any) -> None:
    """What the assistant said last, that somebody is coming, tells an agent nothing."""
    conv = shop.talk("my kettle leaks")
    said = NewEvent("bot", "message", body="A colleague is coming.")
    shop.write(lambda connection: append(connection, conv, said, now=shop.now))
    shop.escalate(conv)
    card = shop.read(view.card_of, shop.site_id, conv)
    assert (card.preview, card.preview_from) == ("my kettle leaks", "contact")


def test_the_first_served_stands_first(shop: Any) -> None:
    shop.hire(capacity=9, here=False)
    low, high = shop.talk("low"), shop.talk("high")
    shop.escalate(low)
    shop.escalate(high, value_at_stake=500_000)
    desk = shop.read(view.desk, shop.hire("Anna", here=False), now=shop.now, seen={})
    assert [card.conv for card in desk.waiting] == [high, low]


def test_a_card_without_a_name_or_words(shop: Any) -> None:
    conv = shop.talk(contact_id=shop.customer(name=None))
    shop.write(
        lambda connection: connection.execute(
            update(conversation).where(conversation.c.id == conv).values(reasons=["price"])
        )
    )
    shop.escalate(conv)
    card = shop.read(view.card_of, shop.site_id, conv)
    assert card.name.startswith("Guest ")
    assert (card.preview, card.reasons) == ("", ["price"])
