"""Who holds a conversation and who may speak."""

from __future__ import annotations

import pytest

from assistant.conversations.status import agent_sender, may_speak, mode

ANA, BEN = agent_sender("A" * 26), agent_sender("B" * 26)


@pytest.mark.parametrize(
    ("status", "holder", "expected"),
    [
        ("open", "bot", "bot"),
        ("escalated", "bot", "waiting"),
        ("escalated", ANA, "agent"),
        ("open", ANA, "agent"),
        ("resolved", "bot", "resolved"),
        ("resolved", ANA, "resolved"),
    ],
)
def test_mode(status: str, holder: str, expected: str) -> None:
    assert mode(status, holder) == expected


@pytest.mark.parametrize("status", ["open", "escalated"])
@pytest.mark.parametrize("holder", ["bot", ANA])
def test_only_the_holder_answers_the_contact(status: str, holder: str) -> None:
    speakers = {who for who in ("contact", "bot", ANA, BEN, "system") if may_speak(who, status=status, holder=holder)}
    assert speakers == {"contact", holder, "system"}


@pytest.mark.parametrize("holder", ["bot", ANA])
def test_nobody_but_the_system_speaks_when_it_is_over(holder: str) -> None:
    for who in ("contact", "bot", ANA):
        assert not may_speak(who, status="resolved", holder=holder)
    assert may_speak("system", status="resolved", holder=holder)
