"""The whole shop: two parts with other customers and other words, the best that anybody could score, and the files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from risk.metrics import auc, average_precision, bootstrap, log_loss
from risk.world.people import DAY, HORIZON_DAYS, Life, Talk, live
from risk.world.talk import speeches
from risk.world.words import PARTS, Part

TEST_SHARE: Final = 0.25
LAG_DAYS: Final = 3  # from the end of a window until the shop's data say so
KIND: Final = f"inactive_{HORIZON_DAYS}"

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Shop:
    """One part of the made-up shop."""

    part: Part
    lives: tuple[Life, ...]

    def mature(self) -> list[tuple[Life, Talk]]:
        """The conversations whose outcome is known."""
        return [(life, talk) for life in self.lives for talk in life.talks if talk.left is not None]


def draw(customers: int, seed: int, report: Report | None = None) -> dict[Part, Shop]:
    """Both parts. A customer depends on the seed and on its number alone: a larger shop begins with the smaller one's people."""
    test = round(customers * TEST_SHARE)
    found: dict[Part, Shop] = {}
    for part in PARTS:
        size = test if part == "test" else customers - test
        drawn = []
        for number, life in enumerate(islice(lives(part, seed), size), start=1):
            drawn.append(life)
            if report is not None and number % 100 == 0:
                report(f"{part} customers", number, size)
        found[part] = Shop(part, tuple(drawn))
    return found


def lives(part: Part, seed: int) -> Iterator[Life]:
    """The customers of a part, without end."""
    speech, place = speeches(part), PARTS.index(part)
    for number in count():
        yield live(10_000 + number, f"{part}-{number}", speech, np.random.default_rng([seed, place, number]))


def ceiling(shop: Shop, seed: int = 0) -> dict[str, Any]:
    """What scoring by the true probabilities gives: nobody can do better, on average. Intervals over customers."""
    rows = shop.mature()
    p = np.array([talk.probability for _, talk in rows])
    y = np.array([float(bool(talk.left)) for _, talk in rows])
    groups = np.array([life.customer for life, _ in rows])
    return {
        "customers": len(shop.lives),
        "conversations": sum(len(life.talks) for life in shop.lives),
        "mature": len(rows),
        "churn_rate": bootstrap(lambda i: float(y[i].mean()), groups, seed=seed).as_json(),
        "auc": bootstrap(lambda i: auc(p[i], y[i]), groups, seed=seed).as_json(),
        "ap": bootstrap(lambda i: average_precision(p[i], y[i]), groups, seed=seed).as_json(),
        "log_loss": bootstrap(lambda i: log_loss(p[i], y[i]), groups, seed=seed).as_json(),
    }


def write(shops: Mapping[Part, Shop], folder: Path) -> list[Path]:
    """`<part>-conversations.jsonl`, `<part>-transactions.csv`, `<part>-outcomes.csv` for each part."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part, shop in shops.items():
        files = {"conversations.jsonl": _conversations, "transactions.csv": _transactions, "outcomes.csv": _outcomes}
        for name, put in files.items():
            path = folder / f"{part}-{name}"
            put(shop.lives, path)
            paths.append(path)
    return paths


def _conversations(lives: Sequence[Life], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for life in lives:
            for talk in life.talks:
                roles = {"contact": "customer", "bot": "bot", "agent": "agent"}
                row = {
                    "id": talk.id,
                    "language": life.language,
                    "customer_id": life.customer,
                    "messages": [{"role": roles[m.role], "text": m.text, "at_ms": m.at_ms} for m in talk.messages],
                }
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _transactions(lives: Sequence[Life], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["customer", "order", "at", "amount", "quantity", "product", "coupon", "promised", "delivered"])
        for life in lives:
            for o in life.orders:
                dates = [_iso(o.promised_at), _iso(o.delivered_at)]
                coupon = "yes" if o.coupon else ""
                rows.writerow(
                    [life.customer, o.order_no, _iso(o.ts_event), o.total / 100, o.quantity, "", coupon, *dates]
                )
            for r in life.returns:
                rows.writerow([life.customer, f"C{r.order_no}", _iso(r.ts_event), -r.amount / 100, -1, "", "", "", ""])


def _outcomes(lives: Sequence[Life], path: Path) -> None:
    """As in the outcome log, and the true `probability`, which no shop has."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["customer_id", "conversation_id", "type", "value", "ts_event", "ts_ingested", "probability"])
        for life in lives:
            for talk in life.talks:
                if talk.csat is not None:
                    rows.writerow([life.customer, talk.id, "csat", talk.csat, talk.ended_at, talk.ended_at, ""])
                if talk.left is not None:
                    until = talk.ended_at + HORIZON_DAYS * DAY
                    known = until + LAG_DAYS * DAY
                    rows.writerow(
                        [life.customer, talk.id, KIND, int(talk.left), until, known, f"{talk.probability:.6f}"]
                    )


def _iso(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
