"""The champion as it serves: one step a message, one score when it is asked for. numpy and LightGBM, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.artefact import FUSION_HISTORY, FUSION_TREES, Artefact, parts
from risk.bands import Bands
from risk.calibration import Curve, logit
from risk.cold_start import ColdStart
from risk.conversation.floors import Floors
from risk.conversation.lexical import Lexical
from risk.conversation.step import ConversationModel, ConversationState, Heads, Reading
from risk.cues import asks_for_human, leaving, normalise
from risk.errors import ArtefactRefused
from risk.explain import Move, history_drivers, remember, turn_drivers
from risk.fusion.model import Chat, FusionModel
from risk.history.model import HistoryModel
from risk.reason_words import REASONS
from risk.reasons import ReasonHead, above_threshold
from risk.text import TextState, observe
from risk.types import History, Message, ModelFault, RiskScore, Vector


@dataclass(frozen=True, slots=True)
class ServedState:
    """A conversation so far, a few kB. Drivers name a turn by its `seq`: the message's number in the calls of `advance`, from 1."""

    text: TextState
    conversation: ConversationState
    seq: int
    reading: Reading
    smoothed: float  # dissatisfaction, newest turns weigh most
    leaving: float
    human: float
    repeats: float
    reasons: tuple[float, ...]
    shift: float
    moves: tuple[Move, ...]
    chat: Chat | None = None  # what the fusion remembers, where the model has one


class ChampionScorer:
    """Implements `risk.types.Scorer`. Immutable after construction, so any number of threads may share it."""

    def __init__(
        self,
        version: str,
        encoder: str,
        conversation: ConversationModel,
        history: HistoryModel,
        reasons: ReasonHead,
        cold_start: ColdStart,
        bands: Bands,
        fusion: FusionModel | None = None,
    ) -> None:
        self._version = version
        self._encoder = encoder
        self._conversation = conversation
        self._history = history
        self._reasons = reasons
        self._cold = cold_start
        self._bands = bands
        self._fusion = fusion

    @classmethod
    def from_artefact(cls, artefact: Artefact, bands: Bands) -> ChampionScorer:
        """Build from a checked artefact; raises `ArtefactRefused` when its parts do not fit together."""
        try:
            s, t = artefact.settings, artefact.tensors
            members = [parts(t, f"conversation.{m}.") for m in range(int(s["members"]))]
            lexical = Lexical.build(artefact.lexicon, parts(t, "lexical."))
            conversation = ConversationModel(members, lexical, heads_of(s["heads"], parts(t, "heads.")))
            curve = Curve.of(parts(t, "history."))
            interval = (float(s["base_interval"][0]), float(s["base_interval"][1]))
            history = HistoryModel(artefact.history, curve, float(s["base_rate"]), interval)
            reasons = ReasonHead(t["reasons.weight"], t["reasons.bias"])
            if reasons.weight.shape != (len(REASONS), conversation.dim):
                raise ValueError("the reason heads have another shape than the encoder's vectors")
            cold = ColdStart.from_json(s["cold_start"])
            fusion = _fusion_of(artefact)
            if fusion is not None and fusion.dim != conversation.dim:
                raise ValueError("the fusion reads vectors of another length than the conversation model")
        except (KeyError, ValueError, TypeError, IndexError, OSError) as broken:
            raise ArtefactRefused(f"the model's parts do not fit together: {broken}") from broken
        except Exception as broken:  # LightGBM's own error has no public base of its own
            if type(broken).__module__.startswith("lightgbm"):
                raise ArtefactRefused(f"a model of trees cannot be parsed: {broken}") from broken
            raise
        return cls(artefact.version, artefact.encoder, conversation, history, reasons, cold, bands, fusion)

    @property
    def version(self) -> str:
        """`<name>-<first 12 of its hash>`."""
        return self._version

    @property
    def encoder_fingerprint(self) -> str:
        """The encoder whose vectors `advance` expects."""
        return self._encoder

    @property
    def dim(self) -> int:
        """Length of the vectors that `advance` expects."""
        return self._conversation.dim

    @property
    def has_fusion(self) -> bool:
        """Whether history and conversation meet as learnt, not by the priors of the cold start."""
        return self._fusion is not None

    @property
    def bands(self) -> Bands:
        """The thresholds in use."""
        return self._bands

    def initial(self) -> ServedState:
        """The state of an empty conversation: it shifts nothing."""
        base = self._cold.base
        levels = (base, (1 - base) / 2, (1 - base) / 2)
        reading = Reading(levels, base, base, levels, 0.0)
        none = (0.0,) * len(REASONS)
        chat = None if self._fusion is None else self._fusion.initial()
        return ServedState(
            TextState(), self._conversation.initial(), 0, reading, base, 0.0, 0.0, 0.0, none, 0.0, (), chat
        )

    def advance(self, state: Any, vector: Vector, message: Message) -> ServedState:
        """The state after one message. Raises `ModelFault` on a vector that is not finite or of another length."""
        if not isinstance(state, ServedState):
            raise ModelFault("the state is not one of this model's")
        v = np.asarray(vector, dtype=np.float32).reshape(-1)
        if v.shape != (self._conversation.dim,) or not np.isfinite(v).all():
            raise ModelFault(f"the vector must be {self._conversation.dim} finite numbers")
        text, features = observe(state.text, message)
        conversation = self._conversation.advance(state.conversation, v, message, features)
        seq = state.seq + 1
        if message.role != "contact":
            chat = None if self._fusion is None or state.chat is None else self._fusion.reply(state.chat, v)
            return replace(state, text=text, conversation=conversation, seq=seq, chat=chat)
        clean = normalise(message.text)
        reading = self._conversation.read(conversation)
        c = self._cold
        smoothed = c.smoothing * reading.dissatisfaction + (1 - c.smoothing) * state.smoothed
        direction = leaving(clean)
        left = float(direction) if direction else c.fade * state.leaving
        human = 1.0 if asks_for_human(clean) else c.fade * state.human
        shift = c.shift(smoothed, left, human)
        after = ServedState(
            text=text,
            conversation=conversation,
            seq=seq,
            reading=reading,
            smoothed=smoothed,
            leaving=left,
            human=human,
            repeats=math.log1p(text.repeats),
            reasons=self._reasons.together(state.reasons, self._reasons.turn(v, message.text)),
            shift=shift,
            moves=remember(state.moves, Move(seq, shift - state.shift)),
        )
        if self._fusion is None or state.chat is None:
            return after
        return replace(after, chat=self._fusion.said(state.chat, v, features, after, seq))

    def alone(self, state: ServedState, history: History | None, as_of: int) -> dict[str, float]:
        """What each side of a fusion says by itself, see `FusionModel.alone`, and `cold_start`, the logit of churn without it.

        Raises `ModelFault` when the model has no fusion.
        """
        if self._fusion is None or state.chat is None:
            raise ModelFault("the model has no fusion")
        past = self._history.score(history, as_of)
        cold = self._cold.combine(past.churn, past.low, past.high, state.shift)[0]
        return {**self._fusion.alone(state.chat, history, as_of), "cold_start": float(logit(cold))}

    def score(self, state: Any, history: History | None, as_of: int) -> RiskScore:
        """The score after the last contact message. How both branches meet: `risk.fusion.model` where the model has learnt it,
        `risk.cold_start` where it has not."""
        if not isinstance(state, ServedState):
            raise ModelFault("the state is not one of this model's")
        versions = {"model": self._version, "bands": self._bands.version, "encoder": self._encoder}
        if self._fusion is not None and state.chat is not None:
            past, moves = self._fusion.score(state.chat, history, as_of)
            churn, low, high, raw = past.churn, past.low, past.high, past.raw
            versions["fusion"] = self._fusion.kind
        else:
            past, moves = self._history.score(history, as_of), list(state.moves)
            churn, low, high = self._cold.combine(past.churn, past.low, past.high, state.shift)
            raw, _, _ = self._cold.combine(past.raw, past.raw, past.raw, state.shift)
        result = RiskScore(
            churn=churn,
            churn_raw=raw,
            low=low,
            high=high,
            dissatisfaction=state.reading.dissatisfaction,
            need_human=self._cold.need_human(state.smoothed, state.human, state.repeats),
            band=self._bands.of(churn),
            reasons=above_threshold(state.reasons),
            drivers=tuple(turn_drivers(moves, float(logit(churn))) + history_drivers(past, float(logit(churn)))),
            features=past.values,
            versions=versions,
            cold_start=self._fusion is None,
        )
        return checked(result)


def _fusion_of(artefact: Artefact) -> FusionModel | None:
    """The fusion of an artefact, if it has one; raises KeyError, ValueError or LightGBM's error when its parts do not fit."""
    settings = artefact.settings.get("fusion")
    if settings is None:
        return None
    files = artefact.fusion
    return FusionModel.of(
        settings["kind"],
        parts(artefact.tensors, "fusion."),
        files.get(FUSION_HISTORY),
        files.get(FUSION_TREES),
        int(settings["members"]),
    )


def heads_of(settings: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Heads:
    """The calibration and the readouts from an artefact's parts."""
    a, b, c = (float(value) for value in settings["beta"])
    return Heads(
        temperature=float(settings["temperature"]),
        ratio=float(settings["ratio"]),
        beta=(a, b, c),
        ahead_weight=np.asarray(tensors["ahead_weight"], dtype=np.float64),
        whole_weight=np.asarray(tensors["whole_weight"], dtype=np.float64),
        net_share=float(settings["net_share"]),
    )


def floors_of(artefact: Artefact) -> Floors:
    """The floors that were trained with a model; raises `ArtefactRefused` when their parts do not fit together."""
    try:
        return Floors.of(artefact.lexicon, parts(artefact.tensors, "floor."))
    except (KeyError, ValueError) as broken:
        raise ArtefactRefused(f"the model's floors cannot be read: {broken}") from broken


def checked(score: RiskScore) -> RiskScore:
    """The score itself; raises `ModelFault` when any number in it is not finite or not a probability."""
    probabilities = [score.churn, score.churn_raw, score.low, score.high, score.dissatisfaction, score.need_human]
    probabilities += [p for _, p in score.reasons]
    if not all(math.isfinite(p) and 0 <= p <= 1 for p in probabilities):
        raise ModelFault("a probability of the score is not finite or lies outside 0..1")
    if not score.low <= score.churn <= score.high:
        raise ModelFault("the score lies outside its own interval")
    if not all(math.isfinite(d.effect) for d in score.drivers):
        raise ModelFault("a driver of the score is not finite")
    if not all(v is None or math.isfinite(v) for v in score.features.values()):
        raise ModelFault("a history feature of the score is not finite")
    return score
