"""The golden frames, as the server reads and writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from assistant.chat.frames import ClientFrame, ServerFrame
from assistant.chat.session import End, Send, Session
from assistant.limits import Allowance
from assistant.wire import decode, encode

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
CLIENT: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
SERVER: TypeAdapter[ServerFrame] = TypeAdapter(ServerFrame)


def golden(name: str) -> list[Any]:
    entries = json.loads((FRAMES / f"{name}.json").read_text())
    return [pytest.param(entry, id=entry["name"]) for entry in entries]


@pytest.mark.parametrize("entry", golden("client_valid"))
def test_the_server_reads(entry: dict[str, Any]) -> None:
    assert decode(entry["raw"], CLIENT).model_dump(by_alias=True, exclude_unset=True) == entry["frame"]


@pytest.mark.parametrize("entry", golden("client_refused"))
def test_the_server_refuses(entry: dict[str, Any]) -> None:
    session = Session(0)
    session.greeted(Allowance(5, 100, 0), token_ms=900_000, now=0)
    (action,) = session.receive(entry["raw"], 1)
    if "close" in entry:
        assert isinstance(action, End)
        assert action.code == entry["close"]
    else:
        assert isinstance(action, Send)
        assert json.loads(encode(action.frame)) == entry["answer"]


@pytest.mark.parametrize("entry", golden("server_valid"))
def test_the_server_writes(entry: dict[str, Any]) -> None:
    frame = SERVER.validate_json(entry["raw"], by_alias=True)
    assert json.loads(encode(frame)) == entry["frame"] == json.loads(entry["raw"])
