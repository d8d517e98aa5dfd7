"""Training of the conversation model: both readers, their check out of fold, calibration, the final ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from risk.calibration import fit_beta, softmax, temperature
from risk.conversation import lexical
from risk.conversation.anchors import ANCHORS
from risk.conversation.data import DISSATISFIED, NEUTRAL, SATISFIED, Conversation, folds
from risk.conversation.fit import EPOCHS, WARM_UP, Encoded, fit
from risk.conversation.floors import Floors, fit_floors
from risk.conversation.lexical import Lexical
from risk.conversation.net import Net, export
from risk.conversation.readings import Readings, measure, targets
from risk.conversation.step import READOUT, Heads, readout, smooth
from risk.early_warning import thresholds
from risk.text import TextState, observe
from risk.types import Message, Vector

FOLDS = 5
FOLD_MEMBERS = 2  # networks a fold: the final ensemble is a little better than what is measured
MEMBERS = 3
ANCHOR_WEIGHT = 0.3

Progress = Callable[[int, int], None]
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A conversation ready for both readers."""

    conversation: Conversation
    vectors: Vector  # [t, d]
    features: Vector  # [t, WIDTH]
    turns: list[lexical.Turn | None]  # what the linear reader sees at each message; None at replies
    weight: float = 1.0

    def read(self, model: Lexical) -> Vector:
        """The linear reader's logits at each message, float32 [t, 3]; 0 at replies."""
        found = np.zeros((len(self.turns), 3), np.float32)
        for i, turn in enumerate(self.turns):
            if turn is not None:
                found[i] = model.logits(turn.grams, turn.features)
        return found

    def encoded(self) -> Encoded:
        """Arrays for the recurrent reader."""
        c = self.conversation
        levels = np.array([-1 if level is None else level for level in c.levels], dtype=np.int64)
        mean = float("nan") if c.mean is None else c.mean
        return Encoded(self.vectors, self.features, levels, mean, self.weight)


def prepare(conversation: Conversation, lookup: Mapping[str, Vector], weight: float = 1.0) -> Prepared:
    """One conversation as arrays; `lookup` holds a vector for each of its texts."""
    state, rows = TextState(), []
    for message in conversation.messages:
        state, features = observe(state, message)
        rows.append(features)
    turns = [
        lexical.Turn(message.text, features, -1 if level is None else level, weight)
        if message.role == "contact"
        else None
        for message, features, level in zip(conversation.messages, rows, conversation.levels, strict=True)
    ]
    vectors = np.stack([lookup[m.text] for m in conversation.messages])
    return Prepared(conversation, vectors, np.stack(rows), turns, weight)


def labelled_turns(rows: Sequence[Prepared]) -> list[lexical.Turn]:
    """The turns that the linear reader learns from."""
    return [t for r in rows for t in r.turns if t is not None and t.level >= 0]


def anchors() -> list[Conversation]:
    """The hand-written anchors as conversations of one message."""
    texts = [(level, language, text) for level, en, zh in ANCHORS for language, text in (("en", en), ("zh", zh))]
    return [
        Conversation(f"anchor-{i}", lang, (Message("contact", text),), (level,))
        for i, (level, lang, text) in enumerate(texts)
    ]


def fit_readers(rows: Sequence[Prepared], seeds: Sequence[int], tick: Tick) -> tuple[Lexical, list[Net]]:
    """Both readers from the same rows: one linear, and a recurrent one for each seed."""
    linear = lexical.fit(labelled_turns(rows))
    tick()
    encoded = [r.encoded() for r in rows]
    return linear, [fit(encoded, seed, tick) for seed in seeds]


def predict(model: Lexical, nets: Sequence[Net], row: Prepared) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """After each message: centred level logits of both readers together [t, 3], and the sentiment [t]."""
    vectors, features = torch.from_numpy(row.vectors)[None], torch.from_numpy(row.features)[None]
    with torch.no_grad():
        outs = [net(vectors, features) for net in nets]
    levels = np.asarray(np.mean([o[0][0].numpy() for o in outs], axis=0), dtype=np.float64)
    levels -= levels.mean(axis=1, keepdims=True)
    sentiment = np.asarray(np.mean([o[1][0].numpy() for o in outs], axis=0), dtype=np.float64)
    return (levels + row.read(model)) / 2, sentiment


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """For every contact turn of a conversation with labels: what readers say that have not seen the conversation."""

    inputs: NDArray[np.float64]  # [n, READOUT + 1]: logits now, earlier, smoothed, sentiment, 1
    level: NDArray[np.int64]  # −1 where nobody labelled the turn
    ahead: NDArray[np.int64]  # −1 where nothing follows
    whole: NDArray[np.int64]  # the label of the whole at its last turn, else −1
    group: NDArray[np.int64]


def out_of_fold(rows: Sequence[Prepared], extra: Sequence[Prepared], seed: int, tick: Tick) -> OutOfFold:
    """Cross-validation by conversation. `extra` rows (anchors) are always in training, never measured."""
    fold = folds([r.conversation for r in rows], FOLDS, seed)
    inputs, labels = [], []
    for k in range(FOLDS):
        learnt = [r for r, f in zip(rows, fold, strict=True) if f != k] + list(extra)
        model, nets = fit_readers(learnt, [seed + k + 50 * m for m in range(FOLD_MEMBERS)], tick)
        for number, (row, f) in enumerate(zip(rows, fold, strict=True)):
            if f != k or all(level is None for level in row.conversation.levels):
                continue
            logits, sentiment = predict(model, nets, row)
            wanted = targets(row.conversation)
            earlier: tuple[float, ...] = (0.0, 0.0, 0.0)
            smoothed: tuple[float, ...] = (0.0, 0.0, 0.0)
            for turn, i in enumerate(i for i, m in enumerate(row.conversation.messages) if m.role == "contact"):
                now = tuple(logits[i].tolist())
                smoothed = smooth(smoothed, now, turn == 0)
                inputs.append(readout(now, earlier, smoothed, float(sentiment[i])))
                labels.append((*wanted[i], number))
                earlier = now
    level, ahead, whole, group = np.array(labels, dtype=np.int64).T
    return OutOfFold(np.stack(inputs), level, ahead, whole, group)


def _readout_weights(x: NDArray[np.float64], y: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Strongly regularised logistic readout, [classes, READOUT + 1]; for two classes one row."""
    from sklearn.linear_model import LogisticRegression

    rows = 1 if classes == 2 else classes
    weight = np.zeros((rows, READOUT + 1))
    present = np.unique(y)
    if len(present) < classes:  # a class that nobody gave: the prior alone, smoothed
        prior = (np.bincount(y, minlength=classes) + 1) / (len(y) + classes)
        weight[:, -1] = np.log(prior) if classes > 2 else np.log(prior[1] / prior[0])
        return weight
    mean, scale = x[:, :-1].mean(0), x[:, :-1].std(0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=500).fit((x[:, :-1] - mean) / scale, y)
    weight[:, :-1] = model.coef_ / scale
    weight[:, -1] = model.intercept_ - model.coef_ @ (mean / scale)
    return weight


def fit_heads(oof: OutOfFold, keep: NDArray[np.bool_] | None = None) -> Heads:
    """Calibration and readouts from the predictions out of fold; `keep` leaves rows out, for nested measurement."""
    use = np.ones(len(oof.level), bool) if keep is None else keep
    known = use & (oof.level >= 0)
    logits, level = oof.inputs[known, :3], oof.level[known]
    neutral, satisfied = (max(1, int((level == c).sum())) for c in (NEUTRAL, SATISFIED))
    plain = Heads(
        temperature(logits, level),
        neutral / satisfied,
        (1.0, 1.0, 0.0),
        np.zeros(READOUT + 1),
        np.zeros((3, READOUT + 1)),
    )
    beta = fit_beta(plain.bad_score(logits), (level == DISSATISFIED).astype(float))
    ahead, whole = use & (oof.ahead >= 0), use & (oof.whole >= 0)
    none = np.zeros((3, READOUT + 1))
    return Heads(
        temperature=plain.temperature,
        ratio=plain.ratio,
        beta=beta,
        ahead_weight=_readout_weights(oof.inputs[ahead], oof.ahead[ahead], 2)[0] if ahead.any() else none[0],
        whole_weight=_readout_weights(oof.inputs[whole], oof.whole[whole], 3) if whole.any() else none,
    )


def read_out(oof: OutOfFold, seed: int) -> Readings:
    """Readings out of fold of the readers, with heads that have not seen the conversation either (nested)."""
    fold = np.random.default_rng(seed).permutation(int(oof.group.max()) + 1) % FOLDS
    n = len(oof.level)
    levels, bad, ahead, whole = np.zeros((n, 3)), np.zeros(n), np.zeros(n), np.zeros((n, 3))
    for k in range(FOLDS):
        part = fold[oof.group] == k
        heads = fit_heads(oof, ~part)
        x = oof.inputs[part]
        levels[part] = softmax(x[:, :3] / heads.temperature)
        bad[part] = heads.dissatisfaction(x[:, :3])
        ahead[part] = x @ heads.ahead_weight
        whole[part] = softmax(x @ heads.whole_weight.T)
    return Readings.of_logits(levels, bad, ahead, whole, oof.level, oof.ahead, oof.whole, oof.group)


@dataclass(frozen=True, slots=True)
class TrainedConversation:
    """A trained ensemble, its calibration, and its figures out of fold."""

    lexical: Lexical
    members: list[dict[str, Vector]]
    heads: Heads
    floors: Floors
    alarms: dict[str, float]  # θ_α for early warning, from the readings out of fold
    base: float  # mean probability of dissatisfaction over labelled turns
    metrics: dict[str, Any]
    description: dict[str, Any]


def cross_validate(
    conversations: Sequence[Conversation], lookup: Mapping[str, Vector], seed: int, progress: Progress | None = None
) -> tuple[OutOfFold, Readings]:
    """Predictions and readings out of fold, without the final fit."""
    torch.set_num_threads(1)
    rows = [prepare(c, lookup) for c in conversations if c.messages]
    extra = [prepare(c, lookup, ANCHOR_WEIGHT) for c in anchors()]
    oof = out_of_fold(rows, extra, seed, _ticker(FOLDS, FOLD_MEMBERS, rows, progress))
    return oof, read_out(oof, seed)


def _ticker(fits: int, nets: int, rows: Sequence[Prepared], progress: Progress | None) -> Tick:
    staged = any(r.conversation.mean is not None for r in rows)
    total = fits * (1 + nets * (EPOCHS + (WARM_UP if staged else 0)))
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return tick


def train(
    conversations: Sequence[Conversation], lookup: Mapping[str, Vector], seed: int, progress: Progress | None = None
) -> TrainedConversation:
    """Cross-validate, then fit the readers on everything. `lookup` must hold the anchors' texts too."""
    oof, readings = cross_validate(conversations, lookup, seed, progress)
    rows = [prepare(c, lookup) for c in conversations if c.messages]
    extra = [prepare(c, lookup, ANCHOR_WEIGHT) for c in anchors()]
    seeds = [seed + 100 + m for m in range(MEMBERS)]
    linear, nets = fit_readers(rows + extra, seeds, _ticker(1, MEMBERS, rows, progress))
    labelled = oof.level >= 0
    return TrainedConversation(
        lexical=linear,
        members=[export(net) for net in nets],
        heads=fit_heads(oof),
        floors=fit_floors(labelled_turns(rows + extra), [c.level for c in conversations if c.level is not None]),
        alarms=thresholds(readings, seed),
        base=float((oof.level[labelled] == DISSATISFIED).mean()),
        metrics={**measure(readings, seed=seed), "turns_only": measure(readings.turns_only(), seed=seed)},
        description={
            "conversations": len(conversations),
            "labelled_turns": int(labelled.sum()),
            "closing_ratings": int((oof.whole >= 0).sum()),
            "languages": sorted({c.language for c in conversations}),
            "split": f"{FOLDS} folds by conversation (clones and translations of one original together); "
            f"an ensemble of {MEMBERS} is then fitted on all",
        },
    )
