"""How a suggested script reads for a contact: the same slots and the same sandbox as the assistant's own replies."""

from __future__ import annotations

from sqlalchemy import Connection, select

from assistant.storage.tables import contact, conversation, site
from assistant.turns import replies
from assistant.turns.replies import Facts, ReplyFault
from assistant.turns.shopping import shopping
from retrieval.documents import Script


def word_suggestion(connection: Connection, conversation_id: str, document: Script) -> str | None:
    """The text with its slots filled from the shop's records; None when one is unknown."""
    head = connection.execute(select(conversation).where(conversation.c.id == conversation_id)).mappings().one_or_none()
    if head is None:
        return None
    of_site = connection.execute(select(site).where(site.c.id == head["site_id"])).mappings().one()
    person = connection.execute(select(contact).where(contact.c.id == head["contact_id"])).mappings().one()
    bought = shopping(connection, of_site, person, ())
    facts = Facts(
        language=document.locale,
        site_name=of_site["name"],
        currency=of_site["currency"],
        timezone=str(of_site["settings"].get("timezone", "UTC")),
        name=person["name"] if person["verified"] else None,
        order=bought.order,
        return_no=bought.return_no,
    )
    try:
        return replies.render(document, replies.slots(facts))
    except ReplyFault:
        return None
