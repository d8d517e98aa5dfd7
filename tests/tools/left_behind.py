"""What a fault run leaves behind: the log, compared with what was acknowledged and seen, and what doctor says of it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from assistant.storage.engine import Storage
from assistant.storage.tables import decision, event, score, task, turn_job
from tests.tools.run_report import Report
from tests.tools.talkers import Talker


def sqlite_url(data_dir: Path) -> str:
    """The database of a server that was given only its data directory."""
    return f"sqlite:///{(data_dir / 'staywell.db').as_posix()}"


def examine(report: Report, storage: Storage, people: list[Talker]) -> None:
    """Compares the log with what was acknowledged and with what each contact sees."""
    rows = storage.read_sync(
        lambda connection: connection.execute(select(event).order_by(event.c.conversation_id, event.c.seq)).all()
    )
    jobs = storage.read_sync(
        lambda connection: {
            tuple(row) for row in connection.execute(select(turn_job.c.conversation_id, turn_job.c.seq))
        }
    )
    logs: dict[str, list[Any]] = {}
    for row in rows:
        logs.setdefault(row.conversation_id, []).append(row)
    report.stored = len(rows)
    spoken = [row.body for row in rows if (row.sender, row.kind) == ("contact", "message")]
    report.doubled = sum(times - 1 for times in Counter(spoken).values())
    report.gaps = sum([row.seq for row in log] != list(range(1, len(log) + 1)) for log in logs.values())
    said = {(row.conversation_id, row.seq) for row in rows if (row.sender, row.kind) == ("contact", "message")}
    report.jobs_missing = len(said - jobs)
    stored = {row.cmid: row for row in rows if row.sender == "contact"}
    for person in people:
        report.acked += len(person.acked)
        for cmid, seq in person.acked.items():
            row = stored.get(cmid)
            report.lost += row is None or (row.seq, row.body or "") != (seq, person.bodies[cmid])
        log = logs.get(person.conv or "", [])
        seen = [(frame["seq"], frame["id"], frame.get("body")) for frame in person.view]
        report.views_differ += seen != [(row.seq, row.id, row.body) for row in log]


def examine_turns(report: Report, storage: Storage) -> None:
    """Each message of a contact must have one score, one decision and at most one answer; a decision to speak must have spoken."""

    def rows(*columns: Any) -> list[Any]:
        return list(storage.read_sync(lambda connection: connection.execute(select(*columns)).all()))

    events = rows(event.c.conversation_id, event.c.seq, event.c.sender, event.c.kind, event.c.reply_to)
    turns = {(row.conversation_id, row.seq) for row in events if (row.sender, row.kind) == ("contact", "message")}
    decided = {(row.conversation_id, row.seq): row for row in rows(decision)}
    scored = Counter((row.conversation_id, row.seq) for row in rows(score.c.conversation_id, score.c.seq))
    answers = Counter((row.conversation_id, row.reply_to) for row in events if row.sender == "bot" and row.reply_to)
    report.turns_undecided = len(turns - decided.keys())
    report.turns_decided_twice = len(rows(decision.c.id)) - len(decided)
    report.turns_unscored = len(turns - scored.keys())
    report.turns_scored_twice = sum(times - 1 for times in scored.values())
    report.turns_answered = len(answers)
    report.turns_answered_twice = sum(times - 1 for times in answers.values())
    report.turns_without_outcome = sum(
        row.reply_seq is None and row.not_delivered is None and row.kind not in ("none", "escalate")
        for row in decided.values()
    )
    asked = {row.conversation_id for row in events if row.kind == "escalated"}
    tasks = Counter(row.conversation_id for row in rows(task.c.conversation_id))
    pressed = Counter(row.conversation_id for row in events if (row.sender, row.kind) == ("contact", "escalated"))
    report.escalated = len(asked)
    report.escalated_twice = sum(times - 1 for times in (*tasks.values(), *pressed.values()))
    handed = {row.conversation_id for row in decided.values() if row.kind == "escalate" and row.not_delivered is None}
    report.escalations_lost = len((asked | handed) ^ tasks.keys())


async def consult(data_dir: Path, environment: Mapping[str, str]) -> list[str]:
    """What `staywell doctor` finds wrong."""
    doctor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "assistant.cli", "doctor", "--json", "--data-dir", str(data_dir),
        stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    said, _ = await doctor.communicate()
    findings = json.loads(said)["findings"]
    return [f"{one['part']}: {one['detail']}" for one in findings if one["state"] == "wrong"]
