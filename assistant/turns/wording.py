"""What is said when the playbook cannot be asked, and which of its scripts goes with a handoff. Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# The playbook's intent for each reason to call a person; without agents `no_agent` comes first for the harmless ones.
HANDOFF_INTENTS: Final[Mapping[str, str]] = {
    "asked_for_human": "asks_human",
    "legal": "legal_threat",
    "self_harm": "self_harm",
    "threat": "threat",
    "injury": "emergency",
    "loop": "going_in_circles",
    "high_risk": "very_upset",
    "need_human": "very_upset",
}
# Intents that rules alone decide about: never the answer to a search.
RULED_INTENTS: Final = frozenset({*HANDOFF_INTENTS.values(), "asks_manager", "no_agent", "back_with_bot"})
CLARIFY_INTENT: Final = "not_understood"
ONWARD_INTENT: Final = "details_given"  # when the customer goes on about what has been answered already

HANDOFF: Final[Mapping[str, Mapping[str, str]]] = {
    "self_harm": {
        "en": "I'm really sorry that you feel this way, and I take it seriously. If you may be in danger, please call your "
        "local emergency number now. I'm bringing a person into this chat.",
        "zh": "听到您这样说，我很难过，也很认真对待。如果您有危险，请现在就拨打当地急救电话。我正请一位同事来到这里。",
    },
    "injury": {
        "en": "Your safety comes first: please step away from the product, and call your local emergency number if anyone is "
        "hurt. I'm passing this to a colleague as urgent.",
        "zh": "安全第一：请远离商品，有人受伤请拨打当地急救电话。我正把这件事作为紧急情况转给同事。",
    },
    "failed": {
        "en": "Something went wrong on our side and I could not answer you. I'm passing your message to a colleague, who will "
        "reply here.",
        "zh": "抱歉，我们这边出了点问题，没能回答您。我已把您的消息转给同事，会在这里回复您。",
    },
    "": {
        "en": "I'm bringing in a colleague. What you've written so far goes along, so you needn't repeat it.",
        "zh": "我请同事过来。您前面写的内容会一并转过去，不用再说一遍。",
    },
}
CLARIFY: Final[Mapping[str, str]] = {
    "en": "I'm not sure I understood that. Could you tell me in one sentence what you need?",
    "zh": "我可能没理解对，您能用一句话说说需要什么吗？",
}
PERSON: Final[Mapping[str, str]] = {"en": "Talk to a person", "zh": "转人工"}


def handoff(reason: str, language: str) -> str:
    """The built-in words before a person comes."""
    return HANDOFF.get(reason, HANDOFF[""])[language]
