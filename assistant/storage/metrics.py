"""What is counted about the writer, for /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from assistant.storage.engine import Batch

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
_JOBS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class StorageMetrics:
    """A meter for `Storage(on_batch=…)`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Histogram(
            "staywell_storage_batch_jobs", "Writes in a transaction.", buckets=_JOBS, registry=registry
        )
        self._took = Histogram(
            "staywell_storage_commit_seconds",
            "A transaction, from BEGIN to the end of COMMIT.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._waited = Histogram(
            "staywell_storage_wait_seconds",
            "The longest wait in a batch for its transaction to begin.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._failed = Counter("staywell_storage_failed_writes", "Writes that raised alone.", registry=registry)
        self._errors = Counter(
            "staywell_storage_errors", "Transactions that the database failed, by error.", ["error"], registry=registry
        )

    def __call__(self, batch: Batch) -> None:
        """Takes one transaction into account."""
        self._jobs.observe(batch.jobs)
        self._waited.observe(batch.waited_s)
        if batch.error is None:
            self._took.observe(batch.took_s)
            self._failed.inc(batch.failed)
        else:
            self._errors.labels(batch.error).inc()
