"""The recurrent reader in torch, for training. `export` gives the tensors that `step.ConversationModel` serves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from risk.conversation.habits import HABITS
from risk.text import WIDTH
from risk.types import Vector

PROJECTED = 48
SIZE = 96


class Net(nn.Module):
    """Projection of the vector, scaled features, one GRU layer, two heads; the first answers once for each habit of annotators."""

    mean_of: Tensor
    scale_of: Tensor

    def __init__(self, dim: int, mean: Vector, scale: Vector, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean_of", torch.from_numpy(mean))
        self.register_buffer("scale_of", torch.from_numpy(scale))
        self.proj = nn.Linear(dim, PROJECTED)
        self.gru = nn.GRU(PROJECTED + WIDTH, SIZE, batch_first=True)
        self.level = nn.Linear(SIZE, 3 * HABITS)
        self.mean = nn.Linear(SIZE, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """vectors [b, t, dim], features [b, t, WIDTH] → level logits [b, t, HABITS, 3], means of the whole [b, t]."""
        scaled = (features - self.mean_of) * self.scale_of
        x = torch.cat([torch.relu(self.proj(self.drop(vectors))), scaled], dim=-1)
        states, _ = self.gru(self.drop(x))
        h = self.drop(states)
        return self.level(h).view(*h.shape[:2], HABITS, 3), self.mean(h).squeeze(-1)


def export(net: Net) -> dict[str, Vector]:
    """The tensors of `step.TENSORS` as float32 arrays."""
    state = {name: value.detach().cpu().numpy().astype(np.float32) for name, value in net.state_dict().items()}
    names = {f"gru.{name}_l0": f"gru.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    names |= {"mean_of": "norm.mean", "scale_of": "norm.scale"}
    return {names.get(name, name): np.ascontiguousarray(value) for name, value in state.items()}
