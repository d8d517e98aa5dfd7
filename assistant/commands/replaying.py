"""`staywell replay`: recorded conversations through the real WebSocket, into a running server or one of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer

from assistant.commands.common import Json, SiteKey, err, load_settings, out, plain_errors, print_json, progress
from assistant.errors import Unavailable
from assistant.replay import SETTLE_SECONDS, Player, Tally, count_rows, load, summary
from assistant.storage.engine import Storage

START_SECONDS = 90.0
OWN_PAUSE_MS = 300  # burst pause of an own server: nobody types here, so waiting longer shows nothing


@plain_errors
def replay(
    file: Annotated[Path, typer.Argument(help="Conversations, .jsonl or .jsonl.gz", show_default=False)],
    limit: Annotated[int | None, typer.Option(min=1, help="Play only the first so many conversations.")] = None,
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="Conversations at once.")] = 8,
    url: Annotated[
        str | None, typer.Option(help="A running server. Without it, one is started and stopped again.")
    ] = None,
    site: SiteKey = "demo",
    database: Annotated[
        str | None,
        typer.Option(help="Database URL of the running server, for counting; by default that of the settings."),
    ] = None,
    json: Json = False,
) -> None:
    """Plays real conversations as customers would type them, and counts turns, scores, decisions, replies and escalations."""
    conversations, unreadable = load(file, limit)
    for row in unreadable[:5]:
        err.print(f"  line {row.line}: {row}", markup=False, highlight=False)
    tally = Tally()
    turns = sum(len(burst) for conversation in conversations for burst in conversation.bursts())
    with _server(url, database) as (address, database_url):
        with progress(f"Playing {len(conversations)} conversations", turns, quiet=json) as step:
            player = Player(address, site, tally, lambda: step(1))
            asyncio.run(player.play_all(conversations, sessions))
        storage = Storage(database_url, readers=1)
        try:
            scores, decisions = _settled(storage, tally)
        finally:
            storage.close()
    result = summary(tally, scores, decisions, len(unreadable))
    if json:
        print_json(result)
    else:
        for name, value in result.items():
            out.print(f"{name.replace('_', ' '):<22} {value}", highlight=False)
    if not scores == decisions == tally.turns_acked == tally.turns_sent:
        err.print("Not every turn has exactly one score and one decision.", style="red")
        raise typer.Exit(1)


def _settled(storage: Storage, tally: Tally) -> tuple[int, int]:
    """Counts once the last decisions are in, or after a while all the same."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        counts = storage.read_sync(lambda connection: count_rows(connection, tally.ids))
        if min(counts) >= tally.turns_acked or time.monotonic() > deadline:
            return counts
        time.sleep(0.2)


@contextmanager
def _server(url: str | None, database: str | None) -> Iterator[tuple[str, str]]:
    """(HTTP address, database URL) of the server to play into."""
    if url is not None:
        yield url.rstrip("/"), database or load_settings().url
        return
    with tempfile.TemporaryDirectory(prefix="staywell-replay-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        environment = os.environ | {
            "STAYWELL_MESSAGES_PER_10S": "1000",
            "STAYWELL_BURST_PAUSE_MS": os.environ.get("STAYWELL_BURST_PAUSE_MS", str(OWN_PAUSE_MS)),
            "STAYWELL_DATABASE_URL": f"sqlite:///{folder}/staywell.db",
            "STAYWELL_INDEX_DIR": f"{folder}/index",
        }
        command = [
            sys.executable,
            "-m",
            "assistant.cli",
            "demo",
            "--no-past",
            "--port",
            str(port),
            "--data-dir",
            folder,
        ]
        log = Path(folder) / "server.log"
        with log.open("w") as written:
            process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)  # noqa: S603 - our own program
        try:
            address = f"http://127.0.0.1:{port}"
            _await_ready(address, process, log)
            yield address, environment["STAYWELL_DATABASE_URL"]
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"the server did not start:\n{log.read_text()[-2000:]}")
        try:
            if httpx.get(f"{address}/readyz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise Unavailable("the server did not become ready in time")
