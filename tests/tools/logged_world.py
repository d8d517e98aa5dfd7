"""The made-up shop as a training set, with a policy that treats some customers and the effect that this has on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from risk.conversation.data import Conversation
from risk.dataset import files
from risk.dataset.rows import Case, part
from risk.types import History
from risk.world.shop import Shop

KEPT = 0.65  # of those who would leave, a treatment keeps so many
AS_OF = 1_795_000_000_000


def dataset(
    folder: Path,
    shop: Shop,
    chance: Callable[[float], float],
    *,
    naive: bool = False,
    poisoned: float = 0.0,
    seed: int = 0,
) -> files.Dataset:
    """`chance`: true churn probability → probability of being treated. `naive`: the log forgets who was treated.

    `poisoned`: share of the labels that somebody has turned round.
    """
    random = np.random.default_rng(seed)
    cases, decisions = [], []
    for life, talk in shop.mature():
        share = chance(talk.probability)
        treated = bool(random.random() < share)
        left = float(bool(talk.left))
        if treated and random.random() < KEPT:
            left = 0.0
        if random.random() < poisoned:
            left = 1.0 - left
        history = History(orders=life.orders, returns=life.returns)
        messages = talk.messages
        seqs = tuple(range(1, len(messages) + 1))
        conversation = Conversation(talk.id, life.language, messages, (None,) * len(messages), customer=life.customer)
        marked = treated and not naive
        cases.append(Case(conversation, seqs, history, left, marked, 1.0 if naive else 1.0 / (1.0 - share), False))
        last = max(seq for seq, message in zip(seqs, messages, strict=True) if message.role == "contact")
        decisions.append(_decision(talk.id, life.customer, last, talk.ended_at, left, random))
    return files.read(files.write(folder, site="demo", as_of=AS_OF, horizon_days=90, parts=[part(decisions, cases)]))


def _decision(
    conversation: str, customer: str, seq: int, at: int, left: float, random: np.random.Generator
) -> dict[str, Any]:
    label = {
        "id": f"l-{conversation}", "type": "inactive_90", "value": left, "ts_event": at, "ts_ingested": at, "supersedes": None,
    }  # fmt: skip
    return {
        "id": f"d-{conversation}", "conversation_id": conversation, "seq": seq, "customer_key": customer, "ts_decision": at,
        "eligible": ["reply:a", "reply:b"], "probabilities": [0.5, 0.5], "values": [0.0, 0.0],
        "action": ("reply:a", "reply:b")[int(random.random() < 0.5)], "propensity": 0.5, "overrides": [],
        "outcomes": [label],
    }  # fmt: skip
