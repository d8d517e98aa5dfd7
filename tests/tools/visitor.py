"""A customer of the demo shop without a browser, for tests that look at the other side: blocking, one call at a time."""

from __future__ import annotations

import json
import time
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from websockets.sync.client import connect

Json = dict[str, Any]
SITE = "demo"


class Visitor:
    """A chat as the widget would hold it. `customer`: one of the demo's customer numbers, None for a guest."""

    def __init__(self, base: str, *, customer: str | None = None, locale: str = "en") -> None:
        identity = None
        if customer is not None:
            answer = httpx.get(f"{base}/demo/identity", params={"customer": customer})
            identity = answer.raise_for_status().json()["jwt"]
        body = {"site": SITE, "locale": locale} | ({"identity": identity} if identity else {})
        answer = httpx.post(f"{base}/api/widget/session", json=body, headers={"Origin": base})
        self.base = base
        self.session: Json = answer.raise_for_status().json()
        self.events: list[Json] = []
        # websockets wants to be opened as a context manager, and so does this class.
        self._opening = connect(base.replace("http", "ws", 1) + "/ws/chat", origin=base, compression=None)  # type: ignore[arg-type]
        self.conv = ""

    def __enter__(self) -> Self:
        self._socket = self._opening.__enter__()
        self._socket.send(json.dumps({"t": "hello", "v": "staywell.chat.v1", "token": self.session["token"]}))
        self.conv = self._read(lambda frame: frame["t"] == "ready", 10)["conv"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opening.__exit__(kind, error, trace)

    def say(self, body: str) -> Json:
        """Sends a message and waits until it is stored; returns the ack."""
        cmid = str(uuid4())
        self._socket.send(json.dumps({"t": "msg", "cmid": cmid, "body": body}))
        answer = self._read(lambda frame: frame["t"] in ("ack", "nack") and frame.get("cmid") == cmid, 10)
        assert answer["t"] == "ack", answer
        return answer

    def ask_for_person(self) -> None:
        """Presses the button."""
        cmid = str(uuid4())
        self._socket.send(json.dumps({"t": "escalate", "cmid": cmid, "reason": ""}))
        self._read(lambda frame: frame["t"] == "ack" and frame.get("cmid") == cmid, 10)

    def leave(self) -> None:
        """Ends the conversation."""
        headers = {"Origin": self.base, "Authorization": f"Bearer {self.session['token']}"}
        httpx.post(f"{self.base}/api/widget/resolve", json={"conv": self.conv}, headers=headers).raise_for_status()

    def see(self, seq: int) -> None:
        """Tells that everything up to `seq` was seen."""
        self._socket.send(json.dumps({"t": "seen", "seq": seq}))

    def wait_for(self, kind: str, sender: str, *, containing: str = "", timeout_s: float = 20) -> Json:
        """The first event of that kind by that sender, seen before or yet to come."""

        def fits(frame: Json) -> bool:
            return (
                frame["t"] == "ev"
                and frame["kind"] == kind
                and frame["from"] == sender
                and containing in (frame.get("body") or "")
            )

        for event in self.events:
            if fits(event):
                return event
        return self._read(fits, timeout_s)

    def _read(self, wanted: Any, timeout_s: float) -> Json:
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            frame: Json = json.loads(self._socket.recv(timeout=left))
            if frame["t"] == "ev":
                self.events.append(frame)
            if wanted(frame):
                return frame
        raise TimeoutError
