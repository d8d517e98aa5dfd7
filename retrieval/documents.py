"""What can be retrieved: scripts, products, help articles; and what retrieval gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
Reason = Literal["price", "delivery", "quality", "fit", "service", "trust", "account", "competitor"]
Band = Literal["low", "elevated", "high"]
Stage = Literal["greet", "acknowledge", "clarify", "fix", "compensate", "win_back", "recommend", "handoff", "close"]
REASONS: tuple[Reason, ...] = ("price", "delivery", "quality", "fit", "service", "trust", "account", "competitor")
BANDS: tuple[Band, ...] = ("low", "elevated", "high")


class Encoder(Protocol):
    """Turns texts into unit vectors. One encoder serves risk and retrieval."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of weights and settings; indices and models carry the one they were made with."""
        ...

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, d], L2-normalised; row i depends on texts[i] alone. An empty text gives a unit vector too."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """A benefit that a script may carry. `amount` in minor units or, for `percent`, in percent."""

    id: str
    kind: Literal["voucher", "percent", "free_shipping", "replacement", "return_label"]
    amount: int
    cost: int  # expected cost in minor units, charged to the wallet
    valid_days: int = 30


@dataclass(frozen=True, slots=True)
class Script:
    """Approved wording in one locale. Locale variants of one script share `family`; ids are `family@locale`."""

    id: str
    family: str
    locale: str  # "en", "zh"
    title: str
    text: str  # a sandboxed Jinja template over the declared slots
    intent: str
    stage: Stage
    reasons: tuple[Reason, ...] = ()  # empty: any
    bands: tuple[Band, ...] = BANDS
    examples: tuple[str, ...] = ()  # what a customer would say; indexed, never shown
    slots: tuple[str, ...] = ()  # all must be known, or the script is not eligible
    conditions: Mapping[str, Any] = field(default_factory=dict)  # e.g. {"verified": true, "tenure_days": {"min": 365}}
    tone: str = "warm"
    quick_replies: tuple[str, ...] = ()
    offer: Offer | None = None
    approved_by: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class Product:
    """A catalogue item in one locale. `price` in minor units; `image` and `url` are checked by whoever shows them."""

    id: str
    locale: str
    title: str
    description: str = ""
    category: str = ""
    brand: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    price: int = 0
    currency: str = "EUR"
    stock: int = 0
    regions: tuple[str, ...] = ()  # empty: everywhere
    image: str = ""
    url: str = ""
    rating: float | None = None
    return_rate: float | None = None


@dataclass(frozen=True, slots=True)
class Article:
    """A page of the shop's help in one locale. `body` is plain text with `# headings`, paragraphs apart by an empty line."""

    id: str
    locale: str
    title: str
    body: str
    url: str = ""
    tags: tuple[str, ...] = ()
    updated: int = 0  # UTC milliseconds; 0: not known


Document = Script | Product | Article
Kind = Literal["script", "product", "article"]
KINDS: tuple[Kind, ...] = ("script", "product", "article")


def kind_of(document: Document) -> Kind:
    """What kind a document is of."""
    if isinstance(document, Script):
        return "script"
    return "product" if isinstance(document, Product) else "article"


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of an article that can be quoted by itself: its heading ("" at the beginning) and its text."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Another way to read a query: its core, one clause of it, or the query together with what was said before it."""

    text: str
    vector: Vector
    kind: Literal["core", "clause", "context"]


@dataclass(frozen=True, slots=True)
class Limit:
    """What a product may cost, in major units: "up to 60" is `Limit(None, 60.0)`. `currency` None: whatever the shop's is."""

    least: float | None
    most: float | None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class SearchContext:
    """What makes a document eligible. Filters act inside the search, so k results come back where k exist."""

    kind: Kind
    locale: str
    k: int = 5
    region: str | None = None
    band: Band = "low"
    reasons: tuple[Reason, ...] = ()
    stages: tuple[Stage, ...] = ()  # empty: any
    exclude: frozenset[str] = frozenset()  # document ids already offered, bought or returned
    limit: Limit | None = None  # of the price; products in another currency than the limit's pass
    own: Mapping[str, float] = field(default_factory=dict, compare=False)  # products → 0..1, how likely bought next
    known: frozenset[str] = frozenset()  # slots that can be filled
    facts: Mapping[str, Any] = field(default_factory=dict)  # verified, tenure_days, … for script conditions
    readings: Sequence[Reading] = field(default=(), compare=False)  # for scripts: the query read in other ways


@dataclass(frozen=True, slots=True)
class Candidate:
    """A retrieved document with why it came. `score` is comparable within one search only."""

    document: Document
    rank: int  # from 0
    score: float
    # {"dense": cosine, "sparse": bm25, "reason": 1, "intent": probability that this is what the message asks for}
    sources: Mapping[str, float] = field(default_factory=dict)
    why: tuple[str, ...] = ()  # short codes: "matched:水壶", "reason:quality", …
    passage: Passage | None = None  # of an article: what to quote, beside its title and url

    @property
    def id(self) -> str:
        """The document's id."""
        return self.document.id
