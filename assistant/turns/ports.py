"""What a turn needs from others, as protocols, so that tests put fakes behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from retrieval.documents import Candidate, SearchContext, Vector
from risk.types import History


@dataclass(frozen=True, slots=True)
class Unavailable:
    """An answer that is not one: what was asked for could not be given, and why. Never 0.0 and never None instead."""

    reason: str


class Retriever(Protocol):
    """Finds scripts and products. `vector` None: by words alone."""

    def search(self, vector: Vector | None, text: str, context: SearchContext) -> list[Candidate]:
        """At most `context.k` eligible documents, the best first."""
        ...

    def named(self, names: Sequence[str], context: SearchContext) -> list[Candidate]:
        """The eligible ones of these products, in the order given, for what no question asks for."""
        ...

    def by_intent(self, intent: str, context: SearchContext) -> list[Candidate]:
        """Eligible scripts of one intent, for replies that no question asks for."""
        ...


class Retrievers(Protocol):
    """The retriever of a site; it may be swapped for a newer index between two calls."""

    def for_site(self, site_id: str) -> Retriever | Unavailable:
        """The one in force now."""
        ...

    def version(self, site_id: str) -> str:
        """Names the index in force, for the log."""
        ...


class LoadHistory(Protocol):
    """Reads a customer's past."""

    def __call__(self, connection: Connection, *, site_id: str, contact_id: str, as_of: int) -> History | None:
        """None: a guest of whom nothing is known."""
        ...


class Uplift(Protocol):
    """Effects of treatments against ordinary service, learned from the log."""

    @property
    def version(self) -> str:
        """Names the model; part of the policy's version."""
        ...

    def effects(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """Change in the probability of staying, by kind of action; kinds that were not learned are missing."""
        ...


class Clock(Protocol):
    """Tells the time, UTC milliseconds."""

    def __call__(self) -> int:
        """Now."""
        ...


State = Any  # a scorer's state: opaque and immutable
