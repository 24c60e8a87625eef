"""Settled labels as a file: CSV for people, JSON Lines for programs, some ten thousand at a time.

A file goes on behind a task's id, so that a million labels are taken in pieces: whoever is cut off asks again from the
last id they have. Ids are in the order in which tasks were sent: what is settled later may lie before one that was
taken.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from foundation.limits import DAY, Limit
from payments import funding, money, rates
from payments.files import cells
from workforce import labels, tasks
from workforce.models import Project
from workforce.tiers import Tier

QUOTA = Limit("label-files", 5_000, DAY)
MOST = 50_000
_AT_ONCE = 1_000
_IN_MEMORY = 256 * 1024
_COLUMNS = (
    "task_id", "unique_id", "batch_id", "label", "confidence", "settled_by", "flagged", "answers", "dissenting", "cost",
    "currency", "settled_at", "corrected_from", "corrected_at", "correction_reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file at its beginning, how many labels are in it, and the last task of a full one: others may follow."""

    file: IO[bytes]
    rows: int
    next: str | None

    def chunks(self) -> Iterator[bytes]:
        """The bytes, once; closes the file."""
        with self.file:
            while chunk := self.file.read(64 * 1024):
                yield chunk


def make_csv(db: Session, project: Project, *, after: str, most: int) -> LabelFile:
    """RFC 4180, UTF-8; a text that a spreadsheet would run has a quote before it."""

    def line(label: Mapping[str, Any]) -> str:
        row = io.StringIO(newline="")
        csv.writer(row).writerow([_cell(label[name]) for name in _COLUMNS])
        return row.getvalue()

    return _make(db, project, line, after=after, most=most, header=",".join(_COLUMNS) + "\r\n")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    return cells.quoted(value) if isinstance(value, str) else value


def make_jsonl(db: Session, project: Project, *, after: str, most: int) -> LabelFile:
    """An object a line, with the task's metadata as they were sent."""
    return _make(db, project, lambda label: json.dumps(label) + "\n", after=after, most=most)


def _make(
    db: Session, project: Project, line: Callable[[Mapping[str, Any]], str], *, after: str, most: int, header: str = ""
) -> LabelFile:
    with ExitStack() as until_finished:
        file: IO[bytes] = until_finished.enter_context(SpooledTemporaryFile(max_size=_IN_MEMORY))
        file.write(header.encode())
        rows, last = 0, after
        for label in _labels(db, project, after, most):
            file.write(line(label).encode())
            rows, last = rows + 1, label["task_id"]
        file.seek(0)
        # From here on it is the caller's, who closes it.
        until_finished.pop_all()
    return LabelFile(file, rows, last if rows == most else None)


# By the requester, whose tasks have an index in the order of their ids. The number stands in the text: as a parameter
# it lets a generic plan ask for the answers of all tasks before it puts these in order.
_SETTLED = text(f"""
    SELECT t.id, t.unique_id, t.batch_id, t.label, t.confidence, t.settled_by, t.flagged, t.settled_at, t.metadata,
           given.answers, given.dissenting, given.amounts
      FROM (SELECT * FROM tasks
             WHERE requester_id = :requester_id AND project_id = :project_id AND status = 'settled' AND id > :after
             ORDER BY id LIMIT {_AT_ONCE}) t
     CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE a.kind = 'answer') AS answers,
                  CASE WHEN :has_classes
                       THEN count(*) FILTER (WHERE a.kind = 'answer' AND a.label <> t.label) END AS dissenting,
                  coalesce(array_agg(s.amount), '{{}}') AS amounts
             FROM answers a JOIN assignments s ON s.project_id = a.project_id AND s.id = a.assignment_id
            WHERE a.task_id = t.id AND a.status = 'accepted') given
     ORDER BY t.id LIMIT :most
""")


def _labels(db: Session, project: Project, after: str, most: int) -> Iterator[dict[str, Any]]:
    card = rates.dearest(db, project.id, tier_max=Tier.EXPERT)
    has_classes = labels.are_classes(project)
    whose = {"requester_id": project.requester_id, "project_id": project.id, "has_classes": has_classes}
    while most > 0:
        rows = db.execute(_SETTLED, {**whose, "after": after, "most": min(most, _AT_ONCE)}).all()
        fees = funding.fees_of(db, {row.batch_id for row in rows})
        said = labels.shown(db, project, [(row.id, row.label) for row in rows])
        corrected = labels.corrections(db, project, [row.id for row in rows if row.settled_by == tasks.CORRECTION])
        for row, value in zip(rows, said, strict=True):
            # A class is its name; what is none, as a worker would send it.
            label = project.labels[row.label] if has_classes else value
            correction = _correction(project, corrected.get(row.id, labels.NEVER_CORRECTED), has_classes=has_classes)
            yield _label(row, label, card, fees[row.batch_id]) | correction | {"metadata": row.metadata}
        if len(rows) < _AT_ONCE:
            return
        after, most = rows[-1].id, most - len(rows)


def _label(row: Any, label: Any, card: rates.Quote, fee: int) -> dict[str, Any]:
    cost = sum(funding.with_fee(amount, fee) for amount in row.amounts)
    return {
        "task_id": row.id,
        "unique_id": row.unique_id,
        "batch_id": row.batch_id,
        "label": label,
        "confidence": row.confidence,
        "settled_by": row.settled_by,
        "flagged": row.flagged,
        "answers": row.answers,
        "dissenting": row.dissenting,
        "cost": money.format_amount(cost, card.exponent),
        "currency": card.currency,
        "settled_at": row.settled_at.astimezone(UTC).isoformat(),
    }


def _correction(project: Project, found: labels.Corrected, *, has_classes: bool) -> dict[str, Any]:
    before = found.label_before
    return {
        "corrected_from": project.labels[before] if has_classes and before is not None else found.value_before,
        "corrected_at": None if found.at is None else found.at.astimezone(UTC).isoformat(),
        "correction_reason": found.reason,
    }
