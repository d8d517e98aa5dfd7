"""One offer, many processes: one winner each time, on both databases."""

from __future__ import annotations

import pytest

from tests.tools import race_run

pytestmark = pytest.mark.integration


def check(url: str, *, races: int, processes: int) -> None:
    found = race_run.run(url, races=races, processes=processes)
    print(found)
    assert found["winners"] == {"1": races}
    assert found["joined"] == found["assigned"] == races
    assert found["errors"] == []


def test_one_offer_has_one_winner(database_url: str) -> None:
    check(database_url, races=20, processes=4)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_thousand_offers_have_a_winner_each(database_url: str) -> None:
    check(database_url, races=1000, processes=8)
