"""Training of the gated sum in torch: a small ensemble, early epochs enough, modality dropout in the rows that it is given."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (the usual name)

from risk.fusion.gated import Scaling

SIZE: Final = 24
MEMBERS: Final = 3
EPOCHS: Final = 15
BATCH: Final = 256
RATE: Final = 3e-3
DECAY: Final = 3e-2
DROPOUT: Final = 0.3

Floats = NDArray[np.float64]


class Net(nn.Module):
    """The formula of `risk.fusion.gated`."""

    def __init__(self, history: int, chat: int) -> None:
        super().__init__()
        self.history = nn.Linear(history, SIZE)
        self.chat = nn.Linear(chat, SIZE)
        self.gate = nn.Linear(2 * SIZE + 2, SIZE)
        self.out = nn.Linear(SIZE, 1)
        self.logits = nn.Linear(2, 1, bias=False)
        self.drop = nn.Dropout(DROPOUT)
        nn.init.constant_(self.logits.weight, 0.5)

    def forward(self, history: Tensor, chat: Tensor, known: Tensor, logits: Tensor) -> Tensor:
        """[n, h], [n, c], [n, 2], [n, 2] → logits [n]."""
        a = torch.tanh(self.history(self.drop(history))) * known[:, :1]
        b = torch.tanh(self.chat(self.drop(chat))) * known[:, 1:]
        g = torch.sigmoid(self.gate(torch.cat([a, b, known], dim=1)))
        mixed: Tensor = self.out(self.drop(g * a + (1 - g) * b)) + self.logits(logits * known)
        return mixed.squeeze(1)


def scaling(rows: Floats, split: int) -> Scaling:
    """Mean and scale of each column over the rows that know it."""
    known = ~np.isnan(rows)
    count = np.maximum(known.sum(0), 1)
    filled = np.where(known, rows, 0.0)
    mean = filled.sum(0) / count
    spread = np.sqrt(np.where(known, (filled - mean) ** 2, 0.0).sum(0) / count)
    return Scaling(mean, 1.0 / np.maximum(spread, 1e-3), split)


def fit(rows: Floats, labels: Floats, weights: Floats, scale: Scaling, seed: int) -> list[dict[str, Floats]]:
    """The members' tensors (see `risk.fusion.gated.TENSORS`) from fused rows [n, width]. Seeded and repeatable."""
    torch.set_num_threads(1)
    sides = [torch.from_numpy(side.astype(np.float32)) for side in scale.sides(rows)]
    y, w = torch.from_numpy(labels.astype(np.float32)), torch.from_numpy(weights.astype(np.float32))
    members = []
    for member in range(MEMBERS):
        torch.manual_seed(seed + member)
        random = np.random.default_rng([seed, member])
        net = Net(sides[0].shape[1], sides[1].shape[1])
        steps = EPOCHS * -(-len(rows) // BATCH)
        optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=RATE, total_steps=steps, pct_start=0.2)
        net.train()
        for _ in range(EPOCHS):
            order = torch.from_numpy(random.permutation(len(rows)))
            for start in range(0, len(rows), BATCH):
                part = order[start : start + BATCH]
                loss = F.binary_cross_entropy_with_logits(net(*(s[part] for s in sides)), y[part], weight=w[part])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimiser.step()
                schedule.step()
        members.append({name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()})
    return members
