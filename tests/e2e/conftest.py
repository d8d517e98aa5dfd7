"""A real demo server on loopback and a real Chromium. Nothing is skipped: without a browser these tests fail."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
from browser import find

START_SECONDS = 300.0  # it plays its conversations first; other tests may run beside it
PASSWORD = "staywell-demo"


@dataclass(frozen=True)
class Demo:
    """A running demo. The shop page is opened under `localhost`; the chat's frame then comes from `127.0.0.1`."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def database(self) -> Path:
        return self.folder / "staywell.db"

    def rows(self, query: str, *values: object) -> list[Any]:
        """What its database says."""
        with closing(sqlite3.connect(self.database)) as database:
            return database.execute(query, values).fetchall()


def start_demo(folder: Path, *options: str, **environment: str) -> tuple[Demo, subprocess.Popen[bytes]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "assistant.cli", "demo", "--port", str(port), "--data-dir", str(folder), *options]
    log = folder / "server.log"
    with log.open("wb") as written:
        process = subprocess.Popen(command, env=os.environ | environment, stdout=written, stderr=written)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the demo did not start:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200:
                return Demo(port, folder), process
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    process.kill()
    pytest.fail(f"the demo was not ready in time:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo whose earlier conversations have been played, which takes longer than most tests: to be copied."""
    running, process = start_demo(tmp_path_factory.mktemp("played"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0, "the server did not stop cleanly"
    return running.folder


@pytest.fixture(scope="module")
def demo(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for the tests of a file, with its earlier conversations played: files do not meddle with each other."""
    folder = Path(shutil.copytree(played, tmp_path_factory.mktemp("demo"), dirs_exist_ok=True))
    # Many messages come from one test in a short time; a real contact's limit would only slow it down.
    running, process = start_demo(folder, STAYWELL_MESSAGES_PER_10S="100")
    yield running
    process.send_signal(signal.SIGTERM)
    try:
        assert process.wait(timeout=30) == 0, "the server did not stop cleanly"
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.fixture
def demo_of(request: pytest.FixtureRequest) -> Iterator[Callable[..., Demo]]:
    """Starts a demo of a test's own in a folder, with further options and settings."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, *options: str, **environment: str) -> Demo:
        if "--no-past" not in options:
            shutil.copytree(request.getfixturevalue("played"), folder, dirs_exist_ok=True)
        running, process = start_demo(folder, *options, **environment)
        processes.append(process)
        return running

    yield start
    for process in processes:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find()
    if path is None:
        pytest.fail("no Chromium on this machine: run tests/tools/browser.py")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        # A page that a test makes up counts as one from the internet, which may not load from this machine.
        arguments.append("--disable-features=LocalNetworkAccessChecks")
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


Open = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens a page in a context of its own: another person on another computer. Errors in the page fail the test."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_one(url: str, *, width: int = 1440, height: int = 900, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda message: faults.append(message.text) if "Content Security Policy" in message.text else None,
        )
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not faults, faults


@pytest.fixture
def log_in() -> Callable[[Page, str], None]:
    """Logs an agent or supervisor of the demo in on an opened console or desk."""

    def with_name(page: Page, login: str) -> None:
        page.locator("input[autocomplete=username]").fill(login)
        page.locator("input[type=password]").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("input[type=password]").wait_for(state="detached")

    return with_name


@pytest.fixture
def desk(demo: Demo, open_page: Open, log_in: Callable[[Page, str], None]) -> Page:
    """The supervisor's desk, logged in as a supervisor, with its list of transcripts there."""
    page = open_page(f"{demo.url}/supervisor")
    log_in(page, "sam")
    page.locator(".it").first.wait_for()
    return page
