"""What changes in scores and labels is noticed, in /metrics and in the report; what does not is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert

from assistant.ids import new_id
from assistant.loop.watch import DriftWatch, Watched, look
from assistant.outcomes import streams
from assistant.policy.decide import VERSION
from assistant.review.model_reports import drift
from assistant.review.tables import Period
from assistant.storage.tables import contact, conversation, decision, outcome
from retrieval.encoders import load

DAY = 86_400_000
NOW = 1_795_000_000_000
DAYS = 90


def fill(shop: Any, scores: np.ndarray, labels: np.ndarray, *, kind: str = "reply") -> None:
    """Conversations spread evenly over the last `DAYS` days, one decision each, and labels for those whose 30 days are over."""
    times = np.linspace(NOW - DAYS * DAY, NOW - 1, len(scores)).astype(int).tolist()

    def work(connection: Any) -> None:
        person = {
            "id": new_id(), "site_id": shop.site_id, "customer_key": new_id(), "attributes": {}, "first_seen_at": 1,
        }  # fmt: skip
        connection.execute(insert(contact).values(**person))
        talks, made, known = [], [], []
        for at, score, left in zip(times, scores.tolist(), labels.tolist(), strict=True):
            talk, row = new_id(), new_id()
            talks.append(
                {
                    "id": talk, "site_id": shop.site_id, "contact_id": person["id"], "epoch": talk, "created_at": at,
                    "updated_at": at,
                }
            )  # fmt: skip
            for seq, value in ((1, 0.5), (2, score)):  # the first turn's score is none of the stream
                made.append(
                    {
                        "id": row if seq == 2 else new_id(), "site_id": shop.site_id, "conversation_id": talk, "seq": seq,
                        "customer_key": person["customer_key"], "ts_decision": at, "channel": "web", "locale": "en", "as_of": at,
                        "versions": {"policy": VERSION}, "score": value, "eligible": ["reply:a"], "probabilities": [1.0],
                        "values": [0.0], "action": f"{kind}:a", "kind": kind, "propensity": 1.0, "floor": 0.02, "seed": "0" * 64,
                        "latency_ms": 1.0,
                    }
                )  # fmt: skip
            if at + 30 * DAY < NOW:
                known.append(
                    {
                        "id": new_id(), "site_id": shop.site_id, "idempotency_key": row, "decision_id": row,
                        "type": streams.LABEL, "value": left, "source": "system", "ts_event": at + 30 * DAY,
                        "ts_ingested": at + 33 * DAY,
                    }
                )  # fmt: skip
        for table, rows in ((conversation, talks), (decision, made), (outcome, known)):
            connection.execute(insert(table), rows)

    shop.storage.write_sync(work)


def quiet(seed: int, n: int = 1800) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.beta(2, 5, n), (random.random(n) < 0.25).astype(float)


def watched(shop: Any) -> Watched:
    return shop.storage.read_sync(lambda connection: look(connection, shop.site_id, now=NOW))


def weeks(shop: Any) -> list[dict[str, Any]]:
    period = Period(NOW - DAYS * DAY, NOW)
    table = shop.storage.read_sync(lambda connection: drift(connection, shop.site_id, period))
    return [dict(zip([name for name, _ in table.columns], row, strict=True)) for row in table.rows]


def test_a_planted_change_is_noticed_in_both_streams(shop: Any) -> None:
    scores, labels = quiet(0)
    scores[1700:] = np.random.default_rng(1).beta(5, 2, 100)  # the last five days
    labels[600:] = (np.random.default_rng(2).random(1200) < 0.5).astype(float)
    fill(shop, scores, labels)
    found = watched(shop)
    assert found.psi is not None
    assert found.psi > 0.2
    assert (found.score_changes, found.label_changes) == (1, 1)
    assert found.calibration_error is not None
    rows = weeks(shop)
    assert sum(row["changes"] for row in rows[:-2]) == 0
    assert sum(row["changes"] for row in rows) == 1
    assert sum(row["label_changes"] for row in rows) == 1
    noticed = next(number for number, row in enumerate(rows) if row["label_changes"])
    assert 60 <= noticed * 7 + 7 <= 90  # 30 days in the conversations changed, 30 days later that is known
    assert rows[5]["left"] < 0.35 < rows[-1]["left"]
    assert sum(row["labels"] for row in rows) == 1200


@pytest.mark.parametrize("seed", range(10, 16))
def test_where_nothing_changes_nothing_is_noticed(shop: Any, seed: int) -> None:
    fill(shop, *quiet(seed))
    found = watched(shop)
    assert (found.score_changes, found.label_changes) == (0, 0)
    assert found.psi is not None
    assert found.psi < 0.2
    assert sum(row["changes"] + row["label_changes"] for row in weeks(shop)) == 0


def test_those_who_were_treated_are_not_in_the_stream_of_labels(shop: Any) -> None:
    fill(shop, *quiet(3, 300), kind="offer")
    assert shop.storage.read_sync(lambda c: streams.labels(c, shop.site_id, since=0, until=NOW)) == []


def test_corrected_labels_count_as_they_stand(shop: Any) -> None:
    fill(shop, *quiet(4, 30))
    before = shop.storage.read_sync(lambda c: streams.labels(c, shop.site_id, since=0, until=NOW))

    def correct(connection: Any) -> None:
        old = connection.execute(outcome.select().where(outcome.c.value == 0.0).limit(1)).mappings().one()
        connection.execute(
            insert(outcome).values(
                **{**old, "id": new_id(), "idempotency_key": "again", "value": 1.0, "supersedes": old["id"]}
            )
        )

    shop.storage.write_sync(correct)
    after = shop.storage.read_sync(lambda c: streams.labels(c, shop.site_id, since=0, until=NOW))
    assert len(after) == len(before)
    assert sum(value for _, value, _ in after) == sum(value for _, value, _ in before) + 1


async def test_the_gauges_show_it_and_say_nothing_where_nothing_is_known(shop: Any) -> None:
    registry = CollectorRegistry()
    watch = DriftWatch(shop.storage, lambda: NOW, registry, load("hash"))
    await watch.once()
    assert math.isnan(registry.get_sample_value("staywell_drift_psi", {"site": "demo"}) or 0.0)
    assert registry.get_sample_value("staywell_drift_changes", {"site": "demo", "stream": "score"}) == 0.0
    scores, labels = quiet(0)
    scores[1200:] = 0.9
    fill(shop, scores, labels)
    await watch.once()
    assert registry.get_sample_value("staywell_drift_changes", {"site": "demo", "stream": "score"}) == 1.0
    assert registry.get_sample_value("staywell_drift_changes", {"site": "demo", "stream": "label"}) == 0.0
    assert (registry.get_sample_value("staywell_drift_psi", {"site": "demo"}) or 0.0) > 0.2
    error = registry.get_sample_value("staywell_calibration_error", {"site": "demo"})
    assert error is not None
    assert 0.0 < error < 0.5
    assert registry.get_sample_value("staywell_served_cosine") == 1.0
    assert registry.get_sample_value("staywell_served_differing") == 0.0
