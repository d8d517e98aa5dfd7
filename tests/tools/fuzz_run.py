"""Throws fuzzed frames at a chat server over real sockets and counts how connections end.

`python -m tests.tools.fuzz_run --frames 200000` prints one JSON object. Nothing but declared close codes may come back, the
server's output must hold no traceback, and a normal contact must be served as before.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from websockets.exceptions import ConnectionClosed, WebSocketException

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.server_process import ServerProcess
from tests.tools.stall_run import memory_mib

FRAMES = Path(__file__).parents[1] / "fixtures" / "frames"
EXPECTED = {1000, 1002, 1003, 1007, 1009, 4400, 4401, 4403, 4408, 4429}
SPLINTERS = [
    "",
    "\\u0000",
    "\\ud800",
    "\\udfff",
    '"',
    "\\",
    "}",
    "{",
    "[",
    ",",
    ":",
    "0",
    "-",
    "1e999",
    "NaN",
    "null",
    "true",
]
SPLINTERS += ["\u202e", "😀", '"role":"agent",', '"t":"msg",', " ", "\t", "\x7f"]
ANSWERS = {"ready", "ev", "ack", "nack", "pong", "reset"}


@dataclass
class Report:
    """What was sent and how it ended."""

    frames: int = 0
    connections: int = 0
    closes: dict[int, int] = field(default_factory=dict)
    nacks: dict[str, int] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    traceback_lines: int = 0
    memory_before_mib: float = 0.0
    memory_after_mib: float = 0.0
    still_serving: bool = False
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Nothing unforeseen."""
        grown = self.memory_after_mib / max(1.0, self.memory_before_mib)
        return not self.unexpected and not self.traceback_lines and self.still_serving and grown <= 1.1


class Fuzzer:
    """Makes frames: str for text, bytes for binary, a list for fragments, and (bytes,) for text that may not be UTF-8."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.valid = [entry["raw"] for entry in json.loads((FRAMES / "client_valid.json").read_text())]
        self.refused = [entry["raw"] for entry in json.loads((FRAMES / "client_refused.json").read_text())]
        self.sent: list[Any] = []

    def frame(self) -> Any:
        """One frame, of a kind drawn at random."""
        makers = (
            (self._fresh, 40),
            (self._golden, 10),
            (self._mutated, 20),
            (self._json, 12),
            (self._text, 6),
            (self._replayed, 6),
            (self._fragments, 3),
            (self._bytes, 2),
            (self._big, 1),
        )
        made = self.draw.choices([maker for maker, _ in makers], [weight for _, weight in makers])[0]()
        self.sent = [*self.sent[-20:], made]
        return made

    def _uuid(self) -> str:
        return str(UUID(int=self.draw.getrandbits(128)))

    def _unicode(self, most: int) -> str:
        planes = (0x20, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF), (0, 0x1F)
        return "".join(chr(self.draw.randint(*self.draw.choice(planes))) for _ in range(self.draw.randint(0, most)))

    def _fresh(self) -> str:
        frame: dict[str, Any] = {
            "msg": {"cmid": self._uuid(), "body": self._unicode(60)},
            "ping": {"n": self.draw.getrandbits(40)},
            "typing": {"on": self.draw.random() < 0.5},
            "seen": {"seq": self.draw.getrandbits(6)},
            "escalate": {"cmid": self._uuid(), "reason": self._unicode(20)},
        }
        kind = self.draw.choices(list(frame), [6, 3, 1, 1, 1])[0]
        return json.dumps({"t": kind, **frame[kind]}, ensure_ascii=self.draw.random() < 0.5)

    def _golden(self) -> str:
        return str(self.draw.choice(self.valid + self.refused))

    def _mutated(self) -> str:
        text = list(self.draw.choice(self.valid)[:400])
        for _ in range(self.draw.randint(1, 4)):
            place = self.draw.randrange(len(text) + 1)
            what = self.draw.choice(SPLINTERS)
            text[place : place + self.draw.randint(0, 2)] = what
        return "".join(text)

    def _value(self, depth: int) -> Any:
        kind = self.draw.randrange(9 if depth < 4 else 6)
        match kind:
            case 0:
                return self.draw.choice([None, True, False])
            case 1:
                return self.draw.choice([0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30])
            case 2:
                return self.draw.choice([0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf")])
            case 3 | 4:
                return self._unicode(12)
            case 5:
                return self.draw.choice(["msg", "hello", self._uuid(), "0" * 26, "staywell.chat.v1", ""])
            case 6 | 7:
                return [self._value(depth + 1) for _ in range(self.draw.randint(0, 4))]
            case _:
                return self._object(depth + 1)

    def _object(self, depth: int) -> dict[str, Any]:
        names = ["t", "cmid", "body", "n", "on", "seq", "v", "token", "conv", "epoch", "after", "reason", "__proto__"]
        return {self.draw.choice(names): self._value(depth) for _ in range(self.draw.randint(0, 5))}

    def _json(self) -> str:
        value = self._object(0)
        value["t"] = self.draw.choice(["msg", "ping", "hello", "auth", "seen", "typing", "escalate", "ev", "x", 1])
        return json.dumps(value)

    def _text(self) -> str:
        return self._unicode(200)

    def _replayed(self) -> Any:
        return self.draw.choice(self.sent) if self.sent else self._fresh()

    def _fragments(self) -> list[str]:
        text = self._fresh()
        cuts = sorted(self.draw.randrange(len(text) + 1) for _ in range(self.draw.randint(1, 8)))
        return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]

    def _bytes(self) -> Any:
        data = self.draw.randbytes(self.draw.randint(0, 100))
        return data if self.draw.random() < 0.5 else (data,)

    def _big(self) -> str:
        size = self.draw.choice([16_300, 16_384, 16_385, 40_000, 70_000])
        return self.draw.choice(
            ["x" * size, "[" * size, json.dumps({"t": "msg", "cmid": self._uuid(), "body": "y" * size})]
        )


async def _throw(base: str, fuzzer: Fuzzer, left: list[int], report: Report) -> None:
    token = (await new_session(base))["token"]
    while left[0] > 0:
        contact = await Contact(base, token).open()
        report.connections += 1
        if fuzzer.draw.random() < 0.95:
            await contact.say({"t": "hello", "v": "staywell.chat.v1", "token": token})
        reading = asyncio.create_task(_read(contact, report))
        try:
            for _ in range(40):
                if reading.done() or left[0] <= 0:
                    break
                left[0] -= 1
                report.frames += 1
                frame = fuzzer.frame()
                if isinstance(frame, tuple):
                    await contact.socket.send(frame[0], text=True)
                else:
                    await contact.socket.send(frame)
                if fuzzer.draw.random() < 0.3:
                    await asyncio.sleep(0)
        except (ConnectionClosed, OSError):
            pass
        with_time = asyncio.create_task(contact.socket.close())
        await asyncio.wait([with_time], timeout=3)
        await reading


async def _read(contact: Contact, report: Report) -> None:
    """Reads until the end, and notes whatever nobody has foreseen."""
    try:
        while True:
            frame = json.loads(await contact.socket.recv())
            if frame["t"] not in ANSWERS:
                report.unexpected.append(f"frame {frame['t']}")
            if frame["t"] == "nack":
                report.nacks[frame["code"]] = report.nacks.get(frame["code"], 0) + 1
    except WebSocketException as error:
        code = getattr(getattr(error, "rcvd", None), "code", None)
        if code is None:  # a reset may overtake the close frame when more was under way
            code = 1006
        elif code not in EXPECTED:
            report.unexpected.append(f"close {code}")
        report.closes[code] = report.closes.get(code, 0) + 1


async def fuzz_run(data_dir: Path, *, frames: int, connections: int = 16, seed: int = 1) -> Report:
    """Sends `frames` frames over so many connections at a time."""
    report, began = Report(), time.monotonic()
    output = data_dir / "output.log"
    with output.open("wb") as log:
        server = ServerProcess(data_dir, free_port(), ("--strict-rate",), output=log)
        await server.start()
        try:
            warm = [min(1000, frames // 10)]
            await asyncio.gather(
                *(_throw(server.base, Fuzzer(seed + 1000 + n), warm, report) for n in range(connections))
            )
            report.memory_before_mib = memory_mib(server.pid)
            left = [frames - report.frames]
            await asyncio.gather(*(_throw(server.base, Fuzzer(seed + n), left, report) for n in range(connections)))
            report.memory_after_mib = memory_mib(server.pid)
            async with Contact(server.base, (await new_session(server.base))["token"]) as contact:
                await contact.hello()
                report.still_serving = (await contact.message("still there?"))["t"] == "ack"
        finally:
            await server.kill()
    text = output.read_text(errors="replace")
    report.traceback_lines = text.count("Traceback") + text.count("chat_bug") + text.count("[error")
    report.unexpected = [f"{what} x{times}" for what, times in Counter(report.unexpected).items()]
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = asyncio.run(fuzz_run(Path(folder), frames=arguments.frames, seed=arguments.seed))
    sys.stdout.write(json.dumps(asdict(report) | {"clean": report.clean}) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
