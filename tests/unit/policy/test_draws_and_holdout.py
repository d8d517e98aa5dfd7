from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.policy.draws import draw_from, seed_for
from assistant.policy.holdout import in_holdout


def test_a_draw_can_be_made_again_and_depends_on_everything() -> None:
    seed = seed_for(b"k", "C", 3, "v1")
    assert seed == seed_for(b"k", "C", 3, "v1")
    others = {
        seed_for(b"x", "C", 3, "v1"),
        seed_for(b"k", "D", 3, "v1"),
        seed_for(b"k", "C", 4, "v1"),
        seed_for(b"k", "C", 3, "v2"),
    }
    assert len(others | {seed}) == 5
    assert 0.0 <= draw_from(seed) < 1.0


def test_draws_are_uniform() -> None:
    draws = [draw_from(seed_for(b"k", "C", n, "v")) for n in range(20_000)]
    counts = [sum(tenth / 10 <= draw < (tenth + 1) / 10 for draw in draws) for tenth in range(10)]
    assert all(abs(count - 2_000) < 200 for count in counts)


@pytest.mark.parametrize("seed", ["", "zz" * 32, "ab", "f" * 63])
def test_a_foreign_seed_is_refused(seed: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 — int() has its own words
        draw_from(seed)


@given(st.text(min_size=1), st.text(), st.floats(0, 1), st.floats(0, 1))
def test_holdout_is_sticky_and_grows_only(key: str, salt: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert in_holdout(key, salt, low) == in_holdout(key, salt, low)
    assert not in_holdout(key, salt, low) or in_holdout(key, salt, high)


def test_the_rate_is_kept_and_salts_are_independent() -> None:
    keys = [f"key-{n}" for n in range(20_000)]
    held = {key for key in keys if in_holdout(key, "a", 0.05)}
    assert 850 < len(held) < 1150
    assert len(held & {key for key in keys if in_holdout(key, "b", 0.05)}) < 100
    assert not any(in_holdout(key, "a", 0.0) for key in keys[:100])
    assert all(in_holdout(key, "a", 1.0) for key in keys[:100])
    with pytest.raises(ValueError, match="rate"):
        in_holdout("k", "a", 1.2)
