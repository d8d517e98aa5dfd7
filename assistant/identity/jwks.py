"""Public keys of whoever signs tokens: JSON Web Key Sets (RFC 7517), fetched, remembered, and fetched anew when keys rotate.

A key set is fetched when it is first needed, again after ten minutes, and once more when a token names a key that is not in it.
None of it happens more often than every 30 s, whatever tokens come: who sends forged ones cannot make us call the shop. While the
address does not answer, keys known before go on for a day.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import extract_compact

from assistant.errors import NotAllowed, Unavailable
from assistant.identity.fetching import fetch_json

FRESH_MS: Final = 10 * 60_000
PAUSE_MS: Final = 30_000  # between two fetches of one address
STALE_MS: Final = 24 * 3_600_000  # how long known keys outlive an address that does not answer
MOST_KEYS: Final = 32
LEAST_RSA_BITS: Final = 2048

# What each algorithm is used with. Shared secrets are not among them: whoever can read a key set could sign with one.
_FITS: Final[Mapping[str, tuple[type[Key], str | None]]] = {
    "RS256": (RSAKey, None),
    "RS384": (RSAKey, None),
    "RS512": (RSAKey, None),
    "PS256": (RSAKey, None),
    "PS384": (RSAKey, None),
    "PS512": (RSAKey, None),
    "ES256": (ECKey, "P-256"),
    "ES384": (ECKey, "P-384"),
    "ES512": (ECKey, "P-521"),
    "EdDSA": (OKPKey, "Ed25519"),
}
ALGORITHMS: Final = tuple(_FITS)
_KINDS: Final[Mapping[object, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

Fetch = Callable[[str], Awaitable[dict[str, Any]]]
log = structlog.get_logger()


def monotonic_ms() -> int:
    """Time that never jumps."""
    return time.monotonic_ns() // 1_000_000


def read_keys(document: Mapping[str, Any]) -> list[Key]:
    """The public keys of a key set that may verify signatures; others (secret, for encryption, weak, unknown) are left out.

    Raises ValueError when it is no key set.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("not a JSON Web Key Set: it has no list of keys")
    return list(_usable(entries[:MOST_KEYS]))


def _usable(entries: Sequence[Any]) -> Iterator[Key]:
    for entry in entries:
        kind = _KINDS.get(entry.get("kty")) if isinstance(entry, dict) else None
        if kind is None or entry.get("use", "sig") != "sig" or "d" in entry:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecurityWarning)  # of a weak key, which is left out below
                key = kind.import_key(entry)
            weak = isinstance(key, RSAKey) and key.public_key.key_size < LEAST_RSA_BITS
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if not weak:
            yield key


def header_of(token: str) -> tuple[str, str | None]:
    """(algorithm, key id) that a token names, unverified. Raises NotAllowed when it is no token at all."""
    try:
        header = extract_compact(token.encode()).headers()
        algorithm, kid = header["alg"], header.get("kid")
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NotAllowed("not a token") from None
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise NotAllowed("not a token")
    return algorithm, kid


def choose(keys: Sequence[Key], algorithm: str, kid: str | None) -> Key | None:
    """The key that a token with this header must be signed with; None when the set has none.

    A token without a key id is only unambiguous when a single key fits its algorithm.
    """
    fits = _FITS.get(algorithm)
    if fits is None:
        return None
    kind, curve = fits
    fitting = [
        key
        for key in keys
        if isinstance(key, kind)
        and (curve is None or getattr(key, "curve_name", None) == curve)
        and key.get("alg") in (None, algorithm)
    ]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == kid), None)


@dataclass(slots=True)
class _Known:
    """What is known of one address. Times in ms of the sets' clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    keys: list[Key] = field(default_factory=list)
    fetched_at: int | None = None
    tried_at: int | None = None


class KeySets:
    """Key sets by address. `fetch` gives the document, or raises Unavailable; `clock` gives ms since any moment."""

    def __init__(self, fetch: Fetch = fetch_json, clock: Callable[[], int] = monotonic_ms) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def key(self, url: str, algorithm: str, kid: str | None) -> Key | None:
        """The key that a token must be signed with; None when the set at `url` has none, even if asked again now.

        Raises Unavailable(code="keys") when the set has never been read, or for too long not.
        """
        if algorithm not in _FITS:
            return None
        known = self._known.setdefault(url, _Known())
        found = choose(known.keys, algorithm, kid) if self._age(known.fetched_at) < FRESH_MS else None
        if found is None:
            async with known.lock:  # those who come meanwhile share the fetch
                if self._age(known.tried_at) >= PAUSE_MS:
                    await self._refresh(url, known)
            found = choose(known.keys, algorithm, kid)
        if self._age(known.fetched_at) >= STALE_MS:
            raise Unavailable("the keys cannot be fetched now", code="keys", after_ms=PAUSE_MS)
        return found

    async def _refresh(self, url: str, known: _Known) -> None:
        known.tried_at = self._clock()
        try:
            keys = read_keys(await self._fetch(url))
        except (Unavailable, ValueError) as error:
            log.warning("keys_not_fetched", url=url.partition("?")[0], reason=str(error))
            return
        known.keys, known.fetched_at = keys, self._clock()

    def _age(self, since: int | None) -> float:
        if since is None:
            return float("inf")
        passed = self._clock() - since
        return passed if passed >= 0 else float("inf")  # a clock that went back says nothing
