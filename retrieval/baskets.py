"""Learning the recommender from orders, and measuring it on the next basket: split by time, ranked over every product."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from retrieval import metrics, tables
from retrieval.errors import RowFault
from retrieval.factors import factorise, neighbours
from retrieval.recommend import DAY_MS, FEATURES, Knowledge, Purchase, Recommender, evidence

FACTORS, ITERATIONS, CONFIDENCE, REGULARISATION = 64, 15, 4.0, 0.1
NEIGHBOURS = 100
WINDOWS = 3  # training windows before the test
NEGATIVES = 80  # for each customer and window
TREES = 250
SEED = 11
WAYS = ("popularity", "item_knn", "als", "bought_before", "blend")
# Fields, and the column names under which they are looked for when no mapping names one.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "customer": ("customer", "customerid", "customer_id", "customer id", "user", "user_id"),
    "order": ("order", "order_no", "orderid", "order_id", "invoiceno", "invoice"),
    "product": ("product", "product_id", "productid", "stockcode", "sku", "item", "item_id"),
    "at": ("at", "date", "time", "timestamp", "invoicedate", "order_date"),
    "quantity": ("quantity", "qty"),
}
# Forms that `datetime.fromisoformat` does not read, the month first where nothing tells: some shops' exports are American.
_TIMES = (
    *(f"{day}{time}" for day in ("%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%m/%d/%y", "%d/%m/%y")
      for time in (" %H:%M", " %H:%M:%S", "")),
)  # fmt: skip
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "min_data_in_leaf": 80,
    "lambda_l2": 5.0,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": SEED,
    "verbose": -1,
}
Baskets = Mapping[str, Sequence[Purchase]]  # by customer, in order of time
Progress = Callable[[str, int, int], None]


def parse_mapping(texts: Sequence[str]) -> dict[str, str]:
    """`customer=CustomerID,at=InvoiceDate` → {field: column}. Raises ValueError on what is not of this form."""
    mapping: dict[str, str] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, _, column = part.partition("=")
        name = {"date": "at", "time": "at"}.get(name, name)
        if name in ("price", "amount") and column:
            continue  # other commands read them from the same mapping
        if name not in COLUMNS or not column:
            raise ValueError(f"--map takes field=Column pairs with the fields {', '.join(COLUMNS)}; got {part!r}")
        mapping[name] = column
    return mapping


def load_orders(path: Path, mapping: Mapping[str, str]) -> tuple[dict[str, list[Purchase]], list[RowFault]]:
    """Purchases by customer, in order of time, from a CSV (also `.gz`); `mapping` names columns that are called otherwise.

    Lines with a quantity of zero or less (returns, cancellations) and lines without a customer are no purchases. Raises
    ValueError when the file cannot be used.
    """
    header, rows = tables.by_header(path)
    names = {name.lower(): name for name in header}
    columns: dict[str, str] = {}
    for field, guesses in COLUMNS.items():
        wanted = (mapping[field].strip().lower(),) if field in mapping else guesses
        column = next((names[name] for name in wanted if name in names), None)
        if column is not None:
            columns[field] = column
        elif field != "quantity" or field in mapping:
            raise ValueError(
                f"{path.name}: no column for {field!r} ({wanted[0]}); name it with --map {field}=COLUMN,"
                f" the columns are {', '.join(header)}"
            )
    lines: list[tuple[int, list[str]]] = []
    faults: list[RowFault] = []
    for line, row in rows:
        if isinstance(row, str):
            faults.append(RowFault(line, row, path.name))
            continue
        cells = [row.get(columns[field], "").strip() if field in columns else "1" for field in COLUMNS]
        if cells[0] and cells[2]:
            lines.append((line, cells))
    times = read_times(cells[3] for _, cells in lines)
    found: dict[str, list[Purchase]] = {}
    for line, (customer, order, product, at, quantity) in lines:
        try:
            moment, bought = times[at], float(quantity)
        except KeyError:
            faults.append(RowFault(line, f"time {at!r} is not understood", path.name))
        except ValueError:
            faults.append(RowFault(line, f"quantity {quantity!r} is not a number", path.name))
        else:
            if bought > 0:
                found.setdefault(customer, []).append(Purchase(product, order, moment))
    faults.sort(key=lambda fault: fault.line)
    for purchases in found.values():
        purchases.sort(key=lambda purchase: purchase.at_ms)
    return found, faults


def read_times(texts: Iterable[str]) -> dict[str, int]:
    """UTC milliseconds by text, for dates and times that can be read; without a zone they are UTC.

    ISO 8601, and seconds or milliseconds since 1970, read the same everywhere. The others are read in the one form that fits
    most of the file: whether 1/12 is in January or in December, no single line can tell.
    """
    found: dict[str, int] = {}
    others: list[str] = []
    for text in dict.fromkeys(texts):
        try:
            found[text] = _epoch(text) or _milliseconds(datetime.fromisoformat(text))
        except ValueError:
            others.append(text)
    read: list[dict[str, int]] = []
    for form in _TIMES:
        moments: dict[str, int] = {}
        for text in others:
            with suppress(ValueError):
                moments[text] = _milliseconds(datetime.strptime(text, form))  # noqa: DTZ007 - the zone is set there
        read.append(moments)
    return found | max(read, key=len)


def _epoch(text: str) -> int:
    """Milliseconds of a time since 1970 in seconds or milliseconds; 0 where it is none."""
    if not text.isascii() or not text.isdigit() or len(text) not in (10, 13):
        return 0
    return int(text) * (1_000 if len(text) == 10 else 1)


def _milliseconds(moment: datetime) -> int:
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000)


@dataclass(frozen=True, slots=True)
class Learned:
    """Knowledge up to a moment, with the factors of the customers known then (for the plain baseline)."""

    knowledge: Knowledge
    customers: dict[str, NDArray[np.float32]]


def know(baskets: Baskets, as_of_ms: int) -> Learned:
    """What the purchases before `as_of_ms` teach about products."""
    from scipy.sparse import csr_matrix

    past = {name: [one for one in lines if one.at_ms < as_of_ms] for name, lines in baskets.items()}
    past = {name: lines for name, lines in past.items() if lines}
    products = tuple(sorted({one.product for lines in past.values() for one in lines}))
    index = {name: number for number, name in enumerate(products)}
    orders: dict[tuple[int, int], set[str]] = {}
    month, quarter, ever = (np.zeros(len(products), dtype=np.float32) for _ in range(3))
    first = np.full(len(products), as_of_ms, dtype=np.int64)
    last = np.zeros(len(products), dtype=np.int64)
    sold: set[tuple[int, str]] = set()
    for customer, lines in enumerate(past.values()):
        for one in lines:
            item = index[one.product]
            orders.setdefault((customer, item), set()).add(one.order)
            first[item], last[item] = min(first[item], one.at_ms), max(last[item], one.at_ms)
            if (item, one.order) in sold:
                continue
            sold.add((item, one.order))
            age = (as_of_ms - one.at_ms) / DAY_MS
            ever[item] += 1
            month[item] += age < 30
            quarter[item] += age < 90
    pairs = np.asarray(list(orders), dtype=np.int64)
    counts = np.asarray([len(found) for found in orders.values()], dtype=np.float32)
    matrix = csr_matrix((counts, (pairs[:, 0], pairs[:, 1])), shape=(len(past), len(products)))
    buyers = np.bincount(pairs[:, 1], minlength=len(products))
    returning = np.bincount(pairs[:, 1], counts > 1, minlength=len(products))
    of_customers, of_products = factorise(
        matrix, factors=FACTORS, alpha=CONFIDENCE, regularisation=REGULARISATION, iterations=ITERATIONS, seed=SEED
    )
    similar = neighbours(matrix, NEIGHBOURS)
    knowledge = Knowledge(
        as_of_ms=as_of_ms,
        products=products,
        factors=of_products,
        confidence=CONFIDENCE,
        regularisation=REGULARISATION,
        similar_starts=similar.indptr.astype(np.int64),
        similar_to=similar.indices.astype(np.int32),
        similarity=similar.data.astype(np.float32),
        month=month,
        quarter=quarter,
        ever=ever,
        first_ms=first,
        last_ms=last,
        again=(returning / np.maximum(buyers, 1)).astype(np.float32),
    )
    customers = dict(zip(past, of_customers, strict=True))
    return Learned(knowledge, customers)


def next_baskets(baskets: Baskets, start_ms: int, end_ms: int) -> dict[str, set[str]]:
    """The first basket in [start, end) of every customer who bought before; products never sold before are included."""
    found: dict[str, set[str]] = {}
    for customer, lines in baskets.items():
        later = [one for one in lines if start_ms <= one.at_ms < end_ms]
        if later and lines[0].at_ms < start_ms:
            found[customer] = {one.product for one in later if one.order == later[0].order}
    return found


def train(baskets: Baskets, until_ms: int, window_ms: int, progress: Progress | None = None) -> Any:
    """The blend, learned on the windows that end at or before `until_ms`. Returns a LightGBM booster."""
    random = np.random.default_rng(SEED)
    rows: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.float32]] = []
    for number in range(WINDOWS, 0, -1):
        start = until_ms - number * window_ms
        wanted = next_baskets(baskets, start, start + window_ms)
        if not wanted:
            continue
        known = know(baskets, start).knowledge
        index = known.index()
        for customer, basket in wanted.items():
            seen = evidence(known, index, baskets[customer], start)
            hit = np.asarray([known.products[item] in basket for item in seen.pool.tolist()])
            misses = np.flatnonzero(~hit)
            kept = np.concatenate([np.flatnonzero(hit), random.permutation(misses)[:NEGATIVES]])
            rows.append(seen.features[seen.pool[kept]])
            labels.append(hit[kept].astype(np.float32))
        if progress is not None:
            progress("training windows", WINDOWS - number + 1, WINDOWS)
    if not rows or not np.concatenate(labels).any():
        raise ValueError("too few orders to learn from: nobody bought again in the training windows")
    data = lightgbm.Dataset(np.vstack(rows), np.concatenate(labels), feature_name=list(FEATURES))
    return lightgbm.train(_PARAMETERS, data, num_boost_round=TREES)


def learn(baskets: Baskets, now_ms: int, window_ms: int, progress: Progress | None = None) -> Recommender:
    """A recommender for serving: the blend from past windows, over what is known now."""
    return Recommender(know(baskets, now_ms).knowledge, train(baskets, now_ms, window_ms, progress))


def evaluate(
    baskets: Baskets, start_ms: int, end_ms: int, window_ms: int, progress: Progress | None = None
) -> dict[str, Any]:
    """Next basket in [start, end) from what was known at its start; every way ranks every product, bought ones included.

    The blend is learned on windows before the start alone. Raises ValueError when there is nobody to ask.
    """
    wanted = next_baskets(baskets, start_ms, end_ms)
    if not wanted:
        raise ValueError("nobody who bought before bought again in the test window")
    learned = know(baskets, start_ms)
    known = learned.knowledge
    model = train(baskets, start_ms, window_ms, progress)
    recommender = Recommender(known, model)
    index = known.index()
    hits: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in ("ndcg@10", "hit@10")}
    shown: dict[str, set[int]] = {way: set() for way in WAYS}
    repeats = 0.0
    for number, (customer, basket) in enumerate(wanted.items(), start=1):
        history = [one for one in baskets[customer] if one.at_ms < start_ms]
        seen = evidence(known, index, history, start_ms).features
        scores = {
            "popularity": known.ever,
            "item_knn": _plain_similar(known, index, history),
            "als": known.factors @ learned.customers[customer],
            "bought_before": seen[:, 0] + 1e-3 / (1.0 + seen[:, 2]) + 1e-9 * known.ever,
            "blend": recommender.affinity(history, start_ms),
        }
        for way, values in scores.items():
            best = np.argpartition(-values, 10)[:10]
            best = best[np.argsort(-values[best], kind="stable")].tolist()
            gains = [float(known.products[item] in basket) for item in best]
            hits["ndcg@10"][way].append(metrics.ndcg(gains, [1.0] * len(basket), 10))
            hits["hit@10"][way].append(float(any(gains)))
            shown[way].update(best)
        repeats += len(basket & {one.product for one in history}) / len(basket)
        if progress is not None and (number % 50 == 0 or number == len(wanted)):
            progress("customers", number, len(wanted))
    answer: dict[str, Any] = {"n_customers": len(wanted), "n_products": len(known.products)}
    for name, by_way in hits.items():
        answer[name] = {way: float(np.mean(values)) for way, values in by_way.items()}
    answer["coverage"] = {way: len(items) / len(known.products) for way, items in shown.items()}
    answer["repeat_share"] = repeats / len(wanted)
    answer["intervals"] = {
        name: {way: list(metrics.interval(values)) for way, values in by_way.items()} for name, by_way in hits.items()
    }
    answer["gain"] = {
        name: {way: metrics.paired(by_way["blend"], by_way[way]) for way in WAYS if way != "blend"}
        for name, by_way in hits.items()
    }
    return answer


def _plain_similar(known: Knowledge, index: Mapping[str, int], history: Sequence[Purchase]) -> NDArray[np.float32]:
    """The item-kNN baseline as it is usually served: similarities summed over the orders of each product."""
    total = np.zeros(len(known.products), dtype=np.float32)
    for product, _ in {(one.product, one.order) for one in history}:
        start, end = known.similar_starts[index[product] : index[product] + 2].tolist()
        total[known.similar_to[start:end]] += known.similarity[start:end]
    return total
