"""The installation's secret and what is made of it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from assistant.errors import Unavailable
from assistant.identity.keys import customer_key, derive, guest_key, hash_token, installation_secret, new_token
from assistant.settings import Settings


def test_the_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "var")
    first = installation_secret(settings)
    assert len(first) == 64
    assert installation_secret(settings) == first
    path = tmp_path / "var" / "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(lambda _: installation_secret(settings), range(64)))) == 1


def test_a_secret_in_the_settings_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, secret=SecretStr("a secret that is long enough"))
    assert installation_secret(settings) == b"a secret that is long enough"
    assert list(tmp_path.iterdir()) == []


def test_a_short_or_unreadable_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="shorter"):
        installation_secret(Settings(data_dir=tmp_path, secret=SecretStr("short")))
    (tmp_path / "secret").mkdir()
    with pytest.raises(Unavailable, match="cannot be kept"):
        installation_secret(Settings(data_dir=tmp_path))


def test_customer_keys_are_stable_and_tell_sites_customers_and_guests_apart() -> None:
    secret = b"s" * 32
    key = customer_key(secret, "A", "1")
    assert key == customer_key(secret, "A", "1")
    assert len(key) == 64
    others = {
        customer_key(secret, "B", "1"),
        customer_key(secret, "A", "2"),
        customer_key(b"t" * 32, "A", "1"),
        guest_key(secret, "A", "1"),
    }
    assert len(others | {key}) == 5


def test_derived_keys_differ_by_purpose() -> None:
    assert derive(b"s" * 32, "draw") == derive(b"s" * 32, "draw")
    assert derive(b"s" * 32, "draw") != derive(b"s" * 32, "csrf")
    assert len(derive(b"s" * 32, "draw")) == 32


def test_tokens_are_random_and_stored_hashed() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43
    assert hash_token("x") == hash_token("x") != hash_token("y")
    assert len(hash_token("x")) == 64
