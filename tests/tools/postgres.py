"""A PostgreSQL of our own for tests: the system's binaries, or those of the package `pgserver`; on a socket in a folder, no TCP.

As root the server runs as `postgres` or `nobody`, since it refuses root. Nothing is left behind when the block ends.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg

from assistant.storage import migrate

USER = "staywell"
TEMPLATE = "migrated"


class NoPostgres(Exception):
    """There are no binaries on this machine."""


def binaries() -> Path:
    """The folder with initdb and postgres. Raises NoPostgres."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    packaged = importlib.util.find_spec("pgserver")
    if packaged is not None and packaged.origin is not None:
        found.append(Path(packaged.origin).parent / "pginstall" / "bin")
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("no PostgreSQL here: apt install postgresql, or pip install pgserver")


def _user() -> str | None:
    """Whom the server runs as; None: whoever we are."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass
class Cluster:
    """A running server. `url` of a new database costs a few milliseconds: it is copied from a migrated one."""

    folder: Path
    pid: int
    _names: Iterator[int] = field(default_factory=count)

    def pids(self) -> list[int]:
        """The server's processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection that commits each statement."""
        return psycopg.connect(f"dbname={database} user={USER} host={self.folder}", autocommit=True)

    def empty(self) -> str:
        """The URL of a new, empty database."""
        return self._create("template0")

    def migrated(self) -> str:
        """The URL of a new database with our schema."""
        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
                migrate.upgrade(self._url(TEMPLATE))
        return self._create(TEMPLATE)

    def _create(self, template: str) -> str:
        name = f"test_{os.getpid()}_{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self._url(name)


@contextmanager
def cluster(*, durable: bool = False) -> Iterator[Cluster]:
    """Starts a server, and stops it. `durable`: with fsync, for tests of speed and of crashes. Raises NoPostgres."""
    programs, user = binaries(), _user()
    folder = Path(mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path must be short
    if user is not None:
        shutil.chown(folder, user)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "user": user, "cwd": folder}
    data = folder / "data"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            **quiet,
        )
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "max_connections": "60"}
        if not durable:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([programs / "postgres", "-D", data, *flags], stderr=log, **quiet)
        try:
            made = Cluster(folder, server.pid)
            _await(made, server)
            yield made
        finally:
            server.terminate()  # smart shutdown waits for clients
            try:
                server.wait(2)
            except subprocess.TimeoutExpired:
                server.send_signal(3)  # immediate
                server.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _await(made: Cluster, server: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        if server.poll() is not None:
            raise RuntimeError((made.folder / "log").read_text())
        try:
            made.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")
