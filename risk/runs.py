"""TensorBoard runs of a training: one folder a run, scalars only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from risk.errors import ExtraMissing


class Runs:
    """Records figures under `folder`; `staywell train conversations --tensorboard DIR`, then `tensorboard --logdir DIR`."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as missing:
            raise ExtraMissing("TensorBoard runs need an extra: pip install 'staywell[train]'") from missing
        self._make = SummaryWriter
        self._folder = folder
        self._writers: dict[str, Any] = {}

    def record(self, run: str, figure: str, value: float, step: int) -> None:
        """One point of one curve; a run is a folder, made when it is first named."""
        if run not in self._writers:
            self._writers[run] = self._make(str(self._folder / run))
        self._writers[run].add_scalar(figure, value, step)

    def close(self) -> None:
        """Everything is on disk."""
        for writer in self._writers.values():
            writer.close()


@contextmanager
def recording(folder: Path | None) -> Iterator[Callable[[str, str, float, int], None]]:
    """A `record(run, figure, value, step)` that writes under `folder`, or nowhere without one."""
    if folder is None:
        yield lambda run, figure, value, step: None
        return
    runs = Runs(folder)
    try:
        yield runs.record
    finally:
        runs.close()
