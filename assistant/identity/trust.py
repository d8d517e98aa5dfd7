"""By what a site's identity tokens are verified: a shared secret with HS256, or the shop's public keys with fixed algorithms.

While a shop changes its secret over, the one before counts too. But a site has secrets or public keys, never both: with a key set
in force nothing that is signed with a secret is accepted, and the other way round, so that a public key can never be taken for a
secret. The choice stands in the site's settings under `identity`: `{"jwks_url": …}` or `{"jwks": {"keys": […]}}`, and
`{"algorithms": […]}`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from joserfc.errors import SecurityWarning
from joserfc.jwk import Key, OctKey

from assistant.errors import BadInput, NotAllowed
from assistant.identity.jwks import ALGORITHMS, KeySets, choose, header_of, read_keys
from assistant.identity.sites import Site
from assistant.identity.widget import Identity, read_identity, refusal

DEFAULT_ALGORITHMS: Final = ("ES256", "RS256")


@dataclass(frozen=True, slots=True)
class Identities:
    """Reads the identity tokens of sites."""

    key_sets: KeySets = field(default_factory=KeySets)

    async def read(self, site: Site, token: str, now: int) -> Identity:
        """Whom the site's server vouches for. Raises NotAllowed, the same for whatever is wrong with the token; Unavailable when
        the shop's keys cannot be fetched."""
        said = site.settings.get("identity") or {}
        if not said:
            return _read_by_secret(site, token, now)
        algorithms = tuple(said.get("algorithms", DEFAULT_ALGORITHMS))
        key = await self._public_key(said, token, algorithms)
        return read_identity(token, key=key, algorithms=algorithms, site_key=site.key, now=now)

    async def _public_key(self, said: Mapping[str, Any], token: str, algorithms: Sequence[str]) -> Key | None:
        try:
            algorithm, kid = header_of(token)
        except NotAllowed:
            raise refusal() from None
        if algorithm not in algorithms:  # said before anything is fetched for it
            raise refusal()
        if "jwks_url" in said:
            return await self.key_sets.key(said["jwks_url"], algorithm, kid)
        return choose(read_keys(said["jwks"]), algorithm, kid)


def _read_by_secret(site: Site, token: str, now: int) -> Identity:
    """By any of the site's secrets: two are in force while a shop changes over."""
    for secret in site.identity_secrets:
        with suppress(NotAllowed):
            return read_identity(token, key=_key(secret), algorithms=("HS256",), site_key=site.key, now=now)
    raise refusal()


def _key(secret: str) -> Key:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # a short secret is the shop's choice; the one we make is long
        return OctKey.import_key(secret)


def identity_settings(
    *, jwks_url: str | None = None, jwks: Mapping[str, Any] | None = None, algorithms: Sequence[str] = ()
) -> dict[str, Any]:
    """What a site's settings say under `identity`. Raises BadInput: not one source of keys, no usable key, unknown algorithms."""
    if (jwks_url is None) == (jwks is None):
        raise BadInput("either the address of a key set or the key set itself")
    chosen = list(algorithms) or list(DEFAULT_ALGORITHMS)
    unknown = sorted(set(chosen) - set(ALGORITHMS))
    if unknown:
        raise BadInput(f"{', '.join(unknown)} cannot be used with public keys; known: {', '.join(ALGORITHMS)}")
    if jwks_url is not None:
        return {"jwks_url": jwks_url, "algorithms": chosen}
    assert jwks is not None  # noqa: S101 - one of the two is given
    try:
        keys = read_keys(jwks)
    except ValueError as error:
        raise BadInput(str(error)) from error
    if not keys:
        raise BadInput("the key set has no public key that may verify signatures")
    return {"jwks": {"keys": [key.as_dict(private=False) for key in keys]}, "algorithms": chosen}
