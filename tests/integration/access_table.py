"""Who may call what, about an object of their own and of others: the whole of it. A route or frame that is missing fails a test.

Every call is made by every actor about one customer of `shop`, the owner. An answer is an HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

CONTACTS: Final = ("owner", "other", "stranger")  # two customers of the shop, one of another shop
AGENTS: Final = ("agent", "supervisor", "admin", "foreign_agent", "foreign_supervisor")
SERVERS: Final = ("shop", "other_shop")  # the shops' own, with their API keys
ACTORS: Final = ("nobody", *CONTACTS, *AGENTS, *SERVERS)

Answers = Mapping[str, int]


def answers(otherwise: int, **by_actor: int) -> Answers:
    """What each actor gets."""
    assert set(by_actor) <= set(ACTORS)
    return {actor: by_actor.get(actor, otherwise) for actor in ACTORS}


EVERYBODY: Final = answers(200)
AWAY: Final = answers(404)  # not set up here, for nobody
OWNER: Final = answers(401, owner=200, other=403, stranger=403)  # a conversation of the owner's
OWNER_NO_CARD: Final = answers(401, owner=404, other=403, stranger=403)  # the owner's, but this was never shown there
OWNER_UNASKED: Final = answers(401, owner=409, other=403, stranger=403)  # the owner's, but nobody offered this
CUSTOMERS: Final = answers(401, owner=409, other=409, stranger=409)  # about oneself; the shop has said who these are
STAFF: Final = answers(401, agent=200, supervisor=200, admin=200, foreign_agent=200, foreign_supervisor=200)
STAFF_OWN: Final = answers(401, agent=200, supervisor=200, admin=200, foreign_agent=403, foreign_supervisor=403)
LEADS: Final = answers(401, agent=403, supervisor=200, admin=200, foreign_agent=403, foreign_supervisor=200)
LEADS_OWN: Final = answers(401, agent=403, supervisor=200, admin=200, foreign_agent=403, foreign_supervisor=403)
LEADS_NONE: Final = answers(401, agent=403, supervisor=404, admin=404, foreign_agent=403, foreign_supervisor=404)
SHOPS: Final = answers(401, shop=200, other_shop=200)
SHOP_OWN: Final = answers(401, shop=200, other_shop=404)  # a customer of this shop


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `path` may name {conv}, {contact}, {customer}, {ulid}, {cmid}, {actor} of the object; so may strings in `body`."""

    method: str
    path: str
    expected: Answers
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    route: str | None = None  # where `path` fills in a part of the route


CALLS: Final[tuple[Call, ...]] = (
    # pages and files: public, and the same for all
    Call("GET", "/widget.js", EVERYBODY),
    Call("GET", "/proactive.js", EVERYBODY),
    Call("GET", "/chat", EVERYBODY, query={"site": "shop"}),
    Call("GET", "/console", EVERYBODY),
    Call("GET", "/supervisor", EVERYBODY),
    Call("GET", "/favicon.ico", EVERYBODY),
    Call("GET", "/static/icon.svg", EVERYBODY, route="/static"),
    Call("GET", "/openapi.json", EVERYBODY),
    Call("GET", "/healthz", EVERYBODY),
    Call("GET", "/readyz", EVERYBODY),
    Call("GET", "/metrics", EVERYBODY),
    # the widget
    Call("POST", "/api/widget/session", EVERYBODY, {"site": "shop"}),
    Call("POST", "/api/widget/nudge", EVERYBODY, {"site": "shop", "page": "/", "waited": 0}),
    Call("GET", "/api/widget/history", OWNER, query={"conv": "{conv}"}),
    Call("POST", "/api/widget/details", CUSTOMERS, {"name": "Somebody"}),
    Call("POST", "/api/widget/csat", OWNER, {"conv": "{conv}", "score": 4}),
    Call(
        "POST",
        "/api/widget/offer",
        OWNER_NO_CARD,
        {"conv": "{conv}", "decision": "{ulid}", "offer": "o", "accepted": True},
    ),
    Call("POST", "/api/widget/click", OWNER_NO_CARD, {"conv": "{conv}", "product": "p"}),
    Call("POST", "/api/widget/callback", OWNER_UNASKED, {"conv": "{conv}", "phone": "030 12345", "consent": True}),
    Call("POST", "/api/widget/resolve", OWNER, {"conv": "{conv}"}),
    # agents
    Call("GET", "/api/login-methods", EVERYBODY),
    Call("POST", "/api/login", answers(401), {"login": "nobody-{actor}", "password": "wrong"}),
    Call("GET", "/api/oidc/start", AWAY),
    Call("GET", "/api/oidc/callback", AWAY),
    Call("GET", "/api/me", STAFF),
    Call("POST", "/api/desk/ticket", STAFF),
    Call("GET", "/api/desk/conversations/{conv}", STAFF_OWN),
    Call("GET", "/api/desk/search", STAFF, query={"q": "x"}),
    Call("GET", "/api/desk/history", STAFF_OWN, query={"contact": "{contact}"}),
    # supervisors
    Call("GET", "/api/review/summary", LEADS),
    Call("GET", "/api/review/conversations", LEADS),
    Call("GET", "/api/review/conversations/{conv}", LEADS_OWN),
    Call("POST", "/api/review/conversations/{conv}/reviews", LEADS_OWN, {"verdict": "right"}),
    Call("POST", "/api/review/conversations/{conv}/notes", LEADS_OWN, {"cmid": "{cmid}", "body": "well done"}),
    Call("POST", "/api/review/conversations/{conv}/takeover", LEADS_OWN),
    Call("GET", "/api/review/agents", LEADS),
    Call("GET", "/api/review/export.csv", LEADS),
    Call("GET", "/api/review/reports/volume", LEADS, route="/api/review/reports/{name}"),
    Call("GET", "/api/review/reports/agents/export.csv", LEADS, route="/api/review/reports/{name}/export.csv"),
    Call("GET", "/api/review/audit", LEADS),
    Call("GET", "/api/review/views", LEADS),
    Call("POST", "/api/review/views", LEADS, {"name": "{cmid}", "filters": {"band": "high"}}),
    Call("POST", "/api/review/views/{ulid}", LEADS_NONE, {"shared": True}, route="/api/review/views/{view}"),
    Call("DELETE", "/api/review/views/{ulid}", LEADS_NONE, route="/api/review/views/{view}"),
    Call("GET", "/api/review/scorecard", LEADS),
    Call("POST", "/api/review/scorecard", LEADS, {"criteria": []}),
    Call("POST", "/api/review/conversations/{conv}/scorecards", LEADS_OWN, {"points": {"tone": 2}}),
    Call("GET", "/api/review/models", LEADS),
    # of another champion than serves, so that nothing moves; two shops are served, so only an admin may
    Call(
        "POST",
        "/api/review/models/moves",
        answers(401, agent=403, supervisor=403, admin=409, foreign_agent=403, foreign_supervisor=403),
        {"what": "rollback", "champion": "none", "reason": "tried out"},
    ),
    # the shops' servers
    Call(
        "POST",
        "/api/shop/outcomes",
        SHOPS,  # of another shop's customer of that number: about nobody here
        {"outcomes": [{"key": "{cmid}", "type": "purchase", "customer": "{customer}", "ts_event": 1}]},
    ),
    Call("POST", "/api/shop/dossier", SHOP_OWN, {"customer": "{customer}"}),
    # last, since they end what the others need
    Call("POST", "/api/shop/logout", SHOP_OWN, {"customer": "{customer}"}),
    Call("POST", "/api/shop/erase", SHOP_OWN, {"customer": "{customer}"}),
    Call("POST", "/api/logout", STAFF),
)

# What a frame on /ws/desk about a conversation that `agent` holds is answered with, by who sends it. "-": with nothing, and
# nothing happens. Another shop's console is told what it is told of what does not exist: `forbidden` where the frame names a
# conversation, `gone` where it names a task, since tasks do go while they stand on a screen.
DESK_ACTORS: Final = ("agent", "colleague", "supervisor", "foreign_agent", "foreign_supervisor")
DESK_FRAMES: Final[Mapping[str, tuple[str, str, str, str, str]]] = {
    "hello": ("bad_frame", "bad_frame", "bad_frame", "bad_frame", "bad_frame"),  # a second one
    "ping": ("pong", "pong", "pong", "pong", "pong"),
    "presence": ("done", "done", "done", "done", "done"),
    "watch": ("caught", "caught", "caught", "forbidden", "forbidden"),
    "unwatch": ("-", "-", "-", "-", "-"),
    "accept": ("gone", "taken", "taken", "gone", "gone"),
    "decline": ("gone", "taken", "taken", "gone", "gone"),
    "msg": ("ack", "not_holder", "not_holder", "forbidden", "forbidden"),
    "note": ("ack", "ack", "ack", "forbidden", "forbidden"),
    "mentions_read": ("-", "-", "-", "-", "-"),  # it is about the sender's own mentions alone
    "transfer": ("done", "not_holder", "not_holder", "forbidden", "forbidden"),
    "snooze": ("done", "not_holder", "not_holder", "forbidden", "forbidden"),
    "return": ("done", "not_holder", "not_holder", "forbidden", "forbidden"),
    "callback": ("gone", "gone", "gone", "gone", "gone"),  # there is none
    "takeover": ("taken", "taken", "done", "forbidden", "forbidden"),
    "resolve": ("done", "not_holder", "not_holder", "forbidden", "forbidden"),
    "typing": ("-", "-", "-", "-", "-"),
    "seen": ("-", "-", "-", "-", "-"),
}

# What a frame on /ws/chat does that names somebody: (own, another contact's, another shop's contact's).
CHAT_NAMING: Final[Mapping[str, tuple[str, str, str]]] = {
    "hello": ("ready", "4403", "4403"),
    "auth": ("-", "4403", "4403"),  # with another's token in the own conversation
}
# The others name nobody: they go into the conversation of the connection, whatever it is.
CHAT_OTHERS: Final = frozenset({"msg", "escalate", "seen", "typing", "ping"})
