"""Key sets: which keys count, which of them a token must be signed with, and how often they are fetched."""

from __future__ import annotations

import asyncio
import base64
from ipaddress import ip_address
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from assistant.errors import BadInput, NotAllowed, Unavailable
from assistant.identity import fetching, jwks
from assistant.identity.jwks import KeySets, choose, header_of, read_keys
from assistant.identity.trust import identity_settings

EC = ECKey.generate_key("P-256", {"kid": "ec"})
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})


def public(*keys: Key, **more: Any) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), **more} for key in keys]}


def test_a_key_set_gives_its_public_keys_for_signatures() -> None:
    strange = [
        OctKey.generate_key(256, {"kid": "secret"}).as_dict(),
        {**EC.as_dict(private=False), "kid": "enc", "use": "enc"},
        {**EC.as_dict(private=True), "kid": "leaked"},
        {"kty": "EC", "crv": "P-256", "kid": "half"},
        {"kty": "XX", "kid": "unknown"},
        {"kid": "nothing"},
        {"kty": "RSA", "n": 5, "e": [], "kid": "types"},
        "a string",
        None,
    ]
    keys = read_keys({"keys": [*strange, *public(EC, RSA, ED)["keys"]]})
    assert [key.kid for key in keys] == ["ec", "rsa", "ed"]


def test_a_weak_rsa_key_does_not_count() -> None:
    modulus = base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()
    assert read_keys({"keys": [{"kty": "RSA", "n": modulus, "e": "AQAB", "kid": "weak"}]}) == []


@pytest.mark.parametrize("document", [{}, {"keys": {}}, {"keys": "x"}, {"keys": None}])
def test_what_is_no_key_set_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no list of keys"):
        read_keys(document)


def test_a_key_fits_by_kind_curve_declared_algorithm_and_id() -> None:
    keys = read_keys(public(EC, RSA, ED))
    assert choose(keys, "ES256", "ec") is keys[0]
    assert choose(keys, "PS256", "rsa") is keys[1]
    assert choose(keys, "EdDSA", "ed") is keys[2]
    assert choose(keys, "ES384", "ec") is None  # another curve
    assert choose(keys, "RS256", "ec") is None  # another kind
    assert choose(keys, "HS256", "rsa") is None  # a public key is no secret
    assert choose(keys, "none", "ec") is None
    assert choose(keys, "ES256", "other") is None
    assert choose(keys, "ES256", None) is keys[0]  # the only one that fits
    assert choose(read_keys(public(EC, ECKey.generate_key("P-256", {"kid": "b"}))), "ES256", None) is None
    assert choose(read_keys(public(RSA, alg="RS512")), "RS256", "rsa") is None


@pytest.mark.parametrize("token", ["", "a.b.c", "nonsense", "é.é.é", "e30.e30.e30", "x" * 5000])
def test_what_is_no_token_has_no_header(token: str) -> None:
    with pytest.raises(NotAllowed):
        header_of(token)


def test_a_header_is_read_unverified() -> None:
    assert header_of(jwt.encode({"alg": "ES256", "kid": "ec"}, {}, EC)) == ("ES256", "ec")
    assert header_of(jwt.encode({"alg": "ES256"}, {}, EC)) == ("ES256", None)


class Shop:
    """An address with keys, which counts how often it is asked."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | Unavailable = public(EC)
        self.asked = 0
        self.now = 1_000_000

    async def fetch(self, _url: str) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.document, Unavailable):
            raise self.document
        return self.document

    def sets(self) -> KeySets:
        return KeySets(self.fetch, lambda: self.now)


async def kid(sets: KeySets, wanted: str, algorithm: str = "ES256") -> str | None:
    found = await sets.key("https://shop.example/keys", algorithm, wanted)
    return None if found is None else found.kid


async def test_keys_are_fetched_once_and_again_after_ten_minutes() -> None:
    shop = Shop()
    sets = shop.sets()
    assert await asyncio.gather(*(kid(sets, "ec") for _ in range(20))) == ["ec"] * 20
    assert shop.asked == 1
    shop.now += jwks.FRESH_MS - 1
    assert await kid(sets, "ec") == "ec"
    assert shop.asked == 1
    shop.now += 1
    assert await kid(sets, "ec") == "ec"
    assert shop.asked == 2


async def test_a_rotated_key_is_found_and_forged_ids_do_not_make_us_call() -> None:
    shop = Shop()
    sets = shop.sets()
    assert await kid(sets, "ec") == "ec"
    shop.document = public(EC, ECKey.generate_key("P-256", {"kid": "new"}))
    assert await kid(sets, "new") is None  # asked a moment ago
    shop.now += jwks.PAUSE_MS
    assert await kid(sets, "new") == "new"
    assert shop.asked == 2
    for number in range(1000):
        assert await kid(sets, f"forged-{number}") is None
    assert shop.asked == 2
    shop.now += jwks.PAUSE_MS
    await asyncio.gather(*(kid(sets, f"forged-{number}") for number in range(100)))
    assert shop.asked == 3


async def test_a_withdrawn_key_is_forgotten_with_the_next_fetch() -> None:
    shop = Shop()
    sets = shop.sets()
    assert await kid(sets, "ec") == "ec"
    shop.document = public(ECKey.generate_key("P-256", {"kid": "new"}))
    shop.now += jwks.FRESH_MS
    assert await kid(sets, "ec") is None


async def test_known_keys_outlive_an_address_that_is_down_for_a_day() -> None:
    shop = Shop()
    sets = shop.sets()
    assert await kid(sets, "ec") == "ec"
    shop.document = Unavailable("down", code="fetch")
    shop.now += jwks.FRESH_MS
    for _ in range(10):
        assert await kid(sets, "ec") == "ec"
    assert shop.asked == 2
    shop.now += jwks.STALE_MS
    with pytest.raises(Unavailable) as caught:
        await kid(sets, "ec")
    assert (caught.value.reason, caught.value.after_ms) == ("keys", jwks.PAUSE_MS)


async def test_an_address_that_never_answered_is_unavailable_and_left_in_peace() -> None:
    shop = Shop()
    shop.document = Unavailable("down", code="fetch")
    sets = shop.sets()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await kid(sets, "ec")
    assert shop.asked == 1
    shop.document = public(EC)
    shop.now += jwks.PAUSE_MS
    assert await kid(sets, "ec") == "ec"


async def test_an_algorithm_for_secrets_is_not_even_looked_up() -> None:
    shop = Shop()
    assert await kid(shop.sets(), "ec", "HS256") is None
    assert shop.asked == 0


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address that must be refused
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert fetching.is_public(ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/keys",
        "https://127.0.0.1/keys",
        "https://localhost/keys",
        "https://[::1]/keys",
        "https://[::ffff:127.0.0.1]/keys",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/keys",
        "https://2130706433/keys",
        "https://user:secret@shop.example/keys",
        "https:///keys",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "javascript:1",
        "",
        "https://" + "a" * 300 + "/",
    ],
)
async def test_addresses_that_are_not_fetched(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        await fetching.fetch_json(url)
    assert caught.value.reason == "fetch"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"jwks_url": "https://a/", "jwks": {"keys": []}},
        {"jwks": {"keys": []}},
        {"jwks": {"no": "keys"}},
        {"jwks": {"keys": [OctKey.generate_key(256).as_dict()]}},
        {"jwks_url": "https://a/", "algorithms": ["HS256"]},
        {"jwks_url": "https://a/", "algorithms": ["none"]},
    ],
)
def test_a_site_cannot_trust_just_anything(said: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        identity_settings(**said)


def test_a_private_key_given_by_mistake_is_not_taken() -> None:
    with pytest.raises(BadInput):
        identity_settings(jwks={"keys": [EC.as_dict(private=True)]})
    assert identity_settings(jwks=public(EC), algorithms=["ES256"])["algorithms"] == ["ES256"]
