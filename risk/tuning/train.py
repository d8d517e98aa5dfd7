"""From files and a base model to an artefact with a layer of its own: read once, learn privately or together, take the layer in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from risk import card
from risk import train as training
from risk.artefact import Artefact
from risk.cold_start import ColdStart
from risk.conversation import data as conversation_data
from risk.conversation.data import Conversation
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.train import Report
from risk.tuning import federated, private
from risk.tuning.federated import Plan
from risk.tuning.layer import Floats, Frozen, Rows
from risk.tuning.private import Budget
from risk.tuning.rows import read

TUNED = "tuned"


@dataclass(frozen=True, slots=True)
class Shop:
    """One shop's conversations and what the frozen model sees of them."""

    name: str
    conversations: Sequence[Conversation]
    rows: Rows


def shops_of(
    base: Artefact, encoder: CachedEncoder, paths: Sequence[Path], report: Report = training.silent
) -> list[Shop]:
    """A shop a file. Raises `DataRefused` for one that cannot be used, or for an encoder that is not the base's."""
    if encoder.fingerprint != base.encoder:
        raise DataRefused("the base model was trained with another encoder")
    frozen = Frozen.of(base)
    found = []
    for path in paths:
        talks = conversation_data.read([path])
        texts = (m.text for c in talks for m in c.messages)
        lookup = encoder.lookup(texts, lambda done, total: report("encode", done, total))
        rows = read(frozen, talks, lookup, lambda done, total: report("read", done, total))
        found.append(Shop(path.name, talks, rows))
    return found


def learn_private(
    name: str, base: Artefact, rows: Rows, budget: Budget, seed: int, report: Report = training.silent
) -> Artefact:
    """The base with a layer learnt by DP-SGD. Nothing else of the rows is in it: no figure, no word, no hash of a file.

    `seed` is the base's own, for the card; a private training has none.
    """
    weight, spent = private.learn(
        rows, budget, private.Knobs(), lambda done, total: report("private layer", done, total)
    )
    return tuned(name, base, weight, {"how": "private", **spent.as_json()}, seed)


def learn_federated(
    name: str,
    base: Artefact,
    shops: Sequence[Shop],
    files: Sequence[Path],
    plan: Plan,
    seed: int,
    report: Report = training.silent,
    *,
    over_flower: bool = False,
) -> Artefact:
    """The base with a layer averaged over shops, in this process or over Flower's engine: the same either way."""
    rows = [shop.rows for shop in shops]
    if over_flower:
        from risk.tuning import flower

        weight = flower.simulate(rows, plan, seed)
    else:
        weight = federated.learn(rows, plan, seed, lambda done, total: report("federated layer", done, total))
    listed = [
        {**described, "people": shop.rows.people, "turns": len(shop.rows.level)}
        for described, shop in zip(training.described(files), shops, strict=True)
    ]
    return tuned(name, base, weight, {"how": "federated", **plan.as_json(), "shops": listed}, seed)


def tuned(name: str, base: Artefact, weight: Floats, how: dict[str, Any], seed: int) -> Artefact:
    """The base with the layer W [columns, 3] taken in, and a line in its lineage; earlier layers keep theirs."""
    plain = base.without_fusion()  # it only fits the readings that it was trained on
    conversations = plain.data["conversations"]
    lineage = [*conversations.get(TUNED, []), {"base": base.version, "numbers": weight.size, **how}]
    data = {**plain.data, "conversations": {**conversations, TUNED: lineage}}
    cold = ColdStart.from_json(plain.settings["cold_start"])
    text = card.write(
        name=name, encoder=plain.encoder_name, metrics=plain.metrics, data=data, cold_start=cold, seed=seed
    )
    changed = Frozen.of(base).onto(weight, plain.tensors)
    return replace(plain, name=name, tensors={**plain.tensors, **changed}, data=data, card=text)
