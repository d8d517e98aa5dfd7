"""The training loop of the recurrent reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (the usual name)

from risk.conversation.habits import HABITS, Floats
from risk.conversation.knobs import Knobs
from risk.conversation.net import Net
from risk.text import WIDTH
from risk.types import Vector

WARM_UP = 4  # epochs on the conversations that only have a label of the whole
BATCH = 16
DECAY = 1e-2
SMOOTHING = 0.05  # of labels: annotators disagree
MEAN_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Encoded:
    """A conversation as arrays: vectors [t, d], features [t, WIDTH], levels with −1 and a mean with NaN where nobody labelled."""

    vectors: Vector
    features: Vector
    levels: NDArray[np.int64]
    mean: float
    shares: Floats  # [HABITS]: how likely each habit made the labels
    weight: float = 1.0


def _padded(rows: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    longest = max(len(r.levels) for r in rows)
    vectors = np.zeros((len(rows), longest, rows[0].vectors.shape[1]), np.float32)
    features = np.zeros((len(rows), longest, WIDTH), np.float32)
    levels = np.full((len(rows), longest), -1, np.int64)
    means = np.full((len(rows), longest), np.nan, np.float32)
    for i, row in enumerate(rows):
        n = len(row.levels)
        vectors[i, :n], features[i, :n], levels[i, :n] = row.vectors, row.features, row.levels
        means[i, n - 1] = row.mean
    weights = np.stack([r.weight * r.shares for r in rows]).astype(np.float32)
    return tuple(torch.from_numpy(a) for a in (vectors, features, levels, means, weights))  # type: ignore[return-value]


def _loss(net: Net, rows: Sequence[Encoded]) -> Tensor:
    """Masked: a row teaches the heads that it has labels for, so that partly labelled conversations train too."""
    vectors, features, levels, means, weights = _padded(rows)
    level_logits, mean_values = net(vectors, features)
    total: Tensor = level_logits.sum() * 0.0
    known = levels >= 0
    if known.any():
        each = weights[:, None].expand(*levels.shape, HABITS)[known]
        target = levels[known][:, None].expand(-1, HABITS)
        loss = F.cross_entropy(level_logits[known].mT, target, reduction="none", label_smoothing=SMOOTHING)
        total = total + (loss * each).sum(1).mean()
    known = ~torch.isnan(means)
    if known.any():
        total = total + MEAN_WEIGHT * F.mse_loss(mean_values[known], means[known])
    return total


def fit(rows: Sequence[Encoded], seed: int, knobs: Knobs, tick: Callable[[str, float], None]) -> Net:
    """One seeded network. First the rows that only have a label of the whole, then those with labelled turns.

    `tick(stage, loss)` is called after each epoch.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    stacked = np.concatenate([r.features for r in rows])
    mean = stacked.mean(0).astype(np.float32)
    scale = (1 / np.maximum(stacked.std(0), 0.05)).astype(np.float32)
    net = Net(rows[0].vectors.shape[1], mean, scale, knobs.dropout)
    labelled = [r for r in rows if (r.levels >= 0).any()]
    whole = [r for r in rows if not (r.levels >= 0).any() and not np.isnan(r.mean)]
    optimiser = torch.optim.AdamW(net.parameters(), lr=knobs.rate, weight_decay=DECAY)
    plan = [("whole", whole, WARM_UP, 4 * BATCH)] if whole else []
    plan.append(("turns", labelled, knobs.epochs, BATCH))
    steps = sum(epochs * -(-len(part) // size) for _, part, epochs, size in plan)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=knobs.rate, total_steps=max(steps, 1), pct_start=0.15
    )
    net.train()
    for stage, part, epochs, size in plan:
        for _ in range(epochs):
            losses = []
            order = rng.permutation(len(part))
            for start in range(0, len(part), size):
                chosen = [part[i] for i in order[start : start + size]]
                if part is labelled and whole:  # a little of the other kind keeps the head of the whole alive
                    chosen += [whole[i] for i in rng.integers(0, len(whole), BATCH)]
                loss = _loss(net, chosen)
                optimiser.zero_grad()
                losses.append(loss.item())
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
                schedule.step()
            tick(stage, float(np.mean(losses)))
    net.eval()
    return net
