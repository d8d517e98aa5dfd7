"""The rules of a connection: no socket, no loop, no clock."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.chat import session as rules
from assistant.chat.frames import Nack, Pong
from assistant.chat.session import End, Greet, MarkSeen, Renew, Send, Session, ShowTyping, StoreEscalation, StoreMessage
from assistant.limits import Allowance

CMID = "1b4e28ba-2fa1-4d2f-883f-0016d3cca427"
TOKEN_MS = 900_000


def frame(t: str, **fields: Any) -> str:
    return json.dumps({"t": t, **fields}, ensure_ascii=False)


def message(body: str = "hello") -> str:
    return frame("msg", cmid=CMID, body=body)


HELLO = frame("hello", v="staywell.chat.v1", token="token")


def opened(per_10s: int = 1000, now: int = 0) -> Session:
    session = Session(now)
    assert isinstance(session.receive(HELLO, now)[0], Greet)
    session.greeted(Allowance(per_10s, 6 * per_10s, now), token_ms=TOKEN_MS, now=now)
    return session


def ends(session: Session, code: int, actions: tuple[rules.Action, ...]) -> None:
    assert isinstance(actions[-1], End)
    assert actions[-1].code == code
    assert session.ended
    assert session.receive(message(), 10**9) == session.tick(10**9) == ()


def test_a_hello_is_to_be_checked_and_opens_nothing_by_itself() -> None:
    session = Session(0)
    (greet,) = session.receive(HELLO, 1)
    assert isinstance(greet, Greet)
    assert greet.hello.token == "token"
    assert not session.open


@pytest.mark.parametrize("raw", [message(), frame("ping", n=1), frame("auth", token="x"), frame("seen", seq=1)])
def test_anything_before_hello_ends_with_4401(raw: str) -> None:
    session = Session(0)
    ends(session, 4401, session.receive(raw, 1))


def test_no_hello_within_five_seconds_ends_with_4408() -> None:
    session = Session(100)
    assert session.deadline == 5_100
    assert session.tick(5_099) == ()
    ends(session, 4408, session.tick(5_100))


def test_bad_frames_before_hello_do_not_buy_time() -> None:
    session = Session(0)
    session.receive("nonsense", 4_000)
    ends(session, 4408, session.tick(5_000))


def test_a_second_hello_is_a_bad_frame() -> None:
    session = opened()
    assert session.receive(HELLO, 1) == (Send(Nack(code="bad_frame")),)
    assert not session.ended


def test_the_third_bad_frame_ends_with_4400() -> None:
    session = opened()
    assert session.receive("x", 1) == (Send(Nack(code="bad_frame")),)
    assert session.receive(frame("msg", cmid=CMID, body="\0"), 2) == (Send(Nack(cmid=CMID, code="bad_text")),)
    session.receive(message(), 3)  # good ones between do not wash it off
    actions = session.receive(frame("ping", n=-1), 4)
    assert actions[0] == Send(Nack(code="bad_frame"))
    ends(session, 4400, actions)


def test_unknown_types_are_answered_and_never_end_a_connection() -> None:
    session = opened()
    for n in range(10):
        assert session.receive(frame("shout", cmid=CMID), n) == (Send(Nack(cmid=CMID, code="unknown_type")),)
    assert not session.ended


def test_a_binary_frame_ends_with_1003_and_a_big_one_with_1009() -> None:
    session = opened()
    ends(session, 1003, session.receive(message().encode(), 1))
    session = opened()
    ends(session, 1009, session.receive(message("x" * 20_000), 1))


def test_messages_are_to_be_stored_as_they_are() -> None:
    session = opened()
    body = "  <b>hello</b>\n=1+1 \u202e "
    assert session.receive(message(body), 1) == (StoreMessage(CMID, body),)
    assert session.receive(message("字" * 4000), 2) == (StoreMessage(CMID, "字" * 4000),)


@pytest.mark.parametrize(
    ("body", "code"), [("", "empty"), (" \n\t\u3000", "empty"), ("\u200b \ufeff", "empty"), ("x" * 4001, "too_long")]
)
def test_what_cannot_be_stored_is_named(body: str, code: str) -> None:
    session = opened()
    (action,) = session.receive(message(body), 1)
    assert isinstance(action, Send)
    assert isinstance(action.frame, Nack)
    assert (action.frame.cmid, action.frame.code, action.frame.retry) == (CMID, code, False)
    assert session.refused == code


def test_other_frames_become_actions() -> None:
    session = opened()
    assert session.receive(frame("escalate", cmid=CMID, reason="x"), 1) == (StoreEscalation(CMID, "x"),)
    assert session.receive(frame("seen", seq=3), 1) == (MarkSeen(3),)
    assert session.receive(frame("typing", on=False), 1) == (ShowTyping(False),)
    assert session.receive(frame("ping", n=9), 1) == (Send(Pong(n=9)),)
    assert session.receive(frame("auth", token="new"), 1) == (Renew("new"),)
    assert session.refused is None


def test_five_messages_in_ten_seconds_then_wait() -> None:
    session = opened(per_10s=5)
    for n in range(5):
        assert session.receive(message(), n) == (StoreMessage(CMID, "hello"),)
    (refusal,) = session.receive(message(), 5)
    assert isinstance(refusal, Send)
    assert isinstance(refusal.frame, Nack)
    assert (refusal.frame.code, refusal.frame.retry) == ("rate", True)
    assert refusal.frame.after_ms is not None
    assert session.receive(message(), 5 + refusal.frame.after_ms) == (StoreMessage(CMID, "hello"),)


def test_going_on_too_fast_ends_with_4429() -> None:
    session = opened(per_10s=5)
    for _ in range(5 + rules.RATE_REFUSALS):
        session.receive(message(), 1)
    assert not session.ended
    ends(session, 4429, session.receive(message(), 1))


def test_refusals_are_forgiven_once_a_message_went_through() -> None:
    session = opened(per_10s=5)
    now = 0
    for _ in range(5):
        for _ in range(rules.RATE_REFUSALS):
            session.receive(message(), now)
        now += 2_000
    assert not session.ended


def test_a_flood_of_any_frames_ends_with_4429() -> None:
    session = opened()
    for _ in range(rules.FRAMES_PER_10S - 1):
        session.receive(frame("ping", n=1), 1)
    ends(session, 4429, session.receive(frame("ping", n=1), 1))


def test_every_frame_is_a_sign_of_life() -> None:
    session = opened()
    assert session.deadline == rules.IDLE_MS
    session.receive(frame("ping", n=1), 30_000)
    session.receive("nonsense", 60_000)
    assert session.tick(60_000 + rules.IDLE_MS - 1) == ()
    ends(session, 4408, session.tick(60_000 + rules.IDLE_MS))


def test_a_token_that_runs_out_ends_with_4401_unless_it_is_renewed() -> None:
    session = opened()
    now = 0
    while now < TOKEN_MS - 30_000:
        now += 30_000
        session.receive(frame("ping", n=1), now)
    session.renewed(token_ms=TOKEN_MS, now=now)
    while now < 2 * TOKEN_MS - 60_000:
        now += 30_000
        session.receive(frame("ping", n=1), now)
        assert session.tick(now) == ()
    now += 30_000
    ends(session, 4401, session.tick(now))


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=80) | st.text(max_size=80) | st.sampled_from([HELLO, message()]), st.integers(0, 5000)
        )
    )
)
def test_whatever_comes_a_session_answers_or_ends(steps: list[tuple[str | bytes, int]]) -> None:
    session, now = Session(0), 0
    for raw, passed in steps:
        now += passed
        ended = session.ended
        actions = session.tick(now) + session.receive(raw, now)
        assert bool(actions) != ended
        assert session.ended == ended or isinstance(actions[-1], End)
