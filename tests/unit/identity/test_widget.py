"""Who speaks in the widget: identity tokens, sessions, guests who come back and guests who log in."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import Connection, func, select

from assistant.conversations import store
from assistant.errors import Forbidden, NotAllowed, NotFound
from assistant.identity import sites, widget
from assistant.identity.keys import customer_key, hash_token
from assistant.identity.sites import Site, SiteDirectory
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, conversation, widget_token

NOW = 1_800_000_000_000
SECRET = "the shop's secret, which is long enough to sign with"
INSTALLATION = b"i" * 32
TOKEN_MS = 15 * 60_000


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(key: str = SECRET, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """As a shop's server would make it: a JWT by hand, so that the test does not lean on the library that reads it."""
    header = header or {"alg": "HS256", "typ": "JWT"}
    said = {"sub": "c-1", "aud": "shop", "exp": NOW // 1000 + 120, **claims}
    text = f"{part(header)}.{part({name: value for name, value in said.items() if value is not None})}"
    digest = hmac.digest(key.encode(), text.encode(), header["alg"].replace("HS", "sha"))
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def verify(token: str, *, secret: str | None = SECRET, now: int = NOW) -> widget.Identity:
    key = None if secret is None else OctKey.import_key(secret)
    return widget.read_identity(token, key=key, algorithms=("HS256",), site_key="shop", now=now)


def test_a_signed_identity_is_read() -> None:
    token = signed(name="Lena", email="lena@example.org", locale="de", region="DE-BE", plan="gold")
    assert verify(token) == widget.Identity("c-1", "Lena", "lena@example.org", "de", "DE-BE")
    assert verify(signed(aud=["other", "shop"])) == widget.Identity("c-1")


def unsigned() -> str:
    return f"{part({'alg': 'none'})}.{part({'sub': 'c-1', 'aud': 'shop', 'exp': NOW // 1000 + 60})}."


def confused() -> str:
    """Signed with the text of a public key as if it were a shared secret."""
    public = RSAKey.generate_key(2048, private=False).as_pem(private=False)
    return signed(key=public.decode())


@pytest.mark.parametrize(
    "make",
    [
        lambda: "",
        lambda: "nonsense",
        lambda: "a.b.c",
        lambda: "a" * 5000,
        lambda: f"{part([])}.{part([])}.x",
        unsigned,
        confused,
        lambda: signed(header={"alg": "HS512"}),
        lambda: signed(key="another secret that is also long enough to sign with"),
        lambda: signed()[:-2],
        lambda: signed(aud="other"),
        lambda: signed(aud=None),
        lambda: signed(aud=5),
        lambda: signed(exp=None),
        lambda: signed(exp="soon"),
        lambda: signed(exp=float("nan")),
        lambda: signed(exp=float("inf")),
        lambda: signed(exp=NOW // 1000 - 61),
        lambda: signed(exp=NOW // 1000 + 361),
        lambda: signed(nbf=NOW // 1000 + 61),
        lambda: signed(iat=NOW // 1000 + 61),
        lambda: signed(iat=NOW // 1000 - 181),
        lambda: signed(iat="now"),
        lambda: signed(sub=None),
        lambda: signed(sub=""),
        lambda: signed(sub="   "),
        lambda: signed(sub=7),
        lambda: signed(sub="x" * 201),
        lambda: signed(sub="a\0b"),
        lambda: signed(sub="\ud800"),
        lambda: signed(name=["Lena"]),
        lambda: signed(name="x" * 201),
    ],
)
def test_every_other_token_is_refused_with_the_same_words(make: Callable[[], str]) -> None:
    with pytest.raises(NotAllowed) as caught:
        verify(make())
    assert (str(caught.value), caught.value.reason) == ("the identity was not accepted", "identity")


def test_clocks_may_differ_by_a_minute() -> None:
    assert verify(signed(exp=NOW // 1000 - 59))
    assert verify(signed(exp=NOW // 1000 + 359))
    assert verify(signed(nbf=NOW // 1000 + 59))


def test_a_site_without_a_secret_accepts_no_identity() -> None:
    with pytest.raises(NotAllowed):
        verify(signed(), secret=None)


# --- sessions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    storage = Storage(database_url)
    yield storage
    storage.close()


@pytest.fixture
def shop(storage: Storage) -> Site:
    return storage.write_sync(
        lambda connection: sites.create(
            connection, key="shop", name="Shop", now=NOW, origins=["https://Shop.example/"], identity_secret=SECRET
        )
    )


@pytest.fixture
def open_session(storage: Storage, shop: Site) -> Callable[..., widget.Opened]:
    def opened(now: int = NOW, **options: Any) -> widget.Opened:
        site = options.pop("site", shop)
        return storage.write_sync(
            lambda connection: widget.open_session(
                connection, site, secret=INSTALLATION, now=now, token_ms=TOKEN_MS, **options
            )
        )

    return opened


def access(storage: Storage, token: str, now: int = NOW) -> widget.Access:
    return storage.read_sync(lambda connection: widget.check_token(connection, token, now=now))


def talk(storage: Storage, shop: Site, contact_id: str) -> str:
    return storage.write_sync(
        lambda connection: store.open_conversation(
            connection, site_id=shop.id, contact_id=contact_id, locale="en", now=NOW
        )
    )


def owner(storage: Storage, conversation_id: str) -> str:
    query = select(conversation.c.contact_id).where(conversation.c.id == conversation_id)
    return str(storage.read_sync(lambda connection: connection.execute(query).scalar_one()))


def test_a_guest_gets_a_token_for_a_quarter_of_an_hour(
    storage: Storage, shop: Site, open_session: Callable[..., widget.Opened]
) -> None:
    opened = open_session(locale="zh")
    allowed = access(storage, opened.token)
    assert allowed == widget.Access(shop.id, opened.contact["id"], False, NOW + TOKEN_MS, hash_token(opened.token))
    assert opened.contact["locale"] == "zh"
    assert not opened.contact["verified"]
    access(storage, opened.token, NOW + TOKEN_MS - 1)
    for token, now in ((opened.token, NOW + TOKEN_MS), ("forged", NOW), (opened.resume or "", NOW)):
        with pytest.raises(NotAllowed) as caught:
            access(storage, token, now)
        assert str(caught.value) == "the token was not accepted"


def test_tokens_are_not_in_the_database(storage: Storage, open_session: Callable[..., widget.Opened]) -> None:
    opened = open_session()

    def stored(connection: Connection) -> list[Any]:
        return [value for row in connection.execute(select(widget_token)) for value in row]

    values = storage.read_sync(stored)
    assert opened.token not in values
    assert opened.resume not in values
    assert hash_token(opened.token) in values


def test_a_guest_comes_back_as_the_same_guest(storage: Storage, open_session: Callable[..., widget.Opened]) -> None:
    first = open_session()
    again = open_session(now=NOW + 86_400_000, resume=first.resume)
    assert again.contact["id"] == first.contact["id"]
    assert again.resume == first.resume  # two tabs hold the same one
    assert again.token != first.token
    access(storage, first.token)  # the other tab goes on


@pytest.mark.parametrize("resume", ["forged", "", "x" * 1000])
def test_an_unknown_resume_secret_gives_a_new_guest(open_session: Callable[..., widget.Opened], resume: str) -> None:
    first = open_session()
    second = open_session(resume=resume)
    assert second.contact["id"] != first.contact["id"]
    assert second.resume not in {resume, first.resume}


def test_a_resume_secret_is_good_for_its_own_site_and_for_half_a_year(
    storage: Storage, open_session: Callable[..., widget.Opened]
) -> None:
    other = storage.write_sync(lambda connection: sites.create(connection, key="other", name="Other", now=NOW))
    first = open_session()
    assert open_session(resume=first.resume, site=other).contact["id"] != first.contact["id"]
    late = NOW + (widget.RESUME_DAYS + 1) * widget.DAY_MS
    assert open_session(resume=first.resume, now=late).contact["id"] != first.contact["id"]


def test_a_customer_is_found_again_and_brought_up_to_date(
    shop: Site, open_session: Callable[..., widget.Opened]
) -> None:
    first = open_session(identity=widget.Identity("c-1", name="Lena", region="DE"))
    assert first.resume is None
    assert first.contact["verified"]
    assert first.contact["customer_key"] == customer_key(INSTALLATION, shop.id, "c-1")
    second = open_session(identity=widget.Identity("c-1", name="Lena M."))
    assert second.contact["id"] == first.contact["id"]
    assert (second.contact["name"], second.contact["region"]) == ("Lena M.", "DE")
    assert open_session(identity=widget.Identity("c-2")).contact["id"] != first.contact["id"]


def test_a_guest_who_logs_in_becomes_the_customer_and_keeps_the_conversation(
    storage: Storage, shop: Site, open_session: Callable[..., widget.Opened]
) -> None:
    guest = open_session()
    conversation_id = talk(storage, shop, guest.contact["id"])
    known = open_session(identity=widget.Identity("c-1", name="Lena"), resume=guest.resume)
    assert known.contact["id"] == guest.contact["id"] == owner(storage, conversation_id)
    assert known.contact["customer_key"] == customer_key(INSTALLATION, shop.id, "c-1")
    with pytest.raises(NotAllowed):
        access(storage, guest.token)
    assert access(storage, known.token).verified
    assert (
        open_session(resume=guest.resume).contact["id"] != known.contact["id"]
    )  # the guest's secret opens nothing now


def test_a_guest_who_is_a_known_customer_hands_the_conversation_over(
    storage: Storage, shop: Site, open_session: Callable[..., widget.Opened]
) -> None:
    known = open_session(identity=widget.Identity("c-1"))
    guest = open_session()
    conversation_id = talk(storage, shop, guest.contact["id"])
    again = open_session(identity=widget.Identity("c-1"), resume=guest.resume)
    assert again.contact["id"] == known.contact["id"] == owner(storage, conversation_id)


def test_a_site_may_serve_customers_only(storage: Storage, open_session: Callable[..., widget.Opened]) -> None:
    closed = storage.write_sync(
        lambda connection: sites.create(connection, key="closed", name="C", now=NOW, anonymous_allowed=False)
    )
    with pytest.raises(Forbidden) as caught:
        open_session(site=closed)
    assert caught.value.reason == "identity_required"
    assert open_session(site=closed, identity=widget.Identity("c-1")).contact["verified"]


def test_pruning_keeps_what_is_valid_or_can_resume(
    storage: Storage, open_session: Callable[..., widget.Opened]
) -> None:
    guest = open_session()
    open_session(identity=widget.Identity("c-1"))
    later = NOW + TOKEN_MS + 1

    def pruned(now: int) -> int:
        return storage.write_sync(lambda connection: widget.prune(connection, now=now))

    assert pruned(NOW) == 0
    assert pruned(later) == 1  # the customer's
    assert open_session(now=later, resume=guest.resume).contact["id"] == guest.contact["id"]
    assert pruned(NOW + (widget.RESUME_DAYS + 1) * widget.DAY_MS) == 2


def test_revoking_ends_token_and_resume_secret(storage: Storage, open_session: Callable[..., widget.Opened]) -> None:
    guest = open_session()
    assert storage.write_sync(lambda connection: widget.revoke(connection, guest.contact["id"])) == 1
    with pytest.raises(NotAllowed):
        access(storage, guest.token)
    assert open_session(resume=guest.resume).contact["id"] != guest.contact["id"]


# --- sites ----------------------------------------------------------------------------------------------------------


def test_origins_are_kept_as_browsers_send_them(shop: Site) -> None:
    assert shop.origins == {"https://shop.example"}
    assert SECRET not in repr(shop)


async def test_sites_are_found_by_key_and_remembered_for_seconds(storage: Storage, shop: Site) -> None:
    now = NOW
    directory = SiteDirectory(storage, lambda: now)
    assert await directory.by_key("shop") == shop
    assert await directory.by_id(shop.id) == shop
    await storage.write(lambda connection: connection.exec_driver_sql("UPDATE site SET name = 'New'") and None)
    assert (await directory.by_key("shop")).name == "Shop"
    now += sites.TTL_MS
    assert (await directory.by_key("shop")).name == "New"
    for key in ("nope", ""):
        with pytest.raises(NotFound):
            await directory.by_key(key)
    assert await storage.read(lambda connection: sites.find_site_by_key(connection, "nope")) is None


def test_contacts_of_two_sites_are_two_people(storage: Storage, open_session: Callable[..., widget.Opened]) -> None:
    other = storage.write_sync(lambda connection: sites.create(connection, key="other", name="Other", now=NOW))
    here = open_session(identity=widget.Identity("c-1"))
    there = open_session(identity=widget.Identity("c-1"), site=other)
    assert here.contact["id"] != there.contact["id"]
    assert here.contact["customer_key"] != there.contact["customer_key"]
    count = storage.read_sync(lambda connection: connection.execute(select(func.count()).select_from(contact)).scalar())
    assert count == 2
