"""One linear layer over what a frozen conversation model sees of a turn, added to what it says of the turn's level.

    z_h = base logits under habit h + φ W        φ [columns], W [columns, 3]
    p   = softmax(log Σ_h π_h softmax(z_h) / T)  T: the base's temperature

φ are the hidden states of the base's GRUs, the turn's standardised features, its standardised vector, and 1. Everything but W is
the base's, so W is all that training on a shop's own conversations changes: a few thousand numbers, few enough to be learnt with
noise or to be sent around. W = 0 is the base itself. An artefact takes W in by `onto`, and serves as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.artefact import Artefact, parts
from risk.calibration import softmax
from risk.conversation.lexical import Lexical
from risk.conversation.mixing import TINY
from risk.conversation.step import ConversationModel, Heads
from risk.errors import DataRefused
from risk.scorer import heads_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEVELS: Final = 3


@dataclass(frozen=True, slots=True)
class Frozen:
    """The conversation model of an artefact, and what the layer needs to know of it."""

    model: ConversationModel
    lexical: Lexical
    heads: Heads
    members: int

    @staticmethod
    def of(base: Artefact) -> Frozen:
        """From a checked artefact. Raises `DataRefused` for one whose recurrent reader counts nothing."""
        members = int(base.settings["members"])
        lexical = Lexical.build(base.lexicon, parts(base.tensors, "lexical."))
        heads = heads_of(base.settings["heads"], parts(base.tensors, "heads."))
        if not 0 < heads.net_share < 1:
            raise DataRefused("the base model uses only one of its two readers: it has no place for a layer over both")
        model = ConversationModel(
            [parts(base.tensors, f"conversation.{m}.") for m in range(members)], lexical, heads
        )  # fmt: skip
        return Frozen(model, lexical, heads, members)

    @property
    def hidden_scale(self) -> float:
        """What hidden states are multiplied by, so that all of them together have about the norm of the other parts."""
        return float(1 / np.sqrt(self.members * self.model.size))

    @property
    def columns(self) -> int:
        """Length of φ."""
        return self.members * self.model.size + len(self.lexical.mean) + self.model.dim + 1

    def inputs(self, hidden: NDArray[np.float32], features: NDArray[np.float32], vector: NDArray[np.float32]) -> Floats:
        """φ of one turn, float64 [columns]; `hidden` [members, size] after the turn."""
        seen = self.lexical
        return np.concatenate(
            [
                hidden.reshape(-1) * self.hidden_scale,
                (features - seen.mean) * seen.scale,
                (vector - seen.vector_mean) * seen.vector_scale,
                [1.0],
            ]
        ).astype(np.float64)

    def onto(self, weight: Floats, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The base's tensors that change when W [columns, 3] is taken in: the readers' shares undone, all habits alike."""
        size, share = self.model.size, self.heads.net_share
        ends = np.cumsum([self.members * size, len(self.lexical.mean), self.model.dim])
        hidden, dense, vector, bias = np.split(weight, ends)
        habits = len(self.lexical.prior)
        found: dict[str, NDArray[Any]] = {}
        for m in range(self.members):
            name = f"conversation.{m}.level.weight"
            own = hidden[m * size : (m + 1) * size].T * self.hidden_scale * self.members / share
            found[name] = (tensors[name] + np.tile(own, (habits, 1))).astype(np.float32)
        for name, part in (("dense", dense), ("vector", vector), ("bias", bias[0])):
            old = tensors[f"lexical.{name}"]
            found[f"lexical.{name}"] = (old + (part / (1 - share))[..., None, :]).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled turns as the frozen model sees them. A person is a customer where the file names one, else a conversation."""

    inputs: Floats  # [n, columns]
    base: Floats  # [n, habits, 3]
    level: Ints  # [n]
    person: Ints  # [n], 0..people − 1
    conversation: Ints  # [n]
    prior: Floats  # [habits]
    temperature: float

    @property
    def people(self) -> int:
        """How many there are."""
        return int(self.person.max()) + 1 if len(self.person) else 0

    def of(self, people: Ints | NDArray[np.bool_]) -> Rows:
        """The rows of some people, numbered anew; `people` are numbers, or a mask over people."""
        chosen = np.flatnonzero(people) if people.dtype == np.bool_ else people
        number = np.full(self.people, -1)
        number[chosen] = np.arange(len(chosen))
        keep = number[self.person] >= 0
        return self.where(keep, number[self.person][keep])

    def where(self, keep: NDArray[np.bool_], person: Ints | None = None) -> Rows:
        """The rows that a mask keeps."""
        people = self.person[keep] if person is None else person
        return Rows(
            self.inputs[keep], self.base[keep], self.level[keep], people, self.conversation[keep],
            self.prior, self.temperature,
        )  # fmt: skip

    def weights(self) -> Floats:
        """1 / (turns of the person): each person weighs the same, however much they wrote; [n]."""
        return np.asarray(1 / np.bincount(self.person, minlength=self.people)[self.person])


def join(parts: Sequence[Rows]) -> Rows:
    """Rows of several files in one place; nobody is the same person in two of them."""
    people = np.cumsum([0, *(rows.people for rows in parts)])
    talks = np.cumsum([0, *(int(rows.conversation.max()) + 1 for rows in parts)])
    return Rows(
        np.concatenate([rows.inputs for rows in parts]),
        np.concatenate([rows.base for rows in parts]),
        np.concatenate([rows.level for rows in parts]),
        np.concatenate([rows.person + first for rows, first in zip(parts, people, strict=False)]),
        np.concatenate([rows.conversation + first for rows, first in zip(parts, talks, strict=False)]),
        parts[0].prior,
        parts[0].temperature,
    )


def mixture(rows: Rows, weight: Floats) -> tuple[Floats, Floats]:
    """Level probabilities under each habit [n, habits, 3], and of all habits together [n, 3], with W [columns, 3]."""
    each = softmax(rows.base + (rows.inputs @ weight)[:, None, :])
    return each, np.einsum("h,nhc->nc", rows.prior, each)


def levels(rows: Rows, weight: Floats) -> Floats:
    """Calibrated level probabilities, float64 [n, 3]."""
    return softmax(logits(rows, weight) / rows.temperature)


def logits(rows: Rows, weight: Floats) -> Floats:
    """Level logits as they are served, float64 [n, 3]."""
    mixed = np.log(mixture(rows, weight)[1] + TINY)
    return np.asarray(mixed - mixed.mean(axis=1, keepdims=True))


def loss(rows: Rows, weight: Floats) -> float:
    """Mean over people of the mean −ln p of the true levels of their turns."""
    p = levels(rows, weight)[np.arange(len(rows.level)), rows.level]
    return float(-(np.log(p) * rows.weights()).sum() / rows.people)


def gradient(rows: Rows, weight: Floats) -> Floats:
    """dloss/dW, float64 [columns, 3].

    With q_h = softmax(z_h), m = Σ π_h q_h and g = (p − y) / T:  dL/dδ_k = Σ_h π_h q_hk (g_k / m_k − Σ_c q_hc g_c / m_c).
    """
    each, mixed = mixture(rows, weight)
    wrong = levels(rows, weight)
    wrong[np.arange(len(rows.level)), rows.level] -= 1
    part = wrong / rows.temperature / (mixed + TINY)
    inner = np.einsum("nhc,nc->nh", each, part)
    by_turn = np.einsum("h,nhk,nhk->nk", rows.prior, each, part[:, None, :] - inner[..., None])
    return np.asarray(rows.inputs.T @ (by_turn * rows.weights()[:, None])) / rows.people
