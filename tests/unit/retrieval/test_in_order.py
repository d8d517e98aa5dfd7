"""The lock in order: one at a time, first come first served, and free again after a fault."""

from __future__ import annotations

import threading
import time

import pytest

from retrieval.in_order import InOrder


def test_it_is_given_in_the_order_of_asking() -> None:
    lock, order = InOrder(), []

    def ask(who: int) -> None:
        with lock:
            order.append(who)

    threads = []
    with lock:
        for who in range(6):
            threads.append(threading.Thread(target=ask, args=(who,)))
            threads[-1].start()
            while lock._asked < who + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_one_at_a_time() -> None:
    lock, inside, seen = InOrder(), [], []

    def work() -> None:
        for _ in range(50):
            with lock:
                inside.append(1)
                seen.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 200


def test_a_fault_inside_frees_it() -> None:
    lock = InOrder()
    with pytest.raises(ValueError, match="inside"), lock:
        raise ValueError("inside")
    with lock:
        pass
