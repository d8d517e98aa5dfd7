"""Who holds a conversation and who may speak in it. Pure.

One token says who answers the contact: `holder`, 'bot' or 'agent:<id>'. It is moved by escalation only, in the transaction that
tells so in the log; whoever wants to speak checks it in the transaction that speaks.
"""

from __future__ import annotations

from typing import Final, Literal

Status = Literal["open", "escalated", "resolved"]
Mode = Literal["bot", "waiting", "agent", "resolved"]

BOT: Final = "bot"


def agent_sender(agent_id: str) -> str:
    """How an agent stands in `holder` and as a sender."""
    return f"agent:{agent_id}"


def mode(status: str, holder: str) -> Mode:
    """What the contact is told: the assistant answers, a person is awaited, a person answers, or it is over."""
    if status == "resolved":
        return "resolved"
    if holder != BOT:
        return "agent"
    return "waiting" if status == "escalated" else "bot"


def may_speak(sender: str, *, status: str, holder: str) -> bool:
    """Whether `sender` ('contact', 'bot', 'agent:<id>', 'system') may add a message now.

    The contact may until the end; the bot and agents only while they hold the token, so that they never talk over each other;
    the system reports facts at any time. While a person is awaited the bot still holds the token and may help.
    """
    if sender == "system":
        return True
    if status == "resolved":
        return False
    return sender in ("contact", holder)
