from __future__ import annotations

from assistant.turns.states import Kept, StateCache


def kept(seq: int, *, epoch: str = "e", model: str = "m") -> Kept:
    return Kept(seq, epoch, model, state=seq)


def test_a_state_serves_later_messages_only() -> None:
    cache = StateCache()
    cache.put("c", kept(4))
    assert cache.before("c", 5, "m") == kept(4)
    assert cache.before("c", 4, "m") is None  # it has heard that message: a retry starts anew
    assert cache.before("c", 5, "another model") is None
    assert cache.before("d", 5, "m") is None


def test_what_comes_late_never_replaces_what_is_newer() -> None:
    cache = StateCache()
    cache.put("c", kept(6))
    cache.put("c", kept(4))
    assert cache.before("c", 9, "m") == kept(6)
    cache.put("c", kept(1, epoch="restored"))
    assert cache.before("c", 9, "m") == kept(1, epoch="restored")


def test_the_longest_unused_makes_room() -> None:
    cache = StateCache(2)
    cache.put("a", kept(1))
    cache.put("b", kept(1))
    cache.before("a", 2, "m")
    cache.put("c", kept(1))
    assert [cache.before(name, 2, "m") is not None for name in "abc"] == [True, False, True]
    assert len(cache) == 2
