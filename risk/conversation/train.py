"""Training of the conversation model: what to learn from, the loop, the check out of fold, the final ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the usual name)

from risk.calibration import sigmoid, softmax, temperature
from risk.conversation.anchors import ANCHORS
from risk.conversation.data import DISSATISFIED, Conversation, folds, upcoming
from risk.conversation.net import Net, export
from risk.metrics import accuracy, auc, average_precision, bootstrap, calibration_error, macro_f1
from risk.text import WIDTH, TextState, observe
from risk.types import Message, Vector

FOLDS = 5
MEMBERS = 3
WARM_UP = 4  # epochs on everything with the whole-conversation label only
EPOCHS = 12
BATCH = 16
RATE = 2e-3
DECAY = 1e-2
MEAN_WEIGHT, AHEAD_WEIGHT, ANCHOR_WEIGHT = 0.3, 0.4, 0.3

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as arrays: vectors [t, d], turn features [t, WIDTH], labels with −1 (or NaN) where there is none."""

    vectors: Vector
    features: Vector
    levels: NDArray[np.int64]
    ahead: NDArray[np.int64]
    mean: float
    weight: float = 1.0


def encode(conversation: Conversation, lookup: Mapping[str, Vector], weight: float = 1.0) -> Encoded:
    """One conversation as arrays; `lookup` holds a vector for each of its texts."""
    state = TextState()
    rows = []
    for message in conversation.messages:
        state, features = observe(state, message)
        rows.append(features)
    ahead = [-1 if a is None else int(a) for a in upcoming(conversation.levels)]
    levels = [-1 if level is None else level for level in conversation.levels]
    dim = len(next(iter(lookup.values())))
    return Encoded(
        vectors=np.stack([lookup[m.text] for m in conversation.messages]) if rows else np.zeros((0, dim), np.float32),
        features=np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32),
        levels=np.array(levels, dtype=np.int64),
        ahead=np.array(ahead, dtype=np.int64),
        mean=float("nan") if conversation.mean is None else conversation.mean,
        weight=weight,
    )


def anchors() -> list[Conversation]:
    """The hand-written anchors as conversations of one message."""
    texts = [(level, language, text) for level, en, zh in ANCHORS for language, text in (("en", en), ("zh", zh))]
    return [
        Conversation(f"anchor-{i}", lang, (Message("contact", text),), (level,))
        for i, (level, lang, text) in enumerate(texts)
    ]


def _padded(rows: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    longest = max(len(r.levels) for r in rows)
    dim = rows[0].vectors.shape[1]
    vectors = np.zeros((len(rows), longest, dim), np.float32)
    features = np.zeros((len(rows), longest, WIDTH), np.float32)
    levels = np.full((len(rows), longest), -1, np.int64)
    ahead = np.full((len(rows), longest), -1, np.int64)
    means = np.full((len(rows), longest), np.nan, np.float32)
    for i, row in enumerate(rows):
        n = len(row.levels)
        vectors[i, :n], features[i, :n], levels[i, :n], ahead[i, :n] = row.vectors, row.features, row.levels, row.ahead
        means[i, n - 1] = row.mean
    weights = np.array([r.weight for r in rows], np.float32)
    return tuple(torch.from_numpy(a) for a in (vectors, features, levels, ahead, means, weights))  # type: ignore[return-value]


def _loss(net: Net, rows: Sequence[Encoded]) -> Tensor:
    """Masked: a row teaches the heads it has labels for, so that partly labelled conversations train too."""
    vectors, features, levels, ahead, means, weights = _padded(rows)
    level_logits, ahead_logits, mean_values = net(vectors, features)
    each = weights[:, None].expand_as(levels)
    total: Tensor = level_logits.sum() * 0.0
    known = levels >= 0
    if known.any():
        loss = F.cross_entropy(level_logits[known], levels[known], reduction="none", label_smoothing=0.05)
        total = total + (loss * each[known]).mean()
    known = ahead >= 0
    if known.any():
        total = total + AHEAD_WEIGHT * F.binary_cross_entropy_with_logits(ahead_logits[known], ahead[known].float())
    known = ~torch.isnan(means)
    if known.any():
        total = total + MEAN_WEIGHT * F.mse_loss(mean_values[known], means[known])
    return total


def fit(rows: Sequence[Encoded], seed: int, tick: Callable[[], None] | None = None) -> Net:
    """One seeded network. First the rows that only have a label of the whole, then all of them."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    usable = [r for r in rows if len(r.levels)]
    stacked = np.concatenate([r.features for r in usable])
    mean = stacked.mean(0).astype(np.float32)
    scale = (1 / np.maximum(stacked.std(0), 0.05)).astype(np.float32)
    net = Net(usable[0].vectors.shape[1], mean, scale)
    labelled = [r for r in usable if (r.levels >= 0).any()]
    whole = [r for r in usable if not (r.levels >= 0).any() and not np.isnan(r.mean)]
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    plan = [(whole, WARM_UP, 4 * BATCH), (labelled, EPOCHS, BATCH)] if whole else [(labelled, EPOCHS, BATCH)]
    total = sum(epochs * -(-len(part) // size) for part, epochs, size in plan if part)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=max(total, 1), pct_start=0.15)
    net.train()
    for part, epochs, size in plan:
        for _ in range(epochs):
            order = rng.permutation(len(part))
            for start in range(0, len(part), size):
                chosen = [part[i] for i in order[start : start + size]]
                # a little of the other kind keeps the head of the whole alive
                if part is labelled and whole:
                    chosen += [whole[i] for i in rng.integers(0, len(whole), BATCH)]
                loss = _loss(net, chosen)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
                schedule.step()
            if tick is not None:
                tick()
    net.eval()
    return net


def predict(nets: Sequence[Net], row: Encoded) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ensemble mean logits after each message: levels [t, 3] and ahead [t]."""
    with torch.no_grad():
        outs = [net(torch.from_numpy(row.vectors)[None], torch.from_numpy(row.features)[None]) for net in nets]
    levels = np.asarray(np.mean([o[0][0].numpy() for o in outs], axis=0), dtype=np.float64)
    ahead = np.asarray(np.mean([o[1][0].numpy() for o in outs], axis=0), dtype=np.float64)
    return levels, ahead


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions for every labelled turn by networks that have not seen its conversation."""

    logits: NDArray[np.float64]  # [n, 3]
    levels: NDArray[np.int64]
    ahead_logits: NDArray[np.float64]
    ahead: NDArray[np.int64]  # −1 where there is nothing after
    group: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainedConversation:
    """A trained ensemble, its calibration, and its figures out of fold."""

    members: list[dict[str, Vector]]
    temperature: float
    ahead_scale: tuple[float, float]
    base: float  # mean probability of dissatisfaction over labelled turns
    metrics: dict[str, Any]
    description: dict[str, Any]


def out_of_fold(
    conversations: Sequence[Conversation],
    rows: Sequence[Encoded],
    extra: Sequence[Encoded],
    seed: int,
    tick: Callable[[], None] | None,
) -> OutOfFold:
    """Cross-validation by conversation. `extra` rows (anchors) are always in training, never measured."""
    fold = folds(conversations, FOLDS, seed)
    parts: list[tuple[NDArray[Any], ...]] = []
    for k in range(FOLDS):
        net = fit([r for r, f in zip(rows, fold, strict=True) if f != k] + list(extra), seed + k, tick)
        for i, (row, f) in enumerate(zip(rows, fold, strict=True)):
            known = row.levels >= 0
            if f == k and known.any():
                levels, ahead = predict([net], row)
                parts.append(
                    (levels[known], row.levels[known], ahead[known], row.ahead[known], np.full(known.sum(), i))
                )
    return OutOfFold(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def figures(oof: OutOfFold, temp: float, seed: int) -> dict[str, Any]:
    """The measured table of out-of-fold predictions, each figure with a 95 % interval over conversations."""
    p = softmax(oof.logits / temp)
    bad = (oof.levels == DISSATISFIED).astype(float)
    guess = p.argmax(1)
    known = oof.ahead >= 0

    def of(measure: Callable[[NDArray[np.int64]], float]) -> dict[str, float | None]:
        return bootstrap(measure, oof.group, seed=seed).as_json()

    return {
        "n": len(bad),
        "accuracy": of(lambda i: accuracy(guess[i], oof.levels[i])),
        "macro_f1": of(lambda i: macro_f1(guess[i], oof.levels[i])),
        "dissatisfied_auc": of(lambda i: auc(p[i, 0], bad[i])),
        "dissatisfied_ap": of(lambda i: average_precision(p[i, 0], bad[i])),
        "forecast_auc": of(lambda i: auc(oof.ahead_logits[i][known[i]], oof.ahead[i][known[i]])),
        "ece": of(lambda i: calibration_error(p[i, 0], bad[i])),
    }


def platt(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of σ(slope·x + offset) by Newton's method on the log loss (Platt, 1999), lightly regularised."""
    w = np.array([1.0, 0.0])
    x = np.stack([logits, np.ones_like(logits)], axis=1)
    for _ in range(30):
        p = sigmoid(x @ w)
        gradient = x.T @ (p - labels) + 1e-3 * w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + 1e-3 * np.eye(2)
        w = w - np.linalg.solve(hessian, gradient)
    return float(w[0]), float(w[1])


def train(
    conversations: Sequence[Conversation], lookup: Mapping[str, Vector], seed: int, progress: Progress | None = None
) -> TrainedConversation:
    """Cross-validate, then fit the ensemble on everything. `lookup` must hold the anchors' texts too."""
    torch.set_num_threads(1)
    rows = [encode(c, lookup) for c in conversations]
    extra = [encode(c, lookup, ANCHOR_WEIGHT) for c in anchors()]
    staged = any(not np.isnan(r.mean) for r in rows)
    total = (FOLDS + MEMBERS) * (EPOCHS + (WARM_UP if staged else 0))
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    oof = out_of_fold(conversations, rows, extra, seed, tick)
    temp = temperature(oof.logits, oof.levels)
    known = oof.ahead >= 0
    nets = [fit(rows + extra, seed + 100 + m, tick) for m in range(MEMBERS)]
    return TrainedConversation(
        members=[export(net) for net in nets],
        temperature=temp,
        ahead_scale=platt(oof.ahead_logits[known], oof.ahead[known].astype(float)),
        base=float(softmax(oof.logits / temp)[:, DISSATISFIED].mean()),
        metrics=figures(oof, temp, seed),
        description={
            "conversations": len(conversations),
            "labelled_turns": len(oof.levels),
            "languages": sorted({c.language for c in conversations}),
            "split": f"{FOLDS} folds by conversation (translations of one original together); ensemble of {MEMBERS} fitted on all",
        },
    )
