"""All that is known about one conversation, in one read: what an agent needs to take it over without asking anything again.

The shape is that of docs/http.md ("the bundle"). Everything is read in one transaction, so that its parts agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, RowMapping, Table, select

from assistant.conversations import store as conversations
from assistant.conversations.status import mode
from assistant.conversations.view import agent_names, to_ev
from assistant.escalation import view
from assistant.escalation.commands import DISPOSITIONS
from assistant.escalation.rendering import Renderer
from assistant.escalation.routing import base_language
from assistant.escalation.store import DAY_MS
from assistant.escalation.summary import summarise
from assistant.policy import priors, wallet
from assistant.policy.holdout import in_holdout
from assistant.policy.unusual import of_features
from assistant.storage.tables import (
    article,
    contact,
    conversation,
    decision,
    event,
    order_return,
    orders,
    product,
    script,
    site,
    task,
    wallet_entry,
)
from retrieval.codec import from_line
from retrieval.documents import Article, Document, Kind, Product, Script

MOST_EVENTS: Final = 2000
MOST_ORDERS: Final = 20
LEAST_FIT: Final = 0.2  # relevance below which a candidate is no suggestion
DECISIONS_USED: Final = 5  # suggestions come from the candidates of the latest decisions
MOST_SCRIPTS: Final = 5
MOST_PRODUCTS: Final = 4
EARLIER: Final = 50


def build(connection: Connection, conversation_id: str, *, site_id: str, now: int, render: Renderer) -> dict[str, Any]:
    """The bundle. Raises Forbidden for a conversation that is not there or not the site's."""
    row = conversations.get(connection, conversation_id, site_id=site_id)
    person = connection.execute(select(contact).where(contact.c.id == row["contact_id"])).mappings().one()
    shop = connection.execute(select(site).where(site.c.id == site_id)).mappings().one()
    events = conversations.read(connection, conversation_id, limit=MOST_EVENTS)
    names = agent_names(connection, events)
    scores = view.scores_of(connection, conversation_id)
    latest = next((score for score in reversed(scores) if score.churn is not None), None)
    decisions = decisions_of(connection, conversation_id)
    bought = _orders(connection, person)
    returned = _returns(connection, person)
    card = view.card_of(connection, site_id, conversation_id)
    return {
        "conversation": {
            key: row[key]
            for key in (
                "id",
                "epoch",
                "status",
                "holder",
                "assign_epoch",
                "head",
                "locale",
                "created_at",
                "band",
                "risk",
                "csat",
            )
        }
        | {"mode": mode(row["status"], row["holder"])},
        "task": None if card is None else card.model_dump(by_alias=True),
        "contact": _contact(connection, person, shop, bought, returned, now),
        "scores": [score.model_dump(by_alias=True, exclude={"t", "conv"}) for score in scores],
        "events": [to_ev(entry, names).model_dump(by_alias=True, exclude={"t"}) for entry in events],
        "notes": [
            entry.model_dump(by_alias=True, exclude={"t", "conv"})
            for entry in view.notes_of(connection, conversation_id)
        ],
        "summary": summarise(events, {score.seq: score for score in scores}, row["locale"]),
        "reasons": [] if latest is None else _with_probabilities(latest.reasons),
        "drivers": [] if latest is None else latest.drivers,
        "anomaly": of_features(decisions[-1]["features"], decisions[-1]["overrides"]) if decisions else None,
        "tried": [
            {"seq": made["seq"], "action": made["action"], "at": made["ts_decision"]}
            for made in decisions
            if made["kind"] != "none"
        ],
        "suggestions": _suggestions(connection, row, decisions, shop, render),
        "wallet": _wallet(connection, shop, person, bought, returned, now),
        "orders": [
            {
                key: order[key]
                for key in (
                    "order_no",
                    "ts_event",
                    "status",
                    "total",
                    "currency",
                    "lines",
                    "delivered_at",
                    "promised_at",
                )
            }
            for order in bought[:MOST_ORDERS]
        ],
        "returns": [
            {key: one[key] for key in ("order_no", "product_id", "reason", "amount", "ts_event")}
            for one in returned[:MOST_ORDERS]
        ],
        "dispositions": list(DISPOSITIONS),
    }


def decisions_of(connection: Connection, conversation_id: str) -> Sequence[RowMapping]:
    """The decisions of a conversation, oldest first."""
    query = select(decision).where(decision.c.conversation_id == conversation_id).order_by(decision.c.seq)
    return connection.execute(query).mappings().all()


def earlier(connection: Connection, contact_id: str, *, site_id: str) -> list[dict[str, Any]]:
    """The contact's conversations, newest first, at most 50, each with its last disposition and words."""
    rows = (
        connection.execute(
            select(conversation)
            .where(conversation.c.contact_id == contact_id, conversation.c.site_id == site_id)
            .order_by(conversation.c.created_at.desc(), conversation.c.id.desc())
            .limit(EARLIER)
        )
        .mappings()
        .all()
    )
    ids = [row["id"] for row in rows]
    previews = view.previews(connection, ids)
    results = last_dispositions(connection, ids)
    return [
        {
            "id": row["id"],
            "created_at": row["created_at"],
            "status": row["status"],
            "band": row["band"],
            "risk": row["risk"],
            "reasons": view.reason_codes(row["reasons"]),
            "csat": row["csat"],
            "disposition": results.get(row["id"]),
            "preview": view.preview_text(previews.get(row["id"])),
        }
        for row in rows
    ]


def last_dispositions(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The last disposition of each conversation that has one."""
    rows = connection.execute(
        select(task.c.conversation_id, task.c.disposition)
        .where(task.c.conversation_id.in_(ids), task.c.disposition.is_not(None))
        .order_by(task.c.done_at)
    )
    return {row.conversation_id: row.disposition for row in rows}


# --- the customer ---------------------------------------------------------------------------------------------------


def _contact(
    connection: Connection,
    person: RowMapping,
    shop: RowMapping,
    bought: Sequence[RowMapping],
    returned: Sequence[RowMapping],
    now: int,
) -> dict[str, Any]:
    ratings = connection.execute(
        select(conversation.c.csat)
        .where(conversation.c.contact_id == person["id"], conversation.c.csat.is_not(None))
        .order_by(conversation.c.created_at.desc())
        .limit(3)
    ).scalars()
    held_out = in_holdout(person["customer_key"], shop["holdout_salt"], shop["holdout_rate"])
    return {
        "id": person["id"],
        "name": person["name"],
        "email": person["email"],
        "locale": person["locale"],
        "verified": person["verified"],
        "since": person["first_seen_at"],
        "external_id": person["external_id"],
        "value_year": _turnover_year(bought, returned, now) if _is_known(person) else None,
        "currency": shop["currency"],
        "orders": len(bought),
        "returns": len(returned),
        "last_order_at": max((order["ts_event"] for order in bought), default=None),
        "csat_last": list(ratings),
        "group": "holdout" if held_out else "treated",
    }


def _is_known(person: RowMapping) -> bool:
    """Orders are shown only for a customer whose identity the shop has vouched for."""
    return bool(person["verified"] and person["external_id"])


def _orders(connection: Connection, person: RowMapping) -> Sequence[RowMapping]:
    if not _is_known(person):
        return ()
    return (
        connection.execute(
            select(orders)
            .where(orders.c.site_id == person["site_id"], orders.c.external_customer_id == person["external_id"])
            .order_by(orders.c.ts_event.desc())
        )
        .mappings()
        .all()
    )


def _returns(connection: Connection, person: RowMapping) -> Sequence[RowMapping]:
    if not _is_known(person):
        return ()
    return (
        connection.execute(
            select(order_return)
            .where(
                order_return.c.site_id == person["site_id"],
                order_return.c.external_customer_id == person["external_id"],
            )
            .order_by(order_return.c.ts_event.desc())
        )
        .mappings()
        .all()
    )


def _turnover_year(bought: Sequence[RowMapping], returned: Sequence[RowMapping], now: int) -> int:
    since = now - 365 * DAY_MS
    spent = sum(order["total"] for order in bought if order["ts_event"] > since and order["status"] != "cancelled")
    back = sum(one["amount"] for one in returned if one["ts_event"] > since)
    return max(0, int(spent - back))


def _wallet(
    connection: Connection,
    shop: RowMapping,
    person: RowMapping,
    bought: Sequence[RowMapping],
    returned: Sequence[RowMapping],
    now: int,
) -> dict[str, Any] | None:
    """What may still be offered to this customer; None for one whom the shop has not vouched for."""
    if not _is_known(person):
        return None
    rules = wallet.WalletRules.from_settings(shop["settings"].get("wallet", {}))
    entries = wallet_entries(connection, shop["id"])
    since = now - rules.period_days * DAY_MS
    state = wallet.Wallet(
        rules=rules,
        committed=wallet.committed([entry for _, entry in entries], since=since),
        entries=[entry for owner, entry in entries if owner == person["id"]],
        orders=len(bought),
        turnover_year=_turnover_year(bought, returned, now),
        margin=float(shop["settings"].get("margin", priors.MARGIN)),
    )
    return {"left": wallet.left(state, now), "cap": rules.customer_cap, "currency": shop["currency"]}


def wallet_entries(connection: Connection, site_id: str) -> list[tuple[str, wallet.WalletEntry]]:
    """All entries of a site's wallet with their contacts, oldest first."""
    rows = connection.execute(
        select(wallet_entry).where(wallet_entry.c.site_id == site_id).order_by(wallet_entry.c.at, wallet_entry.c.id)
    ).mappings()
    return [
        (
            row["contact_id"],
            wallet.WalletEntry(row["decision_id"], row["offer_id"], row["state"], row["amount"], row["at"]),
        )
        for row in rows
    ]


# --- what to do -----------------------------------------------------------------------------------------------------


def _suggestions(
    connection: Connection, row: RowMapping, decisions: Sequence[RowMapping], shop: RowMapping, render: Renderer
) -> dict[str, list[dict[str, Any]]]:
    """Candidates of the latest decisions that fit what was said then, the best first, worded for this contact.

    The best of several turns: after a "thank you" the matter is still the one before it.
    """
    found: dict[str, dict[str, Any]] = {}
    for made in reversed(decisions[-DECISIONS_USED:]):
        for candidate in made["candidates"]:
            known = found.get(candidate["id"])
            if _fit(candidate) >= LEAST_FIT and (known is None or _fit(known) < _fit(candidate)):
                found[candidate["id"]] = candidate
    found = dict(sorted(found.items(), key=lambda item: -_fit(item[1])))
    sent = _already_sent(connection, row["id"])
    documents = _documents(connection, shop["id"], list(found), row["locale"])
    scripts: list[dict[str, Any]] = []
    products: list[dict[str, Any]] = []
    for document_id, candidate in found.items():
        match documents.get(document_id):
            case Script() as document if document_id not in sent and len(scripts) < MOST_SCRIPTS:
                text = render(connection, row["id"], document)
                if text is not None:
                    scripts.append(_script(document, text, candidate))
            case Product() as document if len(products) < MOST_PRODUCTS:
                products.append(_product(document, candidate))
            case Article() as document if "passage" in candidate and len(scripts) < MOST_SCRIPTS:
                scripts.append(_passage(document, candidate))
    return {"scripts": scripts, "products": products}


def _fit(candidate: Mapping[str, Any]) -> float:
    """Retrieval's relevance, 0..1; none for wordings that no search found, such as asking back."""
    return float(candidate.get("score") or 0.0)


def _citation(candidate: Mapping[str, Any], *more: str) -> dict[str, Any]:
    """Why it was retrieved: grounds, what each source says for it, and how well it fits in all."""
    return {
        "why": [*more, *candidate.get("why", ())],
        "sources": dict(candidate.get("sources", {})),
        "score": candidate.get("score"),
    }


def _script(document: Script, text: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
    benefit = document.offer
    offer = (
        None
        if benefit is None
        else {"id": benefit.id, "kind": benefit.kind, "amount": benefit.amount, "cost": benefit.cost}
    )
    return {
        "id": document.id,
        "title": document.title,
        "text": text,
        **_citation(candidate),
        "offer": offer,
    }


def _passage(document: Article, candidate: Mapping[str, Any]) -> dict[str, Any]:
    """A passage of the shop's help, to be sent like a script."""
    quoted = candidate["passage"]["text"]
    text = f"{quoted}\n\n{document.url}" if document.url.startswith(("https://", "http://")) else quoted
    return {
        "id": document.id,
        "title": document.title,
        "text": text,
        **_citation(candidate, "article"),
        "offer": None,
    }


def _product(document: Product, candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": document.id,
        "title": document.title,
        "price": document.price,
        "currency": document.currency,
        "stock": document.stock,
        "image": document.image,
        **_citation(candidate),
    }


def _already_sent(connection: Connection, conversation_id: str) -> set[str]:
    rows = connection.execute(
        select(event.c.data).where(event.c.conversation_id == conversation_id, event.c.sender == "bot")
    ).scalars()
    return {data["script"] for data in rows if "script" in data}


def _documents(connection: Connection, site_id: str, ids: Sequence[str], locale: str) -> dict[str, Document]:
    """Documents by id; of a product or an article in several locales the one that fits."""
    language = base_language(locale)
    kinds: tuple[tuple[Kind, Table], ...] = (("script", script), ("product", product), ("article", article))
    found: dict[str, Document] = {}
    for kind, table in kinds:
        rows = connection.execute(
            select(table.c.id, table.c.locale, table.c.document).where(table.c.site_id == site_id, table.c.id.in_(ids))
        ).all()
        for row in sorted(rows, key=lambda row: base_language(row.locale) != language):
            found.setdefault(row.id, from_line(kind, orjson.dumps(row.document)))
    return found


def _with_probabilities(reasons: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {"reason": entry["reason"], "probability": entry.get("probability")}
        if isinstance(entry, Mapping)
        else {"reason": str(entry), "probability": None}
        for entry in reasons
    ]
