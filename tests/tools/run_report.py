"""What a fault run counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Report:
    """What a run did and found."""

    kills: int = 0
    faults: int = 0
    connections: int = 0
    renewed: int = 0  # tokens that came to their end meanwhile
    sent: int = 0
    acked: int = 0
    resent_as_known: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    views_differ: int = 0
    unfinished: int = 0
    jobs_missing: int = 0
    unreadable: int = 0
    ready_wrongly: int = 0  # said to be ready while nothing could be written, or unready when it could
    unfriendly: int = 0  # connections that a planned restart ended with anything but 1012
    turns_undecided: int = 0
    turns_decided_twice: int = 0
    turns_unscored: int = 0
    turns_scored_twice: int = 0
    turns_answered: int = 0
    turns_answered_twice: int = 0
    turns_without_outcome: int = 0
    escalated: int = 0
    escalated_twice: int = 0
    escalations_lost: int = 0
    ill: list[str] = field(default_factory=list)  # what the doctor finds wrong
    nacks: dict[str, int] = field(default_factory=dict)
    close_codes: dict[int, int] = field(default_factory=dict)
    caught_up_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, missing or different."""
        messages = self.lost + self.doubled + self.gaps + self.views_differ + self.jobs_missing
        turns = self.turns_undecided + self.turns_decided_twice + self.turns_unscored + self.turns_scored_twice
        turns += self.turns_answered_twice + self.turns_without_outcome
        turns += self.escalated_twice + self.escalations_lost + len(self.ill) + self.unfriendly + self.ready_wrongly
        return messages + turns + self.unfinished + self.unreadable == 0 and 1011 not in self.close_codes


def summary(report: Report) -> dict[str, Any]:
    """The report as JSON, with percentiles in place of single times."""
    times = sorted(report.caught_up_s) or [0.0]
    values = asdict(report)
    del values["caught_up_s"]
    values["caught_up_p95_s"] = round(times[int(len(times) * 0.95) - 1], 3)
    values["clean"] = report.clean
    return values
