"""A summary for the agent, made of the conversation's own sentences: nothing in it was not said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from assistant.escalation.routing import base_language

MOST_QUOTES: Final = 2
MOST_DONE: Final = 4
LONGEST: Final = 160
_WEIGHT_RISK: Final = 3.0  # a turn that raised the churn score by 0.1 counts as much as 0.3 of a full-length message
_FULL_LENGTH: Final = (
    40  # characters of a Chinese, twice as many of an English message, above which length counts no more
)
_ENDS: Final = "。！？!?\n"


class Scored(Protocol):
    """The score of a turn."""

    @property
    def churn(self) -> float | None:
        """Probability of leaving, None when unknown."""
        ...


def summarise(events: Sequence[Mapping[Any, Any]], scores: Mapping[int, Scored], locale: str) -> dict[str, Any] | None:
    """{problem, done: [..], offered: [..], language} in the conversation's own words; None while the contact has said nothing.

    `events`: rows in order of seq. `problem`: the contact's one or two messages that say most, by length and by how much they
    raised the score. `done`: what the assistant and agents answered, first sentences. `offered`: titles of offers, with the answer.
    """
    said = [row for row in events if row["sender"] == "contact" and row["kind"] == "message" and row["body"]]
    if not said:
        return None
    weights = _weights(said, scores)
    chosen = sorted(sorted(range(len(said)), key=lambda i: (-weights[i], i))[:MOST_QUOTES])
    quotes = list(dict.fromkeys(_shorten(said[i]["body"]) for i in chosen))
    answers = [
        row["body"]
        for row in events
        if row["body"] and row["kind"] in ("message", "products") and row["sender"] not in ("contact", "system")
    ]
    done = list(dict.fromkeys(_first_sentence(body) for body in answers))[-MOST_DONE:]
    return {
        "problem": " … ".join(quotes),
        "done": done,
        "offered": _offered(events),
        "language": base_language(locale),
    }


def _weights(said: Sequence[Mapping[Any, Any]], scores: Mapping[int, Scored]) -> list[float]:
    weights = []
    before: float | None = None
    for row in said:
        length = sum(2 if ord(char) > 0x2E7F else 1 for char in row["body"].strip())
        weight = min(1.0, length / (2 * _FULL_LENGTH))
        score = scores.get(row["seq"])
        churn = score.churn if score is not None else None
        if churn is not None:
            weight += _WEIGHT_RISK * max(0.0, churn - (churn if before is None else before))
            before = churn
        weights.append(weight)
    return weights


def _offered(events: Sequence[Mapping[Any, Any]]) -> list[str]:
    answers = {
        row["data"].get("decision"): bool(row["data"].get("accepted"))
        for row in events
        if row["kind"] == "offer_answer"
    }
    offered = []
    for row in events:
        if row["kind"] != "offer":
            continue
        made = row["data"].get("offer", {})
        title = made.get("title") or made.get("id") or _first_sentence(row["body"] or "")
        answer = answers.get(made.get("decision"))
        mark = {None: "", True: " ✓", False: " ✗"}[answer]
        offered.append(f"{title}{mark}")
    return offered


def _first_sentence(text: str) -> str:
    text = text.strip()
    for index, char in enumerate(text):
        at_end = index + 1 == len(text)
        if char in _ENDS or (char == "." and (at_end or text[index + 1].isspace())):
            return _shorten(text[: index + 1])
    return _shorten(text)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"
