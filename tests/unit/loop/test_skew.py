from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select, update

from assistant.loop.skew import measure
from assistant.shop.history import load_history
from assistant.storage.tables import decision, event, turn_vector
from retrieval.encoders import load
from risk.history.features import FEATURES, features

START, DAY = 1_795_000_000_000, 86_400_000
ENCODER = load("hash")


@pytest.fixture
def served(shop: Any) -> Any:
    """A customer with an order and a turn whose features and vector were served."""
    contact_id, key = shop.customer("ada")
    shop.order("ada", START - 40 * DAY)

    def known(connection: Any) -> dict[str, float | None]:
        row = features(load_history(connection, site_id=shop.site_id, contact_id=contact_id, as_of=START), START)
        return {name: None if np.isnan(value) else float(value) for name, value in zip(FEATURES, row, strict=True)}

    conv, _ = shop.talk(contact_id, key, ["where is it?"], START, features=shop.storage.read_sync(known))
    vector = ENCODER.encode(["where is it?"])[0].astype("<f4").tobytes()
    shop.storage.write_sync(
        lambda connection: connection.execute(
            insert(turn_vector).values(conversation_id=conv, seq=1, fingerprint=ENCODER.fingerprint, vector=vector)
        )
    )
    return shop


def look(shop: Any) -> Any:
    return shop.storage.read_sync(lambda connection: measure(connection, ENCODER))


def test_what_was_served_comes_out_again(served: Any) -> None:
    found = look(served)
    assert (found.vectors, found.decisions, found.differing) == (1, 1, ())
    assert found.worst_cosine == pytest.approx(1.0)
    assert found.sound


def test_what_was_learnt_later_changes_nothing(served: Any) -> None:
    served.order("ada", START - DAY, ingested=START + DAY)
    served.order("ada", START + DAY)
    assert look(served).sound


def test_an_order_that_changed_behind_the_log_is_found(served: Any) -> None:
    served.order("ada", START - DAY)
    found = look(served)
    assert not found.sound
    assert len(found.differing) == 1


def test_a_text_that_changed_is_found(served: Any) -> None:
    served.storage.write_sync(
        lambda connection: connection.execute(update(event).where(event.c.seq == 1).values(body="all is well"))
    )
    found = look(served)
    assert found.worst_cosine < 0.9
    assert not found.sound


def test_another_versions_features_are_left_out(served: Any) -> None:
    served.storage.write_sync(lambda connection: connection.execute(update(decision).values(features={"old": 1.0})))
    found = look(served)
    assert (found.decisions, found.sound) == (0, True)
    assert served.storage.read_sync(lambda connection: connection.execute(select(decision.c.id)).all())
