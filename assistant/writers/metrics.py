"""What is counted about reply writers, for /metrics."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0)


class WriterMetrics:
    """One set of counters; a registry of its own in tests."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.replies = Counter(
            "staywell_writer_replies",
            "Replies given to a language model, by what came of it: written, or why the template spoke.",
            ["outcome"],
            registry=registry,
        )
        self.seconds = Histogram(
            "staywell_writer_seconds", "A language model at a reply.", buckets=_SECONDS, registry=registry
        )
        self.first = Histogram(
            "staywell_writer_first_part_seconds",
            "Until the first sentence could be shown.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.resting = Gauge(
            "staywell_writer_resting",
            "1 while a worker leaves the language model alone after failures.",
            registry=registry,
            multiprocess_mode="livemax",
        )
