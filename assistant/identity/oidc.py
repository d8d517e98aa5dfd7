"""Log-in of agents at the company's own identity provider: OpenID Connect, authorization code with PKCE, state and nonce.

The provider is one that the operator named in the settings: it may stand in a private network, but it is spoken to over https. It
says who somebody is by a verified e-mail address; what they may do here follows from their groups (`admit`).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import Connection, select

from assistant.errors import NotAllowed, Unavailable
from assistant.identity.agents import ROLES, Agent, Role, change_agent, create_agent, normalise_login, to_agent
from assistant.identity.fetching import Reach, fetch_json
from assistant.identity.jwks import KeySets, header_of, monotonic_ms
from assistant.identity.sites import find_site_by_key
from assistant.settings import Settings
from assistant.storage.tables import agent

FLOW_S: Final = 600  # how long somebody may take at the provider
LEEWAY_S: Final = 60
METADATA_FRESH_MS: Final = 3_600_000
SCOPE: Final = "openid email profile"
SIGNATURES: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")

Fetch = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Flow:
    """What is remembered, in a cookie of the browser, of a log-in that is under way. `to`: the page to come back to."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    to: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for."""

    email: str
    name: str
    groups: frozenset[str]


def seal_flow(flow: Flow, key: bytes, *, now: int) -> str:
    """The flow as a cookie's value that only we can make. `now` in UTC ms."""
    claims = {**asdict(flow), "exp": now // 1000 + FLOW_S}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(key))


def open_flow(value: str, key: bytes, *, now: int) -> Flow:
    """The flow of a cookie. Raises NotAllowed: none, not ours, or begun too long ago."""
    try:
        claims = jwt.decode(value, OctKey.import_key(key), algorithms=["HS256"]).claims
        jwt.JWTClaimsRegistry(now=now // 1000, exp={"essential": True}).validate(claims)
        return Flow(**{name: str(claims[name]) for name in Flow.__dataclass_fields__})
    except (JoseError, ValueError, TypeError, KeyError):
        raise NotAllowed("this log-in was not begun here, or too long ago", code="flow") from None


class OidcClient:
    """Speaks to the provider of the settings. `fetch` as `fetch_json`."""

    def __init__(self, settings: Settings, fetch: Fetch = fetch_json, clock: Callable[[], int] = monotonic_ms) -> None:
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            raise ValueError("no provider is set")
        self._issuer = settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._secret = settings.oidc_client_secret
        self._groups_claim = settings.oidc_groups_claim
        self._plain = settings.private_key_urls
        self._fetch: Fetch = partial(fetch, reach=Reach(private=True, plain=self._plain))
        self._clock = clock
        self._keys = KeySets(self._fetch, clock)
        self._metadata: tuple[int, dict[str, Any]] | None = None

    async def begin(self, redirect_uri: str, to: str) -> tuple[str, Flow]:
        """(where to send the browser, what to remember). Raises Unavailable when the provider cannot be reached."""
        metadata = await self._provider()
        flow = Flow(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), redirect_uri, to)
        challenge = urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": SCOPE,
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", flow

    async def finish(self, flow: Flow, answer: Mapping[str, str], *, now: int) -> Person:
        """Whom the provider's answer (the query of the redirect) speaks of. `now` in UTC ms.

        Raises NotAllowed (`state`, `denied`, `code`, `id_token`, `email`) and Unavailable.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise NotAllowed("the answer belongs to another log-in", code="state")
        metadata = await self._provider()
        named = answer.get("iss")
        required = metadata.get("authorization_response_iss_parameter_supported") is True
        if named != self._issuer and (required or named is not None):  # RFC 9207: another provider's answer
            raise NotAllowed("the answer is another provider's", code="state")
        if "error" in answer or not answer.get("code"):
            raise NotAllowed("the provider did not log you in", code="denied")
        token = await self._redeem(metadata, flow, answer["code"])
        return self._person(await self._claims(metadata, flow, token, now))

    async def _provider(self) -> dict[str, Any]:
        """The provider's metadata, an hour old at most."""
        if self._metadata is not None and self._clock() - self._metadata[0] < METADATA_FRESH_MS:
            return self._metadata[1]
        found = await self._fetch(self._issuer.rstrip("/") + "/.well-known/openid-configuration")
        schemes = ("https", "http") if self._plain else ("https",)
        if found.get("issuer") != self._issuer:
            raise Unavailable("the provider calls itself something else than STAYWELL_OIDC_ISSUER", code="provider")
        for name in _ENDPOINTS:
            if not isinstance(found.get(name), str) or urlsplit(found[name]).scheme not in schemes:
                raise Unavailable(f"the provider's metadata lack a good {name}", code="provider")
        self._metadata = (self._clock(), found)
        return found

    async def _redeem(self, metadata: Mapping[str, Any], flow: Flow, code: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect_uri,
            "code_verifier": flow.verifier,
        }
        auth = None
        if self._secret is None:
            form["client_id"] = self._client_id
        elif "client_secret_basic" in metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            auth = (quote(self._client_id, safe=""), quote(self._secret.get_secret_value(), safe=""))  # RFC 6749, 2.3.1
        else:
            form |= {"client_id": self._client_id, "client_secret": self._secret.get_secret_value()}
        try:
            said = await self._fetch(metadata["token_endpoint"], form=form, auth=auth)
        except Unavailable as error:
            raise NotAllowed(f"the provider did not take its code back: {error}", code="code") from error
        token = said.get("id_token")
        if not isinstance(token, str):
            raise NotAllowed("the provider gave no ID token", code="id_token")
        return token

    async def _claims(self, metadata: Mapping[str, Any], flow: Flow, token: str, now: int) -> dict[str, Any]:
        refused = NotAllowed("the provider's ID token was not accepted", code="id_token")
        try:
            algorithm, kid = header_of(token)
        except NotAllowed:
            raise refused from None
        if algorithm not in SIGNATURES:
            raise refused
        key = await self._keys.key(metadata["jwks_uri"], algorithm, kid)
        if key is None:
            raise refused
        try:
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
            registry = jwt.JWTClaimsRegistry(
                now=now // 1000,
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._issuer},
                aud={"essential": True, "value": self._client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": flow.nonce},
            )
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, OverflowError, RecursionError):
            raise refused from None
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self._client_id) != self._client_id:
            raise refused
        return claims

    def _person(self, claims: Mapping[str, Any]) -> Person:
        email, name = claims.get("email"), claims.get("name")
        verified = claims.get("email_verified")
        if not isinstance(email, str) or "@" not in email or not (verified is True or verified == "true"):
            raise NotAllowed("the provider does not vouch for an e-mail address", code="email")
        groups = claims.get(self._groups_claim, [])
        listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        shown = name if isinstance(name, str) and name.strip() else email.partition("@")[0]
        return Person(
            normalise_login(email), shown.strip()[:200], frozenset(one for one in listed if isinstance(one, str))
        )


def admit(connection: Connection, person: Person, *, groups: Mapping[str, str], now: int) -> Agent:
    """The agent whose log-in is the person's e-mail address; added when their groups allow it and nobody has that log-in.

    `groups`: group → role@site. Without any, only agents who are here already come in, as what they are. With some, the groups say
    what the agent is from now on; the site of an agent never changes. Raises NotAllowed: `unknown`, `disabled`, `no_group`.
    """
    row = connection.execute(select(agent).where(agent.c.login == person.email)).mappings().first()
    if row is not None and row["disabled"]:
        raise NotAllowed("this log-in is disabled", code="disabled")
    if not groups:
        if row is None:
            raise NotAllowed("nobody here has this e-mail address as a log-in", code="unknown")
        return to_agent(row)
    best = _best_place(connection, person, groups, None if row is None else row["site_id"])
    if best is None:
        raise NotAllowed("none of your groups may log in here", code="no_group")
    role, site_id, locale = best
    if row is None:
        agent_id = create_agent(
            connection,
            site_id=site_id,
            login=person.email,
            name=person.name,
            password=None,
            role=role,
            languages=[locale],
            now=now,
        )
    else:
        agent_id = row["id"]
        if role != row["role"]:
            change_agent(connection, agent_id, now=now, role=role)
    return to_agent(connection.execute(select(agent).where(agent.c.id == agent_id)).mappings().one())


def _best_place(
    connection: Connection, person: Person, groups: Mapping[str, str], site_id: str | None
) -> tuple[Role, str, str] | None:
    """(role, site, its locale): the highest role that a group gives, in `site_id` where that is said; of equals the first."""
    places = []
    for group, place in groups.items():
        name, _, key = place.partition("@")
        site = find_site_by_key(connection, key) if group in person.groups else None
        if site is not None and site_id in (None, site.id):
            role = next(known for known in ROLES if known == name)
            places.append((role, site.id, site.locale))
    return max(places, key=lambda place: ROLES.index(place[0]), default=None)
