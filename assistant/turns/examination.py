"""How well turns are answered: labelled messages through search, options and policy, exactly as a conversation would take them.

What a decision would do is counted by its probabilities, not by one draw: of each message, a share is right, wrong, asked back or
passed to a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from assistant.policy import priors
from assistant.policy.answers import agrees, offers_person
from assistant.policy.decide import decide
from assistant.policy.requests import asks_for_human
from assistant.policy.safety import safety_concern
from assistant.policy.types import Decision, DecisionContext
from assistant.turns import options, passages, replies
from assistant.turns.finder import Finder
from assistant.turns.options import Found, Situation
from assistant.turns.wanted import Wanted
from retrieval.documents import Band, Encoder, Script
from retrieval.metrics import interval
from retrieval.search import Retriever
from retrieval.snapshot import Snapshot

DEADLINE_MS = 60_000
ELSEWHERE = frozenset({"off_topic", "not_understood"})
SURE = 0.40  # relevance from which a wrong answer is said with confidence


class Labelled(BaseModel):
    """One line of the file: a message, and the intents of the playbook that would answer it; none: not the shop's matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str = Field(min_length=1, max_length=4_000)
    language: Literal["en", "zh"]
    accept: tuple[str, ...]
    passages: tuple[str, ...] = ()  # of help pages, as `page#heading`, that would answer it as well
    split: Literal["dev", "test"] = "test"
    previous: tuple[str, ...] = ()  # "contact: …" and "bot: …", the latest last
    band: Band = "low"


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of one message. Right, wrong, clarified and person sum to 1; `page` is the share said from a help page."""

    message: Labelled
    ranked: tuple[str, ...]  # intents, the likeliest first
    relevance: float  # of the best script that may be said
    right: float
    wrong: float
    clarified: float
    person: float
    page: float
    said: str  # id of the likeliest action


class _Held:
    """One retriever for every site."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._retriever = Retriever(snapshot)
        self._name = snapshot.name

    def for_site(self, site_id: str) -> Retriever:
        return self._retriever

    def version(self, site_id: str) -> str:
        return self._name


def in_languages(scripts: Sequence[Script], language: str) -> list[Script]:
    """The same scripts, with examples in one language only; titles of the others are replaced by the family's name."""
    return [
        script if script.locale == language else replace(script, examples=(), title=script.family) for script in scripts
    ]


def answer(
    messages: Sequence[Labelled], snapshot: Snapshot, encoder: Encoder, step: Callable[[], None] | None = None
) -> list[Answered]:
    """Each message as the first turn, or after its `previous`, of a guest's conversation."""
    finder = Finder(_Held(snapshot), encoder, deadline_ms=DEADLINE_MS)
    vectors = encoder.encode([message.text for message in messages])
    answered = []
    try:
        for message, vector in zip(messages, vectors, strict=True):
            found = asyncio.run(finder.find(_wanted(message, vector)))
            answered.append(_answered(message, found))
            if step is not None:
                step()
    finally:
        finder.close()
    return answered


def alone(message: Labelled) -> Labelled:
    """The same message as if nothing had been said before it by the same person."""
    kept = tuple(line for line in message.previous if not line.startswith("contact: "))
    return message.model_copy(update={"previous": kept})


def joined(message: Labelled) -> Labelled:
    """The same message with all that the same person said before it put in front, whatever it is about."""
    return alone(message).model_copy(update={"text": " ".join((*_said(message, "contact"), message.text))})


def _wanted(message: Labelled, vector: Any) -> Wanted:
    return Wanted(
        site_id="",
        text=message.text,
        vector=vector,
        language=message.language,
        region=None,
        band=message.band,
        reasons=(),
        known=frozenset({"site_name", "shop"}),
        product_slots=replies.PRODUCT_SLOTS,
        verified=False,
        has_order=False,
        before=_said(message, "contact"),
        last_said=next(iter(_said(message, "bot")[::-1]), None),
    )


def _said(message: Labelled, who: str) -> tuple[str, ...]:
    return tuple(line.partition(": ")[2] for line in message.previous if line.startswith(f"{who}: "))


def _answered(message: Labelled, found: Found) -> Answered:
    decision = _decided(message, found)
    scripts = {c.id: c.document for c in found.scripts if isinstance(c.document, Script)}
    shares = {"right": 0.0, "wrong": 0.0, "clarified": 0.0, "person": 0.0, "page": 0.0}
    for option, chance in zip(decision.eligible, decision.probabilities, strict=True):
        script = scripts.get(option.document_id or "")
        if option.kind == "escalate":
            handed = {decision.escalation_reason, options.needs_person(found)}
            shares["right" if handed & set(message.accept) else "person"] += chance
        elif script is not None and script.intent == passages.INTENT:
            shares["right" if passages.name(found.articles[0]) in message.passages else "wrong"] += chance
            shares["page"] += chance
        elif option.kind == "clarify" or script is None:
            shares["right" if not message.accept else "clarified"] += chance
        elif script.intent in message.accept or (not message.accept and script.intent in ELSEWHERE):
            shares["right"] += chance
        else:
            shares["wrong"] += chance
    ranked = sorted(
        [
            (options.relevance(c), c.document.intent)
            for c in found.scripts
            if isinstance(c.document, Script) and c.document.intent != passages.INTENT
        ],
        reverse=True,
    )
    best = max(
        (option.relevance for option in decision.eligible if option.kind not in ("clarify", "escalate")), default=0.0
    )
    return Answered(
        message=message,
        ranked=tuple(dict.fromkeys(intent for _, intent in ranked)),
        relevance=best,
        said=decision.eligible[int(np.argmax(decision.probabilities))].key,
        **shares,
    )


def _decided(message: Labelled, found: Found) -> Decision:
    """The decision for a calm guest of whom nothing is known."""
    situation = Situation(
        band=message.band,
        prices=priors.PRICES,
        sent={},
        last_family=None,
        clarifies=0,
        agents_available=1,
        queue_length=0,
        wallet=None,
        verified=False,
        waiting=False,
        suspect=None,
        now=0,
    )
    last = next(iter(_said(message, "bot")[::-1]), None)
    weighed = DecisionContext(
        options=options.build(found, situation),
        risk=0.1,
        band=message.band,
        dissatisfaction=0.1,
        need_human=0.1,
        asks_for_human=asks_for_human(message.text) or (offers_person(last) and agrees(message.text)),
        safety=safety_concern(message.text) or options.concern(found),
        customer_value=priors.DEFAULT_VALUE,
        holdout=False,
        holder="bot",
        superseded=False,
        bot_replies_in_a_row=0,
        agents_available=1,
        queue_length=0,
        floor=0.02,
        temperature=300.0,
        needs_person=options.needs_person(found),
    )
    return decide(weighed, 0.0)


def summary(answered: Sequence[Answered]) -> dict[str, Any]:
    """Figures over messages; those about the shop and others are counted apart. Intervals are 95 %, by bootstrap over messages."""
    ours = [one for one in answered if one.message.accept]
    others = [one for one in answered if not one.message.accept]
    figures: dict[str, Any] = {"n": len(ours), "n_out_of_scope": len(others)}
    parts: dict[str, list[float]] = {
        "accuracy@1": [float(one.ranked[:1] != () and one.ranked[0] in one.message.accept) for one in ours],
        "accuracy@3": [float(bool(set(one.ranked[:3]) & set(one.message.accept))) for one in ours],
        "right": [one.right for one in ours],
        "wrong": [one.wrong for one in ours],
        "confidently_wrong": [one.wrong if one.relevance >= SURE else 0.0 for one in ours],
        "clarified": [one.clarified for one in ours],
        "person": [one.person for one in ours],
        "page": [one.page for one in ours],
        "out_of_scope_answered": [one.wrong + one.person for one in others],
    }
    for name, values in parts.items():
        figures[name] = float(np.mean(values)) if values else None
        figures[f"{name}_interval"] = list(interval(values)) if values else None
    figures["calibration"] = calibration(
        [one.relevance for one in ours],
        [float(bool(one.ranked) and one.ranked[0] in one.message.accept) for one in ours],
    )
    return figures


def calibration(relevances: Sequence[float], hits: Sequence[float], bins: int = 5) -> dict[str, Any]:
    """Expected calibration error (equal-width bins), Brier score, and mean relevance against accuracy in each bin."""
    found, right = np.asarray(relevances), np.asarray(hits)
    if not len(found):
        return {"ece": None, "brier": None, "bins": []}
    place = np.minimum((found * bins).astype(int), bins - 1)
    rows = [
        {
            "n": int((place == b).sum()),
            "relevance": float(found[place == b].mean()),
            "right": float(right[place == b].mean()),
        }
        for b in range(bins)
        if (place == b).any()
    ]
    error = sum(row["n"] * abs(row["relevance"] - row["right"]) for row in rows) / len(found)
    return {"ece": float(error), "brier": float(np.mean((found - right) ** 2)), "bins": rows}


def load(path: Path) -> tuple[list[Labelled], list[str]]:
    """Messages of a JSON-lines file, and what is wrong with its other lines."""
    good: list[Labelled] = []
    faults: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            good.append(Labelled.model_validate_json(line))
        except ValueError as fault:
            faults.append(f"line {number}: {str(fault).splitlines()[0]}")
    return good, faults
