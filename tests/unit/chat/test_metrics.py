"""What /metrics says about the chat and the writer."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from assistant.chat.metrics import ChatMetrics
from assistant.storage.engine import Batch
from assistant.storage.metrics import StorageMetrics


def test_batches_are_counted() -> None:
    registry = CollectorRegistry()
    meter = StorageMetrics(registry)
    meter(Batch(jobs=32, failed=1, waited_s=0.001, took_s=0.004))
    meter(Batch(jobs=5, failed=5, waited_s=0.001, took_s=5.0, error="OperationalError"))
    assert registry.get_sample_value("staywell_storage_batch_jobs_sum") == 37
    assert registry.get_sample_value("staywell_storage_commit_seconds_count") == 1
    assert registry.get_sample_value("staywell_storage_failed_writes_total") == 1
    assert registry.get_sample_value("staywell_storage_errors_total", {"error": "OperationalError"}) == 1


def test_every_counter_of_the_chat_has_a_name_of_ours() -> None:
    registry = CollectorRegistry()
    ChatMetrics(registry).closes.labels(4401).inc()
    ChatMetrics()  # counts for nobody, and clashes with nobody
    text = generate_latest(registry).decode()
    assert 'staywell_chat_closes_total{code="4401"} 1.0' in text
    assert all(line.startswith(("#", "staywell_chat_")) for line in text.splitlines())
