"""All that the house keeps about a worker, as one JSON document that they can take away.

Written to a file a thousand rows at a time, so that it costs little memory however much somebody has done. What is
masked elsewhere is masked here. What of each table is told, goes and stays when its worker is forgotten (erasures.py)
is said in one place, tests/access/personal.toml; a table that is not there fails a test.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import IO, Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from payments import personal
from workforce import onboarding

_AT_ONCE = 1000
_BYTES_IN_MEMORY = 1024 * 1024
_HELD = "FROM {} JOIN assignments a ON a.id = d.assignment_id AND a.project_id = d.project_id"
# What is told of each, and whose it is. A task has the id under which its worker knows it.
_SECTIONS = {
    "profile": (
        """SELECT w.id, w.name, w.country, w.status, w.created_at, w.activated_at, p.device_class, p.skills,
                  p.payout_region, p.updated_at
             FROM workers w LEFT JOIN worker_profiles p ON p.worker_id = w.id""",
        "w.id",
    ),
    "languages": ("SELECT language, level, created_at FROM worker_languages", "worker_id"),
    "pools": ("SELECT pool, created_at, ended_at FROM pool_memberships", "worker_id"),
    "consents": ("SELECT version, given_at FROM consents", "worker_id"),
    "identity_checks": (
        "SELECT id, provider, state, reason, created_at, decided_at, expires_on FROM identity_checks",
        "worker_id",
    ),
    "invitations": ("SELECT i.created_at, i.ended_at FROM invitations i", "i.accepted_by"),
    "brought_by": (
        """SELECT l.team, l.external_id, l.pool, l.country, l.languages
             FROM invitation_lines l JOIN invitations i ON i.id = l.invitation_id""",
        "i.accepted_by",
    ),
    # With whom is somebody else's own.
    "account_links": (
        """SELECT l.kind, l.recorded_at, l.withdrawn_at FROM account_links l
             JOIN workers w ON w.id = l.one_ref OR w.id = l.other_ref""",
        "w.id",
    ),
    "tiers": ("SELECT skill, tier FROM worker_tiers", "worker_id"),
    # Of the earliest the reason was written for ops alone.
    "tier_moves": (
        """SELECT id, skill, tier_from, tier_to, cause, CASE WHEN cause <> 'earlier' THEN reason END AS reason, rule_id,
                  n, n_right, low, high, n_recent, n_recent_right, high_recent, created_at
             FROM tier_moves""",
        "worker_id",
    ),
    # Those that have moved them; nobody is told of what was refused.
    "tier_overrides": (
        """SELECT o.decided_at, o.skill, o.tier, o.reason, o.ends_at, o.ended_at
             FROM (SELECT * FROM tier_overrides WHERE state IN ('active', 'ended')) o""",
        "o.worker_id",
    ),
    "suspensions": (
        """SELECT s.id, s.reason, s.hours, w.begins_at, w.until, w.ended_at
             FROM (SELECT * FROM suspended_workers WHERE begins_at IS NOT NULL) w
             JOIN suspensions s ON s.id = w.suspension_id""",
        "w.worker_id",
    ),
    "tokens": ("SELECT id, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM tokens", "subject_id"),
    "messages": ("SELECT id, kind, title, words, created_at, read_at FROM messages", "person_ref"),
    "message_choices": ("SELECT kind, by_mail FROM message_choices", "person_ref"),
    "assignments": (
        """SELECT id, project_id, coalesce(shown_as, task_id) AS task_id, kind, status, currency, amount, exponent,
                  created_at, lease_expires_at
             FROM assignments""",
        "worker_id",
    ),
    "drafts": (f"SELECT a.id AS assignment_id, d.payload, d.saved_at {_HELD.format('drafts d')}", "a.worker_id"),
    "releases": (f"SELECT a.id AS assignment_id, d.reason, d.created_at {_HELD.format('releases d')}", "a.worker_id"),
    "withdrawals": (
        f"SELECT a.id AS assignment_id, d.reason, d.note, d.created_at {_HELD.format('withdrawals d')}",
        "a.worker_id",
    ),
    "answers": (
        """SELECT n.id, n.project_id, coalesce(a.shown_as, a.task_id) AS task_id, n.kind, n.payload, n.status, n.late,
                  n.created_at
             FROM answers n JOIN assignments a ON a.id = n.assignment_id AND a.project_id = n.project_id""",
        "n.worker_id",
    ),
    "reviews": (
        """SELECT answer_id, project_id, state, accept_at, reason, evidence, decided_at, appeal_until FROM reviews""",
        "worker_id",
    ),
    "appeals": (
        "SELECT id, answer_id, project_id, grounds, state, decision, created_at, decided_at FROM appeals",
        "worker_id",
    ),
    "task_reports": (
        """SELECT r.id, r.project_id, coalesce(a.shown_as, r.task_id) AS task_id, r.reason, r.note, r.state,
                  r.created_at, r.decided_at
             FROM task_reports r JOIN assignments a ON a.id = r.assignment_id AND a.project_id = r.project_id""",
        "r.worker_id",
    ),
    "attempts": (
        """SELECT a.id, a.project_id, a.state, a.n_questions, a.n_needed, a.n_answered,
                  CASE WHEN a.state <> 'sitting' THEN a.n_right END AS n_right, a.currency, a.amount, a.exponent,
                  a.started_at, a.ended_at
             FROM attempts a""",
        "a.worker_id",
    ),
    # What they said; the questions are others' to meet.
    "attempt_answers": (
        """SELECT a.id AS attempt_id, n.place, p.labels[n.label + 1] AS category, n.answered_at
             FROM (SELECT * FROM attempt_answers WHERE label IS NOT NULL) n JOIN attempts a ON a.id = n.attempt_id
             JOIN projects p ON p.id = a.project_id""",
        "a.worker_id",
    ),
    "erasures": ("SELECT id, state, reason, created_at, decided_at FROM erasures", "worker_id"),
}


def export(db: Session, worker_id: str) -> IO[bytes]:
    """A file with a member for each kind of what is kept, at its beginning; whoever takes it closes it."""
    worker = onboarding.find(db, worker_id)
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_BYTES_IN_MEMORY))
        for n, (name, rows) in enumerate(_all(db, worker.id, worker.payee_id)):
            file.write(f"{',' if n else '{'}{json.dumps(name)}:[".encode())
            for number, row in enumerate(rows):
                file.write(b"," * bool(number) + json.dumps(dict(row), ensure_ascii=False, default=_written).encode())
            file.write(b"]")
        file.write(b"}")
        file.seek(0)
        stack.pop_all()
    return file


def _all(db: Session, worker_id: str, payee_id: str) -> Iterator[tuple[str, Iterator[Mapping[str, Any]]]]:
    for name, (told, owner) in _SECTIONS.items():
        sql = text(f"{told} WHERE {owner} = :worker_id ORDER BY 1")
        found = db.execute(sql, {"worker_id": worker_id}, execution_options={"yield_per": _AT_ONCE})
        yield name, (personal.written(row) for row in found.mappings())
    yield from personal.sections(db, payee_id)


def _written(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert isinstance(value, date), "what JSON has no form for is a time or a day"
    return value.isoformat()
