"""Starting: only on the database that was here before, whole and of this schema."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from assistant.conversations import store
from assistant.errors import Unavailable
from assistant.storage import migrate
from assistant.storage.guard import open_checked, refuse_damaged
from assistant.storage.seal import seal_of
from assistant.storage.tables import contact, conversation, site


def with_conversation(connection: Connection) -> str:
    connection.execute(insert(site).values(id="S" * 26, key="shop", name="Shop", holdout_salt="s", created_at=1))
    connection.execute(
        insert(contact).values(id="C" * 26, site_id="S" * 26, customer_key="k", first_seen_at=1),
    )
    return store.open_conversation(connection, site_id="S" * 26, contact_id="C" * 26, locale="en", now=1)


def epoch(connection: Connection) -> str:
    return str(connection.execute(select(conversation.c.epoch)).scalar_one())


def test_a_migrated_database_opens(migrated: str) -> None:
    open_checked(migrated).close()
    open_checked(migrated).close()


def test_a_database_without_schema_asks_for_migrations(url: str) -> None:
    with pytest.raises(Unavailable, match="staywell migrate") as caught:
        open_checked(url)
    assert caught.value.reason == "database_old"


def test_a_lost_database_is_not_replaced_by_an_empty_one(migrated: str, file: Path) -> None:
    open_checked(migrated).close()
    for part in file.parent.glob("staywell.db*"):
        if part != seal_of(file):
            part.unlink()
    for start in (open_checked, migrate.upgrade):
        with pytest.raises(Unavailable, match="missing") as caught:
            start(migrated)
        assert caught.value.reason == "database_missing"
        assert "\n" not in str(caught.value)
        assert not file.exists()
    seal_of(file).unlink()
    migrate.upgrade(migrated)
    open_checked(migrated).close()


def test_an_emptied_file_counts_as_lost(migrated: str, file: Path) -> None:
    open_checked(migrated).close()
    file.write_bytes(b"")
    with pytest.raises(Unavailable) as caught:
        open_checked(migrated)
    assert caught.value.reason == "database_missing"
    assert file.stat().st_size == 0


def test_what_a_crash_left_in_the_log_is_in_the_file_before_anything_is_added(migrated: str, file: Path) -> None:
    storage = open_checked(migrated)
    made = storage.write_sync(with_conversation)
    left = file.with_name("left.db")
    for part in ("", "-wal"):  # as a process leaves them that is killed now
        shutil.copy(f"{file}{part}", f"{left}{part}")
    storage.close()
    log = Path(f"{left}-wal")
    assert log.stat().st_size > 0
    refuse_damaged(f"sqlite:///{left}")
    assert not log.exists()
    after = open_checked(f"sqlite:///{left}")
    assert after.read_sync(lambda connection: connection.execute(select(conversation.c.id)).scalar_one()) == made
    after.close()


@pytest.mark.parametrize("damage", ["header", "pages", "truncated"])
def test_a_damaged_database_is_refused_and_left_alone(migrated: str, file: Path, damage: str) -> None:
    open_checked(migrated).close()
    content = bytearray(file.read_bytes())
    if damage == "header":
        content[:16] = b"not a database!!"
    elif damage == "pages":
        for place in range(8192, len(content), 4096):
            content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
    else:
        del content[len(content) // 2 :]
    file.write_bytes(content)
    with pytest.raises(Unavailable, match="damaged") as caught:
        open_checked(migrated)
    assert caught.value.reason == "database_damaged"
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content


def test_a_restart_keeps_epochs(migrated: str) -> None:
    storage = open_checked(migrated)
    storage.write_sync(with_conversation)
    before = storage.read_sync(epoch)
    storage.close()
    storage = open_checked(migrated)
    assert storage.read_sync(epoch) == before
    storage.close()


def test_an_old_backup_put_back_gives_every_conversation_a_new_epoch(migrated: str, file: Path, tmp_path: Path) -> None:
    storage = open_checked(migrated)
    storage.write_sync(with_conversation)
    before = storage.read_sync(epoch)
    storage.close()
    backup = shutil.copy(file, tmp_path / "backup.db")
    storage = open_checked(migrated)
    storage.write_sync(lambda connection: None)
    storage.close()
    shutil.copy(backup, file)
    storage = open_checked(migrated)
    renewed = storage.read_sync(epoch)
    assert renewed != before
    storage.close()
    storage = open_checked(migrated)  # once is enough
    assert storage.read_sync(epoch) == renewed
    storage.close()
