"""Keys and hashes: the installation's secret, the customer key of the outcome log, tokens."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

from assistant.errors import Unavailable
from assistant.settings import Settings

_FILE: Final = "secret"
_LEAST_BYTES: Final = 16


def installation_secret(settings: Settings) -> bytes:
    """The secret of this installation: from the settings, or made once and kept in the data directory with mode 600.

    Losing it cuts the outcome log from its customers. Raises Unavailable(code="secret") when it is too short or unreadable.
    """
    given = settings.secret
    secret = _kept(settings.data_dir / _FILE) if given is None else given.get_secret_value().encode()
    if len(secret) < _LEAST_BYTES:
        raise Unavailable(f"the secret is shorter than {_LEAST_BYTES} bytes", code="secret")
    return secret


def _kept(path: Path) -> bytes:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return path.read_bytes().strip()
        except FileNotFoundError:
            pass
        # Written aside and linked, so that two processes that start at once end up with the same whole file.
        aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(aside)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
        return path.read_bytes().strip()
    except OSError as error:
        raise Unavailable(f"the secret {path} cannot be kept: {error.strerror}", code="secret") from error


def derive(secret: bytes, purpose: str) -> bytes:
    """A key for one purpose, 32 bytes; keys of different purposes say nothing about each other."""
    return hmac.digest(secret, b"derive\0" + purpose.encode(), "sha256")


def customer_key(secret: bytes, site_id: str, external_id: str) -> str:
    """What the outcome log knows a customer by: HMAC-SHA256 of site and the shop's customer number, 64 hex digits."""
    return _key(secret, "customer", site_id, external_id)


def guest_key(secret: bytes, site_id: str, contact_id: str) -> str:
    """`customer_key` for a contact whom the shop has not named; never equal to a customer's."""
    return _key(secret, "guest", site_id, contact_id)


def _key(secret: bytes, kind: str, site_id: str, identifier: str) -> str:
    message = "\0".join((kind, site_id, identifier))
    return hmac.new(secret, message.encode(), "sha256").hexdigest()


def new_token() -> str:
    """A token that nobody guesses: 256 random bits, 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """How a token is stored: SHA-256, 64 hex digits. Random tokens need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()
