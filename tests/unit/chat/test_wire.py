"""Reading and writing frames: whatever comes in gives a frame or a typed refusal."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from assistant.chat.frames import ClientFrame, Msg, Nack, Ping
from assistant.errors import BadFrame
from assistant.wire import MAX_FRAME_BYTES, Ev, decode, encode

FRAMES: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)
CMID = "1b4e28ba-2fa1-4d2f-883f-0016d3cca427"


def message(body: str) -> str:
    return f'{{"t":"msg","cmid":"{CMID}","body":{body}}}'


@pytest.mark.parametrize("raw", [message('"hello"'), message('"hello"').encode()])
def test_a_frame_is_read_from_text_and_from_bytes(raw: str | bytes) -> None:
    assert decode(raw, FRAMES) == Msg(t="msg", cmid=CMID, body="hello")


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "hello",
        "[]",
        "5",
        "null",
        "{}",
        '{"t":5}',
        '{"t":[]}',
        '{"t":null}',
        '\ufeff{"t":"ping","n":1}',
        '{"t":"ping","n":1} x',
        '{"t":"ping","n":NaN}',
        '{"t":"ping","n":Infinity}',
        '{"t":"ping","n":1e999}',
        '{"t":"ping","n":' + "9" * 5000 + "}",
        '{"t":"ping","n":' + "9" * 100 + "}",
        '{"t":"ping","n":-1}',
        '{"t":"ping","n":9223372036854775808}',
        '{"t":"ping","n":"1"}',
        '{"t":"ping","n":1.5}',
        '{"t":"ping","n":true}',
        '{"t":"ping","n":1,"role":"agent"}',
        '{"t":"typing","on":1}',
        message('"\\ud800"'),
        message('"\ud800"'),
        message("[]"),
        message("{}"),
        message("7"),
        message("null"),
        b'{"t":"ping","n":1\xff}',
        '{"t":"msg","cmid":"nope","body":"x"}',
        '{"t":"msg","cmid":"' + CMID + '\\n","body":"x"}',
        '{"t":"msg","cmid":"' + "a" * 8000 + '","body":"x"}',
    ],
)
def test_what_is_no_frame_is_refused(raw: str | bytes) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(raw, FRAMES)
    assert caught.value.reason == "bad_frame"


def test_deep_nesting_is_refused_quickly() -> None:
    started = time.thread_time()  # a busy machine does not count
    for _ in range(20):
        with pytest.raises(BadFrame):
            decode("[" * 30_000, FRAMES, max_bytes=65_536)
        with pytest.raises(BadFrame):
            decode('{"t":"msg","cmid":"' + CMID + '","body":' + "[" * 900 + "]" * 900 + "}", FRAMES)
    assert (time.thread_time() - started) / 20 < 0.02


def test_an_unknown_type_has_a_code_of_its_own() -> None:
    with pytest.raises(BadFrame) as caught:
        decode('{"t":"shout","body":"x"}', FRAMES)
    assert caught.value.reason == "unknown_type"


def test_a_frame_that_is_too_big_has_a_code_of_its_own() -> None:
    fits = message('"' + "x" * (MAX_FRAME_BYTES - len(message('""'))) + '"')
    assert len(fits) == MAX_FRAME_BYTES
    assert isinstance(decode(fits, FRAMES), Msg)
    with pytest.raises(BadFrame) as caught:
        decode(fits + " ", FRAMES)
    assert caught.value.reason == "too_big"


@pytest.mark.parametrize("body", ['"a\\u0000b"', '"\\u0000"', '"\\\\\\u0000"'])
def test_nul_is_bad_text_and_the_frame_is_named(body: str) -> None:
    with pytest.raises(BadFrame) as caught:
        decode(message(body), FRAMES)
    assert (caught.value.reason, caught.value.cmid) == ("bad_text", CMID)


def test_a_nul_hidden_in_a_key_is_bad_text() -> None:
    with pytest.raises(BadFrame) as caught:
        decode('{"t":"ping","n":1,"x":[{"a\\u0000":1}]}', FRAMES)
    assert caught.value.reason == "bad_text"


def test_a_backslash_before_u0000_is_text() -> None:
    frame = decode(message('"C:\\\\u0000"'), FRAMES)
    assert isinstance(frame, Msg)
    assert frame.body == "C:\\u0000"


def test_of_a_repeated_key_the_last_counts() -> None:
    assert decode('{"t":"ping","n":1,"n":2}', FRAMES) == Ping(t="ping", n=2)


def test_the_refusal_names_field_and_rule_but_no_value() -> None:
    with pytest.raises(BadFrame) as caught:
        decode(message('["my secret"]'), FRAMES)
    assert str(caught.value) == "msg.body: string_type"


def test_frames_go_out_with_wire_names_and_without_nulls() -> None:
    event = Ev(seq=1, id="0" * 26, sender="bot", kind="message", body="你好", data={"script": None}, at=5)
    assert encode(event) == (
        '{"t":"ev","seq":1,"id":"00000000000000000000000000","from":"bot","kind":"message","body":"你好",'
        '"data":{"script":null},"at":5}'
    )
    assert encode(Nack(code="empty")) == '{"t":"nack","code":"empty","retry":false}'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["t", "cmid", "body", "n"]), inner),
)


def answer_to(raw: str | bytes) -> str:
    try:
        return decode(raw, FRAMES).t
    except BadFrame as error:
        return error.reason


@given(st.binary(max_size=300) | st.text(max_size=300))
def test_any_bytes_and_text_give_a_frame_or_a_refusal(raw: bytes | str) -> None:
    assert answer_to(raw) in {"bad_frame", "bad_text", "unknown_type"}


@given(
    st.dictionaries(st.sampled_from(["t", "cmid", "body", "n", "on", "v"]), JSON),
    st.sampled_from(["msg", "ping", "hello"]),
)
def test_any_json_object_gives_a_frame_or_a_refusal(value: dict[str, object], kind: str) -> None:
    assert answer_to(json.dumps({**value, "t": kind})) in {kind, "bad_frame", "bad_text", "too_big"}
