"""Documents fetched from addresses that an administrator named: key sets, the metadata of an identity provider.

Only https, only to public addresses, unless the caller allows more. The name is resolved once and the connection goes to the
address that was checked, so that it cannot turn into another one in between; redirects are not followed, proxies of the environment
not used, answers bounded in size and time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

import httpx
import orjson

from assistant.errors import Unavailable

MOST_BYTES: Final = 64 * 1024
TIMEOUT_S: Final = 3.0
_NAT64: Final = ip_network("64:ff9b::/96")  # an IPv4 address in disguise, to which translators pass packets on


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a fetch may go. `private`: to loopback, private and link-local addresses too; `plain`: over http too."""

    private: bool = False
    plain: bool = False


PUBLIC: Final = Reach()


async def fetch_json(
    url: str, *, reach: Reach = PUBLIC, form: Mapping[str, str] | None = None, auth: tuple[str, str] | None = None
) -> dict[str, Any]:
    """The JSON object at `url`, or the answer to `form` posted there (`auth`: HTTP Basic).

    Raises Unavailable(code="fetch"), whose message says why and never what was received: an address that is not allowed, a
    redirect, a status other than 200, more than 64 KiB, more than 3 s, no JSON object.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return _parsed(await _fetch(url, reach, form, auth))
    except TimeoutError:
        raise _refusal("no answer in time") from None
    except httpx.HTTPError as error:
        raise _refusal(type(error).__name__) from error
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise _refusal("not an address") from error


async def _fetch(url: str, reach: Reach, form: Mapping[str, str] | None, auth: tuple[str, str] | None) -> bytes:
    asked = httpx.URL(url)
    if asked.scheme != "https" and not (reach.plain and asked.scheme == "http"):
        raise _refusal("only https is fetched")
    if not asked.host or asked.userinfo:
        raise _refusal("not an address to fetch from")
    pinned = await _checked_address(asked.host, asked.port or (443 if asked.scheme == "https" else 80), reach)
    # httpx connects to the checked address; certificate and virtual host still go by the name.
    request = httpx.Request(
        "GET" if form is None else "POST",
        asked.copy_with(host=pinned),
        headers={"Host": asked.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity"},
        data=None if form is None else dict(form),
        extensions={"sni_hostname": asked.host, "timeout": httpx.Timeout(TIMEOUT_S).as_dict()},
    )
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        answer = await client.send(request, auth=auth, stream=True)
        try:
            if answer.status_code != httpx.codes.OK:
                raise _refusal(f"status {answer.status_code}")
            body = b""
            async for chunk in answer.aiter_raw():  # as it comes: unpacking it could make it a thousand times as big
                body += chunk
                if len(body) > MOST_BYTES:
                    raise _refusal("the answer is too big")
            return body
        finally:
            await answer.aclose()


async def _checked_address(host: str, port: int, reach: Reach) -> str:
    """An address of `host`. All of them must be allowed: a name that also leads inside is not trusted."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise _refusal("no such host") from None
    addresses = [ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    if not addresses or not (reach.private or all(is_public(address) for address in addresses)):
        raise _refusal("the address is not a public one")
    return str(addresses[0])


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet, also behind the ways to write an IPv4 address as an IPv6 one."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _refusal("not a JSON object")
    return value


def _refusal(why: str) -> Unavailable:
    return Unavailable(why, code="fetch")
