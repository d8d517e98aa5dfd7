from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from risk.gate import Evidence, Limits, Verdict, gate, weighted_ap, weighted_brier
from risk.metrics import average_precision, brier
from risk.ope import Judged
from risk.uplift.qini import Estimate

SURE = Estimate(0.0, -0.01, 0.01)


def judged(lead: Estimate | None = SURE, refused: tuple[str, ...] = ()) -> Judged:
    return Judged("bands", 900, 400, 600.0, 1.0, 3.0, Estimate(1.0, 0.9, 1.1), None, lead, refused)


def evidence(sharp: float = 2.0, *, customers: int = 600, turns: int = 3, seed: int = 0) -> Evidence:
    """Turns of customers whose true risk is known; the champion sees it with noise, the challenger with noise / `sharp`."""
    random = np.random.default_rng(seed)
    truth = np.repeat(random.normal(-0.3, 1.2, customers), turns)
    churned = np.repeat((random.random(customers) < 1 / (1 + np.exp(-truth[::turns]))).astype(float), turns)
    noise = random.normal(0, 1.0, len(truth))

    def seen(width: float) -> np.ndarray:
        return np.asarray(1 / (1 + np.exp(-(truth + width * noise))))

    challenger = seen(1.0 / sharp)
    return Evidence(
        champion=seen(1.0),
        challenger=challenger,
        churned=churned,
        weight=np.ones(len(truth)),
        customer=np.repeat(np.arange(customers), turns),
        conversation=np.repeat(np.arange(customers), turns),
        alarmed=challenger > 0.9,
        alarmed_now=np.zeros(len(truth), bool),
        slices={"locale": np.where(np.arange(len(truth)) % 2 == 0, "en", "zh")},
        latency_ms=np.full(100, 1.0),
    )


def check_of(verdict: Verdict, name: str) -> bool:
    return next(check.passed for check in verdict.checks if check.name == name)


def test_a_better_challenger_passes_and_says_by_how_much() -> None:
    verdict = gate("a", "b", evidence(), judged())
    assert verdict.passed
    ap = next(check for check in verdict.checks if check.name == "ap")
    assert ap.figure is not None
    assert ap.figure.low > 0
    assert [c["name"] for c in verdict.as_json()["checks"]] == [
        "evidence", "probabilities", "ap", "brier", "worst_slice", "false_alarms", "p95_ms", "value",
    ]  # fmt: skip


def test_the_same_model_is_not_worse_than_itself() -> None:
    same = evidence()
    assert gate("a", "b", replace(same, challenger=same.champion, alarmed=same.champion > 0.95), judged()).passed


def test_a_worse_challenger_is_refused_for_its_ranking() -> None:
    verdict = gate("a", "b", evidence(sharp=0.4), judged())
    assert not verdict.passed
    assert not check_of(verdict, "ap")


def test_a_challenger_that_ranks_alike_but_lies_about_chances_is_refused() -> None:
    found = evidence()
    verdict = gate("a", "b", replace(found, challenger=found.champion**4), judged())
    assert check_of(verdict, "ap")
    assert not check_of(verdict, "brier")


def test_one_group_that_pays_for_the_others_is_found() -> None:
    found = evidence(sharp=4.0)
    chinese = found.slices["locale"] == "zh"
    blind = np.where(chinese, np.clip(found.challenger + 0.4, 0, 1), found.challenger)
    verdict = gate("a", "b", replace(found, challenger=blind), judged())
    assert not check_of(verdict, "worst_slice")
    assert "locale=zh" in next(check.detail for check in verdict.checks if check.name == "worst_slice")


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"alarmed": np.ones(1800, bool)}, "false_alarms"),
        ({"latency_ms": np.full(100, 80.0)}, "p95_ms"),
        ({"latency_ms": np.zeros(0)}, "p95_ms"),
        ({"challenger": np.full(1800, np.nan)}, "probabilities"),
        ({"challenger": np.full(1800, 1.2)}, "probabilities"),
    ],
)
def test_each_limit_alone_can_refuse(change: dict[str, np.ndarray], failing: str) -> None:
    verdict = gate("a", "b", replace(evidence(), **change), judged())
    assert not verdict.passed
    assert not check_of(verdict, failing)


@pytest.mark.parametrize("found", [None, judged(None, ("ess",)), judged(Estimate(-0.1, -0.2, 0.0))])
def test_without_an_answer_about_value_nothing_is_promoted(found: Judged | None) -> None:
    verdict = gate("a", "b", evidence(), found)
    assert not verdict.passed
    assert not check_of(verdict, "value")


def test_few_customers_are_no_evidence_however_many_turns_they_have() -> None:
    verdict = gate("a", "b", evidence(customers=60, turns=50), judged())
    assert [check.name for check in verdict.checks] == ["evidence"]
    assert not verdict.passed
    assert (
        gate("a", "b", evidence(customers=60, turns=50), judged(), limits=Limits(least_customers=10)).checks[0].passed
    )


def test_weighted_measures_are_the_plain_ones_where_all_weigh_the_same() -> None:
    random = np.random.default_rng(1)
    scores, labels = random.integers(0, 10, 200) / 10, (random.random(200) < 0.3).astype(float)
    assert weighted_ap(scores, labels, np.full(200, 2.5)) == pytest.approx(average_precision(scores, labels))
    assert weighted_brier(scores, labels, np.full(200, 2.5)) == pytest.approx(brier(scores, labels))
    doubled = np.r_[np.arange(200), np.flatnonzero(labels == 1)]
    weights = np.where(labels == 1, 2.0, 1.0)
    assert weighted_ap(scores, labels, weights) == pytest.approx(average_precision(scores[doubled], labels[doubled]))
    assert np.isnan(weighted_ap(scores, np.zeros(200), np.ones(200)))
