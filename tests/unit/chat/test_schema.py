"""The committed schema of the frames is the one the models have."""

from __future__ import annotations

from pathlib import Path

from assistant.chat import schema

COMMITTED = Path(__file__).parents[3] / "web" / "src" / "protocol" / "schema.json"


def test_committed_schema_is_current() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema.render(), "run `npm run protocol` in web/"


def test_every_frame_is_tagged_and_closed() -> None:
    for union, described in schema.schemas().items():
        names = [option["$ref"].rsplit("/", 1)[1] for option in described["oneOf"]]
        assert len(names) == len(set(names)), union
        for name in names:
            frame = described["$defs"][name]
            assert frame["additionalProperties"] is False, name
            assert "const" in frame["properties"]["t"], name
