"""What the clients were told beside what the books hold: after each fault what is new, and everything at the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

import wsgi
from tests.faults.crowd import Journal, Said

# Ops made the expert before the siege began.
FIRST_MOVE = "before the siege"

_CLAIMS = "SELECT id, worker_id, task_id, fence FROM assignments"
_ANSWERS = "SELECT id, assignment_id, worker_id, task_id, payload ->> 'category' FROM answers"
_TASKS = "SELECT id, CAST(metadata ->> 'number' AS integer) FROM tasks"
# By ops; the house moves people too, and gives many the same reason.
_MOVES = "SELECT reason, worker_id, tier_to FROM tier_moves WHERE cause = 'ops'"
_RELEASED = "SELECT id, status FROM assignments"
_LEASES = "SELECT id, lease_expires_at FROM assignments"

_TWICE = text("""
    SELECT 'answers of assignment ' || assignment_id FROM answers GROUP BY assignment_id HAVING count(*) > 1
    UNION ALL
    SELECT 'answers of ' || worker_id || ' for ' || task_id FROM answers GROUP BY worker_id, task_id HAVING count(*) > 1
    UNION ALL
    SELECT 'answers beyond the overlap of ' || t.id
      FROM tasks t JOIN answers n ON n.task_id = t.id AND n.kind = 'answer' GROUP BY t.id, t.overlap
    HAVING count(*) > t.overlap
    UNION ALL
    SELECT 'tasks with number ' || (metadata ->> 'number') FROM tasks GROUP BY metadata ->> 'number' HAVING count(*) > 1
    UNION ALL
    SELECT 'moves called ' || reason FROM tier_moves WHERE cause = 'ops' GROUP BY reason HAVING count(*) > 1
    UNION ALL
    SELECT 'earnings of answer ' || answer_ref FROM earnings GROUP BY answer_ref HAVING count(*) > 1
    UNION ALL
    SELECT 'entries of answer ' || cause_ref FROM journal_entries
     WHERE kind = 'earning' GROUP BY cause_ref HAVING count(*) > 1
""")
# What is owed and what has left, beside what was earned by answers and given.
_PAID = text("""
    SELECT 'pay of ' || a.owner_ref || ' beside its answers'
      FROM accounts a JOIN balances b ON b.account_id = a.id JOIN payees p ON p.id = a.owner_ref
     WHERE a.role = 'payable' AND a.currency = 'USD' AND EXISTS (SELECT FROM workers w WHERE w.id = p.owner_ref)
       AND b.credits - b.debits
           + coalesce((SELECT sum(gross) FROM payouts o
                        WHERE o.payee_id = p.id AND o.state IN ('exported', 'settled')), 0)
           <> coalesce((SELECT sum(s.amount) FROM answers n JOIN assignments s ON s.id = n.assignment_id
                         WHERE n.worker_id = p.owner_ref AND n.status = 'accepted'), 0)
           + coalesce((SELECT sum(amount) FROM earnings e WHERE e.payee_id = p.id AND e.kind <> 'answer'), 0)
""")
_DUE = text("SELECT answer_ref FROM earnings WHERE status IN ('due', 'paid')")
_PARKED = text("SELECT topic || ': ' || last_error FROM outbox_events WHERE parked_at IS NOT NULL")


@dataclass(slots=True)
class Reckoning:
    """What is wrong. All empty is what must be."""

    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not in the books or otherwise."""
    doubled: list[str] = field(default_factory=list)
    """In the books more often than once, or without anybody having been told."""
    unpaid: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """What `rookery check` says."""

    @property
    def is_sound(self) -> bool:
        return not (self.lost or self.doubled or self.unpaid or self.broken)

    def add(self, other: "Reckoning") -> None:
        for mine, found in (
            (self.lost, other.lost),
            (self.doubled, other.doubled),
            (self.unpaid, other.unpaid),
            (self.broken, other.broken),
        ):
            mine += [one for one in found if one not in mine]

    def complaints(self) -> list[str]:
        named = {"lost": self.lost, "doubled": self.doubled, "unpaid": self.unpaid, "broken": self.broken}
        return [f"{name} {len(found)}: {', '.join(found[:3])}" for name, found in named.items() if found]


class Books:
    """A journal beside the database, from where it was last compared."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._seen = {"claims": 0, "answers": 0, "tasks": 0, "moves": 0}

    def compare(self, opened: Session) -> Reckoning:
        """What was told since the last time, and every check of the house; while everybody goes on."""
        found = Reckoning(lost=list(self._journal.vanished), broken=_checks(opened))
        new: dict[str, list[Said]] = {kind: getattr(self._journal, kind)[self._seen[kind] :] for kind in _NEW}
        for kind, (sql, key) in _NEW.items():
            told = new[kind]
            held = stored(opened, f"{sql} WHERE {key} = ANY(:ids)", [said.id for said in told])
            found.lost += lost(kind, told, held)
        found.doubled += opened.scalars(_TWICE)
        for kind, told in new.items():
            self._seen[kind] += len(told)
        return found


_NEW = {
    "claims": (_CLAIMS, "id"),
    "answers": (_ANSWERS, "id"),
    "tasks": (_TASKS, "id"),
    "moves": (_MOVES, "reason"),
}


def reckon(opened: Session, journal: Journal, *, settled: bool) -> Reckoning:
    """Everything, once nobody is at work any more; if all is `settled` every answer must be paid as well."""
    found = Reckoning(lost=list(journal.vanished), broken=_checks(opened))
    for kind, (sql, _) in _NEW.items():
        told: list[Said] = getattr(journal, kind)
        held = stored(opened, sql)
        found.lost += lost(kind, told, held)
        known = {said.id for said in told}
        found.doubled += [f"{kind} nobody was told of: {id_}" for id_ in held if id_ not in known and id_ != FIRST_MOVE]
    found.lost += lost("releases", journal.releases, stored(opened, _RELEASED))
    ends = stored(opened, _LEASES)
    found.lost += [f"renewal of {said.id}" for said in journal.renewals if not _lasts(said, ends)]
    found.doubled += opened.scalars(_TWICE)
    found.broken += [f"parked {error}" for error in opened.scalars(_PARKED)]
    if settled:
        due = set(opened.scalars(_DUE))
        found.doubled += opened.scalars(_PAID)
        found.unpaid = [said.id for said in journal.answers if said.id not in due]
    return found


def stored(opened: Session, sql: str, ids: Sequence[str] = ()) -> dict[str, tuple[Any, ...]]:
    """What the books hold by its id; `ids` are what the statement asks for, if it does."""
    return {row[0]: tuple(row[1:]) for row in opened.execute(text(sql), {"ids": list(ids)} if ":ids" in sql else {})}


def lost(kind: str, told: Sequence[Said], held: Mapping[str, tuple[Any, ...]]) -> list[str]:
    """What was told and is not in the books, or otherwise."""
    return [
        f"{kind} {said.id}: told {said.facts}, stored {held.get(said.id)}"
        for said in told
        if held.get(said.id) != said.facts
    ]


def _lasts(said: Said, ends: Mapping[str, tuple[Any, ...]]) -> bool:
    return said.id in ends and ends[said.id][0] >= datetime.fromisoformat(said.facts[0])


def _checks(opened: Session) -> list[str]:
    checks: dict[str, list[str]] = {}
    for check in wsgi.program.checks:
        checks |= check(opened)
    return [f"{name}: {rows}" for name, rows in checks.items() if rows]
