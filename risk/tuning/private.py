"""A layer learnt with differential privacy: DP-SGD (Abadi et al., 2016) by opacus.

Each step draws people, every one of them with the same probability, clips what each would change to `clip`, adds Gaussian noise
and moves. What is promised: whoever sees the finished layer, even knowing everything about everybody else, can hardly tell whether
one person's conversations were among the data; they make no layer more than e^ε times likelier or less likely, but for a chance of
δ (neighbours differ in one person, added or removed). The unit is the person: a promise about one of their messages would be
none to them.

Draws and noise are seeded from the operating system's entropy, and the seed is kept nowhere: who could draw the noise again could
take it off. So a private training cannot be repeated, unlike any other in this project.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from risk.errors import DataRefused, ExtraMissing
from risk.tuning.fit import zero
from risk.tuning.layer import Floats, Rows

TOLERANCE: Final = 0.01  # of the noise: how much more than needed it may be
LEAST_PEOPLE: Final = 100
ACCOUNTANT: Final = "prv"


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be learnt of a person: ε at δ."""

    epsilon: float
    delta: float = 1e-5


@dataclass(frozen=True, slots=True)
class Knobs:
    """Of the noisy descent. Chosen on MWOZ, never on the data that they are used on: choosing would spend budget too."""

    rate: float = 8.0
    steps: int = 100
    batch: int = 256  # people a step, on average
    clip: float = 0.3  # most that one person can move a step's sum, L2


@dataclass(frozen=True, slots=True)
class Spent:
    """What a training promises, and by what."""

    epsilon: float
    delta: float
    people: int
    noise: float  # standard deviation over `clip`
    sample_rate: float
    steps: int
    clip: float
    accountant: str = ACCOUNTANT

    def as_json(self) -> dict[str, Any]:
        """As kept in an artefact's manifest."""
        return {
            name: round(v, 4) if name in ("epsilon", "noise", "sample_rate") else v for name, v in asdict(self).items()
        }


def epsilon(noise: float, sample_rate: float, steps: int, delta: float, accountant: str = ACCOUNTANT) -> float:
    """ε of `steps` steps of the subsampled Gaussian mechanism.

    `prv` composes privacy loss distributions numerically (Gopi, Lee and Wutschitz, 2021) and gives an upper bound; `rdp` (Mironov,
    Talwar and Zhang, 2019) is looser.
    """
    accounts = _opacus().accountants.create_accountant(accountant)
    accounts.history = [(noise, sample_rate, steps)]
    with _quiet():
        return float(accounts.get_epsilon(delta=delta))


@lru_cache(maxsize=64)
def noise_for(budget: Budget, sample_rate: float, steps: int) -> float:
    """The least noise (standard deviation over clip), to 1 %, that keeps within a budget. Never too little."""
    enough = 1.0
    while epsilon(enough, sample_rate, steps, budget.delta) > budget.epsilon:
        enough *= 2
    little = enough / 2 if enough > 1 else 0.0
    while enough - little > TOLERANCE * enough:
        middle = (little + enough) / 2
        if epsilon(middle, sample_rate, steps, budget.delta) <= budget.epsilon:
            enough = middle
        else:
            little = middle
    return enough


def learn(
    rows: Rows,
    budget: Budget,
    knobs: Knobs,
    progress: Callable[[int, int], None] | None = None,
    *,
    entropy: Callable[[], int] = lambda: secrets.randbits(63),
) -> tuple[Floats, Spent]:
    """W and what it cost. `entropy` seeds draws and noise; only a test gives its own.

    The layer given is the mean of the later half of the steps, which steadies it and costs no privacy. Raises `DataRefused` for too
    few people or a δ that promises nothing, `ExtraMissing` without opacus.
    """
    import torch

    if rows.people < LEAST_PEOPLE:
        raise DataRefused(f"{rows.people} people are too few to hide among: at least {LEAST_PEOPLE} are needed")
    if not 0 < budget.delta < 1 / rows.people:
        raise DataRefused(
            f"δ must be less than 1 in the number of people, here {1 / rows.people:.2g}: with more, one could be shown whole"
        )
    torch.set_num_threads(1)
    rate = min(1.0, knobs.batch / rows.people)
    noise = noise_for(budget, rate, knobs.steps)
    draws, noises = (torch.Generator().manual_seed(entropy()) for _ in range(2))
    layer = torch.nn.Linear(rows.inputs.shape[1], rows.base.shape[2], bias=False)
    torch.nn.init.zeros_(layer.weight)
    sampled = _opacus().GradSampleModule(layer, loss_reduction="sum")
    optimiser = _optimiser(
        torch.optim.SGD(sampled.parameters(), lr=knobs.rate),
        noise_multiplier=noise,
        max_grad_norm=knobs.clip,
        expected_batch_size=rate * rows.people,
        generator=noises,
    )
    padded = _Padded.of(rows)
    total = zero(rows)
    late = knobs.steps // 2
    for step in range(knobs.steps):
        chosen = torch.nonzero(torch.rand(rows.people, generator=draws) < rate).flatten()
        optimiser.zero_grad()
        padded.loss(sampled, chosen).backward()
        optimiser.step()
        if step >= late:
            total += layer.weight.detach().numpy().T
        if progress is not None:
            progress(step + 1, knobs.steps)
    spent = epsilon(noise, rate, knobs.steps, budget.delta)
    return total / (knobs.steps - late), Spent(spent, budget.delta, rows.people, noise, rate, knobs.steps, knobs.clip)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without RDP's warning that its largest order was the best, which costs tightness only, and numpy's that log 0 is −∞, which is
    what the accountant means."""
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore", UserWarning)
        yield


def _opacus() -> Any:
    try:
        with _quiet():
            import opacus
            import opacus.accountants
    except ImportError as missing:
        raise ExtraMissing("private training needs an extra: pip install 'staywell[train]'") from missing
    return opacus


def _optimiser(optimiser: Any, **options: Any) -> Any:
    """Secure mode adds four draws instead of one, against attacks on the last bits of the noise."""
    from opacus.optimizers import DPOptimizer

    return DPOptimizer(optimiser, secure_mode=True, **options)


@dataclass(frozen=True, slots=True)
class _Padded:
    """Rows by person, as torch tensors: [people, turns, …]; empty turns have weight 0."""

    inputs: Any
    base: Any
    level: Any
    weight: Any
    prior: Any
    temperature: float

    @staticmethod
    def of(rows: Rows) -> _Padded:
        import torch

        counts = np.bincount(rows.person, minlength=rows.people)
        place = np.zeros(len(rows.person), np.int64)
        order = np.argsort(rows.person, kind="stable")
        place[order] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        shape = (rows.people, int(counts.max()))
        index = (rows.person, place)
        inputs = np.zeros((*shape, rows.inputs.shape[1]), np.float32)
        base = np.zeros((*shape, *rows.base.shape[1:]), np.float32)
        level, weight = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        inputs[index], base[index], level[index], weight[index] = rows.inputs, rows.base, rows.level, rows.weights()
        return _Padded(
            inputs=torch.from_numpy(inputs),
            base=torch.from_numpy(base),
            level=torch.from_numpy(level),
            weight=torch.from_numpy(weight),
            prior=torch.from_numpy(rows.prior.astype(np.float32)),
            temperature=rows.temperature,
        )

    def loss(self, layer: Any, people: Any) -> Any:
        """Sum over people of their mean −ln p, as `layer.loss` has it per person."""
        import torch

        seen = self.inputs[people].requires_grad_()  # opacus's hooks want a gradient to pass
        z = self.base[people] + layer(seen)[:, :, None, :]
        mixed = torch.logsumexp(torch.log_softmax(z, dim=-1) + torch.log(self.prior)[:, None], dim=2)
        said = torch.log_softmax(mixed / self.temperature, dim=-1)
        right = said.gather(-1, self.level[people][..., None])[..., 0]
        return -(right * self.weight[people]).sum()
