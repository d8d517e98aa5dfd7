"""A fused model as it serves: the laws of every scorer, and what a fusion adds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from retrieval.encoders import load as load_encoder
from risk.artefact import Artefact
from risk.calibration import logit
from risk.embeddings import CachedEncoder
from risk.fusion.data import Case, Cases
from risk.fusion.learn import fit_branches, fit_gated, fit_trees, fused_out_of_fold
from risk.fusion.model import HEARD, SPLIT
from risk.fusion.rows import collect
from risk.scorer import ChampionScorer, ServedState
from risk.types import History, Message, ModelFault, OrderRecord, RiskScore

DAY = 86_400_000


def _states(scorer: ChampionScorer, messages: tuple[Message, ...]) -> list[ServedState]:
    encode, state, states = load_encoder("hash").encode, scorer.initial(), []
    for message in messages:
        state = scorer.advance(state, encode([message.text])[0], message)
        states.append(state)
    return states


def _scored(scorer: ChampionScorer, case: Case, count: int | None = None) -> RiskScore:
    return scorer.score(_states(scorer, case.conversation.messages[:count])[-1], case.history, case.ended_at)


def test_a_fused_score_is_learnt_and_says_so(fused_scorer: ChampionScorer, unseen: tuple[Case, ...]) -> None:
    score = _scored(fused_scorer, unseen[0])
    assert not score.cold_start
    assert score.versions["fusion"] in ("trees", "gated")
    assert score.versions["model"].startswith("fused-")
    assert 0 < score.low <= score.churn <= score.high < 1


def test_both_sides_move_the_score_and_are_named(fused_scorer: ChampionScorer, unseen: tuple[Case, ...]) -> None:
    drivers = [d for case in unseen[:12] for d in _scored(fused_scorer, case).drivers]
    assert {d.kind for d in drivers} == {"turn", "history"}
    for case in unseen[:12]:
        roles = [m.role for m in case.conversation.messages]
        turns = [d for d in _scored(fused_scorer, case).drivers if d.kind == "turn"]
        assert all(d.seq is not None and roles[d.seq - 1] == "contact" for d in turns)


def test_appending_messages_never_changes_an_earlier_score(
    fused_scorer: ChampionScorer, unseen: tuple[Case, ...]
) -> None:
    case = unseen[0]
    whole = _states(fused_scorer, case.conversation.messages)
    for n in range(1, len(whole) + 1):
        alone = _scored(fused_scorer, case, n)
        assert alone == fused_scorer.score(whole[n - 1], case.history, case.ended_at)


def test_what_happens_after_as_of_changes_nothing(fused_scorer: ChampionScorer, unseen: tuple[Case, ...]) -> None:
    case, state = unseen[0], _states(fused_scorer, unseen[0].conversation.messages)[-1]
    later = OrderRecord("later", case.ended_at + 1, case.ended_at + 1, 99_999)
    told = dataclasses.replace(case.history, orders=(*case.history.orders, later))
    assert fused_scorer.score(state, told, case.ended_at) == fused_scorer.score(state, case.history, case.ended_at)


def test_a_visitor_and_a_chat_that_has_not_begun_both_score(
    fused_scorer: ChampionScorer, unseen: tuple[Case, ...]
) -> None:
    state = _states(fused_scorer, unseen[0].conversation.messages)[-1]
    for told, history in ((state, None), (state, History()), (fused_scorer.initial(), unseen[0].history)):
        score = fused_scorer.score(told, history, unseen[0].ended_at)
        assert 0 < score.low <= score.churn <= score.high < 1
    nothing = fused_scorer.score(fused_scorer.initial(), None, unseen[0].ended_at)
    assert not nothing.drivers


def test_the_state_stays_small(fused_scorer: ChampionScorer) -> None:
    talk = tuple(Message("contact" if n % 2 else "bot", f"still nothing, day {n}") for n in range(120))
    chat = _states(fused_scorer, talk)[-1].chat
    assert chat is not None
    assert len(chat.moves) <= 6
    rows = sum(m.after.nbytes + (0 if m.before is None else m.before.nbytes) for m in chat.moves)
    assert rows + chat.summary.total.nbytes * 3 < 12_288


@pytest.mark.parametrize("kind", ["trees", "gated"])
def test_rows_in_a_batch_score_as_they_do_one_by_one(
    kind: str, fused: Artefact, scorer: ChampionScorer, encoder: CachedEncoder, learnt: Cases
) -> None:
    cases = learnt.rows[:200]
    lookup = encoder.lookup(m.text for case in cases for m in case.conversation.messages)
    rows, _ = collect(cases, scorer, lookup, 1)
    fit = fit_trees if kind == "trees" else fit_gated
    learner = fit(fused_out_of_fold(rows, 1), rows, 1)
    fused_rows = fit_branches(rows, 1).fused(rows)[:40]
    together = learner.logits(fused_rows)
    np.testing.assert_allclose(together, [learner.logits(row[None, :])[0] for row in fused_rows], atol=1e-9)
    for side in (slice(0, SPLIT), slice(SPLIT, SPLIT + HEARD)):
        gaps = fused_rows.copy()
        gaps[:, side] = np.nan
        assert np.isfinite(learner.logits(gaps)).all()


def test_serving_reads_what_training_read(
    fused: Artefact, fused_scorer: ChampionScorer, scorer: ChampionScorer, encoder: CachedEncoder, learnt: Cases
) -> None:
    """Training replays conversations in bulk, serving goes message by message: the text branch says the same after both."""
    cases = learnt.rows
    lookup = encoder.lookup(m.text for case in cases for m in case.conversation.messages)
    rows, _ = collect(cases, scorer, lookup, 5)
    trained = fit_branches(rows, 5)
    bulk = trained.fused(rows.where(rows.final))
    for n in (0, len(cases) // 2, len(cases) - 1):
        said = [i for i, m in enumerate(cases[n].conversation.messages) if m.role == "contact"]
        state = _states(fused_scorer, cases[n].conversation.messages[: said[-1] + 1])[-1]
        alone = fused_scorer.alone(state, cases[n].history, cases[n].ended_at)
        assert alone["text"] == pytest.approx(bulk[n, -1], abs=1e-3)
        assert alone["history"] == pytest.approx(bulk[n, SPLIT - 1], abs=1e-6)


def test_a_model_without_a_fusion_has_no_branches_of_one(scorer: ChampionScorer, unseen: tuple[Case, ...]) -> None:
    state = _states(scorer, unseen[0].conversation.messages)[-1]
    with pytest.raises(ModelFault, match="no fusion"):
        scorer.alone(state, None, unseen[0].ended_at)
    assert _scored(scorer, unseen[0]).cold_start


def test_the_raw_score_and_the_calibrated_one_rank_alike(
    fused_scorer: ChampionScorer, unseen: tuple[Case, ...]
) -> None:
    found = sorted((s.churn_raw, s.churn) for s in (_scored(fused_scorer, case) for case in unseen[:20]))
    calibrated = [float(logit(churn)) for _, churn in found]
    assert calibrated == sorted(calibrated)
