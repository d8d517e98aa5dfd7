"""What risk takes in and gives out. Pure data: no torch, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Role = Literal["contact", "bot", "agent"]
Band = Literal["low", "elevated", "high"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as the model sees it. `at_ms` is UTC milliseconds, None when the source has no times."""

    role: Role
    text: str
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order as known to the shop. Money in minor units, times in UTC milliseconds."""

    order_no: str
    ts_event: int
    ts_ingested: int
    total: int
    quantity: int = 0
    distinct_products: int = 0
    cancelled: bool = False
    coupon: bool = False
    promised_at: int | None = None
    delivered_at: int | None = None


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """One return or cancellation, money in minor units."""

    order_no: str
    ts_event: int
    ts_ingested: int
    amount: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """One earlier conversation of the customer."""

    ts_event: int
    ts_ingested: int
    csat: int | None = None
    escalated: bool = False


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """One visit to the shop's pages, as far as the shop tells of them."""

    ts_event: int
    ts_ingested: int


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of a customer's past. Records may lie after `as_of`: features must not see them."""

    orders: Sequence[OrderRecord] = ()
    returns: Sequence[ReturnRecord] = ()
    contacts: Sequence[ContactRecord] = ()
    visits: Sequence[VisitRecord] = ()
    first_seen_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Driver:
    """Something that moved the score. `effect` is its share of the change in probability (positive: towards leaving)."""

    kind: Literal["history", "turn"]
    code: str  # a feature's name, or "turn"
    effect: float
    value: float | str | None = None
    seq: int | None = None  # for a turn


@dataclass(frozen=True, slots=True)
class RiskScore:
    """Churn within the label window, calibrated, with a 90 % interval. All probabilities lie in [0, 1] and are finite."""

    churn: float
    churn_raw: float
    low: float
    high: float
    dissatisfaction: float
    need_human: float
    band: Band
    reasons: tuple[
        tuple[str, float], ...
    ] = ()  # (reason, probability), most likely first, only those above their threshold
    drivers: tuple[Driver, ...] = ()
    features: Mapping[str, float | None] = field(default_factory=dict)  # the served history features
    versions: Mapping[str, str] = field(default_factory=dict)
    cold_start: bool = True


class Scorer(Protocol):
    """A risk model as it is served. States are opaque, immutable, and a few kB."""

    @property
    def version(self) -> str:
        """Names the artefact: `<name>-<first 12 of its hash>`."""
        ...

    @property
    def encoder_fingerprint(self) -> str:
        """The encoder that the model was trained with; another one is refused at load."""
        ...

    def initial(self) -> Any:
        """The state of an empty conversation."""
        ...

    def advance(self, state: Any, vector: Vector, message: Message) -> Any:
        """The state after one message (any role). O(1): nothing of the past is encoded again."""
        ...

    def score(self, state: Any, history: History | None, as_of: int) -> RiskScore:
        """The score after the last contact message. `history` None: an anonymous visitor. Raises `ModelFault` on a
        non-finite or out-of-range result, never returns one."""
        ...


class ModelFault(Exception):
    """The model could not give an honest number."""
