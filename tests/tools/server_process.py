"""A server in a process of its own, which fault runs start, kill and start again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import httpx

GENEROUS = {
    "STAYWELL_MESSAGES_PER_10S": "100000",
    "STAYWELL_MESSAGES_PER_MINUTE_SITE": "6000000",
    "STAYWELL_LOG_LEVEL": "warning",
}


class ServerProcess:
    """A server in a process of its own, that can be killed and started again on the same port and data.

    `module`: the chat alone, or `assistant.cli` for the whole product.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        extra: tuple[str, ...] = (),
        *,
        output: IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        module: tuple[str, ...] = ("tests.tools.chat_server",),
    ) -> None:
        self._module = module
        self._output = output
        self._environment = environment
        self.base = f"http://127.0.0.1:{port}"
        self._arguments = ["--data-dir", str(data_dir), "--port", str(port), *extra]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._module,
            *self._arguments,
            stdout=2 if self._output is None else self._output,  # what the run itself prints stands alone
            stderr=self._output,
            env=self._environment,
        )
        async with httpx.AsyncClient(base_url=self.base) as http:
            for _ in range(1200):
                if self._process.returncode is not None:
                    raise RuntimeError(f"the server ended with {self._process.returncode}")
                with contextlib.suppress(httpx.TransportError):
                    await http.get("/healthz")
                    return
                await asyncio.sleep(0.05)
        raise RuntimeError("the server did not start")

    @property
    def pid(self) -> int:
        """Its process id. Raises RuntimeError when it has ended by itself."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"the server ended with {self._process.returncode}")
        return self._process.pid

    async def ended(self, patience_s: float) -> int:
        """Its exit code, once it has ended by itself. Raises TimeoutError when it does not within `patience_s`."""
        assert self._process is not None
        async with asyncio.timeout(patience_s):
            return await self._process.wait()

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends this process and no other."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()
