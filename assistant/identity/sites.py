"""Sites: the shops that this installation serves, looked up by the public key in the widget's script tag."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, select, update

from assistant.errors import Conflict, NotAllowed, NotFound
from assistant.identity import audit, revocation
from assistant.identity.keys import hash_token
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import site, widget_token

TTL_MS: Final = 5_000  # how long a changed site may go unnoticed
_MOST: Final = 1_000  # entries kept; keys that name no site are not


@dataclass(frozen=True, slots=True)
class Site:
    """A shop. `identity_secrets` verify the shop's signed identity tokens: the one in force, and the one before while the shop
    changes over. None: it sends none that are signed so."""

    id: str
    key: str
    name: str
    locale: str
    currency: str
    origins: frozenset[str]
    identity_secrets: tuple[str, ...] = field(repr=False)
    anonymous_allowed: bool
    holdout_rate: float
    settings: Mapping[str, Any]


def create(
    connection: Connection,
    *,
    key: str,
    name: str,
    now: int,
    locale: str = "en",
    currency: str = "EUR",
    origins: Sequence[str] = (),
    identity_secret: str | None = None,
    api_key_hash: str | None = None,
    anonymous_allowed: bool = True,
    holdout_rate: float = 0.05,
    settings: Mapping[str, Any] | None = None,
) -> Site:
    """Adds a site. Raises IntegrityError when `key` is taken."""
    site_id = new_id()
    connection.execute(
        insert(site).values(
            id=site_id,
            key=key,
            name=name,
            locale=locale,
            currency=currency,
            origins=[normalise_origin(origin) for origin in origins],
            identity_secret=identity_secret,
            api_key_hash=api_key_hash,
            anonymous_allowed=anonymous_allowed,
            holdout_rate=holdout_rate,
            holdout_salt=secrets.token_hex(16),
            settings=dict(settings or {}),
            created_at=now,
        )
    )
    made = find_site(connection, site_id)
    assert made is not None  # noqa: S101 - inserted above
    return made


def change(connection: Connection, site_id: str, *, now: int, **values: Any) -> None:
    """Changes columns of a site, and writes down which. Origins are kept as browsers send them."""
    if "origins" in values:
        values["origins"] = [normalise_origin(origin) for origin in values["origins"]]
    connection.execute(update(site).where(site.c.id == site_id).values(**values))
    audit.record(
        connection, actor="system", action="site_changed", object=site_id, data={"columns": sorted(values)}, now=now
    )


def rotate(
    connection: Connection,
    site_id: str,
    *,
    now: int,
    identity_secret: str | None = None,
    api_key_hash: str | None = None,
    retire: bool = False,
) -> None:
    """Gives a site another identity secret, API key, or both. The one before stays good beside the new one, so that the shop can
    change over without a gap; the one before that does not.

    `retire`: what came before is good no longer, of those that are given, or of both when none is.
    """
    given = {"identity_secret": identity_secret, "api_key_hash": api_key_hash}
    new = {column: value for column, value in given.items() if value is not None}
    now_good = select(*(site.c[column] for column in given)).where(site.c.id == site_id)
    before = dict.fromkeys(new or given) if retire else connection.execute(now_good).mappings().one()
    change(connection, site_id, now=now, **new, **{f"{column}_before": before[column] for column in new or given})


def change_settings(connection: Connection, site_id: str, changes: Mapping[str, Any], *, now: int) -> None:
    """Sets entries of a site's settings, and writes down which; None takes one out."""
    before = connection.execute(select(site.c.settings).where(site.c.id == site_id).with_for_update()).scalar_one()
    settings = {name: value for name, value in {**before, **changes}.items() if value is not None}
    connection.execute(update(site).where(site.c.id == site_id).values(settings=settings))
    audit.record(
        connection, actor="system", action="site_changed", object=site_id, data={"settings": sorted(changes)}, now=now
    )


def withdraw_key(connection: Connection, site_id: str, *, new: str, now: int) -> int:
    """Gives a site another public key; the old one opens nothing any more, and tokens that it gave are over.

    Guests keep their resume secrets, good under the new key. Returns how many tokens were over. Raises Conflict(`site_key_taken`).
    """
    if find_site_by_key(connection, new) is not None:
        raise Conflict(f"there is a site with the key '{new}' already", code="site_key_taken")
    change(connection, site_id, now=now, key=new)
    ended = connection.execute(
        update(widget_token)
        .where(widget_token.c.site_id == site_id, widget_token.c.expires_at > now)
        .values(expires_at=now)
    ).rowcount
    revocation.note(connection)
    return ended


def find_site_by_key(connection: Connection, key: str) -> Site | None:
    """The site with this public key."""
    return _one(connection, site.c.key == key)


def find_site(connection: Connection, site_id: str) -> Site | None:
    """The site with this id."""
    return _one(connection, site.c.id == site_id)


def check_api_key(connection: Connection, authorization: str) -> str:
    """The id of the site whose API key an Authorization header bears. Raises NotAllowed."""
    scheme, _, key = authorization.partition(" ")
    digest = hash_token(key.strip()) if scheme.lower() == "bearer" else ""
    columns = select(site.c.id, site.c.api_key_hash, site.c.api_key_hash_before)
    for row in connection.execute(columns.where(site.c.api_key_hash.is_not(None))):
        if any(hmac.compare_digest(known, digest) for known in row[1:] if known is not None):
            return str(row.id)
    raise NotAllowed("a valid API key of the site is needed")


def all_origins(connection: Connection) -> frozenset[str]:
    """Every origin that some site's pages are served under."""
    return frozenset(origin for row in connection.execute(select(site.c.origins)).scalars() for origin in row)


def normalise_origin(origin: str) -> str:
    """An origin as browsers send it: lower case, no trailing slash."""
    return origin.strip().rstrip("/").lower()


def _one(connection: Connection, condition: ColumnElement[bool]) -> Site | None:
    row = connection.execute(select(site).where(condition)).mappings().first()
    if row is None:
        return None
    return Site(
        id=row["id"],
        key=row["key"],
        name=row["name"],
        locale=row["locale"],
        currency=row["currency"],
        origins=frozenset(row["origins"]),
        identity_secrets=tuple(filter(None, (row["identity_secret"], row["identity_secret_before"]))),
        anonymous_allowed=row["anonymous_allowed"],
        holdout_rate=row["holdout_rate"],
        settings=row["settings"],
    )


class SiteDirectory:
    """Sites by key or id, remembered for a few seconds."""

    def __init__(self, storage: Storage, clock: Callable[[], int], ttl_ms: int = TTL_MS) -> None:
        self._storage = storage
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._known: dict[tuple[str, str], tuple[int, Site]] = {}
        self._origins: tuple[int, frozenset[str]] | None = None

    async def by_key(self, key: str) -> Site:
        """The site with this public key. Raises NotFound."""
        return await self._find("key", key, lambda connection: find_site_by_key(connection, key))

    async def by_id(self, site_id: str) -> Site:
        """The site with this id. Raises NotFound."""
        return await self._find("id", site_id, lambda connection: find_site(connection, site_id))

    async def origins(self) -> frozenset[str]:
        """Every origin that some site's pages are served under."""
        now = self._clock()
        if self._origins is None or not 0 <= now - self._origins[0] < self._ttl_ms:
            self._origins = (now, await self._storage.read(all_origins))
        return self._origins[1]

    async def forget(self) -> None:
        """Looks everything up anew from now on."""
        self._known.clear()
        self._origins = None

    async def _find(self, by: str, value: str, look: Callable[[Connection], Site | None]) -> Site:
        known = self._known.get((by, value))
        now = self._clock()
        if known is not None and 0 <= now - known[0] < self._ttl_ms:
            return known[1]
        found = await self._storage.read(look)
        if found is None:
            raise NotFound("no such site", code="unknown_site")
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[by, value] = (now, found)
        return found
