"""Turn features: what a message says on its surface and how it stands to the messages before it.

`observe` is a pure, causal step: it takes the state after the earlier messages and gives the state after this one
together with the features of this message. The state is bounded, so that turn 150 costs what turn 5 costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from risk import cues
from risk.types import Message, Vector

MEMORY = 8  # own messages remembered for the repetition of a request
GRAMS = 160  # character bigrams kept of a message: enough for any chat turn, bounded for a pasted page

FEATURES: tuple[str, ...] = (
    "is_contact", "is_agent", "length", "is_short", "questions", "exclamations", "negation", "thanks", "anger", "asks_human",
    "urgent", "greeting", "closing", "affirms", "placeholder", "leaves", "joins", "apology", "asks_to_wait", "question_words",
    "is_chinese", "digits", "capitals", "repeat", "repeat_exact", "echo_of_reply", "delay", "own_index", "run_length",
    "anger_so_far", "thanks_so_far", "questions_so_far", "repeats_so_far", "reply_length", "reply_apology", "reply_waits",
    "reply_repeats", "since_reply", "humans_asked",
)  # fmt: skip
WIDTH = len(FEATURES)


@dataclass(frozen=True, slots=True)
class TextState:
    """What later messages need to know of earlier ones: a few kB at most."""

    own: tuple[frozenset[str], ...] = ()  # bigrams of the contact's last messages, newest last
    reply: frozenset[str] = frozenset()  # bigrams of the last reply
    own_count: int = 0
    run: int = 0  # contact messages since the last reply
    last_role: str = ""
    last_at_ms: int | None = None
    anger: float = 0.0
    thanks: float = 0.0
    questions: float = 0.0
    repeats: float = 0.0
    humans: float = 0.0
    reply_length: float = 0.0
    reply_apology: float = 0.0
    reply_waits: float = 0.0
    reply_repeats: float = 0.0


def bigrams(text: str) -> frozenset[str]:
    """Character bigrams of a normalised text without spaces; a single character is its own gram."""
    flat = text.replace(" ", "")[: GRAMS + 1]
    if len(flat) < 2:
        return frozenset([flat]) if flat else frozenset()
    return frozenset(flat[i : i + 2] for i in range(len(flat) - 1))


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard similarity in [0, 1]; 0 when either is empty."""
    if not a or not b:
        return 0.0
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def _log(count: float) -> float:
    return math.log1p(count)


def observe(state: TextState, message: Message) -> tuple[TextState, Vector]:
    """The state after `message` and its features, float32 [WIDTH], in the order of `FEATURES`."""
    text = cues.normalise(message.text)
    grams = bigrams(text)
    contact = message.role == "contact"
    delay = 0.0
    if message.at_ms is not None and state.last_at_ms is not None:
        delay = _log(max(0, message.at_ms - state.last_at_ms) / 60_000)
    angry = bool(cues.ANGER.search(text))
    thankful = cues.thanks(text)
    human = cues.asks_for_human(text)
    direction = cues.leaving(text)
    marks = text.count("?")
    asks = bool(cues.QUESTION.search(text))
    earlier = [overlap(grams, old) for old in state.own] if contact else []
    repeat = max(earlier, default=0.0)
    letters = sum(c.isalpha() for c in message.text) or 1
    values = {
        "is_contact": contact,
        "is_agent": not contact,
        "length": _log(len(text)),
        "is_short": len(text) <= 4,
        "questions": _log(marks),
        "exclamations": _log(text.count("!")),
        "negation": bool(cues.NEGATION.search(text)),
        "thanks": thankful,
        "anger": angry,
        "asks_human": human,
        "urgent": bool(cues.URGENT.search(text)),
        "greeting": bool(cues.GREETING.search(text)),
        "closing": bool(cues.CLOSING.search(text)),
        "affirms": bool(cues.AFFIRM.search(text)),
        "placeholder": bool(cues.PLACEHOLDER.search(text)),
        "leaves": direction > 0,
        "joins": direction < 0,
        "apology": bool(cues.APOLOGY.search(text)),
        "asks_to_wait": bool(cues.WAIT.search(text)),
        "question_words": asks,
        "is_chinese": any("一" <= c <= "鿿" for c in text),
        "digits": any(c.isdigit() for c in text),
        "capitals": sum(c.isupper() for c in message.text) / letters,
        "repeat": repeat,
        "repeat_exact": bool(grams) and grams in state.own if contact else False,
        "echo_of_reply": overlap(grams, state.reply) if contact else 0.0,
        "delay": delay,
        "own_index": _log(state.own_count),
        "run_length": _log(state.run),
        "anger_so_far": _log(state.anger),
        "thanks_so_far": _log(state.thanks),
        "questions_so_far": _log(state.questions),
        "repeats_so_far": _log(state.repeats),
        "reply_length": state.reply_length,
        "reply_apology": state.reply_apology,
        "reply_waits": state.reply_waits,
        "reply_repeats": state.reply_repeats,
        "since_reply": 0.0 if state.last_role == "reply" else 1.0,
        "humans_asked": _log(state.humans),
    }
    features = np.array([values[name] for name in FEATURES], dtype=np.float32)
    last_at_ms = message.at_ms if message.at_ms is not None else state.last_at_ms
    if contact:
        after = replace(
            state,
            own=(*state.own, grams)[-MEMORY:],
            own_count=state.own_count + 1,
            run=state.run + 1,
            last_role="contact",
            anger=state.anger + angry,
            thanks=state.thanks + thankful,
            questions=state.questions + asks,
            repeats=state.repeats + (repeat > 0.5),
            humans=state.humans + human,
            last_at_ms=last_at_ms,
        )
    else:
        after = replace(
            state,
            reply=grams,
            run=0,
            last_role="reply",
            reply_length=_log(len(text)),
            reply_apology=float(bool(cues.APOLOGY.search(text))),
            reply_waits=float(bool(cues.WAIT.search(text))),
            reply_repeats=overlap(grams, state.reply),
            last_at_ms=last_at_ms,
        )
    return after, features
