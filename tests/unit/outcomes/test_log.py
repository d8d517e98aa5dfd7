from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from assistant.ids import new_id
from assistant.outcomes import log
from assistant.outcomes.check import check
from assistant.outcomes.invariants import violations
from assistant.outcomes.store import record
from assistant.policy.decide import VERSION, pick, probabilities
from assistant.policy.draws import draw_from, seed_for
from assistant.storage.tables import decision, event, outcome, score

NOW = 1_795_000_000_000
FORCED = {
    "eligible": ["escalate"],
    "probabilities": [1.0],
    "values": [0.0],
    "action": "escalate",
    "kind": "escalate",
    "propensity": 1.0,
}


def test_a_sound_row_goes_in_once(made: Any) -> None:
    made.turn()
    with pytest.raises(IntegrityError):
        made.write(lambda c: log.write(c, made.row(1)))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"probabilities": [0.5, 0.6]}, "sum"),
        ({"probabilities": [0.5]}, "length"),
        ({"eligible": [], "probabilities": [], "values": []}, "length"),
        ({"probabilities": [float("nan"), 0.5]}, "probability"),
        ({"probabilities": [1.5, -0.5]}, "probability"),
        ({"probabilities": [0.99, 0.01]}, "floor"),
        ({"propensity": 0.1234}, "propensity"),
        ({"action": "reply:z"}, "action"),
        ({"kind": "offer"}, "kind"),
        ({"values": [100.0, 50.1]}, "rederived"),
        ({"seed": "f" * 64}, "rederived"),
        ({"seed": "zz"}, "rederived"),
        ({"versions": {}}, "rederived"),
        (FORCED | {"holdout": True, "overrides": ["high_risk"]}, "holdout"),
        (FORCED | {"eligible": ["offer:o"], "action": "offer:o", "kind": "offer", "holdout": True}, "holdout"),
    ],
)
def test_an_unsound_row_is_refused_and_nothing_is_written(made: Any, changes: Any, code: str) -> None:
    row = made.row(1, **changes)
    if changes.get("seed") == "f" * 64:  # the draw .999… picks the second action
        row |= {"action": "reply:a", "propensity": row["probabilities"][0]}
    assert code in violations(row)
    with pytest.raises(log.UnsoundDecision):
        made.write(lambda c: log.write(c, row))


def test_a_holdout_customer_may_be_answered_and_get_a_person_who_was_asked_for(made: Any) -> None:
    assert violations(made.row(1, holdout=True)) == []
    assert violations(made.row(1, **FORCED, holdout=True, overrides=["asks_for_human"])) == []
    treated = made.row(1, holdout=True)
    treated["candidates"] = [{"id": "x", "action": treated["action"], "treatment": True}]
    assert violations(treated) == ["holdout"]


@given(
    st.lists(st.floats(-(10**7), 10**7), min_size=2, max_size=20),
    st.floats(0.001, 0.025),
    st.floats(0.5, 10**5),
    st.text(min_size=1, max_size=10),
    st.integers(1, 10**6),
)
def test_propensities_follow_again_from_seed_and_versions(
    values: list[float], floor: float, temperature: float, conversation: str, seq: int
) -> None:
    seed = seed_for(b"secret", conversation, seq, VERSION)
    chances = probabilities(values, floor=floor, temperature=temperature)
    index = pick(chances, draw_from(seed))
    keys = [f"reply:{n}" for n in range(len(values))]
    row = {
        "eligible": keys, "probabilities": list(chances), "values": values, "action": keys[index], "kind": "reply",
        "propensity": chances[index], "floor": floor, "seed": seed, "overrides": [], "holdout": False, "candidates": [],
        "versions": {"policy": VERSION, "temperature": repr(temperature)},
    }  # fmt: skip
    assert violations(row) == []
    if chances[0] + 1e-8 < 1:
        assert violations(row | {"probabilities": [chances[0] + 1e-8, chances[1] - 1e-8, *chances[2:]]}) != []


def found(made: Any, secret: bytes | None = b"secret") -> set[tuple[str, str]]:
    return {(finding.table, finding.code) for finding in made.read(lambda c: list(check(c, secret=secret)))}


def test_a_sound_log_has_no_findings(made: Any) -> None:
    decision_id = made.turn()
    made.turn()
    made.write(
        lambda c: record(c, site_id=made.site_id, idempotency_key="k", type="csat", source="widget", ts_event=NOW, now=NOW,
                         decision_id=decision_id, value=5.0)
    )  # fmt: skip
    assert found(made) == set()


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (update(decision).values(propensity=0.4), ("decision", "propensity")),
        (update(decision).values(seed="0" * 64), ("decision", "seed")),
        (delete(score), ("decision", "unscored")),
        (delete(decision), ("score", "undecided")),
        (update(event).values(sender="bot"), ("decision", "not_a_turn")),
        (update(outcome).values(ts_event=NOW - 10), ("outcome", "before_decision")),
        (update(outcome).values(decision_id="0" * 26), ("outcome", "orphan")),
        (update(outcome).values(supersedes="0" * 26), ("outcome", "orphan")),
    ],
)
def test_the_check_finds_what_was_done_to_a_log(made: Any, damage: Any, finding: tuple[str, str]) -> None:
    decision_id = made.turn()

    def spoil(connection: Any) -> None:
        connection.execute(
            insert(outcome).values(
                id=new_id(), site_id=made.site_id, idempotency_key="k", decision_id=decision_id, type="click",
                source="widget", ts_event=NOW, ts_ingested=NOW,
            )
        )  # fmt: skip
        connection.execute(damage)

    made.write(spoil)
    assert finding in found(made)


def test_without_the_secret_seeds_are_taken_as_logged(made: Any) -> None:
    made.turn()
    assert found(made, secret=None) == set()
    assert found(made, secret=b"another") == {("decision", "seed")}
