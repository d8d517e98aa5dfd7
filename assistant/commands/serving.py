"""`staywell serve`, `staywell demo`, `staywell migrate`: running the product."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import structlog
import typer
import uvicorn

from assistant import logs
from assistant.app import Services, build_services, clock, create_app
from assistant.chat.server import server_options
from assistant.commands.common import DataDir, err, load_settings, out, plain_errors, progress
from assistant.commands.workers import SERVES, Post, Supervisor, supervise
from assistant.demo import data, past
from assistant.demo.seed import AGENTS, PASSWORD, seed
from assistant.errors import Unavailable
from assistant.identity.keys import installation_secret
from assistant.settings import Settings
from assistant.shop.learning import learn_once
from assistant.storage.connections import sqlite_file
from assistant.storage.guard import open_checked, renew_epochs
from assistant.storage.migrate import is_current, upgrade
from assistant.storage.seal import refuse_lost

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.")]


class Server(uvicorn.Server):
    """uvicorn, which says good-bye to every client (`drain`, then 1012) before it stops.

    `line`: the way to the parent of a worker. It is told when this one serves, and its end is this one's end.
    """

    def __init__(self, config: uvicorn.Config, line: socket.socket | None = None) -> None:
        super().__init__(config)
        self._line = line

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and tells the parent."""
        await super().startup(sockets)
        if self._line is not None and self.started:
            asyncio.get_running_loop().add_reader(self._line, self._follow_parent)
            self._line.send(SERVES)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drains, then shuts down."""
        for listener in self.servers:
            listener.close()
        application = self.config.app
        await application.state.drain()  # type: ignore[union-attr]
        await super().shutdown(sockets)

    def _follow_parent(self) -> None:
        """The parent says nothing; that it can be read means that it is gone."""
        if self._line is not None:
            asyncio.get_running_loop().remove_reader(self._line)
        self.should_exit = True


@plain_errors
def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that serve the port together; more than one needs PostgreSQL.")
    ] = None,
    as_worker: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serves chat, console and supervisor's desk on one port. The database must have been migrated.

    With several workers SIGHUP replaces them one at a time, without a message lost or a connection refused.
    """
    settings = load_settings(data_dir, host=host, port=port, workers=workers)
    logs.configure(settings.log_level, settings.log_format)
    if as_worker is not None:
        _serve_at(settings, Post.parse(as_worker))
    elif settings.workers > 1:
        _supervise(settings)
    else:
        _listen(build_services(settings), demo=False)


@plain_errors
def demo(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    past_too: Annotated[
        bool, typer.Option("--past/--no-past", help="Play the demo's earlier conversations at the first start.")
    ] = True,
) -> None:
    """Makes the demo shop at the first start, then serves it: shop page, chat, console and supervisor's desk."""
    settings = load_settings(data_dir, host=host, port=port, log_format="console", log_level="warning")
    logs.configure(settings.log_level, settings.log_format)
    _refuse_taken_port(settings)
    services = prepare_demo(settings, past_too=past_too)
    _greet(settings)
    _listen(services, demo=True)


@plain_errors
def migrate(
    data_dir: DataDir = None,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored", help="A PostgreSQL was put back from a backup: clients drop what they know and load it again."
        ),
    ] = False,
) -> None:
    """Brings the database to the schema of this version; makes it where there is none."""
    settings = load_settings(data_dir)
    refuse_lost(settings.url)
    if is_current(settings.url):
        out.print("The database is up to date.")
    else:
        upgrade(settings.url)
        out.print("The database was brought up to date.")
    if restored:
        storage = open_checked(settings.url)
        count = storage.write_sync(renew_epochs)
        storage.close()
        out.print(f"{count} conversations will be loaded anew.")


def prepare_demo(settings: Settings, *, past_too: bool, quiet: bool = False) -> Services:
    """A migrated database with the demo shop in it, indices built, and open services around them."""
    refuse_lost(settings.url)
    if not is_current(settings.url):
        upgrade(settings.url)
    storage = open_checked(settings.url)
    try:
        site = seed(storage, secret=installation_secret(settings), origins=sorted(settings.origins), now=clock())
        fresh = storage.read_sync(lambda connection: past.is_empty(connection, site.id))
        learn_once(storage, settings.indices / site.id, site.id, now=clock())
    finally:
        storage.close()
    with progress("Indexing scripts and products", None, quiet=quiet) as step:
        services = build_services(settings, progress=lambda _name, done, _total: step(done))
    if fresh and past_too:
        stories = data.load_conversations(clock())
        with progress("Playing earlier conversations", len(stories), quiet=quiet) as step:
            asyncio.run(past.play(services.parts, services.chat, site_id=site.id, now=clock(), step=step))
    return services


def _supervise(settings: Settings) -> None:
    if sqlite_file(settings.url) is not None:
        raise Unavailable(
            f"{settings.workers} workers need a database that they can share: "
            "set STAYWELL_DATABASE_URL to a PostgreSQL (postgresql+psycopg://…), or serve with one worker"
        )

    def command(post: Post, port: int) -> Sequence[str]:
        own = ["--host", settings.host, "--port", str(port), "--data-dir", str(settings.data_dir)]
        return [sys.executable, "-m", "assistant.cli", "serve", *own, "--as-worker", str(post)]

    with TemporaryDirectory(prefix="staywell-metrics-") as folder:
        count = settings.workers
        supervise(Supervisor(command, host=settings.host, port=settings.port, count=count, metrics=Path(folder)))


def _serve_at(settings: Settings, post: Post) -> None:
    """Serves as one of several workers, on what the parent has given it."""
    structlog.contextvars.bind_contextvars(worker=post.slot)
    listener, line = socket.socket(fileno=post.listener), socket.socket(fileno=post.line)
    _listen(build_services(settings, metrics_of_all=post.metrics), demo=False, listener=listener, line=line)


def _listen(
    services: Services, *, demo: bool, listener: socket.socket | None = None, line: socket.socket | None = None
) -> None:
    settings = services.settings
    app = create_app(services, demo=demo)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        **server_options(),
    )
    # uvicorn raises the signal again once it has shut down; by default that would end the process before storage is closed.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    try:
        Server(config, line).run(None if listener is None else [listener])
    finally:
        services.close()


def _refuse_taken_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise Unavailable(f"port {settings.port} cannot be used ({error.strerror}): try --port") from error


def _greet(settings: Settings) -> None:
    base = f"http://localhost:{settings.port}"
    rows = [
        ("Shop with the chat", f"{base}/"),
        ("Console for agents", f"{base}/console"),
        ("Supervisor's desk", f"{base}/supervisor"),
    ]
    err.print()
    for label, address in rows:
        err.print(f"  {label:<20} {address}", highlight=False)
    err.print()
    for who in AGENTS:
        languages = ", ".join(who.languages)
        err.print(f"  log in as {who.login:<6} {who.role:<11} {PASSWORD}   ({who.name}; {languages})", highlight=False)
    err.print(f"\n  Data in {Path(settings.data_dir).resolve()}. Ctrl-C stops.\n", highlight=False)
