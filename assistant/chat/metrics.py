"""What is counted about the chat, for /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ChatMetrics:
    """One set of counters; without a registry they count for nobody, as in tests."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        registry = registry if registry is not None else CollectorRegistry()
        self.connections = Gauge(
            "staywell_chat_connections", "Live chat connections.", registry=registry, multiprocess_mode="livesum"
        )
        self.closes = Counter(
            "staywell_chat_closes", "Chat connections that we closed, by code.", ["code"], registry=registry
        )
        self.stored = Counter(
            "staywell_chat_stored", "Durable frames of contacts: new, or known already.", ["result"], registry=registry
        )
        self.refused = Counter("staywell_chat_refused", "Frames that were refused.", ["code"], registry=registry)
        self.ack_seconds = Histogram(
            "staywell_chat_ack_seconds",
            "From a durable frame's arrival to its ack.",
            buckets=_SECONDS,
            registry=registry,
        )
