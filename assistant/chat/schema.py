"""JSON Schema of all frames of both sockets: what the TypeScript types and the frame checks of the screens are made from.

`python -m assistant.chat.schema` prints it; `npm run protocol` in `web/` writes it to `web/src/protocol/schema.json`.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

from pydantic import TypeAdapter

from assistant.chat.frames import ClientFrame, ServerFrame
from assistant.escalation.frames import DeskClientFrame, DeskServerFrame

# What the client writes is described as the server validates it; what it reads, as the server serialises it.
_UNIONS: tuple[tuple[str, Any, Literal["validation", "serialization"]], ...] = (
    ("ClientFrame", ClientFrame, "validation"),
    ("ServerFrame", ServerFrame, "serialization"),
    ("DeskClientFrame", DeskClientFrame, "validation"),
    ("DeskServerFrame", DeskServerFrame, "serialization"),
)


def schemas() -> dict[str, Any]:
    """One JSON Schema for each union of frames, by the union's name."""
    return {name: TypeAdapter(union).json_schema(by_alias=True, mode=mode) for name, union, mode in _UNIONS}


def render() -> str:
    """The schemas as text: sorted keys, two spaces, one newline at the end."""
    return json.dumps(schemas(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
