"""The conversation model as it is served: numpy only, one step a message.

Two readers look at every turn. A linear one reads its characters, its vector and its features (`risk.conversation.lexical`). An
ensemble of small GRUs reads the vector and the features, and remembers. A GRU step is

    r = σ(W_r x + U_r h),  z = σ(W_z x + U_z h),  n = tanh(W_n x + r ⊙ (U_n h + b)),  h' = (1 − z) ⊙ n + z ⊙ h

(Cho et al., 2014, in the variant of torch.nn.GRU, against which the tests hold it). Both answer for each habit of annotators
(`risk.conversation.habits`); the level of a turn is their weighted mean, put together over the habits. What is foreseen, and what
the contact would say of the whole, are small readouts of these logits now, one turn ago, and smoothed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from risk.calibration import beta_inputs, sigmoid, softmax
from risk.conversation.lexical import Lexical, grams
from risk.conversation.mixing import centred, marginal
from risk.text import WIDTH
from risk.types import Message, Vector

READOUT = 10  # logits now, one turn ago, smoothed; sentiment
SMOOTHING = 0.8

TENSORS = (
    "norm.mean", "norm.scale", "proj.weight", "proj.bias", "gru.weight_ih", "gru.weight_hh", "gru.bias_ih", "gru.bias_hh",
    "level.weight", "level.bias", "mean.weight", "mean.bias",
)  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the heads say after a contact message."""

    levels: tuple[float, float, float]  # probabilities of dissatisfied, neutral, satisfied with this turn
    dissatisfaction: float  # calibrated probability that this turn is dissatisfied
    ahead: float  # probability that one of the next three contact turns is dissatisfied
    whole: tuple[float, float, float]  # levels that the contact would give the whole, if it ended here
    sentiment: float  # expected satisfaction with the whole so far, −2..2


@dataclass(frozen=True, slots=True)
class ConversationState:
    """All that later messages need: about 2 kB."""

    hidden: Vector  # [members, size]
    now: tuple[float, ...] = (0.0, 0.0, 0.0)  # centred level logits of the last contact turn
    earlier: tuple[float, ...] = (0.0, 0.0, 0.0)  # of the one before it
    smoothed: tuple[float, ...] = (0.0, 0.0, 0.0)
    turns: int = 0


@dataclass(frozen=True, slots=True)
class Heads:
    """Calibration of the levels and the readouts, fitted on predictions out of fold."""

    temperature: float
    ratio: float  # weight of "satisfied" against "neutral" in the odds of dissatisfaction: the ratio of their priors
    beta: tuple[float, float, float]  # calibration of the odds of dissatisfaction
    ahead_weight: Floats  # [READOUT + 1], the last is the offset
    whole_weight: Floats  # [3, READOUT + 1]
    net_share: float  # of the recurrent reader in the level of a turn

    def bad_score(self, logits: Floats) -> Floats:
        """Log odds of dissatisfaction under balanced priors, from level logits [..., 3]; monotone in the probability.

        A turn that could as well be satisfied is less suspect than one that could be neutral: with the raw priors the
        rare satisfied level would count too little.
        """
        p = softmax(logits)
        return np.asarray(np.log(p[..., 0] + 1e-9) - np.log(p[..., 1] + self.ratio * p[..., 2] + 1e-9))

    def dissatisfaction(self, logits: Floats) -> Floats:
        """Calibrated logit of dissatisfaction, from level logits [..., 3]."""
        return np.asarray(beta_inputs(self.bad_score(logits)) @ np.asarray(self.beta))


def readout(now: Sequence[float], earlier: Sequence[float], smoothed: Sequence[float], sentiment: float) -> Floats:
    """The input of the readouts, float64 [READOUT + 1], with a constant 1 at the end."""
    return np.array([*now, *earlier, *smoothed, sentiment, 1.0], dtype=np.float64)


def together(recurrent: Floats, linear: Floats, prior: Vector, net_share: float) -> Floats:
    """Both readers' centred logits [.., habits, 3] as one centred reading [.., 3]."""
    return marginal(net_share * recurrent + (1 - net_share) * linear, prior)


def smooth(before: Sequence[float], now: Sequence[float], first: bool) -> tuple[float, ...]:
    """Exponentially smoothed logits; the first turn starts them."""
    if first:
        return tuple(now)
    return tuple(SMOOTHING * b + (1 - SMOOTHING) * n for b, n in zip(before, now, strict=True))


class ConversationModel:
    """Both readers and the readouts. Immutable and thread-safe."""

    def __init__(self, members: Sequence[Mapping[str, Vector]], lexical: Lexical, heads: Heads) -> None:
        for member in members:
            missing = [name for name in TENSORS if name not in member]
            if missing:
                raise ValueError(f"the conversation model lacks {', '.join(missing)}")
            if member["norm.mean"].shape != (WIDTH,):
                raise ValueError("the conversation model was trained on other turn features than this version computes")
            if member["level.bias"].shape != (3 * len(lexical.prior),):
                raise ValueError("the recurrent reader knows other habits of annotators than the linear one")
        if heads.ahead_weight.shape != (READOUT + 1,) or heads.whole_weight.shape != (3, READOUT + 1):
            raise ValueError("the readouts have another shape than this version's")
        self._members = [
            {name: np.ascontiguousarray(member[name], dtype=np.float32) for name in TENSORS} for member in members
        ]
        if lexical.vector_mean.shape[0] != members[0]["proj.weight"].shape[1]:
            raise ValueError("the linear reader was trained on vectors of another length")
        self._lexical = lexical
        self._heads = heads
        self.dim = int(members[0]["proj.weight"].shape[1])
        self.size = int(members[0]["gru.weight_hh"].shape[1])

    def initial(self) -> ConversationState:
        """The state before the first message."""
        return ConversationState(np.zeros((len(self._members), self.size), dtype=np.float32))

    def advance(
        self, state: ConversationState, vector: Vector, message: Message, features: Vector
    ) -> ConversationState:
        """The state after one message; `vector` [dim], `features` [WIDTH]. The given state stays as it is."""
        hidden = np.stack([_step(m, h, vector, features) for m, h in zip(self._members, state.hidden, strict=True)])
        if message.role != "contact":
            return replace(state, hidden=hidden)
        linear = self._lexical.by_habit(grams(message.text), features, vector)
        now = tuple(
            float(v) for v in together(self.level_logits(hidden), linear, self._lexical.prior, self._heads.net_share)
        )
        smoothed = smooth(state.smoothed, now, state.turns == 0)
        return ConversationState(hidden, now, state.now, smoothed, state.turns + 1)

    def level_logits(self, hidden: Vector) -> Floats:
        """Centred mean level logits of the GRUs for each habit, float64 [habits, 3]."""
        each = [m["level.weight"] @ h + m["level.bias"] for m, h in zip(self._members, hidden, strict=True)]
        return centred(np.mean(each, axis=0).reshape(-1, 3))

    def sentiment(self, hidden: Vector) -> float:
        """Mean of the ensemble's expected satisfaction with the whole."""
        return float(
            np.mean([m["mean.weight"] @ h + m["mean.bias"] for m, h in zip(self._members, hidden, strict=True)])
        )

    def read(self, state: ConversationState) -> Reading:
        """Calibrated outputs after the last contact message."""
        heads = self._heads
        now = np.asarray(state.now)
        low, mid, high = (float(p) for p in softmax(now / heads.temperature))
        bad = float(sigmoid(heads.dissatisfaction(now)))
        sentiment = self.sentiment(state.hidden)
        inputs = readout(state.now, state.earlier, state.smoothed, sentiment)
        worst, middle, best = (float(p) for p in softmax(heads.whole_weight @ inputs))
        ahead = float(sigmoid(heads.ahead_weight @ inputs))
        return Reading((low, mid, high), bad, ahead, (worst, middle, best), float(np.clip(sentiment, -2, 2)))


def _step(m: Mapping[str, Vector], h: Vector, vector: Vector, features: Vector) -> Vector:
    size = h.shape[0]
    scaled = (features - m["norm.mean"]) * m["norm.scale"]
    x = np.concatenate([np.maximum(m["proj.weight"] @ vector + m["proj.bias"], 0), scaled])
    gi = m["gru.weight_ih"] @ x + m["gru.bias_ih"]
    gh = m["gru.weight_hh"] @ h + m["gru.bias_hh"]
    r = _sigmoid(gi[:size] + gh[:size])
    z = _sigmoid(gi[size : 2 * size] + gh[size : 2 * size])
    n = np.tanh(gi[2 * size :] + r * gh[2 * size :])
    return np.asarray((1 - z) * n + z * h, dtype=np.float32)


def _sigmoid(x: Vector) -> Vector:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float32)
