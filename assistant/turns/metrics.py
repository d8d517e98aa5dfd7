"""What is counted about turns, for /metrics."""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.8, 1.2, 2.0, 5.0, 10.0, 30.0)


class TurnMetrics:
    """One set of counters; a registry of its own in tests."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.turns = Counter(
            "staywell_turns", "Turns decided, by action and rule.", ["kind", "rule"], registry=registry
        )
        self.degraded = Counter(
            "staywell_turns_degraded", "Turns that went on without something.", ["reason"], registry=registry
        )
        self.failures = Counter(
            "staywell_turn_failures", "Tries at a turn that failed and are repeated.", ["error"], registry=registry
        )
        self.latency = Histogram(
            "staywell_turn_seconds",
            "Work on a turn, without the pause for a burst.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "staywell_turn_wait_seconds",
            "From the contact's message to the start of work on it.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.model = Histogram(
            "staywell_model_seconds", "Embedding and scoring of a turn.", buckets=_SECONDS, registry=registry
        )
        of_all: Any = {"registry": registry, "multiprocess_mode": "livesum"}
        self.running = Gauge("staywell_turns_running", "Turns being worked on.", **of_all)
        self.waiting = Gauge("staywell_inference_waiting", "Turns that wait for the models.", **of_all)
