"""What can be turned in the training of the conversation model. The defaults were chosen out of fold (decision record 0008)."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Knobs:
    """Of both readers and how they are put together."""

    strength: float = 2.0  # inverse regularisation of the linear reader
    vector_weight: float = 0.02  # scale of its standardised vector, beside an n-gram row of norm 1
    feature_weight: float = 0.05  # scale of its standardised features
    net_share: float = 0.3  # of the recurrent reader in the level of a turn
    epochs: int = 12  # of the recurrent reader, on labelled turns
    rate: float = 2e-3  # its highest learning rate
    dropout: float = 0.3
    augment: int = 0  # noisy copies of each labelled conversation, in training only

    def as_json(self) -> dict[str, float | int]:
        """As kept in an artefact's manifest."""
        return asdict(self)


OTHER_FOLDS = 1  # added to the seed where knobs are searched for
FLOOR = Knobs(strength=1.0, feature_weight=0.1)
