"""Where a request comes from, for limits."""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import HTTPConnection


def remote_address(connection: HTTPConnection) -> str | None:
    """The client's address; None for one that is not to be counted: a loopback, behind which any number of people may be."""
    host = connection.client.host if connection.client is not None else ""
    try:
        return None if ip_address(host).is_loopback else host
    except ValueError:  # a socket file, or a name that a proxy gave
        return host
