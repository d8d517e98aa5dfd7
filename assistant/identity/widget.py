"""Who speaks in the widget: the shop's signed identity, short-lived tokens, and the secret by which a guest comes back.

A site key is public and gives a guest's token only. What a customer's history shows, or an offer gives, needs an identity token
signed by the shop's server. The resume secret of a guest lets the same browser be the same guest again; for a customer there is
none, so that logging out of the shop ends the chat's access with the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key
from sqlalchemy import Connection, RowMapping, delete, insert, select

from assistant.conversations import contacts
from assistant.conversations.contacts import Profile
from assistant.errors import Forbidden, NotAllowed
from assistant.identity.keys import customer_key, guest_key, hash_token, new_token
from assistant.identity.sites import Site
from assistant.ids import new_id
from assistant.storage.tables import contact, widget_token

IDENTITY_LIFE_S: Final = 300  # the shop's token may not live longer
LEEWAY_S: Final = 60
RESUME_DAYS: Final = 180  # a guest's browser is forgotten after that
DAY_MS: Final = 86_400_000
_REFUSAL: Final = "the identity was not accepted"  # one text for all reasons: it must not help to forge one
_LIMITS: Final = {"sub": 200, "name": 200, "email": 320, "locale": 16, "region": 16}


@dataclass(frozen=True, slots=True)
class Identity:
    """What the shop's token says."""

    sub: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What a widget token allows: to be this contact of this site until `expires_at`."""

    site_id: str
    contact_id: str
    verified: bool
    expires_at: int
    token_hash: str = ""  # names the token inside the server, so that it can be taken back


@dataclass(frozen=True, slots=True)
class Opened:
    """A new widget session. `resume` is for guests only."""

    token: str
    expires_at: int
    resume: str | None
    contact: RowMapping


def refusal() -> NotAllowed:
    """What every identity token that is not accepted is answered with."""
    return NotAllowed(_REFUSAL, code="identity")


def read_identity(token: str, *, key: Key | None, algorithms: Sequence[str], site_key: str, now: int) -> Identity:
    """Reads the shop's identity JWT: signed with `key` by one of `algorithms`, `aud` is the site key, `exp` within 5 minutes and,
    where `iat` says when it was made, at most 5 minutes after that (leeway 60 s), `sub` present.

    Optional claims: name, email, locale, region. Raises NotAllowed with the same text whatever is wrong.
    """
    if key is None:
        raise refusal()
    try:
        claims = jwt.decode(token, key, algorithms=list(algorithms)).claims
        registry = jwt.JWTClaimsRegistry(
            now=now // 1000,
            leeway=LEEWAY_S,
            aud={"essential": True, "value": site_key},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, OverflowError, RecursionError):
        raise refusal() from None
    latest = min(now // 1000 + LEEWAY_S, claims.get("iat", now // 1000 + LEEWAY_S)) + IDENTITY_LIFE_S
    if not claims["exp"] <= latest or not claims["sub"].strip():  # said so that NaN fails too
        raise refusal()
    said = {name: claims[name] for name in _LIMITS if claims.get(name) is not None}
    if any(not _fits(value, _LIMITS[name]) for name, value in said.items()):
        raise refusal()
    return Identity(**said)


def _fits(value: Any, limit: int) -> bool:
    if not isinstance(value, str) or len(value) > limit or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def open_session(
    connection: Connection,
    site: Site,
    *,
    secret: bytes,
    now: int,
    token_ms: int,
    identity: Identity | None = None,
    resume: str | None = None,
    locale: str | None = None,
) -> Opened:
    """A fresh token for the customer of `identity`, the guest of `resume`, or a new guest.

    `secret` is the installation's. An unknown or outlived `resume` gives a new guest. Raises Forbidden(code="identity_required")
    when the site does not serve guests.
    """
    guest_id = _guest_of(connection, resume, site, now) if resume else None
    if identity is not None:
        profile = Profile(
            external_id=identity.sub,
            customer_key=customer_key(secret, site.id, identity.sub),
            name=identity.name,
            email=identity.email,
            locale=identity.locale or locale,
            region=identity.region,
        )
        row = contacts.identify(connection, profile, site_id=site.id, now=now, guest_id=guest_id)
        if guest_id is not None:  # a guest's tokens must not open what is a customer's now
            connection.execute(
                delete(widget_token).where(widget_token.c.contact_id == guest_id, widget_token.c.verified.is_(False))
            )
        kept = None
    else:
        if not site.anonymous_allowed:
            raise Forbidden("this shop serves customers who are logged in", code="identity_required")
        known = contacts.get(connection, guest_id, site_id=site.id) if guest_id is not None else None
        if known is not None:
            row, kept = known, resume
        else:
            contact_id = new_id()
            key = guest_key(secret, site.id, contact_id)
            row = contacts.add_guest(
                connection, contact_id, site_id=site.id, customer_key=key, locale=locale or site.locale, now=now
            )
            kept = new_token()
    token, expires_at = new_token(), now + token_ms
    connection.execute(
        insert(widget_token).values(
            token_hash=hash_token(token),
            site_id=site.id,
            contact_id=row["id"],
            resume_hash=hash_token(kept) if kept else None,
            verified=identity is not None,
            expires_at=expires_at,
            created_at=now,
        )
    )
    return Opened(token, expires_at, kept, row)


def check_token(connection: Connection, token: str, *, now: int) -> Access:
    """What `token` allows. Raises NotAllowed with the same text for unknown and expired ones."""
    token_hash = hash_token(token)
    row = connection.execute(
        select(
            widget_token.c.site_id, widget_token.c.contact_id, widget_token.c.verified, widget_token.c.expires_at
        ).where(widget_token.c.token_hash == token_hash)
    ).first()
    if row is None or row.expires_at <= now:
        raise NotAllowed("the token was not accepted", code="token")
    return Access(row.site_id, row.contact_id, row.verified, row.expires_at, token_hash)


def revoke(connection: Connection, contact_id: str) -> int:
    """Ends every token and resume secret of a contact; returns how many there were."""
    return connection.execute(delete(widget_token).where(widget_token.c.contact_id == contact_id)).rowcount


def prune(connection: Connection, *, now: int) -> int:
    """Forgets tokens that are over and can resume nobody; returns how many."""
    over = widget_token.c.expires_at <= now
    resumable = widget_token.c.resume_hash.is_not(None) & (widget_token.c.created_at > now - RESUME_DAYS * DAY_MS)
    return connection.execute(delete(widget_token).where(over, ~resumable)).rowcount


def _guest_of(connection: Connection, resume: str, site: Site, now: int) -> str | None:
    """The guest whom a resume secret names, in this site, while it is young enough and nobody has vouched for the contact."""
    return connection.execute(
        select(widget_token.c.contact_id)
        .join(contact, contact.c.id == widget_token.c.contact_id)
        .where(
            widget_token.c.resume_hash == hash_token(resume),
            widget_token.c.site_id == site.id,
            widget_token.c.created_at > now - RESUME_DAYS * DAY_MS,
            contact.c.external_id.is_(None),
        )
        .limit(1)
    ).scalar_one_or_none()
