"""The fusion as it serves: two branches, one learner over both, a calibration. numpy and LightGBM, no torch.

A **fused row** is [history features, history logit, chat row, the text logit's shares by mean, last and reply, text logit]. A side
that is unknown is NaN throughout. The learner is either boosted trees or the gated sum; which one is the training's choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.artefact import parts
from risk.calibration import Curve, logit, sigmoid
from risk.explain import KEPT_TURNS, Move
from risk.fusion.gated import TENSORS, GatedSum, Scaling
from risk.fusion.inputs import CHAT, PARTS, SURFACE, Heard, Projection, Summary, row
from risk.history.features import FEATURES, features
from risk.history.model import NEEDED, HistoryScore
from risk.types import History, ModelFault, Vector

Kind = Literal["trees", "gated"]
KINDS: Final[tuple[Kind, ...]] = ("trees", "gated")
COLUMNS: Final = (*FEATURES, "history_logit", *CHAT, *(f"text_{part}" for part in PARTS), "text_logit")
SPLIT: Final = len(FEATURES) + 1  # where the chat's side of a fused row begins
HEARD: Final = len(COLUMNS) - SPLIT

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Linear:
    """A standardised logistic reader: logit = Σ ((x − mean) · scale) weight + bias."""

    mean: Floats
    scale: Floats
    weight: Floats
    bias: float

    @staticmethod
    def of(tensors: Mapping[str, NDArray[Any]], width: int) -> Linear:
        """From an artefact's parts; raises KeyError or ValueError."""
        mean, scale, weight = (np.asarray(tensors[name], np.float64) for name in ("mean", "scale", "weight"))
        if not mean.shape == scale.shape == weight.shape == (width,):
            raise ValueError(f"a reader of the fusion has another length than {width}")
        return Linear(mean, scale, weight, float(tensors["bias"][0]))

    def tensors(self) -> dict[str, Floats]:
        """What `of` needs."""
        return {"mean": self.mean, "scale": self.scale, "weight": self.weight, "bias": np.array([self.bias])}

    def shares(self, rows: Floats) -> Floats:
        """Each column's share of the logit, float64 [..., width]."""
        return np.asarray((rows - self.mean) * self.scale * self.weight)

    def logits(self, rows: Floats) -> Floats:
        """Logits, float64 [...]."""
        return np.asarray(self.shares(rows).sum(axis=-1) + self.bias)


def text_shares(reader: Linear, wide: Floats) -> Floats:
    """The text branch's logit by where it comes from: mean, last, reply, and the whole logit; float64 [..., 4]."""
    shares = reader.shares(wide)
    size = (shares.shape[-1] - len(CHAT)) // len(PARTS)
    parts = [shares[..., i * size : (i + 1) * size].sum(axis=-1) for i in range(len(PARTS))]
    return np.stack([*parts, shares.sum(axis=-1) + reader.bias], axis=-1)


@dataclass(frozen=True, slots=True)
class ChatMove:
    """A contact message that moved the text branch: the chat's side of the fused row before (None: nothing yet) and after it."""

    seq: int
    change: float
    before: Floats | None
    after: Floats


@dataclass(frozen=True, slots=True)
class Chat:
    """What the fusion remembers of a conversation; bounded."""

    summary: Summary
    heard: Floats | None = None  # the chat's side of the fused row; None before the first contact message
    moves: tuple[ChatMove, ...] = ()


class FusionModel:
    """Churn from history and conversation together. Immutable and thread-safe."""

    def __init__(
        self,
        kind: Kind,
        projection: Projection,
        text: Linear,
        surface: Linear,
        history: lgb.Booster,
        learner: lgb.Booster | GatedSum,
        curve: Curve,
    ) -> None:
        if tuple(history.feature_name()) != FEATURES:
            raise ValueError("the fusion's history branch was trained on other features than this version computes")
        if isinstance(learner, lgb.Booster) and tuple(learner.feature_name()) != COLUMNS:
            raise ValueError("the fusion was trained on other inputs than this version computes")
        self.kind = kind
        self._projection = projection
        self._text = text
        self._surface = surface
        self._history = history
        self._learner = learner
        self._curve = curve

    @staticmethod
    def of(
        kind: str, tensors: Mapping[str, NDArray[Any]], history: str | None, trees: str | None, members: int
    ) -> FusionModel:
        """From an artefact's parts: tensors without their prefix, LightGBM texts. Raises KeyError, ValueError, LightGBM's error."""
        if history is None:
            raise ValueError("the fusion lacks its history branch")
        projection = Projection.of(parts(tensors, "projection."))
        learner: lgb.Booster | GatedSum
        if kind == "trees":
            if trees is None:
                raise ValueError("the fusion lacks its trees")
            learner = lgb.Booster(model_str=trees)
        elif kind == "gated":
            scale = parts(tensors, "scaling.")
            scaling = Scaling(np.asarray(scale["mean"], np.float64), np.asarray(scale["scale"], np.float64), SPLIT)
            if not scaling.mean.shape == scaling.scale.shape == (len(COLUMNS),):
                raise ValueError("the fusion's scaling has another length than its inputs")
            learner = GatedSum([parts(tensors, f"gated.{m}.") for m in range(members)], scaling)
        else:
            raise ValueError(f"unknown kind of fusion {kind!r}")
        width = 3 * projection.basis.shape[0] + len(CHAT)
        return FusionModel(
            "trees" if kind == "trees" else "gated",
            projection,
            Linear.of(parts(tensors, "text."), width),
            Linear.of(parts(tensors, "surface."), SURFACE.stop - SURFACE.start),
            lgb.Booster(model_str=history),
            learner,
            Curve.of(parts(tensors, "curve.")),
        )

    @property
    def dim(self) -> int:
        """Length of the message vectors it expects."""
        return int(self._projection.basis.shape[1])

    def initial(self) -> Chat:
        """Before the first message."""
        return Chat(Summary.empty(self._projection.basis.shape[0]))

    def reply(self, chat: Chat, vector: Vector) -> Chat:
        """After a bot's or an agent's message; `vector` [dim]."""
        return replace(chat, summary=chat.summary.replied(self._projection.vector(vector)))

    def said(self, chat: Chat, vector: Vector, features: Vector, state: Heard, seq: int) -> Chat:
        """After a contact message with its turn features and the state that the conversation model reached."""
        summary = chat.summary.said(self._projection.vector(vector), state.reading.dissatisfaction)
        seen = row(state, features, self._projection.hidden(state.conversation.hidden.reshape(-1)), summary.peak)
        heard = np.concatenate([seen, text_shares(self._text, summary.wide(seen))])
        before = self._text.bias if chat.heard is None else float(chat.heard[-1])
        move = ChatMove(seq, float(heard[-1]) - before, chat.heard, heard)
        kept = sorted([*chat.moves, move], key=lambda m: (-abs(m.change), m.seq))[:KEPT_TURNS]
        return Chat(summary, heard, tuple(sorted(kept, key=lambda m: m.seq)))

    def alone(self, chat: Chat, history: History | None, as_of: int) -> dict[str, float]:
        """What each side says by itself after a contact message: `text`, `history` and `surface` as logits, `recency` in days.

        Of somebody without purchases `history` and `recency` are NaN.
        """
        if chat.heard is None:
            raise ModelFault("nothing was said yet")
        past = features(history if history is not None else History(), as_of)
        recency = float(past[FEATURES.index(NEEDED)])
        own = np.nan if np.isnan(recency) else self._history.predict(past[None, :], raw_score=True, num_threads=1)[0]
        surface = float(self._surface.logits(chat.heard[SURFACE]))
        return {"text": float(chat.heard[-1]), "history": float(own), "surface": surface, "recency": recency}

    def score(self, chat: Chat, history: History | None, as_of: int) -> tuple[HistoryScore, list[Move]]:
        """The fused score with its history drivers in logits, and the moves of the turns under this very history.

        History's shares are SHAP values of the trees; the share of the history branch's own logit is spread over the features
        as its trees say. The gated sum has no SHAP values: what history moves as a whole is spread likewise.
        """
        past = features(history if history is not None else History(), as_of)
        values = {name: None if np.isnan(v) else float(v) for name, v in zip(FEATURES, past, strict=True)}
        known = values[NEEDED] is not None
        side = np.full(SPLIT, np.nan)
        own = np.zeros(len(FEATURES))
        if known:
            shap = np.asarray(self._history.predict(past[None, :], pred_contrib=True, num_threads=1), np.float64)[0]
            own, side[:-1], side[-1] = shap[:-1], past, shap.sum()
        heard = np.full(HEARD, np.nan) if chat.heard is None else chat.heard
        now = np.concatenate([side, heard])
        nobody = np.concatenate([np.full(SPLIT, np.nan), heard])
        nothing = np.full(HEARD, np.nan)
        around = [np.concatenate([side, nothing if m.before is None else m.before]) for m in chat.moves]
        around += [np.concatenate([side, m.after]) for m in chat.moves]
        logits = self.logits(np.stack([now, nobody, *around]))
        count = len(chat.moves)
        moved = logits[2 + count :] - logits[2 : 2 + count]
        raw = float(sigmoid(logits[0]))
        churn, low, high = self._curve.apply(raw)
        shares = self._history_shares(now, own, float(logits[0] - logits[1])) if known else np.zeros(len(FEATURES))
        score = HistoryScore(raw, churn, low, high, values, shares, known)
        return score, [Move(m.seq, float(change)) for m, change in zip(chat.moves, moved, strict=True)]

    def logits(self, rows: Floats) -> Floats:
        """Uncalibrated logits of fused rows [n, len(COLUMNS)], float64 [n]."""
        if isinstance(self._learner, GatedSum):
            return self._learner.logits(rows)
        return logit(np.asarray(self._learner.predict(rows, num_threads=1), np.float64))

    def _history_shares(self, now: Floats, own: Floats, whole: float) -> Floats:
        weight = own / max(float(np.abs(own).sum()), 1e-9)
        if isinstance(self._learner, GatedSum):
            return np.asarray(abs(whole) * weight)
        shap = np.asarray(self._learner.predict(now[None, :], pred_contrib=True, num_threads=1), np.float64)[0]
        return np.asarray(shap[: SPLIT - 1] + abs(shap[SPLIT - 1]) * weight)


def gated_tensors(members: list[dict[str, Floats]], scaling: Scaling) -> dict[str, Floats]:
    """A gated sum as an artefact's tensors."""
    found = {"scaling.mean": scaling.mean, "scaling.scale": scaling.scale}
    for m, member in enumerate(members):
        found |= {f"gated.{m}.{name}": member[name] for name in TENSORS}
    return found
